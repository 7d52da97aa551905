// SPDX-License-Identifier: GPL-2.0-only
//! `nfsd-check hunt`: make scenarios, and look for what they break.
//!
//! How far a hunt has come is in a file in its folder, with all that decides what it does. The same
//! command goes on from there; another one, where it would overwrite the file, is refused.

use super::{
    BAD_INPUT,
    explore::{complain_of_input, print_json, quote, said, seconds, stop_on_interrupt, usage},
    fixes::Format,
    output::{Output, complain},
};
use crate::{
    check::{self, program::program},
    engine::Limits,
    hunt::{Counts, Finding, Found, Hunt, State, space::Bounds},
    library::Library,
    model::{Model, Mutexes},
    report::{counterexample::Counterexample, words::counted},
    scenario::{Expectation, Scenario},
};
use clap::{Args, value_parser};
use serde::{Deserialize, Serialize};
use std::{
    fmt::Write as _,
    fs,
    io::{self, IsTerminal, Write as _},
    num::NonZeroUsize,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{Arc, atomic::Ordering},
    thread,
    time::{Duration, Instant},
};

/// What `nfsd-check hunt` is started with.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  nfsd-check hunt --model v2-8of9 --operations 1
  nfsd-check hunt --model v4 --nets 1 --budget 3600
  nfsd-check hunt --model v4 --actors 3 --operations 3 --budget 3600 --jobs 2

Scenarios are made smallest first. What is violated is made as small as it can be and written to the
folder, with a counterexample of each kind. A scenario that contains the one of a finding is not
explored, unless --all is given, and one that is cut short by --max-executions is undecided; both
are counted, and neither holds.

The same command goes on where it was stopped, by --budget or by an interrupt: its state is in the
folder, too.

Exit status: 1 something was found, else 3 something is undecided or not everything was made yet,
else 0; 2 bad input or usage.")]
pub(super) struct HuntArgs {
    /// Name or path of the model to hunt on
    #[arg(long, value_name = "MODEL")]
    model: String,
    /// How many actors a scenario has at most
    #[arg(long, value_name = "K", default_value = "2", value_parser = value_parser!(u64).range(1..=4))]
    actors: u64,
    /// How many operations each of them runs at most
    #[arg(long, value_name = "N", default_value = "2", value_parser = value_parser!(u64).range(1..=3))]
    operations: u64,
    /// How many nets there are at most
    #[arg(long, value_name = "NETS", default_value = "2", value_parser = value_parser!(u64).range(1..=2))]
    nets: u64,
    /// Hunt on a client of LOCALIO and who controls its server, instead of the server alone
    #[arg(long)]
    client: bool,
    /// Explore also what contains the scenario of a finding, each to the end
    #[arg(long)]
    all: bool,
    /// How long to go on this time [default: to the end]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    budget: Option<Duration>,
    /// How many executions of each scenario to explore
    #[arg(long, value_name = "N", default_value = "20000", value_parser = value_parser!(u64).range(1..))]
    max_executions: u64,
    /// How many scenarios to explore at the same time [default: one for each core]
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
    /// How to print the results
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
    /// The folder for scenarios, counterexamples and the state
    #[arg(long, value_name = "DIR", default_value = "hunt")]
    out: PathBuf,
}

/// What a file with a state begins with.
const FORMAT: &str = "nfsd-check hunt";

/// It changes whenever an older state would no longer mean the same.
const VERSION: u32 = 3;

/// All that decides what a hunt does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Plan {
    model: String,
    choices: serde_json::Value,
    actors: u64,
    operations: u64,
    nets: u64,
    client: bool,
    all: bool,
    max_executions: u64,
}

/// The file.
#[derive(Debug, Serialize, Deserialize)]
struct Saved {
    format: String,
    version: u32,
    plan: Plan,
    state: State,
}

