// SPDX-License-Identifier: GPL-2.0-only
//! `nfsd-check gate`: everything against what is expected.

use super::{
    BAD_INPUT,
    explore::{
        ExploreArgs, Pair, Way, check_all, complain_of_input, complain_of_unsaved, pairs,
        print_json, reproduce, said, usage,
    },
    output::{Output, complain},
    run::{Widths, headline},
};
use crate::{
    check::{
        CheckOptions, EngineKind, MemoryModel, Outcome, Written,
        baseline::Baseline,
        gate::{Cell, Difference, UNDECIDED_EXECUTIONS, compare, found, matrix},
        shards::{Options, Part, Piece, Shard, inputs, merge},
    },
    library::{Library, LoadError},
    mutants,
    report::{
        counterexample::Counterexample,
        form::Story,
        verdicts::{Judged, Place, github, junit, sarif},
    },
    scenario::Expectation,
};
use clap::{Args, ValueEnum};
use serde::Serialize;
use serde_json::{Value, json};
use std::{fs, io, path::PathBuf, process::ExitCode, sync::Arc};

/// What `nfsd-check gate` is started with.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  nfsd-check gate
  nfsd-check gate --format junit > gate.xml
  nfsd-check gate put-order --model v4 --budget 60
  nfsd-check gate --baseline baseline.json --update-baseline
  nfsd-check gate --baseline baseline.json
  nfsd-check gate --shard 2/4 --format json > gate-2.json
  nfsd-check gate --merge gate-1.json gate-2.json gate-3.json gate-4.json
  nfsd-check gate --self-test

Each scenario is explored to the end on the models that it expects something of, and must give
exactly the verdict, or the kinds of violation, that it expects. On a model that is asked for by
--model, or where a scenario expects nothing at all, there has to be an expectation too: it is a
failure where there is none, and says what it could be. A pair that is expected to be undecided is
tried for 20,000 executions, and must not show a violation in them. Of one that is expected to be
violated at least in some way that an interleaving shows, that interleaving is run.

The counterexamples of a pair that is not as expected are written, each the smallest that is found;
with --out or --report those of every violated pair are.

Exit status: 0 all is as expected, 1 not, 2 bad input or usage.")]
pub(super) struct GateArgs {
    /// Names or paths of scenarios [default: all]
    #[arg(value_name = "SCENARIO")]
    scenarios: Vec<String>,
    /// Name or path of a model; may be given again [default: those in 'expect', or all]
    #[arg(long = "model", value_name = "MODEL")]
    models: Vec<String>,
    /// Check something false in each scenario, that its actors do nothing, and fail where that is not
    /// found to be false
    #[arg(long)]
    self_test: bool,
    /// How to print the results
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: GateFormat,
    /// Compare the numbers of executions and the times with those in this file; more is a warning
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Write what the pairs take now into the file given with --baseline
    #[arg(long, requires = "baseline")]
    update_baseline: bool,
    /// How many percent more executions than in the baseline are fine
    #[arg(
        long,
        value_name = "PERCENT",
        default_value_t = 10,
        requires = "baseline"
    )]
    growth: u32,
    /// Check only every Nth pair, from the Kth on
    #[arg(long, value_name = "K/N")]
    shard: Option<Shard>,
    /// Check nothing: put together what all shards wrote with --format json. The scenarios and models
    /// that the shards were given are given here again; what they were run with is in the files
    #[arg(
        long,
        value_name = "FILE",
        num_args = 1..,
        conflicts_with_all = [
            "shard", "engine", "memory_model", "budget", "max_executions", "preemption_bound",
            "stored_states", "runs", "seed"
        ]
    )]
    merge: Vec<PathBuf>,
    #[command(flatten)]
    explore: ExploreArgs,
}

/// What is expected of a pair under a memory model.
fn expected(pair: &Pair, memory_model: MemoryModel) -> Option<&Expectation> {
    match memory_model {
        MemoryModel::Rc11 => pair.scenario.expected_under_rc11(&pair.model.name),
        _ => pair.scenario.expected(&pair.model.name),
    }
}

/// How the gate's results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum GateFormat {
    /// For people
    Text,
    /// One JSON document
    Json,
    /// JUnit's XML
    Junit,
    /// SARIF 2.1.0
    Sarif,
    /// Annotations for GitHub's runners
    Github,
}

/// One pair in the JSON document.
#[derive(Debug, Serialize)]
struct Entry<'a> {
    #[serde(flatten)]
    outcome: &'a Outcome,
    /// What the scenario says, as it says it.
    expected: Option<&'a Expectation>,
    /// What it could say, where the exploration came to its end.
    found: Option<Expectation>,
    difference: Option<DifferenceEntry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

