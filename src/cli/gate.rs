// SPDX-License-Identifier: GPL-2.0-only
//! `nfsd-check gate`: everything against what is expected.

use super::{
    BAD_INPUT,
    explore::{
        ExploreArgs, Format, Pair, check_all, complain_of_unsaved, pairs, print_json, usage,
    },
    output::Output,
    run::{Widths, headline},
};
use crate::{
    check::{
        Outcome,
        gate::{Cell, Difference, UNDECIDED_EXECUTIONS, compare, found, matrix},
    },
    mutants,
    scenario::Expectation,
};
use clap::Args;
use serde::Serialize;
use std::process::ExitCode;

/// What `nfsd-check gate` is started with.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  nfsd-check gate
  nfsd-check gate --format json > gate.json
  nfsd-check gate put-order --model v4 --budget 60

  nfsd-check gate --self-test

Each scenario is explored to the end on the models that it expects something of, and must give
exactly the verdict, or the kinds of violation, that it expects. On a model that is asked for by
--model, or where a scenario expects nothing at all, there has to be an expectation too: it is a
failure where there is none, and says what it could be. A pair that is expected to be undecided is
tried for 20,000 executions, and must not show a violation in them.

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
    #[command(flatten)]
    explore: ExploreArgs,
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
    pairs: Vec<Entry<'a>>,
}

/// Check, compare, and print both.
pub(super) fn gate(args: &GateArgs) -> ExitCode {
    let options = match args.explore.options(true) {
        Ok(options) => options,
        Err(status) => return status,
    };
    let pairs = match pairs(&args.scenarios, &args.models) {
        Ok(pairs) => pairs,
        Err(status) => return status,
    };
    if args.self_test {
        return self_test(args, &pairs);
    }
    let widths = Widths::new(pairs.iter().map(|p| (&*p.scenario.name, &*p.model.name)));
    let text = args.explore.format == Format::Text;
    let mut output = Output::default();
    let mut results: Vec<(Outcome, Option<Difference>)> = Vec::new();
    check_all(
        &args.explore,
        &options,
        &pairs,
        |pair| {
            let expected = pair.scenario.expected(&pair.model.name);
            let out_of_reach = expected == Some(&Expectation::Undecided);
            out_of_reach.then_some(UNDECIDED_EXECUTIONS)
        },
        &mut output,
        |output, index, outcome| {
            let pair = &pairs[index];
            let difference = compare(pair.scenario.expected(&pair.model.name), &outcome);
            if text {
                let reproduce = args.explore.reproduce(pair);
                output.print(&line(&outcome, difference.as_ref(), &reproduce, &widths));
            }
            results.push((outcome, difference));
        },
    );
    let differ = results.iter().filter(|(_, d)| d.is_some()).count();
    if text {
        output.print(&summary(&results, differ));
    } else {
        let entries = pairs.iter().zip(&results);
        let document = Document {
            passed: differ == 0,
            pairs: entries
                .map(|(pair, result)| entry(&args.explore, pair, result))
                .collect(),
        };
        print_json(&mut output, &document);
    }
    let outcomes: Vec<_> = results.into_iter().map(|(outcome, _)| outcome).collect();
    let status = match complain_of_unsaved(&outcomes) {
        true => BAD_INPUT,
        false => u8::from(differ > 0),
    };
    output.exit(status)
}

/// How many executions may be looked at until all actors have done something in one of them.
const SELF_TEST_EXECUTIONS: u64 = 500;

/// Check a false invariant in each of the pairs.
fn self_test(args: &GateArgs, pairs: &[Pair]) -> ExitCode {
    if args.explore.format == Format::Json {
        return usage("--self-test has no JSON");
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

fn entry<'a>(
    args: &ExploreArgs,
    pair: &'a Pair,
    (outcome, difference): &'a (Outcome, Option<Difference>),
) -> Entry<'a> {
    Entry {
        outcome,
        expected: pair.scenario.expected(&pair.model.name),
        found: found(outcome),
        difference: difference.as_ref().map(|difference| DifferenceEntry {
            kind: difference.name(),
            message: difference.to_string(),
            reproduce: args.reproduce(pair),
        }),
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

fn summary(results: &[(Outcome, Option<Difference>)], differ: usize) -> String {
    let cells: Vec<_> = results
        .iter()
        .map(|(outcome, difference)| Cell {
            outcome,
            differs: difference.is_some(),
        })
        .collect();
    let all = results.len();
    let verdict = match differ {
        0 => format!("all {all} pairs are as expected"),
        _ => format!("{differ} of {all} pairs are not as expected, marked with '!'"),
    };
    format!("\n{}\n{verdict}\n", matrix(&cells))
}
