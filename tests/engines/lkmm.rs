// SPDX-License-Identifier: GPL-2.0-only
//! The litmus tests of `nfsd_check::kernel::memory_model`, on the primitives of
//! `nfsd_check::kernel`: what stands in the table is what the engines show.
//!
//! Under sequential consistency nothing that the kernel forbids may be shown: `dpor` proves that.
//! What is shown beyond it, loom has to tell, which searches and proves nothing: that a row is not
//! shown is what the table claims, and loom does not contradict it.
//!
//! The names are those of the kernel's `tools/memory-model/litmus-tests` and
//! `Documentation/litmus-tests`, or made like them; the texts are our own.

use nfsd_check::{
    engine::{Limits, MemoryModel, Program, dpor, loom},
    kernel::{
        Kernel, Options,
        atomic::Atomic,
        barrier::{
            smp_mb, smp_mb__after_atomic, smp_mb__after_spinlock, smp_mb__before_atomic, smp_rmb,
            smp_wmb,
        },
        bitops::Flags,
        memory_model::{Layer, ROWS, Row, Verdict},
        refcount::Refcount,
        rwonce::Variable,
        spinlock::SpinLock,
    },
    sync::{
        alloc::Allocation,
        cell::Cell,
        engine::Phase,
        report,
        thread::{set_phase, spawn},
        violation::{Violation, ViolationKind},
    },
};
use std::{collections::BTreeSet, sync::Arc};

/// What the contexts of a test share. All variables are 0 at first.
struct Shared {
    kernel: Arc<Kernel>,
    x: Variable,
    y: Variable,
    z: Variable,
    /// Counters that are 0 at first.
    a: Atomic,
    b: Atomic,
    /// Counters that are 1 at first.
    c: Atomic,
    d: Atomic,
    /// A counter that is 2 at first.
    e: Atomic,
    s: SpinLock,
    t: SpinLock,
    /// Bit 0 is clear at first, bit 1 is set.
    flags: Flags,
    more_flags: Flags,
    /// References: two at first.
    refs: Refcount,
    more_refs: Refcount,
    plain: [Cell<u64>; 2],
}

impl Shared {
    fn new() -> Self {
        let kernel = Kernel::new(Options::default());
        let object = Allocation::new("object", ViolationKind::UseAfterFree);
        Self {
            x: Variable::new("x", 0),
            y: Variable::new("y", 0),
            z: Variable::new("z", 0),
            a: Atomic::new("a", 0),
            b: Atomic::new("b", 0),
            c: Atomic::new("c", 1),
            d: Atomic::new("d", 1),
            e: Atomic::new("e", 2),
            s: SpinLock::new(&kernel, "s", ()),
            t: SpinLock::new(&kernel, "t", ()),
            flags: Flags::new_in(&object, "flags", &[1]),
            more_flags: Flags::new_in(&object, "more_flags", &[1]),
            refs: Refcount::new_in(&object, "refs", 2),
            more_refs: Refcount::new_in(&object, "more_refs", 2),
            plain: [Cell::new("plain", 0), Cell::new("plain", 0)],
            kernel,
        }
    }
}

/// What a context saw.
type Seen = [u64; 3];

/// A context of a test: it leaves what it saw in the registers.
type Context = fn(&Shared, &mut Seen);

/// The end of an execution: what each context saw, and the last values of `x`, `y`, `z` and `c`.
struct End {
    p: Vec<Seen>,
    x: u64,
    y: u64,
    z: u64,
    c: u64,
}

/// A litmus test: does any execution end like this?
struct Litmus {
    name: &'static str,
    contexts: Vec<Context>,
    exists: fn(&End) -> bool,
}

impl Litmus {
    fn program(&self) -> Program {
        let (contexts, exists) = (self.contexts.clone(), self.exists);
        Arc::new(move || {
            let shared = Arc::new(Shared::new());
            set_phase(Phase::Concurrent);
            let handles = contexts.iter().enumerate().map(|(index, &context)| {
                let shared = Arc::clone(&shared);
                spawn(&format!("P{index}"), move || {
                    let mut seen = Seen::default();
                    context(&shared, &mut seen);
                    seen
                })
            });
            let handles: Vec<_> = handles.collect();
            let p = handles.into_iter().map(|handle| handle.join()).collect();
            let end = End {
                p,
                x: shared.x.read_once(),
                y: shared.y.read_once(),
                z: shared.z.read_once(),
                c: shared.c.read(),
            };
            if exists(&end) {
                report(Violation::of(ViolationKind::Warning, "the outcome"));
            }
        })
    }
}