#[derive(Debug, Serialize)]
struct DifferenceEntry {
    kind: &'static str,
    message: String,
    reproduce: String,
}

#[derive(Debug, Serialize)]
struct Document<'a> {
    passed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    shard: Option<Part>,
    pairs: Vec<Entry<'a>>,
}

/// A pair that was checked.
struct Checked {
    pair: Pair,
    outcome: Outcome,
    difference: Option<Difference>,
    warnings: Vec<String>,
}

/// Check, compare, and print both.
pub(super) fn gate(args: &GateArgs) -> ExitCode {
    let options = match args.explore.options(true) {
        Ok(options) => options,
        Err(status) => return status,
    };
    let mut baseline = match baseline(args) {
        Ok(baseline) => baseline,
        Err(error) => return usage(&error),
    };
    let mut all = match pairs(&args.scenarios, &args.models) {
        Ok(pairs) => pairs,
        Err(status) => return status,
    };
    if args.self_test {
        return self_test(args, &all);
    }
    let merged = match (&args.merge[..], &all) {
        ([], _) => None,
        (files, all) => match merged(files, all) {
            Ok(merged) => Some(merged),
            Err(error) => return usage(&error),
        },
    };
    // What a merged gate was run with is not what this process is.
    let (given, outcomes) = match merged {
        Some((given, outcomes)) => (given, Some(outcomes)),
        None => (args.explore.given(), None),
    };
    let part = args.shard.map(|shard| part(shard, &all, &given));
    if let Some(shard) = args.shard {
        let mut at = 0..;
        all.retain(|_| at.next().is_some_and(|at| shard.has(at)));
    }
    let widths = Widths::new(all.iter().map(|p| (&*p.scenario.name, &*p.model.name)));
    let text = args.format == GateFormat::Text;
    let mut output = Output::default();
    let mut checked: Vec<Checked> = Vec::new();
    let mut each = |output: &mut Output, pair: &Pair, outcome: Outcome| {
        let difference = compare(expected(pair, outcome.memory_model), &outcome);
        let warnings = match &baseline {
            Some(baseline) if !args.update_baseline => baseline.warnings(&outcome, args.growth),
            _ => Vec::new(),
        };
        if text {
            let reproduce = reproduce(pair, &given);
            output.print(&line(&outcome, difference.as_ref(), &reproduce, &widths));
        }
        if text || args.format == GateFormat::Json {
            for warning in &warnings {
                let (scenario, model) = (&outcome.scenario, &outcome.model);
                complain(&format!("warning: {scenario} on {model}: {warning}"));
            }
        }
        checked.push(Checked {
            pair: pair.clone(),
            outcome,
            difference,
            warnings,
        });
    };
    if let Some(outcomes) = outcomes {
        for (pair, outcome) in all.iter().zip(outcomes) {
            each(&mut output, pair, outcome);
        }
    } else {
        let ways = match ways(&all, &options) {
            Ok(ways) => ways,
            Err(status) => return status,
        };
        check_all(
            &args.explore,
            &options,
            &all,
            &ways,
            &written(args, &all, &options),
            &mut output,
            |output, index, outcome| each(output, &all[index], outcome),
        );
    }
    let differ = checked.iter().filter(|c| c.difference.is_some()).count();
    match args.format {
        GateFormat::Text => {
            output.print(&summary(&checked, differ));
        }
        GateFormat::Json => {
            let document = Document {
                passed: differ == 0,
                shard: part,
                pairs: checked.iter().map(|c| entry(&given, c)).collect(),
            };
            print_json(&mut output, &document);
        }
        GateFormat::Junit => {
            output.print(&junit(&judged(&given, &checked)));
        }
        GateFormat::Sarif => {
            print_json(&mut output, &sarif(&judged(&given, &checked), flows));
        }
        GateFormat::Github => {
            output.print(&github(&judged(&given, &checked)));
        }
    }
    if let (Some(baseline), true) = (&mut baseline, args.update_baseline) {
        for checked in &checked {
            baseline.update(&checked.outcome);
        }
        if let Some(path) = &args.baseline
            && let Err(error) = replace(path, &baseline.to_json())
        {
            return usage(&format!("{}: {error}", path.display()));
        }
    }
    let outcomes: Vec<_> = checked.into_iter().map(|checked| checked.outcome).collect();
    let status = match complain_of_unsaved(&outcomes) {
        true => BAD_INPUT,
        false => u8::from(differ > 0),
    };
    output.exit(status)
}

