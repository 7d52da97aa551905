// SPDX-License-Identifier: GPL-2.0-only
//! The system's allocator, counting: for the benchmark of allocations and the test of memory.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
};

struct Counting;

/// How often memory was asked for.
pub(crate) static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
/// How many bytes were.
pub(crate) static BYTES: AtomicU64 = AtomicU64::new(0);
/// How many are in use.
pub(crate) static LIVE: AtomicI64 = AtomicI64::new(0);
/// How many were at most, since this was set.
pub(crate) static PEAK: AtomicI64 = AtomicI64::new(0);

#[expect(unsafe_code, reason = "what an allocator is")]
// SAFETY: Every call goes on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: The caller keeps the same promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size() as i64, Relaxed);
        // SAFETY: The caller keeps the same promises.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size, layout.size());
        // SAFETY: The caller keeps the same promises.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn count(bytes: usize, before: usize) {
    ALLOCATIONS.fetch_add(1, Relaxed);
    BYTES.fetch_add(bytes as u64, Relaxed);
    let more = bytes as i64 - before as i64;
    PEAK.fetch_max(LIVE.fetch_add(more, Relaxed) + more, Relaxed);
}
