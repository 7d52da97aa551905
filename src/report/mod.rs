// SPDX-License-Identifier: GPL-2.0-only
//! Placeholder: what is found, for people and for machines.

pub mod counterexample;
