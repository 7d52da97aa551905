// SPDX-License-Identifier: GPL-2.0-only
//! File system notification: groups, marks and events. C header:
//! `include/linux/fsnotify_backend.h`; code: `fs/notify/mark.c`, `group.c`, `fsnotify.c`.
//!
//! nfsd has one group, or one for directories beside it, and one mark for each inode that it has files of. A mark pins its group. The
//! list of marks of an inode is read under `fsnotify_mark_srcu`; a mark that is detached is freed
//! after a grace period of that.

use super::{
    Kernel,
    rcu::{Callbacks, Names},
    refcount::Refcount,
    spinlock::{KernelMutex, SpinLock},
    srcu::Srcu,
    versioned::Versioned,
};
use crate::sync::{
    alloc::Allocation,
    atomic::{AtomicU64, fence},
    engine::Ordering,
    enter,
    mutation::{self, Weakening},
    violation::ViolationKind,
};
use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

/// What a mark is embedded in.
pub trait Mark: Hash + Send + Sync + Sized + 'static {
    /// The memory of the object.
    fn memory(&self) -> &Allocation;
    /// `struct fsnotify_mark`.
    fn fsn_mark(&self) -> &FsnMark<Self>;
    /// `fsnotify_ops::free_mark`.
    fn free_mark(&self);
}

/// `struct fsnotify_mark`.
#[derive(Debug)]
pub struct FsnMark<M> {
    refcnt: Refcount,
    /// `FSNOTIFY_MARK_FLAG_ATTACHED`, under the group's mutex.
    attached: AtomicU64,
    group: Arc<Group<M>>,
    inode: usize,
    /// `mask` under `lock`: whether it has what [`Fsnotify::modify_mark_mask`] sets. The rest never
    /// changes.
    mask: SpinLock<bool>,
}

impl<M: Mark> FsnMark<M> {
    /// `fsnotify_init_mark()`: one reference, and one to the group.
    #[must_use]
    pub fn new_in(
        kernel: &Arc<Kernel>,
        owner: &Allocation,
        group: &Arc<Group<M>>,
        inode: usize,
    ) -> Self {
        group.get();
        Self {
            mask: SpinLock::new_in(kernel, owner, "fsn_mark.lock", false),
            refcnt: Refcount::new_in(owner, "fsn_mark.refcnt", 1),
            attached: AtomicU64::new_in(owner, "fsn_mark.flags", 0),
            group: Arc::clone(group),
            inode,
        }
    }

    /// Whether it is a mark of the group, and attached.
    fn is_of(&self, group: &Arc<Group<M>>) -> bool {
        Arc::ptr_eq(&self.group, group) && self.attached.load(Ordering::Relaxed) != 0
    }
}

/// `struct fsnotify_group`.
#[derive(Debug)]
pub struct Group<M> {
    memory: Allocation,
    refcnt: Refcount,
    /// `mark_mutex`: `fsnotify_group_lock()`.
    mark_mutex: KernelMutex,
    _marks: std::marker::PhantomData<fn() -> M>,
}

impl<M> Hash for Group<M> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.memory.hash(state);
    }
}

impl<M> Group<M> {
    /// `fsnotify_alloc_group()`.
    #[must_use]
    pub fn alloc(kernel: &Arc<Kernel>) -> Arc<Self> {
        let _in = enter("fsnotify_alloc_group");
        let memory = Allocation::new("fsnotify_group", ViolationKind::UseAfterDestroy);
        Arc::new(Self {
            refcnt: Refcount::new_in(&memory, "refcnt", 1),
            mark_mutex: KernelMutex::new_in(kernel, &memory, "mark_mutex", ()),
            memory,
            _marks: std::marker::PhantomData,
        })
    }

    /// Its memory.
    #[must_use]
    pub fn memory(&self) -> &Allocation {
        &self.memory
    }

    /// `fsnotify_get_group()`.
    #[track_caller]
    fn get(&self) {
        self.refcnt.inc();
    }

    /// `fsnotify_put_group()`: the last reference destroys it. Waits for no event handler.
    #[track_caller]
    pub fn put(&self) {
        if !mutation::is_skipped() {
            self.do_put();
        }
    }

    fn do_put(&self) {
        let _in = enter("fsnotify_put_group");
        if self.refcnt.dec_and_test() {
            self.memory.free();
        }
    }
}

