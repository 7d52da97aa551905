// SPDX-License-Identifier: GPL-2.0-only
//! What is left to explore: source sets and sleep sets.
//!
//! The search is a stack of nodes, one a step of the current execution. When an execution ends, the
//! deepest node with a thread that has to go first there is taken up again.
//!
//! * **Races** say which threads those are. After each step `e`, every earlier step `e'` is looked
//!   up that is dependent on it, does not happen before it otherwise, and could have come after
//!   it. The steps between them that do not happen after `e'`, followed by `e`, could run instead
//!   of `e'`: one of the threads that can go first in that sequence must be tried at the node of
//!   `e'`. (Source sets: Abdulla, Aronis, Jonsson, Sagonas, "Optimal dynamic partial order
//!   reduction", POPL 2014; JACM 2017.)
//! * **Sleep sets** keep an explored class from being explored again: a thread that has been tried
//!   at a node sleeps in the node's later subtrees until a step wakes it by being dependent on its
//!   own next step. (Godefroid, LNCS 1032, 1996.) A run in which every thread that could go on
//!   sleeps is cut and counted as blocked.
//! * **Waiting** needs care, since a step that ends a wait cannot be reversed with the step that
//!   waited. The race is then with the latest earlier step before which the wait would have been
//!   over already: for a lock, the other holder's lock, not its unlock. A thread that still waits
//!   when an execution ends has races too, or the wake-up it missed would be missed by the search
//!   as well. That goes for executions that are cut or end in a violation, too.
//! * **A bound on preemptions** needs more than that. The interleaving that stands for a class may
//!   have more preemptions than another one of the class, and so may the one in which a race is the
//!   other way round: then it is left out, and with it what only it would have led to. So with a
//!   bound, a thread that has to go before a step has to be tried before the whole block of steps
//!   of that thread, too, where that is no preemption (Coons, Musuvathi, McKinley, "Bounded partial
//!   order reduction", OOPSLA 2013). Every earlier step is a race then, not only the last; it is
//!   the racing thread itself that is tried, or else all; nobody sleeps; and nothing is handed out.
//!   Where a violation ends an execution, each other thread is run for one more step in place of
//!   the last one, bound or not, to see what that races with.
//! * **Handing out.** The threads to try at a node are tried in the order in which they were asked
//!   for. So the next one, and with it what sleeps when it is tried, is known while the one before
//!   it is still being explored, and somebody else can explore it meanwhile ([`Search::hand_out`]).
//!   All that the two have to do with each other is what either asks for at the nodes above both:
//!   that of the later one is kept until the earlier one is done ([`Search::take_back`]), so that
//!   each node is asked for the same, in the same order, as when nothing is handed out.

pub(super) mod saved;

use super::{
    access::{Access, Mode, dependent},
    clock::{Clock, MAX_THREADS},
    interleavings::Handed,
};
use crate::sync::engine::{Action, Condition, ObjectId};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A set of threads.
pub(super) type ThreadSet = u64;

/// What a thread asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) object: ObjectId,
    pub(super) action: Action,
}

/// A thread that has been tried, and what its step accesses.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Sleeper {
    thread: usize,
    /// Shared with those that inherit it.
    accesses: Arc<[Access]>,
    /// Whether its step ended the execution. It kept all others from going on, so nothing that
    /// they do is equivalent to what was run, and it is awake in the node's later subtrees.
    fatal: bool,
}

/// A point of the current execution where some thread had to go on.
#[derive(Debug)]
pub(super) struct Node {
    /// The thread that went on.
    pub(super) thread: usize,
    /// What it asked for: it must ask for the same whenever the execution gets here.
    pub(super) request: Request,
    /// The answer to a [`Action::Choose`].
    pub(super) choice: u32,
    /// Threads that could go on.
    enabled: ThreadSet,
    /// Threads that must be tried.
    backtrack: ThreadSet,
    /// Those but the first, in the order in which they were asked for.
    queue: Vec<u8>,
    /// Threads that have been tried, or that would be too many preemptions.
    done: ThreadSet,
    /// Threads whose step was tried in an equivalent place.
    sleep: Vec<Sleeper>,
    /// Threads that slept until a step woke them, and that have not gone on since.
    woken: Vec<Sleeper>,
    /// The preemptions up to here, this step included.
    preemptions: u32,
    /// What the steps of the current thread accessed in earlier choices.
    accessed: Vec<Access>,
    /// Whether the current thread's step ended an execution.
    fatal: bool,
    /// With a bound: whether each thread is to be run here for one step, whatever the bound.
    probed: bool,
    /// The next thread to be tried, where somebody else is at it.
    handed: Option<Arc<Handed>>,
}

