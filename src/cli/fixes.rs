// SPDX-License-Identifier: GPL-2.0-only
//! `nfsd-check fixes`: which of the choices have to change for scenarios to hold.
//!
//! A set that is rejected is known to be by one violation. It is explored until two scenarios are
//! violated, so that the ones where only one is are known as such. The sets that the answer is
//! explained by, the single changes and those that lack one change, are explored in all scenarios.

use super::{
    BAD_INPUT,
    explore::{
        complain_of_input, load, memory_models, print_json, quote, said, seconds,
        stop_on_interrupt, usage,
    },
    output::{Output, complain},
};
use crate::{
    check::{
        self, MemoryModel, SERIES, Verdict, ViolationEntry,
        fixes::{Answer, Asked, Search, Set, contains, count, search},
        jobs,
        program::program,
    },
    engine::{self, Limits},
    library::Library,
    model::{Choices, Model, choices::CHOICES},
    report::{counterexample::Counterexample, words::counted},
    scenario::Scenario,
};
use clap::{Args, ValueEnum, value_parser};
use serde::{Serialize, Serializer, ser::SerializeMap};
use std::{
    collections::BTreeMap,
    fmt::Write as _,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{Arc, atomic::Ordering},
    thread,
    time::{Duration, Instant},
};

/// What `nfsd-check fixes` is started with.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  nfsd-check fixes put-order gc-vs-stop gc-vs-netns-exit
  nfsd-check fixes put-order --from v2-8of9
  nfsd-check fixes gc-vs-stop --from v4 --choices shutdown_barrier,gc_lock_gc,net_ref

A set of changes is called minimal where everything holds with it and every smaller set within it
was explored and rejected. Sets that contain one that is enough are not explored, unless --supersets
is given: a change more may break something.

Exit status: 0 there is a set that is enough, 1 there is none, 3 none was found and something is
undecided or was not explored, 2 bad input or usage.")]
pub(super) struct FixesArgs {
    /// Names or paths of scenarios, all of which are to hold
    #[arg(value_name = "SCENARIO", required = true)]
    scenarios: Vec<String>,
    /// Name or path of the model to change
    #[arg(long, value_name = "MODEL", default_value = SERIES[0])]
    from: String,
    /// The choices to change, by name [default: those that the models of the thread differ in]
    #[arg(long, value_name = "CHOICE,…", value_delimiter = ',')]
    choices: Vec<String>,
    /// How many changes to make at most
    #[arg(long, value_name = "N")]
    most: Option<usize>,
    /// Explore also what contains a set that is enough
    #[arg(long)]
    supersets: bool,
    /// The memory to explore on
    #[arg(long, value_name = "MEMORY", default_value = "rc11", value_parser = memory_models())]
    memory_model: MemoryModel,
    /// How many sets to explore at the same time [default: one for each core]
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
    /// How long to explore each scenario with each set
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    budget: Option<Duration>,
    /// How many executions of each scenario with each set to explore
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..))]
    max_executions: Option<u64>,
    /// How to print the results
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
    /// A folder to write the counterexamples to [default: they are not written]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// More sets than this are refused: nobody would see the end of it.
const MOST_SETS: u64 = 1_000_000;

/// After how many violated scenarios a set needs no further look.
const ENOUGH_VIOLATED: usize = 2;

/// A choice and the values that it may be changed to.
#[derive(Clone, Debug)]
struct Axis {
    choice: &'static str,
    values: Vec<&'static str>,
}

/// What came of a scenario with a set of changes.
#[derive(Clone, Debug, Serialize)]
struct Tried {
    scenario: String,
    verdict: Verdict,
    executions: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    violations: Vec<ViolationEntry>,
}

/// By scenario: `None` where it was not explored.
type Row = Vec<Option<Tried>>;

struct Question {
    from: Model,
    axes: Vec<Axis>,
    scenarios: Vec<Arc<Scenario>>,
    limits: Limits,
    memory_model: MemoryModel,
    out: Option<PathBuf>,
}

