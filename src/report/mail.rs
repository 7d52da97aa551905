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
    telling::{Telling, Wait},
    text::{Oops, headline, oops, plain, wrap},
    why::{Decisive, Line, Why},
};
use crate::{
    engine::recording::{RecordedViolation, Site},
    library::Library,
    model::Model,
    scenario::{Epilogue, Open, Operation, Scenario},
    sync::violation::ViolationKind,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    path::Path,
};

const WIDTH: usize = 72;

/// The column that steps begin in.
const LEFT: usize = 5;

/// Prints a counterexample that has been run again on `model`. `file` is where it is kept. Where the
/// violation did not come about, the text says how far the interleaving goes, and why no further.
#[must_use]
pub fn print(
    c: &Counterexample,
    model: &Model,
    replay: &Replay,
    why: Option<&Why>,
    file: &str,
) -> String {
    let mut out = String::new();
    match &replay.violation {
        Some(violation) => paragraph(&mut out, &claim(violation), ""),
        None => {
            let form = "with the form of the functions that it is followed on here";
            let text = match replay.recording.violations.first() {
                Some(other) => format!(
                    "{} So ends the interleaving below {form}, where it ended otherwise.",
                    claim(other)
                ),
                None => format!("The interleaving below does no harm {form}."),
            };
            paragraph(&mut out, &text, "");
            out.push_str("\nIt was found with:\n");
            about(&mut out, &c.model, "  ");
            let claim = &c.violation;
            let what = phrase(claim.kind, &claim.object, &claim.message);
            let object = match claim.object.as_str() {
                "" => String::new(),
                object => format!(": {}", named(object)),
            };
            paragraph(
                &mut out,
                &format!("There it ends like this. {what}{object}."),
                "",
            );
        }
    }
    out.push('\n');
    paragraph(&mut out, "This is with:", "");
    about(&mut out, model, "  ");

    setup(&mut out, &c.scenario);
    let rows = digest(replay, why, &c.scenario.actors);
    let number: BTreeMap<usize, usize> = rows.iter().zip(1..).map(|(&at, n)| (at, n)).collect();
    let wait = Wait::after_the_steps(replay).map(|_| rows.len() + 1);
    steps(&mut out, c, replay, &rows, &number);

    match &replay.violation {
        Some(violation) => {
            out.push_str("\nA kernel would say something like this:\n\n");
            let all = replay.recording.steps.iter();
            let first = all.clone().position(|step| step.concurrent).unwrap_or(0);
            let when = |site: &Site| match number.get(&site.step) {
                _ if wait.is_some() && *site == violation.site => {
                    format!(" ({})", wait.unwrap_or_default())
                }
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
            let recording = &replay.recording;
            oops(&mut log, recording, violation, &named, &when, WIDTH - 2);
            for line in log.lines() {
                let _ = writeln!(out, "  {}", unstyled(line));
            }
            others(&mut out, replay, violation, &when);
        }
        None => parted(&mut out, replay),
    }

    if let Some(why) = why {
        missing(&mut out, &c.scenario, replay, why, &number);
    }
    reproduce(&mut out, c, model, replay, &rows, file);
    out
}

/// How far the interleaving goes, where the violation does not come about.
fn parted(out: &mut String, replay: &Replay) {
    out.push('\n');
    paragraph(out, &outcome(replay), "");
}

/// What comes of an interleaving in which the violation does not come about.
pub(super) fn outcome(replay: &Replay) -> String {
    let text = match &replay.parted {
        Some(parted) => format!("Here it goes no further: {}.", parted.now),
        None => "It runs to its end.".to_owned(),
    };
    let others: Vec<String> = replay.recording.violations.iter().map(claim).collect();
    match others[..] {
        [] => format!("{text} Nothing is wrong in it."),
        _ => format!("{text} Something else is wrong in it: {}", others.join(" ")),
    }
}

/// What else is wrong in the execution.
fn others(
    out: &mut String,
    replay: &Replay,
    violation: &RecordedViolation,
    when: &dyn Fn(&Site) -> String,
) {
    let others = replay.recording.violations.iter();
    let others = others.filter(|other| !is_same(other, violation));
    let is_left = |other: &&RecordedViolation| {
        other.kind == ViolationKind::Leak && other.site.function.is_empty()
    };
    let (left, others): (Vec<&RecordedViolation>, Vec<_>) = others.partition(is_left);
    if left.len() + others.len() > 0 {
        out.push_str("\nIn the same execution:\n");
    }
    for other in others {
        let when = match other.site.function {
            "" => String::new(),
            _ => when(&other.site),
        };
        item(out, &format!("-{when} {}", claim(other)), 2);
    }
    // One that is left keeps others.
    match &left[..] {
        [] => {}
        [one] => item(out, &format!("- {}", claim(one)), 2),
        many => {
            let names: Vec<String> = many.iter().map(|other| named(&other.object)).collect();
            let names = names.join(", ");
            let text = format!(
                "- These are left when all is over, and nothing is on its way to free them: {names}."
            );
            item(out, &text, 2);
        }
    }
}

/// Whether two violations are the same one, which may be told with another step of it.
pub(super) fn is_same(a: &RecordedViolation, b: &RecordedViolation) -> bool {
    (a.kind, &a.object, &a.message) == (b.kind, &b.object, &b.message)
}

/// What a form of the functions is, and where it is from. What it is said to be like comes first.
fn about(out: &mut String, model: &Model, indent: &str) {
    let library = Library::builtin();
    let other = model.about.split_once(' ').and_then(|(name, rest)| {
        let (name, rest) = match (name.strip_suffix(','), rest.split_once(' ')) {
            (Some(name), Some(("and", rest))) => (name, format!("on top of that, {rest}")),
            (Some(name), Some(("but", rest))) => (name, format!("but {rest}")),
            (None, Some(("with", rest))) => (name, format!("on top of that, {rest}")),
            _ => return None,
        };
        let other = library.model(name).ok()?;
        (other.name != model.name).then_some((other, rest))
    });
    match other {
        Some((other, rest)) => {
            about(out, &other, indent);
            paragraph(out, &sentence(&rest), indent);
        }
        None => paragraph(out, &sentence(&model.about), indent),
    }
    if is_public(&model.source) {
        paragraph(out, &model.source, indent);
    }
}

/// Whether a source is one that somebody else can look up.
fn is_public(source: &str) -> bool {
    !source.is_empty() && !source.starts_with("no mail")
}

/// Objects in words that a reader of the kernel knows.
pub(super) fn named(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((at, known)) = ["percpu_count#", "stack_frame#"]
        .iter()
        .filter_map(|known| Some((rest.find(known)?, *known)))
        .min()
    {
        out.push_str(&rest[..at]);
        let after = &rest[at + known.len()..];
        let digits = |text: &str| {
            text.find(|c: char| !c.is_ascii_digit())
                .unwrap_or(text.len())
        };
        let after = &after[digits(after)..];
        rest = match (known, after.strip_prefix(".cpu"), after.strip_prefix('.')) {
            ("percpu_count#", Some(cpu), _) => {
                let (cpu, after) = cpu.split_at(digits(cpu));
                let _ = write!(out, "percpu_count (CPU {cpu})");
                after
            }
            ("stack_frame#", _, Some(field)) => {
                let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
                let end = field.find(|c| !is_name(c)).unwrap_or(field.len());
                let _ = write!(out, "{} on the stack", &field[..end]);
                &field[end..]
            }
            ("stack_frame#", ..) => {
                out.push_str("the stack frame");
                after
            }
            _ => {
                out.push_str(known.trim_end_matches('#'));
                after
            }
        };
    }
    out + rest
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
        "" if site.context == "main" => "when all is over".to_owned(),
        function if *kind == ViolationKind::HungTask && site.context == "main" => {
            format!("in {function}(), when what still runs is stopped")
        }
        "" => format!("in {}", site.context),
        function => format!("in {function}()"),
    };
    let name = match object.as_str() {
        "" => String::new(),
        object => format!("{}, ", named(object)),
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
    let more = match (evident, message.split_once(" wait")) {
        (true, _) => String::new(),
        (_, Some((who, _))) if *kind == ViolationKind::HungTask => match who {
            "main" => String::new(),
            who => format!(" Who waits: {who}."),
        },
        _ => format!(" {}", sentence(message)),
    };
    let phrase = phrase(*kind, object, message);
    format!("{phrase}: {name}{place}.{more}")
}

/// What happens.
fn phrase(kind: ViolationKind, object: &str, message: &str) -> &'static str {
    match Oops::of(kind, message) {
        Some(Oops::NullDereference) => return "A NULL pointer is dereferenced",
        Some(Oops::BugOn) => return "A BUG_ON() of the kernel's is hit",
        None => {}
    }
    match kind {
        ViolationKind::UseAfterDestroy if object.ends_with("_slab") => {
            "A slab cache is used after it was destroyed"
        }
        ViolationKind::UseAfterFree => "Memory is used after it was freed",
        ViolationKind::UseAfterDestroy => "Something is used after it was destroyed",
        ViolationKind::ObjectsRemaining => "A slab cache is destroyed that still has objects",
        ViolationKind::DoubleFree => "Memory is freed twice",
        ViolationKind::Refcount => "A reference count goes wrong",
        ViolationKind::ListCorruption if message.starts_with("the walk") => {
            "The walk of a list strays to another list"
        }
        ViolationKind::ListCorruption if message.starts_with("list_add") => {
            "An entry is put on a list while it is on one"
        }
        ViolationKind::ListCorruption if message.starts_with("spin_lock_init") => {
            "A lock is initialised while somebody holds it"
        }
        ViolationKind::ListCorruption => "Two contexts change a list at the same time",
        ViolationKind::Leak => "Something is left, and nothing is on its way to free it",
        ViolationKind::HungTask => "A task waits for what nothing left will do",
        ViolationKind::Warning => "The kernel warns",
        ViolationKind::RefAfterExit => "A reference is used after its end",
        ViolationKind::DataRace => "Two accesses race",
        ViolationKind::SleepInAtomic => {
            "Something may sleep inside an RCU read-side section or under a spinlock"
        }
        ViolationKind::Livelock => "A loop goes round for ever",
        ViolationKind::Assertion => "Something is as it must never be",
    }
}