impl Node {
    /// These threads must be tried.
    fn ask_for(&mut self, threads: ThreadSet) {
        let mut new = threads & !self.backtrack;
        self.backtrack |= new;
        while new != 0 {
            self.queue.push(new.trailing_zeros() as u8);
            new &= new - 1;
        }
    }

    /// The thread to be tried after the current one.
    fn next(&self) -> Option<usize> {
        let tried = self.done | 1 << self.thread | asleep(&self.sleep);
        let left = self.backtrack & !tried;
        let mut queue = self.queue.iter().map(|&thread| thread as usize);
        queue.find(|&thread| left & 1 << thread != 0)
    }

    /// It without what is handed out.
    fn copy(&self) -> Self {
        Self {
            thread: self.thread,
            request: self.request,
            choice: self.choice,
            enabled: self.enabled,
            backtrack: self.backtrack,
            queue: self.queue.clone(),
            done: self.done,
            sleep: self.sleep.clone(),
            woken: self.woken.clone(),
            preemptions: self.preemptions,
            accessed: self.accessed.clone(),
            fatal: self.fatal,
            probed: self.probed,
            handed: None,
        }
    }
}

/// What a node is asked for: to try one of `firsts`, which is to be `thread` where that is possible;
/// or, where there are none, all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Asked {
    pub(super) depth: usize,
    pub(super) firsts: ThreadSet,
    pub(super) thread: usize,
}

/// What is to be run next.
#[derive(Debug)]
pub(super) enum Next {
    /// The next execution.
    Run,
    /// Nothing, before somebody else is done with what was handed out.
    Wait(Arc<Handed>),
    /// Nothing.
    Done,
}

impl Node {
    /// One that nothing is known of yet.
    fn new() -> Self {
        Self {
            thread: 0,
            request: Request {
                object: ObjectId(0),
                action: Action::Start,
            },
            choice: 0,
            enabled: 0,
            backtrack: 0,
            queue: Vec::new(),
            done: 0,
            sleep: Vec::new(),
            woken: Vec::new(),
            preemptions: 0,
            accessed: Vec::new(),
            fatal: false,
            probed: false,
            handed: None,
        }
    }
}

/// One step of the current execution.
#[derive(Clone, Debug)]
pub(super) struct Event {
    pub(super) thread: usize,
    /// Its number among the thread's steps, from 1.
    pub(super) number: u16,
    /// The index of the step that began the thread or that the thread performed before this one.
    pub(super) previous: Option<usize>,
    pub(super) accesses: Vec<Access>,
    /// Steps that it waited for and that come before it in every interleaving.
    follows: Vec<usize>,
    /// The steps that happen before this one, itself included.
    pub(super) clock: Clock,
}

/// An access in an object's history.
#[derive(Clone, Copy, Debug)]
struct Past {
    event: usize,
    mode: Mode,
    old: u64,
}

/// What happens before a step.
#[derive(Debug)]
struct Clocks {
    /// By itself: what its thread did.
    before: Clock,
    /// What it cannot come before: what its thread did, and what ended its wait.
    certain: Clock,
    all: Clock,
}

impl Default for Clocks {
    fn default() -> Self {
        Self {
            before: Clock::ZERO,
            certain: Clock::ZERO,
            all: Clock::ZERO,
        }
    }
}

/// The search over all executions.
#[expect(
    clippy::vec_box,
    reason = "a node is large, and moves between two of them at each step"
)]
#[derive(Debug, Default)]
pub(super) struct Search {
    nodes: Vec<Box<Node>>,
    /// Nodes that were left, for their memory.
    spare: Vec<Box<Node>>,
    /// Steps that race with the last one, for its memory.
    racing: Vec<usize>,
    /// What happens before the last one, for its memory.
    clocks: Option<Box<Clocks>>,
    /// Events of the current execution; the tail beyond `length` is kept for its memory.
    events: Vec<Event>,
    length: usize,
    /// How many events have been looked at for races.
    analysed: usize,
    /// The first event of this execution that the last one did not have. Those before are not made
    /// again.
    frontier: usize,
    histories: Vec<Vec<Past>>,
    /// How many events are in there.
    remembered: usize,
    pub(super) preemption_bound: Option<u32>,
    /// Whether an interleaving was left out for the bound.
    pub(super) bound_hit: bool,
    /// The nodes above this depth are another search's. Of the last of them, the current thread is
    /// this one's.
    pub(super) own: usize,
    /// What those are asked for.
    pub(super) asked: Vec<Asked>,
    /// Of a search that was written down, the steps at its nodes, until they have been run again.
    saved: Vec<String>,
}

