// SPDX-License-Identifier: GPL-2.0-only
//! The program on [loom]: a search under a C11-like memory model.
//!
//! Every primitive of [`crate::sync`] becomes loom's own where that can be trusted. Where it cannot,
//! it is built from loom's atomics and its `park`:
//!
//! * A wait checks its word, and parks the thread where the condition fails. The last check before
//!   that is a compare-exchange bound to fail, since that is what reads the newest value; loom has no scheduling
//!   point between it and the park, nor between a write and the unpark that follows, so no wake-up
//!   is lost and a writer pays nothing. (A loom `Condvar` would cost two more steps for each write.)
//! * A lock is a word and such a wait, for loom's mutex never lets a `try_lock` fail. It costs more
//!   executions, for giving the lock back is a step too.
//! * A read-side critical section adds to a word of its thread, odd while the section lasts. A grace
//!   period reads all these words with read-modify-writes and waits for the odd ones: readers are
//!   ordered with grace periods and not with one another.
//! * A conditional read-modify-write is a compare-exchange that starts from the value written last,
//!   so that it is one step and not a load and another. A load would also hide what came before it
//!   from loom's reduction, which looks at the last access of an object only.
//! * A choice is made outside loom: its search is run once for each combination of answers.
//! * The life of an allocation is a loom cell: a use reads it, the free writes it, and loom reports
//!   two of them that nothing orders, in whatever order this execution had them.
//!
//! What it cannot do, and why its silence is no proof:
//!
//! * its reduction skips legal executions;
//! * it shows some that are not legal: a store can come between the value that a concurrent
//!   read-modify-write of the same word read and the one it wrote. What it finds in a program where
//!   stores race with read-modify-writes of one word has to be looked at;
//! * sequentially consistent accesses are treated as acquire and release, fences are exact; no load
//!   is satisfied by a later store (load buffering); no dependency orders anything, so an object
//!   that is published must be published with release and found with acquire; a compare-exchange
//!   that fails has read the newest value, and one of the last seven is all that a load can read;
//! * a wake-up orders the woken thread after the write that woke it, whatever its ordering;
//! * five threads in an execution, the first one included. Threads of the model share them: see the
//!   module `threads` for what that leaves out.

mod object;
mod threads;

use super::quiet::{Quiet, message_of};
use super::{Exploration, Finding, Limits, Program, recording::Recorder};
use crate::sync::{
    engine::{
        Action, Body, Condition, Engine, ObjectId, ObjectKind, Ordering, Phase, Step, ThreadId,
        Update,
    },
    violation::{Violation, ViolationKind},
    with_engine,
};
use ::loom::{
    MAX_THREADS, cell::UnsafeCell, model::Builder, sync::atomic::AtomicU64, sync::atomic::fence,
    thread as lt,
};
use corosensei::stack::DefaultStack;
use object::{Allocation, Domain, Form, Object, Tracked, Word, load_part, store_part};
use std::{
    any::Any,
    cell::{Cell, RefCell},
    collections::VecDeque,
    fmt::Write as _,
    panic::{catch_unwind, resume_unwind},
    rc::Rc,
    time::Instant,
};
use threads::{Carrier, FIRST_STACK, Parked, Thread};

/// Branches of one execution that loom makes room for. No limit that counts, [`MAX_STEPS`] does.
const MAX_BRANCHES: usize = 100_000;

/// How many steps an execution may take: loom counts each thread's in 16 bits, which wrap around
/// where overflows are not checked, and a step counts for up to six.
const MAX_STEPS: u32 = 10_000;

/// Allocations whose cells are made before an execution; doubled when they do not suffice.
const ALLOCATIONS: usize = 32;

