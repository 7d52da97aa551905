// SPDX-License-Identifier: GPL-2.0-only
//! The micro-model itself, in terms of `super::primitives`. See `benches/README.md`.
//!
//! This file is compiled once for each set of primitives, so that every explorer runs the same
//! text.

use super::primitives::{Completion, List, Memory, Word, learns, run_actors};
use crate::micro_model::{PutOrder, Size};
use std::sync::Arc;

/// The file can be found in the hash table.
const HASHED: u64 = 1;
/// The file was used since the last pass over the LRU.
const REFERENCED: u64 = 2;
/// The file is kept on the LRU when it is not in use.
const GC: u64 = 4;

/// What a thread runs.
pub(crate) type Actor = Box<dyn FnOnce() + Send + 'static>;

struct File {
    refs: Word,
    flags: Word,
    memory: Memory,
}

struct Cache {
    files: Vec<File>,
    hash: List,
    lru: List,
    dispose: List,
    rcu: List,
    slab: Memory,
    net_refs: Word,
    net_gone: Completion,
}

/// One execution: what the first thread runs.
pub(crate) fn run(size: Size, order: PutOrder) {
    let cache = Arc::new(Cache::new(size));
    let mut actors: Vec<Actor> = Vec::new();
    for _ in 0..size.ios {
        let shared = Arc::clone(&cache);
        actors.push(Box::new(move || shared.put_local(0, order)));
    }
    for _ in 0..size.gc_passes {
        let shared = Arc::clone(&cache);
        actors.push(Box::new(move || shared.gc_pass()));
    }
    // The first thread is the shutdown: loom has five threads, this one included.
    run_actors(actors, || cache.shutdown());
}

impl Cache {
    fn new(size: Size) -> Self {
        let ios = size.ios as u64;
        let file = |i| File {
            refs: Word::new(if i == 0 { 1 + ios } else { 1 }),
            flags: Word::new(HASHED | GC),
            memory: Memory::new(),
        };
        Self {
            files: (0..size.files).map(file).collect(),
            hash: List::new((0..size.files).collect()),
            lru: List::new((1..size.files).collect()),
            dispose: List::new(Vec::new()),
            rcu: List::new(Vec::new()),
            slab: Memory::new(),
            net_refs: Word::new(1 + ios),
            net_gone: Completion::new(),
        }
    }

    /// A LOCALIO I/O has completed. The file has to go first: the net's reference is what holds
    /// the teardown of the cache up.
    fn put_local(&self, i: usize, order: PutOrder) {
        match order {
            PutOrder::FileFirst => {
                self.put(i);
                self.net_put();
            }
            PutOrder::NetFirst => {
                self.net_put();
                self.put(i);
            }
        }
    }

    fn put(&self, i: usize) {
        let file = &self.files[i];
        learns(|| {
            if file.flags.load() & (GC | HASHED) == GC | HASHED {
                if self.decrement_unless_one(i) {
                    return;
                }
                file.flags.fetch_or(REFERENCED);
                self.lru_add(i);
                if file.flags.load() & HASHED != 0 {
                    return;
                }
                // It was unhashed meanwhile: whoever takes it off the LRU has its reference.
                if !remove(&self.lru, i) {
                    return;
                }
            }
            if file.refs.fetch_sub(1) == 1 {
                self.free(i);
            }
        });
    }

    fn decrement_unless_one(&self, i: usize) -> bool {
        let refs = &self.files[i].refs;
        learns(|| {
            let mut count = refs.load();
            while count != 1 {
                match refs.compare_exchange(count, count - 1) {
                    Ok(_) => return true,
                    Err(now) => count = now,
                }
            }
            false
        })
    }

    fn lru_add(&self, i: usize) {
        learns(|| {
            let mut lru = self.lru.lock();
            if !lru.contains(&i) {
                lru.push(i);
            }
        });
    }

    /// Whether this is who unhashed it.
    fn unhash(&self, i: usize) -> bool {
        learns(|| {
            if self.files[i].flags.fetch_and_not(HASHED) & HASHED == 0 {
                return false;
            }
            remove(&self.hash, i);
            true
        })
    }

    fn free(&self, i: usize) {
        learns(|| {
            self.files[i].memory.touch();
            self.unhash(i);
            self.slab.touch();
            self.rcu.lock().push(i);
        });
    }

    fn net_put(&self) {
        learns(|| {
            if self.net_refs.fetch_sub(1) == 1 {
                self.net_gone.complete();
            }
        });
    }

    fn gc_pass(&self) {
        let mut freed = Vec::new();
        self.lru.lock().retain(|&i| {
            let file = &self.files[i];
            let (stays, is_free) = learns(|| {
                file.memory.touch();
                if file.flags.fetch_and_not(REFERENCED) & REFERENCED != 0 {
                    return (true, false);
                }
                let is_free = file.refs.compare_exchange(1, 0).is_ok();
                if is_free {
                    self.unhash(i);
                }
                (false, is_free)
            });
            if is_free {
                freed.push(i);
            }
            stays
        });
        for i in freed {
            learns(|| self.dispose.lock().push(i));
        }
    }

    fn shutdown(&self) {
        self.net_put();
        let hashed = self.hash.lock().clone();
        for i in hashed {
            learns(|| {
                if !self.unhash(i) {
                    return;
                }
                remove(&self.lru, i);
                if self.files[i].refs.fetch_sub(1) == 1 {
                    self.free(i);
                }
            });
        }
        let disposed = std::mem::take(&mut *self.dispose.lock());
        for i in disposed {
            self.free(i);
        }
        self.net_gone.wait();
        let queued = std::mem::take(&mut *self.rcu.lock());
        for i in queued {
            self.files[i].memory.free();
        }
        self.slab.free();
    }
}

/// Whether it was on the list.
fn remove(list: &List, i: usize) -> bool {
    learns(|| {
        let mut list = list.lock();
        let before = list.len();
        list.retain(|&other| other != i);
        list.len() < before
    })
}