/// What runs the tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Under {
    /// `dpor`, sequentially consistent: a proof.
    Sc,
    /// `dpor`, RC11: a proof.
    Rc11,
    /// loom: a search under something like RC11.
    Loom,
}

/// How many executions loom is given. Those that show something do so within a few hundred; it
/// comes to the end of most tests of two contexts, and to that of no larger one.
const ENOUGH_FOR_LOOM: u64 = 3_000;

/// Whether any execution of the program ends in the outcome that it reports.
fn reaches(program: &Program, under: Under) -> bool {
    let exploration = match under {
        Under::Sc => dpor::explore(program, &Limits::default()),
        Under::Rc11 => {
            let limits = Limits {
                memory_model: MemoryModel::Rc11,
                ..Limits::default()
            };
            dpor::explore(program, &limits)
        }
        Under::Loom => {
            let limits = Limits {
                max_executions: Some(ENOUGH_FOR_LOOM),
                ..Limits::default()
            };
            loom::explore(program, &limits)
        }
    };
    for finding in &exploration.findings {
        assert_eq!(finding.kind, ViolationKind::Warning, "{exploration:#?}");
    }
    let shown = !exploration.findings.is_empty();
    let proof = shown || exploration.complete;
    assert!(proof || under == Under::Loom, "{:?}", exploration.reason);
    shown
}

fn litmus(name: &'static str, contexts: &[Context], exists: fn(&End) -> bool) -> Litmus {
    Litmus {
        name,
        contexts: contexts.to_vec(),
        exists,
    }
}

/// One variable is seen to change in one order only.
fn coherence() -> Vec<Litmus> {
    vec![
        litmus(
            "CoRR+poonceonce+Once",
            &[
                |v, _| v.x.write_once(1),
                |v, r| {
                    r[0] = v.x.read_once();
                    r[1] = v.x.read_once();
                },
            ],
            |end| end.p[1][0] == 1 && end.p[1][1] == 0,
        ),
        litmus(
            "CoRW+poonceonce+Once",
            &[
                |v, r| {
                    r[0] = v.x.read_once();
                    v.x.write_once(1);
                },
                |v, _| v.x.write_once(2),
            ],
            |end| end.p[0][0] == 2 && end.x == 2,
        ),
        litmus(
            "CoWR+poonceonce+Once",
            &[
                |v, r| {
                    v.x.write_once(1);
                    r[0] = v.x.read_once();
                },
                |v, _| v.x.write_once(2),
            ],
            |end| end.p[0][0] == 2 && end.x == 1,
        ),
        litmus(
            "CoWW+poonceonce",
            &[|v, _| {
                v.x.write_once(1);
                v.x.write_once(2);
            }],
            |end| end.x == 1,
        ),
    ]
}

