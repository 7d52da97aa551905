// SPDX-License-Identifier: GPL-2.0-only
//! `nfsd_check::dpor`: programs in loom's words, right ones and wrong ones.

use nfsd_check::{
    dpor::{
        Builder, MemoryModel, Report,
        cell::UnsafeCell,
        check,
        sync::{
            Arc, Condvar, Mutex,
            atomic::{
                AtomicBool, AtomicI8, AtomicU8, AtomicUsize,
                Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst},
                fence,
            },
        },
        thread,
    },
    sync::violation::ViolationKind,
};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

const MODELS: [MemoryModel; 2] = [MemoryModel::Sc, MemoryModel::Rc11];

fn explore(memory_model: MemoryModel, f: impl Fn() + Send + Sync + 'static) -> Report {
    let mut builder = Builder::new();
    builder.memory_model = memory_model;
    builder.explore(f)
}

/// The kind of violation, or nothing where it holds.
fn outcome(
    memory_model: MemoryModel,
    f: impl Fn() + Send + Sync + 'static,
) -> Option<ViolationKind> {
    let report = explore(memory_model, f);
    assert!(report.holds() || report.is_violated(), "{report}");
    let finding = report.exploration.findings.first();
    finding.map(|finding| finding.kind)
}

fn panic_of(f: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(f)).expect_err("it panics");
    let text = payload.downcast_ref::<String>().cloned();
    text.unwrap_or_else(|| (*payload.downcast_ref::<&str>().expect("a text")).to_owned())
}

#[test]
fn increments_are_counted() {
    for model in MODELS {
        let report = explore(model, || {
            let count = Arc::new(AtomicUsize::new(0));
            let threads = [(); 3].map(|()| {
                let count = Arc::clone(&count);
                thread::spawn(move || count.fetch_add(1, Relaxed))
            });
            let before: usize = threads.into_iter().map(|t| t.join().unwrap()).sum();
            assert_eq!((before, count.load(Relaxed)), (3, 3));
        });
        assert!(report.holds(), "{report}");
        assert_eq!(report.exploration.executions, 6, "{model:?}");
    }
}

#[test]
fn a_lost_update_is_told_step_by_step() {
    for model in MODELS {
        let mut builder = Builder::new();
        builder.memory_model = model;
        let text = panic_of(|| {
            builder.check(|| {
                let count = Arc::new(AtomicUsize::new(0));
                let other = Arc::clone(&count);
                let adder = thread::spawn(move || other.store(other.load(SeqCst) + 1, SeqCst));
                count.store(count.load(SeqCst) + 1, SeqCst);
                adder.join().unwrap();
                assert_eq!(count.load(SeqCst), 2, "one is lost");
            });
        });
        assert!(text.starts_with("assertion in execution "), "{text}");
        assert!(text.contains("one is lost"), "{text}");
        assert!(text.contains("(tests/testsuite/check.rs:"), "{text}");
        let steps = text
            .lines()
            .filter(|line| line.contains("AtomicUsize check.rs:"));
        assert!(steps.count() >= 5, "{text}");
        assert!(text.contains("load seq-cst"), "{text}");
    }
}

fn message_passing(release: bool) -> impl Fn() + Send + Sync + 'static {
    move || {
        let order = if release { Release } else { Relaxed };
        let data = Arc::new((AtomicUsize::new(0), AtomicBool::new(false)));
        let writer = {
            let data = Arc::clone(&data);
            thread::spawn(move || {
                data.0.store(1, Relaxed);
                data.1.store(true, order);
            })
        };
        if data.1.load(Acquire) {
            assert_eq!(data.0.load(Relaxed), 1, "the message came without its data");
        }
        writer.join().unwrap();
    }
}

#[test]
fn a_weak_execution_is_told_by_thread() {
    assert_eq!(outcome(MemoryModel::Sc, message_passing(false)), None);
    for model in MODELS {
        assert_eq!(outcome(model, message_passing(true)), None);
    }
    let text = explore(MemoryModel::Rc11, message_passing(false)).to_string();
    assert!(text.starts_with("assertion in execution "), "{text}");
    assert!(text.contains("the message came without its data"), "{text}");
    assert!(text.contains("No interleaving shows it."), "{text}");
    let flag = text.lines().find(|line| line.contains("load acquire"));
    let flag = flag.unwrap_or_else(|| panic!("{text}"));
    assert!(
        flag.contains("AtomicBool") && flag.ends_with("thread 1, step 3"),
        "{text}"
    );
    let data = text.lines().find(|line| line.contains("load relaxed"));
    assert!(
        data.is_some_and(|line| line.ends_with("the beginning")),
        "{text}"
    );
}