/// Whose counterexamples are written: where they are not asked for, only what nobody expects.
fn written(args: &GateArgs, pairs: &[Pair], options: &CheckOptions) -> Vec<Written> {
    let pairs = pairs
        .iter()
        .map(|pair| match args.explore.wants_counterexamples() {
            true => Written::All,
            false => Written::Unexpected(expected(pair, options.memory_model).cloned()),
        });
    pairs.collect()
}

/// How to check what is expected of each pair.
fn ways(pairs: &[Pair], options: &CheckOptions) -> Result<Vec<Way>, ExitCode> {
    let library = Library::find().map_err(|error| complain_of_input(&[said(&error)]))?;
    let mut errors = Vec::new();
    let ways = pairs.iter().map(|pair| {
        let expected = expected(pair, options.memory_model);
        match expected.filter(|_| options.engine == EngineKind::Dpor) {
            Some(Expectation::AtLeast { shown_by, .. }) => match library.interleaving(shown_by) {
                Ok(interleaving) => Way::Follow(Arc::new(interleaving)),
                Err(error) => {
                    let scenario = &pair.scenario.name;
                    let error = said(&error);
                    errors.push(format!("{error}, by which {scenario} is to be shown"));
                    Way::Explore(None)
                }
            },
            Some(Expectation::Undecided) => Way::Explore(Some(UNDECIDED_EXECUTIONS)),
            _ => Way::Explore(None),
        }
    });
    let ways = ways.collect();
    match errors.is_empty() {
        true => Ok(ways),
        false => Err(complain_of_input(&errors)),
    }
}

/// How many executions may be looked at until all actors have done something in one of them.
const SELF_TEST_EXECUTIONS: u64 = 500;

/// Check a false invariant in each of the pairs.
fn self_test(args: &GateArgs, pairs: &[Pair]) -> ExitCode {
    if args.format != GateFormat::Text {
        return usage("--self-test prints text only");
    }
    let most = args.explore.max_executions.unwrap_or(SELF_TEST_EXECUTIONS);
    let mut output = Output::default();
    let mut missed = 0;
    for pair in pairs {
        let (scenario, model) = (&pair.scenario.name, &pair.model.name);
        let why = match mutants::run::self_test(&pair.scenario, &pair.model, most) {
            Ok(true) => continue,
            Ok(false) => format!("some actor does nothing in the first {most} executions"),
            Err(reason) => reason,
        };
        output.print(&format!("FAIL  {scenario} on {model}: {why}\n"));
        missed += 1;
    }
    let all = pairs.len();
    output.print(&match missed {
        0 => format!("the false invariant is found to be false in all {all} pairs\n"),
        _ => format!("the false invariant is not found to be false in {missed} of {all} pairs\n"),
    });
    output.exit(u8::from(missed > 0))
}

/// The baseline that is asked for. One that is to be written need not be there.
fn baseline(args: &GateArgs) -> Result<Option<Baseline>, String> {
    let Some(path) = &args.baseline else {
        return Ok(None);
    };
    let file = path.display().to_string();
    match fs::read_to_string(path) {
        Ok(text) => Baseline::parse(&file, &text).map(Some),
        Err(error) if args.update_baseline && error.kind() == io::ErrorKind::NotFound => {
            Ok(Some(Baseline::default()))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(format!("{file}: {error}; --update-baseline writes it anew"))
        }
        Err(error) => Err(format!("{file}: {error}")),
    }
}

/// Writes a file that may be there, so that at any time there is the old one or the new one.
fn replace(path: &PathBuf, text: &str) -> io::Result<()> {
    let mut draft = path.clone().into_os_string();
    draft.push(format!(".{}.tmp", std::process::id()));
    let written = fs::write(&draft, text).and_then(|()| fs::rename(&draft, path));
    if written.is_err() {
        let _ = fs::remove_file(&draft);
    }
    written
}

fn part(shard: Shard, all: &[Pair], given: &Options) -> Part {
    let name = |pair: &Pair| (pair.scenario.name.clone(), pair.model.name.clone());
    Part {
        shard,
        all: all.iter().map(name).collect(),
        inputs: inputs(all.iter().map(|pair| (&*pair.scenario, &*pair.model))),
        options: given.clone(),
    }
}

