// SPDX-License-Identifier: GPL-2.0-only
//! The binary from outside.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// A new, empty folder.
pub(crate) fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

pub(crate) fn command(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nfsd-check"));
    command.args(args).current_dir(folder).stdin(Stdio::null());
    command
}

/// Exit status, stdout, stderr.
#[track_caller]
pub(crate) fn run(folder: &Path, args: &[&str]) -> (i32, String, String) {
    let output = command(folder, args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let stderr = text(output.stderr);
    assert!(!stderr.contains("panicked"), "{stderr}");
    let status = output.status.code().expect("it was not killed");
    (status, text(output.stdout), stderr)
}
