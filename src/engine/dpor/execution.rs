// SPDX-License-Identifier: GPL-2.0-only
//! One execution: the objects, the threads, and what an action does to them.
//!
//! This is the machine that the explorer of interleavings runs a program on. Memory is sequentially
//! consistent: an object has one value, and a step reads or changes it at once. Beside the value,
//! each object and each thread has what [`super::order`] needs to tell which plain accesses race,
//! whatever order they ran in. Who goes on is asked of a [`Director`]: the search, a schedule that is
//! followed, or random priorities. What each step accessed goes back to the search, which decides by
//! it what else there is to explore.

use super::{
    access::Mode,
    calm::{self, GraceOrder},
    checkpoint::ANOTHER_PROGRAM,
    clock::{Clock, MAX_THREADS},
    follow::{Follower, Pending, Turn},
    order::{PlainOrder, ThreadOrder},
    priorities::Priorities,
    search::{Decision, Request, Search, ThreadSet, is_over},
};
use crate::{
    engine::recording::{Recorder, Recording},
    sync::{
        engine::{Action, ObjectId, ObjectKind, Ordering, Phase, Step, ThreadId},
        violation::{Violation, ViolationKind},
    },
};

/// A thread by the way it came into being, which is the same in every interleaving: the key of the
/// thread that began it, and how many that one had begun before.
pub(super) type ThreadKey = u128;

/// The key of the `number`th thread that a thread begins, from 1. `None` where there is no room.
pub(super) fn child_key(parent: ThreadKey, number: u32) -> Option<ThreadKey> {
    let key = parent.checked_mul(64)?.checked_add(u128::from(number));
    key.filter(|_| number < 64)
}

/// A step of a schedule: which thread, and the answer if it asks for a choice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scheduled<T> {
    pub(super) thread: T,
    pub(super) choice: u32,
}

/// Who decides which thread goes on while every interleaving counts.
#[derive(Debug)]
pub(super) enum Director {
    /// The search.
    Search,
    /// A schedule of this execution's threads by key, which must fit.
    Keys(Vec<Scheduled<ThreadKey>>),
    /// The same, and a thread that has to wait where it does not in the schedule takes its turn as
    /// soon as it can.
    Deferring(Vec<Scheduled<ThreadKey>>),
    /// A schedule by name, which is followed as far as it fits.
    Names(Vec<Scheduled<String>>),
    /// Random priorities.
    Priorities(Priorities),
    /// An interleaving of another program.
    Landmarks(Box<Follower>),
}

/// Why an execution ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Every thread finished.
    Finished,
    /// A violation ended it.
    Fatal,
    /// Every thread that could go on had been tried here.
    Blocked,
    /// The engine cannot go on with it: a bound of its own, or a schedule that does not fit.
    Cut(String),
}

#[derive(Debug)]
struct Thread {
    name: String,
    key: ThreadKey,
    children: u32,
    /// The object that stands for it.
    object: ObjectId,
    request: Option<Request>,
    daemon: bool,
    finished: bool,
    steps: u16,
    /// Its last event, or the one that began it.
    previous: Option<usize>,
    /// How deep it is in the read-side critical sections of a domain.
    nesting: Vec<Nesting>,
    /// Domains whose section begins with the next step.
    beginning: Vec<ObjectId>,
    /// Allocations used with the next step.
    touching: Vec<ObjectId>,
    order: ThreadOrder,
}

/// A thread's sections of one domain.
#[derive(Clone, Copy, Debug)]
struct Nesting {
    domain: ObjectId,
    /// Of a domain whose sections may wait: stands for the section that was begun last. 0 before
    /// it begins, 1 while it is open, 2 from its end. The next section is another object, or the
    /// end of a grace period that waited for this one would seem to depend on it.
    reader: Option<ObjectId>,
    depth: u32,
}

/// A read-side critical section of a domain that has begun.
#[derive(Clone, Debug)]
struct Section {
    thread: usize,
    /// The step that it began with, by its number among the thread's.
    begun: u16,
    /// The event that it began with, in the part where every interleaving counts.
    begun_at: Option<usize>,
    /// The event that it ended with, in the part where every interleaving counts.
    ended: Option<usize>,
    open: bool,
    /// What was known at its end.
    known: Clock,
}

#[derive(Clone, Debug)]
struct GracePeriod {
    /// The sections it waits for, where sections may not wait, by their place among the domain's.
    sections: Vec<usize>,
    /// The sections it waits for, where they may.
    readers: Vec<ObjectId>,
    /// What was known when it began.
    known: Clock,
    /// The events that it began and ended with, in the part where every interleaving counts.
    begun_at: Option<usize>,
    ended_at: Option<usize>,
}

#[derive(Debug)]
struct Object {
    kind: ObjectKind,
    owner: Option<ObjectId>,
    /// An atomic's value; 1 for a lock that is held; 1 for an allocation that is freed.
    value: u64,
    /// What an acquire of the object makes known.
    message: Clock,
    plain: PlainOrder,
    /// Of a domain: the sections that have begun, where they may not wait.
    sections: Vec<Section>,
    /// Of a domain: the open sections, where they may wait.
    readers: Vec<ObjectId>,
    /// Of a domain: the grace periods that have begun.
    grace_periods: Vec<GracePeriod>,
}