/// The flag without the data.
fn message_passing() -> Vec<Litmus> {
    let stale: fn(&End) -> bool = |end| end.p[1][0] == 1 && end.p[1][1] == 0;
    vec![
        litmus(
            "MP+poonceonces",
            &[
                |v, _| {
                    v.x.write_once(1);
                    v.y.write_once(1);
                },
                |v, r| {
                    r[0] = v.y.read_once();
                    r[1] = v.x.read_once();
                },
            ],
            stale,
        ),
        litmus(
            "MP+pooncerelease+poacquireonce",
            &[
                |v, _| {
                    v.x.write_once(1);
                    v.y.smp_store_release(1);
                },
                |v, r| {
                    r[0] = v.y.smp_load_acquire();
                    r[1] = v.x.read_once();
                },
            ],
            stale,
        ),
        litmus(
            "MP+fencewmbonceonce+fencermbonceonce",
            &[
                |v, _| {
                    v.x.write_once(1);
                    smp_wmb();
                    v.y.write_once(1);
                },
                |v, r| {
                    r[0] = v.y.read_once();
                    smp_rmb();
                    r[1] = v.x.read_once();
                },
            ],
            stale,
        ),
        // The pointer is NULL or leads to x: only in the latter case is there something to read.
        litmus(
            "MP+onceassign+derefonce",
            &[
                |v, _| {
                    v.x.write_once(1);
                    v.y.rcu_assign_pointer(1);
                },
                |v, r| {
                    let _reader = v.kernel.rcu_read_lock();
                    r[0] = v.y.rcu_dereference();
                    if r[0] == 1 {
                        r[1] = v.x.read_once();
                    }
                },
            ],
            stale,
        ),
        litmus(
            "MP+onceassign+derefonce-independent",
            &[
                |v, _| {
                    v.x.write_once(1);
                    v.y.rcu_assign_pointer(1);
                },
                |v, r| {
                    r[0] = v.y.rcu_dereference();
                    r[1] = v.x.read_once();
                },
            ],
            stale,
        ),
        litmus(
            "MP+polocks",
            &[
                |v, _| {
                    v.x.write_once(1);
                    let _held = v.s.lock();
                    v.y.write_once(1);
                },
                |v, r| {
                    {
                        let _held = v.s.lock();
                        r[0] = v.y.read_once();
                    }
                    r[1] = v.x.read_once();
                },
            ],
            stale,
        ),
        litmus(
            "MP+porevlocks",
            &[
                |v, _| {
                    {
                        let _held = v.s.lock();
                        v.x.write_once(1);
                    }
                    v.y.write_once(1);
                },
                |v, r| {
                    r[0] = v.y.read_once();
                    let _held = v.s.lock();
                    r[1] = v.x.read_once();
                },
            ],
            stale,
        ),
        litmus(
            "MP+unlocklockonceonce+fencermbonceonce",
            &[
                |v, _| {
                    {
                        let _held = v.s.lock();
                        v.x.write_once(1);
                    }
                    let _held = v.t.lock();
                    v.y.write_once(1);
                },
                |v, r| {
                    r[0] = v.y.read_once();
                    smp_rmb();
                    r[1] = v.x.read_once();
                },
            ],
            stale,
        ),
        litmus(
            "MP+clearbitunlock+waitonbit",
            &[
                |v, _| {
                    v.x.write_once(1);
                    v.flags.clear_bit_unlock(1);
                },
                |v, r| {
                    v.flags.wait_on_bit(&v.kernel, 1);
                    r[0] = 1;
                    r[1] = v.x.read_once();
                },
            ],
            stale,
        ),
        // Whoever puts the last reference sees what the other one did with the object.
        litmus(
            "MP+refcountdecandtests",
            &[
                |v, _| {
                    v.x.write_once(1);
                    let _ = v.refs.dec_and_test();
                },
                |v, r| {
                    if v.refs.dec_and_test() {
                        r[0] = 1;
                        r[1] = v.x.read_once();
                    }
                },
            ],
            stale,
        ),
        litmus(
            "MP+fetchsubrelaxeds",
            &[
                |v, _| {
                    v.x.write_once(1);
                    v.e.fetch_dec_relaxed();
                },
                |v, r| {
                    if v.e.fetch_dec_relaxed() == 1 {
                        r[0] = 1;
                        r[1] = v.x.read_once();
                    }
                },
            ],
            stale,
        ),
    ]
}

