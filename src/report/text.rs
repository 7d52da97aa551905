// SPDX-License-Identifier: GPL-2.0-only
//! An interleaving for people: one column for each actor, and at the end what a kernel would log.
//!
//! Contexts that the kernel starts by itself share one column. Where the columns would be too
//! narrow there is one block for each switch instead. Steps that nothing else in the interleaving
//! depends on are folded, with their numbers, so that it is always plain what is left out; the
//! numbers are those of the counterexample's file. `<--` marks the steps that the violation is
//! about.
//!
//! ASCII only, and the same bytes every time. Colours are in the text; whoever prints it takes
//! them out where the output is no terminal.

use super::{
    counterexample::{Claim, Counterexample},
    mail::{is_same, shell_lines, shell_word},
    replay::{Parted, Replay},
    telling::{Wait, only_reads, queued, short_names, unseen},
    why::{Decisive, Line, Why},
    words::{Weight, counted, short, words},
};
use crate::{
    engine::recording::{Life, RecordedViolation, Recording, Site, TraceStep},
    model::{ChoiceValue, Model},
    sync::{
        engine::Action,
        violation::{NULL_DEREFERENCE, ViolationKind},
    },
};
use anstyle::{AnsiColor, Style};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

/// How to print.
#[derive(Clone, Debug)]
pub struct Options {
    /// How wide a line may be.
    pub width: usize,
    /// Fold nothing.
    pub all_steps: bool,
}

const BOLD: Style = Style::new().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();

/// The narrowest column that is preferred to blocks anywhere.
const NARROW: usize = 23;

/// The narrowest column in lines of 80 characters and more, where five have room. What is longer, as many
/// names of the kernel's are, goes on in the next line.
const NARROWEST: usize = 13;

/// Prints a counterexample that has been run again, on `model`. `file` is where it is kept.
#[must_use]
pub fn print(
    counterexample: &Counterexample,
    model: &Model,
    replay: &Replay,
    file: &str,
    options: &Options,
) -> String {
    let same = replay.same;
    let width = options.width.max(40);
    let mut out = String::new();
    head(&mut out, counterexample, model, same, width);
    out.push('\n');
    let story = Story::new(counterexample, replay, options.all_steps);
    story.print(&mut out, width);
    let steps = &replay.recording.steps;
    let end = steps
        .iter()
        .rev()
        .take_while(|step| !step.concurrent)
        .count();
    if end > 0 && end < steps.len() && !options.all_steps {
        let text = format!("Then {end} steps, one context at a time, bring all to its end.");
        wrapped(&mut out, &text, "", width);
    }
    out.push('\n');
    if let Some(parted) = &replay.parted {
        wrapped(&mut out, &format!("Parted: {parted}."), "", width);
        if !same {
            let then = "From there on every context ran until it had to wait, in a fixed order.";
            wrapped(&mut out, then, "", width);
        }
        out.push('\n');
    }
    match &replay.violation {
        Some(violation) => oops(
            &mut out,
            &replay.recording,
            violation,
            &str::to_owned,
            &|site| match story.when(site) {
                when if Wait::of(violation).is_some() && *site == violation.site => {
                    when.replace(", step", ", after step")
                }
                when => when,
            },
            width,
        ),
        None => {
            let Claim { kind, object, .. } = &counterexample.violation;
            let on = if object.is_empty() { "" } else { " of " };
            let text = format!(
                "The violation did not come about: no {kind}{on}{}.",
                plain(object)
            );
            wrapped(&mut out, &text, "", width);
        }
    }
    let others: Vec<&RecordedViolation> = replay
        .recording
        .violations
        .iter()
        .filter(|other| {
            let violation = replay.violation.as_ref();
            !violation.is_some_and(|violation| is_same(other, violation))
        })
        .collect();
    if !others.is_empty() {
        out.push_str("\nIn the same execution:\n");
        for other in others {
            let text = format!(
                "{}: {}, by {}{}",
                other.kind,
                said(&other.object, &other.message),
                other.site.context,
                story.when(&other.site)
            );
            wrapped(&mut out, &text, "  ", width);
        }
    }
    let model = match same {
        true => String::new(),
        false => format!(" --model {}", shell_word(&plain(&model.name))),
    };
    let file = shell_word(&plain(file));
    let command = format!("replay: nfsd-check replay {file}{model}");
    let _ = writeln!(out, "\n{}", shell_lines(&command, "", width));
    out
}