/// The state of one execution, and the search it belongs to.
#[derive(Debug)]
pub(super) struct Execution {
    threads: Vec<Thread>,
    /// Threads of earlier executions, for their memory.
    spare: Vec<Thread>,
    objects: Vec<Object>,
    phase: Phase,
    current: usize,
    pub(super) end: Option<End>,
    pub(super) director: Director,
    /// How far a schedule has been followed.
    pub(super) followed: usize,
    /// How often a schedule that is followed has gone to another thread where the last one could
    /// have gone on.
    pub(super) preemptions: u32,
    pub(super) search: Search,
    pub(super) recorder: Option<Recorder>,
    /// Kinds of violation of this execution, in order.
    pub(super) violations: Vec<ViolationKind>,
}

/// The value of what stands for a section, while it is open.
const SECTION_OPEN: u64 = 1;
/// The value of what stands for a section, once it has ended.
const SECTION_ENDED: u64 = 2;

/// The most steps an execution may have.
pub(super) const STEP_LIMIT: usize = 60_000;

impl Execution {
    pub(super) fn new() -> Self {
        Self {
            threads: Vec::new(),
            spare: Vec::new(),
            objects: Vec::new(),
            phase: Phase::Alone,
            current: 0,
            end: None,
            director: Director::Search,
            followed: 0,
            preemptions: 0,
            search: Search::default(),
            recorder: None,
            violations: Vec::new(),
        }
    }

    /// Begin the next execution with its first thread.
    pub(super) fn restart(&mut self, record: bool) {
        self.spare.append(&mut self.threads);
        self.objects.clear();
        self.phase = Phase::Alone;
        self.current = 0;
        self.end = None;
        self.followed = 0;
        self.preemptions = 0;
        self.violations.clear();
        self.recorder = record.then(Recorder::new);
        self.search.restart();
        self.add_thread("main", 1, false);
    }

    pub(super) fn take_recording(&mut self) -> Recording {
        self.recorder
            .as_mut()
            .map(Recorder::take)
            .unwrap_or_default()
    }

    fn add_thread(&mut self, name: &str, key: ThreadKey, daemon: bool) -> usize {
        let thread = self.threads.len();
        if let Some(recorder) = &mut self.recorder {
            recorder.thread(name);
            if thread > 0 {
                recorder.begun_by(ThreadId(self.current as u32));
            }
        }
        let object = self.add_object(ObjectKind::Thread, None, "thread");
        let parent = self.threads.get(self.current);
        let concurrent = self.phase == Phase::Concurrent;
        let (previous, known) = match parent {
            Some(parent) if concurrent => (parent.previous, parent.order.known),
            _ => (None, Clock::ZERO),
        };
        let (mut own, nesting, beginning, touching) = match self.spare.pop() {
            Some(mut old) => {
                old.name.clear();
                old.nesting.clear();
                old.beginning.clear();
                old.touching.clear();
                (old.name, old.nesting, old.beginning, old.touching)
            }
            None => Default::default(),
        };
        own.push_str(name);
        self.threads.push(Thread {
            name: own,
            key,
            children: 0,
            object,
            request: Some(Request {
                object,
                action: Action::Start,
            }),
            daemon,
            finished: false,
            steps: 0,
            previous,
            nesting,
            beginning,
            touching,
            order: ThreadOrder::beginning(known),
        });
        thread
    }

    fn add_object(
        &mut self,
        kind: ObjectKind,
        owner: Option<ObjectId>,
        name: &'static str,
    ) -> ObjectId {
        let object = ObjectId(self.objects.len() as u32);
        let value = match kind {
            ObjectKind::Atomic(value) => value,
            _ => 0,
        };
        self.objects.push(Object {
            kind,
            owner,
            value,
            message: Clock::ZERO,
            plain: PlainOrder::NEW,
            sections: Vec::new(),
            readers: Vec::new(),
            grace_periods: Vec::new(),
        });
        if let Some(recorder) = &mut self.recorder {
            recorder.object(ThreadId(self.current as u32), kind, owner, name);
        }
        object
    }

    fn object(&mut self, object: ObjectId) -> &mut Object {
        &mut self.objects[object.0 as usize]
    }

    pub(super) fn current(&self) -> usize {
        self.current
    }

    pub(super) fn current_object(&self) -> ObjectId {
        self.threads[self.current].object
    }

    pub(super) fn object_name(&self, object: ObjectId) -> String {
        match &self.recorder {
            Some(recorder) => recorder.object_name(object).to_owned(),
            None => String::new(),
        }
    }

    pub(super) fn create(
        &mut self,
        kind: ObjectKind,
        owner: Option<ObjectId>,
        name: &'static str,
    ) -> ObjectId {
        self.add_object(kind, owner, name)
    }