/// Run the program on loom until its search is finished, a limit is reached or, unless
/// [`Limits::all`], something was found. Never complete. Without [`Limits::preemption_bound`], it
/// searches with one preemption first, then with two, and then with any number.
///
/// The `LOOM_*` variables of the environment have no effect, but loom panics about a number there
/// that it cannot read.
///
/// # Panics
///
/// Where the program itself panics.
#[must_use]
pub fn explore(program: &Program, limits: &Limits) -> Exploration {
    let state = Rc::new(State::new(program, limits));
    CURRENT.with(|slot| slot.replace(Some(Rc::clone(&state))));
    let panicked = with_engine(Rc::clone(&state) as Rc<dyn Engine>, || {
        let quiet = Quiet::new();
        let mut panicked = None;
        // Without a limit of its own, few preemptions first: what can go wrong mostly does with
        // one or two, and loom's search goes depth first and would not get there for hours.
        let mut bounds = match limits.preemption_bound {
            Some(bound) => vec![Some(bound)],
            None => vec![None, Some(2), Some(1)],
        };
        let mut bound = bounds.pop().flatten();
        while panicked.is_none() && state.session.borrow().stop.is_none() {
            let finished = catch_unwind(|| builder(bound).check(iteration));
            panicked = match finished {
                Err(payload) if !payload.is::<Stop>() => state.loom_panicked(&*payload),
                _ => None,
            };
            state.finish_execution();
            let mut session = state.session.borrow_mut();
            if session.grow {
                session.allocations *= 2;
                session.grow = false;
            } else if session.stop.is_some() || panicked.is_some() || session.next_choice() {
                // The next combination of choices, or nothing.
            } else if let Some(next) = bounds.pop() {
                bound = next;
            } else {
                session.stop = Some(format!(
                    "loom finished its search after {} executions; its reduction skips legal \
                     executions, so this is no proof",
                    session.executions
                ));
            }
        }
        drop(quiet);
        panicked
    });
    CURRENT.with(RefCell::take);
    if let Some(message) = panicked {
        panic!("the program panicked: {message}");
    }
    let mut session = state.session.borrow_mut();
    let most = session.most_threads;
    if most > 0
        && let Some(reason) = &mut session.stop
        && !reason.starts_with("not run")
    {
        let _ = write!(
            reason,
            "; there were up to {most} threads at once, and some had to wait for one of loom's \
             {MAX_THREADS}"
        );
    }
    Exploration {
        executions: session.executions,
        blocked: 0,
        states: None,
        complete: false,
        reason: session.stop.take(),
        findings: std::mem::take(&mut session.findings),
        left: None,
    }
}

fn builder(preemption_bound: Option<u32>) -> Builder {
    let mut builder = Builder::new();
    builder.max_threads = MAX_THREADS;
    builder.max_branches = MAX_BRANCHES;
    builder.max_permutations = None;
    builder.max_duration = None;
    builder.preemption_bound = preemption_bound.map(|bound| bound.min(255) as usize);
    builder.checkpoint_file = None;
    builder.checkpoint_interval = usize::MAX;
    builder.expect_explicit_explore = false;
    builder.location = false;
    builder.log = false;
    builder
}

thread_local! {
    // loom wants closures that are `Send`, which a reference to the state is not.
    static CURRENT: RefCell<Option<Rc<State>>> = const { RefCell::new(None) };
}

fn current_state() -> Rc<State> {
    let state = CURRENT.with(|slot| slot.borrow().clone());
    state.expect("loom runs within `explore`")
}

/// Ends the exploration: unwinds through loom.
struct Stop;

/// Ends a thread of an execution that is over: caught at the bottom of the thread, so that loom
/// takes it for one that has finished and can go on with the next execution.
struct Over;

/// What loom runs for each execution.
fn iteration() {
    let state = current_state();
    state.finish_execution();
    if !state.may_continue() {
        resume_unwind(Box::new(Stop));
    }
    state.begin_execution();
    let mut stack = state
        .stack
        .take()
        .unwrap_or_else(|| DefaultStack::new(FIRST_STACK).expect("memory for a stack"));
    let program = Program::clone(&state.program);
    corosensei::on_stack(&mut stack, || state.carry(0, ThreadId(0), || program()));
    state.stack.set(Some(stack));
}

/// What outlives an execution.
#[derive(Debug)]
struct Session {
    executions: u64,
    findings: Vec<Finding>,
    stop: Option<String>,
    choices: Vec<Choice>,
    allocations: usize,
    grow: bool,
    /// The most threads that there were at once while one of them had to wait for a carrier.
    most_threads: usize,
}

/// The answer to one choice, for a whole search. It is known by its thread and by how many that
/// thread has made before, for which loom's schedule does not matter.
#[derive(Debug)]
struct Choice {
    thread: ThreadId,
    nth: u32,
    alternatives: u32,
    answer: u32,
}

