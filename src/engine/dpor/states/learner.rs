// SPDX-License-Identifier: GPL-2.0-only
//! The engine that runs a program to learn what its threads do.
//!
//! It runs one interleaving up to a state and one step further, writes what the step's thread did
//! into the automaton, and compares all it did on the way there with what stands in it. So whatever
//! a thread depends on beside what it has learned shows as a difference, and ends the exploration.

use super::{
    access::Access,
    automaton::{Automaton, Doing, Edge, FINISHED, Place, START, UNKNOWN},
    layout::{Layout, Maker, PLACE, ThreadName},
    memory::{Asked, Effect, Memory, Noted, Query},
    state::{Fingerprint, State, Trail, scramble},
};
use crate::{
    engine::{
        Program,
        dpor::{
            coroutines::{Coroutines, Resumed, suspend},
            execution::{Scheduled, ThreadKey, child_key},
            may_wait, panic_message,
        },
    },
    sync::{
        engine::{Action, Body, Engine, ObjectId, ObjectKind, Phase, Step, ThreadId},
        violation::{Violation, ViolationKind},
    },
};
use std::{
    cell::RefCell,
    rc::{Rc, Weak},
    sync::Arc,
};

/// A step that was taken: by whom, and the answer if it asked for a choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) thread: ThreadName,
    pub(super) choice: u32,
}

#[derive(Debug)]
struct Live {
    name: ThreadName,
    key: ThreadKey,
    children: u32,
    daemon: bool,
    finished: bool,
    asked: Option<Asked>,
    /// What it has learned, in each function that it will forget something of.
    trails: Vec<Trail>,
    touching: Vec<ObjectId>,
    beginning: Vec<ObjectId>,
    nesting: Vec<(ObjectId, u32)>,
    answer: u64,
}

/// What a thread has done since it was last at a place.
#[derive(Debug, Default)]
struct Segment {
    from: Place,
    learned: u64,
    effects: Vec<Effect>,
}

/// Why an execution goes no further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// A violation ended it.
    Fatal,
    /// The part where every interleaving counts is over.
    Alone,
    /// The engine cannot go on.
    Cut(String),
}

/// One execution.
#[derive(Debug)]
pub(super) struct Execution {
    pub(super) layout: Layout,
    pub(super) automaton: Automaton,
    pub(super) state: State,
    threads: Vec<Live>,
    phase: Phase,
    current: usize,
    pub(super) end: Option<End>,
    segment: Segment,
    pub(super) violations: Vec<Noted>,
    pub(super) path: Vec<Taken>,
    keys: Vec<Scheduled<ThreadKey>>,
    about: Option<u64>,
    /// Of no use here.
    accesses: Vec<(ObjectId, Access)>,
    begun: Vec<ThreadName>,
}

impl Execution {
    fn restart(&mut self) {
        self.state = State::default();
        self.threads.clear();
        self.phase = Phase::Alone;
        self.current = 0;
        self.end = None;
        self.segment = Segment::default();
        self.violations.clear();
        self.path.clear();
        self.keys.clear();
        self.about = None;
        let family = self.layout.family("main", 0, false);
        if let Some(main) = self.add_thread(family, false, 1) {
            self.set_place(START + u64::from(main));
        }
    }

