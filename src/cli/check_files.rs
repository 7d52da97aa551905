// SPDX-License-Identifier: GPL-2.0-only
//! `nfsd-check check-files`: whether files are what they should be, without running anything.

use super::{
    BAD_INPUT,
    explore::said,
    output::{Output, complain},
};
use crate::{
    check::{
        baseline::{Baseline, FORMAT as BASELINE},
        results,
    },
    json::MAX_BYTES,
    library::{self, Library},
    model::Model,
    report::counterexample::{Counterexample, MAX_BYTES as MAX_COUNTEREXAMPLE},
    scenario::Scenario,
    schema::Kind,
};
use clap::Args;
use std::{
    fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
};

/// What `nfsd-check check-files` is started with.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  nfsd-check check-files                            all models, scenarios and interleavings here
  nfsd-check check-files my/scenario.json counterexamples/put-order-v2-8of9-use-after-destroy.json
  nfsd-check check-files --schema scenario > scenario.schema.json

What a file is, is told by what is in it: 'choices' make a model, 'actors' a scenario, 'passed' the
results of a gate or of a shard of one, and a counterexample and a baseline say what they are. Of
what else is written here, states of --resume and of hunts, traces and what 'run' and 'replay' print
as JSON, it is said that it is not checked.

Exit status: 0 all are fine, 2 one is not.")]
pub(super) struct CheckFilesArgs {
    /// Models, scenarios, counterexamples, baselines, and what 'gate --format json' prints [default: the
    /// models, scenarios and interleavings of the current folder]
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Check nothing, print the JSON Schema of such files
    #[arg(long, value_name = "KIND", conflicts_with = "files")]
    schema: Option<Kind>,
}

/// What is written here for others to read, or to go on from: a string that only such a file has, and
/// what it is.
const WRITTEN: [(&str, &str); 5] = [
    ("nfsd-check resume", "a state of --resume"),
    ("nfsd-check hunt", "a state of a hunt"),
    ("came_about", "what 'replay --format json' prints"),
    ("traceEvents", "a trace for Perfetto"),
    ("verdict", "what 'run --format json' prints"),
];

/// Check the files.
pub(super) fn check_files(args: &CheckFilesArgs) -> ExitCode {
    let mut output = Output::default();
    if let Some(kind) = args.schema {
        output.print(&kind.text());
        return output.exit(0);
    }
    let files = match args.files.is_empty() {
        true => here(),
        false => Ok(args.files.clone()),
    };
    let (files, library) = match (files, Library::find()) {
        (Ok(files), Ok(library)) => (files, library),
        (Err(error), _) => {
            complain(&format!("error: {error}"));
            return output.exit(BAD_INPUT);
        }
        (_, Err(error)) => {
            complain(&said(&error));
            return output.exit(BAD_INPUT);
        }
    };
    let models: Vec<&str> = library.model_names().collect();
    let mut status = 0;
    for file in files {
        match check(&file, &models) {
            Ok(kind) => {
                output.print(&format!("{kind}  {}\n", file.display()));
            }
            Err(error) => {
                complain(&error);
                status = BAD_INPUT;
            }
        }
    }
    output.exit(status)
}

/// The models and scenarios of the current folder.
fn here() -> Result<Vec<PathBuf>, String> {
    let mut files = Vec::new();
    for folder in [
        "models",
        "scenarios",
        "scenarios/found",
        "scenarios/interleavings",
    ] {
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(format!("{folder}: {error}")),
        };
        for entry in entries {
            let path = entry.map_err(|error| format!("{folder}: {error}"))?.path();
            if path.extension().is_some_and(|e| e == "json") {
                files.push(path);
            }
        }
    }
    files.sort();
    match files.is_empty() {
        true => Err("no models/*.json and no scenarios/*.json here".to_owned()),
        false => Ok(files),
    }
}

/// What a file is; its line begins with that.
fn check(path: &Path, models: &[&str]) -> Result<String, String> {
    let bytes = library::read(path, MAX_COUNTEREXAMPLE).map_err(|error| said(&error))?;
    let file = path.to_string_lossy();
    let has = |text: &str| {
        let text = format!("\"{text}\"");
        bytes.windows(text.len()).any(|at| at == text.as_bytes())
    };
    let ok = |kind: Kind| Ok(format!("ok  {:<14}", kind.name()));
    if has(BASELINE) {
        let text = str::from_utf8(&bytes).map_err(|error| format!("{file}: {error}"))?;
        Baseline::parse(&file, text)?;
        return ok(Kind::Baseline);
    }
    if has("passed") && has("pairs") {
        results::check(&file, &bytes)?;
        return ok(Kind::Gate);
    }
    let written = WRITTEN.iter().find(|(mark, _)| has(mark));
    if let Some((_, what)) = written {
        return Ok(format!("not checked, {what}:"));
    }
    // A counterexample has a scenario and a model in it.
    if has("format") && has("schedule") {
        Counterexample::parse(&file, &bytes).map_err(|wrong| wrong.to_string())?;
        return ok(Kind::Counterexample);
    }
    let bytes = &bytes[..bytes.len().min(MAX_BYTES + 1)];
    if has("choices") {
        Model::parse(&file, bytes).map_err(|wrong| wrong.to_string())?;
        return ok(Kind::Model);
    }
    Scenario::parse(&file, bytes, models).map_err(|wrong| wrong.to_string())?;
    ok(Kind::Scenario)
}