/// What happens next in an execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// This thread goes on.
    Run(usize),
    /// Every thread that could go on sleeps.
    Blocked,
    /// No thread can go on.
    Stuck,
}

impl Search {
    /// Begin the next execution.
    pub(super) fn restart(&mut self) {
        self.length = 0;
        self.analysed = 0;
        // What is known of the steps of a search that was written down is to be found out again.
        self.frontier = match self.saved.is_empty() {
            true => self.nodes.len().saturating_sub(1),
            false => 0,
        };
        self.remembered = self.remembered.min(self.frontier);
        for history in &mut self.histories {
            let kept = history.partition_point(|past| past.event < self.remembered);
            history.truncate(kept);
        }
    }

    /// Whether the last event is one that the last execution had.
    fn is_known(&self) -> bool {
        self.length <= self.frontier
    }

    /// How many steps the current execution has.
    pub(super) fn depth(&self) -> usize {
        self.length
    }

    /// The steps of the current execution.
    pub(super) fn events(&self) -> &[Event] {
        &self.events[..self.length]
    }

    /// The answers to the choices of the current execution's steps.
    pub(super) fn choice_at(&self, event: usize) -> u32 {
        self.nodes[event].choice
    }

    /// Whether the current execution still follows the last one.
    pub(super) fn is_replaying(&self) -> bool {
        self.length < self.nodes.len()
    }

    /// The step at this point of an execution that is followed again.
    pub(super) fn expected(&self) -> &Node {
        &self.nodes[self.length]
    }

    /// Decide at a point that no execution has seen. `request` says what a thread asks for.
    pub(super) fn decide(
        &mut self,
        enabled: ThreadSet,
        current: usize,
        request: impl Fn(usize) -> Request,
    ) -> Decision {
        debug_assert!(!self.is_replaying());
        if enabled == 0 {
            return Decision::Stuck;
        }
        let mut node = self.spare.pop().unwrap_or_else(|| Box::new(Node::new()));
        self.inherit_sleep(&mut node);
        let free = enabled & !asleep(&node.sleep);
        if free == 0 {
            self.spare.push(node);
            return Decision::Blocked;
        }
        let thread = if free & 1 << current != 0 {
            current
        } else {
            free.trailing_zeros() as usize
        };
        let preemptions = self.preemptions_with(thread, enabled);
        if self.preemption_bound.is_some_and(|most| preemptions > most) {
            self.bound_hit = true;
            self.spare.push(node);
            return Decision::Blocked;
        }
        node.thread = thread;
        node.request = request(thread);
        node.choice = 0;
        node.enabled = enabled;
        node.backtrack = 1 << thread;
        node.queue.clear();
        node.done = 0;
        node.preemptions = preemptions;
        node.accessed.clear();
        node.fatal = false;
        node.probed = false;
        node.handed = None;
        self.nodes.push(node);
        Decision::Run(thread)
    }

    /// The preemptions of an execution in which `thread` goes on at the current end.
    fn preemptions_with(&self, thread: usize, enabled: ThreadSet) -> u32 {
        self.preemptions_at(self.length, thread, enabled)
    }

    fn preemptions_at(&self, depth: usize, thread: usize, enabled: ThreadSet) -> u32 {
        let Some(before) = depth.checked_sub(1) else {
            return 0;
        };
        let node = &self.nodes[before];
        let preempted = node.thread != thread && enabled & 1 << node.thread != 0;
        node.preemptions + u32::from(preempted)
    }

    /// Tell a new node the threads that sleep after the last step, and those that have been woken
    /// since they went to sleep and have not gone on.
    fn inherit_sleep(&self, node: &mut Node) {
        node.sleep.clear();
        node.woken.clear();
        let Some(parent) = self.length.checked_sub(1) else {
            return;
        };
        let step = &self.events[parent].accesses;
        let parent = &self.nodes[parent];
        let waiting = parent.woken.iter().filter(|s| s.thread != parent.thread);
        node.woken.extend(waiting.cloned());
        for sleeper in &parent.sleep {
            if sleeper.fatal {
                continue;
            }
            if dependent(&sleeper.accesses, step) {
                node.woken.push(sleeper.clone());
            } else {
                node.sleep.push(sleeper.clone());
            }
        }
    }