    fn memory<R>(&mut self, f: impl FnOnce(&mut Memory<'_>) -> R) -> R {
        let concurrent = self.phase == Phase::Concurrent;
        let mut memory = Memory::new(
            &mut self.layout,
            &mut self.state,
            concurrent,
            &mut self.accesses,
            &mut self.violations,
            &mut self.begun,
        );
        let result = f(&mut memory);
        let fatal = memory.fatal;
        self.begun.clear();
        if fatal {
            self.end.get_or_insert(End::Fatal);
        }
        if let Some(why) = self.layout.full.clone() {
            self.end = Some(End::Cut(why));
        }
        result
    }

    fn add_thread(&mut self, family: u32, daemon: bool, key: ThreadKey) -> Option<ThreadName> {
        let name = self.layout.name_thread(family, daemon, &self.state)?;
        let thread = self.layout.thread(name);
        let mut trail = Trail::EMPTY;
        trail.add(u64::from(name));
        self.threads.push(Live {
            name,
            key,
            children: 0,
            daemon,
            finished: false,
            asked: Some(Asked {
                object: thread.object,
                action: Action::Start,
                touching: Vec::new(),
                beginning: Vec::new(),
            }),
            trails: vec![trail],
            touching: Vec::new(),
            beginning: Vec::new(),
            nesting: Vec::new(),
            answer: 0,
        });
        Some(name)
    }

    fn me(&mut self) -> &mut Live {
        &mut self.threads[self.current]
    }

    fn learn(&mut self, number: u64) {
        self.me()
            .trails
            .last_mut()
            .expect("one at least")
            .add(number);
    }

    /// What the current thread has learned, and what it will do with its next step.
    fn fingerprint(&mut self) -> Fingerprint {
        let me = self.me();
        let mut all = Trail::EMPTY;
        for trail in &me.trails {
            let fingerprint = trail.fingerprint();
            all.add(fingerprint as u64);
            all.add((fingerprint >> 64) as u64);
        }
        for objects in [&me.touching, &me.beginning] {
            all.add(objects.len() as u64);
            objects
                .iter()
                .for_each(|object| all.add(u64::from(object.0)));
        }
        for (domain, depth) in &me.nesting {
            if *depth > 0 {
                all.add(u64::from(domain.0) << 32 | u64::from(*depth));
            }
        }
        all.fingerprint()
    }

    /// The current thread has come to a place.
    fn come_to(&mut self, doing: Doing) -> Place {
        let fingerprint = self.fingerprint();
        let name = self.me().name;
        match self.automaton.place(name, fingerprint, doing) {
            Ok(place) => {
                self.close_segment(place);
                place
            }
            Err(difference) => {
                self.not_deterministic(&difference);
                UNKNOWN
            }
        }
    }

    fn not_deterministic(&mut self, difference: &str) {
        let step = self.path.len();
        self.end = Some(End::Cut(format!(
            "the model is not deterministic: in step {step}, {difference}"
        )));
    }

    fn close_segment(&mut self, next: Place) {
        let segment = std::mem::take(&mut self.segment);
        if self.phase == Phase::Concurrent && segment.from != FINISHED {
            let edge = Edge {
                effects: segment.effects.into(),
                next,
            };
            let added = self.automaton.add_edge(segment.from, segment.learned, edge);
            if let Err(difference) = added {
                self.not_deterministic(&difference);
            }
        }
    }

    fn open_segment(&mut self, from: Place, learned: u64) {
        self.segment = Segment {
            from,
            learned,
            ..Segment::default()
        };
    }

    fn effect(&mut self, effect: Effect) {
        self.segment.effects.push(effect);
        let name = self.me().name;
        self.memory(|memory| memory.effect(name, effect));
    }

    fn query(&mut self, query: Query) -> u64 {
        let place = self.come_to(Doing::Query(query));
        let name = self.me().name;
        let answer = self.memory(|memory| memory.query(name, query));
        self.open_segment(place, answer);
        self.learn(answer);
        answer
    }

    /// The current thread asks for a step.
    fn ask(&mut self, object: ObjectId, action: Action) {
        let me = self.me();
        let asked = Asked {
            object,
            action,
            touching: std::mem::take(&mut me.touching),
            beginning: std::mem::take(&mut me.beginning),
        };
        me.asked = Some(asked.clone());
        let place = self.come_to(Doing::Step(asked));
        self.set_place(place);
    }

    fn set_place(&mut self, place: Place) {
        let name = self.me().name;
        let cell = self.layout.thread(name).cells + PLACE;
        self.state.set(cell, place);
    }

    fn is_enabled(&mut self, thread: usize) -> bool {
        let live = &self.threads[thread];
        let Some(asked) = live.asked.clone() else {
            return false;
        };
        if asked.action == Action::Settle {
            return (0..self.threads.len()).all(|other| {
                let state = &self.threads[other];
                let is_daemon = state.daemon;
                other == thread || state.finished || is_daemon && !self.is_enabled(other)
            });
        }
        let name = live.name;
        self.memory(|memory| memory.is_enabled(name, &asked))
    }

    /// The next thread to run where one runs at a time.
    fn schedule_alone(&mut self) -> Option<usize> {
        if self.is_enabled(self.current) {
            return Some(self.current);
        }
        (0..self.threads.len()).find(|&thread| self.is_enabled(thread))
    }

    /// The action of the step that a thread has asked for.
    fn begin_step(&mut self, thread: usize, choice: u32) {
        self.current = thread;
        let me = self.me();
        let asked = me.asked.take().expect("a thread that goes on has asked");
        let (name, key) = (me.name, me.key);
        if asked.action == Action::Settle {
            for other in 0..self.threads.len() {
                if self.threads[other].daemon && !self.threads[other].finished {
                    self.finish(other);
                }
            }
        }
        let place = self.state.get(self.layout.thread(name).cells + PLACE);
        if self.phase == Phase::Concurrent {
            self.path.push(Taken {
                thread: name,
                choice,
            });
            self.keys.push(Scheduled {
                thread: key,
                choice,
            });
        }
        self.open_segment(place, 0);
        self.accesses.clear();
        let (answer, learned) = self.memory(|memory| memory.perform(name, &asked, choice));
        self.segment.learned = learned;
        self.learn(learned);
        self.me().answer = answer;
    }

    fn finish(&mut self, thread: usize) {
        self.threads[thread].finished = true;
        self.threads[thread].asked = None;
        let name = self.threads[thread].name;
        self.memory(|memory| memory.finish(name));
    }

    /// Nobody can go on: what the first of those waits for who should not wait.
    pub(super) fn hung(&self) -> Option<Noted> {
        let mut threads = self.threads.iter();
        let waits = threads.find(|thread| {
            let settles = |asked: &Asked| asked.action == Action::Settle;
            !thread.finished && !thread.daemon && !thread.asked.as_ref().is_some_and(settles)
        })?;
        Some(Noted {
            kind: ViolationKind::HungTask,
            object: waits.asked.as_ref().map(|asked| asked.object),
        })
    }
}

/// Runs a program.
#[derive(Debug)]
pub(super) struct Learner {
    itself: Weak<Self>,
    pub(super) execution: RefCell<Execution>,
    coroutines: Coroutines,
    /// Whether the execution has begun and coroutines may have to be unwound.
    running: std::cell::Cell<bool>,
}

impl Learner {
    pub(super) fn new() -> Rc<Self> {
        Rc::new_cyclic(|itself| Self {
            itself: Weak::clone(itself),
            execution: RefCell::new(Execution {
                layout: Layout::default(),
                automaton: Automaton::default(),
                state: State::default(),
                threads: Vec::new(),
                phase: Phase::Alone,
                current: 0,
                end: None,
                segment: Segment::default(),
                violations: Vec::new(),
                path: Vec::new(),
                keys: Vec::new(),
                about: None,
                accesses: Vec::new(),
                begun: Vec::new(),
            }),
            coroutines: Coroutines::default(),
            running: std::cell::Cell::new(false),
        })
    }

