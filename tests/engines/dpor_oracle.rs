// SPDX-License-Identifier: GPL-2.0-only
//! The explorer against brute force.
//!
//! A program here is a list of operations for each thread. It is run twice: on the explorer, and
//! by an interpreter of its own that knows nothing of engines, races or sleep sets and simply
//! tries every thread in every state. Both must come to the same final states, the same deadlocks
//! and the same kinds of violation, and the explorer to each class of equivalent interleavings
//! exactly once.
//!
//! The interpreter takes the beginning and the end of a read-side critical section, and a
//! `touch(Step::Next)`, for steps of their own, which is what they are on a real machine. The
//! explorer merges them into neighbouring steps; that nobody can tell is among the things checked.

use crate::{number, rc11::generate::Random};
use nfsd_check::{
    engine::{Jobs, Limits, Program, dpor},
    sync::{
        Mutex, MutexGuard,
        alloc::Allocation,
        atomic::AtomicU64,
        cell::Cell,
        choose,
        engine::{Condition, Ordering::SeqCst, Phase, Step, Update},
        rcu::{Domain, GracePeriod},
        thread,
        violation::ViolationKind,
    },
};
use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::{Arc, Mutex as StdMutex, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

// ---- Programs ----

/// Words 0 and 1 are static; word 2 lies in allocation 0.
const WORDS: usize = 3;
const OWNED: usize = 2;
const LOCKS: usize = 2;
const CELLS: usize = 1;
const ALLOCATIONS: usize = 2;
const DOMAINS: usize = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    Load(usize),
    Store(usize, u64),
    Rmw(usize, Update),
    Await(usize, Condition),
    AwaitRmw(usize, Condition, Update),
    Lock(usize),
    TryLock(usize),
    /// Only where the thread holds it.
    Unlock(usize),
    Get(usize),
    Set(usize, u64),
    Touch(usize),
    TouchNext(usize),
    /// Only after an operation that is a step, with at most conditions in between.
    TouchLast(usize),
    Free(usize),
    ReadLock(usize),
    /// Only in a section.
    ReadUnlock(usize),
    Begin(usize),
    /// Only after a `Begin`.
    End(usize),
    Choose(u32),
    /// If the thread's operation of this index answered this, skip the next one.
    SkipIf(usize, u64),
    /// Begin the thread of this index.
    Spawn(usize),
}

use Op::{
    Await, AwaitRmw, Begin, Choose, End, Free, Get, Load, Lock, ReadLock, ReadUnlock, Rmw, Set,
    SkipIf, Spawn, Store, Touch, TouchLast, TouchNext, TryLock, Unlock,
};

#[derive(Clone, Debug, PartialEq, Eq)]
struct Prog {
    /// The first value of each word.
    words: [u64; WORDS],
    threads: Vec<Vec<Op>>,
    /// Threads that an operation of another one begins.
    children: Vec<usize>,
    /// Whether the first thread is the one that began the run.
    main_takes_part: bool,
}

impl Prog {
    fn new(threads: &[&[Op]]) -> Self {
        let threads: Vec<Vec<Op>> = threads.iter().map(|ops| ops.to_vec()).collect();
        let spawns = threads.iter().flatten();
        let children = spawns
            .filter_map(|op| match op {
                Spawn(child) => Some(*child),
                _ => None,
            })
            .collect();
        Self {
            words: [0; WORDS],
            threads,
            children,
            main_takes_part: false,
        }
    }

    fn has(&self, f: impl Fn(&Op) -> bool) -> bool {
        self.threads.iter().flatten().any(f)
    }

    /// Whether an execution can end early.
    /// Whether there are sections, and none of them waits.
    fn sections_do_not_wait(&self) -> bool {
        let waits = |op: &Op| matches!(op, Lock(_) | Await(..) | AwaitRmw(..) | End(..));
        self.has(|op| matches!(op, ReadLock(_)))
            && self.threads.iter().all(|ops| {
                let is_section = |op: &Op| matches!(op, ReadLock(_) | ReadUnlock(_));
                let mut pairs = ops.windows(2);
                // A section that never ends would be waited for.
                if pairs.any(|pair| matches!(pair[0], SkipIf(..)) && is_section(&pair[1])) {
                    return false;
                }
                let mut depth = 0;
                ops.iter().all(|op| {
                    match op {
                        ReadLock(_) => depth += 1,
                        ReadUnlock(_) => depth -= 1,
                        _ => {}
                    }
                    depth == 0 || !waits(op)
                })
            })
    }

    fn can_be_fatal(&self) -> bool {
        self.has(|op| matches!(op, Free(_)))
    }

    /// Whether each operation is a step of its own on the explorer, too.
    fn is_plain(&self) -> bool {
        !self.has(|op| matches!(op, TouchNext(_) | ReadLock(_) | ReadUnlock(_) | Begin(_)))
    }
}

/// What each operation of each thread answered, as far as it came to it.
type Registers = Vec<Vec<Option<u64>>>;

/// What can be told at the end of an execution.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Final {
    registers: Registers,
    words: Vec<u64>,
    cells: Vec<u64>,
    freed: Vec<bool>,
}

/// For each operation that was a step, which earlier steps of each thread come before it in every
/// equivalent interleaving; and the answers, which differ where a choice does.
type Class = (BTreeMap<(usize, usize), Vec<usize>>, Registers);

/// All that a program can do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Behaviour {
    finals: BTreeSet<Final>,
    /// The answers in executions in which somebody waits forever.
    hung: BTreeSet<Registers>,
    kinds: BTreeSet<ViolationKind>,
}

// ---- Brute force ----

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct ThreadState {
    begun: bool,
    at: usize,
    registers: Vec<Option<u64>>,
    held: [bool; LOCKS],
    depth: [u32; DOMAINS],
    /// How many sections have begun.
    section: [u32; DOMAINS],
    /// The sections that the grace period waits for.
    period: [Option<Vec<(usize, u32)>>; DOMAINS],
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    words: [u64; WORDS],
    locked: [bool; LOCKS],
    cells: [u64; CELLS],
    freed: [bool; ALLOCATIONS],
    threads: Vec<ThreadState>,
    fatal: Option<ViolationKind>,
}

/// What a step was about: objects, and whether it wrote.
type Accesses = Vec<(Object, bool)>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Object {
    Word(usize),
    Lock(usize),
    Cell(usize),
    Allocation(usize),
}

impl State {
    /// Before any thread has done anything.
    fn first(prog: &Prog) -> Self {
        let threads = prog.threads.iter().enumerate();
        Self {
            words: prog.words,
            locked: [false; LOCKS],
            cells: [0; CELLS],
            freed: [false; ALLOCATIONS],
            threads: threads
                .map(|(t, ops)| ThreadState {
                    begun: !prog.children.contains(&t),
                    at: 0,
                    registers: vec![None; ops.len()],
                    held: [false; LOCKS],
                    depth: [0; DOMAINS],
                    section: [0; DOMAINS],
                    period: [const { None }; DOMAINS],
                })
                .collect(),
            fatal: None,
        }
    }

    fn new(prog: &Prog) -> Self {
        let mut state = Self::first(prog);
        for t in 0..prog.threads.len() {
            state.after_step(prog, t, &mut Vec::new());
        }
        state
    }

    fn op(&self, prog: &Prog, t: usize) -> Option<Op> {
        let thread = &self.threads[t];
        thread
            .begun
            .then(|| prog.threads[t].get(thread.at).copied())?
    }

    fn is_enabled(&self, prog: &Prog, t: usize) -> bool {
        match self.op(prog, t) {
            None => false,
            Some(Await(w, condition) | AwaitRmw(w, condition, _)) => condition.holds(self.words[w]),
            Some(Lock(l)) => !self.locked[l],
            Some(End(d)) => {
                let period = self.threads[t].period[d].iter().flatten();
                period.copied().all(|(reader, section)| {
                    let reader = &self.threads[reader];
                    reader.depth[d] == 0 || reader.section[d] != section
                })
            }
            Some(_) => true,
        }
    }

    fn touch(&mut self, a: usize, accesses: &mut Accesses) {
        accesses.push((Object::Allocation(a), false));
        if self.freed[a] {
            self.fatal.get_or_insert(ViolationKind::UseAfterFree);
        }
    }

    /// Perform the next operation of a thread, and what belongs to it.
    fn step(&mut self, prog: &Prog, t: usize, choice: u32) -> Accesses {
        let op = self.op(prog, t).expect("it is enabled");
        let mut accesses = Vec::new();
        let answer = self.perform(op, t, choice, &mut accesses);
        let thread = &mut self.threads[t];
        thread.registers[thread.at] = answer;
        thread.at += 1;
        self.after_step(prog, t, &mut accesses);
        accesses
    }