/// The marks of one inode: `struct fsnotify_mark_connector`. A mark is on the list until its last
/// reference is dropped, under the lock. That the connector itself comes and goes with its marks is
/// left out: it is freed after a grace period that every reader of it is in.
#[derive(Debug)]
struct Connector<M> {
    lock: SpinLock,
    /// Changed with the lock held; events walk it under SRCU without.
    marks: Versioned<M>,
}

/// The state of `fs/notify` that all groups share.
#[derive(Debug)]
pub struct Fsnotify<M> {
    kernel: Arc<Kernel>,
    /// `fsnotify_mark_srcu`.
    srcu: Srcu,
    inodes: Vec<Connector<M>>,
    /// The marks that nobody can find any more, until they are freed.
    ///
    /// In C such a mark goes to `destroy_list`, and `reaper_work` frees those that it finds there, one
    /// after the other, after one grace period. Here each is freed by itself, after a grace period of
    /// its own that begins at once. All that this adds are orders in which marks are freed, and
    /// nobody who frees one looks at another; a reader that has begun since cannot find the mark,
    /// whether it is waited for or not; and who flushes the work waits for the same marks.
    /// `destroy_lock`, which nobody holds for longer than it takes to add a mark, is left out: it would
    /// only ever order two who put marks one way or the other.
    destroy_list: Callbacks,
}

impl<M: Mark> Fsnotify<M> {
    /// No marks on any of the inodes.
    #[must_use]
    pub fn new(kernel: &Arc<Kernel>, inodes: usize) -> Arc<Self> {
        let connector = |_| Connector {
            lock: SpinLock::new(kernel, "conn->lock", ()),
            marks: Versioned::new("i_fsnotify_marks"),
        };
        Arc::new(Self {
            kernel: Arc::clone(kernel),
            srcu: Srcu::new("fsnotify_mark_srcu"),
            inodes: (0..inodes).map(connector).collect(),
            destroy_list: Callbacks::new(Names {
                context: "mark reaper",
                done: "mark reaped",
                queue: "destroy_list",
            }),
        })
    }

    /// `fsnotify_find_mark()` under `fsnotify_group_lock()`: the group's mark on the inode, with a
    /// reference, handed to `f` before the mutex is given back.
    #[track_caller]
    pub fn find_mark<R: Hash>(
        &self,
        group: &Arc<Group<M>>,
        inode: usize,
        f: impl FnOnce(Option<&Arc<M>>) -> R,
    ) -> R {
        if mutation::is(Weakening::Never) {
            return f(None);
        }
        self.do_find_mark(group, inode, f)
    }

    fn do_find_mark<R: Hash>(
        &self,
        group: &Arc<Group<M>>,
        inode: usize,
        f: impl FnOnce(Option<&Arc<M>>) -> R,
    ) -> R {
        enter("fsnotify_find_mark").learns(|| {
            let _mutex = group.mark_mutex.lock();
            let connector = &self.inodes[inode];
            let found = {
                let _lock = connector.lock.lock();
                let found = connector
                    .marks
                    .read()
                    .into_iter()
                    .find(|m| m.fsn_mark().is_of(group));
                if let Some(mark) = &found {
                    mark.fsn_mark().refcnt.inc();
                }
                found
            };
            f(found.as_ref())
        })
    }

    /// `fsnotify_add_inode_mark()`: `false` where the group has a mark on the inode already.
    #[must_use]
    #[track_caller]
    pub fn add_inode_mark(&self, mark: &Arc<M>) -> bool {
        mutation::is_skipped() || self.do_add_inode_mark(mark)
    }

    fn do_add_inode_mark(&self, mark: &Arc<M>) -> bool {
        enter("fsnotify_add_inode_mark").learns(|| {
            let fsn = mark.fsn_mark();
            let _mutex = fsn.group.mark_mutex.lock();
            fsn.attached.store(1, Ordering::Relaxed);
            // The group's list and the inode's hold a reference.
            fsn.refcnt.inc();
            let connector = &self.inodes[fsn.inode];
            let exists = {
                let _lock = connector.lock.lock();
                let mut marks = connector.marks.read().into_iter();
                let exists = marks.any(|other| other.fsn_mark().is_of(&fsn.group));
                if !exists {
                    connector.marks.change(|marks| marks.push(Arc::clone(mark)));
                }
                exists
            };
            if exists {
                fsn.attached.store(0, Ordering::Relaxed);
                fsn.refcnt.dec();
            }
            !exists
        })
    }