/// Search, and print what came of it.
pub(super) fn fixes(args: &FixesArgs) -> ExitCode {
    let question = match question(args) {
        Ok(question) => question,
        Err(status) => return status,
    };
    stop_on_interrupt(&question.limits.interrupted);
    let jobs = args.jobs.or_else(|| thread::available_parallelism().ok());
    let start = Instant::now();
    let (found, rows) = answer(&question, args, jobs.map_or(1, NonZeroUsize::get));
    let executions = rows.values().flatten().flatten().map(|t| t.executions);
    complain(&format!(
        "{}, {}, {:.1} s",
        counted(found.asked.len() as u64, "set"),
        counted(executions.sum(), "execution"),
        start.elapsed().as_secs_f64()
    ));
    let report = Report {
        question: &question,
        found: &found,
        rows: &rows,
    };
    let mut output = Output::default();
    match args.format {
        Format::Text => {
            output.print(&report.text());
        }
        Format::Json => print_json(&mut output, &report.document()),
    }
    let mut unsaved = false;
    let tried = rows.values().flatten().flatten();
    for entry in tried.flat_map(|tried| &tried.violations) {
        if let Some(error) = &entry.counterexample_error {
            complain(&format!("error: counterexample not written: {error}"));
            unsaved = true;
        }
    }
    let undecided = || found.asked.iter().any(|a| a.answer == Answer::Undecided);
    output.exit(if unsaved {
        BAD_INPUT
    } else if found.smallest().next().is_some() {
        0
    } else if found.left > 0 || undecided() {
        3
    } else {
        1
    })
}

/// What is asked, or what is wrong with it.
fn question(args: &FixesArgs) -> Result<Question, ExitCode> {
    let library = Library::find().map_err(|error| complain_of_input(&[said(&error)]))?;
    let mut errors = Vec::new();
    let from = library.model(&args.from);
    let from = from.map_err(|error| errors.push(said(&error))).ok();
    let scenarios = load(
        &args.scenarios,
        library.scenario_names(),
        |arg| library.scenario(arg),
        |scenario| &scenario.name,
        &mut errors,
    );
    let mut names: Vec<&str> = Vec::new();
    for name in &args.choices {
        match CHOICES.iter().find(|choice| choice.name == name) {
            Some(choice) => names.push(choice.name),
            None => {
                let known = CHOICES.iter().map(|choice| choice.name);
                let near = crate::json::nearest(name, known);
                let near = near.map_or_else(String::new, |n| format!(" (did you mean '{n}'?)"));
                let name = crate::json::quote(name);
                errors.push(format!("error: no choice {name}{near}"));
            }
        }
    }
    let Some(from) = from.filter(|_| errors.is_empty()) else {
        return Err(complain_of_input(&errors));
    };
    if args.choices.is_empty() {
        names = choices_of_the_thread();
    }
    let axes = axes(&from.choices, &names);
    let values: Vec<usize> = axes.iter().map(|axis| axis.values.len()).collect();
    let sets = count(&values).filter(|sets| *sets <= MOST_SETS);
    if sets.is_none() {
        return Err(usage(&format!(
            "--choices: {} have more than {MOST_SETS} combinations",
            counted(axes.len() as u64, "choice")
        )));
    }
    if let Some(out) = &args.out
        && out.metadata().is_ok_and(|m| !m.is_dir())
    {
        return Err(usage(&format!("--out: {} is not a folder", out.display())));
    }
    Ok(Question {
        from,
        axes,
        scenarios: scenarios.into_iter().map(|(_, s)| s).collect(),
        limits: Limits {
            memory_model: match args.memory_model {
                MemoryModel::Rc11 => engine::MemoryModel::Rc11,
                _ => engine::MemoryModel::Sc,
            },
            budget: args.budget,
            max_executions: args.max_executions,
            ..Limits::default()
        },
        memory_model: args.memory_model,
        out: args.out.clone(),
    })
}