    fn perform(&mut self, op: Op, t: usize, choice: u32, accesses: &mut Accesses) -> Option<u64> {
        let mut word = |write: bool| match op {
            Load(w) | Store(w, _) | Rmw(w, _) | Await(w, _) | AwaitRmw(w, ..) => {
                accesses.push((Object::Word(w), write));
            }
            _ => unreachable!(),
        };
        let mut owned = false;
        let answer = match op {
            Load(w) | Await(w, _) => {
                word(false);
                owned = w == OWNED;
                self.words[w]
            }
            Store(w, value) => {
                word(true);
                owned = w == OWNED;
                self.words[w] = value;
                0
            }
            Rmw(w, update) | AwaitRmw(w, _, update) => {
                let old = self.words[w];
                let new = update.apply(old);
                word(new.is_some());
                owned = w == OWNED;
                self.words[w] = new.unwrap_or(old);
                old
            }
            Lock(l) | TryLock(l) => {
                let free = !self.locked[l];
                accesses.push((Object::Lock(l), free));
                if free {
                    self.locked[l] = true;
                    self.threads[t].held[l] = true;
                }
                u64::from(free)
            }
            Unlock(l) => {
                accesses.push((Object::Lock(l), true));
                self.threads[t].held[l] = false;
                self.locked[l] = false;
                0
            }
            Get(c) => {
                accesses.push((Object::Cell(c), false));
                self.cells[c]
            }
            Set(c, value) => {
                accesses.push((Object::Cell(c), true));
                self.cells[c] = value;
                0
            }
            Touch(a) | TouchNext(a) => {
                self.touch(a, accesses);
                0
            }
            Free(a) => {
                accesses.push((Object::Allocation(a), true));
                if self.freed[a] {
                    self.fatal.get_or_insert(ViolationKind::DoubleFree);
                }
                self.freed[a] = true;
                0
            }
            ReadLock(d) => {
                let thread = &mut self.threads[t];
                thread.depth[d] += 1;
                if thread.depth[d] == 1 {
                    thread.section[d] += 1;
                }
                0
            }
            ReadUnlock(d) => {
                self.threads[t].depth[d] -= 1;
                0
            }
            Begin(d) => {
                let readers = self.threads.iter().enumerate();
                let open = readers
                    .filter(|(_, reader)| reader.depth[d] > 0)
                    .map(|(r, reader)| (r, reader.section[d]))
                    .collect();
                self.threads[t].period[d] = Some(open);
                0
            }
            End(d) => {
                self.threads[t].period[d] = None;
                0
            }
            Choose(_) => u64::from(choice),
            SkipIf(..) | TouchLast(_) | Spawn(_) => unreachable!("no step"),
        };
        if owned {
            self.touch(0, accesses);
        }
        Some(answer)
    }

    /// Operations that are no steps belong to the step before them.
    fn after_step(&mut self, prog: &Prog, t: usize, accesses: &mut Accesses) {
        while let (Some(op), None) = (self.op(prog, t), self.fatal) {
            let thread = &mut self.threads[t];
            match op {
                SkipIf(register, value) => {
                    if thread.registers.get(register) == Some(&Some(value)) {
                        thread.at += 1;
                    }
                }
                TouchLast(a) => self.touch(a, accesses),
                Spawn(child) => {
                    self.threads[child].begun = true;
                    self.after_step(prog, child, accesses);
                }
                Unlock(l) if !thread.held[l] => {}
                ReadUnlock(d) if thread.depth[d] == 0 => {}
                End(d) if thread.period[d].is_none() => {}
                _ => return,
            }
            self.threads[t].at += 1;
        }
    }

    fn registers(&self) -> Registers {
        self.threads.iter().map(|t| t.registers.clone()).collect()
    }

    /// The states after one more step.
    fn successors(&self, prog: &Prog) -> Vec<(usize, Self, Accesses)> {
        let mut successors = Vec::new();
        for t in 0..self.threads.len() {
            if self.fatal.is_some() || !self.is_enabled(prog, t) {
                continue;
            }
            let alternatives = match self.op(prog, t) {
                Some(Choose(alternatives)) => alternatives,
                _ => 1,
            };
            for choice in 0..alternatives {
                let mut next = self.clone();
                let accesses = next.step(prog, t, choice);
                successors.push((t, next, accesses));
            }
        }
        successors
    }

    /// What the program has come to here, if it goes no further.
    fn note(&self, prog: &Prog, is_stuck: bool, behaviour: &mut Behaviour) {
        if let Some(kind) = self.fatal {
            behaviour.kinds.insert(kind);
        } else if self.has_finished(prog) {
            behaviour.finals.insert(Final {
                registers: self.registers(),
                words: self.words[..OWNED].to_vec(),
                cells: self.cells.to_vec(),
                freed: self.freed.to_vec(),
            });
        } else if is_stuck {
            behaviour.kinds.insert(ViolationKind::HungTask);
            behaviour.hung.insert(self.registers());
        }
    }

    fn has_finished(&self, prog: &Prog) -> bool {
        (0..self.threads.len()).all(|t| self.op(prog, t).is_none())
    }
}

/// Everything the program can do; `None` where that is too much.
fn brute_force(prog: &Prog) -> Option<Behaviour> {
    let mut behaviour = Behaviour::default();
    let first = State::new(prog);
    let mut seen = HashSet::from([first.clone()]);
    let mut left = vec![first];
    while let Some(state) = left.pop() {
        if seen.len() > 300_000 {
            return None;
        }
        let successors = state.successors(prog);
        state.note(prog, successors.is_empty(), &mut behaviour);
        for (_, next, _) in successors {
            if seen.insert(next.clone()) {
                left.push(next);
            }
        }
    }
    Some(behaviour)
}

/// Everything the program can do with at most so many preemptions: switches from a thread that
/// could have gone on.
fn brute_force_bounded(prog: &Prog, bound: u32) -> Option<Behaviour> {
    let mut behaviour = Behaviour::default();
    let first = (State::new(prog), None, 0);
    let mut seen = HashSet::from([first.clone()]);
    let mut left = vec![first];
    while let Some((state, last, preemptions)) = left.pop() {
        if seen.len() > 300_000 {
            return None;
        }
        let successors = state.successors(prog);
        state.note(prog, successors.is_empty(), &mut behaviour);
        for (t, next, _) in successors {
            let preempted = last.is_some_and(|last| last != t && state.is_enabled(prog, last));
            let preemptions = preemptions + u32::from(preempted);
            let next = (next, Some(t), preemptions);
            if preemptions <= bound && seen.insert(next.clone()) {
                left.push(next);
            }
        }
    }
    Some(behaviour)
}

/// What a thread asks for next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Request {
    /// It begins.
    Start,
    /// The uses that were put off become a step of their own.
    Uses,
    /// So does the beginning of sections.
    Sections,
    Op(Op),
}

/// A state with the steps that the explorer counts: the end of a section belongs to the step before it;
/// what is put off, and the beginning of a section that does not wait, to the one after it, or it is a
/// step where that one may have to wait or would tell; and a thread begins with a step. Grace periods are
/// those of a kernel.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Counted {
    state: State,
    sections_wait: bool,
    started: Vec<bool>,
    touching: Vec<Vec<usize>>,
    beginning: Vec<Vec<usize>>,
    nesting: Vec<[u32; DOMAINS]>,
}

impl Counted {
    fn new(prog: &Prog, sections_wait: bool) -> Self {
        let threads = prog.threads.len();
        Self {
            state: State::first(prog),
            sections_wait,
            started: vec![false; threads],
            touching: vec![Vec::new(); threads],
            beginning: vec![Vec::new(); threads],
            nesting: vec![[0; DOMAINS]; threads],
        }
    }

    fn request(&self, prog: &Prog, t: usize) -> Option<Request> {
        if !self.state.threads[t].begun {
            return None;
        }
        if !self.started[t] {
            return Some(Request::Start);
        }
        let op = self.state.op(prog, t);
        let tells = matches!(
            op,
            None | Some(Spawn(_) | ReadUnlock(_) | Await(..) | AwaitRmw(..) | Lock(_) | End(_))
        );
        match op {
            _ if tells && !self.touching[t].is_empty() => Some(Request::Uses),
            Some(Spawn(_) | ReadLock(_)) => Some(Request::Sections),
            op => op.map(Request::Op),
        }
    }

    fn is_enabled(&self, prog: &Prog, t: usize) -> bool {
        match self.request(prog, t) {
            None => false,
            Some(Request::Op(_)) => self.state.is_enabled(prog, t),
            Some(_) => true,
        }
    }

    fn begin(&mut self, t: usize, d: usize) {
        let thread = &mut self.state.threads[t];
        thread.depth[d] = 1;
        thread.section[d] += 1;
    }

    fn step(&mut self, prog: &Prog, t: usize, choice: u32) {
        let request = self.request(prog, t).expect("it is enabled");
        let mut accesses = Vec::new();
        if request == Request::Start {
            self.started[t] = true;
            return self.advance(prog, t);
        }
        for d in std::mem::take(&mut self.beginning[t]) {
            self.begin(t, d);
        }
        for a in std::mem::take(&mut self.touching[t]) {
            self.state.touch(a, &mut accesses);
        }
        match request {
            Request::Op(op) => {
                let answer = self.state.perform(op, t, choice, &mut accesses);
                self.answer(t, answer);
            }
            Request::Sections => {
                if let Some(ReadLock(d)) = self.state.op(prog, t) {
                    self.begin(t, d);
                    self.nesting[t][d] = 1;
                    self.answer(t, Some(0));
                }
            }
            Request::Start | Request::Uses => {}
        }
        self.advance(prog, t);
    }

    /// The thread's operation is over.
    fn answer(&mut self, t: usize, answer: Option<u64>) {
        let thread = &mut self.state.threads[t];
        thread.registers[thread.at] = answer;
        thread.at += 1;
    }