/// Each context misses what the other one wrote.
fn store_buffering() -> Vec<Litmus> {
    fn nothing() {}
    /// Both contexts write, do something, and read what the other one writes.
    macro_rules! both {
        ($name:literal, |$v:ident| ($first:expr, $second:expr)) => {
            litmus(
                $name,
                &[
                    |$v, r| {
                        $v.x.write_once(1);
                        $first;
                        r[0] = $v.y.read_once();
                    },
                    |$v, r| {
                        $v.y.write_once(1);
                        $second;
                        r[0] = $v.x.read_once();
                    },
                ],
                |end| end.p[0][0] == 0 && end.p[1][0] == 0,
            )
        };
    }
    vec![
        both!("SB+poonceonces", |v| (nothing(), nothing())),
        both!("SB+fencembonceonces", |v| (smp_mb(), smp_mb())),
        both!("SB+testandsetbits", |v| (
            v.flags.test_and_set_bit(0),
            v.more_flags.test_and_set_bit(0)
        )),
        both!("SB+testandclearbits", |v| (
            v.flags.test_and_clear_bit(1),
            v.more_flags.test_and_clear_bit(1)
        )),
        both!("SB+setbits", |v| (
            v.flags.set_bit(0),
            v.more_flags.set_bit(0)
        )),
        both!("SB+atomicincreturns", |v| (
            v.a.inc_return(),
            v.b.inc_return()
        )),
        both!("SB+atomicdecandtests", |v| (
            v.c.dec_and_test(),
            v.d.dec_and_test()
        )),
        both!("SB+refcountdecandtests", |v| (
            {
                let _ = v.refs.dec_and_test();
            },
            {
                let _ = v.more_refs.dec_and_test();
            }
        )),
        both!("SB+atomicincs", |v| (v.a.inc(), v.b.inc())),
        both!("SB+atomicincs-beforeatomic", |v| (
            {
                smp_mb__before_atomic();
                v.a.inc();
            },
            {
                smp_mb__before_atomic();
                v.b.inc();
            }
        )),
        both!("SB+atomicincs-afteratomic", |v| (
            {
                v.a.inc();
                smp_mb__after_atomic();
            },
            {
                v.b.inc();
                smp_mb__after_atomic();
            }
        )),
        // z is 0, and neither changes it.
        both!("cmpxchg-fail-unordered-1", |v| (
            v.z.cmpxchg(1, 0),
            v.z.cmpxchg(1, 0)
        )),
        both!("cmpxchg-fail-ordered-1", |v| (
            {
                v.z.cmpxchg(1, 0);
                smp_mb__after_atomic();
            },
            {
                v.z.cmpxchg(1, 0);
                smp_mb__after_atomic();
            }
        )),
        litmus(
            "SB+pooncerelease+poacquireonce",
            &[
                |v, r| {
                    v.x.smp_store_release(1);
                    r[0] = v.y.smp_load_acquire();
                },
                |v, r| {
                    v.y.smp_store_release(1);
                    r[0] = v.x.smp_load_acquire();
                },
            ],
            |end| end.p[0][0] == 0 && end.p[1][0] == 0,
        ),
        litmus(
            "SB+rfionceonce-poonceonces",
            &[
                |v, r| {
                    v.x.write_once(1);
                    r[0] = v.x.read_once();
                    r[1] = v.y.read_once();
                },
                |v, r| {
                    v.y.write_once(1);
                    r[0] = v.y.read_once();
                    r[1] = v.x.read_once();
                },
            ],
            |end| end.p[0][..2] == [1, 0] && end.p[1][..2] == [1, 0],
        ),
        litmus(
            "SB+xchgs",
            &[
                |v, r| {
                    v.x.xchg(1);
                    r[0] = v.y.read_once();
                },
                |v, r| {
                    v.y.xchg(1);
                    r[0] = v.x.read_once();
                },
            ],
            |end| end.p[0][0] == 0 && end.p[1][0] == 0,
        ),
        litmus(
            "SB+cmpxchgs",
            &[
                |v, r| {
                    v.x.cmpxchg(0, 1);
                    r[0] = v.y.read_once();
                },
                |v, r| {
                    v.y.cmpxchg(0, 1);
                    r[0] = v.x.read_once();
                },
            ],
            |end| end.p[0][0] == 0 && end.p[1][0] == 0,
        ),
        litmus(
            "cmpxchg-fail-unordered-2",
            &[
                |v, r| {
                    v.x.write_once(1);
                    r[0] = v.y.cmpxchg(0, 1);
                },
                |v, r| {
                    r[0] = v.y.cmpxchg(0, 1);
                    r[1] = v.x.read_once();
                },
            ],
            |end| end.p[0][0] == 0 && end.p[1][..2] == [1, 0],
        ),
        litmus(
            "cmpxchg-fail-ordered-2",
            &[
                |v, r| {
                    v.x.write_once(1);
                    r[0] = v.y.cmpxchg(0, 1);
                },
                |v, r| {
                    r[0] = v.y.cmpxchg(0, 1);
                    smp_mb__after_atomic();
                    r[1] = v.x.read_once();
                },
            ],
            |end| end.p[0][0] == 0 && end.p[1][..2] == [1, 0],
        ),
    ]
}

