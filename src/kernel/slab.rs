// SPDX-License-Identifier: GPL-2.0-only
//! Slab caches. C header: `include/linux/slab.h`; code: `mm/slab_common.c`.
//!
//! A cache counts an object as allocated until it is given back. `kmem_cache_destroy()` warns of
//! objects that remain. A kernel may show no symptom then (a merged cache only loses a reference);
//! what is reported here is the error, not the symptom.
//!
//! A global pointer to a cache is set to NULL when the cache is destroyed, so a late
//! `kmem_cache_free()` uses no cache, or that of the next start. Here the cache is one object that
//! is destroyed and created anew, and an object remembers which creation it comes from.

use super::Kernel;
use crate::sync::{
    self,
    alloc::Allocation,
    engine::Step,
    enter, mutation,
    shadow::Shadow,
    violation::{Violation, ViolationKind},
};
use std::sync::Arc;

/// `struct kmem_cache`, behind the global pointer to it.
#[derive(Debug)]
pub struct KmemCache {
    allocation: Allocation,
    object_name: &'static str,
    created: Shadow<u32>,
    /// All objects ever, by number, each with the creation of the cache it is from.
    objects: Shadow<Vec<(u32, Arc<Allocation>)>>,
}

/// An object of a cache. Its [`Hash`] is that of the object it is.
#[derive(Debug, Hash)]
pub struct SlabObject {
    memory: Arc<Allocation>,
    /// The creation of the cache it is from.
    creation: u32,
}

impl SlabObject {
    /// Its memory.
    #[must_use]
    pub fn memory(&self) -> &Allocation {
        &self.memory
    }
}

impl KmemCache {
    /// A pointer to no cache yet.
    #[must_use]
    pub fn new(name: &'static str, object_name: &'static str) -> Self {
        let cache = Self {
            allocation: Allocation::new(name, ViolationKind::UseAfterDestroy),
            object_name,
            created: Shadow::new("created", 0),
            objects: Shadow::new("objects", Vec::new()),
        };
        cache.allocation.free();
        cache
    }

    /// Its memory.
    #[must_use]
    pub fn memory(&self) -> &Allocation {
        &self.allocation
    }

    /// `kmem_cache_create()`.
    #[track_caller]
    pub fn create(&self) {
        if mutation::is_skipped() {
            return;
        }
        let _in = enter("kmem_cache_create");
        self.allocation.renew();
        self.created.with_mut(|created| *created += 1);
    }

    /// `kmem_cache_alloc()`: `None` where there is no memory.
    #[must_use]
    #[track_caller]
    pub fn alloc(&self, kernel: &Kernel) -> Option<SlabObject> {
        enter("kmem_cache_alloc").learns(|| {
            if !kernel.allocation_succeeds() {
                return None;
            }
            self.allocation.access();
            let memory = Arc::new(Allocation::new(
                self.object_name,
                ViolationKind::UseAfterFree,
            ));
            let creation = self.created.get();
            self.objects.with_mut(|objects| {
                let before = objects.partition_point(|(_, other)| other.object() < memory.object());
                objects.insert(before, (creation, Arc::clone(&memory)));
            });
            Some(SlabObject { memory, creation })
        })
    }

    /// `kmem_cache_free()`.
    #[track_caller]
    pub fn free(&self, object: &SlabObject) {
        if mutation::is_skipped() {
            return;
        }
        let _in = enter("kmem_cache_free");
        object.memory.free();
        self.allocation.touch(Step::Last);
        if object.creation != self.created.get() {
            sync::report(Violation::on(
                ViolationKind::UseAfterDestroy,
                self.allocation.object(),
                "an object of the cache that was destroyed is freed into its successor",
            ));
        }
    }

    /// `kmem_cache_destroy()`, and the global pointer becomes NULL.
    #[track_caller]
    pub fn destroy(&self) {
        if mutation::is_skipped() {
            return;
        }
        let _in = enter("kmem_cache_destroy");
        self.allocation.free();
        let creation = self.created.get();
        let remaining: Vec<String> = self
            .objects
            .get()
            .iter()
            .filter(|(of, object)| *of == creation && !object.is_freed())
            .map(|(_, object)| object.name())
            .collect();
        if !remaining.is_empty() {
            sync::report(Violation::on(
                ViolationKind::ObjectsRemaining,
                self.allocation.object(),
                format!("destroyed with {} still allocated", remaining.join(", ")),
            ));
        }
    }

    /// The objects that were never freed.
    #[must_use]
    pub fn remaining(&self) -> Vec<Arc<Allocation>> {
        let objects = self.objects.get();
        let remaining = objects.iter().filter(|(_, object)| !object.is_freed());
        remaining.map(|(_, object)| Arc::clone(object)).collect()
    }
}