/// A clause as a sentence. A name keeps its small letter.
fn sentence(clause: &str) -> String {
    let word = clause.split(' ').next().unwrap_or_default();
    let is_name = !word
        .trim_end_matches([',', ':', '.'])
        .chars()
        .all(|c| c.is_ascii_alphabetic());
    let mut chars = clause.chars();
    let first = match is_name {
        true => chars.next(),
        false => chars.next().map(|c| c.to_ascii_uppercase()),
    };
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
    let mut also = besides(scenario);
    if scenario.epilogue == Epilogue::Stop {
        let text = "When these are done, what still runs is stopped, one after the other.";
        also.push(text.to_owned());
    }
    paragraph(out, &also.join(" "), "");
}

/// What else there is to a scenario than who does what: a sentence each.
pub(super) fn besides(scenario: &Scenario) -> Vec<String> {
    let mut besides = Vec::new();
    if scenario.alloc_may_fail {
        besides.push("Any allocation that is checked may fail.".to_owned());
    }
    for inode in &scenario.inodes {
        let name = &inode.name;
        besides.extend(match inode.open {
            Open::Ok => None,
            Open::Fails => Some(format!("The file system fails to open {name}.")),
            Open::StaleOnce => Some(format!(
                "The file handle of {name} is stale when it is opened for the first time \
                 (-EOPENSTALE), and {name} is opened well from then on."
            )),
            Open::Unopened => Some(format!(
                "What an OPEN creates and hands over for {name} is not opened yet."
            )),
        });
        if inode.flush_on_close {
            besides.push(format!(
                "The file system of {name} flushes on close, and may have pages to be written back \
                 whenever it is asked, or not."
            ));
        }
        if inode.writeback_error {
            let text = format!("There is a write-back error of {name} that nobody has seen yet.");
            besides.push(text);
        }
        if inode.leased {
            let text =
                format!("Somebody has a lease on {name}, which may be broken in time or not.");
            besides.push(text);
        }
    }
    if !scenario.preempt_rcu {
        besides.push("The kernel is built without PREEMPT_RCU.".to_owned());
    }
    besides
}