#[test]
fn store_buffering_needs_fences() {
    for (fences, model, expected) in [
        (false, MemoryModel::Sc, None),
        (false, MemoryModel::Rc11, Some(ViolationKind::Assertion)),
        (true, MemoryModel::Rc11, None),
    ] {
        let found = outcome(model, move || {
            let words = Arc::new([AtomicU8::new(0), AtomicU8::new(0)]);
            let side = move |mine: usize, words: &[AtomicU8; 2]| {
                words[mine].store(1, Relaxed);
                if fences {
                    fence(SeqCst);
                }
                words[1 - mine].load(Relaxed)
            };
            let other = {
                let words = Arc::clone(&words);
                thread::spawn(move || side(1, &words))
            };
            let saw = side(0, &words);
            assert!(saw == 1 || other.join().unwrap() == 1);
        });
        assert_eq!(found, expected, "{fences}, {model:?}");
    }
}

/// Hands a cell over by a flag.
fn hand_over(release: bool, made_by_writer: bool) -> impl Fn() + Send + Sync + 'static {
    move || {
        let order = if release { Release } else { Relaxed };
        let slot: Arc<(std::sync::Mutex<Option<Arc<SharedCell>>>, AtomicBool)> =
            Arc::default_slot();
        let writer = {
            let slot = Arc::clone(&slot);
            thread::spawn(move || {
                let cell = Arc::new(SharedCell(UnsafeCell::new(1)));
                *slot.0.lock().unwrap() = Some(Arc::clone(&cell));
                if !made_by_writer {
                    cell.0.with_mut(|value| write(value, 2));
                }
                slot.1.store(true, order);
            })
        };
        if slot.1.load(Acquire) {
            let cell = slot.0.lock().unwrap().clone().expect("it is there");
            let value = cell.0.with(read);
            assert_eq!(value, if made_by_writer { 1 } else { 2 });
        }
        writer.join().unwrap();
    }
}

#[derive(Debug)]
struct SharedCell(UnsafeCell<usize>);

#[expect(unsafe_code, reason = "the explorer checks that accesses are ordered")]
// SAFETY: One thread runs at a time, and what races goes no further.
unsafe impl Sync for SharedCell {}

#[expect(unsafe_code, reason = "loom's cells give pointers")]
fn write(value: *mut usize, new: usize) {
    // SAFETY: It is valid for as long as the cell's closure runs.
    unsafe { *value = new }
}

#[expect(unsafe_code, reason = "loom's cells give pointers")]
fn read(value: *const usize) -> usize {
    // SAFETY: It is valid for as long as the cell's closure runs.
    unsafe { *value }
}

trait DefaultSlot {
    fn default_slot() -> Self;
}

impl DefaultSlot for Arc<(std::sync::Mutex<Option<Arc<SharedCell>>>, AtomicBool)> {
    fn default_slot() -> Self {
        Arc::new((std::sync::Mutex::new(None), AtomicBool::new(false)))
    }
}

#[test]
fn a_cell_that_is_handed_over_without_release_is_a_data_race() {
    for model in MODELS {
        for made_by_writer in [false, true] {
            assert_eq!(outcome(model, hand_over(true, made_by_writer)), None);
            let found = outcome(model, hand_over(false, made_by_writer));
            assert_eq!(
                found,
                Some(ViolationKind::DataRace),
                "{model:?}, {made_by_writer}"
            );
        }
    }
}

/// A data race ends the execution: what comes after it is not run.
#[test]
fn nobody_follows_what_a_race_has_read() {
    for model in MODELS {
        let found = outcome(model, || {
            let cell = Arc::new(SharedCell(UnsafeCell::new(0)));
            let other = {
                let cell = Arc::clone(&cell);
                thread::spawn(move || cell.0.with_mut(|value| write(value, 1)))
            };
            cell.0.with(read);
            other.join().unwrap();
            panic!("this is after the race");
        });
        assert_eq!(found, Some(ViolationKind::DataRace), "{model:?}");
    }
}

#[test]
fn locks_in_two_orders_wait_for_ever() {
    for model in MODELS {
        let found = outcome(model, || {
            let locks = Arc::new([Mutex::new(()), Mutex::new(())]);
            let other = {
                let locks = Arc::clone(&locks);
                thread::spawn(move || {
                    let _first = locks[1].lock().unwrap();
                    let _second = locks[0].lock().unwrap();
                })
            };
            let first = locks[0].lock().unwrap();
            let second = locks[1].lock().unwrap();
            drop((second, first));
            other.join().unwrap();
        });
        assert_eq!(found, Some(ViolationKind::HungTask), "{model:?}");
    }
}