/// Prints why the interleaving is possible, below what [`print()`] prints.
#[must_use]
pub fn print_why(
    counterexample: &Counterexample,
    replay: &Replay,
    why: &Why,
    options: &Options,
) -> String {
    let width = options.width.max(40);
    let story = Story::new(counterexample, replay, true);
    let mut out = String::new();
    let _ = writeln!(out, "\n{BOLD}Why it is possible{BOLD:#}");
    let on = why.against.as_ref().map(|against| &against.model.name);
    let on = on.map_or_else(String::new, |name| format!("On {name}"));
    let contexts = why.lines(replay, &counterexample.scenario, &on);
    let widest = contexts.iter().filter_map(|line| match line {
        Line::Step { context, .. } => Some(context.len()),
        _ => None,
    });
    let widest = widest.max().unwrap_or(0);
    for line in &contexts {
        match line {
            Line::Sentence(text) => wrapped(&mut out, text, "  ", width),
            Line::Choice(decisive) => {
                let Decisive {
                    choice,
                    here,
                    there,
                } = decisive;
                let functions = choice.functions.join(", ");
                let text = format!("{}, in {functions}: {}", choice.name, choice.about);
                wrapped(&mut out, &text, "    ", width);
                for (which, value) in [("here", here), ("there", there)] {
                    let ChoiceValue {
                        name,
                        about,
                        source,
                    } = value;
                    let text = format!("{which:<5}  {name}: {about} ({source})");
                    wrapped(&mut out, &text, "      ", width);
                }
            }
            Line::Chain(text) => wrapped(&mut out, &format!("In short: {text}."), "  ", width),
            Line::Step {
                at,
                context,
                place,
                what,
            } => {
                let number = at.and_then(|at| story.numbers.get(&at));
                let number = number.map_or("", String::as_str);
                let place = match *place {
                    "" => String::new(),
                    place => format!("{place}: "),
                };
                let text = format!("{number:>4}  {context:widest$}  {place}{what}");
                // What goes on in the next line is below the text, where there is room for it.
                let hang = if widest + 30 < width { 8 + widest } else { 2 };
                for (i, line) in wrap(&plain(&text), width - 4, hang).iter().enumerate() {
                    let hang = if i == 0 { 0 } else { hang };
                    let _ = writeln!(out, "    {}{line}", " ".repeat(hang));
                }
            }
        }
    }
    out
}

fn head(out: &mut String, c: &Counterexample, model: &Model, same: bool, width: usize) {
    let Claim {
        kind,
        object,
        context,
        function,
        message,
        step,
    } = &c.violation;
    let title = format!("{} on {}", plain(&c.scenario.name), plain(&c.model.name));
    let fits = kind.name().len() + 1 + title.len() <= width;
    let _ = write!(out, "{BAD}{kind}{BAD:#}{}", if fits { " " } else { "\n" });
    for line in wrap(&title, width, 2) {
        let _ = writeln!(out, "{BOLD}{line}{BOLD:#}");
    }
    let mut line = |name: &str, text: &str| {
        let text = format!("{name:<13} {}", plain(text));
        let mut lines = wrap(&text, width, 14).into_iter();
        let _ = writeln!(out, "{}", lines.next().unwrap_or_default());
        for more in lines {
            let _ = writeln!(out, "{}{more}", " ".repeat(14));
        }
    };
    let about = |name: &str, about: &str| match about {
        "" => name.to_owned(),
        about => format!("{name}: {about}"),
    };
    line("scenario:", &about(&c.scenario.name, &c.scenario.about));
    line("model:", &about(&c.model.name, &c.model.about));
    if !same {
        line("here on:", &about(&model.name, &model.about));
    }
    let step = match step {
        Some(step) if *kind == ViolationKind::HungTask => format!("after step {step}"),
        Some(step) => format!("at step {step}"),
        None => "when all is brought to its end".to_owned(),
    };
    let by = match function.as_str() {
        "" => context.clone(),
        function => format!("{context} in {function}"),
    };
    let what = said(object, message);
    line("claim:", &format!("{what}, by {by}, {step}"));
    let symptom = match Oops::of(*kind, message) {
        Some(Oops::NullDereference) => "BUG: kernel NULL pointer dereference",
        Some(Oops::BugOn) => "kernel BUG at",
        None => kind.kernel_symptom(),
    };
    line("in a kernel:", symptom);
    line(
        "found by:",
        &format!("{}, memory model {}", c.engine, c.memory_model),
    );
    let mut contexts: Vec<&str> = c.schedule.iter().map(|s| &*s.context).collect();
    let all: BTreeSet<&str> = contexts.iter().copied().collect();
    contexts.dedup();
    let switches = contexts.len().saturating_sub(1);
    let steps = c.schedule.len();
    line(
        "interleaving:",
        &format!(
            "{}, {}, {switches} {}",
            counted(steps as u64, "step"),
            counted(all.len() as u64, "context"),
            if switches == 1 { "switch" } else { "switches" }
        ),
    );
    if c.weak {
        let text =
            "no interleaving shows it; in this order each read comes after the store that it reads";
        line("weak memory:", text);
    }
    if let Some(size) = &c.size {
        line("smallest:", &size.to_string());
    }
}

