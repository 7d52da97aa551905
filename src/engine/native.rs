// SPDX-License-Identifier: GPL-2.0-only
//! The program on real threads, with real locks and a real RCU: luck.
//!
//! Atomics are those of the standard library with the orderings that were asked for, locks are raw
//! `parking_lot` mutexes, waits are its condition variables, and each domain of RCU is a
//! `crossbeam-epoch` collector: a section pins its thread, and a grace period is a deferred function
//! that has run. The program is run many times; threads take short random breaks, from a generator
//! seeded by the number of the run, so that they do not always meet in the same way.
//!
//! What it cannot do:
//!
//! * nothing follows from a run that finds nothing, and no run can be had again;
//! * races of plain memory go unnoticed: it sees what is wrong with the state and not what is wrong
//!   with the order. A use after a free is seen where it really came after the free;
//! * it keeps no trace, which would serialise the threads: a recording holds its violations only;
//! * a run that hangs is given up after [`PATIENCE`], and may have been slow only. One that spins
//!   without performing an action is waited for;
//! * the engine's own bookkeeping (creating objects, a waiter's lock) orders memory now and then, so
//!   weak behaviours are rarer than the machine allows;
//! * [`Phase`] and [`Limits::preemption_bound`] mean nothing here.

use super::{
    Exploration, Finding, Limits, Program,
    recording::{Recorder, Recording, Site},
};
use crate::sync::{
    engine::{
        Action, Body, Condition, Engine, ObjectId, ObjectKind, Ordering, Phase, Step, ThreadId,
        Update,
    },
    violation::{Violation, ViolationKind},
    with_engine,
};
use crossbeam_epoch::{Collector, Guard, LocalHandle};
use parking_lot::{
    Condvar, Mutex, RawMutex, ReentrantMutex,
    lock_api::{self, RawMutex as _, RawMutexTimed as _},
};
use std::{
    any::Any,
    cell::{Cell, RefCell},
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    rc::Rc,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize},
    },
    thread,
    time::{Duration, Instant},
};

use Ordering::{AcqRel, Acquire, Relaxed, Release};

/// How long a run may take.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// How long a waiting thread sleeps before it looks for itself. A writer looks for waiters without
/// a fence, which would hide the very reorderings that a run might show; what it misses costs this.
const NAP: Duration = Duration::from_micros(200);

/// How many times a waiting thread looks before it sleeps.
const LOOKS: u32 = 100;

/// How long threads of the pool that have nothing to do spin before they sleep.
const SPINS: u32 = 4000;

/// The longest break before a thread's first action, and before some of the others.
const START_BREAK: u32 = 200;
const BREAK: u32 = 64;

/// Run the program `runs` times, or until a limit is reached or, unless [`Limits::all`], something
/// was found. Never complete.
///
/// # Panics
///
/// Where the program itself panics.
#[must_use]
pub fn explore(program: &Program, limits: &Limits, runs: u64) -> Exploration {
    explore_patiently(program, limits, runs, PATIENCE)
}

/// [`explore`] with another idea of how long a run may take.
///
/// # Panics
///
/// Where the program itself panics.
#[must_use]
pub fn explore_patiently(
    program: &Program,
    limits: &Limits,
    runs: u64,
    patience: Duration,
) -> Exploration {
    let start = Instant::now();
    let pool = Pool(Arc::default());
    let mut exploration = Exploration::default();
    let mut reason = None;
    for number in 0..runs {
        reason = limits.reached(start, exploration.executions);
        if reason.is_some() {
            break;
        }
        let run = Arc::new(Run::new(Arc::clone(&pool.0), number, patience));
        let main = run.new_thread("main", false);
        run.thread(main, || program());
        run.wait_for_others(0);
        if let Some(message) = run.panicked.lock().take() {
            panic!("the program panicked: {message}");
        }
        if run.too_long.load(Relaxed) {
            reason = Some(format!("a run took more than {} s", patience.as_secs_f64(),));
        } else {
            exploration.executions += 1;
            limits.progress.store(exploration.executions, Relaxed);
        }
        let recording = run.take_recording();
        for violation in &recording.violations {
            if exploration
                .findings
                .iter()
                .all(|f| f.kind != violation.kind)
            {
                exploration.findings.push(Finding {
                    kind: violation.kind,
                    recording: recording.clone(),
                    after: number + 1,
                    size: None,
                });
            }
        }
        if reason.is_none() && !limits.all && !exploration.findings.is_empty() {
            reason = Some("stopped at the first violation".to_owned());
        }
        if reason.is_some() {
            break;
        }
    }
    exploration.reason = Some(reason.unwrap_or_else(|| {
        let found = match exploration.findings.len() {
            0 => "found nothing; that proves nothing",
            _ => "prove nothing about what they did not find",
        };
        format!("{} runs on real threads {found}", exploration.executions)
    }));
    exploration
}

