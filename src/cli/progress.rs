// SPDX-License-Identifier: GPL-2.0-only
//! One line on a terminal that says how far it is.

use crate::report::words::counted;
use std::{
    io::{self, IsTerminal, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

/// Shown on stderr, and only where that is a terminal.
#[derive(Debug)]
pub(super) struct Progress {
    counters: Vec<Arc<AtomicU64>>,
    shares: Vec<Arc<AtomicU64>>,
    start: Instant,
    terminal: bool,
    shown: bool,
}

impl Progress {
    /// Of as many explorations as there are counters of executions, and estimates of the share
    /// that is explored.
    pub(super) fn new(counters: Vec<Arc<AtomicU64>>, shares: Vec<Arc<AtomicU64>>) -> Self {
        Self {
            counters,
            shares,
            start: Instant::now(),
            terminal: io::stderr().is_terminal(),
            shown: false,
        }
    }

    /// How many executions there were.
    fn executions(&self) -> u64 {
        let counts = self.counters.iter();
        counts.map(|count| count.load(Ordering::Relaxed)).sum()
    }

    /// How much of all that is there has been explored, once there is something to go by.
    fn estimate(&self) -> String {
        let shares = self.shares.iter();
        let shares = shares.map(|share| f64::from_bits(share.load(Ordering::Relaxed)));
        let share = shares.sum::<f64>() / self.shares.len() as f64;
        match share {
            0.001.. => format!(", estimated {:.1} % explored", share * 100.0),
            _ => String::new(),
        }
    }

    /// Show it as it is now.
    pub(super) fn show(&mut self, finished: usize) {
        if self.terminal {
            let executions = self.executions();
            let rate = executions as f64 / self.start.elapsed().as_secs_f64().max(0.001);
            let pairs = self.counters.len();
            let estimate = self.estimate();
            let _ = write!(
                io::stderr().lock(),
                "\r\x1b[K{finished} of {pairs} done, {executions} executions, {rate:.0}/s{estimate}"
            );
            self.shown = true;
        }
    }

    /// Make room for something else.
    pub(super) fn clear(&mut self) {
        if self.shown {
            let _ = write!(io::stderr().lock(), "\r\x1b[K");
            self.shown = false;
        }
    }

    /// All in one line, at the end.
    pub(super) fn summary(&self) -> String {
        let seconds = self.start.elapsed().as_secs_f64();
        let pairs = counted(self.counters.len() as u64, "pair");
        let executions = counted(self.executions(), "execution");
        format!("{pairs}, {executions}, {seconds:.1} s")
    }
}