    /// Begin the next event of the current execution.
    pub(super) fn begin_event(&mut self, thread: usize, number: u16, previous: Option<usize>) {
        if self.length == self.events.len() {
            self.events.push(Event {
                thread,
                number,
                previous,
                accesses: Vec::new(),
                follows: Vec::new(),
                clock: Clock::ZERO,
            });
        }
        self.length += 1;
        if self.is_known() {
            return;
        }
        let event = &mut self.events[self.length - 1];
        event.thread = thread;
        event.number = number;
        event.previous = previous;
        event.accesses.clear();
        event.follows.clear();
    }

    /// The last event comes after this one in every interleaving: it waited for it.
    pub(super) fn follows(&mut self, event: usize) {
        let last = self.length - 1;
        if event < last && !self.is_known() {
            self.events[last].follows.push(event);
        }
    }

    /// The last event accesses an object.
    pub(super) fn access(&mut self, object: ObjectId, mode: Mode, old: u64) {
        if self.is_known() {
            return;
        }
        let accesses = &mut self.events[self.length - 1].accesses;
        let object = object.0;
        if let Some(known) = accesses.iter_mut().find(|a| a.object == object) {
            if known.mode != mode {
                known.mode = Mode::Write;
            }
        } else {
            accesses.push(Access {
                object,
                mode,
                old,
                awaited: false,
            });
        }
    }

    /// The last event waited for an object that it accesses.
    pub(super) fn awaited(&mut self, object: ObjectId) {
        let accesses = &mut self.events[self.length - 1].accesses;
        let access = accesses.iter_mut().find(|a| a.object == object.0);
        access.expect("it is accessed").awaited = true;
    }

    /// The last event is over: look at its races, if that was not done before.
    pub(super) fn end_event(&mut self) {
        if self.analysed == self.length {
            return;
        }
        debug_assert_eq!(self.analysed + 1, self.length);
        let index = self.analysed;
        self.analysed = self.length;
        if index >= self.frontier {
            self.remember_what_slept(index);
            self.analyse(index);
        }
        if index >= self.remembered {
            self.add_to_histories(index);
        }
    }

    /// The last event of an execution that is given, not searched, is over: there is nothing to
    /// try, but grace periods have to know what happened before what.
    pub(super) fn end_given_event(&mut self) {
        if self.analysed == self.length {
            return;
        }
        let index = self.analysed;
        self.analysed = self.length;
        let event = &self.events[index];
        let mut clock = self.clock_before(event.previous);
        for &earlier in &event.follows {
            clock.join(&self.events[earlier].clock);
        }
        for access in &event.accesses {
            self.conflicting(access, |past| clock.join(&self.events[past.event].clock));
        }
        let event = &mut self.events[index];
        clock.set(event.thread, event.number);
        event.clock = clock;
        self.add_to_histories(index);
    }

    fn add_to_histories(&mut self, index: usize) {
        self.remembered = index + 1;
        for i in 0..self.events[index].accesses.len() {
            let Access {
                object, mode, old, ..
            } = self.events[index].accesses[i];
            let object = object as usize;
            if self.histories.len() <= object {
                self.histories.resize_with(object + 1, Vec::new);
            }
            self.histories[object].push(Past {
                event: index,
                mode,
                old,
            });
        }
    }

    /// A step that slept and was woken may access less now than it did when it was tried: what it
    /// read meanwhile has changed. Whoever conflicts with what it accessed then can still be what
    /// keeps the two from being equivalent, so the step counts as accessing that, too.
    fn remember_what_slept(&mut self, index: usize) {
        let event = &mut self.events[index];
        let woken = self.nodes[index].woken.iter();
        for sleeper in woken.filter(|sleeper| sleeper.thread == event.thread) {
            for access in sleeper.accesses.iter() {
                if event.accesses.iter().all(|a| a.object != access.object) {
                    event.accesses.push(*access);
                }
            }
        }
    }

    /// What happens before the next step of a thread whose last one was `previous`. All steps
    /// before the current one must be over.
    pub(super) fn clock_of_thread(&self, previous: Option<usize>) -> Clock {
        // The current step is the thread's last already.
        let previous = previous.and_then(|current| self.events[current].previous);
        self.clock_before(previous)
    }

