// SPDX-License-Identifier: GPL-2.0-only
//! All executions of a program.
//!
//! Events are added one at a time in an order that respects sequenced-before and reads-from, which
//! every execution has, as both models forbid cycles of the two; so the values are known as one
//! goes. Where a read has a choice of writes, and a write one of places in the modification order,
//! all are tried. The axioms decide about what comes out.
//!
//! There are two ways to do so. [`by_interleaving`] adds any next event of any thread, in all
//! orders, and looks at the axioms only at the end: slow, and nearly too simple to be wrong.
//! [`executions`] comes to each execution exactly once. It always goes on with the first thread
//! that can; a read may choose to be read from a write that is not there yet, which makes its
//! thread wait; and each write that is added is offered to the reads that wait. For a given
//! execution each of these decisions is determined. It leaves a candidate at once when coherence
//! or atomicity is broken: more events only add to the relations in them. The tests compare the
//! two.

use super::{
    axioms::{Candidate, Kind, Label, Mode, RC11, Relation, Variant},
    program::{Op, Place, Program, Value},
};
use nfsd_check::sync::engine::{Ordering, Update};
use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    fmt,
};

/// What a read reads from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Source {
    /// The value that was there at the beginning.
    Initial,
    /// What the operation of this index of this thread wrote.
    Write(usize, usize),
}

/// An operation that a thread performed: all but those that begin a thread.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Step {
    /// Its index among the thread's operations. What tells that a thread has ended is written by
    /// an operation after the last.
    pub(crate) op: usize,
    /// Which write was read, and its value. `None` for cells. Of a choice, its answer.
    pub(crate) read: Option<(Source, u64)>,
    /// The value written. `None` for cells.
    pub(crate) written: Option<u64>,
}

/// An execution, in the form in which two of them are compared.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Execution {
    /// What each thread did.
    pub(crate) threads: Vec<Vec<Step>>,
    /// The writes to each place that has any, in modification order.
    pub(crate) orders: BTreeMap<Place, Vec<(usize, usize)>>,
    /// The threads that wait for ever.
    pub(crate) blocked: Vec<usize>,
    /// The cells that two accesses race for.
    pub(crate) races: Vec<usize>,
    /// The objects with a use that does not happen before their being freed, or freed twice.
    pub(crate) misused: Vec<usize>,
}

impl Execution {
    /// What the operation of this index of this thread read.
    pub(crate) fn read(&self, thread: usize, op: usize) -> Option<u64> {
        let step = self.threads[thread].iter().find(|step| step.op == op)?;
        step.read.map(|(_, value)| value)
    }

    /// The last value of a word.
    pub(crate) fn last(&self, program: &Program, place: Place) -> u64 {
        let last = self.orders.get(&place).and_then(|order| order.last());
        let Some(&(thread, op)) = last else {
            return program.first_value(place);
        };
        let mut steps = self.threads[thread].iter();
        let step = steps.find(|step| step.op == op).expect("it is there");
        step.written.expect("it writes")
    }
}

impl fmt::Display for Execution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (thread, steps) in self.threads.iter().enumerate() {
            write!(f, "thread {thread}:")?;
            for Step { op, read, written } in steps {
                write!(f, " {op}")?;
                match read {
                    Some((Source::Initial, value)) => write!(f, " reads {value} from the start")?,
                    Some((Source::Write(thread, op), value)) => {
                        write!(f, " reads {value} from {thread}.{op}")?;
                    }
                    None => {}
                }
                if let Some(value) = written {
                    write!(f, " writes {value}")?;
                }
                write!(f, ";")?;
            }
            writeln!(f)?;
        }
        for (place, order) in &self.orders {
            let order: Vec<String> = order.iter().map(|(t, op)| format!("{t}.{op}")).collect();
            writeln!(f, "{place:?}: {}", order.join(" "))?;
        }
        if !self.blocked.is_empty() {
            writeln!(f, "waiting for ever: {:?}", self.blocked)?;
        }
        if !self.races.is_empty() {
            writeln!(f, "races for cells: {:?}", self.races)?;
        }
        if !self.misused.is_empty() {
            writeln!(f, "misused: {:?}", self.misused)?;
        }
        Ok(())
    }
}