    /// A new thread, or `None` where there are too many.
    pub(super) fn spawn(&mut self, name: &str, daemon: bool) -> Option<usize> {
        if self.threads.len() == MAX_THREADS {
            self.end = Some(End::Cut(format!(
                "an execution has more than {MAX_THREADS} contexts"
            )));
            return None;
        }
        let parent = &mut self.threads[self.current];
        parent.children += 1;
        let Some(key) = child_key(parent.key, parent.children) else {
            self.end = Some(End::Cut(
                "contexts that begin contexts are nested too deep".to_owned(),
            ));
            return None;
        };
        Some(self.add_thread(name, key, daemon))
    }

    /// The current thread asks for an action: [`Execution::schedule`] decides who goes on.
    pub(super) fn ask(&mut self, object: ObjectId, action: Action) {
        self.threads[self.current].request = Some(Request { object, action });
    }

    /// The current thread has returned.
    pub(super) fn finish(&mut self) {
        let thread = &mut self.threads[self.current];
        thread.finished = true;
        thread.request = None;
    }

    /// A domain whose section the current thread begins with its next step.
    pub(super) fn beginning(&self) -> Option<ObjectId> {
        self.threads[self.current].beginning.first().copied()
    }

    /// An allocation that the current thread's next step is to use.
    pub(super) fn pending(&self) -> Option<ObjectId> {
        self.threads[self.current].touching.first().copied()
    }

    fn is_enabled(&self, thread: usize) -> bool {
        let Some(Request { object, action }) = self.threads[thread].request else {
            return false;
        };
        match action {
            Action::Lock | Action::Await(..) | Action::AwaitUpdate(..) => {
                is_over(action, self.objects[object.0 as usize].value)
            }
            Action::GracePeriodEnd(number) => {
                let domain = &self.objects[object.0 as usize];
                let GracePeriod {
                    sections, readers, ..
                } = &domain.grace_periods[number as usize];
                let ended =
                    |reader: &ObjectId| self.objects[reader.0 as usize].value == SECTION_ENDED;
                !sections.iter().any(|&s| domain.sections[s].open) && readers.iter().all(ended)
            }
            Action::Settle => {
                let mut others = self.threads.iter().enumerate();
                others.all(|(other, state)| {
                    other == thread || state.finished || state.daemon && !self.is_enabled(other)
                })
            }
            _ => true,
        }
    }

    /// Decide which thread performs the step it asks for. `None`: the execution is over.
    pub(super) fn schedule(&mut self) -> Option<usize> {
        if self.end.is_some() {
            return None;
        }
        let next = match self.phase {
            Phase::Alone => self.schedule_alone(),
            Phase::Concurrent => self.schedule_concurrent(),
        };
        if let Some(next) = next {
            self.current = next;
        }
        next
    }

    fn schedule_alone(&mut self) -> Option<usize> {
        if self.is_enabled(self.current) {
            return Some(self.current);
        }
        let next = (0..self.threads.len()).find(|&thread| self.is_enabled(thread));
        if next.is_none() {
            self.end_stuck();
        }
        next
    }

    fn schedule_concurrent(&mut self) -> Option<usize> {
        if !matches!(self.director, Director::Search) {
            self.search.end_given_event();
        }
        match &self.director {
            Director::Search => self.schedule_search(),
            Director::Keys(schedule) => {
                let thread = match schedule.get(self.followed) {
                    Some(step) => self.threads.iter().position(|t| t.key == step.thread),
                    None => return self.schedule_rest(),
                };
                self.schedule_given(thread)
            }
            Director::Deferring(_) => self.schedule_deferring(),
            Director::Names(schedule) => {
                let Some(step) = schedule.get(self.followed) else {
                    return self.schedule_rest();
                };
                let recorder = self.recorder.as_ref().expect("a replay is recorded");
                let thread = (0..self.threads.len())
                    .find(|&t| recorder.thread_name(ThreadId(t as u32)) == step.thread);
                self.schedule_given(thread)
            }
            Director::Priorities(_) => self.schedule_by_priority(),
            Director::Landmarks(_) => self.schedule_following(),
        }
    }

    fn schedule_search(&mut self) -> Option<usize> {
        self.search.end_event();
        if self.search.depth() >= STEP_LIMIT {
            self.end_too_long();
            return None;
        }
        if self.search.is_replaying() {
            let node = self.search.expected();
            let (thread, expected) = (node.thread, node.request);
            let request = self.threads.get(thread).and_then(|t| t.request);
            if self.search.is_at_new_choice()
                && let Some(request) = request
                && self.is_enabled(thread)
            {
                self.search.set_request(request);
                if !self.search.is_as_saved(request) {
                    self.end = Some(End::Cut(ANOTHER_PROGRAM.to_owned()));
                    return None;
                }
            } else if request != Some(expected) || !self.is_enabled(thread) {
                let step = self.search.depth();
                self.end = Some(End::Cut(format!(
                    "the model is not deterministic: step {step} was {expected:?} and is now \
                     {request:?}"
                )));
                return None;
            }
            return Some(thread);
        }
        let enabled = (0..self.threads.len())
            .filter(|&thread| self.is_enabled(thread))
            .fold(0, |set: ThreadSet, thread| set | 1 << thread);
        let threads = &self.threads;
        let decision = self.search.decide(enabled, self.current, |thread| {
            threads[thread].request.expect("an enabled thread asks")
        });
        match decision {
            Decision::Run(thread) => Some(thread),
            Decision::Blocked => {
                self.analyse_waiting();
                self.end = Some(End::Blocked);
                None
            }
            Decision::Stuck => {
                self.end_stuck();
                None
            }
        }
    }