    /// The clock of a thread's last step: what happens before its next one by itself.
    fn clock_before(&self, previous: Option<usize>) -> Clock {
        previous.map_or(Clock::ZERO, |event| self.events[event].clock)
    }

    /// Give an event its clock and find its races.
    fn analyse(&mut self, index: usize) {
        let event = &self.events[index];
        let request = self.nodes[index].request;
        let mut racing = std::mem::take(&mut self.racing);
        racing.clear();
        let mut clocks = self.clocks.take().unwrap_or_default();
        let Clocks {
            before,
            certain,
            all,
        } = &mut *clocks;
        match event.previous {
            Some(previous) => before.copy_from(&self.events[previous].clock),
            None => before.clear(),
        }
        let waits =
            |access: &Access| is_waiting(request.action) && access.object == request.object.0;
        // A race with what the step cannot come before cannot be reversed, and must not stand for
        // one that can.
        certain.copy_from(before);
        for access in &event.accesses {
            if access.awaited || waits(access) {
                self.conflicting(access, |past| certain.join(&self.events[past.event].clock));
            }
        }
        let bounded = self.preemption_bound.is_some();
        for &earlier in &event.follows {
            let Event { thread, number, .. } = self.events[earlier];
            if bounded && !before.knows(thread, number) {
                racing.push(earlier);
            }
            certain.join(&self.events[earlier].clock);
        }
        all.copy_from(certain);
        for access in &event.accesses {
            self.conflicting(access, |past| all.join(&self.events[past.event].clock));
            if bounded {
                self.all_races(access, before, &mut racing);
            } else if waits(access) {
                self.race_of_wait(access.object, access.mode, request, before, &mut racing);
            } else if !access.awaited {
                self.conflicting(access, |past| {
                    let earlier = &self.events[past.event];
                    if !certain.knows(earlier.thread, earlier.number) {
                        racing.push(past.event);
                    }
                });
            }
        }
        let event = &mut self.events[index];
        all.set(event.thread, event.number);
        event.clock.copy_from(all);
        let thread = event.thread;
        let accesses = std::mem::take(&mut event.accesses);
        self.reverse_all(&mut racing, thread, before, &accesses);
        self.racing = racing;
        self.clocks = Some(clocks);
        self.events[index].accesses = accesses;
    }

    /// A thread still waits where the execution goes no further: find the races of the step that
    /// it never came to. The execution may have been cut because all others sleep: what they
    /// would do was run elsewhere, but with the steps up to here in another order.
    pub(super) fn analyse_waiting(
        &mut self,
        thread: usize,
        previous: Option<usize>,
        request: Request,
    ) {
        if !is_waiting(request.action) {
            return;
        }
        let before = self.clock_before(previous);
        let mut racing = Vec::new();
        let object = request.object.0;
        let mode = match request.action {
            Action::Await(..) => Mode::Read,
            _ => Mode::Write,
        };
        let access = Access {
            object,
            mode,
            old: 0,
            awaited: true,
        };
        match self.preemption_bound {
            Some(_) => self.all_races(&access, &before, &mut racing),
            None => self.race_of_wait(object, mode, request, &before, &mut racing),
        }
        self.reverse_all(&mut racing, thread, &before, &[access]);
    }

    /// The execution ended in its last step, and so ended every other thread: what they could have
    /// done instead of that step has to be tried.
    pub(super) fn try_all_at_end(&mut self) {
        let last = self.nodes.len().checked_sub(1);
        if let Some(depth) = last {
            if self.preemption_bound.is_some() {
                let block = self.block(depth);
                for depth in [depth, block] {
                    let node = &mut self.nodes[depth];
                    node.ask_for(node.enabled);
                }
                self.nodes[depth].probed = true;
                return;
            }
            self.nodes[depth].fatal = true;
            self.ask(Asked {
                depth,
                firsts: 0,
                thread: 0,
            });
        }
    }

    /// The past accesses that conflict with `access`, up to the last write, latest first.
    fn conflicting(&self, access: &Access, mut f: impl FnMut(&Past)) {
        let Some(history) = self.histories.get(access.object as usize) else {
            return;
        };
        for past in history.iter().rev() {
            if past.mode.conflicts(access.mode) {
                f(past);
            }
            if past.mode == Mode::Write {
                break;
            }
        }
    }

