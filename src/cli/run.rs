// SPDX-License-Identifier: GPL-2.0-only
//! `nfsd-check run`: check scenarios on models.

use super::{
    BAD_INPUT,
    explore::{
        ExploreArgs, Format, Way, check_all, complain_of_unsaved, pairs, print_json, quote, resumed,
    },
    output::Output,
};
use crate::{
    check::{CheckOptions, MemoryModel, Outcome, Verdict, ViolationEntry, Written},
    report::words::counted,
};
use clap::Args;
use std::{fmt::Write as _, path::PathBuf, process::ExitCode};

/// What `nfsd-check run` is started with.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  nfsd-check run                              every scenario on the models it names
  nfsd-check run put-order --model v2-8of9    stop at the first violation
  nfsd-check run put-order --model v2-8of9 --all
                                              go on to the end: every kind of violation
  nfsd-check run my/scenario.json --model my/model.json --budget 60
  nfsd-check run put-order --engine loom --max-executions 10000
  nfsd-check run put-order --model v2-8of9 --report mail --report mermaid
                                              tell what is found, in files beside it
  nfsd-check run --resume counterexamples/no-stop-v4-resume.json
                                              go on where a run was stopped

Exit status: 1 something is violated, else 3 something is undecided, else 0; 2 bad input or usage.")]
pub(super) struct RunArgs {
    /// Names or paths of scenarios [default: all]
    #[arg(value_name = "SCENARIO")]
    scenarios: Vec<String>,
    /// Name or path of a model; may be given again [default: those in 'expect', or all]
    #[arg(long = "model", value_name = "MODEL")]
    models: Vec<String>,
    /// Explore to the end and report every kind of violation, not only the first
    #[arg(long)]
    all: bool,
    /// Go on where a run was stopped, from the file that it left
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = [
            "all", "engine", "memory_model", "preemption_bound", "stored_states", "runs"
        ]
    )]
    resume: Option<PathBuf>,
    /// How to print the results
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
    #[command(flatten)]
    explore: ExploreArgs,
}

/// Check, and print what came of it.
pub(super) fn run(args: &RunArgs) -> ExitCode {
    let options = match args.explore.options(args.all) {
        Ok(options) => options,
        Err(status) => return status,
    };
    let found = match &args.resume {
        Some(file) => resumed(file, &args.scenarios, &args.models, options),
        None => pairs(&args.scenarios, &args.models).map(|pairs| (pairs, options)),
    };
    let (pairs, options) = match found {
        Ok((pairs, options)) => {
            let keep = true;
            (pairs, CheckOptions { keep, ..options })
        }
        Err(status) => return status,
    };
    let widths = Widths::new(pairs.iter().map(|p| (&*p.scenario.name, &*p.model.name)));
    let mut output = Output::default();
    let mut outcomes = Vec::new();
    check_all(
        &args.explore,
        &options,
        &pairs,
        &vec![Way::Explore(None); pairs.len()],
        &vec![Written::All; pairs.len()],
        &mut output,
        |output, _, outcome| {
            if args.format == Format::Text {
                output.print(&describe(&outcome, &widths));
            }
            outcomes.push(outcome);
        },
    );
    if args.format == Format::Json {
        print_json(&mut output, &outcomes);
    }
    let any = |verdict| outcomes.iter().any(|outcome| outcome.verdict == verdict);
    let status = if complain_of_unsaved(&outcomes) {
        BAD_INPUT
    } else if any(Verdict::Violated) {
        1
    } else if any(Verdict::Undecided) {
        3
    } else {
        0
    };
    output.exit(status)
}

/// The widths of the columns that lines begin with.
#[derive(Debug)]
pub(super) struct Widths {
    scenario: usize,
    model: usize,
}

impl Widths {
    /// For lines about these scenarios and models.
    pub(super) fn new<'n>(names: impl Iterator<Item = (&'n str, &'n str)>) -> Self {
        names.fold(
            Self {
                scenario: 0,
                model: 0,
            },
            |widths, (scenario, model)| Self {
                scenario: widths.scenario.max(scenario.len()),
                model: widths.model.max(model.len()),
            },
        )
    }
}

/// The line about an outcome, without its end.
pub(super) fn headline(outcome: &Outcome, widths: &Widths) -> String {
    let (scenario, model) = (widths.scenario, widths.model);
    let mut line = format!(
        "{:scenario$}  {:model$}  {:9}  {}",
        outcome.scenario,
        outcome.model,
        outcome.verdict,
        counted(outcome.executions, "execution"),
    );
    if outcome.blocked > 0 {
        let _ = write!(line, ", {} cut", outcome.blocked);
    }
    if let Some(states) = outcome.states {
        let _ = write!(line, ", {}", counted(states, "state"));
    }
    // Without it, it would read like what is said of weak memory, too.
    if outcome.memory_model == MemoryModel::Sc {
        line.push_str(", sequential consistency");
    }
    line
}

fn describe(outcome: &Outcome, widths: &Widths) -> String {
    let mut text = headline(outcome, widths);
    text.push('\n');
    for entry in &outcome.violations {
        text += &violation(entry);
    }
    if let Some(reason) = &outcome.reason {
        let _ = writeln!(text, "  {reason}");
    }
    if let Some(path) = &outcome.resume {
        let _ = writeln!(text, "  nfsd-check run --resume {}", quote(path));
    }
    text
}

fn violation(entry: &ViolationEntry) -> String {
    let mut text = format!("  {}", entry.kind);
    if !entry.object.is_empty() {
        let _ = write!(text, " of {}", entry.object);
    }
    if !entry.function.is_empty() {
        let _ = write!(text, " in {}()", entry.function);
    }
    if !entry.thread.is_empty() {
        let _ = write!(text, ", {}", entry.thread);
    }
    let _ = writeln!(text, "\n    {}", entry.message);
    if let Some(size) = &entry.size {
        let _ = writeln!(text, "    {size}");
    }
    if let Some(path) = &entry.counterexample {
        let _ = writeln!(text, "    {path}");
        let _ = if entry.replayable {
            writeln!(text, "    nfsd-check replay {}", quote(path))
        } else {
            let path = quote(path);
            writeln!(
                text,
                "    no interleaving shows it; its steps: nfsd-check replay {path}"
            )
        };
    }
    for report in &entry.reports {
        let _ = writeln!(text, "    {report}");
    }
    text
}