/// The executions of a program under each memory model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Executions {
    pub(crate) rc11: BTreeSet<Execution>,
    pub(crate) sc: BTreeSet<Execution>,
    /// Whether an interleaving has a use of an object after it was freed, or frees it twice.
    pub(crate) misused_in_order: bool,
}

// ---- Executions that are being made ----

#[derive(Clone, Debug)]
struct Event {
    label: Label,
    /// `None` for what was there at the beginning.
    thread: Option<usize>,
    /// `None` for what was there at the beginning, and for the first step of a thread.
    op: Option<usize>,
    place: Option<Place>,
    /// What is read or written.
    value: u64,
    /// Of a read: the write.
    reads_from: Option<usize>,
    /// Of the write of an update: its read.
    updates: Option<usize>,
    /// Of the first step of a thread: what began it.
    begun_by: Option<usize>,
}

#[derive(Clone, Debug)]
struct Thread {
    begun: bool,
    /// The next operation.
    at: usize,
    registers: Vec<Option<u64>>,
    held: Vec<bool>,
    /// Its next operation is to read from a write that is not there yet.
    waits: bool,
}

/// What a thread does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// An operation of the program.
    Op(Op),
    /// Tell whoever joins it that it has ended.
    Finish,
    Nothing,
}

/// What an operation does that reads a value.
#[derive(Clone, Copy, Debug)]
struct Outcome {
    read: Mode,
    written: Option<(u64, Mode)>,
    answer: u64,
}

/// What an operation that reads does with this value. `None` where it does not accept it.
fn outcome(op: Op, value: u64) -> Option<Outcome> {
    if op
        .condition()
        .is_some_and(|condition| !condition.holds(value))
    {
        return None;
    }
    let only_read = |order: Ordering| Outcome {
        read: Mode::of_read(order),
        written: None,
        answer: value,
    };
    let update = |update: Update, success: Ordering, failure: Ordering| match update.apply(value) {
        Some(new) => Outcome {
            written: Some((new, Mode::of_write(success))),
            ..only_read(success)
        },
        None => only_read(failure),
    };
    let lock = Outcome {
        read: Mode::Acquire,
        written: Some((1, Mode::Relaxed)),
        answer: 1,
    };
    Some(match op {
        Op::Load(_, order) | Op::Await(_, _, order) => only_read(order),
        Op::Rmw(_, what, success, failure) => update(what, success, failure),
        Op::AwaitRmw(_, _, what, order) => update(what, order, order),
        Op::Lock(_) => lock,
        Op::TryLock(_) if value == 0 => lock,
        Op::TryLock(_) => Outcome {
            answer: 0,
            ..only_read(Ordering::Relaxed)
        },
        Op::Join(_) => only_read(Ordering::Acquire),
        other => unreachable!("{other:?} reads nothing"),
    })
}

/// Where and what a thread writes next, for what only writes.
fn store(program: &Program, t: usize, thread: &Thread, next: Next) -> Option<(Place, u64, Mode)> {
    match next {
        Next::Op(Op::Store(word, value, order)) => Some((
            Place::Word(word),
            value_of(value, thread),
            Mode::of_write(order),
        )),
        Next::Op(Op::Unlock(lock)) => Some((Place::Lock(lock), 0, Mode::Release)),
        Next::Finish => {
            debug_assert_eq!(thread.at, program.threads[t].len());
            Some((Place::Finished(t), 1, Mode::Release))
        }
        _ => None,
    }
}

fn value_of(value: Value, thread: &Thread) -> u64 {
    match value {
        Value::Constant(value) => value,
        Value::Plus(register, n) => thread.registers[register].unwrap_or(0).wrapping_add(n),
    }
}

#[derive(Clone, Debug)]
struct Partial<'a> {
    program: &'a Program,
    /// In the order in which they were added: a thread's in its order, and a write before what
    /// reads from it.
    events: Vec<Event>,
    threads: Vec<Thread>,
    /// The writes to each place, in modification order, with the initial one.
    orders: Vec<(Place, Vec<usize>)>,
    /// New writes that threads which wait have yet to look at: thread and write.
    offers: Vec<(usize, usize)>,
}

