// SPDX-License-Identifier: GPL-2.0-only
//! A sketch of the file cache's lifecycle, to measure explorers with: see `benches/README.md`.
//!
//! `model.rs` is the program. It is compiled once for each set of primitives: `on_sync` here,
//! `on_loom` and `on_shuttle` where a benchmark compares with them.

#![allow(dead_code, reason = "no target uses all of it")]

pub(crate) mod on_sync;

/// How large a micro-model is. Its actors are one shutdown, the I/Os and the GC passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) gc_passes: usize,
    pub(crate) ios: usize,
    pub(crate) files: usize,
}

impl Size {
    /// The rows of the benchmark, and how many distinct executions each has. GenMC counts the same,
    /// but for the largest: `benches/README.md` says what is known of that.
    pub(crate) const ROWS: [(Self, u64); 7] = [
        (Self::new(0, 1, 1), 6),
        (Self::new(1, 1, 1), 18),
        (Self::new(0, 2, 1), 152),
        (Self::new(1, 1, 2), 229),
        (Self::new(2, 1, 2), 1_940),
        (Self::new(1, 2, 2), 8_466),
        (Self::new(2, 2, 3), 559_400),
    ];

    pub(crate) const fn new(gc_passes: usize, ios: usize, files: usize) -> Self {
        Self {
            gc_passes,
            ios,
            files,
        }
    }
}

impl std::fmt::Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            gc_passes,
            ios,
            files,
        } = self;
        write!(f, "{gc_passes},{ios},{files}")
    }
}

/// What an I/O that completes puts first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PutOrder {
    FileFirst,
    /// The bug: the cache may be gone before the file is put.
    NetFirst,
}