/// The choices that the models of the thread differ in.
fn choices_of_the_thread() -> Vec<&'static str> {
    let library = Library::builtin();
    let models = SERIES.map(|name| library.model(name).expect("it is compiled in").choices);
    let differ = |choice: &&str| {
        let mut values = models.iter().map(|choices| choices.get(choice));
        let first = values.next();
        values.any(|value| Some(value) != first)
    };
    let names = CHOICES.iter().map(|choice| choice.name);
    names.filter(differ).collect()
}

/// The choices of these names, in the order in which they are listed, with what each may become.
fn axes(from: &Choices, names: &[&str]) -> Vec<Axis> {
    let choices = CHOICES.iter().filter(|choice| names.contains(&choice.name));
    let axes = choices.map(|choice| Axis {
        choice: choice.name,
        values: {
            let values = choice.values.iter().map(|value| value.name);
            let other = |value: &&'static str| from.get(choice.name) != Some(*value);
            values.filter(other).collect()
        },
    });
    axes.collect()
}

/// Ask about the sets, and look at those closely that explain the answer.
fn answer(question: &Question, args: &FixesArgs, jobs: usize) -> (Search, BTreeMap<Set, Row>) {
    let mut rows: BTreeMap<Set, Row> = BTreeMap::new();
    let mut order: Vec<usize> = (0..question.scenarios.len()).collect();
    let mut number = 0;
    let values: Vec<usize> = question.axes.iter().map(|axis| axis.values.len()).collect();
    let found = search(
        &values,
        args.most.unwrap_or(usize::MAX),
        args.supersets,
        |sets| {
            let first = number;
            number += sets.len();
            let mut answers = Vec::new();
            jobs::in_order(
                jobs,
                sets,
                |index, set| {
                    // Nothing is known of the first one yet, so it is looked at in full.
                    let stop_after = match set.len() {
                        0 => usize::MAX,
                        _ => ENOUGH_VIOLATED,
                    };
                    let model = question.model(set, first + index);
                    let mut row = vec![None; order.len()];
                    question.explore(&model, &mut row, &order, stop_after);
                    row
                },
                || (),
                |index, row| {
                    answers.push(question.judge(&row));
                    rows.insert(sets[index].clone(), row);
                },
                |_| (),
            );
            if let Some(row) = rows.get(&Vec::new()) {
                // The cheap ones first: most sets are rejected by one of those.
                let cost = |scenario: &usize| row[*scenario].as_ref().map(|t| t.executions);
                order.sort_by_key(cost);
            }
            answers
        },
    );
    let explained = explained(&found);
    let order: Vec<usize> = (0..question.scenarios.len()).collect();
    let mut again: Vec<(Set, Row)> = Vec::new();
    jobs::in_order(
        jobs,
        &explained,
        |_, (number, set)| {
            let mut row = rows[set].clone();
            question.explore(&question.model(set, *number), &mut row, &order, usize::MAX);
            row
        },
        || (),
        |index, row| again.push((explained[index].1.clone(), row)),
        |_| (),
    );
    rows.extend(again);
    (found, rows)
}

/// The sets that explain the answer, with their numbers: none and one change, what is enough, and
/// what lacks one change to be.
fn explained(found: &Search) -> Vec<(usize, Set)> {
    let sets = found.asked.iter().enumerate();
    let of_interest = sets.filter(|(_, asked)| {
        let set = &asked.set;
        let mut smallest = found.smallest();
        set.len() < 2 || smallest.any(|s| s.set.len() <= set.len() + 1 && contains(&s.set, set))
    });
    let numbered = of_interest.map(|(number, asked)| (number, asked.set.clone()));
    numbered.collect()
}

impl Question {
    fn choices(&self, set: &Set) -> Choices {
        let mut choices = self.from.choices;
        for (choice, value) in set {
            let axis = &self.axes[*choice];
            let known = choices.set(axis.choice, axis.values[*value]);
            debug_assert!(known, "the names are from the table");
        }
        choices
    }