/// Each context sees what the other one writes later.
fn load_buffering() -> Vec<Litmus> {
    let both: fn(&End) -> bool = |end| end.p[0][0] == 1 && end.p[1][0] == 1;
    vec![
        litmus(
            "LB+poonceonces",
            &[
                |v, r| {
                    r[0] = v.x.read_once();
                    v.y.write_once(1);
                },
                |v, r| {
                    r[0] = v.y.read_once();
                    v.x.write_once(1);
                },
            ],
            both,
        ),
        litmus(
            "LB+poacquireonce+pooncerelease",
            &[
                |v, r| {
                    r[0] = v.x.read_once();
                    v.y.smp_store_release(1);
                },
                |v, r| {
                    r[0] = v.y.smp_load_acquire();
                    v.x.write_once(1);
                },
            ],
            both,
        ),
        litmus(
            "LB+fencembonceonce+ctrlonceonce",
            &[
                |v, r| {
                    r[0] = v.x.read_once();
                    if r[0] == 1 {
                        v.y.write_once(1);
                    }
                },
                |v, r| {
                    r[0] = v.y.read_once();
                    smp_mb();
                    v.x.write_once(1);
                },
            ],
            both,
        ),
        litmus(
            "LB+unlocklockonceonce+poacquireonce",
            &[
                |v, r| {
                    {
                        let _held = v.s.lock();
                        r[0] = v.x.read_once();
                    }
                    let _held = v.t.lock();
                    v.y.write_once(1);
                },
                |v, r| {
                    r[0] = v.y.smp_load_acquire();
                    v.x.write_once(1);
                },
            ],
            both,
        ),
        litmus(
            "dep+plain",
            &[
                |v, _| {
                    v.plain[0].set(v.x.read_once());
                    v.plain[1].set(v.plain[0].get());
                    if v.plain[1].get() == 1 {
                        v.y.write_once(1);
                    }
                },
                |v, _| v.x.smp_store_release(v.y.smp_load_acquire()),
            ],
            |end| end.x == 1 && end.y == 1,
        ),
    ]
}

/// A write that is overwritten by what came before it.
fn overwriting() -> Vec<Litmus> {
    let r: fn(&End) -> bool = |end| end.y == 2 && end.p[1][0] == 0;
    let s: fn(&End) -> bool = |end| end.x == 2 && end.p[1][0] == 1;
    vec![
        litmus(
            "R+poonceonces",
            &[
                |v, _| {
                    v.x.write_once(1);
                    v.y.write_once(1);
                },
                |v, r| {
                    v.y.write_once(2);
                    r[0] = v.x.read_once();
                },
            ],
            r,
        ),
        litmus(
            "R+fencembonceonces",
            &[
                |v, _| {
                    v.x.write_once(1);
                    smp_mb();
                    v.y.write_once(1);
                },
                |v, r| {
                    v.y.write_once(2);
                    smp_mb();
                    r[0] = v.x.read_once();
                },
            ],
            r,
        ),
        litmus(
            "S+poonceonces",
            &[
                |v, _| {
                    v.x.write_once(2);
                    v.y.write_once(1);
                },
                |v, r| {
                    r[0] = v.y.read_once();
                    v.x.write_once(1);
                },
            ],
            s,
        ),
        litmus(
            "S+fencewmbonceonce+poacquireonce",
            &[
                |v, _| {
                    v.x.write_once(2);
                    smp_wmb();
                    v.y.write_once(1);
                },
                |v, r| {
                    r[0] = v.y.smp_load_acquire();
                    v.x.write_once(1);
                },
            ],
            s,
        ),
        litmus(
            "S+fencewmbonceonce+fencermbonceonce",
            &[
                |v, _| {
                    v.x.write_once(2);
                    smp_wmb();
                    v.y.write_once(1);
                },
                |v, r| {
                    r[0] = v.y.read_once();
                    smp_rmb();
                    v.x.write_once(1);
                },
            ],
            s,
        ),
    ]
}