impl Session {
    /// The next combination of answers, where there is one. Choices that come up for the first time
    /// are added at the end with the answer 0, so this counts through a tree of them.
    fn next_choice(&mut self) -> bool {
        while let Some(last) = self.choices.last_mut() {
            if last.answer + 1 < last.alternatives {
                last.answer += 1;
                return true;
            }
            self.choices.pop();
        }
        false
    }
}

struct State {
    program: Program,
    limits: Limits,
    start: Instant,
    session: RefCell<Session>,
    stack: Cell<Option<DefaultStack>>,

    // The rest is of one execution.
    running: Cell<bool>,
    /// Every thread unwinds.
    over: Cell<bool>,
    /// It was cut for a reason that is not the program's, and does not count.
    cut: Cell<bool>,
    /// The running thread. Set again after all that may let another thread run.
    me: Cell<ThreadId>,
    steps: Cell<u32>,
    keys: Cell<u32>,
    objects: RefCell<Vec<Rc<Object>>>,
    threads: RefCell<Vec<Thread>>,
    parked: RefCell<Vec<Parked>>,
    carriers: RefCell<Vec<Carrier>>,
    /// Threads that have not begun.
    waiting: RefCell<VecDeque<ThreadId>>,
    /// Orders threads that begin late after those that began them. One word for all of them: loom
    /// wants it made by the first thread.
    hand_over: RefCell<Option<Rc<AtomicU64>>>,
    phase: Cell<Phase>,
    /// The running carrier. Set again like `me`.
    carrier: Cell<usize>,
    /// Every thread of the model has finished.
    closing: Cell<bool>,
    /// Cells for allocations, made by the first thread before all else. loom counts the making of a
    /// cell as a write, but that a use is ordered with the allocation is not what is checked.
    spare_cells: RefCell<Vec<UnsafeCell<()>>>,
    recorder: RefCell<Recorder>,
}

impl State {
    fn new(program: &Program, limits: &Limits) -> Self {
        Self {
            program: Program::clone(program),
            limits: limits.clone(),
            start: Instant::now(),
            session: RefCell::new(Session {
                executions: 0,
                findings: Vec::new(),
                stop: None,
                choices: Vec::new(),
                allocations: ALLOCATIONS,
                grow: false,
                most_threads: 0,
            }),
            stack: Cell::new(None),
            running: Cell::new(false),
            over: Cell::new(false),
            cut: Cell::new(false),
            me: Cell::new(ThreadId(0)),
            steps: Cell::new(0),
            keys: Cell::new(0),
            objects: RefCell::new(Vec::new()),
            threads: RefCell::new(Vec::new()),
            parked: RefCell::new(Vec::new()),
            carriers: RefCell::new(Vec::new()),
            waiting: RefCell::new(VecDeque::new()),
            hand_over: RefCell::new(None),
            phase: Cell::new(Phase::Alone),
            carrier: Cell::new(0),
            closing: Cell::new(false),
            spare_cells: RefCell::new(Vec::new()),
            recorder: RefCell::new(Recorder::new()),
        }
    }

    /// Whether another execution may begin; if not, why is written down.
    fn may_continue(&self) -> bool {
        let mut session = self.session.borrow_mut();
        if session.stop.is_none() {
            session.stop = self.limits.reached(self.start, session.executions);
        }
        session.stop.is_none() && !session.grow
    }

    fn begin_execution(&self) {
        self.running.set(true);
        self.over.set(false);
        self.cut.set(false);
        self.me.set(ThreadId(0));
        self.steps.set(0);
        self.keys.set(0);
        self.objects.borrow_mut().clear();
        self.threads.borrow_mut().clear();
        self.parked.borrow_mut().clear();
        self.carriers.borrow_mut().clear();
        self.waiting.borrow_mut().clear();
        self.hand_over.replace(Some(Rc::new(AtomicU64::new(0))));
        self.phase.set(Phase::Alone);
        self.closing.set(false);
        self.carrier.set(0);
        self.recorder.replace(Recorder::new());
        let spares = self.session.borrow().allocations;
        let cells = (0..spares).map(|_| UnsafeCell::new(())).collect();
        self.spare_cells.replace(cells);
        self.new_thread("main", false, None);
        self.new_carrier(lt::current());
    }

