// SPDX-License-Identifier: GPL-2.0-only
//! What happens before what in a recorded execution, and by which steps.
//!
//! The engine says of each step how much of every other context happens before it, by the declared
//! orderings (see [`Recording::known`]). From that follow the edges: a step that is the first of
//! its context to know of another one's step was ordered after it by what it does. So no table of
//! primitives is needed here, and none can be forgotten.

use crate::engine::recording::{Recording, TraceStep};
use std::collections::BTreeMap;

/// Happens-before of one execution. Steps are indices into [`Recording::steps`].
#[derive(Clone, Debug)]
pub struct Order<'r> {
    recording: &'r Recording,
    /// By thread: its steps in the part where every interleaving counts.
    of_thread: BTreeMap<u32, Vec<usize>>,
    /// By step: its place in there, counted from 0.
    place: BTreeMap<usize, usize>,
}

impl<'r> Order<'r> {
    /// The order of a recording.
    #[must_use]
    pub fn new(recording: &'r Recording) -> Self {
        let mut of_thread: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        let mut place = BTreeMap::new();
        for (index, step) in recording.steps.iter().enumerate() {
            if step.concurrent {
                let steps = of_thread.entry(step.thread.0).or_default();
                place.insert(index, steps.len());
                steps.push(index);
            }
        }
        Self {
            recording,
            of_thread,
            place,
        }
    }

    fn step(&self, index: usize) -> &'r TraceStep {
        &self.recording.steps[index]
    }

    /// How many steps of `thread` happen before step `at` or are it.
    fn known(&self, at: usize, thread: u32) -> usize {
        let known = self.recording.known.get(&at);
        let known = known.and_then(|known| known.get(thread as usize));
        known.copied().map_or(0, usize::from)
    }

    /// Whether step `a` happens before step `b`. What runs alone, before or after the part where
    /// every interleaving counts, is ordered with everything.
    #[must_use]
    pub fn before(&self, a: usize, b: usize) -> bool {
        let (Some(place), Some(_)) = (self.place.get(&a), self.place.get(&b)) else {
            return a < b;
        };
        a != b && self.known(b, self.step(a).thread.0) > *place
    }

    /// The step before this one in its context.
    #[must_use]
    pub fn previous(&self, at: usize) -> Option<usize> {
        let place = *self.place.get(&at)?;
        let steps = &self.of_thread[&self.step(at).thread.0];
        Some(steps[place.checked_sub(1)?])
    }

    /// The steps of other contexts that this step itself is ordered after: those that its context
    /// did not know of before, and that none of the others happens after. By context.
    #[must_use]
    pub fn sources(&self, at: usize) -> Vec<usize> {
        let own = self.step(at).thread.0;
        let previous = self.previous(at);
        let mut new: Vec<usize> = Vec::new();
        for (&thread, steps) in &self.of_thread {
            let known = self.known(at, thread);
            let before = previous.map_or(0, |previous| self.known(previous, thread));
            if thread != own && known > before {
                new.push(steps[known - 1]);
            }
        }
        let is_last = |&step: &usize| !new.iter().any(|&other| self.before(step, other));
        new.iter().copied().filter(is_last).collect()
    }

    /// A chain of steps from `a` to `b`, both of them in it, each of which happens before the next
    /// one. Of a context that it passes through it has the step that it comes in with and the one
    /// that it goes out with. `None` where `a` does not happen before `b`.
    #[must_use]
    pub fn chain(&self, a: usize, b: usize) -> Option<Vec<usize>> {
        if !self.before(a, b) || !self.place.contains_key(&a) || !self.place.contains_key(&b) {
            return None;
        }
        let mut chain = vec![b];
        let mut at = b;
        let push = |chain: &mut Vec<usize>, step| {
            if chain.last() != Some(&step) {
                chain.push(step);
            }
        };
        while at != a {
            match self.previous(at) {
                Some(previous) if previous == a || self.before(a, previous) => at = previous,
                _ => {
                    push(&mut chain, at);
                    let sources = self.sources(at);
                    let leads = |&&step: &&usize| step == a || self.before(a, step);
                    let direct = |&step: &usize| self.step(step).thread == self.step(a).thread;
                    let mut sources: Vec<usize> = sources.iter().filter(leads).copied().collect();
                    sources.sort_by_key(|step| (!direct(step), *step));
                    at = *sources.first()?;
                    push(&mut chain, at);
                }
            }
        }
        push(&mut chain, a);
        chain.reverse();
        Some(chain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        engine::dpor,
        sync::{
            atomic::AtomicU64,
            engine as with,
            engine::{Condition, Ordering, Phase},
            thread::spawn,
        },
    };
    use std::sync::Arc;

    /// A message is passed on twice, so that there is a chain; and once relaxed, so that there is
    /// none.
    fn recorded(last: Ordering) -> Recording {
        let program: crate::engine::Program = Arc::new(move || {
            let words = Arc::new(["a", "b", "c"].map(|name| AtomicU64::new(name, 0)));
            with(|e| e.set_phase(Phase::Concurrent));
            let (one, two) = (Arc::clone(&words), Arc::clone(&words));
            let first = spawn("first", move || {
                one[2].store(7, Ordering::Relaxed);
                one[0].store(1, Ordering::Release);
            });
            let second = spawn("second", move || {
                two[0].wait_until(Condition::Equal(1), Ordering::Acquire);
                two[1].store(1, last);
            });
            words[1].wait_until(Condition::Equal(1), Ordering::Acquire);
            let _ = words[2].load(Ordering::Relaxed);
            let () = first.join();
            let () = second.join();
        });
        dpor::follow(&program, &[]).recording
    }

    fn find(recording: &Recording, context: &str, object: &str) -> usize {
        let mut steps = recording.steps.iter();
        let step = steps.position(|s| s.context == context && s.object == object);
        step.unwrap_or_else(|| panic!("{context} {object}: {:#?}", recording.steps))
    }

    #[test]
    fn a_chain_goes_from_release_to_acquire() {
        let recording = recorded(Ordering::Release);
        let order = Order::new(&recording);
        let at = |context: &str, object: &str| find(&recording, context, object);
        let (from, to) = (at("first", "c"), at("main", "c"));
        assert!(order.before(from, to) && !order.before(to, from));
        let chain = order.chain(from, to).unwrap();
        let steps = chain.iter().map(|&step| &recording.steps[step]);
        let steps: Vec<_> = steps.map(|s| (&*s.context, &*s.object)).collect();
        let expected = [
            ("first", "c"),
            ("first", "a"),
            ("second", "a"),
            ("second", "b"),
            ("main", "b"),
            ("main", "c"),
        ];
        assert_eq!(steps, expected);
        assert_eq!(order.sources(at("second", "a")), [at("first", "a")]);
        assert_eq!(order.chain(to, from), None);
    }

    #[test]
    fn a_relaxed_store_orders_nothing() {
        let recording = recorded(Ordering::Relaxed);
        let order = Order::new(&recording);
        let from = find(&recording, "first", "c");
        let to = find(&recording, "main", "c");
        assert!(from < to && !order.before(from, to));
        assert_eq!(order.chain(from, to), None);
        let second = find(&recording, "second", "b");
        assert!(order.before(from, second));
    }
}