    /// What belongs to the last step, or to the next one.
    fn advance(&mut self, prog: &Prog, t: usize) {
        while let (Some(op), None) = (self.state.op(prog, t), self.state.fatal) {
            let is_pending = !self.touching[t].is_empty();
            let thread = &mut self.state.threads[t];
            let answer = match op {
                SkipIf(register, value) => {
                    if thread.registers.get(register) == Some(&Some(value)) {
                        thread.at += 1;
                    }
                    None
                }
                TouchLast(a) => {
                    self.state.touch(a, &mut Vec::new());
                    None
                }
                TouchNext(a) => {
                    if !self.touching[t].contains(&a) {
                        self.touching[t].push(a);
                    }
                    Some(0)
                }
                ReadLock(d) if self.nesting[t][d] > 0 || !self.sections_wait => {
                    self.nesting[t][d] += 1;
                    if self.nesting[t][d] == 1 {
                        self.beginning[t].push(d);
                    }
                    Some(0)
                }
                ReadUnlock(d) if self.nesting[t][d] == 0 => None,
                ReadUnlock(d) if !is_pending => {
                    self.nesting[t][d] -= 1;
                    if self.nesting[t][d] == 0 {
                        let begins = self.beginning[t].iter().position(|begins| *begins == d);
                        match begins {
                            Some(at) => drop(self.beginning[t].remove(at)),
                            None => thread.depth[d] = 0,
                        }
                    }
                    Some(0)
                }
                Spawn(child) if !is_pending && self.beginning[t].is_empty() => {
                    self.state.threads[child].begun = true;
                    None
                }
                Unlock(l) if !thread.held[l] => None,
                End(d) if thread.period[d].is_none() => None,
                _ => return,
            };
            // An operation that was skipped has been passed already.
            match answer {
                Some(answer) => self.answer(t, Some(answer)),
                None => self.state.threads[t].at += 1,
            }
        }
    }

    fn successors(&self, prog: &Prog) -> Vec<(usize, Self)> {
        let mut successors = Vec::new();
        for t in 0..prog.threads.len() {
            if self.state.fatal.is_some() || !self.is_enabled(prog, t) {
                continue;
            }
            let choices = match self.request(prog, t) {
                Some(Request::Op(Choose(alternatives))) => alternatives,
                _ => 1,
            };
            for choice in 0..choices {
                let mut next = self.clone();
                next.step(prog, t, choice);
                successors.push((t, next));
            }
        }
        successors
    }

    /// What is violated where it goes no further, and of which object: the one that the first of those
    /// waits for who wait.
    fn violated(&self, prog: &Prog) -> Option<(ViolationKind, &'static str)> {
        if let Some(kind) = self.state.fatal {
            return Some((kind, "object"));
        }
        let mut waiting = (0..prog.threads.len()).filter_map(|t| self.request(prog, t));
        let object = match waiting.next()? {
            Request::Op(Lock(_)) => "lock",
            Request::Op(Await(OWNED, _) | AwaitRmw(OWNED, ..)) => "object.owned",
            Request::Op(Await(..) | AwaitRmw(..)) => "word",
            Request::Op(End(_)) => "domain",
            request => unreachable!("{request:?} does not wait"),
        };
        Some((ViolationKind::HungTask, object))
    }
}

/// What is violated, with the fewest preemptions with which it comes about, and the fewest steps with those.
type Smallest = BTreeMap<(ViolationKind, &'static str), (u32, usize)>;

/// Of all violations that end an execution, the smallest.
fn brute_force_smallest(prog: &Prog, sections_wait: bool) -> Option<Smallest> {
    let mut smallest = BTreeMap::new();
    let mut seen = HashSet::new();
    // By preemptions, then steps: what comes out first is the smallest.
    let first = (Counted::new(prog, sections_wait), None);
    let mut left = BTreeMap::from([((0, 0), vec![first])]);
    while let Some(((preemptions, steps), states)) = left.pop_first() {
        for (state, last) in states {
            if seen.len() > 100_000 {
                return None;
            }
            if !seen.insert((state.clone(), last)) {
                continue;
            }
            let successors = state.successors(prog);
            if successors.is_empty()
                && let Some(violated) = state.violated(prog)
            {
                smallest.entry(violated).or_insert((preemptions, steps));
            }
            for (t, next) in successors {
                let preempted = last.is_some_and(|last| last != t && state.is_enabled(prog, last));
                let size = (preemptions + u32::from(preempted), steps + 1);
                left.entry(size).or_default().push((next, Some(t)));
            }
        }
    }
    Some(smallest)
}

/// The smallest execution with each violation against brute force.
fn check_smallest(prog: &Prog, sections_wait: bool, totals: &mut Totals) -> Result<(), String> {
    let Some(smallest) = brute_force_smallest(prog, sections_wait) else {
        return Ok(());
    };
    let program = program(prog, sections_wait);
    let exploration = dpor::explore(&program, &all(None, 100_000));
    let findings = exploration.findings.iter();
    // Races are judged by another relation.
    for finding in findings.filter(|finding| finding.kind != ViolationKind::DataRace) {
        let found = finding.recording.violation(finding.kind);
        let numbers = |c: char| c == '#' || c.is_ascii_digit();
        let object = found.map_or_else(String::new, |v| v.object.replace(numbers, ""));
        let kind = finding.kind;
        let Some(minimal) = dpor::minimise(&program, finding, 200_000, &|| false) else {
            return Err("what was found does not come about again".to_owned());
        };
        let minimal = minimal.size.expect("it was looked for");
        let of = smallest
            .iter()
            .find(|((k, o), _)| (*k, *o) == (kind, &*object));
        let Some((_, &(preemptions, steps))) = of else {
            return Err(format!("{kind} of {object} is found by the explorer only"));
        };
        totals.minimised += 1;
        let is_shown = minimal.fewest_preemptions && minimal.fewest_steps;
        if !is_shown || (minimal.preemptions, minimal.steps) != (preemptions, steps) {
            return Err(format!(
                "the smallest {kind} of {object}, sections waiting: {sections_wait}, has \
                 {preemptions} preemptions and {steps} steps, and it was said: {minimal}"
            ));
        }
    }
    Ok(())
}

/// The program, without looking at what it does.
fn program(prog: &Prog, sections_wait: bool) -> Program {
    let prog = prog.clone();
    Arc::new(move || {
        let shared = Arc::new(Shared::new(&prog, sections_wait, &Arc::default()));
        thread::set_phase(Phase::Concurrent);
        for t in (0..prog.threads.len()).filter(|t| !prog.children.contains(t)) {
            let shared = Arc::clone(&shared);
            thread::spawn_detached("thread", move || interpret(&shared, t));
        }
        thread::settle();
        thread::set_phase(Phase::Alone);
    })
}

/// A bounded search against brute force: it misses nothing within its bound. Where an operation is
/// not a step of its own on the explorer, or the beginning of a thread is, the two count preemptions
/// differently.
fn check_bound(prog: &Prog, bound: u32, explored: &Explored) -> Result<(), String> {
    if !prog.is_plain() || !prog.children.is_empty() {
        return Ok(());
    }
    let Some(expected) = brute_force_bounded(prog, bound) else {
        return Ok(());
    };
    let what = |what: &str| format!("{what} with {bound} preemptions");
    let Behaviour {
        finals,
        kinds,
        hung,
    } = &explored.behaviour;
    differences(&what("final state"), &expected.finals, finals)?;
    differences(&what("kind"), &expected.kinds, kinds)?;
    match prog.can_be_fatal() {
        true => Ok(()),
        false => differences(&what("hung state"), &expected.hung, hung),
    }
}

/// Builds a [`Class`] step by step.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Classifier {
    /// For each thread, what its next step knows by itself.
    threads: Vec<Vec<usize>>,
    /// For each object, what its last write knew, and the reads since.
    objects: BTreeMap<Object, (Vec<usize>, Vec<Vec<usize>>)>,
    steps: BTreeMap<(usize, usize), Vec<usize>>,
}

impl Classifier {
    fn new(threads: usize) -> Self {
        Self {
            threads: vec![vec![0; threads]; threads],
            objects: BTreeMap::new(),
            steps: BTreeMap::new(),
        }
    }

    fn step(&mut self, t: usize, op: usize, accesses: &Accesses) {
        let nothing = vec![0; self.threads.len()];
        let mut clock = self.threads[t].clone();
        for (object, write) in accesses {
            let (written, reads) = self
                .objects
                .entry(*object)
                .or_insert_with(|| (nothing.clone(), Vec::new()));
            join(&mut clock, written);
            if *write {
                reads.iter().for_each(|read| join(&mut clock, read));
            }
        }
        clock[t] += 1;
        for (object, write) in accesses {
            let (written, reads) = self.objects.get_mut(object).expect("just made");
            if *write {
                *written = clock.clone();
                reads.clear();
            } else {
                reads.push(clock.clone());
                reads.sort();
            }
        }
        self.threads[t] = clock.clone();
        self.steps.insert((t, op), clock);
    }

    fn spawn(&mut self, parent: usize, child: usize) {
        self.threads[child] = self.threads[parent].clone();
    }
}

fn join(clock: &mut [usize], other: &[usize]) {
    for (mine, theirs) in clock.iter_mut().zip(other) {
        *mine = (*mine).max(*theirs);
    }
}