/// A line of the interleaving.
#[derive(Clone, Debug)]
struct Row {
    number: String,
    context: String,
    function: String,
    text: String,
}

/// The rows of an interleaving.
struct Story {
    /// By the index of a step in the recording: its number.
    numbers: BTreeMap<usize, String>,
    actors: Vec<String>,
    rows: Vec<Row>,
    /// The interleaving is no longer followed.
    is_parted: bool,
}

impl Story {
    fn new(c: &Counterexample, replay: &Replay, all_steps: bool) -> Self {
        let same = replay.same;
        let all = || replay.recording.steps.iter().enumerate();
        let first = all().position(|(_, step)| step.concurrent).unwrap_or(0);
        let steps: Vec<(usize, &TraceStep)> = all()
            .filter(|(_, step)| step.concurrent || all_steps)
            .collect();
        let mut story = Self {
            numbers: BTreeMap::new(),
            actors: c.scenario.actors.iter().map(|a| a.name.clone()).collect(),
            rows: Vec::new(),
            is_parted: false,
        };
        let shared = shared_objects(steps.iter().map(|(_, step)| *step));
        let mut missing: BTreeSet<usize> = replay.missing.iter().copied().collect();
        let objects = steps.iter().map(|(_, step)| *step);
        let names = short_names(objects.chain(&replay.recorded).map(|step| &*step.object));
        let gone = |at| gone_row(c, replay, at, |object| names[object]);
        let marked = marked(replay);
        let mut fold: Vec<Row> = Vec::new();
        let mut concurrent = 0;
        for (index, step) in &steps {
            let at = concurrent;
            concurrent += usize::from(step.concurrent);
            let followed = replay.steps.get(at).copied().filter(|_| step.concurrent);
            let recorded = followed.flatten();
            let number = match (step.concurrent, recorded) {
                (false, _) if *index < first => "setup".to_owned(),
                (false, _) => "end".to_owned(),
                (true, Some(recorded)) => (recorded + 1).to_string(),
                (true, None) if followed.is_some() => "+".to_owned(),
                (true, None) => String::new(),
            };
            if followed.is_none() && step.concurrent && !story.is_parted {
                story.flush(&mut fold);
                story.is_parted = true;
                if let Some(Parted {
                    step,
                    was: Some(was),
                    ..
                }) = &replay.parted
                {
                    story.rows.push(Row {
                        number: step.to_string(),
                        context: was.context.clone(),
                        function: String::new(),
                        text: "=== here the two part ===".to_owned(),
                    });
                }
            }
            if let Some(recorded) = recorded.filter(|_| !same) {
                let later = missing.split_off(&recorded);
                for at in std::mem::replace(&mut missing, later) {
                    story.flush(&mut fold);
                    story.rows.push(gone(at));
                }
            }
            let words = words(step, names[&*step.object]);
            let is_marked = marked.contains(index);
            let shown = match words.weight {
                Weight::Always => true,
                Weight::Shared => shared.contains(&*step.object),
                Weight::Minor => false,
            };
            let mark = if is_marked { "  <--" } else { "" };
            let unseen = unseen(&replay.recording, *index);
            let is_older = unseen.is_some();
            let older = unseen.map_or_else(String::new, |write| {
                let number = story.numbers.get(&write);
                let whose = match number {
                    Some(number) => format!("step {number}"),
                    None => replay.recording.steps[write].context.clone(),
                };
                format!(": the store of {whose} is not seen here")
            });
            let row = Row {
                number: number.clone(),
                context: step.context.clone(),
                function: step.functions.last().copied().unwrap_or("").to_owned(),
                text: format!("{}{older}{mark}", words.text),
            };
            if step.concurrent {
                story.numbers.insert(*index, number);
            }
            let is_extra = followed == Some(None);
            let folds = match story.is_parted {
                true => !(is_marked || all_steps),
                false => !(shown || is_marked || all_steps || is_extra || is_older),
            };
            if !folds || fold.last().is_some_and(|last| last.context != row.context) {
                story.flush(&mut fold);
            }
            if folds {
                fold.push(row);
            } else {
                story.rows.push(row);
            }
        }
        story.flush(&mut fold);
        story.rows.extend(missing.into_iter().map(gone));
        if let Some(wait) = Wait::after_the_steps(replay) {
            story.rows.push(Row {
                number: String::new(),
                context: wait.context.to_owned(),
                function: wait.place.to_owned(),
                text: format!("{}  <--", wait.what),
            });
        }
        story
    }

