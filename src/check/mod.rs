// SPDX-License-Identifier: GPL-2.0-only
//! Running a scenario on a model with an engine.

pub mod program;