impl<'a> Partial<'a> {
    fn new(program: &'a Program) -> Self {
        let threads = program.threads.iter().enumerate();
        let mut partial = Self {
            program,
            events: Vec::new(),
            threads: threads
                .map(|(thread, ops)| Thread {
                    begun: program.parent(thread).is_none(),
                    at: 0,
                    registers: vec![None; ops.len()],
                    held: vec![false; program.locks],
                    waits: false,
                })
                .collect(),
            orders: Vec::new(),
            offers: Vec::new(),
        };
        for place in program.places() {
            partial.orders.push((place, vec![partial.events.len()]));
            let value = program.first_value(place);
            partial.add(Kind::Write, Mode::NotAtomic, Some(place), value);
        }
        partial
    }

    /// Add an event that belongs to no thread yet.
    fn add(&mut self, kind: Kind, mode: Mode, place: Option<Place>, value: u64) -> usize {
        let number = place.map(|place| match place {
            Place::Cell(cell) => self.orders.len() + cell,
            Place::Object(object) => self.orders.len() + self.program.cells + object,
            place => self.place(place),
        });
        self.events.push(Event {
            label: Label {
                kind,
                place: number,
                mode,
            },
            thread: None,
            op: None,
            place,
            value,
            reads_from: None,
            updates: None,
            begun_by: None,
        });
        self.events.len() - 1
    }

    /// Add an event of a thread's next operation.
    fn add_of(
        &mut self,
        t: usize,
        kind: Kind,
        mode: Mode,
        place: Option<Place>,
        value: u64,
    ) -> usize {
        let event = self.add(kind, mode, place, value);
        self.events[event].thread = Some(t);
        self.events[event].op = Some(self.threads[t].at);
        event
    }

    /// The number of a place with a modification order.
    fn place(&self, place: Place) -> usize {
        let mut places = self.orders.iter();
        places
            .position(|(p, _)| *p == place)
            .expect("it is a place of the program")
    }

    /// Whether a thread has operations left that may write there.
    fn may_write(&self, t: usize, place: Place) -> bool {
        let ops = &self.program.threads[t];
        let left = ops.iter().skip(self.threads[t].at);
        place == Place::Finished(t) || left.into_iter().any(|op| op.may_write(place))
    }

    /// The last value of a place so far.
    fn last_value(&self, place: Place) -> u64 {
        let order = &self.orders[self.place(place)].1;
        self.events[*order.last().expect("there is an initial one")].value
    }

    /// What a thread does next that is an event. The thread is moved up to there.
    fn next(&mut self, t: usize) -> Next {
        let ops = &self.program.threads[t];
        let thread = &mut self.threads[t];
        if !thread.begun {
            return Next::Nothing;
        }
        while let Some(&op) = ops.get(thread.at) {
            let performed = |register: usize| thread.registers[register].is_some();
            thread.at += match op {
                Op::SkipIf {
                    register,
                    value,
                    skip,
                } if thread.registers[register] == Some(value) => 1 + skip,
                Op::SkipIf { .. } => 1,
                Op::Unlock(lock) if !thread.held[lock] => 1,
                Op::Join(other) => {
                    let spawn = ops.iter().position(|op| *op == Op::Spawn(other));
                    if spawn.is_some_and(performed) {
                        return Next::Op(op);
                    }
                    1
                }
                op => return Next::Op(op),
            };
            // One may skip more than there is.
            thread.at = thread.at.min(ops.len());
        }
        let is_joined = self.program.parent(t).is_some();
        if is_joined && thread.at == ops.len() {
            Next::Finish
        } else {
            Next::Nothing
        }
    }

    /// The thread's next operation has been performed.
    fn performed(&mut self, t: usize, answer: u64) {
        let thread = &mut self.threads[t];
        if let Some(register) = thread.registers.get_mut(thread.at) {
            *register = Some(answer);
        }
        thread.at += 1;
        thread.waits = false;
    }

    /// The thread's next operation, which is this, reads from this write. Where it writes, too,
    /// that goes to this position in the modification order.
    fn perform_read(&mut self, t: usize, op: Op, from: usize, position: usize) {
        let place = op.place().expect("it reads");
        let value = self.events[from].value;
        let Outcome {
            read,
            written,
            answer,
        } = outcome(op, value).expect("it accepts the value");
        let read = self.add_of(t, Kind::Read, read, Some(place), value);
        self.events[read].reads_from = Some(from);
        // What it reads from is decided.
        self.threads[t].waits = false;
        self.offers.retain(|(thread, _)| *thread != t);
        if let Some((value, mode)) = written {
            self.add_write(t, place, value, mode, position, Some(read));
        }
        if let (Op::Lock(lock) | Op::TryLock(lock), 1) = (op, answer) {
            self.threads[t].held[lock] = true;
        }
        self.performed(t, answer);
    }