    /// What was folded becomes a row, which says how many steps it stands for, and in which
    /// functions.
    fn flush(&mut self, fold: &mut Vec<Row>) {
        let rows = std::mem::take(fold);
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else {
            return;
        };
        if rows.len() == 1 && first.function.is_empty() {
            self.rows.extend(rows);
            return;
        }
        let mut functions: Vec<&str> = rows.iter().map(|row| &*row.function).collect();
        functions.dedup();
        functions.retain(|function| !function.is_empty());
        let of = match functions[..] {
            [] => String::new(),
            [one] => format!(" of {one}"),
            [first, .., last] => format!(" of {first} to {last}"),
        };
        let (number, text) = match rows.len() {
            1 => (first.number.clone(), format!("... 1 step{of}")),
            many if first.number.is_empty() => (String::new(), format!("... {many} steps{of}")),
            many => (
                format!("{}-{}", first.number, last.number),
                format!("... {many} steps{of}"),
            ),
        };
        self.rows.push(Row {
            number,
            context: first.context.clone(),
            function: String::new(),
            text,
        });
    }

    /// Where in the interleaving a site is, as the end of a sentence.
    fn when(&self, site: &Site) -> String {
        match self.numbers.get(&site.step).map(String::as_str) {
            Some("+") => ", in a step that only this model has".to_owned(),
            Some("") => ", after the two have parted".to_owned(),
            Some(number) => format!(", step {number}"),
            None => {
                let before = self
                    .numbers
                    .keys()
                    .next()
                    .is_none_or(|&first| site.step < first);
                let place = if before { "in the setup" } else { "at the end" };
                format!(", {place}")
            }
        }
    }

    fn print(&self, out: &mut String, width: usize) {
        let others = self
            .rows
            .iter()
            .any(|row| self.lane(&row.context) == self.actors.len());
        let lanes = self.actors.len() + usize::from(others);
        let numbers = self.rows.iter().map(|row| row.number.len()).max();
        let numbers = numbers.unwrap_or(0).max(4);
        let gap = 2;
        let left = width.saturating_sub(numbers + lanes * gap);
        match left / lanes.max(1) {
            column if column >= if width < 80 { NARROW } else { NARROWEST } => {
                self.print_lanes(out, numbers, lanes, column.min(44))
            }
            _ => self.print_blocks(out, numbers, width),
        }
    }

    fn lane(&self, context: &str) -> usize {
        let at = self.actors.iter().position(|actor| actor == context);
        at.unwrap_or(self.actors.len())
    }