    /// Take stock of the execution that has ended, if there is one.
    fn finish_execution(&self) {
        if !self.running.replace(false) || self.cut.get() {
            return;
        }
        let recording = self.recorder.borrow_mut().take();
        let mut session = self.session.borrow_mut();
        session.executions += 1;
        let executions = session.executions;
        let progress = &self.limits.progress;
        progress.store(executions, std::sync::atomic::Ordering::Relaxed);
        for violation in &recording.violations {
            if session.findings.iter().all(|f| f.kind != violation.kind) {
                session.findings.push(Finding {
                    kind: violation.kind,
                    recording: recording.clone(),
                    after: executions,
                    size: None,
                });
            }
        }
        if !self.limits.all && !session.findings.is_empty() && session.stop.is_none() {
            session.stop = Some("stopped at the first violation".to_owned());
        }
    }

    /// Make sense of a panic that came out of loom; the message where it is the program's.
    fn loom_panicked(&self, payload: &(dyn Any + Send)) -> Option<String> {
        let (message, file) = Quiet::last(payload);
        let mut session = self.session.borrow_mut();
        if message.starts_with("deadlock; threads =") {
            // Found here before loom finds it, but if one got by: say what loom says.
            drop(session);
            self.note(ThreadId(0), &hung_task(None, &message));
            session = self.session.borrow_mut();
            session.stop = Some("stopped at a deadlock, after which loom cannot go on".to_owned());
            return None;
        }
        self.cut.set(true);
        if message.starts_with("Model exceeded maximum number of branches") {
            session.stop = Some(format!(
                "an execution exceeded {MAX_BRANCHES} branches, after {} executions",
                session.executions
            ));
            return None;
        }
        if file.contains("/loom-0.") || file.contains("/generator-0.") {
            session.stop = Some(format!(
                "loom failed after {} executions: {message}",
                session.executions
            ));
            return None;
        }
        Some(message)
    }

    fn add(
        &self,
        kind: ObjectKind,
        owner: Option<ObjectId>,
        name: &'static str,
        form: Form,
    ) -> ObjectId {
        let owner_object = owner.map(|owner| self.object(owner));
        let mut recorder = self.recorder.borrow_mut();
        recorder.object(self.me.get(), kind, owner, name);
        let mut objects = self.objects.borrow_mut();
        let id = ObjectId(objects.len() as u32);
        objects.push(Rc::new(Object {
            id,
            owner: owner_object,
            form,
        }));
        id
    }

    fn object(&self, id: ObjectId) -> Rc<Object> {
        Rc::clone(&self.objects.borrow()[id.0 as usize])
    }

    fn new_word(&self, value: u64) -> Word {
        let key = self.keys.get();
        self.keys.set(key + 1);
        Word {
            value: AtomicU64::new(value),
            hint: Cell::new(value),
            key,
        }
    }

    fn spare_cell(&self) -> UnsafeCell<()> {
        let spare = self.spare_cells.borrow_mut().pop();
        spare.unwrap_or_else(|| {
            self.session.borrow_mut().grow = true;
            self.cut.set(true);
            self.end_execution();
            self.unwind()
        })
    }

    fn unwind(&self) -> ! {
        resume_unwind(Box::new(Over))
    }

    /// Asked before all that a thread does: whether it is being unwound and must do nothing. Where
    /// the execution is over, or has become too long, it is unwound from here.
    fn is_unwinding(&self) -> bool {
        if std::thread::panicking() {
            return true;
        }
        self.steps.set(self.steps.get() + 1);
        if self.steps.get() > MAX_STEPS && !self.over.get() {
            self.give_up(format!(
                "an execution took more than {MAX_STEPS} steps, after {} executions",
                self.session.borrow().executions
            ));
        }
        if self.over.get() {
            self.unwind();
        }
        false
    }

    /// End the execution, which does not count, and the exploration.
    fn give_up(&self, reason: String) {
        self.session.borrow_mut().stop = Some(reason);
        self.cut.set(true);
        self.end_execution();
    }

    fn note(&self, thread: ThreadId, violation: &Violation) {
        self.recorder.borrow_mut().violation(thread, violation);
    }

