// SPDX-License-Identifier: GPL-2.0-only
//! A search written down, and taken up again.
//!
//! Which of the steps are ordered is not written down: the first execution that is run again finds
//! that out anew. It asks for nothing new on the way, since all of it was asked for before. What the
//! steps accessed is: a search that waits for others may have to go on without an execution.

use super::{Access, Asked, Clock, Event, Handed, MAX_THREADS, Node, Request, Search, Sleeper};
use crate::sync::{
    engine::{Action, ObjectId},
    operation,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A search.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(in super::super) struct SavedSearch {
    own: usize,
    bound_hit: bool,
    asked: Vec<Asked>,
    nodes: Vec<SavedNode>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct SavedNode {
    thread: usize,
    /// What it asked for: it must be the same when it is run again.
    step: String,
    choice: u32,
    enabled: u64,
    backtrack: u64,
    queue: Vec<u8>,
    done: u64,
    sleep: Vec<Sleeper>,
    woken: Vec<Sleeper>,
    preemptions: u32,
    accessed: Vec<Access>,
    /// What its step accessed in the last execution.
    accesses: Vec<Access>,
    fatal: bool,
    probed: bool,
    /// Which of the tasks was handed out.
    handed: Option<usize>,
}

/// What a thread asks for, in words.
pub(super) fn step(request: Request) -> String {
    format!("{} {}", operation::name(request.action), request.object.0)
}

impl SavedSearch {
    /// Write a search down. `number` gives each task that was handed out its number.
    pub(in super::super) fn new(
        search: &Search,
        mut number: impl FnMut(&Arc<Handed>) -> usize,
    ) -> Self {
        let nodes = search
            .nodes
            .iter()
            .enumerate()
            .map(|(depth, node)| SavedNode {
                thread: node.thread,
                step: match search.saved.get(depth) {
                    // It was not run again since it was written down.
                    Some(step) => step.clone(),
                    // The deepest node may just have been taken up with another thread.
                    None if depth + 1 == search.nodes.len() => String::new(),
                    None => step(node.request),
                },
                choice: node.choice,
                enabled: node.enabled,
                backtrack: node.backtrack,
                queue: node.queue.clone(),
                done: node.done,
                sleep: node.sleep.clone(),
                woken: node.woken.clone(),
                preemptions: node.preemptions,
                accessed: node.accessed.clone(),
                accesses: match search.events().get(depth) {
                    Some(event) => event.accesses.clone(),
                    None => Vec::new(),
                },
                fatal: node.fatal,
                probed: node.probed,
                handed: node.handed.as_ref().map(&mut number),
            });
        Self {
            own: search.own,
            bound_hit: search.bound_hit,
            asked: search.asked.clone(),
            nodes: nodes.collect(),
        }
    }

    /// The tasks that were handed out, by their numbers.
    pub(in super::super) fn handed(&self) -> impl Iterator<Item = usize> {
        self.nodes.iter().filter_map(|node| node.handed)
    }

    /// Whether it is one that was written down: what comes out of a file may be anything.
    pub(in super::super) fn is_sound(&self) -> bool {
        let thread = |thread: usize| thread < MAX_THREADS;
        let sound = |node: &SavedNode| {
            let mut sleepers = node.sleep.iter().chain(&node.woken);
            thread(node.thread)
                && node.queue.iter().all(|&t| thread(t as usize))
                && sleepers.all(|sleeper| thread(sleeper.thread))
        };
        let mut asked = self.asked.iter();
        self.own <= self.nodes.len()
            && self.nodes.iter().all(sound)
            && asked.all(|asked| asked.depth < self.own && thread(asked.thread))
    }

    /// The search. `handed` stands for the tasks, by their numbers.
    pub(in super::super) fn search(self, mut handed: impl FnMut(usize) -> Arc<Handed>) -> Search {
        let (mut steps, mut events) = (Vec::new(), Vec::new());
        let nodes = self.nodes.into_iter().map(|node| {
            steps.push(node.step);
            events.push(Event {
                thread: node.thread,
                number: 0,
                previous: None,
                accesses: node.accesses,
                follows: Vec::new(),
                clock: Clock::ZERO,
            });
            Box::new(Node {
                thread: node.thread,
                // Until it is known.
                request: Request {
                    object: ObjectId(0),
                    action: Action::Start,
                },
                choice: node.choice,
                enabled: node.enabled,
                backtrack: node.backtrack,
                queue: node.queue,
                done: node.done,
                sleep: node.sleep,
                woken: node.woken,
                preemptions: node.preemptions,
                accessed: node.accessed,
                fatal: node.fatal,
                probed: node.probed,
                handed: node.handed.map(&mut handed),
            })
        });
        let nodes: Vec<Box<Node>> = nodes.collect();
        // Where a search waits, the deepest node's step is over and done with.
        let length = nodes.len().saturating_sub(1);
        Search {
            nodes,
            events,
            length,
            analysed: length,
            own: self.own,
            bound_hit: self.bound_hit,
            asked: self.asked,
            saved: steps,
            ..Search::default()
        }
    }
}