    /// The thread's next operation only writes, to this position in the modification order.
    fn perform_store(&mut self, t: usize, next: Next, position: usize) {
        let thread = &self.threads[t];
        let (place, value, mode) = store(self.program, t, thread, next).expect("it writes");
        self.add_write(t, place, value, mode, position, None);
        if let Next::Op(Op::Unlock(lock)) = next {
            self.threads[t].held[lock] = false;
        }
        self.performed(t, 0);
    }

    fn add_write(
        &mut self,
        t: usize,
        place: Place,
        value: u64,
        mode: Mode,
        position: usize,
        updates: Option<usize>,
    ) {
        let write = self.add_of(t, Kind::Write, mode, Some(place), value);
        self.events[write].updates = updates;
        let number = self.place(place);
        self.orders[number].1.insert(position, write);
        for other in 0..self.threads.len() {
            if self.threads[other].waits
                && let Next::Op(op) = self.next(other)
                && op.place() == Some(place)
            {
                self.offers.push((other, write));
            }
        }
    }

    /// The thread's next operation is this, and neither reads nor writes a word.
    fn perform_other(&mut self, t: usize, op: Op) {
        let place = op.place();
        let mut answer = 0;
        match op {
            Op::Fence(order) => {
                self.add_of(t, Kind::Fence, Mode::of_fence(order), None, 0);
            }
            Op::Get(_) => {
                let read = self.add_of(t, Kind::Read, Mode::NotAtomic, place, 0);
                answer = self.value_of_cell(read);
                self.events[read].value = answer;
            }
            Op::GetMarked(_) => {
                // May race, so that it has no value of which one could say anything.
                self.add_of(t, Kind::Read, Mode::Relaxed, place, 0);
            }
            Op::Set(_, value) => {
                let value = value_of(value, &self.threads[t]);
                self.add_of(t, Kind::Write, Mode::NotAtomic, place, value);
            }
            Op::Use(_) => {
                self.add_of(t, Kind::Use, Mode::NotAtomic, place, 0);
            }
            Op::Free(_) => {
                self.add_of(t, Kind::Free, Mode::NotAtomic, place, 0);
            }
            Op::ReadLock => {
                self.add_of(t, Kind::ReadLock, Mode::NotAtomic, None, 0);
            }
            Op::ReadUnlock => {
                self.add_of(t, Kind::ReadUnlock, Mode::NotAtomic, None, 0);
            }
            Op::Synchronize => {
                self.add_of(t, Kind::GracePeriodBegin, Mode::NotAtomic, None, 0);
                self.add_of(t, Kind::GracePeriodEnd, Mode::NotAtomic, None, 0);
            }
            Op::Spawn(child) => {
                let spawn = self.add_of(t, Kind::Spawn, Mode::NotAtomic, None, 0);
                let begin = self.add(Kind::Begin, Mode::NotAtomic, None, 0);
                self.events[begin].thread = Some(child);
                self.events[begin].begun_by = Some(spawn);
                self.threads[child].begun = true;
            }
            other => unreachable!("{other:?} reads or writes"),
        }
        self.performed(t, answer);
    }

    /// The thread's next operation is a choice, and this is its answer.
    fn perform_choice(&mut self, t: usize, answer: u64) {
        self.add_of(t, Kind::Choice, Mode::NotAtomic, None, answer);
        self.performed(t, answer);
    }

    /// The value that a read of a cell reads where it does not race: that of the write which
    /// happens before it, and after all others that do. Where it races, any value.
    fn value_of_cell(&self, read: usize) -> u64 {
        let hb = self.candidate().hb(RC11);
        let label = self.events[read].label;
        let before: Vec<usize> = (0..self.events.len())
            .filter(|&e| {
                let write = self.events[e].label;
                write.kind == Kind::Write && write.place == label.place && hb.contains(e, read)
            })
            .collect();
        let is_last = |&&write: &&usize| !before.iter().any(|&other| hb.contains(write, other));
        let last = before.iter().filter(is_last);
        last.map(|&write| self.events[write].value)
            .min()
            .unwrap_or(0)
    }

