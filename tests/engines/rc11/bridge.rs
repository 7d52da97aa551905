// SPDX-License-Identifier: GPL-2.0-only
//! The same program on an engine, and the engine's executions in the oracle's form.

use super::{
    enumerate::{Execution, Source, Step},
    program::{Op, Place, Program, Value},
};
use nfsd_check::{
    engine,
    sync::{
        Mutex, MutexGuard,
        alloc::Allocation,
        atomic::{AtomicU64, fence},
        cell::Cell,
        choose,
        engine::{Action, Condition, Ordering, Phase},
        rcu::Domain,
        thread,
        violation::ViolationKind,
    },
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex as StdMutex},
};

const WORDS: [&str; 4] = ["x", "y", "z", "w"];
const LOCKS: [&str; 2] = ["lock 0", "lock 1"];
const CELLS: [&str; 2] = ["cell 0", "cell 1"];
const OBJECTS: [&str; 1] = ["object 0"];
/// What [`thread::spawn`] calls the word that tells the end of a thread.
const FINISHED: &str = "finished";

// ---- Programs ----

/// What each operation of each thread read from a word, as far as it came to it. A lock is 0 or 1.
pub(crate) type Reads = Vec<Vec<Option<u64>>>;

struct Shared {
    words: Vec<AtomicU64>,
    locks: Vec<Mutex<()>>,
    cells: Vec<Cell<u64>>,
    objects: Vec<Allocation>,
    /// Where the program has sections.
    rcu: Option<Domain>,
    program: Program,
    reads: Arc<StdMutex<Reads>>,
}

/// The program, for an engine. `begin` is called before each run, with what the one before read,
/// and `reads` collects what this one reads.
pub(crate) fn to_engine(
    program: &Program,
    reads: &Arc<StdMutex<Reads>>,
    begin: impl Fn(Reads) + Send + Sync + 'static,
) -> engine::Program {
    let program = program.clone();
    let reads = Arc::clone(reads);
    Arc::new(move || {
        let nothing = program.threads.iter().map(|ops| vec![None; ops.len()]);
        let before = std::mem::replace(&mut *reads.lock().unwrap(), nothing.collect());
        begin(before);
        let words = program.words.iter().zip(WORDS);
        let shared = Arc::new(Shared {
            words: words.map(|(&v, name)| AtomicU64::new(name, v)).collect(),
            locks: (0..program.locks)
                .map(|lock| Mutex::new(LOCKS[lock], ()))
                .collect(),
            cells: (0..program.cells)
                .map(|cell| Cell::new(CELLS[cell], 0).marked_by(|value| *value))
                .collect(),
            objects: (0..program.objects)
                .map(|object| Allocation::new(OBJECTS[object], ViolationKind::UseAfterFree))
                .collect(),
            rcu: (program.count(Op::ReadLock) > 0).then(|| Domain::new("rcu")),
            program: program.clone(),
            reads: Arc::clone(&reads),
        });
        thread::set_phase(Phase::Concurrent);
        for t in 0..program.threads.len() {
            if program.parent(t).is_none() {
                let shared = Arc::clone(&shared);
                thread::spawn_detached("thread", move || interpret(&shared, t));
            }
        }
        thread::settle();
        thread::set_phase(Phase::Alone);
    })
}