    /// A violation by the running thread. Returns where it is not fatal.
    fn violation(&self, violation: &Violation) {
        self.note(self.me.get(), violation);
        if violation.kind.is_fatal() {
            self.end_execution();
            self.unwind();
        }
    }

    /// A use of an allocation by the running thread; says what is wrong with it.
    fn use_of(allocation: &Object) -> Option<Violation> {
        let state = allocation.allocation();
        let violation = |message| Some(Violation::on(state.after, allocation.id, message));
        if state.freed.get() {
            return violation("used after it was freed");
        }
        if !state.uses.access(false) {
            return violation("used while another thread frees it: nothing orders the two");
        }
        None
    }

    fn free(allocation: &Object) -> Option<Violation> {
        let state = allocation.allocation();
        if state.freed.get() {
            let kind = ViolationKind::DoubleFree;
            return Some(Violation::on(kind, allocation.id, "freed a second time"));
        }
        let ordered = state.uses.access(true);
        state.freed.set(true);
        (!ordered).then(|| {
            let message = "freed while another thread uses it: nothing orders the two";
            Violation::on(state.after, allocation.id, message)
        })
    }

    fn renew(allocation: &Object) -> Option<Violation> {
        let state = allocation.allocation();
        let ordered = state.uses.access(true);
        state.freed.set(false);
        (!ordered).then(|| {
            let message = "set up anew while another thread uses it: nothing orders the two";
            Violation::on(state.after, allocation.id, message)
        })
    }

    fn act(&self, object: &Object, action: Action) -> u64 {
        let id = object.id;
        match action {
            Action::Load(order) => {
                let word = object.word();
                self.switching(Some(id), || word.value.load(load_part(order)))
            }
            Action::Store(value, order) => self.store(object, value, order),
            Action::Update(update, success, failure) => {
                self.update(object, update, success, failure)
            }
            Action::Await(condition, order) => {
                let word = object.word();
                let order = load_part(order);
                let found = self.switching(Some(id), || word.value.load(order));
                if condition.holds(found) {
                    return found;
                }
                self.await_update(id, word, condition, None, order)
            }
            Action::AwaitUpdate(condition, update, order) => {
                let old = self.await_update(id, object.word(), condition, Some(update), order);
                self.wake(object.word().key);
                old
            }
            Action::Lock => {
                let free = Condition::Equal(0);
                let take = Some(Update::Swap(1));
                self.await_update(id, object.word(), free, take, Ordering::Acquire);
                1
            }
            Action::TryLock => {
                let take = Update::CompareExchange { old: 0, new: 1 };
                let found = self.update(object, take, Ordering::Acquire, Ordering::Relaxed);
                u64::from(found == 0)
            }
            Action::Unlock => self.store(object, 0, Ordering::Release),
            Action::Fence(order) => {
                // No scheduling point in loom, and a relaxed fence is an error there.
                if order != Ordering::Relaxed {
                    fence(order);
                }
                0
            }
            Action::GracePeriodBegin => self.begin_grace_period(object),
            Action::GracePeriodEnd(number) => {
                let domain = object.domain();
                let waits = domain.grace_periods.borrow()[number as usize].clone();
                for (thread, section) in waits {
                    let word = &domain.sections[thread];
                    let ended = Condition::NotEqual(section);
                    self.await_update(id, word, ended, None, Ordering::Acquire);
                }
                0
            }
            Action::Choose(alternatives) => u64::from(self.choose(alternatives)),
            Action::Settle => {
                self.settle(id);
                0
            }
            Action::GracePeriodCount => {
                let begun = &object.domain().begun;
                self.switching(Some(id), || begun.value.fetch_or(0, Ordering::AcqRel))
            }
            // A read that may race is not told to loom, which would call it one.
            Action::Start
            | Action::Read
            | Action::ReadMarked
            | Action::Write
            | Action::Touch
            | Action::Free
            | Action::Renew => 0,
        }
    }

    fn store(&self, object: &Object, value: u64, order: Ordering) -> u64 {
        let word = object.word();
        self.switching(Some(object.id), || {
            word.value.store(value, store_part(order));
            word.hint.set(value);
        });
        self.wake(word.key);
        0
    }