    /// Begin an execution and run it to where every interleaving counts.
    pub(super) fn begin_execution(&self, program: &Program) {
        self.end_execution();
        self.running.set(true);
        self.execution.borrow_mut().restart();
        let main = Arc::clone(program);
        self.begin(0, Box::new(move || main()));
        self.run_alone(|execution| execution.phase == Phase::Concurrent);
        self.execution.borrow_mut().state.forget_log();
    }

    pub(super) fn end_execution(&self) {
        if self.running.replace(false) {
            let mut execution = self.execution.borrow_mut();
            execution.end.get_or_insert(End::Alone);
            drop(execution);
            self.coroutines.unwind_all();
        }
    }

    /// Run one thread at a time until all have finished, or `enough`.
    fn run_alone(&self, enough: impl Fn(&Execution) -> bool) {
        loop {
            let mut execution = self.execution.borrow_mut();
            if execution.end.is_some() || enough(&execution) {
                return;
            }
            let Some(next) = execution.schedule_alone() else {
                let hung = execution.hung();
                execution.violations.extend(hung);
                return;
            };
            execution.begin_step(next, 0);
            let is_over = execution.end.is_some();
            drop(execution);
            if !is_over {
                self.resume(next);
            }
        }
    }

    fn resume(&self, thread: usize) {
        let resumed = self.coroutines.resume(thread);
        let mut execution = self.execution.borrow_mut();
        let name = execution.threads[thread].name;
        match resumed {
            Resumed::Suspended => execution.memory(|memory| memory.end_step(name)),
            Resumed::Returned => {
                if execution.end.is_none() {
                    execution.close_segment(FINISHED);
                    execution.memory(|memory| memory.end_step(name));
                    execution.finish(thread);
                }
            }
            Resumed::Panicked(payload) => {
                let message = panic_message(payload.as_ref());
                execution.end = Some(End::Cut(format!("the model panicked: {message}")));
            }
        }
        if matches!(execution.end, Some(End::Fatal | End::Alone)) {
            // Whatever comes later was not seen.
            execution.close_segment(UNKNOWN);
        }
    }