/// The classes of interleavings in which every thread finishes, and of those that hang.
fn brute_force_classes(prog: &Prog) -> Option<(BTreeSet<Class>, BTreeSet<Class>)> {
    let mut finished = BTreeSet::new();
    let mut hung = BTreeSet::new();
    let first = (State::new(prog), Classifier::new(prog.threads.len()));
    let mut seen = HashSet::from([first.clone()]);
    let mut left = vec![first];
    while let Some((state, classifier)) = left.pop() {
        if seen.len() > 30_000 {
            return None;
        }
        let successors = state.successors(prog);
        if successors.is_empty() && state.fatal.is_none() {
            let class = (classifier.steps.clone(), state.registers());
            if state.has_finished(prog) {
                finished.insert(class);
            } else {
                hung.insert(class);
            }
        }
        for (t, next, accesses) in successors {
            let mut after = classifier.clone();
            after.step(t, state.threads[t].at, &accesses);
            for child in 0..next.threads.len() {
                if next.threads[child].begun && !state.threads[child].begun {
                    after.spawn(t, child);
                }
            }
            let next = (next, after);
            if seen.insert(next.clone()) {
                left.push(next);
            }
        }
    }
    Some((finished, hung))
}

// ---- On the explorer ----

/// What one execution did, noted beside the engine.
#[derive(Clone, Debug)]
struct Log {
    registers: Registers,
    classifier: Classifier,
    /// What can be told at its end, where it came to that.
    end: Option<Final>,
}

#[derive(Debug, Default)]
struct Collected {
    behaviour: Behaviour,
    log: Option<Log>,
    /// Complete executions before the one that is logged.
    executions: u64,
    finished: Vec<Class>,
    hung: Vec<Class>,
}

impl Collected {
    /// An execution is over; it counts if it was complete.
    fn over(&mut self, executions: u64) {
        if executions > self.executions
            && let Some(log) = self.log.take()
        {
            let class = (log.classifier.steps, log.registers.clone());
            if let Some(end) = log.end {
                self.behaviour.finals.insert(end);
                self.finished.push(class);
            } else {
                // Or ended by a violation; callers know which programs can do that.
                self.behaviour.hung.insert(log.registers);
                self.hung.push(class);
            }
        }
        self.executions = executions;
    }
}

struct Shared {
    words: Vec<AtomicU64>,
    locks: Vec<Mutex<()>>,
    cells: Vec<Cell<u64>>,
    allocations: Vec<Allocation>,
    domains: Vec<Domain>,
    prog: Prog,
    collected: Arc<StdMutex<Collected>>,
}

impl Shared {
    fn new(prog: &Prog, sections_wait: bool, collected: &Arc<StdMutex<Collected>>) -> Self {
        let allocations: Vec<Allocation> = (0..ALLOCATIONS)
            .map(|_| Allocation::new("object", ViolationKind::UseAfterFree))
            .collect();
        let words = prog.words.iter().enumerate().map(|(w, &value)| match w {
            OWNED => AtomicU64::new_in(&allocations[0], "owned", value),
            _ => AtomicU64::new("word", value),
        });
        Self {
            words: words.collect(),
            locks: (0..LOCKS).map(|_| Mutex::new("lock", ())).collect(),
            cells: (0..CELLS).map(|_| Cell::new("cell", 0)).collect(),
            allocations,
            domains: (0..DOMAINS)
                .map(|_| match sections_wait {
                    true => Domain::sleepable("domain"),
                    false => Domain::new("domain"),
                })
                .collect(),
            prog: prog.clone(),
            collected: Arc::clone(collected),
        }
    }

    fn log(&self, f: impl FnOnce(&mut Log)) {
        // Nobody looks at what is minimised.
        if let Some(log) = &mut self.collected.lock().unwrap().log {
            f(log);
        }
    }

    /// The accesses of an operation that answered this.
    fn accesses(&self, op: Op, answer: u64) -> Accesses {
        let mut accesses = match op {
            Load(w) | Await(w, _) => vec![(Object::Word(w), false)],
            Store(w, _) => vec![(Object::Word(w), true)],
            Rmw(w, update) | AwaitRmw(w, _, update) => {
                vec![(Object::Word(w), update.apply(answer).is_some())]
            }
            Lock(l) | Unlock(l) => vec![(Object::Lock(l), true)],
            TryLock(l) => vec![(Object::Lock(l), answer == 1)],
            Get(c) => vec![(Object::Cell(c), false)],
            Set(c, _) => vec![(Object::Cell(c), true)],
            Touch(a) => vec![(Object::Allocation(a), false)],
            Free(a) => vec![(Object::Allocation(a), true)],
            _ => Vec::new(),
        };
        if accesses
            .iter()
            .any(|(object, _)| *object == Object::Word(OWNED))
        {
            accesses.push((Object::Allocation(0), false));
        }
        accesses
    }
}

/// What a thread of the explorer runs.
fn interpret(shared: &Arc<Shared>, t: usize) {
    let ops = &shared.prog.threads[t];
    let mut answers: Vec<Option<u64>> = vec![None; ops.len()];
    let mut guards: Vec<Option<MutexGuard<'_, ()>>> = (0..LOCKS).map(|_| None).collect();
    let mut depth = [0; DOMAINS];
    let mut periods: [Option<GracePeriod>; DOMAINS] = [const { None }; DOMAINS];
    let mut at = 0;
    while let Some(&op) = ops.get(at) {
        let answer = match op {
            Load(w) => Some(shared.words[w].load(SeqCst)),
            Store(w, value) => {
                shared.words[w].store(value, SeqCst);
                Some(0)
            }
            Rmw(w, Update::Add(n)) => Some(shared.words[w].fetch_add(n, SeqCst)),
            Rmw(w, update) => match shared.words[w].update(update, SeqCst, SeqCst) {
                Ok(old) | Err(old) => Some(old),
            },
            Await(w, condition) => Some(shared.words[w].wait_until(condition, SeqCst)),
            AwaitRmw(w, condition, update) => {
                Some(shared.words[w].wait_and_update(condition, update, SeqCst))
            }
            Lock(l) => {
                guards[l] = Some(shared.locks[l].lock());
                Some(1)
            }
            TryLock(l) => match shared.locks[l].try_lock() {
                Some(guard) => {
                    guards[l] = Some(guard);
                    Some(1)
                }
                None => Some(0),
            },
            Unlock(l) => guards[l].take().map(|guard| {
                drop(guard);
                0
            }),
            Get(c) => Some(shared.cells[c].get()),
            Set(c, value) => {
                shared.cells[c].set(value);
                Some(0)
            }
            Touch(a) => {
                shared.allocations[a].access();
                Some(0)
            }
            TouchNext(a) => {
                shared.allocations[a].touch(Step::Next);
                Some(0)
            }
            TouchLast(a) => {
                shared.allocations[a].touch(Step::Last);
                // Only for programs in which it is known what the last step was.
                shared.log(|log| touch_last(&mut log.classifier, t, a));
                None
            }
            Free(a) => {
                shared.allocations[a].free();
                Some(0)
            }
            ReadLock(d) => {
                shared.domains[d].read_lock();
                depth[d] += 1;
                Some(0)
            }
            ReadUnlock(d) if depth[d] == 0 => None,
            ReadUnlock(d) => {
                shared.domains[d].read_unlock();
                depth[d] -= 1;
                Some(0)
            }
            Begin(d) => {
                periods[d] = Some(shared.domains[d].begin());
                Some(0)
            }
            End(d) => periods[d].take().map(|period| {
                period.end();
                0
            }),
            Choose(alternatives) => Some(u64::from(choose(alternatives))),
            SkipIf(register, value) => {
                if answers.get(register) == Some(&Some(value)) {
                    at += 1;
                }
                None
            }
            Spawn(child) => {
                shared.log(|log| log.classifier.spawn(t, child));
                let theirs = Arc::clone(shared);
                thread::spawn_detached("child", move || interpret(&theirs, child));
                None
            }
        };
        if let Some(answer) = answer {
            answers[at] = Some(answer);
            let accesses = shared.accesses(op, answer);
            shared.log(|log| {
                log.registers[t][at] = Some(answer);
                log.classifier.step(t, at, &accesses);
            });
        }
        at += 1;
    }
    // A thread that returns with a lock keeps it.
    guards.into_iter().flatten().for_each(std::mem::forget);
}

/// A use that belongs to the last step: as a read by it.
fn touch_last(classifier: &mut Classifier, t: usize, a: usize) {
    let object = Object::Allocation(a);
    let nothing = vec![0; classifier.threads.len()];
    let (written, reads) = classifier
        .objects
        .entry(object)
        .or_insert_with(|| (nothing, Vec::new()));
    let clock = &mut classifier.threads[t];
    join(clock, written);
    reads.push(clock.clone());
    reads.sort();
}

#[derive(Debug)]
struct Explored {
    behaviour: Behaviour,
    finished: Vec<Class>,
    hung: Vec<Class>,
    executions: u64,
    blocked: u64,
    complete: bool,
    reason: Option<String>,
}

fn explore(prog: &Prog, limits: &Limits) -> Explored {
    explore_with(prog, limits, true)
}

