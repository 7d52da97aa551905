// SPDX-License-Identifier: GPL-2.0-only
//! Starting and stopping a server, and its threads. Kernel files: `fs/nfsd/nfssvc.c`,
//! `fs/nfsd/nfsctl.c`, `net/sunrpc/svc.c`.
//!
//! A service thread is a context only while it has work. Between two turns of its loop it is a
//! number, the count of idle threads: all that an idle thread can do is be woken or be told to
//! exit. A thread that exits runs its last turn while the stopping task waits for it and does
//! nothing else, so that turn is run in the stopping task's context.
//!
//! Left out: lockd and the reply cache, which hold no file; address notifiers; the pools but the first, which is the only one that is ever woken for this.

use super::{
    Nfsd,
    filecache::{
        NfsdFile, nfsd_file_cache_init, nfsd_file_cache_shutdown, nfsd_file_cache_shutdown_net,
        nfsd_file_cache_start_net, nfsd_file_net_dispose, nfsd_file_put,
    },
    netns::{NFSD_NET_UP, Net},
};
use crate::{
    kernel::percpu_ref::completes,
    sync::{
        alloc::Allocation,
        atomic::AtomicU64,
        engine::{Condition, Ordering, Step, Update},
        enter,
        violation::ViolationKind,
    },
};
use std::sync::Arc;

/// The number of idle threads.
const IDLE: u64 = 0xffff;
/// `SP_TASK_PENDING`.
const TASK_PENDING: u64 = 1 << 16;
/// The threads have exited.
const GONE: u64 = 1 << 17;

/// `struct svc_serv`, with its first `struct svc_pool`.
#[derive(Debug)]
pub struct SvcServ {
    memory: Allocation,
    /// The pool's flags and its list of idle threads. Whoever reaches them through the server uses
    /// its memory; a request that arrives from outside does not.
    ///
    /// One word for both: a thread becomes idle and then looks at the flag again, a waker sets the
    /// flag and then looks for an idle thread, both with full barriers between, so that one of
    /// them sees the other; here it is one step each.
    sp_idle: AtomicU64,
    /// `sv_nrthreads`.
    threads: u32,
    net: Arc<Net>,
}

impl SvcServ {
    /// Its memory.
    #[must_use]
    pub fn memory(&self) -> &Allocation {
        &self.memory
    }
}

impl SvcServ {
    /// Wait for an idle thread and take it. `false`: the threads have exited.
    fn take_thread(&self) -> bool {
        let found = self.sp_idle.wait_and_update(
            Condition::AnySet(IDLE | GONE),
            TAKE_THREAD,
            Ordering::AcqRel,
        );
        found & IDLE != 0
    }
}

/// One thread less is idle, if one is.
const TAKE_THREAD: Update = Update::When {
    any_set: IDLE,
    all_clear: 0,
    clear: 0,
    add: 1u64.wrapping_neg(),
};

/// One thread more is idle, if there is nothing to do.
const BECOME_IDLE: Update = Update::When {
    any_set: 0,
    all_clear: TASK_PENDING,
    clear: 0,
    add: 1,
};

/// `svc_wake_up()`: lets a thread have a look around.
pub(super) fn svc_wake_up(nfsd: &Arc<Nfsd>, net: &Arc<Net>, serv: &Arc<SvcServ>) {
    let _in = enter("svc_wake_up");
    let _rcu = nfsd.kernel.rcu_read_lock();
    serv.memory.touch(Step::Next);
    let old = serv.sp_idle.fetch_or(TASK_PENDING, Ordering::Relaxed);
    if old & IDLE != 0 && old & TASK_PENDING == 0 {
        let (woken, serv) = (Arc::clone(nfsd), Arc::clone(serv));
        let name = format!("nfsd {}", net.name);
        nfsd.kernel.spawn(&name, move || {
            let _in = enter("nfsd");
            let word = &serv.sp_idle;
            let taken = word.update(TAKE_THREAD, Ordering::AcqRel, Ordering::Relaxed);
            if taken.is_ok() {
                word.fetch_and_not(TASK_PENDING, Ordering::Relaxed);
                nfsd_loop(&woken, &serv);
            }
        });
    }
}

