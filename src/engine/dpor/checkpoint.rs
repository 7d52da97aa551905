// SPDX-License-Identifier: GPL-2.0-only
//! Where an exploration was when it stopped.
//!
//! Nothing is written down that can be had by running the program: of a search of interleavings the
//! nodes, without what was seen at them; of branches the way to each that is left, which is found
//! again by running what leads there. Something of each is kept for comparison, so that a program
//! that is no longer the same is told from one that is.

use super::{
    execution::Scheduled,
    graphs::branches::{SavedPart, find_again},
    interleavings::{Found, Handed, Task},
    search::saved::SavedSearch,
};
use crate::{
    engine::{Limits, Program},
    sync::violation::ViolationKind,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Where an exploration was when it stopped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Checkpoint(pub(super) Saved);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Saved {
    /// Tasks, each before those that were handed out of it.
    Interleavings(Vec<SavedTask>),
    /// Parts, in their order.
    Graphs(Vec<SavedPart>),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct SavedTask {
    executions: u64,
    blocked: u64,
    found: Vec<SavedFound>,
    ended: Option<String>,
    waits: bool,
    is_done: bool,
    /// The bits: in decimal digits it would not always be read as what was written.
    weight: u64,
    search: SavedSearch,
}

/// A violation that was found before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct SavedFound {
    kind: ViolationKind,
    after: u64,
    schedules: Vec<SavedSchedule>,
}

/// A schedule, written down. A thread's key has more bits than a number of JSON.
pub(super) type SavedSchedule = Vec<(String, u32)>;

/// A schedule, to be written down.
pub(super) fn save_schedule(schedule: &[Scheduled<u128>]) -> SavedSchedule {
    let steps = schedule.iter();
    steps
        .map(|step| (format!("{:x}", step.thread), step.choice))
        .collect()
}

/// A schedule that was written down.
pub(super) fn load_schedule(schedule: &[(String, u32)]) -> Result<Vec<Scheduled<u128>>, String> {
    let steps = schedule.iter().map(|(thread, choice)| {
        let thread = u128::from_str_radix(thread, 16);
        let thread = thread.map_err(|_| NOT_WRITTEN.to_owned())?;
        Ok(Scheduled {
            thread,
            choice: *choice,
        })
    });
    steps.collect()
}

/// What is said of a checkpoint that no exploration has written.
pub(super) const NOT_WRITTEN: &str = "it does not say where an exploration was";

/// What is said where the program is another one.
pub(super) const ANOTHER_PROGRAM: &str =
    "the program does not do what it did when the exploration stopped";

impl Checkpoint {
    pub(super) fn of_task(task: &Task) -> Self {
        let mut tasks = Vec::new();
        save_task(task, &mut tasks);
        Self(Saved::Interleavings(tasks))
    }

    pub(super) fn task(&self) -> Result<Box<Task>, String> {
        let Saved::Interleavings(saved) = &self.0 else {
            return Err("it is of another memory model".to_owned());
        };
        // From the last one backwards, so that what was handed out of a task is there before it.
        let mut tasks: Vec<Option<Box<Task>>> = saved.iter().map(|_| None).collect();
        for (number, saved) in saved.iter().enumerate().rev() {
            let mut handed = saved.search.handed();
            let is_there =
                |&other: &usize| other > number && tasks.get(other).is_some_and(Option::is_some);
            if !saved.search.is_sound() || !handed.all(|other| is_there(&other)) {
                return Err(NOT_WRITTEN.to_owned());
            }
            let search = saved
                .search
                .clone()
                .search(|other| match tasks[other].take() {
                    Some(task) => Handed::with(task),
                    None => Arc::default(),
                });
            let found = saved.found.iter().map(|found| {
                let schedules = found.schedules.iter().map(|s| load_schedule(s));
                Ok(Found {
                    kind: found.kind,
                    after: found.after,
                    schedules: schedules.collect::<Result<_, String>>()?,
                })
            });
            tasks[number] = Some(Box::new(Task {
                search,
                executions: saved.executions,
                blocked: saved.blocked,
                found: found.collect::<Result<_, String>>()?,
                ended: saved.ended.clone(),
                waits: saved.waits,
                is_done: saved.is_done,
                weight: f64::from_bits(saved.weight),
                ..Task::default()
            }));
        }
        let whole = tasks.first_mut().and_then(Option::take);
        whole.ok_or_else(|| NOT_WRITTEN.to_owned())
    }

    pub(super) fn parts(
        &self,
        program: &Program,
        limits: &Limits,
    ) -> Result<Vec<super::graphs::branches::Part>, String> {
        match &self.0 {
            Saved::Graphs(parts) => find_again(program, limits, parts),
            Saved::Interleavings(_) => Err("it is of another memory model".to_owned()),
        }
    }
}

fn save_task(task: &Task, tasks: &mut Vec<SavedTask>) -> usize {
    let number = tasks.len();
    let found = task.found.iter().map(|found| SavedFound {
        kind: found.kind,
        after: found.after,
        schedules: found.schedules.iter().map(|s| save_schedule(s)).collect(),
    });
    tasks.push(SavedTask {
        executions: task.executions,
        blocked: task.blocked,
        found: found.collect(),
        ended: task.ended.clone(),
        waits: task.waits,
        is_done: task.is_done,
        weight: task.weight.to_bits(),
        search: SavedSearch::default(),
    });
    if task.ended.is_some() {
        // Nobody goes on with it, and what was handed out of it was dropped.
        return number;
    }
    let search = SavedSearch::new(&task.search, |handed| {
        let number = handed.with_task(|task| save_task(task, tasks));
        number.expect("everybody has stopped")
    });
    tasks[number].search = search;
    number
}