    /// The model with these changes, which has no file.
    fn model(&self, set: &Set, number: usize) -> Model {
        let from = &self.from;
        Model {
            name: format!("{}-changed-{number}", from.name),
            about: format!("{} with {}", from.name, self.changes(set)),
            source: "nfsd-check fixes".to_owned(),
            choices: self.choices(set),
            bug: None,
            control: None,
        }
    }

    fn changes(&self, set: &Set) -> String {
        if set.is_empty() {
            return "no change".to_owned();
        }
        let changes = set.iter().map(|(choice, value)| {
            let axis = &self.axes[*choice];
            format!("{}={}", axis.choice, axis.values[*value])
        });
        changes.collect::<Vec<_>>().join(", ")
    }

    /// Explore what was not explored yet, until this many scenarios are violated.
    fn explore(&self, model: &Model, row: &mut Row, order: &[usize], stop_after: usize) {
        for &index in order {
            let violated = row.iter().flatten();
            let violated = violated.filter(|t| t.verdict == Verdict::Violated).count();
            if violated >= stop_after || self.interrupted() {
                return;
            }
            if row[index].is_none() {
                row[index] = Some(self.try_one(model, &self.scenarios[index]));
            }
        }
        // What an interrupt has cut short is nobody's outcome.
        if self.interrupted() {
            for tried in row.iter_mut() {
                tried.take_if(|tried| tried.verdict == Verdict::Undecided);
            }
        }
    }

    fn interrupted(&self) -> bool {
        self.limits.interrupted.load(Ordering::Relaxed)
    }

    fn try_one(&self, model: &Model, scenario: &Arc<Scenario>) -> Tried {
        let limits = Limits {
            progress: Arc::default(),
            ..self.limits.clone()
        };
        let exploration = check::explore(scenario, model.choices, &limits);
        let violations = exploration.findings.iter().map(|finding| {
            let mut entry = check::describe(finding);
            if let Some(out) = &self.out {
                let memory = self.memory_model.name();
                let program = program(scenario, model.choices);
                let stop = || self.interrupted();
                let finding = check::smallest(&program, finding.clone(), &stop);
                entry = check::describe(&finding);
                match Counterexample::new(scenario, model, "dpor", memory, &finding).save(out) {
                    Ok(path) => entry.counterexample = Some(path.display().to_string()),
                    Err(error) => {
                        let error = format!("{}: {error}", Path::new(out).display());
                        entry.counterexample_error = Some(error);
                    }
                }
            }
            entry
        });
        let violations: Vec<_> = violations.collect();
        let verdict = match (violations.is_empty(), exploration.complete) {
            (false, _) => Verdict::Violated,
            (true, true) => Verdict::Holds,
            (true, false) => Verdict::Undecided,
        };
        Tried {
            scenario: scenario.name.clone(),
            verdict,
            executions: exploration.executions,
            reason: exploration.reason.filter(|_| verdict == Verdict::Undecided),
            violations,
        }
    }

    fn judge(&self, row: &Row) -> Answer {
        let any = |verdict| row.iter().flatten().any(|t| t.verdict == verdict);
        if any(Verdict::Violated) {
            Answer::Rejected
        } else if row.iter().any(Option::is_none) {
            // Nothing but an interrupt leaves such a gap.
            Answer::NotAsked
        } else if any(Verdict::Undecided) {
            Answer::Undecided
        } else {
            Answer::Enough
        }
    }
}

struct Report<'r> {
    question: &'r Question,
    found: &'r Search,
    rows: &'r BTreeMap<Set, Row>,
}

/// How wide text may be.
const WIDTH: usize = 100;