/// Ends a thread of a run that is over: caught at its bottom.
struct Over;

/// OS threads that are kept from run to run, until this is dropped.
struct Pool(Arc<Workers>);

type Job = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct Workers {
    queue: Mutex<Queue>,
    changed: Condvar,
    /// Jobs in the queue, for a worker that looks without the lock.
    pending: AtomicUsize,
}

#[derive(Default)]
struct Queue {
    jobs: Vec<Job>,
    /// Workers that have no job. Never fewer than there are jobs: a job may wait for another one.
    idle: usize,
    closed: bool,
}

impl Workers {
    fn run(self: &Arc<Self>, job: Job) {
        let mut queue = self.queue.lock();
        queue.jobs.push(job);
        self.pending.store(queue.jobs.len(), Relaxed);
        if queue.jobs.len() > queue.idle {
            queue.idle += 1;
            let workers = Arc::clone(self);
            thread::spawn(move || workers.work());
        }
        drop(queue);
        self.changed.notify_one();
    }

    fn work(&self) {
        loop {
            // The next run is often near, and waking a thread takes longer than all of it.
            for _ in 0..SPINS {
                if self.pending.load(Relaxed) > 0 {
                    break;
                }
                std::hint::spin_loop();
            }
            let mut queue = self.queue.lock();
            let job = loop {
                if let Some(job) = queue.jobs.pop() {
                    break job;
                }
                if queue.closed {
                    return;
                }
                self.changed.wait(&mut queue);
            };
            queue.idle -= 1;
            self.pending.store(queue.jobs.len(), Relaxed);
            drop(queue);
            job();
            self.queue.lock().idle += 1;
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.0.queue.lock().closed = true;
        self.0.changed.notify_all();
    }
}

/// Objects by index. One can be looked up while another thread adds one, without a
/// read-modify-write, which would order the memory of the program. Chunk `n` holds `FIRST << n`.
struct Table {
    chunks: [OnceLock<Chunk>; 24],
}

type Chunk = Box<[OnceLock<Object>]>;

impl Table {
    const FIRST: usize = 32;

    fn new() -> Self {
        Self {
            chunks: [const { OnceLock::new() }; 24],
        }
    }

    /// The chunk of an index, and where in it.
    fn place(index: usize) -> (usize, usize) {
        let chunk = (index / Self::FIRST + 1).ilog2() as usize;
        (chunk, index - Self::FIRST * ((1 << chunk) - 1))
    }

    fn set(&self, index: usize, object: Object) {
        let (chunk, offset) = Self::place(index);
        let new = || (0..Self::FIRST << chunk).map(|_| OnceLock::new()).collect();
        let set = self.chunks[chunk].get_or_init(new)[offset].set(object);
        assert!(set.is_ok(), "an index is used once");
    }

    fn get(&self, index: usize) -> &Object {
        let (chunk, offset) = Self::place(index);
        let object = self.chunks[chunk].get().and_then(|c| c[offset].get());
        object.expect("an object that was created")
    }
}

struct Object {
    owner: Option<ObjectId>,
    form: Form,
}

enum Form {
    Word(Word),
    Lock(RawMutex),
    Plain,
    Allocation(Allocation),
    Domain(Domain),
    Thread,
}

struct Word {
    value: AtomicU64,
    gate: Gate,
}

struct Allocation {
    after: ViolationKind,
    freed: AtomicBool,
    site: OnceLock<Site>,
}

struct Domain {
    collector: Collector,
    /// Whether each is over.
    grace_periods: Mutex<Vec<Arc<AtomicBool>>>,
}

impl Object {
    fn word(&self) -> &Word {
        match &self.form {
            Form::Word(word) => word,
            _ => panic!("an atomic operation on something else"),
        }
    }

