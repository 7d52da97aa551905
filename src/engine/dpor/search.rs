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

use super::{
    access::{Access, Mode, dependent},
    clock::{Clock, MAX_THREADS},
};
use crate::sync::engine::{Action, Condition, ObjectId};
use std::rc::Rc;

/// A set of threads.
pub(super) type ThreadSet = u64;

/// What a thread asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) object: ObjectId,
    pub(super) action: Action,
}

/// A thread that has been tried, and what its step accesses.
#[derive(Clone, Debug)]
struct Sleeper {
    thread: usize,
    /// Shared with those that inherit it.
    accesses: Rc<[Access]>,
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
            done: 0,
            sleep: Vec::new(),
            woken: Vec::new(),
            preemptions: 0,
            accessed: Vec::new(),
            fatal: false,
        }
    }
}

/// One step of the current execution.
#[derive(Debug)]
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

/// The search over all executions.
#[derive(Debug, Default)]
pub(super) struct Search {
    nodes: Vec<Node>,
    /// Nodes that were left, for their memory.
    spare: Vec<Node>,
    /// Steps that race with the last one, for its memory.
    racing: Vec<usize>,
    /// Events of the current execution; the tail beyond `length` is kept for its memory.
    events: Vec<Event>,
    length: usize,
    /// How many events have been looked at for races.
    analysed: usize,
    /// The first event of this execution that the last one did not have.
    frontier: usize,
    histories: Vec<Vec<Past>>,
    pub(super) preemption_bound: Option<u32>,
    /// Whether an interleaving was left out for the bound.
    pub(super) bound_hit: bool,
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
        self.frontier = self.nodes.len().saturating_sub(1);
        for history in &mut self.histories {
            history.clear();
        }
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
        let mut node = self.spare.pop().unwrap_or_else(Node::new);
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
        node.accessed.clear();
        self.nodes.push(Node {
            thread,
            request: request(thread),
            choice: 0,
            enabled,
            backtrack: 1 << thread,
            done: 0,
            preemptions,
            fatal: false,
            ..node
        });
        Decision::Run(thread)
    }

    /// The preemptions of an execution in which `thread` goes on at the current end.
    fn preemptions_with(&self, thread: usize, enabled: ThreadSet) -> u32 {
        let Some(before) = self.length.checked_sub(1) else {
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
        let event = &mut self.events[self.length];
        event.thread = thread;
        event.number = number;
        event.previous = previous;
        event.accesses.clear();
        event.follows.clear();
        self.length += 1;
    }

    /// The last event comes after this one in every interleaving: it waited for it.
    pub(super) fn follows(&mut self, event: usize) {
        let last = self.length - 1;
        if event < last {
            self.events[last].follows.push(event);
        }
    }

    /// The last event accesses an object.
    pub(super) fn access(&mut self, object: ObjectId, mode: Mode, old: u64) {
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
        self.remember_what_slept(index);
        if index >= self.frontier {
            self.analyse(index);
        }
        self.add_to_histories(index);
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
        let before = self.clock_before(event.previous);
        let request = self.nodes[index].request;
        let mut racing = std::mem::take(&mut self.racing);
        racing.clear();
        let waits =
            |access: &Access| is_waiting(request.action) && access.object == request.object.0;
        // What the step cannot come before: what its thread did, and what ended its wait. A race
        // with any of that cannot be reversed, and must not stand for one that can.
        let mut certain = before;
        for access in &event.accesses {
            if access.awaited || waits(access) {
                self.conflicting(access, |past| certain.join(&self.events[past.event].clock));
            }
        }
        for &earlier in &event.follows {
            certain.join(&self.events[earlier].clock);
        }
        let mut clock = certain;
        for access in &event.accesses {
            self.conflicting(access, |past| clock.join(&self.events[past.event].clock));
            if waits(access) {
                self.race_of_wait(access.object, access.mode, request, &before, &mut racing);
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
        clock.set(event.thread, event.number);
        event.clock = clock;
        let thread = event.thread;
        let accesses = std::mem::take(&mut event.accesses);
        self.reverse_all(&mut racing, thread, &before, &accesses);
        self.racing = racing;
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
        self.race_of_wait(object, mode, request, &before, &mut racing);
        let access = Access {
            object,
            mode,
            old: 0,
            awaited: true,
        };
        self.reverse_all(&mut racing, thread, &before, &[access]);
    }

    /// The execution ended in its last step, and so ended every other thread: what they could have
    /// done instead of that step has to be tried.
    pub(super) fn try_all_at_end(&mut self) {
        if let Some(node) = self.nodes.last_mut() {
            node.backtrack |= node.enabled;
            node.fatal = true;
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
        let node = &mut self.nodes[first];
        if firsts & (node.backtrack | asleep(&node.sleep)) != 0 {
            return;
        }
        let possible = firsts & node.enabled;
        if possible == 0 {
            // Every one of them has to wait there for something that is not in its way here. To
            // be on the safe side, try all that can go on.
            node.backtrack |= node.enabled;
        } else if possible & 1 << thread != 0 {
            node.backtrack |= 1 << thread;
        } else {
            node.backtrack |= possible & possible.wrapping_neg();
        }
    }

    /// Go back to the deepest node where something is left to try. `false`: nothing is.
    pub(super) fn backtrack(&mut self) -> bool {
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
                return true;
            }
            if node.done & 1 << node.thread == 0 {
                node.done |= 1 << node.thread;
                let accesses = Rc::from(&*node.accessed);
                node.accessed.clear();
                node.sleep.push(Sleeper {
                    thread: node.thread,
                    accesses,
                    fatal: std::mem::take(&mut node.fatal),
                });
            }
            let left = node.backtrack & !node.done & !asleep(&node.sleep);
            if left != 0 {
                let thread = left.trailing_zeros() as usize;
                let enabled = node.enabled;
                self.length = depth;
                let preemptions = self.preemptions_with(thread, enabled);
                let node = &mut self.nodes[depth];
                if self.preemption_bound.is_some_and(|most| preemptions > most) {
                    self.bound_hit = true;
                    node.done |= 1 << thread;
                    continue;
                }
                node.thread = thread;
                node.choice = 0;
                node.preemptions = preemptions;
                return true;
            }
            self.spare.extend(self.nodes.pop());
            self.length = self.length.min(depth);
        }
        false
    }

    fn remember_accesses(&mut self, depth: usize) {
        let node = &mut self.nodes[depth];
        for access in &self.events[depth].accesses {
            match node.accessed.iter_mut().find(|a| a.object == access.object) {
                Some(known) if known.mode != access.mode => known.mode = Mode::Write,
                Some(_) => {}
                None => node.accessed.push(*access),
            }
        }
    }

    /// A node taken up again does not know yet what its new thread asks for.
    pub(super) fn set_request(&mut self, request: Request) {
        let length = self.length;
        self.nodes[length].request = request;
    }

    /// Whether the node at the current point was taken up again with another thread.
    pub(super) fn is_at_new_choice(&self) -> bool {
        self.length == self.frontier && self.length + 1 == self.nodes.len()
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