impl Report<'_> {
    fn text(&self) -> String {
        let mut text = String::new();
        self.space(&mut text);
        self.answers(&mut text);
        self.table(&mut text);
        self.nearly(&mut text);
        self.broken_again(&mut text);
        self.undecided(&mut text);
        self.rejected(&mut text);
        text
    }

    fn row(&self, set: &Set) -> &[Option<Tried>] {
        self.rows.get(set).map_or(&[], |row| row)
    }

    /// How many sets were asked about that contain `set`, and how many of those are enough.
    fn with(&self, set: &Set) -> (usize, usize) {
        let with = self.found.asked.iter().filter(|a| contains(&a.set, set));
        let enough = with.clone().filter(|a| a.answer == Answer::Enough);
        (with.count(), enough.count())
    }

    fn space(&self, text: &mut String) {
        let Self {
            question, found, ..
        } = self;
        let choices: Vec<_> = question.axes.iter().map(|axis| axis.choice).collect();
        let line = format!(
            "{} with changes of {}",
            question.from.name,
            choices.join(", ")
        );
        wrapped(text, "", &line);
        let all = found.asked.len() as u64 + found.supersets + found.left;
        let mut line = format!(
            "{}, {} of changes: {} explored",
            counted(question.scenarios.len() as u64, "scenario"),
            counted(all, "set"),
            found.asked.len()
        );
        if found.supersets > 0 {
            let _ = write!(
                line,
                ", {} not explored because they contain a set that is enough",
                found.supersets
            );
        }
        if found.left > 0 {
            let _ = write!(line, ", {} not explored", found.left);
        }
        wrapped(text, "", &line);
    }

    fn answers(&self, text: &mut String) {
        let Self {
            question, found, ..
        } = self;
        let smallest: Vec<_> = found.smallest().collect();
        if smallest.is_empty() {
            let undecided = found.asked.iter().any(|a| a.answer == Answer::Undecided);
            text.push_str(match (found.left > 0, undecided) {
                (false, false) => "\nNo set of these changes is enough.\n",
                _ => "\nNo set of changes was found to be enough.\n",
            });
            return;
        }
        text.push_str("\nEnough:\n");
        for asked in smallest {
            wrapped(text, "  ", &question.changes(&asked.set));
            let doubts: Vec<_> = found.in_doubt(&asked.set).collect();
            if asked.set.is_empty() {
                continue;
            }
            if doubts.is_empty() {
                let below = found.asked.iter().filter(|other| {
                    other.set.len() < asked.set.len() && contains(&asked.set, &other.set)
                });
                let line = format!(
                    "minimal: {} within it explored, and rejected",
                    counted(below.count() as u64, "smaller set")
                );
                wrapped(text, "    ", &line);
            }
            for doubt in doubts {
                let line = format!(
                    "not known to be minimal: undecided with {}",
                    question.changes(&doubt.set)
                );
                wrapped(text, "    ", &line);
            }
        }
    }

    /// Changes by scenarios.
    fn table(&self, text: &mut String) {
        let Self {
            question, found, ..
        } = self;
        let mut lines: Vec<(String, Vec<char>, String)> = Vec::new();
        let mut line = |label: String, set: &Set, last: String| {
            let marks = self.row(set).iter().map(|tried| match tried {
                None => ' ',
                Some(tried) => match tried.verdict {
                    Verdict::Holds => '.',
                    Verdict::Violated => 'x',
                    Verdict::Undecided => '?',
                },
            });
            lines.push((label, marks.collect(), last));
        };
        line(question.from.name.clone(), &Vec::new(), String::new());
        for asked in found.asked.iter().filter(|asked| asked.set.len() == 1) {
            let (with, enough) = self.with(&asked.set);
            let share = format!("{enough} of {with}");
            line(
                format!("+ {}", question.changes(&asked.set)),
                &asked.set,
                share,
            );
        }
        let smallest: Vec<_> = found.smallest().filter(|a| a.set.len() > 1).collect();
        for (number, asked) in smallest.iter().enumerate() {
            let name = match smallest.len() {
                1 => "enough".to_owned(),
                _ => format!("enough ({})", number + 1),
            };
            line(name.clone(), &asked.set, String::new());
            for change in &asked.set {
                let without = asked.set.iter().filter(|other| *other != change);
                let without: Set = without.copied().collect();
                let label = format!("{name} - {}", question.changes(&vec![*change]));
                line(label, &without, String::new());
            }
        }
        let width = lines.iter().map(|(label, ..)| label.len()).max();
        let width = width.unwrap_or(0);
        text.push_str("\nx: violated, .: holds, ?: undecided\n\n");
        for (index, scenario) in question.scenarios.iter().enumerate() {
            let bars = "| ".repeat(index);
            let _ = writeln!(text, "{:width$}  {bars}{}", "", scenario.name);
        }
        let heading = "| ".repeat(question.scenarios.len());
        let _ = writeln!(text, "{:width$}  {heading} enough, of the sets with it", "");
        for (label, marks, last) in lines {
            let marks: String = marks.iter().flat_map(|mark| [*mark, ' ']).collect();
            let line = format!("{label:width$}  {marks} {last}");
            let _ = writeln!(text, "{}", line.trim_end());
        }
    }

    /// Sets with which all but one scenario hold.
    fn nearly(&self, text: &mut String) {
        let mut any = false;
        for asked in &self.found.asked {
            let Some(tried) = self.all_but_one(&asked.set) else {
                continue;
            };
            if !any {
                text.push_str("\nAll but one scenario hold:\n");
                any = true;
            }
            wrapped(text, "  ", &self.question.changes(&asked.set));
            wrapped(text, "    ", &broken(tried));
        }
    }

    fn all_but_one(&self, set: &Set) -> Option<&Tried> {
        let row = self.row(set);
        let tried: Option<Vec<&Tried>> = row.iter().map(Option::as_ref).collect();
        let mut others: Vec<&Tried> = tried?;
        others.retain(|tried| tried.verdict != Verdict::Holds);
        match others[..] {
            [tried] if row.len() > 1 && tried.verdict == Verdict::Violated => Some(tried),
            _ => None,
        }
    }

    fn undecided(&self, text: &mut String) {
        let sets = self.found.asked.iter();
        let sets: Vec<_> = sets.filter(|a| a.answer == Answer::Undecided).collect();
        if sets.is_empty() {
            return;
        }
        text.push_str("\nUndecided:\n");
        for asked in sets {
            wrapped(text, "  ", &self.question.changes(&asked.set));
            let row = self.row(&asked.set).iter().flatten();
            for tried in row.filter(|tried| tried.verdict == Verdict::Undecided) {
                let reason = tried.reason.as_deref().unwrap_or_default();
                wrapped(text, "    ", &format!("{}: {reason}", tried.scenario));
            }
        }
    }

    /// What contains a set that is enough, and is none itself.
    fn broken_again(&self, text: &mut String) {
        let smallest: Vec<_> = self.found.smallest().collect();
        let broken_again = self.found.asked.iter().filter(|asked| {
            let contains = |small: &&Asked| contains(&asked.set, &small.set);
            asked.answer == Answer::Rejected && smallest.iter().any(contains)
        });
        let mut any = false;
        for asked in broken_again {
            if !any {
                text.push_str("\nA change more breaks what was enough:\n");
                any = true;
            }
            wrapped(text, "  ", &self.question.changes(&asked.set));
        }
    }

    /// Each rejected set, below the violation that was found first.
    fn rejected(&self, text: &mut String) {
        type Group<'r> = (String, Vec<(usize, &'r Asked, &'r Tried)>);
        let mut groups: Vec<Group<'_>> = Vec::new();
        for (number, asked) in self.found.asked.iter().enumerate() {
            let row = self.row(&asked.set).iter().flatten();
            let mut violated = row.filter(|t| t.verdict == Verdict::Violated);
            if let Some(tried) = violated.next() {
                let by = broken(tried);
                match groups.iter_mut().find(|(other, _)| *other == by) {
                    Some((_, sets)) => sets.push((number, asked, tried)),
                    None => groups.push((by, vec![(number, asked, tried)])),
                }
            }
        }
        if !groups.is_empty() {
            text.push_str("\nRejected, each below a violation that it has:\n");
        }
        for (by, sets) in groups {
            wrapped(text, "  ", &by);
            for (number, asked, tried) in sets {
                let changes = self.question.changes(&asked.set);
                wrapped(text, "    ", &format!("{number}: {changes}"));
                let paths = tried.violations.iter();
                for path in paths.filter_map(|v| v.counterexample.as_ref()) {
                    let _ = writeln!(text, "      nfsd-check replay {}", quote(path));
                }
            }
        }
    }

    fn document(&self) -> Document<'_> {
        let Self {
            question, found, ..
        } = self;
        let smallest: Vec<&Asked> = found.smallest().collect();
        let sets = found.asked.iter().enumerate().map(|(number, asked)| {
            let is_smallest = smallest.contains(&asked);
            SetEntry {
                number,
                changes: Changes(question, &asked.set),
                answer: match asked.answer {
                    Answer::Enough => "enough",
                    Answer::Rejected => "rejected",
                    Answer::Undecided | Answer::NotAsked => "undecided",
                },
                minimal: is_smallest && found.in_doubt(&asked.set).next().is_none(),
                scenarios: self.row(&asked.set).iter().flatten().collect(),
            }
        });
        let sets: Vec<_> = sets.collect();
        let numbers = |which: &dyn Fn(&Asked) -> bool| {
            let sets = found.asked.iter().enumerate();
            let sets = sets.filter(|(_, asked)| which(asked));
            sets.map(|(number, _)| number).collect::<Vec<_>>()
        };
        Document {
            from: &question.from.name,
            memory_model: question.memory_model,
            choices: question.axes.iter().map(|axis| axis.choice).collect(),
            scenarios: question.scenarios.iter().map(|s| &*s.name).collect(),
            explored: found.asked.len(),
            supersets_not_explored: found.supersets,
            not_explored: found.left,
            enough: numbers(&|asked| smallest.contains(&asked)),
            all_but_one: numbers(&|asked| self.all_but_one(&asked.set).is_some()),
            sets,
        }
    }
}

