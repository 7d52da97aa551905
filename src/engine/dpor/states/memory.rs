// SPDX-License-Identifier: GPL-2.0-only
//! What a step does to a state.
//!
//! The same rules as in [`super::super::execution`], with two differences that come from a state
//! having no past. A grace period waits for the sections that have begun before it and are open; or for
//! all that are open, as in the kernel, where that is asked for. And what happens before what is not
//! kept as clocks, which never come back to where they were: all that matters of it is whether a
//! thread that accesses a plain variable knows of the last write, and of each thread's last read
//! since. Those are *events*, a set of them for each thread and message, and an event that a later
//! one replaces is forgotten by all.

use super::{
    super::search::is_over,
    access::{Access, Locks},
    layout::{
        BEFORE, CONTENT, ENDED, FENCE_RELEASED, FENCE_WOULD_ACQUIRE, HELD, KNOWN, Layout,
        MAKES_KNOWN, MESSAGE, Maker, PLACE, READERS, ThreadName, VALUE, WAITS_FOR, WORDS, WRITTEN,
    },
    state::{CellIndex, State, scramble},
};
use crate::{
    engine::dpor::order::{acquires, releases},
    sync::{
        engine::{Action, ObjectId, ObjectKind, Ordering},
        violation::ViolationKind,
    },
};

/// What belongs to a step beside its action: what its thread does until it asks for the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// It makes an object whose word has this value. The cell counts those of its name.
    Create(ObjectId, u64, CellIndex),
    /// It uses an allocation.
    Touch(ObjectId),
    /// A fence.
    Fence(Ordering),
    /// It ends a section of a domain.
    EndSection(ObjectId),
    /// It begins a thread of a family that is a daemon or not.
    Spawn(u32, bool),
    /// An object holds something else now.
    Content(ObjectId, u64),
    /// The model reports a violation.
    Report(Noted),
    /// From here on one thread runs at a time: the part where every interleaving counts is over.
    Alone,
}

/// A violation, and the object that it is about, where it is about one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Noted {
    pub(super) kind: ViolationKind,
    pub(super) object: Option<ObjectId>,
}

impl Noted {
    pub(super) fn on(kind: ViolationKind, object: ObjectId) -> Self {
        let object = Some(object);
        Self { kind, object }
    }
}

/// What a thread may ask within a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Query {
    /// How many objects of a name it has made.
    Count(CellIndex),
    /// Whether an allocation is freed.
    IsFreed(ObjectId),
    /// What an object holds.
    Content(ObjectId),
}

/// A step that a thread asks for, with what has to be done first in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) object: ObjectId,
    pub(super) action: Action,
    /// Allocations that are used with it.
    pub(super) touching: Vec<ObjectId>,
    /// Domains whose section begins with it.
    pub(super) beginning: Vec<ObjectId>,
}

/// A state that a step is done to, and what is noted of the step.
#[derive(Debug)]
pub(super) struct Memory<'a> {
    pub(super) layout: &'a mut Layout,
    pub(super) state: &'a mut State,
    /// Whether every interleaving counts.
    pub(super) concurrent: bool,
    pub(super) accesses: &'a mut Vec<(ObjectId, Access)>,
    pub(super) violations: &'a mut Vec<Noted>,
    /// The threads that were begun.
    pub(super) begun: &'a mut Vec<ThreadName>,
    /// A violation has ended the execution.
    pub(super) fatal: bool,
    /// [`Effect::Alone`] has.
    pub(super) alone: bool,
}

impl<'a> Memory<'a> {
    pub(super) fn new(
        layout: &'a mut Layout,
        state: &'a mut State,
        concurrent: bool,
        accesses: &'a mut Vec<(ObjectId, Access)>,
        violations: &'a mut Vec<Noted>,
        begun: &'a mut Vec<ThreadName>,
    ) -> Self {
        Self {
            layout,
            state,
            concurrent,
            accesses,
            violations,
            begun,
            fatal: false,
            alone: false,
        }
    }
}

