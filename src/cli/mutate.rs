// SPDX-License-Identifier: GPL-2.0-only
//! `nfsd-check mutate`: weaken one call of a primitive after the other, and see who notices.

use super::{
    BAD_INPUT,
    explore::{Format, Pair, pairs, print_json, usage},
    output::{Output, complain},
};
use crate::{
    check::{jobs, model_order},
    engine::MemoryModel,
    mutants::{
        argued,
        run::{Catcher, Fate, Subject, fate, observe, select},
        sites::{self, Site},
    },
    scenario::Expectation,
    sync::mutation::Weakening,
};
use clap::{Args, value_parser};
use serde::Serialize;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    process::ExitCode,
    thread,
};

/// What `nfsd-check mutate` is started with.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  nfsd-check mutate                                 everything, which takes a while
  nfsd-check mutate --site nfsd_file_cond_queue     the calls in one function
  nfsd-check mutate --site 'nfsd_gc_lock.lock: skip' --scenario gc-vs-stop --model v4
  nfsd-check mutate --list                          the mutants and their lines, without running any

Only pairs of scenario and model that are expected to hold are run: first those of v4, then those of
other models where a scenario does not hold on v4 or something is reached that nothing reached
before. A mutant is tried on the smallest scenarios first, and only on those that make the call.

Exit status: 0 every mutant is caught or argued, 1 not, 2 bad input or usage.")]
pub(super) struct MutateArgs {
    /// Only mutants that have this in their name, or at this 'file:line'; may be given again
    #[arg(long = "site", value_name = "TEXT")]
    sites: Vec<String>,
    /// Name or path of a scenario; may be given again [default: all]
    #[arg(long = "scenario", value_name = "SCENARIO")]
    scenarios: Vec<String>,
    /// Name or path of a model; may be given again [default: all]
    #[arg(long = "model", value_name = "MODEL")]
    models: Vec<String>,
    /// How many executions of each scenario to explore for each mutant
    #[arg(long, value_name = "N", default_value_t = 5000, value_parser = value_parser!(u64).range(1..))]
    max_executions: u64,
    /// What an earlier run has printed as JSON: who caught a mutant then comes first, with as many
    /// executions as that took
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// How many mutants to run at the same time [default: one for each core]
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
    /// List the mutants and run none
    #[arg(long)]
    list: bool,
    /// How to print the results
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
}

/// A mutant in the JSON document.
#[derive(Debug, Serialize)]
struct Entry<'a> {
    mutant: &'a str,
    file: &'static str,
    line: u32,
    function: &'a str,
    primitive: &'static str,
    weakening: &'static str,
    fate: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    scenario: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_model: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    executions: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    argument: Option<&'a str>,
}

/// How many there are of each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
struct Score {
    mutants: usize,
    caught: usize,
    argued: usize,
    survived: usize,
    unreached: usize,
    faults: usize,
    /// Argued, and caught all the same.
    argued_but_caught: usize,
}

#[derive(Debug, Serialize)]
struct Document<'a> {
    passed: bool,
    score: Score,
    mutants: Vec<Entry<'a>>,
}

struct Mutant {
    name: String,
    site: Site,
    weakening: Weakening,
}

/// Weaken, run, and print.
pub(super) fn mutate(args: &MutateArgs) -> ExitCode {
    let mutants = match mutants(&args.sites) {
        Ok(mutants) => mutants,
        Err(message) => return usage(&message),
    };
    let mut output = Output::default();
    if args.list {
        for mutant in &mutants {
            let place = mutant.site.place;
            output.print(&format!("{}:{}  {}\n", place.file, place.line, mutant.name));
        }
        return output.exit(0);
    }
    let record = match args.record.as_deref().map(catchers).transpose() {
        Ok(record) => record.unwrap_or_default(),
        Err(message) => return usage(&message),
    };
    let arguments = arguments();
    let jobs = args.jobs.or_else(|| thread::available_parallelism().ok());
    let jobs = jobs.map_or(1, NonZeroUsize::get);
    // A mutant that makes the model panic is reported as one.
    std::panic::set_hook(Box::new(|_| ()));
    let subjects = match subjects(args, &record, jobs) {
        Ok(subjects) => subjects,
        Err(status) => return status,
    };
    complain(&format!(
        "{} mutants, {} pairs of scenario and model",
        mutants.len(),
        subjects.len()
    ));
    let text = args.format == Format::Text;
    let mut fates: Vec<Fate> = Vec::new();
    jobs::in_order(
        jobs,
        &mutants,
        |_, mutant| {
            fate(
                &mutant.site,
                mutant.weakening,
                &subjects,
                record.get(&mutant.name),
                args.max_executions,
            )
        },
        || (),
        |index, fate| {
            if text {
                let mutant = &mutants[index];
                let argument = arguments.get(&mutant.name).map(String::as_str);
                output.print(&line(mutant, &fate, argument));
            }
            fates.push(fate);
        },
        |_| (),
    );
    let score = score(&mutants, &fates, &arguments);
    let passed = score.survived + score.unreached + score.faults + score.argued_but_caught == 0;
    if text {
        output.print(&format!("\n{}\n", said(score)));
    } else {
        let entries = mutants.iter().zip(&fates);
        let document = Document {
            passed,
            score,
            mutants: entries
                .map(|(mutant, fate)| {
                    entry(
                        mutant,
                        fate,
                        arguments.get(&mutant.name).map(String::as_str),
                    )
                })
                .collect(),
        };
        print_json(&mut output, &document);
    }
    output.exit(u8::from(!passed))
}

