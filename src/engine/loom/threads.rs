// SPDX-License-Identifier: GPL-2.0-only
//! The threads of the model, and the few of loom's that carry them.
//!
//! loom has five threads for an execution and gives none back. A carrier is one of these. It runs a
//! thread of the model and, when that has finished, another one.
//!
//! * While every interleaving counts, a new thread gets a carrier of its own, or else one that is
//!   idle. Where there is neither, it begins later: when a carrier becomes idle, or on that of the
//!   thread that settles, which has nothing else to do.
//! * While threads run one at a time, a new thread begins when all others wait or have finished, on
//!   the carrier of the one that waited last, and so costs none of loom's.
//!
//! Where all threads wait and some have not begun, the last one to wait has the next one run on top
//! of itself, in either case. It can go on only after that has finished; where that would have to
//! go on first, this execution cannot be had here, and nothing is said about the program.
//!
//! All of that only leaves executions out: a thread may always begin late, and what comes earlier on
//! a carrier happens before what comes later. So does what a thread did before another one wakes it,
//! since loom orders whoever parks after whoever unparks it; which is also how [`State::settle`]
//! comes to know what finished threads did, without a step.

use super::{Over, State, current_state, message_of};
use crate::sync::{
    engine::{Body, ObjectId, ObjectKind, Ordering, Phase, ThreadId},
    violation::{Violation, ViolationKind},
};
use ::loom::{MAX_THREADS, thread as lt};
use std::{
    fmt::Write as _,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
};

/// Of the first thread, in bytes. loom gives it 32 KiB and no way to ask for more.
pub(super) const FIRST_STACK: usize = 512 * 1024;

/// Of the other threads, in the words that loom counts in.
const OTHER_STACK: usize = FIRST_STACK / size_of::<usize>();

/// A thread of the model.
pub(super) struct Thread {
    pub(super) object: ObjectId,
    pub(super) choices: u32,
    daemon: bool,
    /// Before it has begun.
    body: Option<Body>,
    carrier: usize,
    /// A daemon that must not go on.
    ended: bool,
    pub(super) finished: bool,
}

/// A thread of loom.
#[derive(Debug)]
pub(super) struct Carrier {
    handle: lt::Thread,
    /// The threads that it runs; all but the last one wait for the one above.
    stack: Vec<ThreadId>,
    idle: bool,
    /// A thread has finished here since somebody settled.
    news: bool,
    /// Who settles and wants the news.
    tell: Option<usize>,
}

/// A thread that waits.
#[derive(Debug)]
pub(super) struct Parked {
    thread: ThreadId,
    key: u32,
    object: ObjectId,
}

/// What a thread that settles is parked for.
const SETTLE: u32 = u32::MAX;

impl State {
    /// What a thread of loom does.
    pub(super) fn carry(&self, carrier: usize, first: ThreadId, body: impl FnOnce()) {
        self.carrier.set(carrier);
        self.run_thread(first, body);
        while !self.over.get() && !self.closing.get() {
            self.carriers.borrow_mut()[carrier].idle = true;
            let tell = self.carriers.borrow_mut()[carrier].tell.take();
            if let Some(to) = tell {
                let mut carriers = self.carriers.borrow_mut();
                carriers[carrier].news = false;
                carriers[to].handle.unpark();
            } else if (self.phase.get() == Phase::Concurrent || self.is_stuck())
                && let Some((next, body)) = self.take_waiting()
            {
                self.carriers.borrow_mut()[carrier].idle = false;
                self.run_thread(next, body);
            } else if self.is_stuck() {
                self.end_stuck();
            } else {
                lt::park();
                self.carrier.set(carrier);
            }
        }
    }

