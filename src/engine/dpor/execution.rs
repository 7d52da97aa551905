// SPDX-License-Identifier: GPL-2.0-only
//! One execution: the objects, the threads, and what an action does to them.

use super::{
    access::Mode,
    clock::{Clock, MAX_THREADS},
    order::{PlainOrder, ThreadOrder},
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
    /// A schedule by name, which is followed as far as it fits.
    Names(Vec<Scheduled<String>>),
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
    finished: bool,
    steps: u16,
    /// Its last event, or the one that began it.
    previous: Option<usize>,
    /// How deep it is in the read-side critical sections of a domain.
    nesting: Vec<Section>,
    /// Allocations used with the next step.
    touching: Vec<ObjectId>,
    order: ThreadOrder,
}

/// A thread's sections of one domain.
#[derive(Clone, Copy, Debug)]
struct Section {
    domain: ObjectId,
    /// Stands for the section that was begun last: 0 before it begins, 1 while it is open, 2 from
    /// its end. The next section is another object, or the end of a grace period that waited for
    /// this one would seem to depend on it.
    reader: ObjectId,
    depth: u32,
}

#[derive(Clone, Debug)]
struct GracePeriod {
    /// The sections it waits for.
    readers: Vec<ObjectId>,
    /// What was known when it began.
    known: Clock,
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
    /// Of a domain: the open sections, and the grace periods begun.
    readers: Vec<ObjectId>,
    grace_periods: Vec<GracePeriod>,
}

/// The state of one execution, and the search it belongs to.
#[derive(Debug)]
pub(super) struct Execution {
    threads: Vec<Thread>,
    objects: Vec<Object>,
    phase: Phase,
    current: usize,
    pub(super) end: Option<End>,
    pub(super) director: Director,
    /// How far a schedule has been followed.
    pub(super) followed: usize,
    pub(super) search: Search,
    pub(super) recorder: Option<Recorder>,
    /// Kinds of violation of this execution, in order.
    pub(super) violations: Vec<ViolationKind>,
}

/// The value of what stands for a section, once it has ended.
const SECTION_ENDED: u64 = 2;

/// The most steps an execution may have.
const STEP_LIMIT: usize = 60_000;

impl Execution {
    pub(super) fn new() -> Self {
        Self {
            threads: Vec::new(),
            objects: Vec::new(),
            phase: Phase::Alone,
            current: 0,
            end: None,
            director: Director::Search,
            followed: 0,
            search: Search::default(),
            recorder: None,
            violations: Vec::new(),
        }
    }

    /// Begin the next execution with its first thread.
    pub(super) fn restart(&mut self, record: bool) {
        self.threads.clear();
        self.objects.clear();
        self.phase = Phase::Alone;
        self.current = 0;
        self.end = None;
        self.followed = 0;
        self.violations.clear();
        self.recorder = record.then(Recorder::new);
        self.search.restart();
        self.add_thread("main", 1);
    }

    pub(super) fn take_recording(&mut self) -> Recording {
        self.recorder
            .as_mut()
            .map(Recorder::take)
            .unwrap_or_default()
    }