    /// The past accesses that a wait could have come before: of the latest stretch in which the
    /// wait would have been over, those that are not ordered with it.
    fn race_of_wait(
        &self,
        object: u32,
        mode: Mode,
        request: Request,
        before: &Clock,
        racing: &mut Vec<usize>,
    ) {
        let Some(history) = self.histories.get(object as usize) else {
            return;
        };
        for past in history.iter().rev() {
            let earlier = &self.events[past.event];
            if before.knows(earlier.thread, earlier.number) {
                // All that is older and conflicts with a write happened before it.
                if past.mode == Mode::Write {
                    break;
                }
                continue;
            }
            if past.mode.conflicts(mode) && is_over(request.action, past.old) {
                racing.push(past.event);
                if past.mode == Mode::Write {
                    break;
                }
            }
        }
    }

    /// All past accesses that conflict with `access` and do not happen before the thread's own last
    /// step. Also what ended its wait: had it begun to wait before that, it would have let others go
    /// on without a preemption.
    fn all_races(&self, access: &Access, before: &Clock, racing: &mut Vec<usize>) {
        let history = self.histories.get(access.object as usize);
        for past in history.into_iter().flatten() {
            let earlier = &self.events[past.event];
            if past.mode.conflicts(access.mode) && !before.knows(earlier.thread, earlier.number) {
                racing.push(past.event);
            }
        }
    }

    /// Where the block of steps of one thread begins that this one is in.
    fn block(&self, depth: usize) -> usize {
        let thread = self.nodes[depth].thread;
        let before = self.nodes[..depth].iter();
        depth
            - before
                .rev()
                .take_while(|node| node.thread == thread)
                .count()
    }

    /// Whether the current execution has more preemptions than it may have.
    pub(super) fn is_over_bound(&self) -> bool {
        let preemptions = self.nodes.last().map_or(0, |node| node.preemptions);
        self.preemption_bound.is_some_and(|most| preemptions > most)
    }

    /// See to it that each race is explored the other way round.
    fn reverse_all(
        &mut self,
        racing: &mut Vec<usize>,
        thread: usize,
        before: &Clock,
        accesses: &[Access],
    ) {
        racing.sort_unstable();
        racing.dedup();
        for i in 0..racing.len() {
            let first = racing[i];
            let Event {
                thread: t, number, ..
            } = self.events[first];
            if self.preemption_bound.is_some() {
                if t != thread {
                    let block = self.block(first);
                    for depth in [first, block] {
                        let node = &mut self.nodes[depth];
                        match node.enabled & 1 << thread {
                            0 => node.ask_for(node.enabled),
                            only => node.ask_for(only),
                        }
                    }
                }
                continue;
            }
            // A step that happens before another racing one is not reversed by itself.
            let covered = racing[i + 1..]
                .iter()
                .any(|&later| self.events[later].clock.knows(t, number));
            if t != thread && !covered {
                self.reverse(first, thread, before, accesses);
            }
        }
    }

    /// Let one of the threads go first at the node of `first` that can begin the sequence of all
    /// later steps that do not happen after it, and the racing step of `thread`.
    fn reverse(&mut self, first: usize, thread: usize, before: &Clock, accesses: &[Access]) {
        let Event {
            thread: t, number, ..
        } = self.events[first];
        let mut firsts: ThreadSet = 0;
        let mut seen: ThreadSet = 0;
        let mut first_steps = [0u16; MAX_THREADS];
        let follows_none = |clock: &Clock, seen: ThreadSet, first_steps: &[u16; MAX_THREADS]| {
            let mut rest = seen;
            while rest != 0 {
                let q = rest.trailing_zeros() as usize;
                if clock.knows(q, first_steps[q]) {
                    return false;
                }
                rest &= rest - 1;
            }
            true
        };
        // What the thread's step accesses where it goes first is known if it was tried there.
        // Elsewhere it may see other values, and so access other things.
        let tried = self.nodes[first].sleep.iter().find(|s| s.thread == thread);
        let accesses = tried.map_or(accesses, |s| &*s.accesses);
        let mut racing_clock = *before;
        for event in &self.events[first + 1..self.analysed.min(self.length)] {
            if event.clock.knows(t, number) {
                continue;
            }
            let q = event.thread;
            if seen & 1 << q == 0 {
                if follows_none(&event.clock, seen, &first_steps) {
                    firsts |= 1 << q;
                }
                seen |= 1 << q;
                first_steps[q] = event.number;
            }
            if q != thread && dependent(&event.accesses, accesses) {
                racing_clock.join(&event.clock);
            }
        }
        if seen & 1 << thread == 0 && follows_none(&racing_clock, seen, &first_steps) {
            firsts |= 1 << thread;
        }
        self.ask(Asked {
            depth: first,
            firsts,
            thread,
        });
    }