/// Hunt, and print what was found.
pub(super) fn hunt(args: &HuntArgs) -> ExitCode {
    let library = match Library::find() {
        Ok(library) => library,
        Err(error) => return complain_of_input(&[said(&error)]),
    };
    let model = match library.model(&args.model) {
        Ok(model) => model,
        Err(error) => return complain_of_input(&[said(&error)]),
    };
    let plan = Plan {
        model: model.name.clone(),
        choices: serde_json::to_value(model.choices).unwrap_or_default(),
        actors: args.actors,
        operations: args.operations,
        nets: args.nets,
        client: args.client,
        all: args.all,
        max_executions: args.max_executions,
    };
    let file = args.out.join(format!("{}.hunt.json", model.name));
    let state = match load(&file, &plan) {
        Ok(state) => state,
        Err(message) => return usage(&message),
    };
    let known = library.model_names().any(|name| name == model.name);
    let limits = Limits {
        max_executions: Some(args.max_executions),
        ..Limits::default()
    };
    let interrupted = Arc::clone(&limits.interrupted);
    let bounds = Bounds {
        actors: args.actors as usize,
        operations: args.operations as usize,
        nets: args.nets as usize,
        close_export: model.choices.mutexes == Mutexes::Split,
        client: args.client,
    };
    let Some(mut hunt) = Hunt::new(&model, bounds, limits, args.all, state) else {
        return usage(&format!("{}: not a state of this hunt", file.display()));
    };
    stop_on_interrupt(&interrupted);
    if let Some(budget) = args.budget {
        let interrupted = Arc::clone(&interrupted);
        thread::spawn(move || {
            thread::sleep(budget);
            interrupted.store(true, Ordering::Relaxed);
        });
    }
    let jobs = args.jobs.or_else(|| thread::available_parallelism().ok());
    let jobs = jobs.map_or(1, NonZeroUsize::get);
    let mut output = Output::default();
    let text = args.format == Format::Text;
    let (start, before) = (Instant::now(), hunt.made());
    let mut error = None;
    let mut printed = 0;
    if text {
        // What was found the last time comes first.
        for finding in &hunt.state.findings {
            output.print(&described(finding));
        }
        printed = hunt.state.findings.len();
    }
    let mut more = !hunt.state.finished;
    while more && error.is_none() {
        more = hunt.batch(
            jobs,
            |found| {
                write(found, &model, known, &args.out).unwrap_or_else(|failed| {
                    error = Some(failed);
                    Vec::new()
                })
            },
            |_| (),
        );
        if error.is_none() {
            error = save(&file, &plan, &hunt.state).err();
        }
        if text {
            for finding in &hunt.state.findings[printed..] {
                output.print(&described(finding));
            }
            printed = hunt.state.findings.len();
        }
        progress(&hunt, start);
        if !output.print("") {
            break;
        }
    }
    clear_progress();
    let report = Report::new(&hunt, &plan);
    match args.format {
        Format::Text => {
            output.print(&report.text(&file));
        }
        Format::Json => print_json(&mut output, &report),
    }
    complain(&format!(
        "{} this time, {:.1} s",
        counted(hunt.made() - before, "scenario"),
        start.elapsed().as_secs_f64()
    ));
    if let Some(error) = &error {
        complain(&format!("error: {error}"));
    }
    let undecided = !hunt.state.finished || !hunt.state.undecided.is_empty();
    output.exit(match (error.is_some(), hunt.state.findings.is_empty()) {
        (true, _) => BAD_INPUT,
        (false, false) => 1,
        (false, true) if undecided => 3,
        (false, true) => 0,
    })
}

/// The state that a hunt goes on from.
fn load(file: &Path, plan: &Plan) -> Result<State, String> {
    let wrong = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
    let text = match fs::read(file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(State::default()),
        Err(error) => return Err(wrong(&error)),
    };
    let saved: Saved = serde_json::from_slice(&text).map_err(|error| wrong(&error))?;
    if saved.format != FORMAT || saved.version != VERSION {
        return Err(wrong(&"not a state that this program reads"));
    }
    if saved.plan != *plan {
        let Plan {
            model,
            actors,
            operations,
            nets,
            max_executions,
            ..
        } = &saved.plan;
        return Err(wrong(&format!(
            "the state of another hunt: --model {model} --actors {actors} --operations {operations} \
             --nets {nets} --max-executions {max_executions}{}{}; give this one another --out",
            if saved.plan.client { " --client" } else { "" },
            if saved.plan.all { " --all" } else { "" },
        )));
    }
    Ok(saved.state)
}

/// Write the state in place of the last one.
fn save(file: &Path, plan: &Plan, state: &State) -> Result<(), String> {
    let wrong = |error: io::Error| format!("{}: {error}", file.display());
    let saved = Saved {
        format: FORMAT.to_owned(),
        version: VERSION,
        plan: plan.clone(),
        state: state.clone(),
    };
    let mut text = serde_json::to_string_pretty(&saved).map_err(|error| wrong(error.into()))?;
    text.push('\n');
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder).map_err(wrong)?;
    }
    let draft = file.with_extension(format!("{}.tmp", std::process::id()));
    let written = fs::write(&draft, text).and_then(|()| fs::rename(&draft, file));
    if written.is_err() {
        let _ = fs::remove_file(&draft);
    }
    written.map_err(wrong)
}

