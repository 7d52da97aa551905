// SPDX-License-Identifier: GPL-2.0-only
//! The long check on loom: `RUSTFLAGS="--cfg loom" cargo test`, or, with what is built
//! already, `cargo test cross_check -- --ignored`.
//!
//! First the kernel's primitives under weak memory: each as it is, which must stay silent, and
//! with a mistake that users make, which must be found. Then every scenario on every model, for half a
//! second each. What loom finds there dpor must find too; what dpor proves, loom must not
//! refute. What only loom has is named here with its reason (`LOOM_ALONE`); nothing of it shows what C11
//! forbids (a plain store between the two halves of an update).

use nfsd_check::{
    check::program::program,
    engine::{Exploration, Limits, Program, dpor, loom},
    kernel::{
        Kernel, Options,
        bitops::Flags,
        completion::Completion,
        fsnotify::{FsnMark, Fsnotify, Group, Mark},
        percpu_ref::{PercpuRef, completes},
        refcount::Refcount,
        spinlock::SpinLock,
        workqueue::DelayedWork,
    },
    library::Library,
    model::Model,
    scenario::Scenario,
    sync::{
        alloc::Allocation,
        atomic::AtomicU64,
        cell::Cell,
        engine::{Ordering, Phase},
        thread::{set_phase, settle},
        violation::ViolationKind::{self, *},
    },
};
use std::{
    hash::{Hash, Hasher},
    sync::{Arc, Mutex, atomic::AtomicUsize},
    time::Duration,
};

/// Runs `f` in the kernel, every interleaving of it.
fn run(f: impl Fn(&Arc<Kernel>) + Send + Sync + 'static) -> Exploration {
    let program: Program = Arc::new(move || {
        let kernel = Kernel::new(Options::default());
        set_phase(Phase::Concurrent);
        f(&kernel);
    });
    let limits = Limits {
        budget: Some(Duration::from_secs(5)),
        ..Limits::default()
    };
    loom::explore(&program, &limits)
}

#[track_caller]
fn silent(f: impl Fn(&Arc<Kernel>) + Send + Sync + 'static) {
    let exploration = run(f);
    assert!(exploration.findings.is_empty(), "{exploration:#?}");
    assert!(exploration.executions > 1);
}

#[track_caller]
fn finds(kind: ViolationKind, f: impl Fn(&Arc<Kernel>) + Send + Sync + 'static) {
    let exploration = run(f);
    let kinds: Vec<ViolationKind> = exploration.findings.iter().map(|f| f.kind).collect();
    assert!(kinds.contains(&kind), "{exploration:#?}");
}

/// An object with a payload, freed by whoever puts it last.
struct Counted {
    memory: Allocation,
    count: Refcount,
    payload: Cell<u64>,
}

impl Counted {
    fn new(references: u64) -> Arc<Self> {
        let memory = Allocation::new("object", UseAfterFree);
        Arc::new(Self {
            count: Refcount::new_in(&memory, "count", references),
            payload: Cell::new_in(&memory, "payload", 0),
            memory,
        })
    }

    fn put(&self) {
        if self.count.dec_and_test() {
            let _ = self.payload.get();
            self.memory.free();
        }
    }
}

#[test]
#[cfg_attr(not(loom), ignore = "long: with --cfg loom or --ignored")]
fn a_refcount_hands_its_payload_to_the_last_one() {
    let program = |after: bool| {
        move |kernel: &Arc<Kernel>| {
            let object = Counted::new(2);
            let other = Arc::clone(&object);
            kernel.spawn("other", move || {
                other.payload.set(1);
                other.put();
                if after {
                    other.payload.set(2);
                }
            });
            object.put();
        }
    };
    silent(program(false));
    finds(UseAfterFree, program(true));
}