/// What a thread of the engine runs.
fn interpret(shared: &Arc<Shared>, t: usize) {
    let ops = &shared.program.threads[t];
    let mut answers: Vec<Option<u64>> = vec![None; ops.len()];
    let mut guards: Vec<Option<MutexGuard<'_, ()>>> = shared.locks.iter().map(|_| None).collect();
    let mut handles: BTreeMap<usize, thread::JoinHandle<()>> = BTreeMap::new();
    let rcu = || shared.rcu.as_ref().expect("it has sections");
    let mut at = 0;
    while let Some(&op) = ops.get(at) {
        let value_of = |value| match value {
            Value::Constant(value) => value,
            Value::Plus(register, n) => {
                let value: Option<u64> = answers[register];
                value.unwrap_or(0).wrapping_add(n)
            }
        };
        let mut skip = 0;
        // What was read from a word, and the answer.
        let (read, answer) = match op {
            Op::Load(word, order) => same(shared.words[word].load(order)),
            Op::Store(word, value, order) => {
                shared.words[word].store(value_of(value), order);
                (None, Some(0))
            }
            Op::Rmw(word, update, success, failure) => {
                match shared.words[word].update(update, success, failure) {
                    Ok(old) | Err(old) => same(old),
                }
            }
            Op::Await(word, condition, order) => {
                same(shared.words[word].wait_until(condition, order))
            }
            Op::AwaitRmw(word, condition, update, order) => {
                same(shared.words[word].wait_and_update(condition, update, order))
            }
            Op::Fence(order) => {
                fence(order);
                (None, Some(0))
            }
            Op::Lock(lock) => {
                guards[lock] = Some(shared.locks[lock].lock());
                (Some(0), Some(1))
            }
            Op::TryLock(lock) => match shared.locks[lock].try_lock() {
                Some(guard) => {
                    guards[lock] = Some(guard);
                    (Some(0), Some(1))
                }
                None => (Some(1), Some(0)),
            },
            Op::Unlock(lock) => (None, guards[lock].take().map(|_guard| 0)),
            Op::Get(cell) => (None, Some(shared.cells[cell].get())),
            Op::GetMarked(cell) => {
                let _ = shared.cells[cell].marked();
                (None, Some(0))
            }
            Op::Set(cell, value) => {
                shared.cells[cell].set(value_of(value));
                (None, Some(0))
            }
            Op::Use(object) => {
                shared.objects[object].access();
                (None, Some(0))
            }
            Op::Free(object) => {
                shared.objects[object].free();
                (None, Some(0))
            }
            Op::Choose(alternatives) => same(u64::from(choose(alternatives))),
            Op::SkipIf {
                register,
                value,
                skip: operations,
            } => {
                if answers[register] == Some(value) {
                    skip = operations;
                }
                (None, None)
            }
            Op::Spawn(child) => {
                let theirs = Arc::clone(shared);
                let handle = thread::spawn("child", move || interpret(&theirs, child));
                handles.insert(child, handle);
                (None, Some(0))
            }
            Op::ReadLock => {
                rcu().read_lock();
                (None, Some(0))
            }
            Op::ReadUnlock => {
                rcu().read_unlock();
                (None, Some(0))
            }
            Op::Synchronize => {
                rcu().begin().end();
                (None, Some(0))
            }
            Op::Join(child) => match handles.remove(&child) {
                Some(handle) => {
                    let () = handle.join();
                    same(1)
                }
                None => (None, None),
            },
        };
        answers[at] = answer;
        shared.reads.lock().unwrap()[t][at] = read;
        at += 1 + skip;
    }
    // A thread that returns with a lock keeps it.
    guards.into_iter().flatten().for_each(std::mem::forget);
}

fn same(value: u64) -> (Option<u64>, Option<u64>) {
    (Some(value), Some(value))
}

/// What the operations of an execution of the oracle read.
pub(crate) fn reads(program: &Program, execution: &Execution) -> Reads {
    let threads = program.threads.iter().enumerate();
    let reads = threads.map(|(t, ops)| (0..ops.len()).map(|op| execution.read(t, op)).collect());
    reads.collect()
}

// ---- Execution graphs ----

/// An event of an execution graph, as the engine tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GraphEvent {
    /// The name that the object was created with.
    pub(crate) object: &'static str,
    pub(crate) action: Action,
    /// The value read.
    pub(crate) read: u64,
    /// The thread and index of the event that was read; `None` for the value that was there
    /// before the concurrent part, and where nothing was read.
    pub(crate) reads_from: Option<(usize, usize)>,
    /// The value written, if any.
    pub(crate) written: Option<u64>,
}

