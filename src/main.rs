// SPDX-License-Identifier: GPL-2.0-only
//! The `nfsd-check` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    nfsd_check::cli::main()
}