/// What is violated, in a line.
fn broken(tried: &Tried) -> String {
    let violations = tried.violations.iter().map(|entry| {
        let mut text = entry.kind.to_string();
        if !entry.object.is_empty() {
            let _ = write!(text, " of {}", entry.object);
        }
        if !entry.function.is_empty() {
            let _ = write!(text, " in {}()", entry.function);
        }
        if !entry.thread.is_empty() {
            let _ = write!(text, ", {}", entry.thread);
        }
        text
    });
    let violations: Vec<_> = violations.collect();
    format!("{}: {}", tried.scenario, violations.join("; "))
}

/// Words over as many lines as it takes; all but the first are indented further.
fn wrapped(text: &mut String, indent: &str, line: &str) {
    let mut current = indent.to_owned();
    let mut begins = true;
    for word in line.split(' ') {
        if !begins && current.chars().count() + 1 + word.chars().count() > WIDTH {
            text.push_str(&current);
            text.push('\n');
            current = format!("{indent}  ");
            begins = true;
        }
        if !begins {
            current.push(' ');
        }
        current.push_str(word);
        begins = false;
    }
    text.push_str(&current);
    text.push('\n');
}

#[derive(Serialize)]
struct Document<'r> {
    from: &'r str,
    memory_model: MemoryModel,
    choices: Vec<&'r str>,
    scenarios: Vec<&'r str>,
    explored: usize,
    supersets_not_explored: u64,
    not_explored: u64,
    /// The numbers of the smallest sets that are enough.
    enough: Vec<usize>,
    /// The numbers of the sets with which one scenario is violated and all others hold.
    all_but_one: Vec<usize>,
    sets: Vec<SetEntry<'r>>,
}

#[derive(Serialize)]
struct SetEntry<'r> {
    number: usize,
    changes: Changes<'r>,
    answer: &'static str,
    minimal: bool,
    /// Those that were explored.
    scenarios: Vec<&'r Tried>,
}

struct Changes<'r>(&'r Question, &'r Set);

impl Serialize for Changes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(question, set) = self;
        let mut map = serializer.serialize_map(Some(set.len()))?;
        for (choice, value) in *set {
            let axis = &question.axes[*choice];
            map.serialize_entry(axis.choice, axis.values[*value])?;
        }
        map.end()
    }
}