/// An execution graph, as the engine tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Graph {
    /// The events of each thread that was begun in the concurrent part, in order of creation.
    pub(crate) threads: Vec<Vec<GraphEvent>>,
    /// The writes to each object that has any.
    pub(crate) orders: Vec<(&'static str, Vec<(usize, usize)>)>,
}

/// The thread of the program that the engine's threads are, in order of creation: those that were
/// there from the beginning, and then the one that another one began, and the one that that began.
fn order_of_creation(program: &Program) -> Vec<usize> {
    let parents = |&t: &usize| std::iter::successors(Some(t), |&t| program.parent(t)).count();
    let mut threads: Vec<usize> = (0..program.threads.len()).collect();
    threads.sort_by_key(parents);
    threads
}

fn name_of(place: Place) -> &'static str {
    match place {
        Place::Word(word) => WORDS[word],
        Place::Lock(lock) => LOCKS[lock],
        Place::Finished(_) => FINISHED,
        Place::Cell(cell) => CELLS[cell],
        Place::Object(object) => OBJECTS[object],
    }
}

/// Whether the action is what the operation does. Its value is compared by what is written.
fn fits(op: Op, action: Action) -> bool {
    match (op, action) {
        (Op::Load(_, o), Action::Load(order)) => o == order,
        (Op::Store(_, _, o), Action::Store(_, order)) => o == order,
        (Op::Rmw(_, u, s, f), Action::Update(update, success, failure)) => {
            (u, s, f) == (update, success, failure)
        }
        (Op::Await(_, c, o), Action::Await(condition, order)) => (c, o) == (condition, order),
        (Op::AwaitRmw(_, c, u, o), Action::AwaitUpdate(condition, update, order)) => {
            (c, u, o) == (condition, update, order)
        }
        (Op::Join(_), Action::Await(condition, order)) => {
            (condition, order) == (Condition::Equal(1), Ordering::Acquire)
        }
        (Op::Fence(o), Action::Fence(order)) => o == order,
        (Op::Lock(_), Action::Lock)
        | (Op::TryLock(_), Action::TryLock)
        | (Op::Unlock(_), Action::Unlock)
        | (Op::Get(_), Action::Read)
        | (Op::GetMarked(_), Action::ReadMarked)
        | (Op::Set(..), Action::Write)
        | (Op::Use(_), Action::Touch)
        | (Op::Free(_), Action::Free) => true,
        (Op::Choose(n), Action::Choose(alternatives)) => n == alternatives,
        _ => false,
    }
}

