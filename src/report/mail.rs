// SPDX-License-Identifier: GPL-2.0-only
//! An interleaving as text for a mail: plain ASCII of at most 72 columns, to be quoted and
//! answered line by line by somebody who has never heard of this program.
//!
//! It says what is claimed, what was there before, the steps in columns as lockdep does, what a
//! kernel would log, what is missing and what there is instead in the fixed form, and how to see it
//! with one command.

use super::{
    counterexample::Counterexample,
    digest::digest,
    replay::Replay,
    telling::Telling,
    text::{headline, oops, plain, wrap},
    why::{Decisive, Line, Why},
};
use crate::{
    engine::recording::{RecordedViolation, Site},
    library::Library,
    scenario::{Epilogue, Operation, Scenario},
    sync::violation::ViolationKind,
};
use std::{collections::BTreeMap, fmt::Write as _};

const WIDTH: usize = 72;

/// The column that steps begin in.
const LEFT: usize = 5;

/// Prints a counterexample that has been run again on its own model. `file` is where it is kept.
/// Where the violation did not come about there is nothing to send, and the text says so.
#[must_use]
pub fn print(c: &Counterexample, replay: &Replay, why: Option<&Why>, file: &str) -> String {
    let Some(violation) = &replay.violation else {
        return "The violation did not come about.\n".to_owned();
    };
    let mut out = String::new();
    paragraph(&mut out, &claim(violation), "");
    out.push('\n');
    paragraph(&mut out, "This is with:", "");
    paragraph(&mut out, &sentence(&c.model.about), "  ");
    paragraph(&mut out, &c.model.source, "  ");

    setup(&mut out, &c.scenario);
    let rows = digest(replay, why, &c.scenario.actors);
    let number: BTreeMap<usize, usize> = rows.iter().zip(1..).map(|(&at, n)| (at, n)).collect();
    steps(&mut out, c, replay, &rows, &number);

    out.push_str("\nA kernel would say something like this:\n\n");
    let all = replay.recording.steps.iter();
    let first = all.clone().position(|step| step.concurrent).unwrap_or(0);
    let when = |site: &Site| match number.get(&site.step) {
        Some(number) => format!(" ({number})"),
        None if site.step < first => " (before)".to_owned(),
        None => {
            let next = number.range(site.step..).next();
            next.map_or(" (at the end)".to_owned(), |(_, n)| {
                format!(" (before {n})")
            })
        }
    };
    let mut log = String::new();
    oops(&mut log, &replay.recording, violation, &when, WIDTH - 2);
    for line in log.lines() {
        let _ = writeln!(out, "  {}", unstyled(line));
    }

    if let Some(why) = why {
        missing(&mut out, replay, why, &number);
    }
    reproduce(&mut out, c, replay, &rows, file);
    out
}

/// What is claimed, in a sentence.
pub(super) fn claim(violation: &RecordedViolation) -> String {
    let RecordedViolation {
        kind,
        object,
        site,
        message,
        ..
    } = violation;
    let place = match site.function {
        "" => format!("in {}", site.context),
        function => format!("in {function}()"),
    };
    let object = match object.as_str() {
        "" => String::new(),
        object => format!("{object}, "),
    };
    // Of these kinds the message says no more than the kind does.
    let evident = matches!(
        kind,
        ViolationKind::UseAfterFree
            | ViolationKind::UseAfterDestroy
            | ViolationKind::DoubleFree
            | ViolationKind::ListCorruption
            | ViolationKind::DataRace
    );
    let more = match evident {
        true => String::new(),
        false => format!(" {}", sentence(message)),
    };
    format!("{}: {object}{place}.{more}", phrase(*kind))
}

/// What happens.
fn phrase(kind: ViolationKind) -> &'static str {
    match kind {
        ViolationKind::UseAfterFree => "Memory is used after it was freed",
        ViolationKind::UseAfterDestroy => "Something is used after it was destroyed",
        ViolationKind::ObjectsRemaining => "A slab cache is destroyed that still has objects",
        ViolationKind::DoubleFree => "Memory is freed twice",
        ViolationKind::Refcount => "A reference count goes wrong",
        ViolationKind::ListCorruption => "Two contexts change a list at the same time",
        ViolationKind::Leak => "Something is left that nothing will ever free",
        ViolationKind::HungTask => "A task waits for what nothing left will do",
        ViolationKind::Warning => "The kernel warns",
        ViolationKind::RefAfterExit => "A reference is used after its end",
        ViolationKind::DataRace => "Two accesses race",
        ViolationKind::SleepInAtomic => "Something sleeps where that is not allowed",
        ViolationKind::Livelock => "A loop goes round for ever",
        ViolationKind::Assertion => "Something is as it must never be",
    }
}