/// The mutants of the sites that were asked for, or all.
fn mutants(asked: &[String]) -> Result<Vec<Mutant>, String> {
    let found = sites::find();
    let all = found.sites.into_iter().flat_map(|site| {
        let weakenings = site.weakenings.clone();
        weakenings.into_iter().map(move |weakening| Mutant {
            name: argued::mutant_name(&site, weakening),
            site: site.clone(),
            weakening,
        })
    });
    let all: Vec<Mutant> = all.collect();
    let is_at = |mutant: &Mutant, text: &String| {
        let place = mutant.site.place;
        mutant.name.contains(text.as_str()) || format!("{}:{}", place.file, place.line) == *text
    };
    for text in asked {
        if !all.iter().any(|mutant| is_at(mutant, text)) {
            return Err(format!(
                "--site: no mutant has '{text}' in its name; see 'nfsd-check mutate --list'"
            ));
        }
    }
    let is_asked =
        |mutant: &Mutant| asked.is_empty() || asked.iter().any(|text| is_at(mutant, text));
    Ok(all.into_iter().filter(is_asked).collect())
}

/// By mutant, who caught it in an earlier run.
fn catchers(file: &Path) -> Result<BTreeMap<String, Catcher>, String> {
    let wrong = |what: &dyn std::fmt::Display| format!("--record {}: {what}", file.display());
    let text = fs::read_to_string(file).map_err(|error| wrong(&error))?;
    let document: Value = serde_json::from_str(&text).map_err(|error| wrong(&error))?;
    let mutants = document["mutants"].as_array();
    let mutants = mutants.ok_or_else(|| wrong(&"not what 'mutate --format json' prints"))?;
    let catcher = |mutant: &Value| {
        let text = |name: &str| mutant[name].as_str().map(str::to_owned);
        let catcher = Catcher {
            scenario: text("scenario")?,
            model: text("model")?,
            memory: match mutant["memory_model"].as_str()? {
                "rc11" => MemoryModel::Rc11,
                _ => MemoryModel::Sc,
            },
            executions: mutant["executions"].as_u64()?,
        };
        Some((text("mutant")?, catcher))
    };
    Ok(mutants.iter().filter_map(catcher).collect())
}

fn arguments() -> BTreeMap<String, String> {
    let all = argued::all().into_iter();
    let each = all.flat_map(|argument| {
        let text = argument.argument;
        let mutants = argument.mutants.into_iter();
        mutants.map(move |mutant| (mutant, text.clone()))
    });
    each.collect()
}

fn subjects(
    args: &MutateArgs,
    record: &BTreeMap<String, Catcher>,
    jobs: usize,
) -> Result<Vec<Subject>, ExitCode> {
    let mut pairs = pairs(&args.scenarios, &args.models)?;
    let holds = |pair: &Pair| pair.scenario.expected(&pair.model.name) == Some(&Expectation::Holds);
    pairs.retain(holds);
    if pairs.is_empty() {
        complain("error: none of these scenarios is expected to hold on any of these models");
        return Err(ExitCode::from(BAD_INPUT));
    }
    let models: BTreeSet<&String> = pairs.iter().map(|pair| &pair.model.name).collect();
    let mut order: Vec<String> = models.into_iter().cloned().collect();
    // What was merged comes first.
    order.sort_by_key(|name| {
        let place = ["v4", "nfsd-next", "v6.12", "v4-invalidate-one-by-one"]
            .iter()
            .position(|first| first == name);
        let (place_of_series, name) = model_order(name);
        (
            place.unwrap_or(usize::MAX),
            place_of_series,
            name.to_owned(),
        )
    });
    let mut subjects = Vec::new();
    let mut failed = false;
    jobs::in_order(
        jobs,
        &pairs,
        |_, pair| observe(&pair.scenario, &pair.model, args.max_executions),
        || (),
        |index, observed| {
            let pair = &pairs[index];
            let (scenario, model) = (&pair.scenario.name, &pair.model.name);
            match observed {
                Ok(Some(subject)) => subjects.push(subject),
                Ok(None) => {
                    complain(&format!(
                        "error: {scenario} does not hold on {model}; what does 'nfsd-check gate \
                         --memory-model sc' say?"
                    ));
                    failed = true;
                }
                Err(reason) => {
                    complain(&format!("error: {scenario} on {model}: {reason}"));
                    failed = true;
                }
            }
        },
        |_| (),
    );
    if failed {
        return Err(ExitCode::from(BAD_INPUT));
    }
    Ok(select(subjects, &order, record.values()))
}