/// Write the scenario of a finding, and a counterexample of each kind.
fn write(found: &Found, model: &Model, known: bool, out: &Path) -> Result<Vec<String>, String> {
    let failed = |error: io::Error| format!("{}: {error}", out.display());
    let kinds = found
        .exploration
        .findings
        .iter()
        .map(|finding| finding.kind);
    let mut scenario = found.scenario.clone();
    if known && found.exploration.complete {
        scenario.expect = vec![(model.name.clone(), Expectation::Violated(kinds.collect()))];
    }
    let path = write_scenario(&scenario, out).map_err(failed)?;
    let mut files = vec![path.display().to_string()];
    let program = program(&Arc::new(scenario.clone()), model.choices);
    for finding in &found.exploration.findings {
        // Not even an interrupt cuts this short: the same files are written every time.
        let finding = check::smallest(&program, finding.clone(), &|| false);
        let counterexample = Counterexample::new(&scenario, model, "dpor", "sc", &finding);
        let path = counterexample.save(out).map_err(failed)?;
        files.push(path.display().to_string());
    }
    Ok(files)
}

/// A scenario's file, which is not written over another one. Its name has to stay, as it is the
/// finding's, so a folder is made for it where the name is taken.
fn write_scenario(scenario: &Scenario, out: &Path) -> io::Result<PathBuf> {
    let text = scenario.to_json();
    let mut number = 1;
    loop {
        let folder = match number {
            1 => out.to_owned(),
            n => out.join(n.to_string()),
        };
        fs::create_dir_all(&folder)?;
        let path = folder.join(format!("{}.json", scenario.name));
        match fs::File::create_new(&path) {
            Ok(mut file) => {
                file.write_all(text.as_bytes())?;
                return Ok(path);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                if fs::read(&path).is_ok_and(|there| there == text.as_bytes()) {
                    return Ok(path);
                }
                number += 1;
            }
            Err(error) => return Err(error),
        }
    }
}

/// A finding for people.
fn described(finding: &Finding) -> String {
    let mut text = format!("{}  {}\n", finding.name, finding.line);
    for signature in &finding.signatures {
        let _ = write!(text, "  {}", signature.kind);
        if !signature.object.is_empty() {
            let _ = write!(text, " of {}", signature.object);
        }
        let functions: Vec<_> = signature.functions.iter().map(String::as_str).collect();
        if !functions.is_empty() {
            let _ = write!(text, " ({})", functions.join(", "));
        }
        text.push('\n');
    }
    let _ = writeln!(text, "  scenario {}", finding.after);
    let (scenario, counterexamples) = match &finding.files[..] {
        [scenario, rest @ ..] => (Some(scenario), rest),
        [] => (None, &[][..]),
    };
    if let Some(scenario) = scenario {
        let _ = writeln!(text, "  {scenario}");
    }
    for path in counterexamples {
        let _ = writeln!(text, "  nfsd-check replay {}", quote(path));
    }
    text
}

fn progress(hunt: &Hunt<'_>, start: Instant) {
    if io::stderr().is_terminal() {
        let made = hunt.made();
        let findings = hunt.state.findings.len();
        let seconds = start.elapsed().as_secs_f64();
        let _ = write!(
            io::stderr().lock(),
            "\r\x1b[K{made} scenarios, {findings} findings, {seconds:.0} s"
        );
    }
}

fn clear_progress() {
    if io::stderr().is_terminal() {
        let _ = write!(io::stderr().lock(), "\r\x1b[K");
    }
}

/// The document, and what the text is made of.
#[derive(Debug, Serialize)]
struct Report<'h> {
    #[serde(flatten)]
    plan: &'h Plan,
    /// The whole space was searched.
    finished: bool,
    setups: Vec<SetupEntry>,
    operations_of_actors: Vec<SizeEntry>,
    total: Counts,
    findings: &'h [Finding],
    /// Each with the reason.
    undecided_scenarios: &'h [(String, String)],
}

#[derive(Debug, Serialize)]
struct SetupEntry {
    name: String,
    operations: Vec<String>,
}