    /// The relations between the events so far.
    fn candidate(&self) -> Candidate {
        let n = self.events.len();
        let mut sb = Relation::empty(n);
        let mut rf = Relation::empty(n);
        let mut mo = Relation::empty(n);
        let mut rmw = Relation::empty(n);
        let mut asw = Relation::empty(n);
        for (b, event) in self.events.iter().enumerate() {
            for (a, earlier) in self.events[..b].iter().enumerate() {
                let initial = earlier.thread.is_none() && event.thread.is_some();
                if initial || earlier.thread.is_some() && earlier.thread == event.thread {
                    sb.insert(a, b);
                }
            }
            if let Some(write) = event.reads_from {
                rf.insert(write, b);
            }
            if let Some(read) = event.updates {
                rmw.insert(read, b);
            }
            if let Some(spawn) = event.begun_by {
                asw.insert(spawn, b);
            }
        }
        for (_, order) in &self.orders {
            for (position, &later) in order.iter().enumerate() {
                for &earlier in &order[..position] {
                    mo.insert(earlier, later);
                }
            }
        }
        Candidate {
            labels: self.events.iter().map(|event| event.label).collect(),
            sb,
            rf,
            mo,
            rmw,
            asw,
            sees: Relation::empty(n),
        }
    }

    /// The relations between the events, for each choice of what comes first of a section and a
    /// grace period.
    fn candidates(&self) -> Vec<Candidate> {
        let of_kind =
            |kind| (0..self.events.len()).filter(move |&e| self.events[e].label.kind == kind);
        // A thread's sections do not nest, and nor do its grace periods.
        let next = |event: usize, kind| {
            let thread = self.events[event].thread;
            of_kind(kind).find(|&e| e > event && self.events[e].thread == thread)
        };
        let sections = of_kind(Kind::ReadLock)
            .filter_map(|begin| Some((begin, next(begin, Kind::ReadUnlock)?)));
        let pairs: Vec<((usize, usize), (usize, usize))> = sections
            .flat_map(|section| {
                of_kind(Kind::GracePeriodBegin).filter_map(move |begin| {
                    Some((section, (begin, next(begin, Kind::GracePeriodEnd)?)))
                })
            })
            .collect();
        let plain = self.candidate();
        let choices = 0..1_u32 << pairs.len();
        let candidates = choices.map(|choice| {
            let mut candidate = plain.clone();
            for (pair, (section, grace_period)) in pairs.iter().enumerate() {
                if choice & 1 << pair == 0 {
                    candidate.asw.insert(section.1, grace_period.1);
                } else {
                    candidate.sees.insert(grace_period.0, section.0);
                }
            }
            candidate
        });
        candidates.collect()
    }

    /// The threads that wait for ever, if nothing is left to be done: every thread has ended, or
    /// waits for what the last value of the word is not.
    fn blocked(&mut self) -> Option<Vec<usize>> {
        let mut blocked = Vec::new();
        for t in 0..self.threads.len() {
            match self.next(t) {
                Next::Nothing => {}
                Next::Op(op) => {
                    let condition = op.condition()?;
                    let place = op.place().expect("it reads");
                    if condition.holds(self.last_value(place)) {
                        return None;
                    }
                    blocked.push(t);
                }
                Next::Finish => return None,
            }
        }
        Some(blocked)
    }

    /// The execution that these events are, if RC11 has it. It races where it does for one choice.
    fn consistent(&self, blocked: Vec<usize>, variant: Variant) -> Option<Execution> {
        let mut candidates = self.candidates();
        candidates.retain(|candidate| candidate.rc11(variant).is_ok());
        if candidates.is_empty() {
            return None;
        }
        let races: BTreeSet<usize> = candidates.iter().flat_map(|c| c.races(variant)).collect();
        let misused: BTreeSet<usize> = candidates.iter().flat_map(|c| c.misused(variant)).collect();
        let cells = self.orders.len();
        let objects = cells + self.program.cells;
        Some(Execution {
            races: races.into_iter().map(|place| place - cells).collect(),
            misused: misused.into_iter().map(|place| place - objects).collect(),
            ..self.execution(blocked)
        })
    }

