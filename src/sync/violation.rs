// SPDX-License-Identifier: GPL-2.0-only
//! What can go wrong, as values: a kind, an object and the places that matter.

use super::engine::ObjectId;
use serde::{Deserialize, Serialize};

/// A kind of violation, by its name in files and on the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ViolationKind {
    /// Memory is used after it was freed.
    UseAfterFree,
    /// A cache, group, table or list is used after it was destroyed.
    UseAfterDestroy,
    /// A slab cache is destroyed while objects of it are allocated.
    ObjectsRemaining,
    /// Memory is freed a second time.
    DoubleFree,
    /// A reference count goes below zero or is raised from zero.
    Refcount,
    /// A list is changed by two threads that nothing orders, or through a node that is not on it.
    ListCorruption,
    /// Something is still allocated and nothing can release it any more.
    Leak,
    /// Threads wait for what nothing left will do.
    HungTask,
    /// A warning that the kernel has at that spot.
    Warning,
    /// A percpu reference used after its exit, or a completion completed twice.
    RefAfterExit,
    /// Two plain accesses, one of them a write, that nothing orders.
    DataRace,
    /// A function that may sleep is called where sleeping is not allowed.
    SleepInAtomic,
    /// A loop goes round without anybody making progress.
    Livelock,
    /// The program itself says that this must not be: a `BUG_ON`, or a panic.
    Assertion,
}

impl ViolationKind {
    /// All kinds, in the order in which they are listed.
    pub const ALL: [Self; 14] = [
        Self::UseAfterFree,
        Self::UseAfterDestroy,
        Self::ObjectsRemaining,
        Self::DoubleFree,
        Self::Refcount,
        Self::ListCorruption,
        Self::Leak,
        Self::HungTask,
        Self::Warning,
        Self::RefAfterExit,
        Self::DataRace,
        Self::SleepInAtomic,
        Self::Livelock,
        Self::Assertion,
    ];

    /// The name in files and on the terminal.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::UseAfterFree => "use-after-free",
            Self::UseAfterDestroy => "use-after-destroy",
            Self::ObjectsRemaining => "objects-remaining",
            Self::DoubleFree => "double-free",
            Self::Refcount => "refcount",
            Self::ListCorruption => "list-corruption",
            Self::Leak => "leak",
            Self::HungTask => "hung-task",
            Self::Warning => "warning",
            Self::RefAfterExit => "ref-after-exit",
            Self::DataRace => "data-race",
            Self::SleepInAtomic => "sleep-in-atomic",
            Self::Livelock => "livelock",
            Self::Assertion => "assertion",
        }
    }

    /// The kind of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// How a kernel would show it.
    #[must_use]
    pub fn kernel_symptom(self) -> &'static str {
        match self {
            Self::UseAfterFree => "KASAN: slab-use-after-free",
            Self::UseAfterDestroy => {
                "a call into a destroyed kmem_cache, fsnotify group, rhltable or list_lru"
            }
            Self::ObjectsRemaining => {
                "kmem_cache_destroy: Objects remaining on __kmem_cache_shutdown()"
            }
            Self::DoubleFree => "KASAN: double-free",
            Self::Refcount => "refcount_t: underflow, saturated or addition on 0",
            Self::ListCorruption => "list_add or list_del corruption",
            Self::Leak => "kmemleak: unreferenced object",
            Self::HungTask => "INFO: task blocked for more than 120 seconds",
            Self::Warning => "WARN_ON",
            Self::RefAfterExit => {
                "percpu_ref used after percpu_ref_exit, or a completion completed twice"
            }
            Self::DataRace => "KCSAN: data-race",
            Self::SleepInAtomic => "BUG: sleeping function called from invalid context",
            Self::Livelock => "watchdog: BUG: soft lockup",
            Self::Assertion => "kernel BUG at",
        }
    }

    /// Whether an execution ends here. The others are noted and it goes on.
    #[must_use]
    pub fn is_fatal(self) -> bool {
        matches!(
            self,
            Self::UseAfterFree
                | Self::UseAfterDestroy
                | Self::DoubleFree
                | Self::ListCorruption
                | Self::RefAfterExit
                | Self::HungTask
                | Self::Livelock
                | Self::Assertion
        )
    }
}

impl std::fmt::Display for ViolationKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// How the message of a [`ViolationKind::Warning`] ends that a kernel shows as an oops.
pub const NULL_DEREFERENCE: &str = "NULL pointer dereference";

/// A violation as the place that notices it reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// What kind it is.
    pub kind: ViolationKind,
    /// The object it is about, where it is an object of the engine.
    pub object: Option<ObjectId>,
    /// One sentence for a person.
    pub message: String,
}

impl Violation {
    /// A violation about an object.
    #[must_use]
    pub fn on(kind: ViolationKind, object: ObjectId, message: impl Into<String>) -> Self {
        Self {
            kind,
            object: Some(object),
            message: message.into(),
        }
    }

    /// A violation that is about no single object.
    #[must_use]
    pub fn of(kind: ViolationKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            object: None,
            message: message.into(),
        }
    }
}