    fn lock(&self) -> &RawMutex {
        match &self.form {
            Form::Lock(lock) => lock,
            _ => panic!("an operation of a lock on something else"),
        }
    }

    fn allocation(&self) -> &Allocation {
        match &self.form {
            Form::Allocation(allocation) => allocation,
            _ => panic!("a use or a free of something else"),
        }
    }

    fn domain(&self) -> &Domain {
        match &self.form {
            Form::Domain(domain) => domain,
            _ => panic!("an operation of RCU on something else"),
        }
    }
}

/// Where threads wait.
#[derive(Default)]
struct Gate {
    waiters: AtomicU32,
    lock: Mutex<()>,
    changed: Condvar,
}

impl Gate {
    /// Sleep unless `found`, for a moment or until woken.
    fn nap<R>(&self, found: impl FnOnce() -> Option<R>) -> Option<R> {
        let mut lock = self.lock.lock();
        self.waiters.fetch_add(1, Relaxed);
        let result = found();
        if result.is_none() {
            self.changed.wait_for(&mut lock, NAP);
        }
        self.waiters.fetch_sub(1, Relaxed);
        result
    }

    fn wake(&self) {
        if self.waiters.load(Relaxed) > 0 {
            drop(self.lock.lock());
            self.changed.notify_all();
        }
    }
}

/// What the threads of a run share.
struct Run {
    workers: Arc<Workers>,
    number: u64,
    deadline: Instant,
    objects: Table,
    /// Threads that have not finished.
    live: AtomicUsize,
    /// Daemons that have not finished. Locked while one looks whether its wait is over.
    daemons: Mutex<Vec<Daemon>>,
    finished: Gate,
    /// Every thread unwinds at its next action.
    over: AtomicBool,
    too_long: AtomicBool,
    panicked: Mutex<Option<String>>,
    /// Held by the thread that makes a step and its book-keeping one.
    atomically: ReentrantMutex<()>,
    notes: Mutex<Notes>,
}

#[derive(Default)]
struct Notes {
    recorder: Recorder,
    objects: u32,
    threads: u32,
    /// Where the object of each violation was freed.
    freed: Vec<Option<Site>>,
}

/// A thread before it runs.
#[derive(Clone, Copy)]
struct NewThread {
    id: ThreadId,
    object: ObjectId,
    daemon: bool,
}

/// A thread that may wait forever.
struct Daemon {
    id: ThreadId,
    /// What it waits for.
    waits: Option<(ObjectId, Condition)>,
    /// It does not go on: the others have settled without it.
    ended: bool,
}

impl Run {
    fn new(workers: Arc<Workers>, number: u64, patience: Duration) -> Self {
        Self {
            workers,
            number,
            deadline: Instant::now() + patience,
            objects: Table::new(),
            live: AtomicUsize::new(0),
            daemons: Mutex::new(Vec::new()),
            finished: Gate::default(),
            over: AtomicBool::new(false),
            too_long: AtomicBool::new(false),
            panicked: Mutex::new(None),
            atomically: ReentrantMutex::new(()),
            notes: Mutex::new(Notes::default()),
        }
    }

    fn object(&self, id: ObjectId) -> &Object {
        self.objects.get(id.0 as usize)
    }

    fn new_thread(&self, name: &str, daemon: bool) -> NewThread {
        self.live.fetch_add(1, Relaxed);
        let mut notes = self.notes.lock();
        let id = ThreadId(notes.threads);
        notes.threads += 1;
        notes.recorder.thread(name);
        let form = Form::Thread;
        let object = self.add(&mut notes, id, ObjectKind::Thread, None, "thread", form);
        if daemon {
            self.daemons.lock().push(Daemon {
                id,
                waits: None,
                ended: false,
            });
        }
        NewThread { id, object, daemon }
    }

    fn add(
        &self,
        notes: &mut Notes,
        by: ThreadId,
        kind: ObjectKind,
        owner: Option<ObjectId>,
        name: &'static str,
        form: Form,
    ) -> ObjectId {
        let id = ObjectId(notes.objects);
        notes.objects += 1;
        notes.recorder.object(by, kind, owner, name);
        self.objects.set(id.0 as usize, Object { owner, form });
        id
    }