#[test]
fn a_lock_may_be_taken_by_another() {
    for model in MODELS {
        let found = outcome(model, || {
            let lock = Arc::new(Mutex::new(0));
            let other = {
                let lock = Arc::clone(&lock);
                thread::spawn(move || *lock.lock().unwrap() += 1)
            };
            let _guard = lock.try_lock().expect("nobody else has it");
            drop(_guard);
            other.join().unwrap();
        });
        assert_eq!(found, Some(ViolationKind::Assertion), "{model:?}");
    }
}

fn queue(with_lock: bool, notify_all: bool) -> impl Fn() + Send + Sync + 'static {
    move || {
        let queue = Arc::new((Mutex::new(0), Condvar::new(), AtomicBool::new(false)));
        let takers = [(); 2].map(|()| {
            let queue = Arc::clone(&queue);
            thread::spawn(move || {
                let mut left = queue.0.lock().unwrap();
                if with_lock {
                    left = queue.1.wait_while(left, |left| *left == 0).unwrap();
                    *left -= 1;
                } else if !queue.2.load(Relaxed) {
                    drop(queue.1.wait(left).unwrap());
                }
            })
        });
        if with_lock {
            *queue.0.lock().unwrap() += 2;
        } else {
            queue.2.store(true, Relaxed);
        }
        if notify_all {
            queue.1.notify_all();
        } else {
            queue.1.notify_one();
            queue.1.notify_one();
        }
        for taker in takers {
            taker.join().unwrap();
        }
    }
}

#[test]
fn a_condition_variable_wakes_who_waits() {
    for model in MODELS {
        for notify_all in [false, true] {
            let found = outcome(model, queue(true, notify_all));
            assert_eq!(found, None, "{model:?}, {notify_all}");
            // The flag is not under the lock: the wake-up can come between the look and the wait.
            let found = outcome(model, queue(false, notify_all));
            assert_eq!(
                found,
                Some(ViolationKind::HungTask),
                "{model:?}, {notify_all}"
            );
        }
    }
}

/// One notification for two that wait wakes one, whichever it is.
#[test]
fn one_is_not_two() {
    for model in MODELS {
        let found = outcome(model, || {
            let shared = Arc::new((Mutex::new(false), Condvar::new()));
            let waiter = |shared: &Arc<(Mutex<bool>, Condvar)>| {
                let shared = Arc::clone(shared);
                thread::spawn(move || {
                    let guard = shared.0.lock().unwrap();
                    drop(shared.1.wait_while(guard, |set| !*set).unwrap());
                })
            };
            let waiters = [waiter(&shared), waiter(&shared)];
            *shared.0.lock().unwrap() = true;
            shared.1.notify_one();
            for waiter in waiters {
                waiter.join().unwrap();
            }
        });
        assert_eq!(found, Some(ViolationKind::HungTask), "{model:?}");
    }
}

/// Words have their width.
#[test]
fn narrow_words_wrap_around() {
    check(|| {
        let byte = AtomicU8::new(250);
        assert_eq!(byte.fetch_add(10, Relaxed), 250);
        assert_eq!(byte.fetch_sub(5, Relaxed), 4);
        assert_eq!(byte.load(Relaxed), 255);
        assert_eq!(byte.fetch_and(0x0f, Relaxed), 255);
        assert_eq!(byte.fetch_xor(0xff, Relaxed), 0x0f);
        assert_eq!(byte.swap(1, Relaxed), 0xf0);
        let signed = AtomicI8::new(-128);
        assert_eq!(signed.fetch_sub(1, Relaxed), -128);
        assert_eq!(signed.compare_exchange(127, -1, AcqRel, Relaxed), Ok(127));
        assert_eq!(signed.fetch_or(1, Relaxed), -1);
        assert_eq!(signed.fetch_and(-2, Relaxed), -1);
        let update = signed.fetch_update(Relaxed, Relaxed, |old| old.checked_mul(100));
        assert_eq!(update, Err(-2));
        let word = AtomicUsize::new(0);
        assert_eq!(word.fetch_sub(1, Relaxed), 0);
        assert_eq!(word.load(Relaxed), usize::MAX);
    });
}