    fn schedule_deferring(&mut self) -> Option<usize> {
        let Director::Deferring(schedule) = &self.director else {
            unreachable!("the caller saw it");
        };
        let left = &schedule[self.followed.min(schedule.len())..];
        if left.is_empty() {
            return self.schedule_rest();
        }
        let thread = |key| self.threads.iter().position(|t| t.key == key);
        let turn = (0..left.len()).find(|&at| {
            let is_next = !left[..at].iter().any(|s| s.thread == left[at].thread);
            is_next && thread(left[at].thread).is_some_and(|thread| self.is_enabled(thread))
        });
        let turn = turn.unwrap_or(0);
        let thread = thread(left[turn].thread);
        let now = self.followed;
        if let Director::Deferring(schedule) = &mut self.director {
            schedule[now..=now + turn].rotate_right(1);
        }
        self.schedule_given(thread)
    }

    fn schedule_given(&mut self, thread: Option<usize>) -> Option<usize> {
        let why = match thread {
            Some(thread) if self.is_enabled(thread) => {
                let preempts =
                    self.followed > 0 && thread != self.current && self.is_enabled(self.current);
                self.preemptions += u32::from(preempts);
                self.followed += 1;
                return Some(thread);
            }
            Some(thread) if self.threads[thread].finished => "its context has finished",
            Some(_) => "its context waits",
            None => "there is no such context yet",
        };
        let step = self.followed + 1;
        self.end = Some(End::Cut(format!(
            "step {step} of the schedule is not possible: {why}"
        )));
        None
    }

    fn schedule_by_priority(&mut self) -> Option<usize> {
        if self.search.depth() >= STEP_LIMIT {
            self.end_too_long();
            return None;
        }
        let threads = 0..self.threads.len();
        let enabled: Vec<usize> = threads.filter(|&t| self.is_enabled(t)).collect();
        let Director::Priorities(priorities) = &mut self.director else {
            unreachable!("the caller saw it");
        };
        let Some(thread) = priorities.next(&enabled) else {
            self.end_stuck();
            return None;
        };
        let Thread { key, request, .. } = self.threads[thread];
        priorities.goes_on(
            key,
            match request.map(|request| request.action) {
                Some(Action::Choose(alternatives)) => alternatives,
                _ => 1,
            },
        );
        self.followed += 1;
        Some(thread)
    }

    fn end_too_long(&mut self) {
        self.end = Some(End::Cut(format!(
            "an execution has more than {STEP_LIMIT} steps"
        )));
    }

    fn schedule_following(&mut self) -> Option<usize> {
        let recorder = self.recorder.as_ref().expect("following is recorded");
        let pending: Vec<Pending<'_>> = (0..self.threads.len())
            .filter_map(|t| {
                let Request { object, action } = self.threads[t].request?;
                let id = ThreadId(t as u32);
                let is_thread = self.objects[object.0 as usize].kind == ObjectKind::Thread;
                Some(Pending {
                    thread: t,
                    context: recorder.thread_name(id),
                    function: recorder.function(id),
                    action,
                    object: match is_thread {
                        true => "",
                        false => recorder.object_name(object),
                    },
                    enabled: self.is_enabled(t),
                })
            })
            .collect();
        let Director::Landmarks(follower) = &mut self.director else {
            unreachable!("the caller saw it");
        };
        match follower.next(&pending) {
            Turn::Run(thread) => Some(thread),
            Turn::Over => self.schedule_rest(),
        }
    }

    /// A schedule has been followed to its end: let every thread finish.
    fn schedule_rest(&mut self) -> Option<usize> {
        self.schedule_alone()
    }

    /// No thread can go on: all have finished, or those that have not wait forever.
    fn end_stuck(&mut self) {
        let waiting: Vec<usize> = (0..self.threads.len())
            .filter(|&t| !self.threads[t].finished)
            .collect();
        if waiting.is_empty() {
            self.end = Some(End::Finished);
            return;
        }
        self.analyse_waiting();
        let blocked: Vec<usize> = waiting
            .into_iter()
            .filter(|&t| {
                let thread = &self.threads[t];
                let request = thread.request;
                !thread.daemon && request.is_some_and(|r| r.action != Action::Settle)
            })
            .collect();
        if blocked.is_empty() {
            self.end = Some(End::Finished);
            return;
        }
        let names: Vec<&str> = blocked
            .iter()
            .map(|&t| self.threads[t].name.as_str())
            .collect();
        let message = format!(
            "{} wait{} for what nothing left will do",
            names.join(" and "),
            if names.len() == 1 { "s" } else { "" }
        );
        let first = blocked.first().copied().unwrap_or(0);
        self.current = first;
        let object = self.threads[first].request.map(|r| r.object);
        self.report(&Violation {
            kind: ViolationKind::HungTask,
            object,
            message,
        });
    }