/// The loop of `nfsd()`, from where `svc_recv()` has found something to do until the thread is
/// idle again.
fn nfsd_loop(nfsd: &Arc<Nfsd>, serv: &SvcServ) {
    loop {
        nfsd_file_net_dispose(nfsd, &serv.net);
        // svc_recv()
        let word = &serv.sp_idle;
        let idle = word.update(BECOME_IDLE, Ordering::AcqRel, Ordering::Relaxed);
        if idle.is_ok() {
            return;
        }
        word.fetch_and_not(TASK_PENDING, Ordering::Relaxed);
    }
}

/// A request arrives for the server of a namespace: one of its threads runs `request`, and then
/// frees what waits for it. `None` where there is no server, or its threads have exited.
pub fn in_service_thread<R>(
    nfsd: &Arc<Nfsd>,
    net: &Arc<Net>,
    request: impl FnOnce() -> R,
) -> Option<R> {
    let serv = Arc::clone(net.generic_unchecked().listening.lock().as_ref()?);
    if !serv.take_thread() {
        return None;
    }
    let _in = enter("nfsd");
    let result = request();
    nfsd_loop(nfsd, &serv);
    Some(result)
}

/// `nfsd_create_serv()`, with `nfsd_mutex` held.
fn nfsd_create_serv(nfsd: &Arc<Nfsd>, net: &Arc<Net>, threads: u32) -> Arc<SvcServ> {
    let _in = enter("nfsd_create_serv");
    let nn = net.generic();
    if let Some(serv) = nn.nfsd_serv.load() {
        return serv;
    }
    nn.nfsd_net_ref.init();
    nn.nfsd_net_free_done.init();
    nn.nfsd_net_confirm_done.init();
    let serv = Arc::new(SvcServ {
        memory: Allocation::new("svc_serv", ViolationKind::UseAfterFree),
        sp_idle: AtomicU64::new("sp_idle_threads", 0),
        threads,
        net: Arc::clone(net),
    });
    {
        let _lock = nn.nfsd_notifier_lock.lock();
        nn.nfsd_serv.store(Some(&serv));
    }
    nfsd.servs.lock().push(Arc::clone(&serv));
    // A listener: svc_xprt_init().
    net.get();
    serv
}

/// `nfsd_startup_generic()`, with `nfsd_mutex` held.
fn nfsd_startup_generic(nfsd: &Arc<Nfsd>) {
    let _in = enter("nfsd_startup_generic");
    let users = nfsd.nfsd_users.get();
    nfsd.nfsd_users.set(users + 1);
    if users == 0 {
        nfsd_file_cache_init(nfsd);
    }
}

/// `nfsd_shutdown_generic()`, with `nfsd_mutex` held.
fn nfsd_shutdown_generic(nfsd: &Arc<Nfsd>) {
    let _in = enter("nfsd_shutdown_generic");
    let users = nfsd.nfsd_users.get() - 1;
    nfsd.nfsd_users.set(users);
    if users == 0 {
        nfsd_file_cache_shutdown(nfsd);
    }
}

/// `nfsd_startup_net()`, with `nfsd_mutex` held.
fn nfsd_startup_net(nfsd: &Arc<Nfsd>, net: &Arc<Net>) {
    let _in = enter("nfsd_startup_net");
    let nn = net.generic();
    if nn.flags.test_bit(NFSD_NET_UP) {
        return;
    }
    nfsd_startup_generic(nfsd);
    nfsd_file_cache_start_net(nfsd, net);
    nn.flags.set_bit(NFSD_NET_UP);
}

/// `nfsd_shutdown_net()`, with `nfsd_mutex` held, which it keeps while it waits for the last
/// LOCALIO reference.
fn nfsd_shutdown_net(nfsd: &Arc<Nfsd>, net: &Arc<Net>) {
    let _in = enter("nfsd_shutdown_net");
    let nn = net.generic();
    let up = nn.flags.test_bit(NFSD_NET_UP);
    if up {
        let confirm = completes(&nn.nfsd_net_confirm_done);
        let release = completes(&nn.nfsd_net_free_done);
        nn.nfsd_net_ref
            .kill_and_confirm(&nfsd.kernel, confirm, release);
        nn.nfsd_net_confirm_done.wait(&nfsd.kernel);
        nfs4_state_shutdown_net(nfsd, net);
        nfsd_file_cache_shutdown_net(nfsd, net);
        nn.nfsd_net_free_done.wait(&nfsd.kernel);
    }
    nn.nfsd_net_ref.exit();
    if up {
        nn.flags.clear_bit(NFSD_NET_UP);
        nfsd_shutdown_generic(nfsd);
    }
}