    /// Ask a node for something, now or when its search is given this one back.
    fn ask(&mut self, asked: Asked) {
        let Asked {
            depth,
            firsts,
            thread,
        } = asked;
        let is_own = depth >= self.own;
        let node = &mut self.nodes[depth];
        // What a node is asked for only grows while it is another search's, and asking for the
        // same again changes nothing.
        if firsts & (node.backtrack | asleep(&node.sleep)) != 0 {
            return;
        }
        if !is_own {
            if !self.asked.contains(&asked) {
                self.asked.push(asked);
            }
            return;
        }
        let possible = firsts & node.enabled;
        if possible == 0 {
            // Every one of them has to wait there for something that is not in its way here. To
            // be on the safe side, try all that can go on.
            node.ask_for(node.enabled);
        } else if possible & 1 << thread != 0 {
            node.ask_for(1 << thread);
        } else {
            node.ask_for(possible & possible.wrapping_neg());
        }
    }

    /// The search of what the next thread at some node leads to, the highest node that has one, and
    /// about how much that is of this one. To be called when an execution is over. `handed` stands
    /// for whoever takes it.
    pub(super) fn hand_out(&mut self, handed: impl FnOnce() -> Arc<Handed>) -> Option<(Self, f64)> {
        if self.preemption_bound.is_some() {
            return None;
        }
        let mut share = 1.0;
        // The deepest node goes on to its next thread by itself, and at once.
        for depth in self.own..self.nodes.len().saturating_sub(1) {
            let node = &self.nodes[depth];
            share /= f64::from(node.backtrack.count_ones().max(1));
            // What its step accesses is known in the last of its choices.
            let known = match node.request.action {
                Action::Choose(alternatives) => node.choice + 1 >= alternatives,
                _ => true,
            };
            let Some(thread) = node.next().filter(|_| known && node.handed.is_none()) else {
                continue;
            };
            let preemptions = self.preemptions_at(depth, thread, node.enabled);
            let copies = self.nodes[..=depth]
                .iter()
                .map(|node| Box::new(node.copy()));
            let mut nodes: Vec<Box<Node>> = copies.collect();
            let node = &mut nodes[depth];
            let mut accesses = std::mem::take(&mut node.accessed);
            remember(&mut accesses, &self.events[depth].accesses);
            node.done |= 1 << node.thread;
            node.sleep.push(Sleeper {
                thread: node.thread,
                accesses: Arc::from(accesses),
                fatal: std::mem::take(&mut node.fatal),
            });
            node.thread = thread;
            node.choice = 0;
            node.preemptions = preemptions;
            self.nodes[depth].handed = Some(handed());
            let search = Self {
                nodes,
                // For what they know of the steps before.
                events: self.events[..depth].to_vec(),
                preemption_bound: self.preemption_bound,
                own: depth + 1,
                ..Self::default()
            };
            return Some((search, share));
        }
        None
    }

    /// Somebody else is done with what was handed out at the deepest node.
    pub(super) fn take_back(&mut self, other: &Self) {
        let node = self.nodes.last_mut().expect("it was handed out there");
        node.handed = None;
        let tried = other.nodes.last().and_then(|node| node.sleep.last());
        let tried = tried.expect("its thread was tried").clone();
        node.done |= 1 << tried.thread;
        node.sleep.push(tried);
        self.bound_hit |= other.bound_hit;
        for &asked in &other.asked {
            self.ask(asked);
        }
    }

    /// Whoever has something of this search.
    pub(super) fn handed(&self) -> impl Iterator<Item = &Arc<Handed>> {
        self.nodes.iter().filter_map(|node| node.handed.as_ref())
    }

    /// How much of this search is done, as far as it is known what there is: each thread that a
    /// node has been asked for is taken to lead to as much as the others.
    pub(super) fn share_done(&self) -> f64 {
        let (mut done, mut each) = (0.0, 1.0);
        for node in &self.nodes[self.own.min(self.nodes.len())..] {
            let tried = f64::from((node.done & node.backtrack).count_ones());
            each /= f64::from(node.backtrack.count_ones().max(1));
            done += each * tried;
        }
        done
    }