    /// Run a thread here and now.
    fn run_thread(&self, me: ThreadId, body: impl FnOnce()) {
        let carrier = self.carrier.get();
        let outer = self.me.replace(me);
        self.threads.borrow_mut()[me.0 as usize].carrier = carrier;
        self.carriers.borrow_mut()[carrier].stack.push(me);
        if !self.over.get()
            && let Err(payload) = catch_unwind(AssertUnwindSafe(body))
            && !payload.is::<Over>()
        {
            // loom's, or the program's.
            resume_unwind(payload);
        }
        self.carrier.set(carrier);
        self.me.set(outer);
        let mut carriers = self.carriers.borrow_mut();
        carriers[carrier].stack.pop();
        carriers[carrier].news = true;
        drop(carriers);
        self.finish_thread(me);
    }

    fn finish_thread(&self, thread: ThreadId) {
        self.threads.borrow_mut()[thread.0 as usize].finished = true;
        if self.over.get() {
            return;
        }
        if self.threads.borrow().iter().all(|thread| thread.finished) {
            self.closing.set(true);
            self.wake_idle(usize::MAX);
        } else {
            self.wake_settled();
        }
    }

    pub(super) fn new_thread(&self, name: &str, daemon: bool, body: Option<Body>) -> ThreadId {
        self.recorder.borrow_mut().thread(name);
        let object = self.add(ObjectKind::Thread, None, "thread", super::Form::Thread);
        let mut threads = self.threads.borrow_mut();
        threads.push(Thread {
            object,
            choices: 0,
            daemon,
            body,
            carrier: usize::MAX,
            ended: false,
            finished: false,
        });
        ThreadId(threads.len() as u32 - 1)
    }

    /// A thread of loom, with which the calling one goes on as `carrier`.
    pub(super) fn new_carrier(&self, handle: lt::Thread) -> usize {
        let mut carriers = self.carriers.borrow_mut();
        carriers.push(Carrier {
            handle,
            stack: Vec::new(),
            idle: false,
            news: false,
            tell: None,
        });
        carriers.len() - 1
    }

    pub(super) fn begin_thread(&self, name: &str, daemon: bool, body: Body) -> ThreadId {
        let concurrent = self.phase.get() == Phase::Concurrent;
        let carrier = self.carriers.borrow().len();
        if concurrent && carrier < MAX_THREADS {
            let id = self.new_thread(name, daemon, None);
            let builder = lt::Builder::new().stack_size(OTHER_STACK);
            let join = builder
                .spawn(move || current_state().carry(carrier, id, body))
                .expect("loom's spawn does not fail");
            self.new_carrier(join.thread().clone());
            return id;
        }
        let body = match self.phase.get() {
            Phase::Alone => body,
            Phase::Concurrent => self.ordered(body),
        };
        let id = self.new_thread(name, daemon, Some(body));
        self.waiting.borrow_mut().push_back(id);
        if concurrent && !self.wake_idle(1) {
            let live = self.threads.borrow();
            let live = live.iter().filter(|thread| !thread.finished).count();
            let mut session = self.session.borrow_mut();
            session.most_threads = session.most_threads.max(live);
            drop(session);
            self.wake(SETTLE);
        }
        id
    }

    /// `body` with what comes before this happening before it, whichever carrier it is run on.
    fn ordered(&self, body: Body) -> Body {
        let order = self.handed_over(Ordering::Release);
        self.switching(None, order);
        Box::new(move || {
            let state = current_state();
            let order = state.handed_over(Ordering::Acquire);
            state.switching(None, order);
            body();
        })
    }

    fn handed_over(&self, order: Ordering) -> impl FnOnce() + use<> {
        let word = self.hand_over.borrow().clone();
        let word = word.expect("made when the execution began");
        move || {
            word.fetch_add(1, order);
        }
    }

    /// A thread that has not begun, to begin now.
    fn take_waiting(&self) -> Option<(ThreadId, Body)> {
        let id = self.waiting.borrow_mut().pop_front()?;
        let body = self.threads.borrow_mut()[id.0 as usize].body.take();
        Some((id, body.expect("a thread that has not begun has a body")))
    }