/// A clause as a sentence.
fn sentence(clause: &str) -> String {
    let mut chars = clause.chars();
    let first = chars.next().map(|c| c.to_ascii_uppercase());
    let end = if clause.ends_with('.') { "" } else { "." };
    format!(
        "{}{}{end}",
        first.map_or(String::new(), String::from),
        chars.as_str()
    )
}

fn paragraph(out: &mut String, text: &str, indent: &str) {
    if text.is_empty() {
        return;
    }
    for line in wrap(&plain(text), WIDTH - indent.len(), 0) {
        let _ = writeln!(out, "{indent}{line}");
    }
}

/// A line that hangs over where it is too long.
fn item(out: &mut String, text: &str, indent: usize) {
    for (i, line) in wrap(&plain(text), WIDTH - indent, 4).iter().enumerate() {
        let hang = if i == 0 { 0 } else { 4 };
        let _ = writeln!(out, "{}{line}", " ".repeat(indent + hang));
    }
}

fn unstyled(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

fn setup(out: &mut String, scenario: &Scenario) {
    if !scenario.setup.is_empty() {
        out.push_str("\nBefore, one after the other:\n");
        for operation in &scenario.setup {
            item(out, &format!("- {}", in_words(operation, scenario)), 2);
        }
    }
    out.push_str("\nThen, at the same time:\n");
    for actor in &scenario.actors {
        let mut operations = actor.operations.iter();
        let words: Vec<String> = operations.by_ref().map(|o| in_words(o, scenario)).collect();
        item(
            out,
            &format!("- {}: {}", actor.name, words.join(", then ")),
            2,
        );
    }
    let mut also: Vec<&str> = Vec::new();
    if scenario.alloc_may_fail {
        also.push("Any allocation that is checked may fail.");
    }
    if scenario.inodes.iter().any(|inode| inode.writeback_error) {
        also.push("There is a write-back error that nobody has seen yet.");
    }
    if !scenario.preempt_rcu {
        also.push("The kernel is built without PREEMPT_RCU.");
    }
    if scenario.epilogue == Epilogue::Stop {
        also.push("When these are done, what still runs is stopped, one after the other.");
    }
    paragraph(out, &also.join(" "), "");
}

/// An operation for somebody who does not know the words for it, with the kernel's entry point.
pub(super) fn in_words(operation: &Operation, scenario: &Scenario) -> String {
    let net = |net: usize| &scenario.nets[net].name;
    let inode = |inode: usize| &scenario.inodes[inode].name;
    let file = |file: usize| &scenario.files[file];
    let client = |client: usize| &scenario.clients[client].name;
    let what = match *operation {
        Operation::Create { net: n } => format!("the server of {} is created", net(n)),
        Operation::Start { net: n, threads: 1 } => format!("the server of {} starts", net(n)),
        Operation::Start { net: n, threads } => {
            format!("the server of {} starts with {threads} threads", net(n))
        }
        Operation::Stop { net: n } => format!("the server of {} stops", net(n)),
        Operation::Umount { net: n } => {
            format!("the server of {} stops, and the namespace goes", net(n))
        }
        Operation::Acquire {
            file: f,
            net: n,
            inode: i,
            gc,
        } => {
            let kept = if gc { ", to stay cached" } else { "" };
            format!(
                "a thread of {} gets {} ({}){kept}",
                net(n),
                inode(i),
                file(f)
            )
        }
        Operation::AcquireOpened {
            file: f,
            net: n,
            inode: i,
        } => format!(
            "a thread of {} has opened {} and caches it ({})",
            net(n),
            inode(i),
            file(f)
        ),
        Operation::Put { file: f } => format!("it puts {}", file(f)),
        Operation::LocalOpen {
            file: f,
            net: n,
            inode: i,
        } => format!(
            "a LOCALIO I/O on {} of {} begins ({})",
            inode(i),
            net(n),
            file(f)
        ),
        Operation::LocalDone { file: f } => format!("the I/O {} completes", file(f)),
        Operation::LocalProbe { client: c } => {
            format!(
                "the client {} asks its server whether it is local",
                client(c)
            )
        }
        Operation::LocalIo {
            file: f,
            client: c,
            inode: i,
        } => format!(
            "a LOCALIO I/O of {} on {} begins ({})",
            client(c),
            inode(i),
            file(f)
        ),
        Operation::LocalClose {
            client: c,
            inode: i,
        } => {
            format!("the client {} closes {}", client(c), inode(i))
        }
        Operation::LocalDisable { client: c } => {
            format!("the client {} stops using LOCALIO", client(c))
        }
        Operation::LocalUmount { client: c } => format!("the client {} unmounts", client(c)),
        Operation::Gc => "the laundrette passes over the LRU".to_owned(),
        Operation::Shrink => "the shrinker scans the LRU".to_owned(),
        Operation::SetLease { inode: i } => format!("somebody takes a lease on {}", inode(i)),
        Operation::Unlink { inode: i } => format!("the last link of {} goes", inode(i)),
        Operation::CloseSync { net: n, inode: i } => {
            format!(
                "a thread of {} closes what is cached of {}",
                net(n),
                inode(i)
            )
        }
        Operation::Flush { net: n } => format!("the exports of {} are flushed", net(n)),
        Operation::CloseExport { net: n, inode: i } => {
            format!("the export of {} that has {} goes", net(n), inode(i))
        }
    };
    match operation.info().aliases.first() {
        Some(entry) => format!("{what}: {entry}()"),
        None => what,
    }
}

/// Which lane a context is in, and where the lanes begin.
struct Lanes {
    names: Vec<String>,
    others: bool,
    apart: usize,
}

impl Lanes {
    fn new(contexts: &[&str], scenario: &Scenario) -> Self {
        let actors = scenario.actors.iter().map(|actor| actor.name.clone());
        let names: Vec<String> = actors.filter(|name| contexts.contains(&&**name)).collect();
        let is_other = |context: &&str| !names.iter().any(|name| name == context);
        let others = contexts.iter().any(is_other);
        let count = names.len() + usize::from(others);
        // Two columns fit side by side. More of them are only shifted against each other: in each
        // line there is one.
        let apart = match count {
            0..=2 => 34,
            3 => 17,
            count => (40 / count).max(3),
        };
        Self {
            names,
            others,
            apart,
        }
    }

    fn of(&self, context: &str) -> usize {
        let at = self.names.iter().position(|name| name == context);
        at.unwrap_or(self.names.len())
    }

    fn column(&self, lane: usize) -> usize {
        LEFT + lane * self.apart
    }

    fn width(&self, lane: usize) -> usize {
        let side_by_side = self.names.len() + usize::from(self.others) <= 2;
        match side_by_side && lane == 0 {
            true => self.apart - 2,
            false => WIDTH - self.column(lane),
        }
    }
}

fn steps(
    out: &mut String,
    c: &Counterexample,
    replay: &Replay,
    rows: &[usize],
    number: &BTreeMap<usize, usize>,
) {
    let telling = Telling::new(&replay.recording);
    let contexts: Vec<&str> = rows.iter().map(|&at| &*telling.step(at).context).collect();
    let lanes = Lanes::new(&contexts, &c.scenario);
    out.push('\n');
    let mut title = String::new();
    let mut rule = String::new();
    let kernel = lanes.others.then(|| "(kernel)".to_owned());
    for (lane, name) in lanes.names.iter().chain(&kernel).enumerate() {
        let column = lanes.column(lane);
        let name = plain(name);
        let name = &name[..name.len().min(lanes.apart - 1)];
        let _ = write!(title, "{}{name}", " ".repeat(column - title.len()));
        let rule_to = " ".repeat(column - rule.len());
        let _ = write!(rule, "{rule_to}{}", "-".repeat(name.len()));
    }
    let _ = writeln!(out, "{title}\n{rule}");
    let marked = super::text::marked(replay);
    let (mut context, mut place) = ("", "");
    for &at in rows {
        let step = telling.step(at);
        let lane = lanes.of(&step.context);
        let (column, width) = (lanes.column(lane), lanes.width(lane));
        let mut put = |number: &str, text: &str, deeper: usize| {
            for (i, line) in wrap(&plain(text), width - deeper, 2).iter().enumerate() {
                let (number, hang) = if i == 0 { (number, 0) } else { ("", 2) };
                let space = " ".repeat(column - 3 + deeper + hang);
                let _ = writeln!(out, "{number:>3}{space}{line}");
            }
        };
        if step.context != context {
            place = "";
            if lane == lanes.names.len() {
                put("", &format!("[{}]", step.context), 0);
            }
        }
        context = &step.context;
        let here = telling.place(at);
        if here != place && !here.is_empty() {
            put("", &format!("{here}()"), 0);
        }
        place = here;
        let mark = if marked.contains(&at) { "  <--" } else { "" };
        let text = format!("{}{mark}", telling.what(at));
        put(&number[&at].to_string(), &text, 2);
    }
}

/// What is missing, and what there is instead in the fixed form.
fn missing(out: &mut String, replay: &Replay, why: &Why, number: &BTreeMap<usize, usize>) {
    let lines = why.lines(replay, "In the fixed form");
    if lines.is_empty() {
        return;
    }
    out.push_str("\nWhat allows it:\n\n");
    let mut told = false;
    for line in &lines {
        match line {
            Line::Sentence(text) => {
                if !told && !text.contains("these two") && !text.contains("the two the other way") {
                    told = true;
                    out.push('\n');
                    if let Some(against) = &why.against {
                        let about = format!("The fixed form: {}", against.model.about);
                        paragraph(out, &sentence(&about), "");
                        paragraph(out, &against.model.source, "");
                    }
                }
                paragraph(out, text, "");
            }
            Line::Choice(Decisive {
                choice,
                here,
                there,
            }) => {
                let functions: Vec<String> =
                    choice.functions.iter().map(|f| format!("{f}()")).collect();
                item(
                    out,
                    &format!("{}: {}", functions.join(", "), choice.about),
                    2,
                );
                item(out, &format!("- here: {} ({})", here.about, here.source), 4);
                item(
                    out,
                    &format!("- fixed: {} ({})", there.about, there.source),
                    4,
                );
            }
            Line::Chain(text) => item(out, &format!("In short: {text}"), 0),
            Line::Step {
                at,
                context,
                place,
                what,
            } => {
                let number = at.and_then(|at| number.get(&at));
                let number = number.map_or(String::new(), |number| format!("({number}) "));
                let place = match *place {
                    "" => String::new(),
                    place => format!("{place}(): "),
                };
                item(out, &format!("{number}{context}, {place}{what}"), 2);
            }
        }
    }
}

fn reproduce(out: &mut String, c: &Counterexample, replay: &Replay, rows: &[usize], file: &str) {
    out.push('\n');
    let all = replay.recording.steps.iter();
    let all = all.filter(|step| step.concurrent).count();
    let left_out = all.saturating_sub(rows.len());
    let text = format!(
        "This was found with nfsd-check, a program that tries the executions of a \
         re-implementation of these functions. It is a statement about them as they are written \
         there, and was not seen on a running kernel. {left_out} more steps of this interleaving \
         are left out above, as they change nothing of it. To reproduce it:"
    );
    paragraph(out, &text, "");
    let mut line = command(c, file);
    if line.len() > WIDTH - 2 {
        // As a shell reads it.
        line = line.replacen(" --model", " \\\n      --model", 1);
    }
    let _ = writeln!(out, "\n  {line}");
    let home = env!("CARGO_PKG_REPOSITORY");
    if !home.is_empty() {
        let _ = writeln!(out, "\nThe program: {home}");
    }
}

/// The command that shows it: without the file, where the scenario and the model are well known.
pub(super) fn command(c: &Counterexample, file: &str) -> String {
    let library = Library::builtin();
    let scenario = library.scenario(&c.scenario.name).ok();
    let scenario = scenario.map(|scenario| scenario.without_expectations());
    let model = library.model(&c.model.name).ok();
    let known = scenario.as_ref() == Some(&c.scenario) && model.as_ref() == Some(&c.model);
    let run = format!(
        "nfsd-check run {} --model {} --all",
        c.scenario.name, c.model.name
    );
    match (c.engine.as_str(), c.memory_model.as_str()) {
        ("dpor", "rc11") if known => run,
        ("dpor", memory) if known => format!("{run} --memory-model {memory}"),
        _ => format!("nfsd-check replay {}", plain(file)),
    }
}

/// A subject for the mail.
#[must_use]
pub fn subject(replay: &Replay) -> Option<String> {
    replay.violation.as_ref().map(headline)
}