    fn update(&self, object: &Object, update: Update, success: Ordering, failure: Ordering) -> u64 {
        let word = object.word();
        let old = self.switching(Some(object.id), || {
            let value = &word.value;
            let old = match update {
                Update::Add(n) => value.fetch_add(n, success),
                Update::Sub(n) => value.fetch_sub(n, success),
                Update::Or(bits) => value.fetch_or(bits, success),
                Update::AndNot(bits) => value.fetch_and(!bits, success),
                Update::Swap(new) => value.swap(new, success),
                Update::Xor(bits) => value.fetch_xor(bits, success),
                Update::CompareExchange { old, new } => {
                    let result = value.compare_exchange(old, new, success, load_part(failure));
                    result.unwrap_or_else(|found| found)
                }
                Update::AddUnless { .. } | Update::When { .. } | Update::AddWithin { .. } => {
                    let result = word.update(success, failure, |old| update.apply(old));
                    result.unwrap_or_else(|found| found)
                }
            };
            word.hint.set(update.apply(old).unwrap_or(old));
            old
        });
        if update.apply(old).is_some() {
            self.wake(word.key);
        }
        old
    }

    /// Wait for the condition and make the update in the same step, where there is one; answers the
    /// old value. Wakes nobody.
    fn await_update(
        &self,
        object: ObjectId,
        word: &Word,
        condition: Condition,
        update: Option<Update>,
        order: Ordering,
    ) -> u64 {
        let next = |old| update.filter(|_| condition.holds(old))?.apply(old);
        loop {
            let result = self.switching(Some(object), || word.update(order, order, next));
            match result {
                Ok(old) => return old,
                Err(old) if condition.holds(old) => return old,
                Err(_) => self.park(object, word.key),
            }
        }
    }

    fn begin_grace_period(&self, object: &Object) -> u64 {
        let domain = object.domain();
        let mut open = Vec::new();
        for (thread, word) in domain.sections.iter().enumerate() {
            let read = || word.value.fetch_or(0, Ordering::AcqRel);
            let section = self.switching(Some(object.id), read);
            if section % 2 == 1 {
                open.push((thread, section));
            }
        }
        let begun = &domain.begun.value;
        self.switching(Some(object.id), || begun.fetch_add(1, Ordering::AcqRel));
        let mut grace_periods = domain.grace_periods.borrow_mut();
        grace_periods.push(open);
        grace_periods.len() as u64 - 1
    }

    /// Begin or end a section: the word becomes odd or even.
    fn toggle_section(&self, object: &Object, order: Ordering) {
        let word = &object.domain().sections[self.carrier.get()];
        self.switching(Some(object.id), || {
            let old = word.value.fetch_add(1, order);
            word.hint.set(old + 1);
        });
        self.wake(word.key);
    }

    fn choose(&self, alternatives: u32) -> u32 {
        if self.phase.get() == Phase::Alone {
            return 0;
        }
        let thread = self.me.get();
        let nth = {
            let mut threads = self.threads.borrow_mut();
            let choices = &mut threads[thread.0 as usize].choices;
            *choices += 1;
            *choices - 1
        };
        let mut session = self.session.borrow_mut();
        let mut known = session.choices.iter_mut();
        if let Some(choice) = known.find(|c| c.thread == thread && c.nth == nth) {
            choice.alternatives = choice.alternatives.max(alternatives);
            return choice.answer.min(alternatives - 1);
        }
        session.choices.push(Choice {
            thread,
            nth,
            alternatives,
            answer: 0,
        });
        0
    }
}

impl Engine for State {
    fn create(&self, kind: ObjectKind, owner: Option<ObjectId>, name: &'static str) -> ObjectId {
        let form = match kind {
            ObjectKind::Atomic(value) => Form::Word(self.new_word(value)),
            ObjectKind::Lock => Form::Word(self.new_word(0)),
            ObjectKind::Plain(race) => Form::Plain(race, Tracked::new(UnsafeCell::new(()))),
            ObjectKind::Allocation(after) => Form::Allocation(Allocation {
                after,
                freed: Cell::new(false),
                uses: Tracked::new(self.spare_cell()),
            }),
            ObjectKind::Domain { .. } => Form::Domain(Domain {
                sections: (0..MAX_THREADS).map(|_| self.new_word(0)).collect(),
                depth: Default::default(),
                grace_periods: RefCell::new(Vec::new()),
                begun: self.new_word(0),
            }),
            ObjectKind::Shadow | ObjectKind::Thread => Form::Thread,
        };
        self.add(kind, owner, name, form)
    }