#[test]
#[cfg_attr(not(loom), ignore = "long: with --cfg loom or --ignored")]
fn a_completion_hands_its_object_over() {
    let program = |after: bool| {
        move |kernel: &Arc<Kernel>| {
            let memory = Arc::new(Allocation::new("object", UseAfterFree));
            let done = Arc::new(Completion::new_in(&memory, "done"));
            let payload = Arc::new(Cell::new_in(&memory, "payload", 0));
            let (d, p) = (Arc::clone(&done), Arc::clone(&payload));
            kernel.spawn("completes", move || {
                p.set(1);
                d.complete();
                if after {
                    p.set(2);
                }
            });
            done.wait(kernel);
            let _ = payload.get();
            memory.free();
        }
    };
    silent(program(false));
    finds(UseAfterFree, program(true));
}

#[test]
#[cfg_attr(not(loom), ignore = "long: with --cfg loom or --ignored")]
fn a_bit_that_is_waited_for_publishes() {
    let program = |unlock: bool| {
        move |kernel: &Arc<Kernel>| {
            let memory = Allocation::new("object", UseAfterFree);
            let flags = Arc::new(Flags::new_in(&memory, "flags", &[0]));
            let payload = Arc::new(Cell::new("payload", 0));
            let (f, p) = (Arc::clone(&flags), Arc::clone(&payload));
            kernel.spawn("constructs", move || {
                p.set(1);
                if unlock {
                    f.clear_bit_unlock(0);
                } else {
                    f.clear_bit(0);
                }
            });
            // A context that looks and does not sleep: a wake-up would order the two.
            if unlock {
                flags.wait_on_bit(kernel, 0);
                let _ = payload.get();
            } else if !flags.test_bit(0) {
                let _ = payload.get();
            }
        }
    };
    silent(program(true));
    finds(DataRace, program(false));
}