/// What a third and a fourth context can tell.
fn observers() -> Vec<Litmus> {
    let wrc: fn(&End) -> bool = |end| end.p[1][0] == 1 && end.p[2][..2] == [1, 0];
    let iriw: fn(&End) -> bool = |end| end.p[1][..2] == [1, 0] && end.p[3][..2] == [1, 0];
    let isa2: fn(&End) -> bool = |end| end.p[1][0] == 1 && end.p[2][..2] == [1, 0];
    let z6: fn(&End) -> bool = |end| end.p[1][0] == 1 && end.z == 2 && end.p[2][0] == 0;
    vec![
        litmus(
            "WRC+poonceonces+Once",
            &[
                |v, _| v.x.write_once(1),
                |v, r| {
                    r[0] = v.x.read_once();
                    v.y.write_once(1);
                },
                |v, r| {
                    r[0] = v.y.read_once();
                    r[1] = v.x.read_once();
                },
            ],
            wrc,
        ),
        litmus(
            "WRC+pooncerelease+fencermbonceonce+Once",
            &[
                |v, _| v.x.write_once(1),
                |v, r| {
                    r[0] = v.x.read_once();
                    v.y.smp_store_release(1);
                },
                |v, r| {
                    r[0] = v.y.read_once();
                    smp_rmb();
                    r[1] = v.x.read_once();
                },
            ],
            wrc,
        ),
        litmus(
            "WRC+fencewmbonceonce+fencermbonceonce+Once",
            &[
                |v, _| v.x.write_once(1),
                |v, r| {
                    r[0] = v.x.read_once();
                    smp_wmb();
                    v.y.write_once(1);
                },
                |v, r| {
                    r[0] = v.y.read_once();
                    smp_rmb();
                    r[1] = v.x.read_once();
                },
            ],
            wrc,
        ),
        litmus(
            "IRIW+poonceonces+OnceOnce",
            &[
                |v, _| v.x.write_once(1),
                |v, r| {
                    r[0] = v.x.read_once();
                    r[1] = v.y.read_once();
                },
                |v, _| v.y.write_once(1),
                |v, r| {
                    r[0] = v.y.read_once();
                    r[1] = v.x.read_once();
                },
            ],
            iriw,
        ),
        litmus(
            "IRIW+fencembonceonces+OnceOnce",
            &[
                |v, _| v.x.write_once(1),
                |v, r| {
                    r[0] = v.x.read_once();
                    smp_mb();
                    r[1] = v.y.read_once();
                },
                |v, _| v.y.write_once(1),
                |v, r| {
                    r[0] = v.y.read_once();
                    smp_mb();
                    r[1] = v.x.read_once();
                },
            ],
            iriw,
        ),
        litmus(
            "ISA2+poonceonces",
            &[
                |v, _| {
                    v.x.write_once(1);
                    v.y.write_once(1);
                },
                |v, r| {
                    r[0] = v.y.read_once();
                    v.z.write_once(1);
                },
                |v, r| {
                    r[0] = v.z.read_once();
                    r[1] = v.x.read_once();
                },
            ],
            isa2,
        ),
        litmus(
            "ISA2+pooncerelease+poacquirerelease+poacquireonce",
            &[
                |v, _| {
                    v.x.write_once(1);
                    v.y.smp_store_release(1);
                },
                |v, r| {
                    r[0] = v.y.smp_load_acquire();
                    v.z.smp_store_release(1);
                },
                |v, r| {
                    r[0] = v.z.smp_load_acquire();
                    r[1] = v.x.read_once();
                },
            ],
            isa2,
        ),
        litmus(
            "ISA2+pooncelock+pooncelock+pombonce",
            &[
                two_writes_under_a_lock,
                |v, r| {
                    let _held = v.s.lock();
                    r[0] = v.y.read_once();
                    v.z.write_once(1);
                },
                |v, r| {
                    r[0] = v.z.read_once();
                    smp_mb();
                    r[1] = v.x.read_once();
                },
            ],
            isa2,
        ),
        litmus(
            "Z6.0+pooncelock+pooncelock+pombonce",
            &[
                two_writes_under_a_lock,
                |v, r| {
                    let _held = v.s.lock();
                    r[0] = v.y.read_once();
                    v.z.write_once(1);
                },
                overwrite_z,
            ],
            z6,
        ),
        litmus(
            "Z6.0+pooncelock+poonceLock+pombonce",
            &[
                two_writes_under_a_lock,
                |v, r| {
                    let _held = v.s.lock();
                    smp_mb__after_spinlock();
                    r[0] = v.y.read_once();
                    v.z.write_once(1);
                },
                overwrite_z,
            ],
            z6,
        ),
        litmus(
            "Z6.0+pooncerelease+poacquirerelease+fencembonceonce",
            &[
                |v, _| {
                    v.x.write_once(1);
                    v.y.smp_store_release(1);
                },
                |v, r| {
                    r[0] = v.y.smp_load_acquire();
                    v.z.smp_store_release(1);
                },
                overwrite_z,
            ],
            z6,
        ),
    ]
}