impl Memory<'_> {
    fn access(&mut self, object: ObjectId, access: Access) {
        self.accesses.push((object, access));
    }

    /// What has begun before the steps that this one depends on has begun before it.
    fn depend(&mut self, thread: ThreadName, object: ObjectId, access: Access) {
        self.access(object, access);
        if self.layout.waits_for_open {
            return;
        }
        let Some(carries) = self.layout.object(object).carries else {
            return;
        };
        let (changed, read) = (self.state.get(carries), self.state.get(carries + 1));
        let sections = match access {
            Access::Read => changed,
            Access::Snapshot => read,
            Access::Write | Access::Lock | Access::Unlock => changed | read,
        };
        if sections != 0 && self.concurrent {
            let before = self.of_thread(thread, BEFORE);
            self.state.set(before, self.state.get(before) | sections);
        }
    }

    fn report(&mut self, noted: Noted) {
        // What has ended the execution is the last one.
        if !self.fatal && !self.violations.contains(&noted) {
            self.violations.push(noted);
        }
        self.fatal |= noted.kind.is_fatal();
    }

    // Sets: WORDS cells each.

    fn contains(&self, set: CellIndex, member: u32) -> bool {
        self.state.get(set + member / 64) & 1 << (member % 64) != 0
    }

    fn insert(&mut self, set: CellIndex, member: u32) {
        let cell = set + member / 64;
        self.state
            .set(cell, self.state.get(cell) | 1 << (member % 64));
    }

    fn copy(&mut self, to: CellIndex, from: CellIndex) {
        for word in 0..WORDS {
            self.state.set(to + word, self.state.get(from + word));
        }
    }

    fn join(&mut self, to: CellIndex, from: CellIndex) {
        for word in 0..WORDS {
            let more = self.state.get(from + word);
            if more != 0 {
                self.state.set(to + word, self.state.get(to + word) | more);
            }
        }
    }

    fn clear(&mut self, set: CellIndex) {
        for word in 0..WORDS {
            self.state.set(set + word, 0);
        }
    }

    fn cell(&self, object: ObjectId, cell: u32) -> CellIndex {
        self.layout.object(object).cells + cell
    }

    fn of_thread(&self, thread: ThreadName, cell: u32) -> CellIndex {
        self.layout.thread(thread).cells + cell
    }

    fn value(&self, object: ObjectId) -> u64 {
        self.state.get(self.cell(object, VALUE))
    }

    fn set_value(&mut self, object: ObjectId, value: u64) {
        self.state.set(self.cell(object, VALUE), value);
    }

    // Happens-before.

    fn acquire(&mut self, thread: ThreadName, object: ObjectId, order: Ordering) {
        if !self.concurrent {
            return;
        }
        let learns = match acquires(order) {
            true => KNOWN,
            false => FENCE_WOULD_ACQUIRE,
        };
        self.join(self.of_thread(thread, learns), self.cell(object, MESSAGE));
    }

    /// What a write publishes.
    fn published(&self, thread: ThreadName, order: Ordering) -> CellIndex {
        let known = match releases(order) {
            true => KNOWN,
            false => FENCE_RELEASED,
        };
        self.of_thread(thread, known)
    }

    /// Nobody knows of an event any more.
    fn forget_event(&mut self, event: u32) {
        let (word, bit) = (event / 64, 1_u64 << (event % 64));
        for index in 0..self.layout.knowledge.len() {
            let cell = self.layout.knowledge[index] + word;
            let known = self.state.get(cell);
            if known & bit != 0 {
                self.state.set(cell, known & !bit);
            }
        }
    }

    fn plain(&mut self, thread: ThreadName, object: ObjectId, is_write: bool, race: ViolationKind) {
        if !self.concurrent {
            return;
        }
        let known = self.of_thread(thread, KNOWN);
        let write = self.layout.event(object, None);
        let written = self.cell(object, WRITTEN);
        let readers = self.cell(object, READERS);
        let mut races = self.state.get(written) != 0 && !self.contains(known, write);
        if is_write {
            for reader in 0..self.layout.threads() {
                if self.contains(readers, reader) {
                    let read = self.layout.event(object, Some(reader));
                    races |= !self.contains(known, read);
                    self.forget_event(read);
                }
            }
            self.clear(readers);
            self.state.set(written, 1);
            self.forget_event(write);
            self.insert(known, write);
        } else {
            let read = self.layout.event(object, Some(thread));
            self.insert(readers, thread);
            self.forget_event(read);
            self.insert(known, read);
        }
        if races {
            self.report(Noted::on(race, object));
        }
    }

    // Lifetimes.

    fn use_allocation(&mut self, me: ThreadName, allocation: ObjectId) {
        self.depend(me, allocation, Access::Read);
        if let ObjectKind::Allocation(kind) = self.layout.object(allocation).kind
            && self.value(allocation) == 1
        {
            self.report(Noted::on(kind, allocation));
        }
    }

    // Sections.

    fn sections_wait(&self, domain: ObjectId) -> bool {
        self.layout.object(domain).kind
            == ObjectKind::Domain {
                sections_wait: true,
            }
    }

    fn begin_section(&mut self, thread: ThreadName, domain: ObjectId) {
        let section = self.layout.section(domain, thread);
        let open = self.value(domain);
        self.set_value(domain, open | section);
        if self.sections_wait(domain) {
            self.access(domain, Access::Read);
            if self.concurrent {
                let known = self.of_thread(thread, KNOWN);
                self.join(known, self.cell(domain, MESSAGE));
            }
        } else if self.layout.waits_for_open {
            self.access(domain, Access::Read);
        } else {
            let before = self.of_thread(thread, BEFORE);
            self.state.set(before, self.state.get(before) | section);
        }
    }

    fn end_section(&mut self, thread: ThreadName, domain: ObjectId) {
        let section = self.layout.section(domain, thread);
        let open = self.value(domain);
        self.set_value(domain, open & !section);
        let known = self.of_thread(thread, KNOWN);
        for index in 0.. {
            let Some(grace_period) = self.layout.grace_period(domain, index) else {
                break;
            };
            let waits_for = self.cell(grace_period, WAITS_FOR);
            let left = self.state.get(waits_for);
            if left & section != 0 {
                self.state.set(waits_for, left & !section);
                self.join(self.cell(grace_period, MAKES_KNOWN), known);
            }
        }
        if self.sections_wait(domain) {
            self.access(domain, Access::Read);
            self.join(self.cell(domain, ENDED), known);
            return;
        }
        if self.layout.waits_for_open {
            self.access(domain, Access::Read);
            return;
        }
        for index in 0..self.layout.carriers.len() {
            let cell = self.layout.carriers[index];
            let before = self.state.get(cell);
            if before & section != 0 {
                self.state.set(cell, before & !section);
            }
        }
    }

    /// Answers the grace period.
    fn begin_grace_period(&mut self, thread: ThreadName, domain: ObjectId) -> u64 {
        self.depend(thread, domain, Access::Snapshot);
        let maker = Maker::GracePeriod(thread, domain);
        let count = self.layout.count(maker, "grace period");
        let number = self.state.get(count);
        self.state.set(count, number + 1);
        let grace_period = self.layout.name_grace_period(domain, thread, number);
        let sections_wait = self.sections_wait(domain);
        let mut sections = self.value(domain);
        if self.concurrent && !sections_wait && !self.layout.waits_for_open {
            sections &= self.state.get(self.of_thread(thread, BEFORE));
        }
        self.state.set(self.cell(grace_period, WAITS_FOR), sections);
        let known = self.of_thread(thread, KNOWN);
        let makes_known = self.cell(grace_period, MAKES_KNOWN);
        self.copy(makes_known, known);
        if sections_wait {
            self.join(makes_known, self.cell(domain, ENDED));
            self.join(self.cell(domain, MESSAGE), known);
        }
        u64::from(grace_period.0)
    }

    fn end_grace_period(&mut self, thread: ThreadName, grace_period: ObjectId) {
        let makes_known = self.cell(grace_period, MAKES_KNOWN);
        self.join(self.of_thread(thread, KNOWN), makes_known);
        self.clear(makes_known);
    }

    /// The step is over: what has begun before it has begun before whatever depends on it.
    pub(super) fn end_step(&mut self, thread: ThreadName) {
        if !self.concurrent || self.layout.waits_for_open {
            return;
        }
        let before = self.state.get(self.of_thread(thread, BEFORE));
        for index in 0..self.accesses.len() {
            let (object, access) = self.accesses[index];
            let Some(carries) = self.layout.object(object).carries else {
                continue;
            };
            match access {
                Access::Read => {
                    let read = self.state.get(carries + 1);
                    self.state.set(carries + 1, read | before);
                }
                Access::Snapshot => {
                    let changed = self.state.get(carries);
                    self.state.set(carries, changed | before);
                }
                Access::Write | Access::Lock | Access::Unlock => {
                    self.state.set(carries, before);
                    self.state.set(carries + 1, 0);
                }
            }
        }
    }

    /// What a thread that waits would access if it could go on.
    pub(super) fn would_access(&mut self, asked: &Asked) {
        let access = match asked.action {
            Action::Lock => Access::Lock,
            Action::Await(..) => Access::Read,
            Action::AwaitUpdate(..) => Access::Write,
            _ => return,
        };
        self.access(asked.object, access);
        let reads = asked.touching.iter().chain(&asked.beginning);
        let owner = self.layout.object(asked.object).owner;
        for object in reads.copied().chain(owner) {
            self.access(object, Access::Read);
        }
    }

    /// The threads that have to go on before one that waits for this can: one of each of the
    /// alternatives. `None` where any that changes the object may be enough.
    pub(super) fn waits_for(&self, asked: &Asked) -> Option<Vec<ThreadName>> {
        match asked.action {
            Action::Lock => Some(vec![self.value(asked.object) as ThreadName - 1]),
            Action::GracePeriodEnd(number) => {
                let waits_for = self.cell(ObjectId(number as u32), WAITS_FOR);
                let sections = self.state.get(waits_for);
                Some(self.layout.in_sections(sections).collect())
            }
            _ => None,
        }
    }

    /// The locks that a thread holds.
    pub(super) fn held(&self, thread: ThreadName) -> Locks {
        self.state.get(self.of_thread(thread, HELD))
    }

    /// The locks without which a thread cannot do what it asks for: those that it holds, and the one
    /// that it waits for. Not one that it tries to take: it would go on without.
    pub(super) fn under(&mut self, thread: ThreadName, asked: &Asked) -> Locks {
        let takes = match asked.action {
            Action::Lock => self.layout.lock(asked.object),
            _ => 0,
        };
        self.held(thread) | takes
    }

    /// Whether a thread that asks for this can go on.
    pub(super) fn is_enabled(&self, thread: ThreadName, asked: &Asked) -> bool {
        match asked.action {
            Action::Lock | Action::Await(..) | Action::AwaitUpdate(..) => {
                is_over(asked.action, self.value(asked.object))
            }
            Action::GracePeriodEnd(number) => {
                self.state
                    .get(self.cell(ObjectId(number as u32), WAITS_FOR))
                    == 0
            }
            Action::Settle => {
                unreachable!("whether thread {thread} may settle is the caller's to say")
            }
            _ => true,
        }
    }

    /// Perform the action of a step; `choice` is the answer if it asks for one. Answers what it
    /// answers, and what the thread learns by it.
    pub(super) fn perform(&mut self, thread: ThreadName, asked: &Asked, choice: u32) -> (u64, u64) {
        for &domain in &asked.beginning {
            self.begin_section(thread, domain);
        }
        let answer = self.action(thread, asked.object, asked.action, choice);
        let content = self.check_after(thread, asked);
        (answer, scramble(answer ^ scramble(content)))
    }

    fn action(&mut self, me: ThreadName, object: ObjectId, action: Action, choice: u32) -> u64 {
        match action {
            Action::Load(order) | Action::Await(_, order) => {
                self.depend(me, object, Access::Read);
                self.acquire(me, object, order);
                self.value(object)
            }
            Action::Store(value, order) => {
                self.depend(me, object, Access::Write);
                self.copy(self.cell(object, MESSAGE), self.published(me, order));
                self.set_value(object, value);
                0
            }
            Action::Update(update, success, failure) => {
                let old = self.value(object);
                match update.apply(old) {
                    Some(new) => self.update(me, object, new, success),
                    None => {
                        self.depend(me, object, Access::Read);
                        self.acquire(me, object, failure);
                    }
                }
                old
            }
            Action::AwaitUpdate(_, update, order) => {
                let old = self.value(object);
                match update.apply(old) {
                    Some(new) => self.update(me, object, new, order),
                    None => {
                        self.depend(me, object, Access::Read);
                        self.acquire(me, object, order);
                    }
                }
                old
            }
            Action::TryLock if self.value(object) != 0 => {
                self.depend(me, object, Access::Read);
                0
            }
            Action::Lock | Action::TryLock => {
                self.depend(
                    me,
                    object,
                    match action {
                        Action::Lock => Access::Lock,
                        _ => Access::Write,
                    },
                );
                self.acquire(me, object, Ordering::Acquire);
                // Who holds it.
                self.set_value(object, u64::from(me) + 1);
                let held = self.of_thread(me, HELD);
                let lock = self.layout.lock(object);
                self.state.set(held, self.state.get(held) | lock);
                1
            }
            Action::Unlock => {
                self.depend(me, object, Access::Unlock);
                self.copy(
                    self.cell(object, MESSAGE),
                    self.published(me, Ordering::Release),
                );
                self.set_value(object, 0);
                let held = self.of_thread(me, HELD);
                let lock = self.layout.lock(object);
                self.state.set(held, self.state.get(held) & !lock);
                0
            }
            Action::Read | Action::ReadMarked => {
                self.depend(me, object, Access::Read);
                0
            }
            Action::Write => {
                self.depend(me, object, Access::Write);
                0
            }
            // The callbacks that are asked about are told apart otherwise.
            Action::GracePeriodCount => {
                self.depend(me, object, Access::Read);
                0
            }
            Action::GracePeriodBegin => self.begin_grace_period(me, object),
            Action::GracePeriodEnd(number) => {
                self.end_grace_period(me, ObjectId(number as u32));
                0
            }
            Action::Choose(_) => u64::from(choice),
            Action::Fence(_) => unreachable!("a fence is no step"),
            Action::Touch => {
                if matches!(self.layout.object(object).kind, ObjectKind::Domain { .. }) {
                    self.begin_section(me, object);
                }
                0
            }
            Action::Free | Action::Renew | Action::Start | Action::Settle => 0,
        }
    }

    fn update(&mut self, me: ThreadName, object: ObjectId, new: u64, order: Ordering) {
        self.depend(me, object, Access::Write);
        self.acquire(me, object, order);
        self.join(self.cell(object, MESSAGE), self.published(me, order));
        self.set_value(object, new);
    }

    /// The lifetimes and races that the step is about. Answers what the object holds, where the
    /// action tells.
    fn check_after(&mut self, me: ThreadName, asked: &Asked) -> u64 {
        for &allocation in &asked.touching {
            self.use_allocation(me, allocation);
        }
        let object = asked.object;
        let about = self.layout.object(object);
        if let Some(owner) = about.owner {
            self.use_allocation(me, owner);
        }
        match asked.action {
            Action::Touch => self.use_allocation(me, object),
            Action::Free => {
                self.depend(me, object, Access::Write);
                if self.value(object) == 1 {
                    self.report(Noted::on(ViolationKind::DoubleFree, object));
                }
                self.set_value(object, 1);
            }
            Action::Renew => {
                self.depend(me, object, Access::Write);
                self.set_value(object, 0);
            }
            Action::Read | Action::Write => {
                if let ObjectKind::Plain(race) = about.kind {
                    self.plain(me, object, asked.action == Action::Write, race);
                }
            }
            _ => {}
        }
        match about.kind {
            ObjectKind::Lock | ObjectKind::Plain(_) if asked.action != Action::Unlock => {
                self.state.get(about.cells + CONTENT)
            }
            _ => 0,
        }
    }

    /// What its thread does beside the action.
    pub(super) fn effect(&mut self, me: ThreadName, effect: Effect) {
        match effect {
            Effect::Create(object, value, count) => {
                self.state.set(count, self.state.get(count) + 1);
                if matches!(self.layout.object(object).kind, ObjectKind::Atomic(_)) {
                    self.set_value(object, value);
                }
            }
            Effect::Touch(allocation) => self.use_allocation(me, allocation),
            Effect::Fence(order) => {
                if acquires(order) {
                    let seen = self.of_thread(me, FENCE_WOULD_ACQUIRE);
                    self.join(self.of_thread(me, KNOWN), seen);
                }
                if releases(order) {
                    let known = self.of_thread(me, KNOWN);
                    self.copy(self.of_thread(me, FENCE_RELEASED), known);
                }
            }
            Effect::EndSection(domain) => self.end_section(me, domain),
            Effect::Spawn(family, daemon) => {
                let Some(child) = self.layout.name_thread(family, daemon, self.state) else {
                    return;
                };
                self.access(self.layout.thread(child).family, Access::Write);
                self.begun.push(child);
                // Where it is: at its start, which has the number of its name.
                self.state.set(
                    self.of_thread(child, PLACE),
                    super::automaton::START + u64::from(child),
                );
                let known = self.of_thread(me, KNOWN);
                self.copy(self.of_thread(child, KNOWN), known);
                let before = self.state.get(self.of_thread(me, BEFORE));
                self.state.set(self.of_thread(child, BEFORE), before);
            }
            Effect::Content(object, digest) => match self.layout.object(object).kind {
                ObjectKind::Atomic(_) => {
                    self.depend(me, object, Access::Write);
                    self.set_value(object, digest);
                }
                kind => {
                    // What a lock protects is told before it is given back.
                    if kind != ObjectKind::Lock {
                        self.depend(me, object, Access::Write);
                    }
                    self.state.set(self.cell(object, CONTENT), digest);
                }
            },
            Effect::Report(noted) => self.report(noted),
            Effect::Alone => self.alone = true,
        }
    }

    /// What a thread that asks this learns.
    pub(super) fn query(&mut self, me: ThreadName, query: Query) -> u64 {
        match query {
            Query::Count(cell) => self.state.get(cell),
            Query::IsFreed(allocation) => {
                self.depend(me, allocation, Access::Read);
                self.value(allocation)
            }
            Query::Content(object) => {
                self.depend(me, object, Access::Read);
                self.state.get(self.cell(object, CONTENT))
            }
        }
    }

    /// The thread has returned, or will never go on.
    pub(super) fn finish(&mut self, thread: ThreadName) {
        self.access(self.layout.thread(thread).family, Access::Write);
        self.state.set(self.of_thread(thread, PLACE), 0);
        for set in [KNOWN, FENCE_WOULD_ACQUIRE, FENCE_RELEASED] {
            self.clear(self.of_thread(thread, set));
        }
        self.state.set(self.of_thread(thread, BEFORE), 0);
        self.state.set(self.of_thread(thread, HELD), 0);
    }
}