fn explore_with(prog: &Prog, limits: &Limits, sections_wait: bool) -> Explored {
    let collected = Arc::new(StdMutex::new(Collected::default()));
    let program: Program = {
        let (prog, collected) = (prog.clone(), Arc::clone(&collected));
        let progress = Arc::clone(&limits.progress);
        Arc::new(move || {
            {
                let mut collected = collected.lock().unwrap();
                collected.over(progress.load(Relaxed));
                collected.log = Some(Log {
                    registers: prog.threads.iter().map(|o| vec![None; o.len()]).collect(),
                    classifier: Classifier::new(prog.threads.len()),
                    end: None,
                });
            }
            let shared = Arc::new(Shared::new(&prog, sections_wait, &collected));
            thread::set_phase(Phase::Concurrent);
            let takes_part = usize::from(prog.main_takes_part);
            for t in takes_part..prog.threads.len() {
                if !prog.children.contains(&t) {
                    let shared = Arc::clone(&shared);
                    thread::spawn_detached("thread", move || interpret(&shared, t));
                }
            }
            if prog.main_takes_part {
                interpret(&shared, 0);
            }
            thread::settle();
            thread::set_phase(Phase::Alone);
            let words = shared.words[..OWNED].iter().map(|w| w.load(SeqCst));
            let words = words.collect();
            let cells = shared.cells.iter().map(|c| c.peek(|&value| value));
            let cells = cells.collect();
            let freed = shared.allocations.iter().map(Allocation::is_freed);
            let freed = freed.collect();
            let mut collected = collected.lock().unwrap();
            let log = collected.log.as_mut().expect("an execution is running");
            log.end = Some(Final {
                registers: log.registers.clone(),
                words,
                cells,
                freed,
            });
        })
    };
    let exploration = dpor::explore(&program, limits);
    let mut collected = std::mem::take(&mut *collected.lock().unwrap());
    collected.over(exploration.executions);
    let kinds = exploration.findings.iter().map(|finding| finding.kind);
    // Races are judged by another relation; this is about interleavings.
    collected.behaviour.kinds = kinds.filter(|k| *k != ViolationKind::DataRace).collect();
    Explored {
        behaviour: collected.behaviour,
        finished: collected.finished,
        hung: collected.hung,
        executions: exploration.executions,
        blocked: exploration.blocked,
        complete: exploration.complete,
        reason: exploration.reason,
    }
}

// ---- Comparing ----

#[derive(Clone, Copy, Debug, Default)]
struct Totals {
    programs: u64,
    /// Programs with sections that do not wait, their executions under the cheaper rule for grace
    /// periods, and without it.
    cheaper: u64,
    cheaper_executions: u64,
    cheaper_instead_of: u64,
    /// Too large for brute force.
    skipped: u64,
    classified: u64,
    executions: u64,
    blocked: u64,
    hung: u64,
    fatal: u64,
    /// Violations of which the smallest execution was found, and shown to be it.
    minimised: u64,
}

fn all(preemption_bound: Option<u32>, most: u64) -> Limits {
    Limits {
        all: true,
        preemption_bound,
        max_executions: Some(most),
        ..Limits::default()
    }
}

/// What is left of a final state when what threads have read is forgotten.
fn memory(behaviour: &Behaviour) -> BTreeSet<(Vec<u64>, Vec<u64>, Vec<bool>)> {
    let finals = behaviour.finals.iter();
    finals
        .map(|f| (f.words.clone(), f.cells.clone(), f.freed.clone()))
        .collect()
}

/// The search that stores states, against brute force: it goes on from each state once, whatever was
/// read on the way to it.
fn check_states(prog: &Prog, expected: &Behaviour, sections_wait: bool) -> Result<(), String> {
    let limits = Limits {
        stored_states: true,
        ..all(None, 100_000)
    };
    let explored = explore_with(prog, &limits, sections_wait);
    if !explored.complete {
        return Err(format!("states: not complete: {:?}", explored.reason));
    }
    let behaviour = &explored.behaviour;
    differences("kind, with states", &expected.kinds, &behaviour.kinds)?;
    let (expected, explored) = (memory(expected), memory(behaviour));
    differences("final memory, with states", &expected, &explored)
}

fn check(prog: &Prog, totals: &mut Totals) -> Result<(), String> {
    let Some(expected) = brute_force(prog) else {
        totals.skipped += 1;
        return Ok(());
    };
    let mut explored = explore(prog, &all(None, 100_000));
    if !explored.complete {
        if explored.executions >= 100_000 {
            totals.skipped += 1;
            return Ok(());
        }
        return Err(format!("not complete: {:?}", explored.reason));
    }
    // Cut into as many pieces as it can be cut into, it comes to the same.
    let limits = Limits {
        all: true,
        jobs: Jobs::eager(0),
        ..Limits::default()
    };
    let pieces = explore(prog, &limits);
    if (pieces.executions, pieces.blocked) != (explored.executions, explored.blocked)
        || pieces.behaviour != explored.behaviour
    {
        return Err(format!(
            "in pieces: {} executions and {} cut instead of {} and {}",
            pieces.executions, pieces.blocked, explored.executions, explored.blocked
        ));
    }
    totals.programs += 1;
    totals.executions += explored.executions;
    totals.blocked += explored.blocked;
    let kinds = &expected.kinds;
    totals.hung += u64::from(kinds.contains(&ViolationKind::HungTask));
    totals.fatal += u64::from(kinds.iter().any(|k| *k != ViolationKind::HungTask));
    if prog.can_be_fatal() {
        // Those in which a violation came first are not told from those that hang.
        explored.behaviour.hung.clone_from(&expected.hung);
    }
    // A use that is put off until the next step is after a free more often than it has to be. It
    // is a violation then that is possible anyway, but what a thread does that came by before the
    // free is hidden behind it.
    let hides = expected.kinds.contains(&ViolationKind::UseAfterFree)
        && prog.has(|op| matches!(op, TouchNext(_)));
    if hides {
        let Behaviour { finals, kinds, .. } = &mut explored.behaviour;
        if !kinds.contains(&ViolationKind::UseAfterFree) {
            return Err("missed the use after free".to_owned());
        }
        finals.extend(expected.finals.iter().cloned());
        kinds.extend(&expected.kinds);
    }
    differences("final state", &expected.finals, &explored.behaviour.finals)?;
    differences("kind", &expected.kinds, &explored.behaviour.kinds)?;
    differences("hung state", &expected.hung, &explored.behaviour.hung)?;
    if !hides {
        check_states(prog, &expected, true)?;
    }
    if prog.sections_do_not_wait() && !hides {
        check_states(prog, &expected, false)?;
        // The cheaper rule for grace periods comes to the same.
        let cheaper = explore_with(prog, &all(None, 100_000), false);
        let Behaviour { finals, kinds, .. } = &cheaper.behaviour;
        differences(
            "final state, sections not waiting",
            &expected.finals,
            finals,
        )?;
        differences("kind, sections not waiting", &expected.kinds, kinds)?;
        totals.cheaper += 1;
        totals.cheaper_executions += cheaper.executions;
        totals.cheaper_instead_of += explored.executions;
    }
    if prog.is_plain()
        && let Some((finished, hung)) = brute_force_classes(prog)
    {
        totals.classified += 1;
        // What decides whether a step uses memory may change while the step sleeps.
        let choices_use = prog.has(|op| matches!(op, Choose(_) | SkipIf(..)))
            && prog.has(|op| matches!(op, TouchLast(_)));
        once("class", finished, &explored.finished, choices_use)?;
        if !prog.can_be_fatal() {
            once("hung class", hung, &explored.hung, choices_use)?;
        }
    }
    check_smallest(prog, true, totals)?;
    if prog.sections_do_not_wait() {
        check_smallest(prog, false, totals)?;
    }
    for bound in 0..3 {
        let bounded = explore(prog, &all(Some(bound), 100_000));
        let finals = &bounded.behaviour.finals;
        if !finals.is_subset(&expected.finals)
            || !bounded.behaviour.kinds.is_subset(&expected.kinds)
        {
            return Err(format!("bound {bound} finds more"));
        }
        let same = *finals == expected.finals && bounded.behaviour.kinds == expected.kinds;
        if bounded.complete && !same && !hides {
            return Err(format!("bound {bound} finds less and says it is complete"));
        }
        if bounded.executions < 100_000 {
            check_bound(prog, bound, &bounded)?;
        }
        if !bounded.complete && bounded.reason.is_none() {
            return Err(format!("bound {bound} does not say why it is not complete"));
        }
    }
    Ok(())
}

fn differences<T: Ord + std::fmt::Debug>(
    what: &str,
    expected: &BTreeSet<T>,
    explored: &BTreeSet<T>,
) -> Result<(), String> {
    if let Some(missed) = expected.difference(explored).next() {
        return Err(format!("missed {what} {missed:?}"));
    }
    if let Some(extra) = explored.difference(expected).next() {
        return Err(format!("impossible {what} {extra:?}"));
    }
    Ok(())
}

fn once(
    what: &str,
    expected: BTreeSet<Class>,
    explored: &[Class],
    choices_use: bool,
) -> Result<(), String> {
    let distinct: BTreeSet<Class> = explored.iter().cloned().collect();
    differences(what, &expected, &distinct)?;
    // Where the answer to a choice decides what its step uses, a sleeping thread is woken by what
    // conflicts with either, and an execution may come about twice.
    if distinct.len() != explored.len() && !choices_use {
        return Err(format!(
            "{} executions of {} {what}es",
            explored.len(),
            distinct.len()
        ));
    }
    Ok(())
}