    /// Run a thread of the model on this OS thread.
    fn thread(self: &Arc<Self>, new: NewThread, body: impl FnOnce()) {
        let engine = Rc::new(Thread::new(Arc::clone(self), new));
        let result = catch_unwind(AssertUnwindSafe(|| {
            with_engine(Rc::clone(&engine) as Rc<dyn Engine>, || {
                engine.take_a_break(START_BREAK);
                engine.go_on();
                body();
            });
        }));
        if let Err(payload) = result
            && !payload.is::<Over>()
        {
            *self.panicked.lock() = Some(message_of(&*payload).to_owned());
            self.over.store(true, Relaxed);
        }
        drop(engine);
        if new.daemon {
            self.daemons.lock().retain(|daemon| daemon.id != new.id);
        }
        self.live.fetch_sub(1, Release);
        self.finished.wake();
    }

    fn is_over(&self) -> bool {
        self.over.load(Relaxed)
    }

    fn look_at_the_clock(&self) {
        if Instant::now() >= self.deadline && !self.over.swap(true, Relaxed) {
            self.too_long.store(true, Relaxed);
        }
    }

    /// Whether only `others` threads have not finished. Where the rest are daemons that wait, they
    /// are told to end: nothing is left that could end their waits.
    fn have_others_finished(&self, others: usize) -> Option<()> {
        let live = self.live.load(Acquire);
        if live == others {
            return Some(());
        }
        let mut daemons = self.daemons.lock();
        // Read again: one that has finished meanwhile is not among them.
        if self.live.load(Acquire) == others + daemons.len()
            && daemons.iter().all(|daemon| self.is_waiting(daemon))
        {
            for daemon in &mut *daemons {
                daemon.ended = true;
            }
        }
        None
    }

    fn is_waiting(&self, daemon: &Daemon) -> bool {
        daemon.waits.is_some_and(|(object, condition)| {
            let value = self.object(object).word().value.load(Acquire);
            !condition.holds(value)
        })
    }

    /// Wait until only `others` threads have not finished.
    fn wait_for_others(&self, others: usize) {
        let done = || self.have_others_finished(others);
        for _ in 0..SPINS {
            if done().is_some() {
                return;
            }
            std::hint::spin_loop();
        }
        while self.finished.nap(done).is_none() {
            self.look_at_the_clock();
        }
    }

    fn take_recording(&self) -> Recording {
        let mut notes = self.notes.lock();
        let mut recording = notes.recorder.take();
        for (violation, freed) in recording.violations.iter_mut().zip(&notes.freed) {
            if let Some(life) = &mut violation.life {
                life.freed.clone_from(freed);
            }
        }
        recording
    }
}

/// A thread of a run: the engine that its primitives talk to.
struct Thread {
    run: Arc<Run>,
    id: ThreadId,
    object: ObjectId,
    daemon: bool,
    functions: RefCell<Vec<&'static str>>,
    breaks: Random,
    choices: Random,
    steps: Cell<u32>,
    held: RefCell<Vec<(ObjectId, <RawMutex as lock_api::RawMutex>::Guard)>>,
    sections: RefCell<BTreeMap<ObjectId, Sections>>,
}

/// What a thread has to do with a domain.
struct Sections {
    // Dropped before the handle.
    open: Vec<Guard>,
    handle: LocalHandle,
}

impl Thread {
    fn new(run: Arc<Run>, new: NewThread) -> Self {
        let NewThread { id, object, daemon } = new;
        let seed = run.number << 8 | u64::from(id.0);
        Self {
            run,
            id,
            object,
            daemon,
            functions: RefCell::new(Vec::new()),
            breaks: Random::new(seed),
            choices: Random::new(!seed),
            steps: Cell::new(0),
            held: RefCell::new(Vec::new()),
            sections: RefCell::new(BTreeMap::new()),
        }
    }

    fn take_a_break(&self, longest: u32) {
        for _ in 0..self.breaks.below(longest) {
            std::hint::spin_loop();
        }
    }

    /// Unwind if the run is over.
    fn go_on(&self) {
        if self.run.is_over() {
            resume_unwind(Box::new(Over));
        }
    }

    /// Wait until there is an answer.
    fn wait<R>(&self, gate: &Gate, mut answer: impl FnMut() -> Option<R>) -> R {
        for _ in 0..LOOKS {
            if let Some(answer) = answer() {
                return answer;
            }
            std::hint::spin_loop();
        }
        loop {
            if let Some(answer) = gate.nap(&mut answer) {
                return answer;
            }
            self.run.look_at_the_clock();
            self.go_on();
        }
    }

