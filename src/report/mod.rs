// SPDX-License-Identifier: GPL-2.0-only
//! An interleaving, for people and for machines.
//!
//! * [`counterexample`] is the file that a violation is kept in and that replays it.
//! * [`resume`] is the file that an exploration which was stopped goes on from.
//! * [`text`] prints one for people.

pub mod counterexample;
pub mod replay;
pub mod resume;
pub mod text;
pub mod words;