    fn add_thread(&mut self, name: &str, key: ThreadKey) -> usize {
        let thread = self.threads.len();
        if let Some(recorder) = &mut self.recorder {
            recorder.thread(name);
        }
        let object = self.add_object(ObjectKind::Thread, None, "thread");
        let parent = self.threads.get(self.current);
        let concurrent = self.phase == Phase::Concurrent;
        let (previous, known) = match parent {
            Some(parent) if concurrent => (parent.previous, parent.order.known),
            _ => (None, Clock::ZERO),
        };
        self.threads.push(Thread {
            name: name.to_owned(),
            key,
            children: 0,
            object,
            request: Some(Request {
                object,
                action: Action::Start,
            }),
            finished: false,
            steps: 0,
            previous,
            nesting: Vec::new(),
            touching: Vec::new(),
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
    pub(super) fn spawn(&mut self, name: &str) -> Option<usize> {
        if self.threads.len() == MAX_THREADS {
            self.end = Some(End::Cut(format!(
                "an execution has more than {MAX_THREADS} contexts"
            )));
            return None;
        }
        let parent = &mut self.threads[self.current];
        parent.children += 1;
        let key = parent
            .key
            .checked_mul(64)
            .and_then(|key| key.checked_add(u128::from(parent.children)));
        let (Some(key), true) = (key, parent.children < 64) else {
            self.end = Some(End::Cut(
                "contexts that begin contexts are nested too deep".to_owned(),
            ));
            return None;
        };
        Some(self.add_thread(name, key))
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
                let readers = &domain.grace_periods[number as usize].readers;
                readers
                    .iter()
                    .all(|reader| self.objects[reader.0 as usize].value == SECTION_ENDED)
            }
            Action::Settle => {
                let mut others = self.threads.iter().enumerate();
                others.all(|(other, state)| other == thread || state.finished)
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
        match &self.director {
            Director::Search => self.schedule_search(),
            Director::Keys(schedule) => {
                let thread = match schedule.get(self.followed) {
                    Some(step) => self.threads.iter().position(|t| t.key == step.thread),
                    None => return self.schedule_rest(),
                };
                self.schedule_given(thread)
            }
            Director::Names(schedule) => {
                let Some(step) = schedule.get(self.followed) else {
                    return self.schedule_rest();
                };
                let recorder = self.recorder.as_ref().expect("a replay is recorded");
                let thread = (0..self.threads.len())
                    .find(|&t| recorder.thread_name(ThreadId(t as u32)) == step.thread);
                self.schedule_given(thread)
            }
        }
    }

    fn schedule_search(&mut self) -> Option<usize> {
        self.search.end_event();
        if self.search.depth() >= STEP_LIMIT {
            self.end = Some(End::Cut(format!(
                "an execution has more than {STEP_LIMIT} steps"
            )));
            return None;
        }
        if self.search.is_replaying() {
            let node = self.search.expected();
            let (thread, expected) = (node.thread, node.request);
            let request = self.threads.get(thread).and_then(|t| t.request);
            if self.search.is_at_new_choice()
                && let Some(request) = request
            {
                self.search.set_request(request);
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

    fn schedule_given(&mut self, thread: Option<usize>) -> Option<usize> {
        let step = self.followed;
        match thread {
            Some(thread) if self.is_enabled(thread) => {
                self.followed += 1;
                Some(thread)
            }
            _ => {
                self.end = Some(End::Cut(format!(
                    "step {} of the schedule is not possible",
                    step + 1
                )));
                None
            }
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
                let request = self.threads[t].request;
                request.is_some_and(|r| r.action != Action::Settle)
            })
            .collect();
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
            thread.order = ThreadOrder::beginning(Clock::ZERO);
            thread.previous = None;
            thread.steps = 0;
        }
        for object in &mut self.objects {
            object.message = Clock::ZERO;
            object.plain = PlainOrder::NEW;
        }
    }

    fn access(&mut self, object: ObjectId, mode: Mode) {
        if self.phase == Phase::Concurrent {
            let old = self.object(object).value;
            self.search.access(object, mode, old);
        }
    }

    /// The current thread performs the step that it asked for.
    pub(super) fn step(&mut self) -> u64 {
        let me = self.current;
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
        }
        self.check_after(object, action);
        saw
    }

    /// The lifetimes and races that the step is about. After it was recorded, so that a violation
    /// is the last thing to be told.
    fn check_after(&mut self, object: ObjectId, action: Action) {
        let me = self.current;
        if !self.threads[me].touching.is_empty() {
            for allocation in std::mem::take(&mut self.threads[me].touching) {
                self.use_allocation(allocation);
            }
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
        let (step, known) = (thread.steps, thread.order.known);
        let state = self.object(object);
        let races = match action {
            Action::Read => state.plain.read(me, step, &known),
            _ => state.plain.write(me, step, &known),
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

    fn perform(&mut self, object: ObjectId, action: Action) -> u64 {
        let me = self.current;
        match action {
            Action::Load(order) | Action::Await(_, order) => {
                self.access(object, Mode::Read);
                self.acquire(object, order);
                self.object(object).value
            }
            Action::Store(value, order) => {
                self.access(object, Mode::Write);
                let message = self.threads[me].order.written(order);
                let state = self.object(object);
                state.value = value;
                state.message = message;
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
                let new = update.apply(old).unwrap_or(old);
                self.update(object, new, order)
            }
            Action::Fence(order) => {
                self.threads[me].order.fence(order);
                0
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
                let message = self.threads[me].order.known;
                let state = self.object(object);
                state.message = message;
                state.value = 0;
                0
            }
            Action::Read => {
                self.access(object, Mode::Read);
                0
            }
            Action::Write => {
                self.access(object, Mode::Write);
                0
            }
            Action::GracePeriodBegin => self.begin_grace_period(object),
            Action::GracePeriodEnd(number) => {
                self.end_grace_period(object, number);
                0
            }
            Action::Choose(_) => u64::from(self.choice()),
            Action::Touch => {
                if self.object(object).kind == ObjectKind::Domain {
                    self.begin_section(object);
                }
                0
            }
            Action::Free | Action::Start | Action::Settle => 0,
        }
    }

    fn update(&mut self, object: ObjectId, new: u64, order: Ordering) -> u64 {
        self.access(object, Mode::Write);
        self.acquire(object, order);
        let message = self.threads[self.current].order.written(order);
        let state = self.object(object);
        // A read-modify-write continues the release sequence it reads from.
        state.message.join(&message);
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
        let this = self.followed.wrapping_sub(1);
        match &self.director {
            Director::Search => self.search.choice_at(self.search.depth() - 1),
            Director::Keys(schedule) => schedule.get(this).map_or(0, |s| s.choice),
            Director::Names(schedule) => schedule.get(this).map_or(0, |s| s.choice),
        }
    }

    /// Whether the current thread has to begin a section, with a step.
    pub(super) fn read_lock(&mut self, domain: ObjectId) -> bool {
        let nesting = &mut self.threads[self.current].nesting;
        let at = nesting.iter().position(|s| s.domain == domain);
        if let Some(at) = at
            && nesting[at].depth > 0
        {
            nesting[at].depth += 1;
            return false;
        }
        let section = Section {
            domain,
            reader: self.add_object(ObjectKind::Atomic(0), None, "reader"),
            depth: 1,
        };
        let nesting = &mut self.threads[self.current].nesting;
        match at {
            Some(at) => nesting[at] = section,
            None => nesting.push(section),
        }
        true
    }

    pub(super) fn read_unlock(&mut self, domain: ObjectId) {
        let thread = &mut self.threads[self.current];
        let section = thread
            .nesting
            .iter_mut()
            .find(|s| s.domain == domain && s.depth > 0)
            .expect("a section that ends has begun");
        section.depth -= 1;
        if section.depth > 0 {
            return;
        }
        let reader = section.reader;
        self.access(domain, Mode::Read);
        self.access(reader, Mode::Write);
        let known = self.threads[self.current].order.known;
        let state = self.object(reader);
        state.value = SECTION_ENDED;
        state.message = known;
        let domain = self.object(domain);
        domain.readers.retain(|&r| r != reader);
        domain.plain.ended(&known);
    }

    fn begin_section(&mut self, domain: ObjectId) {
        let thread = &self.threads[self.current];
        let section = thread.nesting.iter().find(|s| s.domain == domain);
        let reader = section.expect("a section that begins is open").reader;
        self.access(domain, Mode::Read);
        self.access(reader, Mode::Write);
        self.object(reader).value += 1;
        let state = self.object(domain);
        state.readers.push(reader);
        // What came before a grace period is known to the sections that begin after it.
        let begun = state.message;
        self.threads[self.current].order.known.join(&begun);
    }

    fn begin_grace_period(&mut self, domain: ObjectId) -> u64 {
        self.access(domain, Mode::Snapshot);
        let mut known = self.threads[self.current].order.known;
        let readers = self.object(domain).readers.clone();
        let state = self.object(domain);
        state.message.join(&known);
        known.join(&state.plain.all_ended());
        state.grace_periods.push(GracePeriod { readers, known });
        state.grace_periods.len() as u64 - 1
    }

    fn end_grace_period(&mut self, domain: ObjectId, number: u64) {
        let state = self.object(domain);
        let GracePeriod { readers, known } = state.grace_periods[number as usize].clone();
        self.threads[self.current].order.known.join(&known);
        for reader in readers {
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

    /// The schedule of the execution that the search has just run.
    pub(super) fn schedule_by_key(&self) -> Vec<Scheduled<ThreadKey>> {
        let events = self.search.events().iter().enumerate();
        events
            .map(|(index, event)| Scheduled {
                thread: self.threads[event.thread].key,
                choice: self.search.choice_at(index),
            })
            .collect()
    }

    /// An equivalent schedule with few switches between threads: steps that nothing forces apart
    /// are moved together, and after a violation that ended the execution, what it did not need
    /// is left out.
    pub(super) fn calm_schedule(&self) -> Vec<Scheduled<ThreadKey>> {
        let events = self.search.events();
        let ended = matches!(self.end, Some(End::Fatal));
        let needed = |index: usize| {
            let last = events.last().expect("called with events");
            !ended || self.violations.len() > 1 || {
                let event = &events[index];
                last.clock.knows(event.thread, event.number)
            }
        };
        let wanted: Vec<usize> = (0..events.len()).filter(|&i| needed(i)).collect();
        let threads: Vec<usize> = {
            let mut threads: Vec<usize> = wanted.iter().map(|&i| events[i].thread).collect();
            threads.sort_unstable();
            threads.dedup();
            threads
        };
        let best = threads
            .iter()
            .map(|&first| calm_order(events, &wanted, first))
            .min_by_key(|(switches, _)| *switches);
        let order = best.map(|(_, order)| order).unwrap_or_default();
        order
            .into_iter()
            .map(|index| Scheduled {
                thread: self.threads[events[index].thread].key,
                choice: self.search.choice_at(index),
            })
            .collect()
    }
}

/// The events `wanted` in an order that respects their clocks, in which a thread goes on as long as
/// it can, and the number of switches in it.
fn calm_order(
    events: &[super::search::Event],
    wanted: &[usize],
    first: usize,
) -> (usize, Vec<usize>) {
    let mut left: Vec<usize> = wanted.to_vec();
    let mut order = Vec::with_capacity(left.len());
    let mut switches = 0;
    let mut current = first;
    while !left.is_empty() {
        let is_ready = |&index: &usize| {
            let event = &events[index];
            !left.iter().any(|&other| {
                other < index
                    && event
                        .clock
                        .knows(events[other].thread, events[other].number)
            })
        };
        let ready: Vec<usize> = left.iter().copied().filter(|i| is_ready(i)).collect();
        let next = ready
            .iter()
            .copied()
            .find(|&i| events[i].thread == current)
            .unwrap_or_else(|| ready[0]);
        if events[next].thread != current {
            switches += 1;
            current = events[next].thread;
        }
        left.retain(|&i| i != next);
        order.push(next);
    }
    (switches, order)
}
