// SPDX-License-Identifier: GPL-2.0-only
//! An interleaving, for people and for machines.
//!
//! * [`counterexample`] is the file that a violation is kept in and that replays it.
//! * [`text`] prints one for people.

pub mod counterexample;
pub mod replay;
pub mod text;
pub mod words;
