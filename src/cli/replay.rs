// SPDX-License-Identifier: GPL-2.0-only
//! `nfsd-check replay`: run one recorded interleaving again and print it.

use crate::{
    engine::recording::TraceStep,
    library::{Library, LoadError},
    model::Model,
    report::{
        counterexample::{self, Counterexample, Step},
        replay::{self, Replay},
        text,
    },
};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use std::{
    io::{self, IsTerminal as _, Write as _},
    path::PathBuf,
    process::ExitCode,
};

/// Run one recorded interleaving again and print it.
///
/// Exit status: 1 the violation came about, 0 it did not (on another model), 3 the interleaving
/// could not be followed to its end, 2 bad input.
#[derive(Args, Clone, Debug)]
pub struct ReplayArgs {
    /// The counterexample
    pub file: PathBuf,
    /// Follow the interleaving on this model instead, by name or path
    #[arg(long, value_name = "M")]
    pub model: Option<String>,
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    pub format: ReplayFormat,
    /// How wide a line may be [default: the terminal's width, or 100]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(40..=1000))]
    pub width: Option<u16>,
    /// Show every step, also those that nothing else depends on
    #[arg(long, visible_alias = "verbose")]
    pub all_steps: bool,
}

/// The exit status where the interleaving could not be followed to its end.
const COULD_NOT_FOLLOW: u8 = 3;

/// How to print a replay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ReplayFormat {
    /// For people
    #[default]
    Text,
    /// One JSON document
    Json,
}

/// Runs the command.
#[must_use]
pub fn replay(args: &ReplayArgs) -> ExitCode {
    let (counterexample, model) = match load(args) {
        Ok(loaded) => loaded,
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {error}");
            return ExitCode::from(2);
        }
    };
    if counterexample.weak {
        let text = match args.format {
            ReplayFormat::Text => counterexample.tell(),
            ReplayFormat::Json => counterexample.to_json(),
        };
        let _ = anstream::stdout().lock().write_all(text.as_bytes());
        return ExitCode::from(COULD_NOT_FOLLOW);
    }
    let replay = replay::replay(&counterexample, &model);
    let file = args.file.to_string_lossy();
    let text = match args.format {
        ReplayFormat::Text => {
            let options = text::Options {
                width: args.width.map_or_else(terminal_width, usize::from),
                all_steps: args.all_steps,
            };
            text::print(&counterexample, &model, &replay, &file, &options)
        }
        ReplayFormat::Json => {
            let document = document(&counterexample, &model, &replay, &file);
            format!("{document:#}\n")
        }
    };
    // A reader that has seen enough closes its end.
    let _ = anstream::stdout().lock().write_all(text.as_bytes());
    if let Some(parted) = replay.parted.as_ref().filter(|_| replay.same) {
        // A step is a line of the file.
        let at = counterexample.to_json();
        let first = at.lines().position(|line| line == "  \"schedule\": [");
        let place = match (first, &parted.was) {
            (Some(first), Some(_)) => format!("{file}:{}: ", first + 1 + parted.step),
            _ => format!("{file}: "),
        };
        let _ = writeln!(io::stderr(), "{place}{parted}");
    }
    ExitCode::from(replay.exit_status())
}

fn load(args: &ReplayArgs) -> Result<(Counterexample, Model), LoadError> {
    let counterexample = Counterexample::load(&args.file)?;
    let model = match &args.model {
        Some(name) => Library::find()?.model(name)?,
        None => counterexample.model.clone(),
    };
    Ok((counterexample, model))
}

fn terminal_width() -> usize {
    const OTHERWISE: usize = 100;
    if !io::stdout().is_terminal() {
        return OTHERWISE;
    }
    let size = terminal_size::terminal_size();
    size.map_or(OTHERWISE, |(width, _)| usize::from(width.0))
}

fn document(c: &Counterexample, model: &Model, replay: &Replay, file: &str) -> Value {
    let violations = replay.recording.violations.iter();
    let violations = violations.map(|violation| {
        let claim = counterexample::claim(&replay.recording, violation);
        json!({
            "kind": claim.kind,
            "object": claim.object,
            "context": claim.context,
            "function": claim.function,
            "message": claim.message,
            "step": claim.step,
        })
    });
    let concurrent = replay.recording.steps.iter().filter(|step| step.concurrent);
    let steps = concurrent
        .enumerate()
        .map(|(at, step): (usize, &TraceStep)| {
            let recorded = replay.steps.get(at).copied().flatten();
            let Step {
                context,
                function,
                operation,
                object,
                saw,
                choice,
                reads: _,
            } = Step::new(step);
            json!({
                "step": at + 1,
                "recorded": recorded.map(|at| at + 1),
                "context": context,
                "function": function,
                "functions": step.functions,
                "operation": operation,
                "object": object,
                "saw": saw,
                "choice": choice,
            })
        });
    let missing: Vec<usize> = replay.missing.iter().map(|at| at + 1).collect();
    json!({
        "file": file,
        "scenario": c.scenario.name,
        "model": model.name,
        "recorded_on": c.model.name,
        "engine": "replay",
        "memory_model": c.memory_model,
        "came_about": replay.violation.is_some(),
        "followed": replay.parted.is_none(),
        "parted": replay.parted.as_ref().map(|parted| json!({
            "step": parted.step,
            "reason": parted.to_string(),
        })),
        "violations": violations.collect::<Vec<_>>(),
        "missing": missing,
        "steps": steps.collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{check::program::program, engine::Limits, engine::dpor};
    use clap::Parser;
    use std::sync::Arc;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        replay: ReplayArgs,
    }

    #[test]
    fn the_arguments_are_those_of_the_manual() {
        let parse = |args: &[&str]| Cli::try_parse_from([&["replay"], args].concat());
        let args = parse(&["x.json"]).unwrap().replay;
        assert_eq!(args.format, ReplayFormat::Text);
        let full = [
            "x.json",
            "--model",
            "v4",
            "--format",
            "json",
            "--width",
            "80",
            "--verbose",
        ];
        let args = parse(&full).unwrap().replay;
        assert_eq!(args.format, ReplayFormat::Json);
        assert_eq!((args.width, args.all_steps), (Some(80), true));
        assert!(parse(&[]).is_err());
        assert!(parse(&["x.json", "--width", "8"]).is_err());
        assert!(parse(&["x.json", "--format", "xml"]).is_err());
    }

    #[test]
    fn the_document_says_what_came_about() {
        let library = Library::builtin();
        let scenario = Arc::new(library.scenario("put-order").unwrap());
        let model = library.model("v2-8of9").unwrap();
        let found = dpor::explore(&program(&scenario, model.choices), &Limits::default());
        let c = Counterexample::new(&scenario, &model, "dpor", "sc", &found.findings[0]);
        let on = |model: &Model| document(&c, model, &replay::replay(&c, model), "x.json");

        let same = on(&model);
        assert_eq!(same["came_about"], true);
        assert_eq!(same["parted"], Value::Null);
        assert_eq!(same["violations"][0]["kind"], c.violation.kind.name());
        let steps = same["steps"].as_array().unwrap();
        assert_eq!(steps.len(), c.schedule.len());
        assert!(steps.iter().all(|step| step["step"] == step["recorded"]));

        let v4 = on(&library.model("v4").unwrap());
        assert_eq!(v4["came_about"], false);
        assert_eq!(v4["followed"], false);
        assert!(v4["parted"]["reason"].as_str().unwrap().contains("waits"));
        assert_eq!(v4["violations"], json!([]));
    }
}