    fn print_lanes(&self, out: &mut String, numbers: usize, lanes: usize, column: usize) {
        let mut titles: Vec<String> = self.actors.iter().map(|name| plain(name)).collect();
        if lanes > titles.len() {
            titles.push("started by the kernel".to_owned());
        }
        let titles: Vec<Vec<String>> = titles.iter().map(|name| wrap(name, column, 0)).collect();
        let most = titles.iter().map(Vec::len).max().unwrap_or(0);
        for at in 0..most {
            let number = if at == 0 { "step" } else { "" };
            let mut line = format!("{number:>numbers$}");
            for title in &titles {
                let part = title.get(at).map_or("", String::as_str);
                let _ = write!(line, "  {part:<column$}");
            }
            let _ = writeln!(out, "{BOLD}{}{BOLD:#}", line.trim_end());
        }
        let rule = format!("  {}", "-".repeat(column)).repeat(lanes);
        let _ = writeln!(out, "{}{rule}", "-".repeat(numbers));
        let (mut context, mut function) = ("", "");
        for row in &self.rows {
            let lane = self.lane(&row.context);
            let indent = numbers + 2 + lane * (column + 2);
            let mut put = |number: &str, text: &str, deeper: usize| {
                for (i, line) in wrap(text, column - deeper, 2).iter().enumerate() {
                    let number = if i == 0 { number } else { "" };
                    let hang = if i == 0 { 0 } else { 2 };
                    let space = " ".repeat(indent - numbers + deeper + hang);
                    let _ = writeln!(out, "{number:>numbers$}{space}{line}");
                }
            };
            if row.context != context {
                function = "";
                if lane == self.actors.len() {
                    put("", &format!("[{}]", plain(&row.context)), 0);
                }
            }
            context = &row.context;
            if row.is_headed() && row.function != function {
                put("", &row.function, 0);
                function = &row.function;
            }
            put(&row.number, &plain(&row.text), row.depth());
        }
    }

    fn print_blocks(&self, out: &mut String, numbers: usize, width: usize) {
        let (mut context, mut function) = ("", "");
        for row in &self.rows {
            if row.context != context {
                function = "";
                let _ = writeln!(out, "{BOLD}{}:{BOLD:#}", plain(&row.context));
            }
            context = &row.context;
            if row.is_headed() && row.function != function {
                let _ = writeln!(out, "{}{}", " ".repeat(numbers + 2), row.function);
                function = &row.function;
            }
            let indent = numbers + 2 + row.depth();
            let lines = wrap(&plain(&row.text), width.saturating_sub(indent).max(20), 2);
            for (i, line) in lines.iter().enumerate() {
                let number = if i == 0 { &*row.number } else { "" };
                let space = " ".repeat(indent - numbers + if i == 0 { 0 } else { 2 });
                let _ = writeln!(out, "{number:>numbers$}{space}{line}");
            }
        }
    }
}

impl Row {
    /// The text does not say which function it is in.
    fn is_headed(&self) -> bool {
        let f = &*self.function;
        !f.is_empty()
            && !self
                .text
                .strip_prefix(f)
                .is_some_and(|rest| rest.starts_with('('))
    }

    fn depth(&self) -> usize {
        if self.function.is_empty() { 0 } else { 2 }
    }
}

/// A recorded step that there is none for here, with its object called by `name`; what it did, as the
/// file says it where nothing else is known.
fn gone_row<'r>(
    c: &Counterexample,
    replay: &'r Replay,
    at: usize,
    name: impl Fn(&'r str) -> &'r str,
) -> Row {
    let step = &c.schedule[at];
    let did = match (replay.recorded.get(at), step.object.as_str()) {
        (Some(recorded), _) => words(recorded, name(&recorded.object)).text,
        (None, "") => step.operation.clone(),
        (None, object) => format!("{} {object}", step.operation),
    };
    Row {
        number: format!("({})", at + 1),
        context: step.context.clone(),
        function: plain(&step.function),
        text: format!("not here: {did}"),
    }
}

/// Where a replay differs from what was recorded, for the forms that have every step. Steps are
/// counted from 0 among those of the part where every interleaving counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Differences {
    /// What is to be said before a step, or after the last one.
    pub(super) before: BTreeMap<usize, Vec<String>>,
    /// The steps that were not recorded.
    pub(super) extra: BTreeSet<usize>,
    /// The first step that is no longer followed.
    pub(super) parted: Option<usize>,
}