fn two_writes_under_a_lock(v: &Shared, _: &mut Seen) {
    let _held = v.s.lock();
    v.x.write_once(1);
    v.y.write_once(1);
}

fn overwrite_z(v: &Shared, r: &mut Seen) {
    v.z.write_once(2);
    smp_mb();
    r[0] = v.x.read_once();
}

/// Atomic operations are atomic, and some are barriers.
fn atomic_operations() -> Vec<Litmus> {
    vec![
        litmus(
            "Atomic-RMW-ops-are-atomic-WRT-atomic_set",
            &[
                |v, _| {
                    v.c.add_unless(1, 0);
                },
                |v, _| v.c.set(0),
            ],
            |end| end.c == 2,
        ),
        litmus(
            "Atomic-RMW+mb__after_atomic-is-stronger-than-acquire",
            &[
                |v, r| {
                    r[0] = v.x.read_once();
                    smp_rmb();
                    r[1] = v.a.read();
                },
                |v, _| {
                    v.a.inc();
                    smp_mb__after_atomic();
                    v.x.write_once(1);
                },
            ],
            |end| end.p[0][..2] == [1, 0],
        ),
    ]
}

/// What is in and around critical sections.
fn locks() -> Vec<Litmus> {
    /// Double-checked locking: y says that x is initialised.
    fn check_twice(v: &Shared, r: &mut Seen, load: fn(&Variable) -> u64, publish: fn(&Variable)) {
        if load(&v.y) == 0 {
            let _held = v.s.lock();
            if v.y.read_once() == 0 {
                v.x.write_once(1);
                publish(&v.y);
            }
        }
        r[0] = v.x.read_once();
    }
    fn broken(v: &Shared, r: &mut Seen) {
        check_twice(v, r, Variable::read_once, |flag| flag.write_once(1));
    }
    fn fixed(v: &Shared, r: &mut Seen) {
        check_twice(v, r, Variable::smp_load_acquire, |flag| {
            flag.smp_store_release(1);
        });
    }
    let uninitialised: fn(&End) -> bool = |end| end.p[0][0] == 0 || end.p[1][0] == 0;
    vec![
        litmus("DCL-broken", &[broken, broken], uninitialised),
        litmus("DCL-fixed", &[fixed, fixed], uninitialised),
        litmus(
            "RM-fixed",
            &[
                |v, _| {
                    let _held = v.s.lock();
                    v.a.inc_return();
                    v.x.write_once(1);
                },
                |v, r| {
                    r[0] = v.x.read_once();
                    r[1] = v.x.read_once();
                    let _held = v.s.lock();
                    r[2] = v.a.inc_return();
                },
            ],
            |end| end.p[1] == [0, 1, 1],
        ),
    ]
}