    /// Wait until `answer` finds that the condition holds.
    fn wait_for<R>(
        &self,
        id: ObjectId,
        condition: Condition,
        mut answer: impl FnMut(&Word) -> Option<R>,
    ) -> R {
        let word = self.run.object(id).word();
        if !self.daemon {
            return self.wait(&word.gate, || answer(word));
        }
        self.wait(&word.gate, || {
            let mut daemons = self.run.daemons.lock();
            let me = daemons.iter_mut().find(|daemon| daemon.id == self.id);
            let me = me.expect("a daemon that runs has not finished");
            if me.ended {
                drop(daemons);
                resume_unwind(Box::new(Over));
            }
            let answer = answer(word);
            me.waits = answer.is_none().then_some((id, condition));
            answer
        })
    }

    fn site(&self) -> Site {
        let notes = self.run.notes.lock();
        Site {
            step: 0,
            context: notes.recorder.thread_name(self.id).to_owned(),
            function: self.functions.borrow().last().copied().unwrap_or(""),
            functions: self.functions.borrow().clone(),
        }
    }

    fn violation(&self, violation: &Violation) {
        let object = violation.object.map(|id| self.run.object(id));
        let allocation = object.map(|o| o.owner.map_or(o, |owner| self.run.object(owner)));
        let freed = allocation.and_then(|allocation| match &allocation.form {
            Form::Allocation(allocation) => allocation.site.get().cloned(),
            _ => None,
        });
        let mut notes = self.run.notes.lock();
        // What the others do after a violation that ended the run is of no interest.
        self.go_on();
        self.noted(&mut notes, |recorder| {
            recorder.violation(self.id, violation);
        });
        notes.freed.push(freed);
        if violation.kind.is_fatal() {
            self.run.over.store(true, Relaxed);
            drop(notes);
            self.go_on();
        }
    }

    /// Let the recorder know in which functions this thread is while `f` runs.
    fn noted(&self, notes: &mut Notes, f: impl FnOnce(&mut Recorder)) {
        let functions = self.functions.borrow();
        for function in &*functions {
            notes.recorder.enter(self.id, function);
        }
        f(&mut notes.recorder);
        for _ in &*functions {
            notes.recorder.leave(self.id);
        }
    }

    fn use_of(&self, id: ObjectId) {
        let allocation = self.run.object(id).allocation();
        if allocation.freed.load(Relaxed) {
            let message = "used after it was freed";
            self.violation(&Violation::on(allocation.after, id, message));
        }
    }

    fn free(&self, id: ObjectId) {
        let allocation = self.run.object(id).allocation();
        if allocation.freed.swap(true, Relaxed) {
            let kind = ViolationKind::DoubleFree;
            self.violation(&Violation::on(kind, id, "freed a second time"));
        } else {
            let _ = allocation.site.set(self.site());
        }
    }

    fn with_sections<R>(&self, id: ObjectId, f: impl FnOnce(&mut Sections) -> R) -> R {
        let mut sections = self.sections.borrow_mut();
        f(sections.entry(id).or_insert_with(|| Sections {
            open: Vec::new(),
            handle: self.run.object(id).domain().collector.register(),
        }))
    }

    fn begin_grace_period(&self, id: ObjectId) -> u64 {
        let over = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&over);
        self.with_sections(id, |sections| {
            let guard = sections.handle.pin();
            guard.defer(move || flag.store(true, Release));
            guard.flush();
        });
        let mut grace_periods = self.run.object(id).domain().grace_periods.lock();
        grace_periods.push(over);
        grace_periods.len() as u64 - 1
    }

    fn end_grace_period(&self, id: ObjectId, number: u64) {
        let grace_periods = self.run.object(id).domain().grace_periods.lock();
        let over = Arc::clone(&grace_periods[number as usize]);
        drop(grace_periods);
        // Nobody wakes this one: it is the waiting that moves the epoch.
        self.wait(&Gate::default(), || {
            if over.load(Acquire) {
                return Some(());
            }
            self.with_sections(id, |sections| sections.handle.pin().flush());
            None
        });
    }

