// SPDX-License-Identifier: GPL-2.0-only
//! A counter of each cpu. C header: `include/linux/percpu-defs.h`.
//!
//! Each actor of a scenario runs on a cpu of its own, as long as there are enough, and everything
//! else on the first. What two cpus add comes in no order, for no two of them touch the same word.
//! A context that went to another cpu would add to another word; as only the sum is read, when
//! nobody adds any more, that would make no difference.

use super::Kernel;
use crate::sync::{alloc::Allocation, atomic::AtomicU64, engine::Ordering};

/// What the word of each cpu is called.
const CPUS: [&str; 8] = [
    "cpu0", "cpu1", "cpu2", "cpu3", "cpu4", "cpu5", "cpu6", "cpu7",
];

/// The most cpus that a kernel has. Contexts that share one are ordered by its word where fences
/// are around, as they may be in a kernel; where they would be on different cpus they need not be.
pub const MAX_CPUS: usize = CPUS.len();

/// An `unsigned long __percpu *`.
#[derive(Debug)]
pub(super) struct PercpuCount {
    /// By cpu.
    counts: Vec<AtomicU64>,
}

impl PercpuCount {
    /// `alloc_percpu()`, with this memory.
    pub(super) fn new_in(kernel: &Kernel, owner: &Allocation) -> Self {
        let cpus = CPUS.iter().take(kernel.options.cpus);
        Self {
            counts: cpus.map(|cpu| AtomicU64::new_in(owner, cpu, 0)).collect(),
        }
    }

    /// `this_cpu_ptr()`: the word of the calling context's cpu.
    pub(super) fn this_cpu(&self, kernel: &Kernel) -> &AtomicU64 {
        &self.counts[kernel.cpu()]
    }

    /// The sum of `*per_cpu_ptr()` over all cpus, wrapping around.
    #[track_caller]
    pub(super) fn sum(&self) -> u64 {
        let mut sum: u64 = 0;
        for count in &self.counts {
            sum = sum.wrapping_add(count.load(Ordering::Relaxed));
        }
        sum
    }
}