/// Where a replay differs from what was recorded.
pub(super) fn differences(c: &Counterexample, replay: &Replay) -> Differences {
    let mut differences = Differences::default();
    let steps = replay.recording.steps.iter();
    let count = steps.filter(|step| step.concurrent).count();
    let mut missing: BTreeSet<usize> = replay.missing.iter().copied().collect();
    let gone = |at: usize| {
        let row = gone_row(c, replay, at, short);
        format!("recorded step {}, {}: {}", at + 1, row.context, row.text)
    };
    let followed = replay.steps.len().min(count);
    for (at, recorded) in replay.steps[..followed].iter().enumerate() {
        match recorded {
            None => {
                differences.extra.insert(at);
            }
            Some(recorded) => {
                let later = missing.split_off(recorded);
                let before = std::mem::replace(&mut missing, later);
                if !before.is_empty() {
                    let before = before.into_iter().map(gone).collect();
                    differences.before.insert(at, before);
                }
            }
        }
    }
    let mut end: Vec<String> = missing.into_iter().map(gone).collect();
    if let Some(parted) = &replay.parted {
        differences.parted = Some(followed);
        end.push(format!("=== here the two part: {}", parted.now));
    }
    if !end.is_empty() {
        differences.before.insert(followed, end);
    }
    differences
}

/// The objects that one context writes and another one uses.
pub(super) fn shared_objects<'s>(steps: impl Iterator<Item = &'s TraceStep>) -> BTreeSet<&'s str> {
    let mut uses: BTreeMap<&str, (BTreeSet<&str>, BTreeSet<&str>)> = BTreeMap::new();
    for step in steps {
        let (all, writers) = uses.entry(&step.object).or_default();
        all.insert(&step.context);
        if !only_reads(step.action) {
            writers.insert(&step.context);
        }
    }
    let shared = uses.into_iter().filter(|(object, (all, writers))| {
        !object.is_empty() && all.len() > 1 && !writers.is_empty()
    });
    shared.map(|(object, _)| object).collect()
}

/// The steps that the violation is about, by index in the recording.
pub(super) fn marked(replay: &Replay) -> BTreeSet<usize> {
    let mut marked = BTreeSet::new();
    if let Some(violation) = &replay.violation {
        // A wait that does not end is none of the steps.
        if violation.kind != ViolationKind::HungTask {
            marked.insert(violation.site.step);
        }
        let freed = violation.life.as_ref().and_then(|life| life.freed.as_ref());
        marked.extend(freed.map(|site| site.step));
        marked.extend(raced_with(&replay.recording, violation).map(|site| site.step));
    }
    // Where none of the steps is, it is about the last read that misses a store.
    let steps = &replay.recording.steps;
    let is_step = |at: &usize| steps.get(*at).is_some_and(|step| step.concurrent);
    if replay.violation.is_some() && !marked.iter().any(is_step) {
        let mut reads = (0..steps.len()).rev();
        let missed = reads.find_map(|at| Some([at, unseen(&replay.recording, at)?]));
        marked.extend(missed.into_iter().flatten());
    }
    marked
}

/// Of a race, the other access: the last one before it that conflicts with it.
pub(super) fn raced_with(recording: &Recording, violation: &RecordedViolation) -> Option<Site> {
    let kinds = [ViolationKind::DataRace, ViolationKind::ListCorruption];
    if !kinds.contains(&violation.kind) {
        return None;
    }
    let steps = &recording.steps;
    let here = steps.get(violation.site.step)?;
    let conflicts = |action| match action {
        Action::Write => true,
        Action::Read => here.action == Action::Write,
        _ => false,
    };
    let before = steps[..violation.site.step].iter().enumerate().rev();
    let mut before = before.take_while(|(_, step)| step.concurrent);
    let (index, other) = before.find(|(_, step)| {
        step.object == here.object && step.thread != here.thread && conflicts(step.action)
    })?;
    Some(Site {
        step: index,
        context: other.context.clone(),
        function: other.functions.last().copied().unwrap_or(""),
        functions: other.functions.clone(),
    })
}