    /// Go back to the deepest node where something is left to try.
    pub(super) fn backtrack(&mut self) -> Next {
        self.end_event();
        while let Some(depth) = self.nodes.len().checked_sub(1) {
            if depth < self.length {
                self.remember_accesses(depth);
            }
            let node = &mut self.nodes[depth];
            if let Action::Choose(alternatives) = node.request.action
                && node.choice + 1 < alternatives
            {
                node.choice += 1;
                self.length = self.length.min(depth);
                self.is_new_from(depth);
                return Next::Run;
            }
            if self.preemption_bound.is_some() {
                node.done |= 1 << node.thread;
            } else if node.done & 1 << node.thread == 0 {
                node.done |= 1 << node.thread;
                let fatal = std::mem::take(&mut node.fatal);
                // Most nodes have nothing left to try, and nobody who would have to know.
                if depth < self.own || node.handed.is_some() || node.next().is_some() {
                    node.sleep.push(Sleeper {
                        thread: node.thread,
                        accesses: Arc::from(&*node.accessed),
                        fatal,
                    });
                }
                node.accessed.clear();
            }
            if depth < self.own {
                return Next::Done;
            }
            if let Some(handed) = &node.handed {
                self.length = self.length.min(depth);
                self.analysed = self.length;
                return Next::Wait(Arc::clone(handed));
            }
            if let Some(thread) = node.next() {
                let enabled = node.enabled;
                self.length = depth;
                let preemptions = self.preemptions_with(thread, enabled);
                let node = &mut self.nodes[depth];
                if self.preemption_bound.is_some_and(|most| preemptions > most) {
                    self.bound_hit = true;
                    if !node.probed {
                        node.done |= 1 << thread;
                        continue;
                    }
                }
                node.thread = thread;
                node.choice = 0;
                node.preemptions = preemptions;
                self.is_new_from(depth);
                return Next::Run;
            }
            self.spare.extend(self.nodes.pop());
            self.length = self.length.min(depth);
        }
        Next::Done
    }

    fn remember_accesses(&mut self, depth: usize) {
        remember(
            &mut self.nodes[depth].accessed,
            &self.events[depth].accesses,
        );
    }

    /// A node taken up again does not know yet what its new thread asks for.
    pub(super) fn set_request(&mut self, request: Request) {
        let length = self.length;
        self.nodes[length].request = request;
    }

    /// Whether the node at the current point was taken up again with another thread.
    pub(super) fn is_at_new_choice(&self) -> bool {
        self.length == self.frontier && self.length + 1 == self.nodes.len()
            || !self.saved.is_empty()
    }

    /// The next execution has another step at this depth.
    fn is_new_from(&mut self, depth: usize) {
        if !self.saved.is_empty() {
            self.saved.truncate(depth);
            self.saved.push(String::new());
        }
    }

    /// Whether a thread asks for what it asked for at this node when the search was written down.
    pub(super) fn is_as_saved(&mut self, request: Request) -> bool {
        let saved = self.saved.get(self.length);
        let same = saved.is_none_or(|s| s.is_empty() || *s == saved::step(request));
        if self.length + 1 >= self.saved.len() {
            self.saved.clear();
        }
        same
    }
}

fn remember(accessed: &mut Vec<Access>, accesses: &[Access]) {
    for access in accesses {
        match accessed.iter_mut().find(|a| a.object == access.object) {
            Some(known) if known.mode != access.mode => known.mode = Mode::Write,
            Some(_) => {}
            None => accessed.push(*access),
        }
    }
}

fn asleep(sleepers: &[Sleeper]) -> ThreadSet {
    sleepers.iter().fold(0, |set, s| set | 1 << s.thread)
}

/// Whether a thread that asks for this may have to wait for what the object holds.
pub(super) fn is_waiting(action: Action) -> bool {
    matches!(
        action,
        Action::Lock | Action::Await(..) | Action::AwaitUpdate(..)
    )
}

/// Whether a thread that waits could go on where the object has this value.
pub(super) fn is_over(action: Action, value: u64) -> bool {
    match action {
        Action::Lock => Condition::Equal(0).holds(value),
        Action::Await(condition, _) | Action::AwaitUpdate(condition, ..) => condition.holds(value),
        _ => true,
    }
}