/// Which operation each event of a thread is, and whether the thread waits for ever.
///
/// # Errors
///
/// Where the events are not those that the thread has.
fn operations(
    program: &Program,
    t: usize,
    events: &[GraphEvent],
) -> Result<(Vec<Option<usize>>, bool), String> {
    let ops = &program.threads[t];
    let mut answers: Vec<Option<u64>> = vec![None; ops.len()];
    let mut held = vec![false; program.locks];
    let mut found = vec![None; events.len()];
    let mut left = (0..events.len()).filter(|&index| {
        let action = events[index].action;
        !matches!(action, Action::Start | Action::Settle)
    });
    let mut at = 0;
    while let Some(&op) = ops.get(at) {
        let mut skip = 0;
        match op {
            Op::SkipIf {
                register,
                value,
                skip: operations,
            } => {
                if answers[register] == Some(value) {
                    skip = operations;
                }
            }
            Op::Unlock(lock) if !held[lock] => {}
            Op::Spawn(_) | Op::ReadLock | Op::ReadUnlock => answers[at] = Some(0),
            Op::Synchronize => {
                for begins in [true, false] {
                    let action = left.next().map(|index| events[index].action);
                    match action {
                        Some(Action::GracePeriodBegin) if begins => {}
                        Some(Action::GracePeriodEnd(_)) if !begins => {}
                        other => return Err(format!("thread {t} did {other:?} in {op:?}")),
                    }
                }
                answers[at] = Some(0);
            }
            Op::Join(child)
                if !(0..at).any(|i| ops[i] == Op::Spawn(child) && answers[i].is_some()) => {}
            op => {
                let Some(index) = left.next() else {
                    if op.condition().is_some() {
                        return Ok((found, true));
                    }
                    return Err(format!("thread {t} stopped before {op:?}"));
                };
                let event = &events[index];
                let names = op
                    .place()
                    .is_none_or(|place| name_of(place) == event.object);
                if !fits(op, event.action) || !names {
                    return Err(format!("thread {t} did {event:?} instead of {op:?}"));
                }
                found[index] = Some(at);
                answers[at] = Some(match op {
                    Op::Lock(lock) => {
                        held[lock] = true;
                        1
                    }
                    Op::TryLock(lock) => {
                        let taken = event.written.is_some();
                        held[lock] |= taken;
                        u64::from(taken)
                    }
                    Op::Unlock(lock) => {
                        held[lock] = false;
                        0
                    }
                    Op::Load(..)
                    | Op::Rmw(..)
                    | Op::Await(..)
                    | Op::AwaitRmw(..)
                    | Op::Choose(_) => event.read,
                    _ => 0,
                });
            }
        }
        at += 1 + skip;
    }
    if program.parent(t).is_some() {
        let finish = Action::Store(1, Ordering::Release);
        match left.next() {
            Some(index) if events[index].action == finish => found[index] = Some(ops.len()),
            other => return Err(format!("thread {t} did not tell its end: {other:?}")),
        }
    }
    match left.next() {
        Some(index) => Err(format!("thread {t} went on: {:?}", events[index])),
        None => Ok((found, false)),
    }
}

/// The execution that a graph is, without races.
///
/// # Errors
///
/// Where the graph is not one of the program.
pub(crate) fn execution_of(program: &Program, graph: &Graph) -> Result<Execution, String> {
    let created = order_of_creation(program);
    if graph.threads.len() > created.len() {
        return Err("there are more threads than the program has".to_owned());
    }
    let mut execution = Execution {
        threads: vec![Vec::new(); created.len()],
        ..Execution::default()
    };
    let mut ops = Vec::new();
    for (events, &t) in graph.threads.iter().zip(&created) {
        let (found, blocked) = operations(program, t, events)?;
        ops.push(found);
        if blocked {
            execution.blocked.push(t);
        }
    }
    execution.blocked.sort_unstable();
    let named = |(thread, index): (usize, usize)| {
        let op: Option<usize> = *ops.get(thread)?.get(index)?;
        Some((created[thread], op?))
    };
    for (thread, events) in graph.threads.iter().enumerate() {
        for (index, event) in events.iter().enumerate() {
            let Some((t, op)) = named((thread, index)) else {
                continue;
            };
            let source = match event.reads_from {
                Some(write) => {
                    let named = named(write);
                    let (t, op) = named.ok_or_else(|| format!("{event:?} reads no write"))?;
                    Source::Write(t, op)
                }
                None => Source::Initial,
            };
            // A lock is a word for the oracle; for an engine it need not have values.
            let (read, written) = match event.action {
                Action::Lock => (Some(0), Some(1)),
                Action::TryLock if event.written.is_some() => (Some(0), Some(1)),
                Action::TryLock => (Some(1), None),
                Action::Unlock => (None, Some(0)),
                Action::Load(_) | Action::Await(..) | Action::Choose(_) => (Some(event.read), None),
                Action::Update(..) | Action::AwaitUpdate(..) => (Some(event.read), event.written),
                Action::Store(value, _) => (None, Some(value)),
                _ => (None, None),
            };
            execution.threads[t].push(Step {
                op,
                read: read.map(|value| (source, value)),
                written,
            });
        }
    }
    for place in program.places() {
        let name = name_of(place);
        // All words that tell the end of a thread have one name; only the thread writes there.
        let is_of = |write: (usize, usize)| match place {
            Place::Finished(t) => created.get(write.0) == Some(&t),
            _ => true,
        };
        let order = graph.orders.iter().find(|(object, order)| {
            *object == name && order.first().is_some_and(|&write| is_of(write))
        });
        let Some((_, order)) = order else {
            continue;
        };
        let order = order.iter().map(|&write| {
            let named = named(write);
            named.ok_or_else(|| format!("{write:?} in the order of {name} is no write"))
        });
        execution
            .orders
            .insert(place, order.collect::<Result<_, _>>()?);
    }
    Ok(execution)
}