/// The smallest program, by leaving out operations, that fails in some way.
fn shrink(prog: &Prog) -> Prog {
    let mut prog = prog.clone();
    'again: loop {
        for t in 0..prog.threads.len() {
            for at in 0..prog.threads[t].len() {
                let mut less = prog.clone();
                let removed = less.threads[t].remove(at);
                if let Spawn(child) = removed {
                    less.children.retain(|c| *c != child);
                    less.threads[child].clear();
                }
                for op in &mut less.threads[t] {
                    if let SkipIf(register, _) = op
                        && *register > at
                    {
                        *register -= 1;
                    }
                }
                if is_well_formed(&less) && check(&less, &mut Totals::default()).is_err() {
                    prog = less;
                    continue 'again;
                }
            }
        }
        if prog.main_takes_part {
            let mut less = prog.clone();
            less.main_takes_part = false;
            if check(&less, &mut Totals::default()).is_err() {
                prog = less;
                continue 'again;
            }
        }
        return prog;
    }
}

/// Whether each operation stands where its description wants it.
fn is_well_formed(prog: &Prog) -> bool {
    let is_step = |op: &Op| {
        !matches!(
            op,
            SkipIf(..)
                | TouchLast(_)
                | Spawn(_)
                | TouchNext(_)
                | ReadLock(_)
                | ReadUnlock(_)
                | Unlock(_)
                | End(_)
        )
    };
    // Whatever is skipped, the last operation before this one is a step or belongs to one.
    let after_step = |before: &[Op]| {
        let mut at = before.len();
        while let Some(op) = at.checked_sub(1).map(|last| &before[last]) {
            let can_be_skipped = at >= 2 && matches!(before[at - 2], SkipIf(..));
            match op {
                SkipIf(..) | TouchLast(_) => {}
                op if !is_step(op) => return false,
                _ if !can_be_skipped => return true,
                _ => {}
            }
            at -= 1;
        }
        false
    };
    prog.threads.iter().all(|ops| {
        let mut depth = [0_i32; DOMAINS];
        for (at, op) in ops.iter().enumerate() {
            match op {
                TouchLast(_) if !after_step(&ops[..at]) => return false,
                ReadLock(d) => depth[*d] += 1,
                ReadUnlock(d) => depth[*d] -= 1,
                _ => {}
            }
        }
        depth == [0; DOMAINS]
    })
}

#[track_caller]
fn assert_same(prog: &Prog) -> Totals {
    let mut totals = Totals::default();
    if let Err(difference) = check(prog, &mut totals) {
        let small = shrink(prog);
        let again = check(&small, &mut Totals::default());
        panic!("{difference}\n{prog:?}\nsmaller: {again:?}\n{small:?}");
    }
    assert_eq!(totals.skipped, 0, "too large: {prog:?}");
    totals
}

/// Check the threads in every order, since the explorer prefers the first.
#[track_caller]
fn assert_same_in_every_order(words: [u64; WORDS], threads: &[&[Op]]) {
    let mut order: Vec<usize> = (0..threads.len()).collect();
    permutations(&mut order, 0, &mut |order| {
        let reordered: Vec<&[Op]> = order.iter().map(|&t| threads[t]).collect();
        for main_takes_part in [false, true] {
            let mut prog = Prog::new(&reordered);
            prog.words = words;
            prog.main_takes_part = main_takes_part;
            assert_same(&prog);
        }
    });
}

fn permutations(order: &mut Vec<usize>, from: usize, f: &mut impl FnMut(&[usize])) {
    if from == order.len() {
        f(order);
    }
    for i in from..order.len() {
        order.swap(from, i);
        permutations(order, from + 1, f);
        order.swap(from, i);
    }
}

// ---- Generated programs ----

impl Random {
    fn update_of_word(&mut self) -> Update {
        let value = self.below(3) as u64;
        match self.below(8) {
            0 => Update::Add(1),
            1 => Update::Sub(1),
            2 => Update::Or(1 + value),
            3 => Update::AndNot(1 + value),
            4 => Update::Swap(value),
            5 | 6 => Update::CompareExchange {
                old: value,
                new: self.below(3) as u64,
            },
            _ => Update::AddUnless {
                add: 1,
                unless: value,
            },
        }
    }

    /// What the programs of a test are about.
    fn operation(&mut self, about: About, ops: &[Op]) -> Op {
        let word = if about.memory && self.one_in(3) {
            OWNED
        } else {
            self.below(2)
        };
        let allocation = self.below(ALLOCATIONS * 3 / 2) % ALLOCATIONS;
        let domain = usize::from(self.one_in(5));
        let lock = self.below(LOCKS * 2) % LOCKS;
        loop {
            return match self.below(18) {
                0 | 1 => Load(word),
                2 | 3 => Store(word, self.below(3) as u64),
                4 | 5 => Rmw(word, self.update_of_word()),
                6 if about.waits => Await(word, self.condition()),
                7 if about.waits => AwaitRmw(word, self.condition(), self.update_of_word()),
                8 | 9 if about.locks => {
                    if ops.contains(&Lock(lock)) || ops.contains(&TryLock(lock)) {
                        Unlock(lock)
                    } else if self.one_in(3) {
                        TryLock(lock)
                    } else {
                        Lock(lock)
                    }
                }
                10 if about.memory => match self.below(5) {
                    0 => Touch(allocation),
                    1 | 2 => TouchLast(allocation),
                    _ => TouchNext(allocation),
                },
                11 if about.memory => Free(allocation),
                12..=14 if about.rcu => {
                    let begun = ops.iter().filter(|o| **o == ReadLock(domain)).count();
                    let ended = ops.iter().filter(|o| **o == ReadUnlock(domain)).count();
                    if begun == ended || self.one_in(4) {
                        ReadLock(domain)
                    } else {
                        ReadUnlock(domain)
                    }
                }
                15 if about.rcu => {
                    let last = ops
                        .iter()
                        .rfind(|o| matches!(o, Begin(d) | End(d) if *d == domain));
                    match last {
                        Some(Begin(_)) => End(domain),
                        _ => Begin(domain),
                    }
                }
                // Mostly about what was seen last.
                16 if !ops.is_empty() && self.one_in(2) => match self.below(2) {
                    0 => SkipIf(ops.len() - 1, self.below(3) as u64),
                    _ => SkipIf(self.below(ops.len()), self.below(3) as u64),
                },
                17 if self.one_in(3) => match self.below(3) {
                    0 => Choose(2),
                    1 => Get(0),
                    _ => Set(0, 1 + self.below(2) as u64),
                },
                _ => continue,
            };
        }
    }