/// The first line of what a kernel would log.
pub(super) fn headline(violation: &RecordedViolation) -> String {
    let RecordedViolation {
        kind,
        object,
        site,
        message,
        ..
    } = violation;
    let function = site.function;
    if is_stack(object) && *kind == ViolationKind::UseAfterFree {
        return format!("BUG: use of a stack frame that is gone, in {function}");
    }
    match Oops::of(*kind, message) {
        Some(Oops::NullDereference) => {
            return format!("BUG: kernel NULL pointer dereference in {function}");
        }
        Some(Oops::BugOn) => return format!("kernel BUG at {function}!"),
        None => {}
    }
    match kind {
        ViolationKind::UseAfterFree => format!("BUG: KASAN: slab-use-after-free in {function}"),
        ViolationKind::DoubleFree => format!("BUG: KASAN: double-free in {function}"),
        ViolationKind::UseAfterDestroy => {
            format!("BUG: {function}() after the destruction of {object}")
        }
        ViolationKind::ObjectsRemaining => {
            let cache = object.trim_end_matches("_slab");
            format!("BUG: {function} {cache}: slab cache still has objects")
        }
        ViolationKind::Refcount => format!("WARNING: {message} in {function}"),
        ViolationKind::ListCorruption => {
            if message.starts_with("list_add") {
                format!("list_add corruption in {function}")
            } else if message.starts_with("the walk") {
                // What it takes for an entry there is valid memory, and what comes of that is open.
                format!("(no message at once: the walk in {function} strays to another list)")
            } else {
                format!("BUG: KCSAN: data-race in {function}")
            }
        }
        // It can be found, and a kernel that has it says nothing.
        ViolationKind::Leak if message.ends_with("nobody will free") => {
            format!("(no message: {object} stays, and nothing is on its way to free it)")
        }
        ViolationKind::Leak => format!("kmemleak: unreferenced object {object}"),
        ViolationKind::HungTask => {
            // What is brought to an end by nobody of the scenario has no name.
            let name = match site.context.as_str() {
                "main" => "(the last stop)",
                context => context,
            };
            format!("INFO: task {name} blocked for more than 120 seconds")
        }
        // It is found by looking, and a kernel does not look.
        ViolationKind::Warning if function.is_empty() => "(no message)".to_owned(),
        ViolationKind::Warning => format!("WARNING in {function}"),
        // percpu_ref_exit() frees it.
        ViolationKind::RefAfterExit if object.starts_with("percpu_ref_data") => {
            format!("BUG: KASAN: slab-use-after-free in {function}")
        }
        ViolationKind::RefAfterExit => {
            format!("WARNING: {object} used after its end in {function}")
        }
        ViolationKind::DataRace => format!("BUG: KCSAN: data-race in {function}"),
        ViolationKind::SleepInAtomic => {
            format!("BUG: sleeping function called from invalid context in {function}")
        }
        ViolationKind::Livelock => format!("watchdog: BUG: soft lockup in {function}"),
        ViolationKind::Assertion => format!("kernel BUG in {function}"),
    }
}

/// Whether an object is what a function has on its stack.
fn is_stack(object: &str) -> bool {
    object.starts_with("stack_frame#")
}

/// What a kernel stops at, of the kinds that it only warns of else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Oops {
    /// A NULL pointer is dereferenced.
    NullDereference,
    /// A `BUG_ON()`.
    BugOn,
}

impl Oops {
    /// Which one a violation with this message is, if it is one.
    pub(super) fn of(kind: ViolationKind, message: &str) -> Option<Self> {
        match kind {
            ViolationKind::Warning | ViolationKind::RefAfterExit
                if message.ends_with(NULL_DEREFERENCE) =>
            {
                Some(Self::NullDereference)
            }
            ViolationKind::Warning if message.starts_with("BUG_ON(") => Some(Self::BugOn),
            _ => None,
        }
    }
}