/// The graph that an engine would tell of an execution: the inverse of [`execution_of`], to test
/// that and what compares graphs.
pub(crate) fn graph_of(program: &Program, execution: &Execution) -> Graph {
    let created = order_of_creation(program);
    // Each thread begins with an event of its own.
    let event_of = |(t, op): (usize, usize)| {
        let thread = created.iter().position(|&c| c == t).expect("it is there");
        let mut steps = execution.threads[t].iter();
        (
            thread,
            1 + steps.position(|s| s.op == op).expect("it is there"),
        )
    };
    let start = GraphEvent {
        object: "thread",
        action: Action::Start,
        read: 0,
        reads_from: None,
        written: None,
    };
    // A thread that nobody has begun is none.
    let begun = created.iter().filter(|&&t| {
        let idle = execution.threads[t].is_empty() && !execution.blocked.contains(&t);
        program.parent(t).is_none() || !idle
    });
    let threads = begun.map(|&t| {
        let steps = execution.threads[t].iter().map(|step| {
            let op = program.threads[t].get(step.op).copied();
            let written = step.written.unwrap_or(0);
            let action = match op {
                None => Action::Store(1, Ordering::Release),
                Some(Op::Load(_, order)) => Action::Load(order),
                Some(Op::Store(_, _, order)) => Action::Store(written, order),
                Some(Op::Rmw(_, update, s, f)) => Action::Update(update, s, f),
                Some(Op::Await(_, condition, order)) => Action::Await(condition, order),
                Some(Op::AwaitRmw(_, c, u, order)) => Action::AwaitUpdate(c, u, order),
                Some(Op::Fence(order)) => Action::Fence(order),
                Some(Op::Lock(_)) => Action::Lock,
                Some(Op::TryLock(_)) => Action::TryLock,
                Some(Op::Unlock(_)) => Action::Unlock,
                Some(Op::Get(_)) => Action::Read,
                Some(Op::GetMarked(_)) => Action::ReadMarked,
                Some(Op::Set(..)) => Action::Write,
                Some(Op::Use(_)) => Action::Touch,
                Some(Op::Free(_)) => Action::Free,
                Some(Op::Choose(alternatives)) => Action::Choose(alternatives),
                Some(Op::Join(_)) => Action::Await(Condition::Equal(1), Ordering::Acquire),
                Some(
                    Op::SkipIf { .. }
                    | Op::Spawn(_)
                    | Op::ReadLock
                    | Op::ReadUnlock
                    | Op::Synchronize,
                ) => unreachable!("no step"),
            };
            let place = op.map_or(Some(Place::Finished(t)), Op::place);
            let reads_from = step.read.and_then(|(source, _)| match source {
                Source::Initial => None,
                Source::Write(t, op) => Some(event_of((t, op))),
            });
            GraphEvent {
                object: place.map_or("thread", name_of),
                action,
                read: step.read.map_or(0, |(_, value)| value),
                reads_from,
                written: step.written,
            }
        });
        std::iter::once(start.clone()).chain(steps).collect()
    });
    let orders = execution.orders.iter().map(|(place, order)| {
        let order = order.iter().map(|&write| event_of(write));
        (name_of(*place), order.collect())
    });
    Graph {
        threads: threads.collect(),
        orders: orders.collect(),
    }
}