#[derive(Debug, Serialize)]
struct SizeEntry {
    operations: usize,
    #[serde(flatten)]
    counts: Counts,
}

/// Of the columns of the table.
const HEADINGS: [&str; 8] = [
    "scenarios",
    "hold",
    "violated",
    "contain",
    "undecided",
    "invalid",
    "pointless",
    "executions",
];

/// How many undecided scenarios are named in text.
const NAMED: usize = 20;

impl<'h> Report<'h> {
    fn new(hunt: &'h Hunt<'_>, plan: &'h Plan) -> Self {
        let mut total = Counts::default();
        hunt.state
            .counts
            .iter()
            .for_each(|counts| total.add(counts));
        let setups = hunt.setups().iter().map(|setup| SetupEntry {
            name: setup.title(),
            operations: setup.text(),
        });
        let sizes = hunt.state.counts.iter().enumerate();
        let sizes = sizes.map(|(index, counts)| SizeEntry {
            operations: index + 1,
            counts: *counts,
        });
        Self {
            plan,
            finished: hunt.state.finished,
            setups: setups.collect(),
            operations_of_actors: sizes.collect(),
            total,
            findings: &hunt.state.findings,
            undecided_scenarios: &hunt.state.undecided,
        }
    }

    fn text(&self, file: &Path) -> String {
        let plan = self.plan;
        let mut text = String::new();
        if !self.findings.is_empty() {
            text.push('\n');
        }
        let _ = writeln!(
            text,
            "{}: up to {} of up to {}, up to {}, up to {} of each scenario",
            plan.model,
            counted(plan.actors, "actor"),
            counted(plan.operations, "operation"),
            counted(plan.nets, "net"),
            counted(plan.max_executions, "execution"),
        );
        text.push_str("begin in:\n");
        let width = self.setups.iter().map(|setup| setup.name.len()).max();
        let width = width.unwrap_or(0);
        for setup in &self.setups {
            let operations = setup.operations.join("; ");
            let _ = writeln!(text, "  {:width$}  {operations}", setup.name);
        }
        text.push('\n');
        let row = |text: &mut String, first: &str, cells: [String; 8]| {
            let _ = write!(text, "{first:10}");
            for (cell, heading) in cells.iter().zip(HEADINGS) {
                let width = heading.len().max(9);
                let _ = write!(text, "  {cell:>width$}");
            }
            text.push('\n');
        };
        row(&mut text, "operations", HEADINGS.map(str::to_owned));
        let cells = |counts: &Counts| {
            let Counts {
                made,
                hold,
                violated,
                contain,
                undecided,
                invalid,
                pointless,
                executions,
            } = counts;
            let cells = [
                made, hold, violated, contain, undecided, invalid, pointless, executions,
            ];
            cells.map(ToString::to_string)
        };
        let nothing = Counts::default();
        for size in &self.operations_of_actors {
            if size.counts != nothing {
                row(&mut text, &size.operations.to_string(), cells(&size.counts));
            }
        }
        row(&mut text, "all", cells(&self.total));
        let all = if self.finished {
            "all there are"
        } else {
            "not all there are (the same command goes on from here)"
        };
        let _ = writeln!(
            text,
            "\n{}, {all}: {} explored to the end and hold (interleavings only), {} violated,\n{} not explored because they \
             contain the scenario of a finding, {} undecided\nrefused: {} that no correct caller does, \
             {} that are the same as a smaller one",
            counted(self.total.made, "scenario"),
            self.total.hold,
            self.total.violated,
            self.total.contain,
            self.total.undecided,
            self.total.invalid,
            self.total.pointless,
        );
        let again: u64 = self.findings.iter().map(|finding| finding.again).sum();
        let _ = writeln!(
            text,
            "{}; {} more violated scenarios show the same as one of them",
            counted(self.findings.len() as u64, "finding"),
            again
        );
        if !self.undecided_scenarios.is_empty() {
            text.push_str("\nundecided:\n");
        }
        for (scenario, reason) in self.undecided_scenarios.iter().take(NAMED) {
            let _ = writeln!(text, "  {scenario}\n    {reason}");
        }
        if let Some(others) = self.undecided_scenarios.len().checked_sub(NAMED + 1) {
            let others = others + 1;
            let _ = writeln!(text, "  and {others} more, all in {}", file.display());
        }
        text
    }
}