    /// Take a step.
    pub(super) fn take(&self, taken: Taken) {
        let mut execution = self.execution.borrow_mut();
        let mut threads = execution.threads.iter();
        let thread = threads.position(|live| live.name == taken.thread && !live.finished);
        let possible = thread.filter(|thread| execution.is_enabled(*thread));
        let Some(thread) = possible else {
            let waits = format!("context {} cannot go on", taken.thread);
            execution.not_deterministic(&waits);
            return;
        };
        execution.begin_step(thread, taken.choice);
        let is_over = execution.end.is_some();
        if is_over {
            execution.close_segment(UNKNOWN);
        }
        drop(execution);
        if !is_over {
            self.resume(thread);
        }
    }

    /// Take the next step of the thread with this key.
    ///
    /// # Errors
    ///
    /// Where it cannot go on.
    pub(super) fn follow(&self, scheduled: &Scheduled<ThreadKey>) -> Result<(), String> {
        let Scheduled { thread, choice } = *scheduled;
        let name = {
            let execution = self.execution.borrow();
            let mut threads = execution.threads.iter();
            threads
                .find(|live| live.key == thread)
                .map(|live| live.name)
        };
        let thread = name.ok_or("there is no such context yet")?;
        self.take(Taken { thread, choice });
        match &self.execution.borrow().end {
            Some(End::Cut(why)) => Err(why.clone()),
            _ => Ok(()),
        }
    }

    /// Go to the state that these steps lead to.
    ///
    /// # Errors
    ///
    /// Where that is not possible.
    pub(super) fn go_to(&self, program: &Program, path: &[Taken]) -> Result<(), String> {
        let at = {
            let execution = self.execution.borrow();
            let at = execution.path.len();
            let goes_on = self.running.get()
                && execution.end.is_none()
                && path.get(..at) == Some(&execution.path[..]);
            goes_on.then_some(at)
        };
        let at = at.unwrap_or_else(|| {
            self.begin_execution(program);
            0
        });
        for taken in &path[at..] {
            if self.execution.borrow().end.is_some() {
                break;
            }
            self.take(*taken);
        }
        match &self.execution.borrow().end {
            None => Ok(()),
            Some(End::Cut(why)) => Err(why.clone()),
            Some(end) => Err(format!(
                "the model is not deterministic: it ends early, {end:?}"
            )),
        }
    }

    /// Run what comes after the part where every interleaving counts, to its end.
    pub(super) fn finish(&self) {
        {
            let mut execution = self.execution.borrow_mut();
            if execution.end == Some(End::Alone) {
                execution.end = None;
                execution.phase = Phase::Alone;
            }
        }
        let current = {
            let execution = self.execution.borrow();
            execution.current
        };
        if self.execution.borrow().threads[current].asked.is_none()
            && !self.execution.borrow().threads[current].finished
        {
            // It was suspended in the middle of its last step.
            self.resume(current);
        }
        self.run_alone(|_| false);
        self.execution.borrow_mut().end.get_or_insert(End::Alone);
    }