fn line(mutant: &Mutant, fate: &Fate, argument: Option<&str>) -> String {
    let what = match (fate, argument) {
        (
            Fate::Caught {
                scenario,
                model,
                memory,
                kind,
                executions,
            },
            _,
        ) => {
            let memory = match memory {
                MemoryModel::Sc => "",
                MemoryModel::Rc11 => ", rc11",
            };
            let but = match argument {
                Some(_) => "ARGUED, BUT caught ",
                None => "caught  ",
            };
            format!("{but}  {kind} in {scenario} on {model}{memory} ({executions})")
        }
        (
            Fate::Fault {
                scenario,
                model,
                reason,
            },
            _,
        ) => {
            format!("FAULT     {scenario} on {model}: {reason}")
        }
        (Fate::Survived { .. } | Fate::Unreached | Fate::NotApplied, Some(argument)) => {
            format!("argued    {argument}")
        }
        (Fate::Survived { tried }, None) => format!("SURVIVED  {tried} scenarios"),
        (Fate::Unreached, None) => "UNREACHED".to_owned(),
        (Fate::NotApplied, None) => "NOT APPLIED  made, and never weakened".to_owned(),
    };
    format!("{}\n    {what}\n", mutant.name)
}

fn entry<'a>(mutant: &'a Mutant, fate: &'a Fate, argument: Option<&'a str>) -> Entry<'a> {
    let mut entry = Entry {
        mutant: &mutant.name,
        file: mutant.site.place.file,
        line: mutant.site.place.line,
        function: &mutant.site.function,
        primitive: mutant.site.primitive,
        weakening: mutant.weakening.name(),
        fate: "survived",
        scenario: None,
        model: None,
        memory_model: None,
        kind: None,
        executions: None,
        reason: None,
        argument,
    };
    match fate {
        Fate::Caught {
            scenario,
            model,
            memory,
            kind,
            executions,
        } => {
            entry.fate = "caught";
            entry.scenario = Some(scenario);
            entry.model = Some(model);
            entry.memory_model = Some(match memory {
                MemoryModel::Sc => "sc",
                MemoryModel::Rc11 => "rc11",
            });
            entry.kind = Some(kind.name());
            entry.executions = Some(*executions);
        }
        Fate::Fault {
            scenario,
            model,
            reason,
        } => {
            entry.fate = "fault";
            entry.scenario = Some(scenario);
            entry.model = Some(model);
            entry.reason = Some(reason);
        }
        Fate::Survived { .. } | Fate::Unreached | Fate::NotApplied if argument.is_some() => {
            entry.fate = "argued"
        }
        Fate::Survived { .. } => entry.fate = "survived",
        Fate::Unreached => entry.fate = "unreached",
        Fate::NotApplied => entry.fate = "not-applied",
    }
    entry
}

fn score(mutants: &[Mutant], fates: &[Fate], arguments: &BTreeMap<String, String>) -> Score {
    let mut score = Score {
        mutants: mutants.len(),
        ..Score::default()
    };
    for (mutant, fate) in mutants.iter().zip(fates) {
        let is_argued = arguments.contains_key(&mutant.name);
        let counter = match fate {
            Fate::Caught { .. } if is_argued => &mut score.argued_but_caught,
            Fate::Caught { .. } => &mut score.caught,
            Fate::Fault { .. } => &mut score.faults,
            Fate::Survived { .. } | Fate::Unreached | Fate::NotApplied if is_argued => {
                &mut score.argued
            }
            Fate::Survived { .. } => &mut score.survived,
            Fate::Unreached | Fate::NotApplied => &mut score.unreached,
        };
        *counter += 1;
    }
    score
}

fn said(score: Score) -> String {
    let Score {
        mutants,
        caught,
        argued,
        survived,
        unreached,
        faults,
        argued_but_caught,
    } = score;
    let mut text = format!(
        "{mutants} mutants: {caught} caught, {argued} argued, {survived} survived, \
         {unreached} reached by no scenario"
    );
    if faults > 0 {
        text += &format!(", {faults} faults");
    }
    if argued_but_caught > 0 {
        text += &format!(", {argued_but_caught} argued but caught");
    }
    text
}