/// What a kernel would log. Objects are `named`, with the place in the interleaving for `when`.
pub(super) fn oops(
    out: &mut String,
    recording: &Recording,
    violation: &RecordedViolation,
    named: &dyn Fn(&str) -> String,
    when: &dyn Fn(&Site) -> String,
    width: usize,
) {
    let RecordedViolation {
        kind,
        object,
        site,
        message,
        life,
    } = violation;
    let is_wait = *kind == ViolationKind::HungTask;
    let lines = wrap(&headline(violation), width, 2);
    let _ = writeln!(out, "{BAD}{}{BAD:#}", lines.join("\n  "));
    let message = match message.strip_prefix("main ") {
        Some(rest) => format!("a task {rest}"),
        None => message.clone(),
    };
    let message = named(&said(object, &message));
    wrapped(out, &format!("{message}."), "", width);
    let mut trace = |what: &str, site: &Site| {
        let when = when(site);
        // What is done before and after is nobody's of the scenario.
        let text = match site.context.as_str() {
            "main" if is_wait => format!("Stack of the task{when}:"),
            "main" => {
                let when = when.trim_start_matches(',').trim();
                format!("{what} {}:", when.trim_matches(['(', ')']))
            }
            context => {
                let who = if is_wait { "" } else { "by " };
                format!("{what} {who}task {context}{when}:")
            }
        };
        // A name that there is no room for begins a line.
        match text.split_once("task ").filter(|_| text.len() > width) {
            Some((what, who)) => {
                let _ = writeln!(out, "{what}task");
                wrapped(out, who, "    ", width);
            }
            None => wrapped(out, &text, "", width),
        }
        for function in site.functions.iter().rev() {
            let _ = writeln!(out, "  {function}");
        }
    };
    let verb = match kind {
        ViolationKind::HungTask => "Stack of",
        ViolationKind::UseAfterFree | ViolationKind::UseAfterDestroy => "Used",
        ViolationKind::DoubleFree => "Freed again",
        _ => "Noticed",
    };
    // Nobody notices what is only found to be left at the end.
    if !site.functions.is_empty() || site.context != "main" {
        trace(verb, site);
    }
    if let Some(other) = raced_with(recording, violation) {
        trace("The other access", &other);
    }
    if let Some(origin) = queued(recording, &site.context) {
        trace("Queued", origin);
    }
    if let Some(Life {
        allocated, freed, ..
    }) = life
    {
        let is_memory = matches!(
            kind,
            ViolationKind::UseAfterFree | ViolationKind::DoubleFree | ViolationKind::Leak
        );
        // What is there from the beginning was made by nobody.
        if !allocated.functions.is_empty() {
            trace(if is_memory { "Allocated" } else { "Created" }, allocated);
        }
        if let Some(freed) = freed.as_ref().filter(|freed| freed.step != site.step) {
            trace(if is_memory { "Freed" } else { "Destroyed" }, freed);
            if let Some(origin) = queued(recording, &freed.context) {
                trace("Its free was queued", origin);
            }
        }
    }
    if let Some(cache) = life.as_ref().and_then(|life| cache(&life.object)) {
        wrapped(
            out,
            &format!("The object belongs to the cache {cache}."),
            "",
            width,
        );
    }
}

/// What a violation says of its object.
pub(super) fn said(object: &str, message: &str) -> String {
    match object {
        "" => message.to_owned(),
        object => format!("{object}: {message}"),
    }
}

/// The slab cache that an object is of, where it has one of its own.
pub(super) fn cache(object: &str) -> Option<&str> {
    let name = object.split('#').next()?;
    ["nfsd_file", "nfsd_file_mark"]
        .contains(&name)
        .then_some(name)
}

/// Text that is fit for any terminal: printable ASCII, the rest escaped.
pub(super) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            ' '..='~' => plain.push(c),
            _ => plain.extend(c.escape_default()),
        }
    }
    plain
}

fn wrapped(out: &mut String, text: &str, indent: &str, width: usize) {
    let lines = wrap(&plain(text), width - indent.len(), 2);
    for (i, line) in lines.iter().enumerate() {
        let hang = if i == 0 { "" } else { "  " };
        let _ = writeln!(out, "{indent}{hang}{line}");
    }
}

/// Cuts ASCII text into lines of at most `width` characters, where there is a space, or else after
/// a character that names are made up with, or else anywhere. All but the first line leave room
/// for an indentation of `hang`.
pub(super) fn wrap(text: &str, width: usize, hang: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut rest = text;
    let mut room = width.max(hang + 8);
    while rest.len() > room {
        let head = &rest[..=room];
        let least = room / 3;
        let space = head.rfind(' ').filter(|&at| at > least);
        let join = |&at: &usize| at > least && at <= room;
        let cut = space
            .or_else(|| {
                rest[..room]
                    .rfind(['(', ',', '|', '.', '>'])
                    .map(|at| at + 1)
                    .filter(join)
            })
            .or_else(|| rest[..room].rfind('_').map(|at| at + 1).filter(join))
            .unwrap_or(room);
        lines.push(rest[..cut].trim_end().to_owned());
        rest = rest[cut..].trim_start();
        room = width.max(hang + 8) - hang;
    }
    lines.push(rest.to_owned());
    lines
}