    /// The steps taken so far, as other executions can follow them.
    pub(super) fn schedule(&self) -> Vec<Scheduled<ThreadKey>> {
        self.execution.borrow().keys.clone()
    }

    fn begin(&self, thread: usize, body: Body) {
        let learner = self.itself.upgrade().expect("it is running");
        self.coroutines.begin(thread, move || {
            body();
            learner.catch_up();
        });
    }

    /// The uses that were to become part of the thread's next step become a step of their own.
    fn catch_up(&self) {
        let pending = self.execution.borrow_mut().me().touching.first().copied();
        if let Some(object) = pending {
            self.perform(object, Action::Touch);
        }
    }

    fn is_over_now(&self) -> bool {
        self.execution.borrow().end.is_some()
    }

    fn stop_if_over(&self) {
        if self.is_over_now() {
            suspend();
        }
    }
}

impl Engine for Learner {
    fn create(&self, kind: ObjectKind, owner: Option<ObjectId>, name: &'static str) -> ObjectId {
        let mut execution = self.execution.borrow_mut();
        let me = execution.me().name;
        let maker = owner.map_or(Maker::Thread(me), Maker::Owner);
        let count = execution.layout.count(maker, name);
        let number = match owner {
            // How many parts of its name an object has depends on nothing else than who makes it.
            Some(_) => execution.state.get(count),
            None => execution.query(Query::Count(count)),
        };
        let object = execution.layout.name_object(maker, name, number, kind);
        let value = match kind {
            ObjectKind::Atomic(value) => value,
            _ => 0,
        };
        execution.effect(Effect::Create(object, value, count));
        object
    }

    fn perform(&self, object: ObjectId, action: Action) -> u64 {
        if may_wait(action) {
            self.catch_up();
        }
        if self.is_over_now() {
            return 0;
        }
        if let Action::Fence(order) = action {
            self.execution.borrow_mut().effect(Effect::Fence(order));
            return 0;
        }
        self.execution.borrow_mut().ask(object, action);
        suspend();
        self.execution.borrow_mut().me().answer
    }

    fn touch(&self, allocation: ObjectId, step: Step) {
        {
            let mut execution = self.execution.borrow_mut();
            match step {
                Step::Last => execution.effect(Effect::Touch(allocation)),
                Step::Next => {
                    let touching = &mut execution.me().touching;
                    if !touching.contains(&allocation) {
                        touching.push(allocation);
                    }
                }
            }
        }
        self.stop_if_over();
    }

    fn is_freed(&self, allocation: ObjectId) -> bool {
        if self.is_over_now() {
            return false;
        }
        self.execution
            .borrow_mut()
            .query(Query::IsFreed(allocation))
            == 1
    }

    fn read_lock(&self, domain: ObjectId) {
        let begins = {
            let mut execution = self.execution.borrow_mut();
            if execution.end.is_some() {
                return;
            }
            let sections_wait = execution.layout.object(domain).kind
                == ObjectKind::Domain {
                    sections_wait: true,
                };
            let me = execution.me();
            match me.nesting.iter_mut().find(|(d, _)| *d == domain) {
                Some((_, depth)) => *depth += 1,
                None => me.nesting.push((domain, 1)),
            }
            let depth = me.nesting.iter().find(|(d, _)| *d == domain);
            let outermost = depth.is_some_and(|(_, depth)| *depth == 1);
            if outermost && !sections_wait {
                me.beginning.push(domain);
            }
            outermost && sections_wait
        };
        if begins {
            self.perform(domain, Action::Touch);
        }
    }

    fn read_unlock(&self, domain: ObjectId) {
        self.catch_up();
        let mut execution = self.execution.borrow_mut();
        if execution.end.is_some() {
            return;
        }
        let me = execution.me();
        let nesting = me.nesting.iter_mut().find(|(d, _)| *d == domain);
        let (_, depth) = nesting.expect("a section that ends has begun");
        *depth -= 1;
        if *depth > 0 {
            return;
        }
        if let Some(at) = me.beginning.iter().position(|d| *d == domain) {
            // Nothing happened in it.
            me.beginning.remove(at);
            return;
        }
        execution.effect(Effect::EndSection(domain));
    }