    /// Without what goes wrong in it.
    fn execution(&self, blocked: Vec<usize>) -> Execution {
        let mut threads: Vec<Vec<Step>> = vec![Vec::new(); self.threads.len()];
        for event in &self.events {
            let (Some(thread), Some(op)) = (event.thread, event.op) else {
                continue;
            };
            let source = event.reads_from.map(|write| self.source(write));
            if event.updates.is_some() {
                let step = threads[thread].last_mut().expect("its read comes before");
                step.written = Some(event.value);
            } else if event.place.is_some()
                || matches!(event.label.kind, Kind::Fence | Kind::Choice)
            {
                let is_store = event.label.kind == Kind::Write;
                let is_cell = matches!(event.place, Some(Place::Cell(_)));
                let chosen = (event.label.kind == Kind::Choice).then_some(Source::Initial);
                threads[thread].push(Step {
                    op,
                    read: source.or(chosen).map(|source| (source, event.value)),
                    written: (is_store && !is_cell).then_some(event.value),
                });
            }
        }
        let orders = self.orders.iter().filter(|(_, order)| order.len() > 1);
        let orders = orders.map(|(place, order)| {
            let writes = order.iter().filter_map(|&write| {
                let event = &self.events[write];
                event.thread.zip(event.op)
            });
            (*place, writes.collect())
        });
        Execution {
            threads,
            orders: orders.collect(),
            blocked,
            ..Execution::default()
        }
    }

    /// Note the execution as one of sequential consistency, if it is one.
    fn note_sc(&self, execution: &Execution, found: &mut Executions) {
        for candidate in self.candidates() {
            if candidate.sc().is_ok() {
                found.sc.insert(execution.clone());
                found.misused_in_order |= !candidate.misused_in_order().is_empty();
            }
        }
    }

    fn source(&self, write: usize) -> Source {
        let Event { thread, op, .. } = self.events[write];
        match thread.zip(op) {
            Some((thread, op)) => Source::Write(thread, op),
            None => Source::Initial,
        }
    }
}

// ---- One event after the other, in any order ----

/// All executions, by adding events in every order and looking at the axioms at the end.
pub(crate) fn by_interleaving(program: &Program, variant: Variant) -> Executions {
    let mut found = Executions::default();
    let mut seen = HashSet::new();
    let mut left = vec![Partial::new(program)];
    while let Some(mut partial) = left.pop() {
        let places: Vec<usize> = partial.threads.iter().map(|thread| thread.at).collect();
        if !seen.insert((partial.execution(Vec::new()), places)) {
            continue;
        }
        if let Some(blocked) = partial.blocked() {
            let Some(execution) = partial.consistent(blocked, variant) else {
                continue;
            };
            partial.note_sc(&execution, &mut found);
            found.rc11.insert(execution);
        }
        for t in 0..partial.threads.len() {
            let next = partial.next(t);
            let thread = &partial.threads[t];
            if let Some((place, ..)) = store(program, t, thread, next) {
                for position in 1..=partial.orders[partial.place(place)].1.len() {
                    let mut more = partial.clone();
                    more.perform_store(t, next, position);
                    left.push(more);
                }
                continue;
            }
            match next {
                Next::Op(op) if reads(op) => {
                    let place = op.place().expect("it reads");
                    let order = &partial.orders[partial.place(place)].1;
                    for &write in order {
                        let Some(outcome) = outcome(op, partial.events[write].value) else {
                            continue;
                        };
                        // Where it writes nothing, the position does not matter.
                        let positions = match outcome.written {
                            Some(_) => order.len(),
                            None => 1,
                        };
                        for position in 1..=positions {
                            let mut more = partial.clone();
                            more.perform_read(t, op, write, position);
                            left.push(more);
                        }
                    }
                }
                Next::Op(Op::Choose(alternatives)) => {
                    for answer in 0..alternatives {
                        let mut more = partial.clone();
                        more.perform_choice(t, u64::from(answer));
                        left.push(more);
                    }
                }
                Next::Op(op) => {
                    let mut more = partial.clone();
                    more.perform_other(t, op);
                    left.push(more);
                }
                Next::Finish | Next::Nothing => {}
            }
        }
    }
    found
}