/// An operation for somebody who does not know the words for it, with the kernel's entry point.
pub(super) fn in_words(operation: &Operation, scenario: &Scenario) -> String {
    let net = |net: usize| &scenario.nets[net].name;
    let inode = |inode: usize| &scenario.inodes[inode].name;
    let file = |file: usize| &scenario.files[file];
    let client = |client: usize| &scenario.clients[client].name;
    let what = match *operation {
        Operation::Create { net: n } => format!("the server of {} is created", net(n)),
        Operation::Start {
            net: n,
            threads: 1,
            min: _,
        } => format!("the server of {} starts", net(n)),
        Operation::Start {
            net: n,
            threads,
            min: 0,
        } => {
            format!("the server of {} starts with {threads} threads", net(n))
        }
        Operation::Start {
            net: n,
            threads,
            min,
        } => {
            format!(
                "the server of {} starts with {min} to {threads} threads",
                net(n)
            )
        }
        Operation::StartFails { net: n, step } => {
            format!("the server of {} fails to start ({})", net(n), step.name())
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
        Operation::AcquireDir {
            file: f,
            net: n,
            inode: i,
        } => format!(
            "a thread of {} gets the directory {} ({})",
            net(n),
            inode(i),
            file(f)
        ),
        Operation::Delegate { file: f } => format!("it delegates {} to a client", file(f)),
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
        Operation::LocalProbeKilled { client: c } => {
            format!(
                "the client {} asks its server whether it is local, and is killed before the answer",
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
        Operation::Spawn { net: n } => format!("{} begins one more thread", net(n)),
        Operation::Retire { net: n } => format!("an idle thread of {} ends", net(n)),
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
    let wait = Wait::after_the_steps(replay);
    let contexts = rows.iter().map(|&at| &*telling.step(at).context);
    let contexts: Vec<&str> = contexts
        .chain(wait.as_ref().map(|wait| wait.context))
        .collect();
    let lanes = Lanes::new(&contexts, &c.scenario);
    out.push('\n');
    let kernel = lanes.others.then(|| "(kernel)".to_owned());
    // A name that there is no room for beside the others has a line of its own.
    let mut titles = vec![String::new()];
    let mut rule = String::new();
    for (lane, name) in lanes.names.iter().chain(&kernel).enumerate() {
        let name = plain(name);
        let column = lanes.column(lane);
        let rule_at = column;
        // A long one begins further to the left.
        let column = column.min(WIDTH.saturating_sub(name.len()));
        let fits = |line: &String| line.is_empty() || line.len() + 1 < column;
        let at = titles.iter().position(fits).unwrap_or_else(|| {
            titles.push(String::new());
            titles.len() - 1
        });
        let space = " ".repeat(column - titles[at].len());
        let shown = &name[..name.len().min(WIDTH - column)];
        let _ = write!(titles[at], "{space}{shown}");
        let rule_to = " ".repeat(rule_at - rule.len());
        let rule_length = name.len().min(lanes.apart - 1);
        let _ = write!(rule, "{rule_to}{}", "-".repeat(rule_length));
    }
    let _ = writeln!(out, "{}\n{rule}", titles.join("\n"));
    let marked = super::text::marked(replay);
    let (mut context, mut place) = ("", "");
    let steps = rows.iter().map(|&at| {
        let mark = if marked.contains(&at) { "  <--" } else { "" };
        let what = telling.what_with(at, &|write| number.get(&write).copied());
        let text = format!("{}{mark}", named(&what));
        (
            number[&at],
            &*telling.step(at).context,
            telling.place(at),
            text,
        )
    });
    let wait = wait.map(|wait| {
        let text = format!("{}  <--", wait.what);
        (rows.len() + 1, wait.context, wait.place, text)
    });
    for (number, who, here, text) in steps.chain(wait) {
        let lane = lanes.of(who);
        let (column, width) = (lanes.column(lane), lanes.width(lane));
        let mut put = |number: &str, text: &str, deeper: usize| {
            for (i, line) in wrap(&plain(text), width - deeper, 2).iter().enumerate() {
                let (number, hang) = if i == 0 { (number, 0) } else { ("", 2) };
                let space = " ".repeat(column - 3 + deeper + hang);
                let _ = writeln!(out, "{number:>3}{space}{line}");
            }
        };
        if who != context {
            place = "";
            if lane == lanes.names.len() {
                put("", &format!("[{who}]"), 0);
            }
        }
        context = who;
        if here != place && !here.is_empty() {
            put("", &format!("{here}()"), 0);
        }
        place = here;
        put(&number.to_string(), &text, 2);
    }
}

/// What is said where no two steps decide.
fn no_pair(replay: &Replay) -> &'static str {
    let steps = replay.recording.steps.iter();
    let steps = steps.filter(|step| step.concurrent && !step.functions.is_empty());
    let contexts: BTreeSet<u32> = steps.map(|step| step.thread.0).collect();
    let kind = replay.violation.as_ref().map(|violation| violation.kind);
    match contexts.len() {
        _ if kind == Some(ViolationKind::SleepInAtomic) => {
            "Nothing has to come in between: whoever comes here does it."
        }
        1 => "Nothing has to come in between: one context does it by itself.",
        _ => {
            "No two steps were found whose order decides: with any two of those that were tried the other \
             way round it ends no better."
        }
    }
}

/// Who a context is, for somebody who has never heard of this program.
fn who(context: &str) -> &str {
    match context {
        "main" => "the last stop",
        context => context,
    }
}

/// What is missing, and what there is instead in the fixed form.
fn missing(
    out: &mut String,
    scenario: &Scenario,
    replay: &Replay,
    why: &Why,
    number: &BTreeMap<usize, usize>,
) {
    out.push_str("\nWhat allows it:\n");
    let Some(against) = &why.against else {
        out.push('\n');
        match why.here(replay) {
            here if here.is_empty() => paragraph(out, no_pair(replay), ""),
            here => lines(out, &here, number),
        }
        let text = "There is no fixed form to compare it with: none in which these contexts are \
                    known to do no harm to each other.";
        paragraph(out, text, "");
        without(out, why, scenario);
        return;
    };
    let here = why.here(replay);
    out.push('\n');
    match here.is_empty() {
        false => lines(out, &here, number),
        true => paragraph(out, no_pair(replay), ""),
    }
    let (title, other) = match against.is_fixed() {
        true => ("The fixed form:", "In the fixed form"),
        false => ("Compared with:", "In the other form"),
    };
    let _ = writeln!(out, "\n{title}");
    about(out, &against.model, "  ");
    out.push('\n');
    lines(out, &why.there(other), number);
    without(out, why, scenario);
}

/// The operations that it does not take.
fn without(out: &mut String, why: &Why, scenario: &Scenario) {
    for sentence in why.without(scenario) {
        paragraph(out, &sentence, "");
    }
}

/// The lines of an explanation.
fn lines(out: &mut String, lines: &[Line], number: &BTreeMap<usize, usize>) {
    for line in lines {
        match line {
            Line::Sentence(text) => paragraph(out, text, ""),
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
                for (which, value) in [("here", here), ("there", there)] {
                    let source = match is_public(value.source) {
                        true => format!(" ({})", value.source),
                        false => String::new(),
                    };
                    item(out, &format!("- {which}: {}{source}", value.about), 4);
                }
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
                item(
                    out,
                    &format!("{number}{}, {place}{}", who(context), named(what)),
                    2,
                );
            }
        }
    }
}

fn reproduce(
    out: &mut String,
    c: &Counterexample,
    model: &Model,
    replay: &Replay,
    rows: &[usize],
    file: &str,
) {
    out.push('\n');
    let all = replay.recording.steps.iter();
    let all = all.filter(|step| step.concurrent).count();
    let left_out = all.saturating_sub(rows.len());
    let Command { line, attach } = Command::new(c, model, replay, file);
    let with = match &attach[..] {
        [] => String::new(),
        [one] => format!(", with the attached file {one}"),
        all => format!(", with the attached files {}", all.join(" and ")),
    };
    let what = if c.weak { "execution" } else { "interleaving" };
    let text = format!(
        "This was found with nfsd-check, a program that tries the executions of a \
         re-implementation of these functions. It is a statement about them as they are written \
         there, and was not seen on a running kernel. {left_out} more steps of this {what} \
         are left out above, to keep it short; the program shows them all. To reproduce it{with}:"
    );
    paragraph(out, &text, "");
    let _ = writeln!(out, "\n{}", shell_lines(&line, "  ", WIDTH));
    let home = env!("CARGO_PKG_REPOSITORY");
    if !home.is_empty() {
        let _ = writeln!(out, "\nThe program: {home}");
    }
}

/// A command over as many lines as it takes, as a shell reads it.
pub(super) fn shell_lines(command: &str, indent: &str, width: usize) -> String {
    const MORE: &str = " \\";
    let mut words: Vec<String> = Vec::new();
    let fits = |word: &str| indent.len() + 4 + word.len() + MORE.len() <= width;
    for word in command.split(' ') {
        // An option and its value stay together, and so does what is quoted.
        let is_open =
            |last: &str| last.matches('\'').count() % 2 != last.matches("\\'").count() % 2;
        match words.last_mut() {
            Some(last)
                if is_open(last)
                    || last.starts_with("--")
                        && !last.contains(' ')
                        && !word.starts_with("--")
                        && fits(&format!("{last} {word}")) =>
            {
                *last += " ";
                *last += word;
            }
            _ => words.push(word.to_owned()),
        }
    }
    let mut lines: Vec<String> = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let last = at + 1 == words.len();
        let more = if last { 0 } else { MORE.len() };
        match lines.last_mut() {
            Some(line) if line.len() + 1 + word.len() + more <= width => {
                *line += " ";
                *line += word;
            }
            Some(line) => {
                *line += MORE;
                let mut rest = format!("{indent}    {word}");
                // A word goes on where the next line begins, unless it is quoted.
                let can_be_cut = !word.contains(['\'', '\\', ' ']);
                while can_be_cut && rest.len() + more > width {
                    let room = width - 1;
                    let head = &rest[..room];
                    let least = indent.len() + 4 + room / 3;
                    let at = head.rfind(['/', '-', '_']).map(|at| at + 1);
                    let at = at.filter(|&at| at > least).unwrap_or(room);
                    lines.push(format!("{}\\", &rest[..at]));
                    rest = rest[at..].to_owned();
                }
                lines.push(rest);
            }
            None => lines.push(format!("{indent}{word}")),
        }
    }
    lines.join("\n")
}

/// How somebody who has got the mail sees it himself.
struct Command {
    line: String,
    /// The files that it takes, and that the mail has to bring.
    attach: Vec<String>,
}

impl Command {
    fn new(c: &Counterexample, model: &Model, replay: &Replay, file: &str) -> Self {
        if let (Some(line), true) = (well_known(c, model), replay.violation.is_some()) {
            return Self {
                line,
                attach: Vec::new(),
            };
        }
        let file = bare_name(file);
        let mut line = format!("nfsd-check replay {file}");
        let mut attach = vec![file];
        if *model != c.model {
            match Library::ships(model) {
                true => line += &format!(" --model {}", model.name),
                false => {
                    let file = format!("{}.json", model.name);
                    line += &format!(" --model {file}");
                    attach.push(file);
                }
            }
        }
        Self { line, attach }
    }
}

/// The name of a file that comes with a mail: its own, where that fits into a line of a shell.
fn bare_name(file: &str) -> String {
    const OTHERWISE: &str = "counterexample.json";
    let name = Path::new(file).file_name().unwrap_or_default();
    let name = name.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-.,+=@".contains(c);
    let fits = name.len() <= WIDTH - 8 && name.starts_with(|c: char| c.is_ascii_alphanumeric());
    match fits && name.chars().all(plain) {
        true => name.into_owned(),
        false => OTHERWISE.to_owned(),
    }
}

/// The command that finds it anew, where everybody has the scenario and the model.
fn well_known(c: &Counterexample, model: &Model) -> Option<String> {
    let scenario = Library::builtin().scenario(&c.scenario.name).ok()?;
    if scenario.without_expectations() != c.scenario || !Library::ships(model) || c.engine != "dpor"
    {
        return None;
    }
    let run = format!(
        "nfsd-check run {} --model {} --all",
        c.scenario.name, model.name
    );
    match c.memory_model.as_str() {
        "rc11" => Some(run),
        memory => Some(format!("{run} --memory-model {memory}")),
    }
}

/// A word for a shell.
pub(crate) fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "_-./,:=@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// The command that shows it: without the file, where the scenario and the model are well known.
pub(super) fn command(c: &Counterexample, file: &str) -> String {
    well_known(c, &c.model)
        .unwrap_or_else(|| format!("nfsd-check replay {}", shell_word(&plain(file))))
}

/// A subject for the mail.
#[must_use]
pub fn subject(replay: &Replay) -> Option<String> {
    replay.violation.as_ref().map(headline)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_fits_into_its_lines_and_is_the_same_to_a_shell() {
        let library = Library::builtin();
        let longest = |names: &mut dyn Iterator<Item = &str>| {
            let longest = names.max_by_key(|name| name.len());
            longest.unwrap_or_default().to_owned()
        };
        let scenario = longest(&mut library.scenario_names());
        let model = longest(&mut library.model_names());
        let command = format!("nfsd-check run {scenario} --model {model} --all --memory-model sc");
        // A path with a space in it is one word.
        let command = format!("{command} --out 'a b'");
        // A word is never taken apart, and needs a line of its own at least.
        for width in [50, 60, WIDTH, 200] {
            let lines = shell_lines(&command, "  ", width);
            assert!(lines.lines().all(|line| line.len() <= width), "{lines}");
            let words = lines.replace("\\\n", " ");
            let words: Vec<&str> = words.split_whitespace().collect();
            assert_eq!(words.join(" "), command);
            // An option is not parted from its value.
            assert!(!lines.contains("--model \\"), "{lines}");
        }
    }

    #[test]
    fn names_keep_their_small_letters() {
        for (clause, is) in [
            ("freed too late", "Freed too late."),
            ("nfsd-stop waits.", "nfsd-stop waits."),
            ("svc_wake_up(NULL): no", "svc_wake_up(NULL): no."),
            ("v4, but later", "v4, but later."),
            ("", "."),
        ] {
            assert_eq!(sentence(clause), is);
        }
    }
}