    /// Wake so many idle carriers; whether there was one.
    fn wake_idle(&self, most: usize) -> bool {
        let mut carriers = self.carriers.borrow_mut();
        let idle = carriers.iter_mut().filter(|carrier| carrier.idle);
        let mut any = false;
        for carrier in idle.take(most) {
            carrier.idle = false;
            carrier.handle.unpark();
            any = true;
        }
        any
    }

    pub(super) fn wake(&self, key: u32) {
        self.wake_if(|parked| parked.key == key);
    }

    fn wake_if(&self, mut condition: impl FnMut(&Parked) -> bool) {
        let mut parked = self.parked.borrow_mut();
        if parked.is_empty() {
            return;
        }
        let threads = self.threads.borrow();
        let carriers = self.carriers.borrow();
        parked.retain(|parked| {
            let wake = condition(parked);
            if wake {
                let carrier = &carriers[threads[parked.thread.0 as usize].carrier];
                // One that has another one on top of it looks again when that has finished.
                if carrier.stack.last() == Some(&parked.thread) {
                    carrier.handle.unpark();
                }
            }
            !wake
        });
    }

    /// All threads unwind: those that run at their next action, the parked ones from here.
    pub(super) fn end_execution(&self) {
        self.over.set(true);
        self.wake_if(|_| true);
        self.wake_idle(usize::MAX);
    }

    /// Wait for [`State::wake`], or for nothing: the caller checks its condition again.
    pub(super) fn park(&self, object: ObjectId, key: u32) {
        let thread = self.me.get();
        self.parked.borrow_mut().push(Parked {
            thread,
            key,
            object,
        });
        if key != SETTLE {
            self.wake_settled();
        }
        if self.is_stuck() {
            match self.take_waiting() {
                Some((next, body)) => self.run_thread(next, body),
                None => self.end_stuck(),
            }
            if self.over.get() {
                self.unwind();
            }
        } else {
            self.switching(Some(object), lt::park);
        }
        let mut parked = self.parked.borrow_mut();
        parked.retain(|parked| parked.thread != thread);
        drop(parked);
        if self.threads.borrow()[thread.0 as usize].ended {
            self.unwind();
        }
    }

    fn is_parked(&self, thread: ThreadId) -> bool {
        let parked = self.parked.borrow();
        parked.iter().any(|parked| parked.thread == thread)
    }

    /// Whether no carrier has anything to do. Found here and not by loom, which cannot go on after
    /// it has found it.
    fn is_stuck(&self) -> bool {
        let carriers = self.carriers.borrow();
        carriers.iter().all(|carrier| match carrier.stack.last() {
            Some(thread) => self.is_parked(*thread),
            None => carrier.idle,
        })
    }

    /// Nothing has anything to do, and no thread is left to begin.
    fn end_stuck(&self) {
        let buried = self.carriers.borrow().iter().any(|carrier| {
            let mut stack = carrier.stack.iter();
            stack.any(|thread| !self.is_parked(*thread))
        });
        if buried {
            let threads = self.threads.borrow();
            let live = threads.iter().filter(|thread| !thread.finished).count();
            drop(threads);
            self.give_up(format!(
                "not run: {live} threads at once do not fit loom's {MAX_THREADS}, where one has to \
                 go on that another one runs on top of"
            ));
            return;
        }
        self.note_hung_tasks();
        self.end_execution();
    }

    /// Threads that wait forever are a violation, unless they may.
    fn note_hung_tasks(&self) {
        let parked = self.parked.borrow();
        let threads = self.threads.borrow();
        let hung = |p: &&Parked| p.key != SETTLE && !threads[p.thread.0 as usize].daemon;
        let mut hung = parked.iter().filter(hung);
        let Some(first) = hung.next() else { return };
        let mut message = String::new();
        let recorder = self.recorder.borrow();
        for parked in std::iter::once(first).chain(hung) {
            let separator = if message.is_empty() { "" } else { "; " };
            let _ = write!(
                message,
                "{separator}{} waits for {}",
                recorder.thread_name(parked.thread),
                recorder.object_name(parked.object)
            );
        }
        drop(recorder);
        let violation = Violation {
            kind: ViolationKind::HungTask,
            object: Some(first.object),
            message,
        };
        self.note(first.thread, &violation);
    }