#[test]
fn a_wait_is_no_loop() {
    for model in MODELS {
        let report = explore(model, || {
            let flag = Arc::new(AtomicUsize::new(0));
            let other = {
                let flag = Arc::clone(&flag);
                thread::spawn(move || {
                    flag.store(1, Relaxed);
                    flag.store(2, Relaxed);
                })
            };
            assert!(flag.wait_while(0, Relaxed) > 0);
            flag.wait_until(2, Acquire);
            other.join().unwrap();
        });
        assert!(report.holds(), "{report}");
    }
}

#[test]
fn what_was_not_explored_is_no_pass() {
    let two = || {
        let word = Arc::new(AtomicUsize::new(0));
        let other = Arc::clone(&word);
        let other = thread::spawn(move || other.fetch_add(1, Relaxed));
        word.fetch_add(1, Relaxed);
        other.join().unwrap();
    };
    let mut builder = Builder::new();
    builder.max_permutations = Some(1);
    let text = panic_of(|| builder.check(two));
    assert!(text.starts_with("undecided: stopped after 1 "), "{text}");
    builder.max_permutations = Some(1000);
    builder.max_duration = Some(Duration::from_secs(600));
    builder.check(two);
    builder.memory_model = MemoryModel::Sc;
    builder.preemption_bound = Some(0);
    let twice = || {
        let word = Arc::new(AtomicUsize::new(0));
        let adds = |word: &AtomicUsize| word.fetch_add(1, Relaxed) + word.fetch_add(1, Relaxed);
        let other = Arc::clone(&word);
        let other = thread::spawn(move || adds(&other));
        adds(&word);
        other.join().unwrap();
    };
    let text = panic_of(|| builder.check(twice));
    assert!(text.contains("more than 0 preemptions"), "{text}");
    // A loop that waits.
    let text = panic_of(|| {
        check(|| {
            let flag = Arc::new(AtomicBool::new(false));
            let other = Arc::clone(&flag);
            let other = thread::spawn(move || other.store(true, Release));
            while !flag.load(Acquire) {
                thread::yield_now();
            }
            other.join().unwrap();
        });
    });
    assert!(text.starts_with("undecided: "), "{text}");
    assert!(text.contains("wait_until()"), "{text}");
}

/// A panic of any thread, with a lock and with destructors that do something.
#[test]
fn panics_with_locks_and_destructors() {
    struct Counted(Arc<AtomicUsize>);

    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Relaxed);
        }
    }

    for model in MODELS {
        let report = explore(model, || {
            let count = Arc::new(AtomicUsize::new(1));
            let lock = Arc::new(Mutex::new(()));
            let other = {
                let (count, lock) = (Arc::clone(&count), Arc::clone(&lock));
                let builder = thread::Builder::new().name("unlucky".to_owned());
                builder.spawn(move || {
                    let _counted = Counted(Arc::clone(&count));
                    let _guard = lock.lock().unwrap();
                    assert_eq!(count.fetch_add(1, Relaxed), 1, "taken");
                    count.fetch_sub(1, Relaxed);
                })
            };
            count.fetch_add(1, Relaxed);
            count.fetch_sub(1, Relaxed);
            drop(lock.lock().unwrap());
            other.unwrap().join().unwrap();
            assert_eq!(count.load(Relaxed), 0);
        });
        let text = report.to_string();
        assert!(text.starts_with("assertion in execution "), "{text}");
        assert!(text.contains("taken"), "{text}");
        assert!(
            text.contains("\nin unlucky at tests/testsuite/check.rs:")
                || text.contains("in unlucky"),
            "{text}"
        );
    }
}

#[test]
fn the_same_program_gives_the_same_report() {
    for model in MODELS {
        let report = || explore(model, message_passing(false)).to_string();
        assert_eq!(report(), report());
    }
}

/// More threads than loom has.
#[test]
fn sixteen_threads() {
    for model in MODELS {
        let report = explore(model, || {
            let words: Arc<Vec<AtomicUsize>> =
                Arc::new((0..8).map(|_| AtomicUsize::new(0)).collect());
            let threads: Vec<_> = (0..16)
                .map(|thread| {
                    let words = Arc::clone(&words);
                    thread::spawn(move || words[thread / 2].fetch_add(1, Relaxed))
                })
                .collect();
            for thread in threads {
                thread.join().unwrap();
            }
            assert!(words.iter().all(|word| word.load(Relaxed) == 2));
        });
        assert!(report.holds(), "{report}");
        assert_eq!(report.exploration.executions, 1 << 8, "{model:?}");
    }
}