    fn act(&self, id: ObjectId, action: Action) -> u64 {
        let object = self.run.object(id);
        match action {
            Action::Load(order) => object.word().value.load(load_part(order)),
            Action::Store(value, order) => {
                let word = object.word();
                word.value.store(value, store_part(order));
                word.gate.wake();
                0
            }
            Action::Update(update, success, failure) => {
                let word = object.word();
                let old = word.update(update, success, failure);
                word.gate.wake();
                old
            }
            Action::Await(condition, order) => self.wait_for(id, condition, |word| {
                let value = word.value.load(load_part(order));
                condition.holds(value).then_some(value)
            }),
            Action::AwaitUpdate(condition, update, order) => {
                let old = self.wait_for(id, condition, |word| {
                    word.update_if(condition, update, order)
                });
                object.word().gate.wake();
                old
            }
            Action::Fence(order) => {
                if order != Relaxed {
                    std::sync::atomic::fence(order);
                }
                0
            }
            Action::Lock => {
                let guard = loop {
                    if let Some(guard) = object.lock().try_lock_for(NAP) {
                        break guard;
                    }
                    self.run.look_at_the_clock();
                    self.go_on();
                };
                self.held.borrow_mut().push((id, guard));
                1
            }
            Action::TryLock => {
                let guard = object.lock().try_lock();
                let taken = guard.is_some();
                self.held
                    .borrow_mut()
                    .extend(guard.map(|guard| (id, guard)));
                u64::from(taken)
            }
            Action::Unlock => {
                let mut held = self.held.borrow_mut();
                let place = held.iter().position(|(lock, _)| *lock == id);
                let (_, guard) = held.swap_remove(place.expect("a lock that this thread holds"));
                #[expect(
                    unsafe_code,
                    reason = "a raw mutex, as lock and unlock are two actions"
                )]
                // SAFETY: this thread took the lock, and has not given it back: it had the guard.
                unsafe {
                    object.lock().unlock(guard);
                }
                0
            }
            Action::Touch => {
                self.use_of(id);
                0
            }
            Action::Free => {
                self.free(id);
                0
            }
            Action::GracePeriodBegin => self.begin_grace_period(id),
            Action::GracePeriodEnd(number) => {
                self.end_grace_period(id, number);
                0
            }
            Action::Choose(alternatives) => u64::from(self.choices.below(alternatives)),
            Action::Settle => {
                let run = &self.run;
                self.wait(&run.finished, || run.have_others_finished(1));
                0
            }
            Action::Renew => {
                object.allocation().freed.store(false, Relaxed);
                0
            }
            Action::GracePeriodCount => object.domain().grace_periods.lock().len() as u64,
            Action::Read | Action::ReadMarked | Action::Write | Action::Start => 0,
        }
    }
}

impl Word {
    fn update(&self, update: Update, success: Ordering, failure: Ordering) -> u64 {
        let value = &self.value;
        let failure = load_part(failure);
        match update {
            Update::Add(n) => value.fetch_add(n, success),
            Update::Sub(n) => value.fetch_sub(n, success),
            Update::Or(bits) => value.fetch_or(bits, success),
            Update::AndNot(bits) => value.fetch_and(!bits, success),
            Update::Swap(new) => value.swap(new, success),
            Update::Xor(bits) => value.fetch_xor(bits, success),
            Update::CompareExchange { old, new } => value
                .compare_exchange(old, new, success, failure)
                .unwrap_or_else(|found| found),
            Update::AddUnless { .. } | Update::When { .. } | Update::AddWithin { .. } => value
                .fetch_update(success, failure, |old| update.apply(old))
                .unwrap_or_else(|found| found),
        }
    }

    /// The update, if the condition holds before it.
    fn update_if(&self, condition: Condition, update: Update, order: Ordering) -> Option<u64> {
        let next = |old| condition.holds(old).then(|| update.apply(old)).flatten();
        match self.value.fetch_update(order, load_part(order), next) {
            Ok(old) => Some(old),
            Err(old) => condition.holds(old).then_some(old),
        }
    }
}