    fn perform(&self, object: ObjectId, action: Action) -> u64 {
        if self.is_unwinding() {
            return 0;
        }
        let object = self.object(object);
        // Before the action and not after it: the action may be the release that lets another
        // thread free the allocation.
        let mut violation = object.owner.as_deref().and_then(Self::use_of);
        let mut saw = 0;
        if violation.is_none() {
            saw = self.act(&object, action);
            violation = match (&object.form, action) {
                (_, Action::Touch) => Self::use_of(&object),
                (_, Action::Free) => Self::free(&object),
                (_, Action::Renew) => Self::renew(&object),
                (Form::Plain(race, cell), Action::Read | Action::Write) => {
                    let ordered = cell.access(action == Action::Write);
                    let message = "two accesses, one of them a write, that nothing orders";
                    (!ordered).then(|| Violation::on(*race, object.id, message))
                }
                _ => None,
            };
        }
        // The use above does not see a free between it and the action.
        if violation.is_none()
            && let Some(owner) = &object.owner
            && owner.is_freed()
        {
            violation = Self::use_of(owner);
        }
        let subject = !matches!(object.form, Form::Thread);
        let subject = subject.then_some(object.id);
        let mut recorder = self.recorder.borrow_mut();
        recorder.step(self.me.get(), subject, action, saw);
        drop(recorder);
        if let Some(violation) = violation {
            self.violation(&violation);
        }
        saw
    }

    fn touch(&self, allocation: ObjectId, _step: Step) {
        if self.is_unwinding() {
            return;
        }
        if let Some(violation) = Self::use_of(&self.object(allocation)) {
            self.violation(&violation);
        }
    }

    fn is_freed(&self, allocation: ObjectId) -> bool {
        self.object(allocation).is_freed()
    }

    fn read_lock(&self, domain: ObjectId) {
        if self.is_unwinding() {
            return;
        }
        let object = self.object(domain);
        let depth = &object.domain().depth[self.carrier.get()];
        depth.set(depth.get() + 1);
        if depth.get() == 1 {
            self.toggle_section(&object, Ordering::Acquire);
        }
    }

    fn read_unlock(&self, domain: ObjectId) {
        if self.is_unwinding() {
            return;
        }
        let object = self.object(domain);
        let depth = &object.domain().depth[self.carrier.get()];
        let outer = depth.get().checked_sub(1);
        depth.set(outer.expect("a section ends that was begun"));
        if depth.get() == 0 {
            self.toggle_section(&object, Ordering::Release);
        }
    }

    fn spawn(&self, name: &str, daemon: bool, body: Body) -> ThreadId {
        assert!(!std::thread::panicking(), "a destructor spawns a thread");
        if self.is_unwinding() {
            unreachable!("checked above");
        }
        self.begin_thread(name, daemon, body)
    }

    fn current(&self) -> ThreadId {
        self.me.get()
    }

    fn current_object(&self) -> ObjectId {
        self.threads.borrow()[self.me.get().0 as usize].object
    }

    fn set_phase(&self, phase: Phase) {
        self.phase.set(phase);
        let concurrent = phase == Phase::Concurrent;
        self.recorder.borrow_mut().set_concurrent(concurrent);
    }

    fn report(&self, violation: Violation) {
        if !self.is_unwinding() {
            self.violation(&violation);
        }
    }

    fn enter(&self, function: &'static str) {
        self.recorder.borrow_mut().enter(self.me.get(), function);
    }

    fn leave(&self) {
        self.recorder.borrow_mut().leave(self.me.get());
    }

    fn object_name(&self, object: ObjectId) -> String {
        self.recorder.borrow().object_name(object).to_owned()
    }

    fn is_over(&self) -> bool {
        self.over.get() || std::thread::panicking()
    }
}

fn hung_task(object: Option<ObjectId>, message: &str) -> Violation {
    Violation {
        kind: ViolationKind::HungTask,
        object,
        message: message.to_owned(),
    }
}