    /// The execution goes no further, for whatever reason: find the races of the steps that the
    /// threads which wait now have not come to.
    pub(super) fn analyse_waiting(&mut self) {
        if self.phase == Phase::Alone || !matches!(self.director, Director::Search) {
            return;
        }
        self.search.end_event();
        for t in 0..self.threads.len() {
            let Thread {
                previous, request, ..
            } = self.threads[t];
            if let Some(request) = request
                && !self.is_enabled(t)
            {
                self.search.analyse_waiting(t, previous, request);
            }
        }
    }

    /// From now on threads run like this.
    pub(super) fn set_phase(&mut self, phase: Phase) {
        if phase == self.phase {
            return;
        }
        if self.phase == Phase::Concurrent && matches!(self.director, Director::Search) {
            self.search.end_event();
        }
        self.phase = phase;
        if let Some(recorder) = &mut self.recorder {
            recorder.set_concurrent(phase == Phase::Concurrent);
        }
        // What one thread at a time did is ordered with everything after it.
        for thread in &mut self.threads {
            thread.order.begin(&Clock::ZERO);
            thread.previous = None;
            thread.steps = 0;
        }
        for object in &mut self.objects {
            object.message.clear();
            object.plain.clear();
            object.sections.retain(|section| section.open);
            for section in &mut object.sections {
                section.begun = 0;
            }
        }
    }

    fn access(&mut self, object: ObjectId, mode: Mode) {
        if self.phase == Phase::Concurrent {
            let old = self.object(object).value;
            self.search.access(object, mode, old);
        }
    }

    /// The daemons that wait will wait no more.
    fn end_daemons(&mut self) {
        for daemon in 0..self.threads.len() {
            let Thread {
                daemon: true,
                finished: false,
                previous,
                request: Some(request),
                ..
            } = self.threads[daemon]
            else {
                continue;
            };
            if self.phase == Phase::Concurrent && matches!(self.director, Director::Search) {
                self.search.analyse_waiting(daemon, previous, request);
            }
            self.threads[daemon].finished = true;
            self.threads[daemon].request = None;
        }
    }

    /// The current thread performs the step that it asked for.
    pub(super) fn step(&mut self) -> u64 {
        let me = self.current;
        if self.threads[me]
            .request
            .is_some_and(|r| r.action == Action::Settle)
        {
            self.end_daemons();
        }
        let thread = &mut self.threads[me];
        let Request { object, action } = thread.request.take().expect("the thread asked");
        if self.phase == Phase::Concurrent {
            thread.steps += 1;
            let number = thread.steps;
            let previous = thread.previous;
            thread.order.known.set(me, number);
            thread.previous = Some(self.search.depth());
            self.search.begin_event(me, number, previous);
        }
        let name = object;
        let saw = self.perform(object, action);
        if let Some(recorder) = &mut self.recorder {
            let object = (self.objects[name.0 as usize].kind != ObjectKind::Thread).then_some(name);
            recorder.step(ThreadId(me as u32), object, action, saw);
            if self.phase == Phase::Concurrent {
                let known = &self.threads[me].order.known;
                recorder.known(known.counts(self.threads.len()));
            }
        }
        self.check_after(object, action);
        saw
    }

    /// The lifetimes and races that the step is about. After it was recorded, so that a violation
    /// is the last thing to be told.
    fn check_after(&mut self, object: ObjectId, action: Action) {
        let me = self.current;
        if !self.threads[me].touching.is_empty() {
            let mut touching = std::mem::take(&mut self.threads[me].touching);
            for &allocation in &touching {
                self.use_allocation(allocation);
            }
            touching.clear();
            self.threads[me].touching = touching;
        }
        if let Some(owner) = self.object(object).owner {
            self.use_allocation(owner);
        }
        match action {
            Action::Touch => self.use_allocation(object),
            Action::Free => {
                self.access(object, Mode::Write);
                if self.object(object).value == 1 {
                    self.report(&Violation::on(
                        ViolationKind::DoubleFree,
                        object,
                        "freed a second time",
                    ));
                }
                self.object(object).value = 1;
            }
            Action::Renew => {
                self.access(object, Mode::Write);
                self.object(object).value = 0;
            }
            Action::Read | Action::Write => self.check_race(object, action),
            _ => {}
        }
    }

    fn check_race(&mut self, object: ObjectId, action: Action) {
        if self.phase == Phase::Alone {
            return;
        }
        let me = self.current;
        let thread = &self.threads[me];
        let (step, known) = (thread.steps, &thread.order.known);
        let state = &mut self.objects[object.0 as usize];
        let races = match action {
            Action::Read => state.plain.read(me, step, known),
            _ => state.plain.write(me, step, known),
        };
        let ObjectKind::Plain(kind) = state.kind else {
            return;
        };
        if races {
            self.report(&Violation::on(
                kind,
                object,
                "accessed here and by another context, and nothing orders the two",
            ));
        }
    }

