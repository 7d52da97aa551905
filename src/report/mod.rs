// SPDX-License-Identifier: GPL-2.0-only
//! An interleaving, for people and for machines.
//!
//! * [`counterexample`] is the file that a violation is kept in and that replays it.
//! * [`resume`] is the file that an exploration which was stopped goes on from.
//! * [`replay`](mod@replay) runs it again, and [`why`] says why it is possible.
//! * [`form`] prints it: for people ([`text`], [`mail`]), for machines ([`document`]), as a test
//!   ([`unit_test`]) and for what draws it ([`html`], [`mermaid`], [`perfetto`]). [`stepping`] is
//!   for going through it in a terminal.

pub mod counterexample;
pub mod digest;
pub mod document;
pub mod form;
pub mod html;
pub mod mail;
pub mod mermaid;
pub mod order;
pub mod perfetto;
pub mod replay;
pub mod resume;
pub mod state;
pub mod stepping;
pub mod telling;
pub mod text;
pub mod unit_test;
pub mod verdicts;
pub mod why;
pub mod words;