impl Engine for Thread {
    fn create(&self, kind: ObjectKind, owner: Option<ObjectId>, name: &'static str) -> ObjectId {
        let form = match kind {
            ObjectKind::Atomic(value) => Form::Word(Word {
                value: AtomicU64::new(value),
                gate: Gate::default(),
            }),
            ObjectKind::Lock => Form::Lock(RawMutex::INIT),
            ObjectKind::Plain(_) => Form::Plain,
            ObjectKind::Allocation(after) => Form::Allocation(Allocation {
                after,
                freed: AtomicBool::new(false),
                site: OnceLock::new(),
            }),
            ObjectKind::Domain { .. } => Form::Domain(Domain {
                collector: Collector::new(),
                grace_periods: Mutex::new(Vec::new()),
            }),
            ObjectKind::Shadow | ObjectKind::Thread => Form::Thread,
        };
        let mut notes = self.run.notes.lock();
        let function = self.functions.borrow().last().copied();
        let function = function.filter(|_| matches!(kind, ObjectKind::Allocation(_)));
        if let Some(function) = function {
            notes.recorder.enter(self.id, function);
        }
        let id = self.run.add(&mut notes, self.id, kind, owner, name, form);
        if function.is_some() {
            notes.recorder.leave(self.id);
        }
        id
    }

    fn perform(&self, object: ObjectId, action: Action) -> u64 {
        if thread::panicking() {
            return 0;
        }
        self.go_on();
        let steps = self.steps.get() + 1;
        self.steps.set(steps);
        if steps.is_multiple_of(1024) {
            self.run.look_at_the_clock();
        }
        if self.breaks.below(8) == 0 {
            self.take_a_break(BREAK);
        }
        // Before the action: it may be what lets another thread free the allocation.
        if let Some(owner) = self.run.object(object).owner {
            self.use_of(owner);
        }
        self.act(object, action)
    }

    fn touch(&self, allocation: ObjectId, _step: Step) {
        if !thread::panicking() {
            self.use_of(allocation);
        }
    }

    fn is_freed(&self, allocation: ObjectId) -> bool {
        let object = self.run.object(allocation);
        object.allocation().freed.load(Relaxed)
    }

    fn read_lock(&self, domain: ObjectId) {
        self.with_sections(domain, |sections| {
            let guard = sections.handle.pin();
            sections.open.push(guard);
        });
    }

    fn read_unlock(&self, domain: ObjectId) {
        self.with_sections(domain, |sections| sections.open.pop());
    }

    fn spawn(&self, name: &str, daemon: bool, body: Body) -> ThreadId {
        let new = self.run.new_thread(name, daemon);
        let run = Arc::clone(&self.run);
        let job = Box::new(move || run.thread(new, body));
        self.run.workers.run(job);
        new.id
    }

    fn current(&self) -> ThreadId {
        self.id
    }

    fn current_object(&self) -> ObjectId {
        self.object
    }

    fn set_phase(&self, _phase: Phase) {}

    fn report(&self, violation: Violation) {
        if !thread::panicking() {
            self.violation(&violation);
        }
    }

    fn enter(&self, function: &'static str) {
        self.functions.borrow_mut().push(function);
    }

    fn leave(&self) {
        self.functions.borrow_mut().pop();
    }

    fn object_name(&self, object: ObjectId) -> String {
        let notes = self.run.notes.lock();
        notes.recorder.object_name(object).to_owned()
    }

    fn atomically(&self, f: &mut dyn FnMut()) {
        let _one_at_a_time = self.run.atomically.lock();
        f();
    }

    fn is_over(&self) -> bool {
        self.run.is_over() || thread::panicking()
    }
}

/// What of an ordering applies to a load.
fn load_part(order: Ordering) -> Ordering {
    match order {
        Release => Relaxed,
        AcqRel => Acquire,
        other => other,
    }
}

/// What of an ordering applies to a store.
fn store_part(order: Ordering) -> Ordering {
    match order {
        Acquire => Relaxed,
        AcqRel => Release,
        other => other,
    }
}

fn message_of(payload: &(dyn Any + Send)) -> &str {
    if let Some(message) = payload.downcast_ref::<String>() {
        message
    } else if let Some(message) = payload.downcast_ref::<&str>() {
        message
    } else {
        ""
    }
}

/// Marsaglia's xorshift: the same numbers for the same seed.
struct Random(Cell<u64>);

impl Random {
    fn new(seed: u64) -> Self {
        // Spread seeds that are near each other, and avoid 0, which stays 0.
        Self(Cell::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1))
    }

    fn below(&self, limit: u32) -> u32 {
        let mut x = self.0.get();
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        self.0.set(x);
        ((x >> 32) % u64::from(limit)) as u32
    }
}