#[test]
#[cfg_attr(not(loom), ignore = "long: with --cfg loom or --ignored")]
fn a_percpu_ref_is_released_after_its_last_user() {
    let program = |confirm_only: bool| {
        move |kernel: &Arc<Kernel>| {
            let memory = Arc::new(Allocation::new("net", UseAfterFree));
            let reference = Arc::new(PercpuRef::new_in(kernel, &memory, "ref"));
            let confirmed = Arc::new(Completion::new_in(&memory, "confirmed"));
            let released = Arc::new(Completion::new_in(&memory, "released"));
            let payload = Arc::new(Allocation::new("payload", UseAfterFree));
            reference.init(kernel);
            let (k, r) = (Arc::clone(kernel), Arc::clone(&reference));
            let (p, release) = (Arc::clone(&payload), completes(&released));
            kernel.spawn("user", move || {
                if r.tryget_live(&k) {
                    p.access();
                    r.put(&k, &release);
                }
            });
            reference.kill_and_confirm(kernel, completes(&confirmed), completes(&released));
            confirmed.wait(kernel);
            if !confirm_only {
                released.wait(kernel);
            }
            payload.free();
        }
    };
    silent(program(false));
    finds(UseAfterFree, program(true));
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Grace {
    None,
    Synchronize,
    Call,
}

#[test]
#[cfg_attr(not(loom), ignore = "long: with --cfg loom or --ignored")]
fn rcu_readers_keep_what_they_found() {
    let program = |grace: Grace| {
        move |kernel: &Arc<Kernel>| {
            let object = Arc::new(Allocation::new("object", UseAfterFree));
            let pointer = Arc::new(AtomicU64::new("pointer", 1));
            let (k, p, o) = (
                Arc::clone(kernel),
                Arc::clone(&pointer),
                Arc::clone(&object),
            );
            kernel.spawn("reader", move || {
                let _rcu = k.rcu_read_lock();
                if p.load(Ordering::Acquire) == 1 {
                    o.access();
                }
            });
            pointer.store(0, Ordering::Release);
            match grace {
                Grace::None => object.free(),
                Grace::Synchronize => {
                    kernel.synchronize_rcu();
                    object.free();
                }
                Grace::Call => {
                    let freed = Arc::clone(&object);
                    kernel.call_rcu(&object, move || freed.free());
                }
            }
        }
    };
    silent(program(Grace::Synchronize));
    silent(program(Grace::Call));
    finds(UseAfterFree, program(Grace::None));
}

#[test]
#[cfg_attr(not(loom), ignore = "long: with --cfg loom or --ignored")]
fn rcu_barrier_waits_for_callbacks() {
    let program = |barrier: bool| {
        move |kernel: &Arc<Kernel>| {
            let cache = Arc::new(Allocation::new("cache", UseAfterDestroy));
            let used = Arc::clone(&cache);
            kernel.call_rcu(&cache, move || used.access());
            if barrier {
                kernel.rcu_barrier();
            } else {
                kernel.synchronize_rcu();
            }
            cache.free();
        }
    };
    silent(program(true));
    finds(UseAfterDestroy, program(false));
}

#[test]
#[cfg_attr(not(loom), ignore = "long: with --cfg loom or --ignored")]
fn a_trylock_that_fails_keeps_out() {
    let program = |regardless: bool| {
        move |kernel: &Arc<Kernel>| {
            let lock = Arc::new(SpinLock::new(kernel, "lock", ()));
            let payload = Arc::new(Cell::new("payload", 0));
            let (l, p) = (Arc::clone(&lock), Arc::clone(&payload));
            kernel.spawn("tries", move || {
                let guard = l.try_lock();
                if guard.is_some() || regardless {
                    p.set(1);
                }
            });
            let _guard = lock.lock();
            payload.set(2);
        }
    };
    silent(program(false));
    finds(DataRace, program(true));
}

#[test]
fn a_lock_that_is_held_must_not_be_initialised() {
    let program = |joins: bool| {
        move |kernel: &Arc<Kernel>| {
            let lock = Arc::new(SpinLock::new(kernel, "lock", ()));
            let other = Arc::clone(&lock);
            kernel.spawn("holds", move || drop(other.lock()));
            if joins {
                settle();
            }
            lock.init();
        }
    };
    silent(program(true));
    finds(ListCorruption, program(false));
}

/// A mark with nothing in it.
struct TestMark {
    memory: Allocation,
    fsn: FsnMark<Self>,
}

impl Hash for TestMark {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

impl Mark for TestMark {
    fn memory(&self) -> &Allocation {
        &self.memory
    }

    fn fsn_mark(&self) -> &FsnMark<Self> {
        &self.fsn
    }

    fn free_mark(&self) {
        self.memory.free();
    }
}

#[test]
#[cfg_attr(not(loom), ignore = "long: with --cfg loom or --ignored")]
fn a_mark_lives_as_long_as_an_event_looks_at_it() {
    let program = |late: bool| {
        move |kernel: &Arc<Kernel>| {
            set_phase(Phase::Alone);
            let fsnotify = Fsnotify::<TestMark>::new(kernel, 1);
            let group = Group::alloc(kernel);
            let memory = Allocation::new("mark", UseAfterFree);
            let mark = Arc::new(TestMark {
                fsn: FsnMark::new_in(kernel, &memory, &group, 0),
                memory,
            });
            assert!(fsnotify.add_inode_mark(&mark));
            set_phase(Phase::Concurrent);
            let events = Arc::clone(&fsnotify);
            kernel.spawn("event", move || {
                let mut found = None;
                events.event(0, |mark| {
                    mark.memory.access();
                    found = Some(Arc::clone(mark));
                });
                if late && let Some(mark) = found {
                    mark.memory.access();
                }
            });
            fsnotify.destroy_mark(&mark);
            fsnotify.put_mark(&mark);
        }
    };
    silent(program(false));
    finds(UseAfterFree, program(true));
}

#[test]
#[cfg_attr(not(loom), ignore = "long: with --cfg loom or --ignored")]
fn a_delayed_work_that_was_cancelled_runs_no_more() {
    let program = |cancel: bool| {
        move |kernel: &Arc<Kernel>| {
            let memory = Arc::new(Allocation::new("lru", UseAfterDestroy));
            let work = Arc::new(DelayedWork::new("work"));
            let used = Arc::clone(&memory);
            work.init(move || used.access());
            work.queue();
            work.let_fire(kernel, 1);
            if cancel {
                work.cancel_sync(kernel);
            }
            memory.free();
            settle();
        }
    };
    silent(program(true));
    finds(UseAfterDestroy, program(false));
}

/// Kinds of one defect: which of them is seen depends on what comes first.
fn class(kind: ViolationKind) -> &'static str {
    match kind {
        UseAfterFree | UseAfterDestroy => "use after the end",
        ObjectsRemaining | Leak => "leak",
        ListCorruption | DataRace => "race",
        other => other.name(),
    }
}

/// What loom finds and dpor does not, by scenario, and why.
///
/// That what an object is made with is published is no step here, so dpor does not ask whether it is.
/// `percpu_ref_init()` stores `ref->data` last and plainly, and a reader that took the new flags for the old
/// ones may find it there or not: dpor shows the latter, as a reference after its end.
const LOOM_ALONE: &[(&str, ViolationKind)] = &[("local-open-vs-stop-and-start", DataRace)];

#[test]
fn loom_sees_what_dpor_takes_for_published() {
    let library = Library::find().expect("the shipped library");
    let model = library.model("v4").expect("v4");
    for (name, kind) in LOOM_ALONE {
        let scenario = Arc::new(library.scenario(name).expect("a shipped scenario"));
        let program = program(&scenario, model.choices);
        let kinds = |exploration: Exploration| -> Vec<ViolationKind> {
            exploration.findings.iter().map(|f| f.kind).collect()
        };
        let limits = Limits {
            all: true,
            ..Limits::default()
        };
        let dpor = kinds(dpor::explore(&program, &limits));
        assert!(!dpor.contains(kind) && !dpor.is_empty(), "{name}: {dpor:?}");
        let loom = kinds(loom::explore(&program, &Limits::default()));
        assert_eq!(loom, [*kind], "{name}");
    }
}

/// What loom finds and dpor does not.
fn disagreements(scenario: &Arc<Scenario>, model: &Model) -> Vec<String> {
    let limits = |milliseconds: u64, all| Limits {
        budget: Some(Duration::from_millis(milliseconds)),
        all,
        ..Limits::default()
    };
    let program = program(scenario, model.choices);
    // There are hundreds of pairs, and the suite has a few minutes for them.
    let loom = loom::explore(&program, &limits(500, false));
    let kinds: Vec<ViolationKind> = loom.findings.iter().map(|f| f.kind).collect();
    println!(
        "{} on {}: {kinds:?} {:?}",
        scenario.name, model.name, loom.reason
    );
    let mut missing = kinds.clone();
    missing.retain(|kind| !LOOM_ALONE.contains(&(&*scenario.name, *kind)));
    // The first violation mostly does; all of them take long.
    for (milliseconds, all) in [(2_000, false), (10_000, true)] {
        if missing.is_empty() {
            return Vec::new();
        }
        let dpor = dpor::explore(&program, &limits(milliseconds, all));
        missing.retain(|kind| {
            let mut found = dpor.findings.iter();
            !found.any(|finding| class(finding.kind) == class(*kind))
        });
    }
    let (scenario, model) = (&scenario.name, &model.name);
    missing
        .into_iter()
        .map(|kind| format!("{scenario} on {model}: {kind} on loom and not on dpor: {loom:#?}"))
        .collect()
}

#[test]
#[cfg_attr(not(loom), ignore = "long: with --cfg loom or --ignored")]
fn loom_and_dpor_agree_on_every_pair() {
    let library = Library::find().expect("the shipped library");
    let models = library.models().expect("models");
    let scenarios = library.scenarios().expect("scenarios");
    let scenarios: Vec<Arc<Scenario>> = scenarios.into_iter().map(Arc::new).collect();
    let pairs: Vec<(&Arc<Scenario>, &Model)> = scenarios
        .iter()
        .flat_map(|scenario| models.iter().map(move |model| (scenario, model)))
        .filter(|(scenario, model)| scenario.expected(&model.name).is_some())
        .collect();
    let next = AtomicUsize::new(0);
    let wrong = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some((scenario, model)) = pairs.get(next.fetch_add(1, Ordering::Relaxed))
                {
                    let found = disagreements(scenario, model);
                    wrong.lock().unwrap().extend(found);
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
