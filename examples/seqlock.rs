// SPDX-License-Identifier: GPL-2.0-only
//! A seqlock, checked: right with its fences, wrong without either of them.
//!
//! ```text
//! cargo run --example seqlock
//! ```
//!
//! A writer makes the sequence odd, writes, and makes it even again. A reader takes what it has read
//! for whole if the sequence was even and the same before and after. The fences keep the accesses
//! of the data between those of the sequence; no interleaving shows that one of them is missing,
//! and neither does a machine whose stores and loads stay in order.

use nfsd_check::dpor::{
    Builder, MemoryModel,
    sync::{
        Arc,
        atomic::{
            AtomicUsize,
            Ordering::{self, Acquire, Relaxed, Release},
            fence,
        },
    },
    thread,
};
use std::process::ExitCode;

/// Which fences there are.
#[derive(Clone, Copy, Debug)]
struct Fences {
    writer: bool,
    reader: bool,
}

#[derive(Debug)]
struct Seqlock {
    sequence: AtomicUsize,
    data: [AtomicUsize; 2],
    fences: Fences,
}

impl Seqlock {
    fn new(fences: Fences) -> Self {
        Self {
            sequence: AtomicUsize::new(0),
            data: [AtomicUsize::new(0), AtomicUsize::new(0)],
            fences,
        }
    }

    fn fence_if(there: bool, order: Ordering) {
        if there {
            fence(order);
        }
    }

    /// There is one writer.
    fn write(&self, value: usize) {
        let before = self.sequence.load(Relaxed);
        self.sequence.store(before + 1, Relaxed);
        Self::fence_if(self.fences.writer, Release);
        for word in &self.data {
            word.store(value, Relaxed);
        }
        self.sequence.store(before + 2, Release);
    }

    /// What was written, unless a writer was at it.
    fn read(&self) -> Option<[usize; 2]> {
        let before = self.sequence.load(Acquire);
        if before % 2 == 1 {
            return None;
        }
        let value = [self.data[0].load(Relaxed), self.data[1].load(Relaxed)];
        Self::fence_if(self.fences.reader, Acquire);
        (self.sequence.load(Relaxed) == before).then_some(value)
    }
}

fn main() -> ExitCode {
    let mut as_expected = true;
    for (fences, sc, rc11) in [
        (fences(true, true), true, true),
        (fences(false, true), true, false),
        (fences(true, false), true, false),
    ] {
        for (memory_model, holds) in [(MemoryModel::Sc, sc), (MemoryModel::Rc11, rc11)] {
            let mut builder = Builder::new();
            builder.memory_model = memory_model;
            let report = builder.explore(move || {
                let lock = Arc::new(Seqlock::new(fences));
                let writer = {
                    let lock = Arc::clone(&lock);
                    thread::spawn(move || lock.write(1))
                };
                if let Some([first, second]) = lock.read() {
                    assert_eq!(first, second, "half of it was written");
                }
                writer.join().unwrap();
            });
            println!("{fences:?}, {memory_model:?}: {report}\n");
            as_expected &= report.holds() == holds;
        }
    }
    ExitCode::from(u8::from(!as_expected))
}

fn fences(writer: bool, reader: bool) -> Fences {
    Fences { writer, reader }
}