/// Whether an operation reads a place with a modification order.
fn reads(op: Op) -> bool {
    matches!(
        op,
        Op::Load(..)
            | Op::Rmw(..)
            | Op::Await(..)
            | Op::AwaitRmw(..)
            | Op::Lock(_)
            | Op::TryLock(_)
            | Op::Join(_)
    )
}

// ---- Each execution once ----

/// All executions; `None` where there are more than `most` of them.
pub(crate) fn executions(program: &Program, most: usize) -> Option<Executions> {
    executions_with(program, most, RC11)
}

/// All executions, of this variant of RC11.
pub(crate) fn executions_with(
    program: &Program,
    most: usize,
    variant: Variant,
) -> Option<Executions> {
    let mut search = Search {
        variant,
        most,
        found: Executions::default(),
        too_many: false,
    };
    search.go_on(Partial::new(program));
    (!search.too_many).then_some(search.found)
}

#[derive(Debug)]
struct Search {
    variant: Variant,
    most: usize,
    found: Executions,
    too_many: bool,
}

impl Search {
    fn go_on(&mut self, mut partial: Partial<'_>) {
        if self.too_many {
            return;
        }
        if let Some((t, write)) = partial.offers.pop() {
            let Next::Op(op) = partial.next(t) else {
                unreachable!("a thread that waits is about to read");
            };
            if outcome(op, partial.events[write].value).is_some() {
                let mut taken = partial.clone();
                self.read(&mut taken, t, op, write);
            }
            self.go_on(partial);
            return;
        }
        for t in 0..partial.threads.len() {
            if partial.threads[t].waits {
                continue;
            }
            let next = partial.next(t);
            if next != Next::Nothing {
                self.perform(partial, t, next);
                return;
            }
        }
        self.complete(&mut partial);
    }

    /// Every way to perform the next operation of a thread.
    fn perform(&mut self, mut partial: Partial<'_>, t: usize, next: Next) {
        if let Some((place, ..)) = store(partial.program, t, &partial.threads[t], next) {
            for position in 1..=partial.orders[partial.place(place)].1.len() {
                let mut more = partial.clone();
                more.perform_store(t, next, position);
                self.go_on_if_consistent(more);
            }
            return;
        }
        let Next::Op(op) = next else {
            unreachable!("it does something");
        };
        if let Op::Choose(alternatives) = op {
            for answer in 0..alternatives {
                let mut more = partial.clone();
                more.perform_choice(t, u64::from(answer));
                self.go_on(more);
            }
            return;
        }
        if !reads(op) {
            partial.perform_other(t, op);
            self.go_on_if_consistent(partial);
            return;
        }
        let place = op.place().expect("it reads");
        for write in partial.orders[partial.place(place)].1.clone() {
            if outcome(op, partial.events[write].value).is_some() {
                self.read(&mut partial.clone(), t, op, write);
            }
        }
        // Or from a write that is yet to come, or never, where it waits.
        let others = (0..partial.threads.len()).filter(|&other| other != t);
        if op.condition().is_some() || others.into_iter().any(|o| partial.may_write(o, place)) {
            partial.threads[t].waits = true;
            self.go_on(partial);
        }
    }

    /// An update is put right behind what it reads: anywhere else it would not be atomic.
    fn read(&mut self, partial: &mut Partial<'_>, t: usize, op: Op, write: usize) {
        let place = op.place().expect("it reads");
        let mut order = partial.orders[partial.place(place)].1.iter();
        let position = order.position(|&w| w == write).expect("it is in the order");
        partial.perform_read(t, op, write, position + 1);
        self.go_on_if_consistent(partial.clone());
    }

    fn go_on_if_consistent(&mut self, partial: Partial<'_>) {
        let candidate = partial.candidate();
        let hb = candidate.hb(self.variant);
        if candidate.is_atomic() && candidate.is_coherent(&hb) {
            self.go_on(partial);
        }
    }

    fn complete(&mut self, partial: &mut Partial<'_>) {
        let Some(blocked) = partial.blocked() else {
            return;
        };
        let Some(execution) = partial.consistent(blocked, self.variant) else {
            return;
        };
        partial.note_sc(&execution, &mut self.found);
        let is_new = self.found.rc11.insert(execution);
        assert!(is_new, "the oracle came to an execution twice");
        self.too_many = self.found.rc11.len() > self.most;
    }
}