    /// Whether every thread but `settling` has finished, or is a daemon that waits.
    fn is_settled(&self, settling: ThreadId) -> bool {
        let threads = self.threads.borrow();
        let mut threads = threads.iter().zip(0..);
        threads.all(|(thread, id)| {
            let id = ThreadId(id);
            id == settling || thread.finished || thread.daemon && self.is_parked(id)
        })
    }

    /// Something has finished or waits: whoever settles may be able to go on.
    fn wake_settled(&self) {
        let parked = self.parked.borrow();
        let settling = parked.iter().filter(|p| p.key == SETTLE);
        let settled: Vec<ThreadId> = settling
            .map(|p| p.thread)
            .filter(|thread| self.is_settled(*thread))
            .collect();
        drop(parked);
        self.wake_if(|p| p.key == SETTLE && settled.contains(&p.thread));
    }

    pub(super) fn settle(&self, object: ObjectId) {
        let me = self.me.get();
        loop {
            while let Some((next, body)) = self.take_waiting() {
                self.run_thread(next, body);
                if self.over.get() {
                    self.unwind();
                }
            }
            if self.is_settled(me) {
                break;
            }
            self.park(object, SETTLE);
        }
        let mut daemons = false;
        for thread in &mut *self.threads.borrow_mut() {
            thread.ended |= thread.daemon && !thread.finished;
            daemons |= thread.ended && !thread.finished;
        }
        if daemons {
            self.wake_if(|p| self.threads.borrow()[p.thread.0 as usize].ended);
            while !self.threads_finished(me) {
                self.park(object, SETTLE);
            }
        }
        self.hear_news();
    }

    fn threads_finished(&self, but: ThreadId) -> bool {
        let threads = self.threads.borrow();
        let mut threads = threads.iter().zip(0..);
        threads.all(|(thread, id)| thread.finished || ThreadId(id) == but)
    }

    /// Order what follows after all that finished threads did: have each carrier unpark this one.
    fn hear_news(&self) {
        let me = self.carrier.get();
        loop {
            let mut wait = false;
            for (index, carrier) in self.carriers.borrow_mut().iter_mut().enumerate() {
                if carrier.news && index != me {
                    wait = true;
                    if carrier.tell.is_none() {
                        carrier.tell = Some(me);
                        carrier.idle = false;
                        carrier.handle.unpark();
                    }
                }
            }
            if !wait {
                return;
            }
            self.switching(None, lt::park);
        }
    }

    /// Do something that may let other threads run in between.
    pub(super) fn switching<R>(&self, object: Option<ObjectId>, f: impl FnOnce() -> R) -> R {
        let (me, carrier) = (self.me.get(), self.carrier.get());
        let result = catch_unwind(AssertUnwindSafe(f));
        self.me.set(me);
        self.carrier.set(carrier);
        match result {
            Ok(result) if !self.over.get() => result,
            Ok(_) => self.unwind(),
            Err(payload) if message_of(&*payload).starts_with("Causality violation") => {
                // The creation of an atomic word is a plain write, the only one there is.
                let message = "used by a thread that nothing orders after its initialisation";
                self.note(
                    me,
                    &Violation {
                        kind: ViolationKind::DataRace,
                        object,
                        message: message.to_owned(),
                    },
                );
                // Not fatal, but loom would panic about each further use as well.
                self.end_execution();
                self.unwind()
            }
            Err(payload) => resume_unwind(payload),
        }
    }
}