    fn use_allocation(&mut self, allocation: ObjectId) {
        self.access(allocation, Mode::Read);
        let state = self.object(allocation);
        if state.value == 1
            && let ObjectKind::Allocation(kind) = state.kind
        {
            let message = match kind {
                ViolationKind::UseAfterDestroy => "used after it was destroyed",
                _ => "used after it was freed",
            };
            self.report(&Violation::on(kind, allocation, message));
        }
    }

    /// A fence of the current thread. Under sequential consistency it orders plain accesses only,
    /// so it is part of the thread's last step.
    pub(super) fn fence(&mut self, order: Ordering) {
        self.threads[self.current].order.fence(order);
    }

    fn perform(&mut self, object: ObjectId, action: Action) -> u64 {
        let me = self.current;
        for at in 0..self.threads[me].beginning.len() {
            let domain = self.threads[me].beginning[at];
            self.begin_section(domain);
        }
        self.threads[me].beginning.clear();
        match action {
            Action::Load(order) | Action::Await(_, order) => {
                self.access(object, Mode::Read);
                self.acquire(object, order);
                self.object(object).value
            }
            Action::Store(value, order) => {
                self.access(object, Mode::Write);
                let state = &mut self.objects[object.0 as usize];
                state.value = value;
                state
                    .message
                    .copy_from(self.threads[me].order.written(order));
                0
            }
            Action::Update(update, success, failure) => {
                let old = self.object(object).value;
                match update.apply(old) {
                    Some(new) => self.update(object, new, success),
                    None => {
                        self.access(object, Mode::Read);
                        self.acquire(object, failure);
                        old
                    }
                }
            }
            Action::AwaitUpdate(_, update, order) => {
                let old = self.object(object).value;
                match update.apply(old) {
                    Some(new) => self.update(object, new, order),
                    None => {
                        self.access(object, Mode::Read);
                        self.acquire(object, order);
                        old
                    }
                }
            }
            Action::Lock => {
                self.access(object, Mode::Write);
                self.acquire(object, Ordering::Acquire);
                self.object(object).value = 1;
                1
            }
            Action::TryLock => {
                if self.object(object).value == 1 {
                    self.access(object, Mode::Read);
                    return 0;
                }
                self.access(object, Mode::Write);
                self.acquire(object, Ordering::Acquire);
                self.object(object).value = 1;
                1
            }
            Action::Unlock => {
                self.access(object, Mode::Write);
                let state = &mut self.objects[object.0 as usize];
                state.message.copy_from(&self.threads[me].order.known);
                state.value = 0;
                0
            }
            Action::Read | Action::ReadMarked => {
                self.access(object, Mode::Read);
                0
            }
            Action::Write => {
                self.access(object, Mode::Write);
                0
            }
            Action::GracePeriodCount => {
                self.access(object, Mode::Read);
                self.object(object).grace_periods.len() as u64
            }
            Action::GracePeriodBegin => self.begin_grace_period(object),
            Action::GracePeriodEnd(number) => {
                self.end_grace_period(object, number);
                0
            }
            // What a schedule from a file says may be anything.
            Action::Choose(below) => u64::from(self.choice().min(below.saturating_sub(1))),
            Action::Fence(_) => unreachable!("a fence is no step"),
            Action::Touch => {
                if self.sections_wait(object) {
                    self.begin_waiting_section(object);
                }
                0
            }
            Action::Free | Action::Renew | Action::Start | Action::Settle => 0,
        }
    }

    fn update(&mut self, object: ObjectId, new: u64, order: Ordering) -> u64 {
        self.access(object, Mode::Write);
        self.acquire(object, order);
        let state = &mut self.objects[object.0 as usize];
        // A read-modify-write continues the release sequence it reads from.
        let order = self.threads[self.current].order.written(order);
        state.message.join(order);
        std::mem::replace(&mut state.value, new)
    }

    fn acquire(&mut self, object: ObjectId, order: Ordering) {
        let message = &self.objects[object.0 as usize].message;
        self.threads[self.current].order.read(message, order);
    }

    fn choice(&self) -> u32 {
        if self.phase == Phase::Alone {
            return 0;
        }
        match &self.director {
            Director::Search => self.search.choice_at(self.search.depth() - 1),
            Director::Landmarks(follower) => follower.choice(),
            _ => self.choice_at(self.followed.wrapping_sub(1)),
        }
    }

    /// The current thread begins a section. Whether with a step of its own.
    pub(super) fn read_lock(&mut self, domain: ObjectId) -> bool {
        let nesting = &mut self.threads[self.current].nesting;
        let at = nesting.iter().position(|s| s.domain == domain);
        if let Some(at) = at
            && nesting[at].depth > 0
        {
            nesting[at].depth += 1;
            return false;
        }
        let sections_wait = self.sections_wait(domain);
        let nesting = Nesting {
            domain,
            reader: sections_wait.then(|| self.add_object(ObjectKind::Atomic(0), None, "section")),
            depth: 1,
        };
        let thread = &mut self.threads[self.current];
        match at {
            Some(at) => thread.nesting[at] = nesting,
            None => thread.nesting.push(nesting),
        }
        if !sections_wait {
            thread.beginning.push(domain);
        }
        sections_wait
    }