/// `nfs4_state_shutdown_net()`: the files that state holds are put.
fn nfs4_state_shutdown_net(nfsd: &Arc<Nfsd>, net: &Arc<Net>) {
    let _in = enter("nfs4_state_shutdown_net");
    let held = std::mem::take(&mut *net.generic_unchecked().state_files.lock());
    for nf in held {
        nfsd_file_put(nfsd, &nf);
    }
}

/// A request acquires a file, which state holds from then on.
pub fn hold_by_state(nf: &Arc<NfsdFile>) {
    let held = &nf.net().generic_unchecked().state_files;
    held.lock().push(Arc::clone(nf));
}

/// A request of the namespace puts a file that state holds, if the state is still there.
pub fn put_by_state(nfsd: &Arc<Nfsd>, nf: &Arc<NfsdFile>) {
    let net = nf.net();
    let _ = in_service_thread(nfsd, net, || {
        let held = {
            let mut held = net.generic_unchecked().state_files.lock();
            let at = held.iter().position(|file| Arc::ptr_eq(file, nf));
            at.map(|at| held.remove(at))
        };
        if let Some(nf) = held {
            nfsd_file_put(nfsd, &nf);
        }
    });
}

/// `nfsd_destroy_serv()`, with `nfsd_mutex` held and the threads gone.
fn nfsd_destroy_serv(nfsd: &Arc<Nfsd>, net: &Arc<Net>, serv: &SvcServ) {
    let _in = enter("nfsd_destroy_serv");
    let nn = net.generic();
    {
        let _lock = nn.nfsd_notifier_lock.lock();
        nn.nfsd_serv.store(None);
    }
    svc_xprt_destroy_all(net);
    nfsd_shutdown_net(nfsd, net);
    svc_destroy(serv);
}

/// `svc_xprt_destroy_all()`: the listener's reference to its namespace is dropped.
fn svc_xprt_destroy_all(net: &Arc<Net>) {
    let _in = enter("svc_xprt_destroy_all");
    net.put();
}

/// `svc_destroy()`: frees the pools and the server at once.
fn svc_destroy(serv: &SvcServ) {
    let _in = enter("svc_destroy");
    serv.memory.free();
}

/// `svc_set_num_threads(0)`: the threads exit one after the other, each after a last look at what
/// waits for it.
fn svc_stop_threads(nfsd: &Arc<Nfsd>, net: &Arc<Net>, serv: &SvcServ) {
    let _in = enter("svc_set_num_threads");
    for _ in 0..serv.threads {
        nfsd.kernel.end_running();
        let taken = serv.take_thread();
        nfsd.kernel.begin_running();
        if taken {
            nfsd_file_net_dispose(nfsd, net);
        }
    }
    serv.sp_idle.fetch_or(GONE, Ordering::Release);
}

/// `nfsd_svc()` with a number of threads that is not 0: starts the server of a namespace. Where it
/// runs already, nothing changes.
pub fn nfsd_svc(nfsd: &Arc<Nfsd>, net: &Arc<Net>, threads: u32) {
    let _in = enter("nfsd_svc");
    let _mutex = nfsd.nfsd_mutex.lock();
    if net.generic().nfsd_serv.load().is_some() {
        return;
    }
    let serv = nfsd_create_serv(nfsd, net, threads);
    nfsd_startup_net(nfsd, net);
    // svc_set_num_threads()
    serv.sp_idle
        .fetch_add(u64::from(threads), Ordering::Release);
    *net.generic_unchecked().listening.lock() = Some(serv);
}

/// `nfsd_shutdown_threads()`: stops the server of a namespace, if it has one.
pub fn nfsd_shutdown_threads(nfsd: &Arc<Nfsd>, net: &Arc<Net>) {
    let _in = enter("nfsd_shutdown_threads");
    let _mutex = nfsd.nfsd_mutex.lock();
    let nn = net.generic();
    let Some(serv) = nn.nfsd_serv.load() else {
        return;
    };
    svc_stop_threads(nfsd, net, &serv);
    nfsd_destroy_serv(nfsd, net, &serv);
}

/// `nfsd_umount()`: the server stops, and the superblock's reference to the namespace is dropped.
pub fn nfsd_umount(nfsd: &Arc<Nfsd>, net: &Arc<Net>) {
    let _in = enter("nfsd_umount");
    nfsd_shutdown_threads(nfsd, net);
    net.put();
}
