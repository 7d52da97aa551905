// SPDX-License-Identifier: GPL-2.0-only
//! Placeholder: `nfsd-check replay`.

use clap::Args;
use std::{path::PathBuf, process::ExitCode};

/// What `nfsd-check replay` is started with.
#[derive(Args, Debug)]
pub struct ReplayArgs {
    /// The counterexample
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Follow the same interleaving on this model instead
    #[arg(long, value_name = "MODEL")]
    pub model: Option<String>,
}

/// Run one recorded interleaving again.
#[must_use]
pub fn replay(_args: &ReplayArgs) -> ExitCode {
    eprintln!("error: replay is not there yet");
    ExitCode::from(2)
}