    fn sections_wait(&self, domain: ObjectId) -> bool {
        self.objects[domain.0 as usize].kind
            == ObjectKind::Domain {
                sections_wait: true,
            }
    }

    /// End a section with the thread's last step.
    pub(super) fn read_unlock(&mut self, domain: ObjectId) {
        let me = self.current;
        let thread = &mut self.threads[me];
        let mut nesting = thread.nesting.iter_mut();
        let nesting = nesting.find(|s| s.domain == domain && s.depth > 0);
        let nesting = nesting.expect("a section that ends has begun");
        nesting.depth -= 1;
        if nesting.depth > 0 {
            return;
        }
        let known = thread.order.known;
        if let Some(reader) = nesting.reader {
            self.access(domain, Mode::Read);
            self.access(reader, Mode::Write);
            let state = self.object(reader);
            state.value = SECTION_ENDED;
            state.message = known;
            let state = self.object(domain);
            state.readers.retain(|&r| r != reader);
            // What was known at its end is known to whoever waits for a grace period.
            state.sections.push(Section {
                thread: me,
                begun: 0,
                begun_at: None,
                ended: None,
                open: false,
                known,
            });
            return;
        }
        if let Some(at) = thread.beginning.iter().position(|&d| d == domain) {
            // Nothing happened in it.
            thread.beginning.remove(at);
            return;
        }
        let ended = thread.previous;
        let mut sections = self.object(domain).sections.iter_mut();
        let section = sections.rfind(|section| section.thread == me && section.open);
        let section = section.expect("a section that ends has begun");
        section.open = false;
        section.ended = ended;
        section.known = known;
    }

    /// A section of a domain whose sections may wait begins, with the current step.
    fn begin_waiting_section(&mut self, domain: ObjectId) {
        let mut nesting = self.threads[self.current].nesting.iter();
        let reader = nesting.find(|s| s.domain == domain).and_then(|s| s.reader);
        let reader = reader.expect("a section that begins is open");
        self.access(domain, Mode::Read);
        self.access(reader, Mode::Write);
        self.object(reader).value = SECTION_OPEN;
        let state = self.object(domain);
        state.readers.push(reader);
        self.know_grace_periods(domain);
    }

    /// A section of a domain whose sections do not wait begins, with the current step.
    fn begin_section(&mut self, domain: ObjectId) {
        let me = self.current;
        let begun = self.threads[me].steps;
        let begun_at = self.threads[me].previous;
        self.object(domain).sections.push(Section {
            thread: me,
            begun,
            begun_at,
            ended: None,
            open: true,
            known: Clock::ZERO,
        });
        self.know_grace_periods(domain);
    }

    /// What came before a grace period is known to the sections that begin after it.
    fn know_grace_periods(&mut self, domain: ObjectId) {
        let before = &self.objects[domain.0 as usize].message;
        self.threads[self.current].order.known.join(before);
    }

    /// Where sections do not wait, a grace period waits for those whose beginning *happens before*
    /// its own, and not for those that merely ran before it: nothing tells such an interleaving
    /// from one in which the section begins later.
    ///
    /// Nothing is lost or gained by that. Let each grace period that ended while a section was
    /// open have begun before the section did: these new edges cannot close a cycle with
    /// happens-before. On one, the edge from the beginning of grace period `i` to that of section
    /// `i` says that `i`'s end came before section `i`'s, and the path from there to the beginning
    /// of grace period `i+1` says that the latter waited for section `i`: all the way round, each
    /// end came before itself. So there is an interleaving with the same happens-before in which
    /// every grace period has waited for every section that had begun.
    ///
    /// What that leaves out is an execution that goes no further because a section waits for
    /// something that comes after the grace period: hence the condition.
    fn begin_grace_period(&mut self, domain: ObjectId) -> u64 {
        self.access(domain, Mode::Snapshot);
        let thread = &self.threads[self.current];
        let begun_at = thread.previous;
        let mut known = thread.order.known;
        let before = match self.phase {
            Phase::Alone => None,
            Phase::Concurrent => Some(self.search.clock_of_thread(thread.previous)),
        };
        let state = &mut self.objects[domain.0 as usize];
        state.message.join(&known);
        let sections = state.sections.iter().enumerate().filter(|(_, section)| {
            before
                .as_ref()
                .is_none_or(|before| before.knows(section.thread, section.begun))
        });
        let sections: Vec<usize> = sections.map(|(index, _)| index).collect();
        for &section in &sections {
            known.join(&state.sections[section].known);
        }
        state.grace_periods.push(GracePeriod {
            sections,
            readers: state.readers.clone(),
            known,
            begun_at,
            ended_at: None,
        });
        state.grace_periods.len() as u64 - 1
    }