/// A reader does not span a grace period.
fn rcu() -> Vec<Litmus> {
    vec![
        litmus(
            "RCU+sync+read",
            &[
                |v, _| {
                    let _reader = v.kernel.rcu_read_lock();
                    v.x.write_once(1);
                    v.y.write_once(1);
                },
                |v, r| {
                    r[0] = v.x.read_once();
                    v.kernel.synchronize_rcu();
                    r[1] = v.y.read_once();
                },
            ],
            |end| end.p[1][..2] == [1, 0],
        ),
        // y leads to x while it is 0; x is 1 once it is torn down.
        litmus(
            "RCU+sync+free",
            &[
                |v, r| {
                    let _reader = v.kernel.rcu_read_lock();
                    if v.y.rcu_dereference() == 0 {
                        r[0] = v.x.read_once();
                    }
                },
                |v, _| {
                    v.y.rcu_assign_pointer(1);
                    v.kernel.synchronize_rcu();
                    v.x.write_once(1);
                },
            ],
            |end| end.p[0][0] == 1,
        ),
        // One grace period holds up one reader, not a chain of two.
        litmus(
            "RCU+sync+two-readers",
            &[
                |v, r| {
                    let _reader = v.kernel.rcu_read_lock();
                    v.z.write_once(1);
                    r[0] = v.x.read_once();
                },
                |v, r| {
                    let _reader = v.kernel.rcu_read_lock();
                    v.y.write_once(1);
                    r[0] = v.z.read_once();
                },
                |v, r| {
                    v.x.write_once(1);
                    v.kernel.synchronize_rcu();
                    r[0] = v.y.read_once();
                },
            ],
            |end| end.p.iter().all(|seen| seen[0] == 0),
        ),
    ]
}

/// Each row that can be written, with its test.
fn rows() -> Vec<(&'static Row, Litmus)> {
    let tests = [
        coherence(),
        message_passing(),
        store_buffering(),
        load_buffering(),
        overwriting(),
        observers(),
        atomic_operations(),
        locks(),
        rcu(),
    ];
    let mut tests: Vec<Litmus> = tests.into_iter().flatten().collect();
    let written = ROWS.iter().filter(|row| row.layer != Layer::Missing);
    let rows: Vec<_> = written
        .map(|row| {
            let at = tests.iter().position(|test| test.name == row.name);
            let at = at.unwrap_or_else(|| panic!("{} has no test", row.name));
            (row, tests.remove(at))
        })
        .collect();
    let left: Vec<_> = tests.iter().map(|test| test.name).collect();
    assert!(left.is_empty(), "no row for {left:?}");
    rows
}

#[test]
fn every_row_has_a_test_and_every_exception_a_reason() {
    let names: BTreeSet<_> = ROWS.iter().map(|row| row.name).collect();
    assert_eq!(names.len(), ROWS.len());
    rows();
    for row in ROWS {
        assert!(
            row.layer == Layer::Exact || !row.reason.is_empty(),
            "{}",
            row.name
        );
        match row.layer {
            Layer::Weaker => assert_eq!(row.lkmm, Verdict::Never, "{}", row.name),
            Layer::Stronger => assert_eq!(row.lkmm, Verdict::Sometimes, "{}", row.name),
            Layer::Exact | Layer::Missing => {}
        }
    }
}

#[test]
fn what_the_kernel_forbids_is_not_sequentially_consistent() {
    for (row, test) in rows() {
        if row.lkmm == Verdict::Never {
            assert!(!reaches(&test.program(), Under::Sc), "{}", row.name);
        }
    }
}

#[test]
fn every_row_shows_under_rc11_what_the_table_says() {
    let mut wrong = Vec::new();
    for (row, test) in rows() {
        let shown = reaches(&test.program(), Under::Rc11);
        if Some(shown) != row.is_shown() {
            wrong.push((row.name, shown));
        }
    }
    assert_eq!(wrong, []);
}

#[test]
fn every_row_shows_on_loom_what_the_table_says() {
    let mut wrong = Vec::new();
    for (row, test) in rows() {
        let shown = reaches(&test.program(), Under::Loom);
        if Some(shown) != row.is_shown() {
            wrong.push((row.name, shown));
        }
    }
    // loom lets a store come between the read and the write of a read-modify-write. RC11 does not.
    let of_loom = [("Atomic-RMW-ops-are-atomic-WRT-atomic_set", true)];
    assert_eq!(wrong, of_loom);
}

#[test]
fn what_is_not_exact_stands_in_the_readme() {
    let readme = include_str!("../../README.md");
    for row in ROWS.iter().filter(|row| row.layer != Layer::Exact) {
        let (lkmm, layer) = (row.lkmm.name(), row.layer.name());
        let line = format!("| `{}` | {lkmm} | {layer} | {} |", row.name, row.reason);
        assert!(readme.contains(&line), "{line}");
    }
}
