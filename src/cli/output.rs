// SPDX-License-Identifier: GPL-2.0-only
//! Writing to a stdout that somebody may have stopped reading.

use super::BAD_INPUT;
use std::{
    io::{self, Write},
    process::ExitCode,
};

/// Standard output until it fails. `nfsd-check list models | head -1` is no error: after a broken
/// pipe nothing more is written, and nothing is said about it.
#[derive(Debug, Default)]
pub(super) struct Output {
    error: Option<io::Error>,
}

impl Output {
    /// Write and flush. Returns whether there is any point in writing more.
    pub(super) fn print(&mut self, text: &str) -> bool {
        if self.error.is_none() {
            let mut stdout = io::stdout().lock();
            let written = stdout.write_all(text.as_bytes());
            self.error = written.and_then(|()| stdout.flush()).err();
        }
        self.error.is_none()
    }

    /// The exit status, which is `status` unless the output was lost.
    pub(super) fn exit(self, status: u8) -> ExitCode {
        match self.error {
            Some(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                complain(&format!("error: standard output: {error}"));
                ExitCode::from(BAD_INPUT)
            }
            _ => ExitCode::from(status),
        }
    }
}

/// A line for people. That nobody can read it is no reason to die.
pub(super) fn complain(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}