    fn end_grace_period(&mut self, domain: ObjectId, number: u64) {
        let ended_at = self.threads[self.current].previous;
        let state = &mut self.objects[domain.0 as usize];
        state.grace_periods[number as usize].ended_at = ended_at;
        let state = &self.objects[domain.0 as usize];
        let grace_period = state.grace_periods[number as usize].clone();
        let order = &mut self.threads[self.current].order;
        order.known.join(&grace_period.known);
        for &section in &grace_period.sections {
            let section = &state.sections[section];
            order.known.join(&section.known);
            if let Some(ended) = section.ended {
                self.search.follows(ended);
            }
        }
        for reader in grace_period.readers {
            self.access(reader, Mode::Read);
            if self.phase == Phase::Concurrent {
                self.search.awaited(reader);
            }
            self.acquire(reader, Ordering::Acquire);
        }
    }

    pub(super) fn touch(&mut self, allocation: ObjectId, step: Step) {
        match step {
            Step::Last => self.use_allocation(allocation),
            Step::Next => {
                let touching = &mut self.threads[self.current].touching;
                if !touching.contains(&allocation) {
                    touching.push(allocation);
                }
            }
        }
    }

    pub(super) fn is_freed(&self, allocation: ObjectId) -> bool {
        self.objects[allocation.0 as usize].value == 1
    }

    /// Note a violation. Whether the execution goes on stands in `end`.
    pub(super) fn report(&mut self, violation: &Violation) {
        if self.end.is_some() {
            return;
        }
        let new = !self.violations.contains(&violation.kind);
        if new {
            self.violations.push(violation.kind);
        }
        if let Some(recorder) = &mut self.recorder {
            recorder.violation(ThreadId(self.current as u32), violation);
        }
        if violation.kind.is_fatal() {
            self.end = Some(End::Fatal);
        }
    }

    /// The execution goes no further if a violation was noted.
    pub(super) fn end_if_violated(&mut self) {
        if self.end.is_none() && !self.violations.is_empty() {
            self.end = Some(End::Fatal);
        }
    }

    pub(super) fn enter(&mut self, function: &'static str) {
        if let Some(recorder) = &mut self.recorder {
            recorder.enter(ThreadId(self.current as u32), function);
        }
    }

    pub(super) fn leave(&mut self) {
        if self.end.is_none()
            && let Some(recorder) = &mut self.recorder
        {
            recorder.leave(ThreadId(self.current as u32));
        }
    }

    /// The schedule of the execution that was run last.
    pub(super) fn schedule_by_key(&self) -> Vec<Scheduled<ThreadKey>> {
        let events = self.search.events().iter().enumerate();
        events
            .map(|(index, event)| Scheduled {
                thread: self.threads[event.thread].key,
                choice: self.choice_at(index),
            })
            .collect()
    }

    /// The execution is over, and not cut: find the races of what did not come about.
    pub(super) fn conclude(&mut self) {
        if self.end == Some(End::Fatal) && !self.search.is_over_bound() {
            self.analyse_waiting();
            self.search.try_all_at_end();
        }
        self.search.end_event();
    }

    /// An equivalent schedule with few switches between threads, after a violation that ended the
    /// execution without what it did not need. `None` where none was found.
    pub(super) fn calm_schedule(&self) -> Option<Vec<Scheduled<ThreadKey>>> {
        let ends = matches!(self.end, Some(End::Fatal)) && self.violations.len() == 1;
        let order = calm::order(self.search.events(), ends, &self.grace_orders())?;
        let scheduled = order.into_iter().map(|index| Scheduled {
            thread: self.threads[self.search.events()[index].thread].key,
            choice: self.choice_at(index),
        });
        Some(scheduled.collect())
    }

    /// The answer of a step that was a choice.
    fn choice_at(&self, step: usize) -> u32 {
        match &self.director {
            Director::Search => self.search.choice_at(step),
            Director::Keys(schedule) | Director::Deferring(schedule) => {
                schedule.get(step).map_or(0, |s| s.choice)
            }
            Director::Names(schedule) => schedule.get(step).map_or(0, |s| s.choice),
            Director::Priorities(priorities) => priorities.choice_at(step),
            Director::Landmarks(_) => 0,
        }
    }

    /// The grace periods and the sections that they need not have waited for, where happens-before
    /// leaves open which of them came first: see [`Execution::begin_grace_period`].
    fn grace_orders(&self) -> Vec<GraceOrder> {
        let mut orders = Vec::new();
        for domain in &self.objects {
            for grace_period in &domain.grace_periods {
                let (Some(begun), Some(ended)) = (grace_period.begun_at, grace_period.ended_at)
                else {
                    continue;
                };
                for (index, section) in domain.sections.iter().enumerate() {
                    if grace_period.sections.contains(&index) {
                        continue;
                    }
                    if let Some(section_begun) = section.begun_at {
                        orders.push(GraceOrder {
                            begun,
                            ended,
                            section_begun,
                            section_ended: section.ended,
                        });
                    }
                }
            }
        }
        orders
    }
}