    fn prog(&mut self, about: About) -> Prog {
        let threads = 2 + self.below(3);
        let ops = about.least + self.below(about.most - about.least + 1);
        let mut lists: Vec<Vec<Op>> = vec![Vec::new(); threads];
        for i in 0..ops {
            let t = if i < threads { i } else { self.below(threads) };
            let op = self.operation(about, &lists[t]);
            lists[t].push(op);
            if matches!(op, SkipIf(..)) && about.memory && self.one_in(2) {
                lists[t].push(TouchLast(self.below(ALLOCATIONS)));
            }
        }
        // Close what is open; a lock may be kept.
        for list in &mut lists {
            for d in 0..DOMAINS {
                let begun = list.iter().filter(|o| **o == ReadLock(d)).count();
                let ended = list.iter().filter(|o| **o == ReadUnlock(d)).count();
                for _ in ended..begun {
                    list.push(ReadUnlock(d));
                }
            }
            for l in 0..LOCKS {
                let taken = list.contains(&Lock(l)) || list.contains(&TryLock(l));
                if taken && !list.contains(&Unlock(l)) && !self.one_in(6) {
                    list.push(Unlock(l));
                }
            }
        }
        let mut children = Vec::new();
        if about.spawns && self.one_in(4) {
            let child = threads - 1;
            let parent = self.below(child);
            let at = self.below(lists[parent].len() + 1);
            // Registers are positions; those behind move on.
            for op in &mut lists[parent] {
                if let SkipIf(register, _) = op
                    && *register >= at
                {
                    *register += 1;
                }
            }
            lists[parent].insert(at, Spawn(child));
            children.push(child);
        }
        Prog {
            words: [
                self.below(2) as u64,
                self.below(2) as u64,
                self.below(2) as u64,
            ],
            threads: lists,
            children,
            main_takes_part: self.one_in(3),
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct About {
    waits: bool,
    locks: bool,
    memory: bool,
    rcu: bool,
    spawns: bool,
    least: usize,
    most: usize,
}

const WORDS_ONLY: About = About {
    waits: false,
    locks: false,
    memory: false,
    rcu: false,
    spawns: true,
    least: 4,
    most: 9,
};

fn generated(seed: u64, about: About, programs: u64) -> Totals {
    let mut random = Random::new(seed);
    let mut totals = Totals::default();
    while totals.programs < programs {
        let prog = random.prog(about);
        if !is_well_formed(&prog) {
            continue;
        }
        if let Err(difference) = check(&prog, &mut totals) {
            let small = shrink(&prog);
            let again = check(&small, &mut Totals::default());
            panic!("{difference}\n{prog:?}\nsmaller: {again:?}\n{small:?}");
        }
    }
    println!("{about:?}: {totals:?}");
    assert!(totals.minimised > 0 || totals.hung + totals.fatal == 0);
    totals
}

#[test]
fn generated_words() {
    generated(0x1234_5678_9abc, WORDS_ONLY, 400);
}

#[test]
fn generated_waits() {
    let about = About {
        waits: true,
        ..WORDS_ONLY
    };
    assert!(generated(0x2345_6789_abcd, about, 400).hung > 0);
}

#[test]
fn generated_locks() {
    let about = About {
        locks: true,
        ..WORDS_ONLY
    };
    assert!(generated(0x3456_789a_bcde, about, 400).hung > 0);
}

#[test]
fn generated_memory() {
    let about = About {
        memory: true,
        ..WORDS_ONLY
    };
    assert!(generated(0x4567_89ab_cdef, about, 400).fatal > 0);
}

#[test]
fn generated_sections() {
    let about = About {
        rcu: true,
        memory: true,
        ..WORDS_ONLY
    };
    assert!(generated(0x5678_9abc_def0, about, 400).fatal > 0);
}

#[test]
fn generated_everything() {
    let about = About {
        waits: true,
        locks: true,
        memory: true,
        rcu: true,
        ..WORDS_ONLY
    };
    let totals = generated(0x6789_abcd_ef01, about, 600);
    assert!(totals.fatal > 0 && totals.hung > 0);
}

/// `ORACLE_SECONDS=600 cargo test dpor_oracle -- --ignored --nocapture`, with
/// `ORACLE_SEED` for other programs.
#[test]
#[ignore = "as long as one likes"]
fn hunt() {
    let mut random = Random::new(number("ORACLE_SEED", 0x9e37_79b9_7f4a));
    let end = Instant::now() + Duration::from_secs(number("ORACLE_SECONDS", 60));
    let mut totals = Totals::default();
    let mut failures = 0;
    while Instant::now() < end && failures < number("ORACLE_FAILURES", 5) {
        let mut yes = || random.one_in(2);
        let about = About {
            waits: yes(),
            locks: yes(),
            memory: yes(),
            rcu: yes(),
            spawns: yes(),
            least: 4,
            most: number("ORACLE_MOST", 11) as usize,
        };
        let prog = random.prog(about);
        if !is_well_formed(&prog) {
            continue;
        }
        if let Err(difference) = check(&prog, &mut totals) {
            failures += 1;
            let small = shrink(&prog);
            let again = check(&small, &mut Totals::default());
            println!("{difference}\nsmaller: {again:?}\n{small:?}\n");
        }
    }
    println!("{totals:?}");
    assert_eq!(failures, 0);
}

// ---- Programs by hand ----

const ZEROS: [u64; WORDS] = [0; WORDS];
const X: usize = 0;
const Y: usize = 1;

#[test]
fn litmus_tests() {
    let finals = |threads: &[&[Op]]| {
        assert_same_in_every_order(ZEROS, threads);
        let prog = Prog::new(threads);
        explore(&prog, &all(None, u64::MAX)).behaviour.finals.len()
    };
    // The one that loom misses.
    let loom: [&[Op]; 2] = [&[Load(X), Store(X, 2)], &[Store(X, 1), Load(X)]];
    assert_eq!(finals(&loom), 5);
    let store_buffering: [&[Op]; 2] = [&[Store(X, 1), Load(Y)], &[Store(Y, 1), Load(X)]];
    assert_eq!(finals(&store_buffering), 3);
    let message_passing: [&[Op]; 2] = [&[Store(X, 1), Store(Y, 1)], &[Load(Y), Load(X)]];
    assert_eq!(finals(&message_passing), 3);
    let independent_reads: [&[Op]; 4] = [
        &[Store(X, 1)],
        &[Store(Y, 1)],
        &[Load(X), Load(Y)],
        &[Load(Y), Load(X)],
    ];
    assert_eq!(finals(&independent_reads), 15);
}

#[test]
fn locks() {
    let abba: [&[Op]; 2] = [
        &[Lock(0), Lock(1), Unlock(1), Unlock(0)],
        &[Lock(1), Lock(0), Unlock(0), Unlock(1)],
    ];
    assert_same_in_every_order(ZEROS, &abba);
    let handoff: [&[Op]; 3] = [
        &[Lock(0), Rmw(X, Update::Add(1)), Unlock(0)],
        &[Lock(0), Rmw(X, Update::Swap(7)), Unlock(0)],
        &[Lock(0), Load(X), Unlock(0), Lock(0), Load(X), Unlock(0)],
    ];
    assert_same_in_every_order(ZEROS, &handoff);
    let contended: [&[Op]; 3] = [
        &[TryLock(0), SkipIf(0, 0), Store(X, 1), Unlock(0)],
        &[TryLock(0), SkipIf(0, 0), Store(X, 2), Unlock(0)],
        &[Lock(0), Load(X), Unlock(0), TryLock(0)],
    ];
    assert_same_in_every_order(ZEROS, &contended);
    // What is written while the lock is held tells that it is held.
    let seen_inside: [&[Op]; 2] = [
        &[Lock(0), Store(X, 1), Store(X, 2), Unlock(0)],
        &[Await(X, Condition::NotEqual(0)), TryLock(0), Unlock(0)],
    ];
    assert_same_in_every_order(ZEROS, &seen_inside);
    // Held forever, or not at all, or by whom.
    let kept: [&[Op]; 3] = [
        &[TryLock(0)],
        &[Lock(0), Unlock(0)],
        &[Lock(0), Store(X, 1)],
    ];
    assert_same_in_every_order(ZEROS, &kept);
}

#[test]
fn waits() {
    use Condition::{Equal, NotEqual};
    // Enabled, disabled and enabled again, by one thread or by three.
    let by_three: [&[Op]; 4] = [
        &[Store(X, 1)],
        &[Store(X, 2)],
        &[Store(X, 1)],
        &[Await(X, Equal(1)), Store(Y, 1), Load(X)],
    ];
    assert_same_in_every_order(ZEROS, &by_three);
    let by_one: [&[Op]; 2] = [
        &[Store(X, 1), Store(X, 2), Load(Y), Store(X, 1), Store(X, 0)],
        &[Await(X, Equal(1)), Store(Y, 1), Load(X)],
    ];
    assert_same_in_every_order(ZEROS, &by_one);
    let taken: [&[Op]; 3] = [
        &[
            AwaitRmw(X, Equal(0), Update::Add(1)),
            Rmw(Y, Update::Add(1)),
        ],
        &[AwaitRmw(X, Equal(1), Update::Sub(1)), Load(Y)],
        &[
            AwaitRmw(X, NotEqual(2), Update::Swap(2)),
            Load(Y),
            Store(X, 0),
        ],
    ];
    assert_same_in_every_order(ZEROS, &taken);
    let missed: [&[Op]; 2] = [
        &[Load(Y), SkipIf(0, 1), Await(X, Equal(1))],
        &[Store(Y, 1), Rmw(X, Update::Add(1)), Rmw(X, Update::Sub(1))],
    ];
    assert_same_in_every_order(ZEROS, &missed);
    // Cut while one thread waits: see the commit that made this a test.
    let cut: [&[Op]; 3] = [
        &[Rmw(X, Update::Add(1)), Rmw(X, Update::Swap(0))],
        &[Await(X, NotEqual(0)), Rmw(Y, Update::Sub(1))],
        &[Store(X, 0), Load(Y)],
    ];
    assert_same_in_every_order(ZEROS, &cut);
    // A violation ends every execution before the wake-up would be found to be missed.
    let fatal: [&[Op]; 2] = [
        &[Free(1), Store(X, 1), Store(X, 0), Touch(1)],
        &[Await(X, Equal(1)), Free(0), Free(0)],
    ];
    assert_same_in_every_order(ZEROS, &fatal);
    // One that ends it before it has used all that it uses elsewhere.
    let half: [&[Op]; 3] = [
        &[Free(1), TouchLast(0), Load(X)],
        &[Free(1), Load(X)],
        &[Free(0), Load(X)],
    ];
    assert_same_in_every_order(ZEROS, &half);
}

#[test]
fn sections_hold_up_grace_periods() {
    let publish: [&[Op]; 2] = [
        &[ReadLock(0), Load(X), SkipIf(1, 1), Touch(1), ReadUnlock(0)],
        &[Store(X, 1), Begin(0), End(0), Free(1)],
    ];
    assert_same_in_every_order(ZEROS, &publish);
    let without: [&[Op]; 2] = [
        &[ReadLock(0), Load(X), ReadUnlock(0), SkipIf(1, 1), Touch(1)],
        &[Store(X, 1), Begin(0), End(0), Free(1)],
    ];
    assert_same_in_every_order(ZEROS, &without);
    let two_readers: [&[Op]; 3] = [
        &[ReadLock(0), Load(X), Load(Y), ReadUnlock(0)],
        &[ReadLock(0), Load(Y), Load(X), ReadUnlock(0)],
        &[Store(X, 1), Begin(0), End(0), Store(Y, 1)],
    ];
    assert_same_in_every_order(ZEROS, &two_readers);
    let nested: [&[Op]; 2] = [
        &[
            ReadLock(0),
            Load(X),
            ReadLock(0),
            Load(Y),
            ReadUnlock(0),
            Load(Y),
            ReadUnlock(0),
            Load(Y),
        ],
        &[Store(X, 1), Begin(0), End(0), Store(Y, 1)],
    ];
    assert_same_in_every_order(ZEROS, &nested);
    let two_domains: [&[Op]; 2] = [
        &[
            ReadLock(0),
            ReadLock(1),
            Load(X),
            ReadUnlock(0),
            Load(Y),
            ReadUnlock(1),
            Load(Y),
        ],
        &[
            Store(X, 1),
            Begin(0),
            Begin(1),
            End(0),
            Store(Y, 1),
            End(1),
            Store(Y, 2),
        ],
    ];
    assert_same_in_every_order(ZEROS, &two_domains);
    let own: [&[Op]; 1] = [&[ReadLock(0), Load(X), Begin(0), End(0), ReadUnlock(0)]];
    assert_same_in_every_order(ZEROS, &own);
}

/// A section that begins after a grace period has no business with its end.
#[test]
fn the_next_section_is_another_one() {
    let threads: [&[Op]; 2] = [
        &[
            ReadLock(0),
            Load(X),
            Store(Y, 1),
            ReadUnlock(0),
            ReadLock(0),
            Get(0),
            ReadUnlock(0),
        ],
        &[Store(X, 1), Begin(0), Load(Y), End(0), Set(0, 1)],
    ];
    assert_same_in_every_order(ZEROS, &threads);
}

/// The end of a grace period does more than to end it.
#[test]
fn the_end_of_a_grace_period_races_with_what_it_uses() {
    let last: [&[Op]; 3] = [
        &[Free(1), Store(X, 1)],
        &[Begin(0), End(0), TouchLast(1), Load(X), Store(Y, 1)],
        &[Load(Y)],
    ];
    assert_same_in_every_order(ZEROS, &last);
    let section: [&[Op]; 2] = [
        &[Begin(1), End(1), Load(X), Store(Y, 1)],
        &[
            ReadLock(1),
            Store(X, 1),
            Begin(0),
            End(0),
            ReadUnlock(1),
            Load(Y),
        ],
    ];
    assert_same_in_every_order(ZEROS, &section);
}

#[test]
fn waiting_in_a_section() {
    let lock: [&[Op]; 2] = [
        &[ReadLock(0), Lock(0), Unlock(0), ReadUnlock(0)],
        &[Lock(0), Begin(0), End(0), Unlock(0)],
    ];
    assert_same_in_every_order(ZEROS, &lock);
    let each_other: [&[Op]; 2] = [
        &[ReadLock(0), Begin(1), End(1), ReadUnlock(0)],
        &[ReadLock(1), Begin(0), End(0), ReadUnlock(1)],
    ];
    assert_same_in_every_order(ZEROS, &each_other);
    // The section must begin before the grace period, though its first step comes after it.
    let told_to_wait: [&[Op]; 2] = [
        &[
            ReadLock(0),
            Load(X),
            SkipIf(1, 0),
            Await(Y, Condition::Equal(1)),
            ReadUnlock(0),
        ],
        &[Begin(0), Store(X, 1), End(0), Store(Y, 1)],
    ];
    assert_same_in_every_order(ZEROS, &told_to_wait);
    // A race of the section's end must not stand for one of the lock that it came with.
    let with_lock: [&[Op]; 2] = [
        &[Store(X, 1), ReadLock(0), Lock(0), ReadUnlock(0)],
        &[Load(X), TryLock(0), Begin(0), Unlock(0)],
    ];
    assert_same_in_every_order(ZEROS, &with_lock);
}

/// What a step does that nobody let happen is not known: one that waits here uses an allocation.
#[test]
fn what_a_wait_goes_on_to_use() {
    let threads: [&[Op]; 3] = [&[Lock(0), TouchLast(1), Unlock(0)], &[Lock(0)], &[Free(1)]];
    assert_same_in_every_order(ZEROS, &threads);
}

#[test]
fn uses_of_the_next_step_are_not_put_off_for_ever() {
    let kept: [&[Op]; 2] = [&[Lock(1), Free(0)], &[TouchNext(0), Lock(1)]];
    assert_same_in_every_order(ZEROS, &kept);
    let section: [&[Op]; 2] = [
        &[
            ReadLock(0),
            Load(X),
            SkipIf(1, 1),
            TouchNext(1),
            ReadUnlock(0),
            Load(Y),
        ],
        &[Store(X, 1), Begin(0), End(0), Free(1)],
    ];
    assert_same_in_every_order(ZEROS, &section);
    for ops in [
        [TouchNext(1), Spawn(1), Load(X), Load(X)],
        [ReadLock(0), Spawn(1), Touch(1), ReadUnlock(0)],
    ] {
        assert_same(&Prog::new(&[&ops, &[Begin(0), End(0), Free(1)]]));
    }
}

/// What a step accesses may depend on what it read.
#[test]
fn a_step_that_uses_memory_only_sometimes() {
    assert_same(&Prog {
        words: [0, 1, 0],
        ..Prog::new(&[
            &[Rmw(X, Update::Or(2)), SkipIf(0, 2), TouchLast(1)],
            &[ReadLock(0), Store(X, 2), ReadUnlock(0)],
            &[Free(1), ReadLock(1), ReadUnlock(1)],
        ])
    });
}

#[test]
fn threads_begin_threads() {
    let programs: [&[&[Op]]; 3] = [
        &[
            &[Load(X), Spawn(2), Store(X, 1), Load(Y)],
            &[Rmw(X, Update::Add(2)), Spawn(3), Load(Y)],
            &[Load(X), Rmw(Y, Update::Add(1))],
            &[Load(X), Rmw(Y, Update::Add(2))],
        ],
        &[
            &[Spawn(1), Store(X, 1), Await(X, Condition::Equal(2))],
            &[Load(X), Spawn(2), Load(X)],
            &[Await(X, Condition::Equal(1)), Store(X, 2)],
        ],
        &[
            &[
                Rmw(X, Update::CompareExchange { old: 0, new: 1 }),
                SkipIf(0, 1),
                Spawn(2),
            ],
            &[Rmw(X, Update::CompareExchange { old: 0, new: 1 }), Load(Y)],
            &[Store(Y, 1), Load(X)],
        ],
    ];
    for threads in programs {
        for main_takes_part in [false, true] {
            let mut prog = Prog::new(threads);
            prog.main_takes_part = main_takes_part;
            assert_same(&prog);
        }
    }
}

#[test]
fn choices() {
    let one: [&[Op]; 2] = [
        &[
            Choose(3),
            SkipIf(0, 0),
            Store(X, 1),
            SkipIf(0, 1),
            Store(Y, 1),
            Load(X),
        ],
        &[Rmw(X, Update::Add(1)), Load(Y), Store(X, 3)],
    ];
    assert_same_in_every_order(ZEROS, &one);
    let two: [&[Op]; 3] = [
        &[Load(X), Choose(2), SkipIf(1, 1), Rmw(X, Update::Add(1))],
        &[Load(X), Choose(2), SkipIf(1, 1), Rmw(X, Update::Add(1))],
        &[Store(X, 5)],
    ];
    assert_same_in_every_order(ZEROS, &two);
    let hung: [&[Op]; 2] = [
        &[Choose(2), SkipIf(0, 0), Store(X, 1), Choose(2)],
        &[Choose(2), Await(X, Condition::Equal(1))],
    ];
    assert_same_in_every_order(ZEROS, &hung);
}

#[test]
fn a_bound_that_leaves_something_out_is_told() {
    let prog = Prog::new(&[
        &[Load(X), Store(X, 1), Load(X)],
        &[Load(X), Store(X, 2), Load(X)],
    ]);
    let mut finals = Vec::new();
    for bound in 0..6 {
        let explored = explore(&prog, &all(Some(bound), u64::MAX));
        finals.push((explored.behaviour.finals.len(), explored.complete));
    }
    let everything = brute_force(&prog).unwrap().finals.len();
    assert!(finals[0].0 < everything && !finals[0].1, "{finals:?}");
    assert_eq!(finals.last(), Some(&(everything, true)), "{finals:?}");
}

/// A thread that comes to its wait before it could go on lets the other one go on without a preemption,
/// so what ends a wait has to be tried after the wait has begun, too.
#[test]
fn a_bound_leaves_out_no_wait_that_begins_early() {
    let prog = Prog {
        words: [0, 1, 0],
        ..Prog::new(&[
            &[TryLock(0), Await(X, Condition::NotEqual(0)), Store(Y, 0)],
            &[TryLock(0), Rmw(X, Update::Swap(1)), Unlock(0), Load(Y)],
        ])
    };
    assert_same(&prog);
}

/// Nothing of one concurrent part is taken for a part of the next one.
#[test]
fn two_concurrent_parts() {
    let collected = Arc::new(StdMutex::new(BTreeSet::new()));
    let program: Program = {
        let collected = Arc::clone(&collected);
        Arc::new(move || {
            let words = [AtomicU64::new("x", 0), AtomicU64::new("y", 0)];
            let words = Arc::new(words);
            let seen = Arc::new(StdMutex::new([[9; 2]; 2]));
            for part in 0..2 {
                thread::set_phase(Phase::Concurrent);
                for t in 0..2 {
                    let (words, seen) = (Arc::clone(&words), Arc::clone(&seen));
                    thread::spawn_detached("thread", move || {
                        words[t].fetch_add(1, SeqCst);
                        let saw = words[1 - t].load(SeqCst);
                        seen.lock().unwrap()[part][t] = saw;
                    });
                }
                thread::settle();
                thread::set_phase(Phase::Alone);
            }
            collected.lock().unwrap().insert(*seen.lock().unwrap());
        })
    };
    let exploration = dpor::explore(&program, &all(None, u64::MAX));
    assert!(exploration.complete);
    // Three outcomes of store buffering each time.
    assert_eq!(collected.lock().unwrap().len(), 9);
    assert_eq!(exploration.executions, 9);
}