    fn spawn(&self, name: &str, daemon: bool, body: Body) -> ThreadId {
        self.catch_up();
        let beginning = self.execution.borrow_mut().me().beginning.first().copied();
        if let Some(domain) = beginning {
            self.perform(domain, Action::Touch);
        }
        let thread = {
            let mut execution = self.execution.borrow_mut();
            let about = match execution.about.take() {
                Some(about) => about,
                // It may know all that its parent has learned, and is not another one that was begun
                // with the same step.
                None => {
                    let number = execution.segment.effects.len() as u64;
                    execution.fingerprint() as u64 ^ scramble(number)
                }
            };
            let family = execution.layout.family(name, about, daemon);
            let me = execution.me();
            me.children += 1;
            let key = child_key(me.key, me.children);
            if key.is_none() {
                let why = "contexts that begin contexts are nested too deep";
                execution.end = Some(End::Cut(why.to_owned()));
            }
            execution.add_thread(family, daemon, key.unwrap_or(0));
            execution.effect(Effect::Spawn(family, daemon));
            match execution.end {
                None => Some(execution.threads.len() - 1),
                Some(_) => None,
            }
        };
        match thread {
            Some(thread) => {
                self.begin(thread, body);
                ThreadId(thread as u32)
            }
            None => {
                suspend();
                unreachable!("an execution that is over is not resumed")
            }
        }
    }

    fn current(&self) -> ThreadId {
        ThreadId(self.execution.borrow().current as u32)
    }

    fn current_object(&self) -> ObjectId {
        let mut execution = self.execution.borrow_mut();
        let name = execution.me().name;
        execution.layout.thread(name).object
    }

    fn set_phase(&self, phase: Phase) {
        let mut execution = self.execution.borrow_mut();
        if execution.phase == phase || execution.end.is_some() {
            return;
        }
        match phase {
            Phase::Concurrent => {
                execution.phase = Phase::Concurrent;
                execution.segment = Segment::default();
            }
            Phase::Alone => {
                execution.effect(Effect::Alone);
                execution.end = Some(End::Alone);
                drop(execution);
                suspend();
            }
        }
    }

    fn report(&self, violation: Violation) {
        {
            let mut execution = self.execution.borrow_mut();
            if execution.end.is_none() {
                let Violation { kind, object, .. } = violation;
                execution.effect(Effect::Report(Noted { kind, object }));
            }
        }
        self.stop_if_over();
    }

    fn enter(&self, _function: &'static str) {}

    fn leave(&self) {}

    fn stores_states(&self) -> bool {
        true
    }

    fn content(&self, object: ObjectId, digest: u64) {
        let mut execution = self.execution.borrow_mut();
        if execution.end.is_none() {
            execution.effect(Effect::Content(object, digest));
        }
    }

    fn look(&self, object: ObjectId) {
        let mut execution = self.execution.borrow_mut();
        if execution.end.is_none() {
            execution.query(Query::Content(object));
        }
    }

    fn begin_summary(&self) {
        self.execution.borrow_mut().me().trails.push(Trail::EMPTY);
    }

    fn end_summary(&self, result: u64) {
        let mut execution = self.execution.borrow_mut();
        if execution.end.is_none() {
            execution.me().trails.pop();
            execution.learn(result);
        }
    }

    /// All that have begun by now were begun before this, where memory is sequentially consistent.
    fn grace_period_precedes(&self, _number: u64, _count: u64) -> bool {
        true
    }

    fn about(&self, digest: u64) {
        self.execution.borrow_mut().about = Some(digest);
    }

    fn give_up(&self, reason: &str) -> ! {
        self.execution.borrow_mut().end = Some(End::Cut(reason.to_owned()));
        suspend();
        unreachable!("an execution that is over is not resumed")
    }

    fn object_name(&self, _object: ObjectId) -> String {
        String::new()
    }

    fn is_over(&self) -> bool {
        self.is_over_now()
    }
}
