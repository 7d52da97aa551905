// SPDX-License-Identifier: GPL-2.0-only
//! An interleaving of one program, followed on another one.

use nfsd_check::{
    engine::{
        Program,
        dpor::{self, Landmark},
    },
    sync::{
        atomic::AtomicU64,
        engine::{Ordering::SeqCst, Phase},
        enter, thread,
    },
};
use std::sync::Arc;

const OBJECTS: [&str; 4] = ["w", "x", "y", "z"];

/// Threads that store to objects, one after the other; each begins once the one before has done its
/// first store.
fn stores(threads: &'static [(&'static str, &'static [&'static str])]) -> Program {
    fn begin(
        threads: &'static [(&'static str, &'static [&'static str])],
        objects: &Arc<[AtomicU64; 4]>,
    ) {
        let Some(((name, stores), others)) = threads.split_first() else {
            return;
        };
        let objects = Arc::clone(objects);
        thread::spawn_detached(name, move || {
            for (at, store) in stores.iter().enumerate() {
                let object = OBJECTS.iter().position(|object| object == store).unwrap();
                objects[object].store(1, SeqCst);
                if at == 0 {
                    begin(others, &objects);
                }
            }
        });
    }
    Arc::new(move || {
        let objects = Arc::new(OBJECTS.map(|name| AtomicU64::new(name, 0)));
        thread::set_phase(Phase::Concurrent);
        begin(threads, &objects);
        thread::settle();
        thread::set_phase(Phase::Alone);
    })
}

fn landmarks(steps: &[(&str, &str)]) -> Vec<Landmark> {
    let landmark = |(context, object): &(&str, &str)| Landmark {
        context: (*context).to_owned(),
        function: String::new(),
        operation: "store 1 seq-cst".to_owned(),
        object: (*object).to_owned(),
        choice: 0,
    };
    steps.iter().map(landmark).collect()
}

/// Which landmark each step is that is a store, and the landmarks that there is no step for.
fn followed(program: &Program, steps: &[(&str, &str)]) -> (Vec<Option<usize>>, Vec<usize>) {
    let followed = dpor::follow(program, &landmarks(steps));
    assert_eq!(followed.parted, None);
    let recorded = followed
        .recording
        .steps
        .iter()
        .filter(|step| step.concurrent);
    let steps = recorded.zip(&followed.steps);
    let stores = steps.filter(|(step, _)| OBJECTS.contains(&&*step.object));
    (stores.map(|(_, at)| *at).collect(), followed.missing)
}

/// The first step that fits is the wrong one: here the context has been at x before.
#[test]
fn a_step_that_is_there_earlier_as_well_does_not_lose_the_thread() {
    let program = stores(&[("a", &["x", "w", "y", "z", "x"])]);
    let steps = [("a", "w"), ("a", "y"), ("a", "z"), ("a", "x")];
    let all = vec![None, Some(0), Some(1), Some(2), Some(3)];
    assert_eq!(followed(&program, &steps), (all, vec![]));
    // It has only been there before.
    let program = stores(&[("a", &["x", "w", "y", "z"])]);
    let all = vec![None, Some(0), Some(1), Some(2)];
    assert_eq!(followed(&program, &steps), (all, vec![3]));
}

/// A landmark whose turn comes before its context has begun is missing, and stays so.
#[test]
fn a_context_that_begins_later_is_followed_from_there() {
    let program = stores(&[("early", &["y"]), ("late", &["x", "z"])]);
    let steps = [("late", "x"), ("early", "y"), ("late", "z")];
    let all = vec![Some(1), None, Some(2)];
    assert_eq!(followed(&program, &steps), (all, vec![0]));
}

/// A callback is told by its function: its number says only when it was queued.
#[test]
fn the_numbered_ones_are_told_by_what_they_run() {
    let program = callbacks(&["other", "free"]);
    let steps = [("queue", "", "x"), ("callback", "free", "w")];
    let landmarks = steps.map(|(context, function, object)| Landmark {
        function: function.to_owned(),
        ..landmarks(&[(context, object)]).remove(0)
    });
    let followed = dpor::follow(&program, &landmarks);
    assert_eq!((followed.parted, followed.missing), (None, vec![]));
    let steps = followed
        .recording
        .steps
        .iter()
        .filter(|step| step.concurrent);
    let steps: Vec<_> = steps.zip(&followed.steps).collect();
    let free = steps.iter().find(|(_, landmark)| **landmark == Some(1));
    let (free, _) = free.expect("it is followed");
    assert_eq!(free.context, "callback 2");
}

/// A thread that begins one after the other, each of which stores in its function.
fn callbacks(functions: &'static [&'static str]) -> Program {
    Arc::new(move || {
        let objects = Arc::new(OBJECTS.map(|name| AtomicU64::new(name, 0)));
        thread::set_phase(Phase::Concurrent);
        thread::spawn_detached("queue", move || {
            objects[1].store(1, SeqCst);
            for (at, function) in functions.iter().enumerate() {
                let objects = Arc::clone(&objects);
                let name = match at {
                    0 => "callback".to_owned(),
                    at => format!("callback {}", at + 1),
                };
                thread::spawn_detached(&name, move || {
                    let _in = enter(function);
                    objects[0].store(1, SeqCst);
                });
            }
        });
        thread::settle();
        thread::set_phase(Phase::Alone);
    })
}