    /// `fsnotify_modify_mark_mask()`: set or clear bits of the mark's mask, and with them the inode's.
    ///
    /// The inode's mask is worked out anew from all of its marks, under the connector's lock. It is
    /// left out: only events that nothing here listens to are told by it.
    #[track_caller]
    pub fn modify_mark_mask(&self, mark: &Arc<M>, set: bool) {
        if !mutation::is_skipped() {
            self.do_modify_mark_mask(mark, set);
        }
    }

    fn do_modify_mark_mask(&self, mark: &Arc<M>, set: bool) {
        let _in = enter("fsnotify_modify_mark_mask").forgets();
        let fsn = mark.fsn_mark();
        let changed = std::mem::replace(&mut *fsn.mask.lock(), set) != set;
        if changed {
            // fsnotify_recalc_mask()
            drop(self.inodes[fsn.inode].lock.lock());
        }
    }

    /// The marks on an inode, each with whether its mask has what is set and cleared, without a
    /// step: for the end of an execution, when nothing runs.
    #[must_use]
    pub fn masks(&self, inode: usize) -> Vec<(Arc<M>, bool)> {
        let marks = self.inodes[inode].marks.peek().into_iter();
        marks
            .map(|mark| {
                let mask = mark.fsn_mark().mask.peek(|mask| *mask);
                (mark, mask)
            })
            .collect()
    }

    /// `fsnotify_destroy_mark()`: detaches the mark, once.
    #[track_caller]
    pub fn destroy_mark(self: &Arc<Self>, mark: &Arc<M>) {
        if !mutation::is_skipped() {
            self.do_destroy_mark(mark);
        }
    }

    fn do_destroy_mark(self: &Arc<Self>, mark: &Arc<M>) {
        let _in = enter("fsnotify_destroy_mark").forgets();
        let fsn = mark.fsn_mark();
        let detached = {
            let _mutex = fsn.group.mark_mutex.lock();
            fsn.attached.swap(0, Ordering::Relaxed) != 0
        };
        if detached {
            // fsnotify_detach_mark(): the group's reference
            self.put_mark(mark);
        }
    }

    /// `fsnotify_put_mark()`: the last reference takes the mark off its inode and hands it to the
    /// reaper.
    #[track_caller]
    pub fn put_mark(self: &Arc<Self>, mark: &Arc<M>) {
        if !mutation::is_skipped() {
            self.do_put_mark(mark);
        }
    }

    fn do_put_mark(self: &Arc<Self>, mark: &Arc<M>) {
        let _in = enter("fsnotify_put_mark").forgets();
        let fsn = mark.fsn_mark();
        let connector = &self.inodes[fsn.inode];
        let Some(lock) = fsn.refcnt.dec_and_lock(&connector.lock) else {
            return;
        };
        connector
            .marks
            .change(|marks| marks.retain(|other| !Arc::ptr_eq(other, mark)));
        drop(lock);
        // queue_delayed_work() is fully ordered.
        fence(Ordering::SeqCst);
        let dead = Arc::clone(mark);
        self.destroy_list
            .call(&self.kernel, &self.srcu.domain, mark.memory(), move || {
                final_mark_destroy(dead.as_ref())
            });
    }

    /// `fsnotify_wait_marks_destroyed()`.
    #[track_caller]
    pub fn wait_marks_destroyed(&self) {
        if mutation::is_skipped() {
            return;
        }
        let _in = enter("fsnotify_wait_marks_destroyed");
        let _flush = enter("flush_work");
        self.kernel.might_sleep("flush_work()");
        self.destroy_list.wait(&self.kernel, &self.srcu.domain);
    }

    /// `fsnotify()`: calls `handle_event` for each mark that the inode has.
    #[track_caller]
    pub fn event(&self, inode: usize, handle_event: impl FnMut(&Arc<M>)) {
        if !mutation::is_skipped() {
            self.do_event(inode, handle_event);
        }
    }

    fn do_event(&self, inode: usize, mut handle_event: impl FnMut(&Arc<M>)) {
        let _in = enter("fsnotify");
        let _srcu = self.srcu.read_lock();
        for mark in self.inodes[inode].marks.read() {
            // The iterator looks at the mark's mask before it calls its group.
            mark.memory().access();
            handle_event(&mark);
        }
    }
}

/// `fsnotify_final_mark_destroy()`, from `fsnotify_mark_destroy_workfn()`.
fn final_mark_destroy<M: Mark>(mark: &M) {
    let _in = enter("fsnotify_mark_destroy_workfn");
    let group = Arc::clone(&mark.fsn_mark().group);
    mark.free_mark();
    group.put();
}