/// What all shards were run with, and the outcomes of all pairs, from their files.
fn merged(files: &[PathBuf], all: &[Pair]) -> Result<(Options, Vec<Outcome>), String> {
    let mut pieces: Vec<(String, Piece)> = Vec::new();
    for path in files {
        let file = path.display().to_string();
        let text = fs::read_to_string(path).map_err(|error| format!("{file}: {error}"))?;
        let piece = serde_json::from_str(&text).map_err(|error| {
            let place = format!("{file}:{}:{}", error.line(), error.column());
            format!("{place}: not the JSON of a shard: {error}")
        })?;
        pieces.push((file, piece));
    }
    let here = part(Shard { index: 1, count: 1 }, all, &Options::new());
    if let Some((file, piece)) = pieces.first()
        && (&piece.shard.all, &piece.shard.inputs) != (&here.all, &here.inputs)
    {
        return Err(format!(
            "{file}: not of the scenarios and models that are here; where --shard was given \
             names of some, --merge is given the same"
        ));
    }
    let outcomes = merge(&pieces)?;
    let given = pieces
        .into_iter()
        .next()
        .map(|(_, piece)| piece.shard.options);
    Ok((given.unwrap_or_default(), outcomes))
}

fn judged<'c>(given: &Options, checked: &'c [Checked]) -> Vec<Judged<'c>> {
    let library = Library::find().ok();
    let pairs = checked.iter().map(|checked| {
        let pair = &checked.pair;
        let file = library.as_ref();
        let file = file.and_then(|library| library.scenario_file(&pair.scenario_arg).ok());
        let (path, text) = file.unwrap_or_default();
        Judged {
            outcome: &checked.outcome,
            difference: checked.difference.as_ref(),
            reproduce: reproduce(pair, given),
            place: Place::of(&path.to_string_lossy(), &text, &pair.model.name),
            warnings: checked.warnings.clone(),
        }
    });
    pairs.collect()
}

/// How the violations of a pair come about, for SARIF: a thread for each context.
fn flows(judged: &Judged<'_>) -> Vec<Value> {
    let file = &judged.place.file;
    // One that the program carries is in no folder.
    let text = fs::read_to_string(file).ok();
    let place = |actor: &str| match &text {
        Some(text) => Place::of_actor(file, text, actor),
        None => judged.place.clone(),
    };
    let flows = judged.outcome.violations.iter().filter_map(|entry| {
        let path = entry.counterexample.as_ref()?;
        match flow(path, &entry.message, &place) {
            Ok(flow) => flow,
            Err(error) => {
                complain(&said(&error));
                None
            }
        }
    });
    flows.collect()
}

/// A step has no line of C: its place is that of what its context does, in the scenario's file.
fn flow(
    path: &str,
    message: &str,
    place: &dyn Fn(&str) -> Place,
) -> Result<Option<Value>, LoadError> {
    let counterexample = Counterexample::load(path.as_ref())?;
    let model = counterexample.model.clone();
    let story = Story::new(counterexample, model, None, path);
    if story.replay.violation.is_none() {
        return Ok(None);
    }
    let threads = story.threads().into_iter().map(|(context, steps)| {
        let place = place(&context).physical_location();
        let locations = steps.into_iter().map(|(order, text)| {
            json!({
                "executionOrder": order,
                "location": { "physicalLocation": place, "message": { "text": text } },
            })
        });
        json!({ "id": context, "locations": locations.collect::<Vec<_>>() })
    });
    Ok(Some(json!({
        "message": { "text": message },
        "threadFlows": threads.collect::<Vec<_>>(),
    })))
}

fn entry<'a>(given: &Options, checked: &'a Checked) -> Entry<'a> {
    let Checked {
        pair,
        outcome,
        difference,
        warnings,
    } = checked;
    Entry {
        outcome,
        expected: expected(pair, outcome.memory_model),
        found: found(outcome),
        difference: difference.as_ref().map(|difference| DifferenceEntry {
            kind: difference.name(),
            message: difference.to_string(),
            reproduce: reproduce(pair, given),
        }),
        warnings: warnings.clone(),
    }
}

fn line(
    outcome: &Outcome,
    difference: Option<&Difference>,
    reproduce: &str,
    widths: &Widths,
) -> String {
    let headline = headline(outcome, widths);
    match difference {
        None => format!("ok    {headline}\n"),
        Some(difference) => {
            format!("FAIL  {headline}\n      {difference}\n      {reproduce}\n")
        }
    }
}

fn summary(checked: &[Checked], differ: usize) -> String {
    let cells: Vec<_> = checked
        .iter()
        .map(|checked| Cell {
            outcome: &checked.outcome,
            differs: checked.difference.is_some(),
        })
        .collect();
    let all = checked.len();
    let verdict = match differ {
        0 if all == 1 => "the one pair is as expected".to_owned(),
        0 => format!("all {all} pairs are as expected"),
        _ => format!("{differ} of {all} pairs are not as expected, marked with '!'"),
    };
    format!("\n{}\n{verdict}\n", matrix(&cells))
}
