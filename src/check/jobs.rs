// SPDX-License-Identifier: GPL-2.0-only
//! Many pieces of work on a few threads, and their results in the order of the work.

use std::{
    collections::BTreeMap,
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

/// How often `tick` is called.
const TICK: Duration = Duration::from_millis(200);

/// Do `work` on each of `items`, on `jobs` threads. On the calling thread, `done` gets the results
/// in the order of the items, each as soon as it and all before it are there, and `tick` is called
/// every now and then with the number of items that are finished. A thread that finds no more items
/// calls `idle`.
pub fn in_order<T: Sync, R: Send>(
    jobs: usize,
    items: &[T],
    work: impl Fn(usize, &T) -> R + Sync,
    idle: impl Fn() + Sync,
    mut done: impl FnMut(usize, R),
    mut tick: impl FnMut(usize),
) {
    let next = AtomicUsize::new(0);
    let (results, received) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..jobs.min(items.len()) {
            let results = results.clone();
            scope.spawn(|| {
                let results = results;
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(index) else { break };
                    if results.send((index, work(index, item))).is_err() {
                        break;
                    }
                }
                idle();
            });
        }
        drop(results);
        let (mut early, mut finished, mut due) = (BTreeMap::new(), 0, 0);
        loop {
            match received.recv_timeout(TICK) {
                Ok((index, result)) => {
                    finished += 1;
                    early.insert(index, result);
                    while let Some(result) = early.remove(&due) {
                        done(due, result);
                        due += 1;
                    }
                }
                Err(RecvTimeoutError::Timeout) => tick(finished),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_work() {
        for jobs in [1, 2, 7] {
            let items: Vec<u64> = (0..20).rev().collect();
            let mut seen = Vec::new();
            in_order(
                jobs,
                &items,
                |_, item| {
                    thread::sleep(Duration::from_millis(*item % 3));
                    item * 2
                },
                || (),
                |index, result| seen.push((index, result)),
                |_| (),
            );
            let expected: Vec<_> = items.iter().map(|item| item * 2).enumerate().collect();
            assert_eq!(seen, expected);
        }
    }

    #[test]
    fn no_work_is_done_at_once() {
        in_order(
            3,
            &[(); 0],
            |_, ()| (),
            || (),
            |_, ()| unreachable!(),
            |_| (),
        );
    }
}
