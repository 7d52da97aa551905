// SPDX-License-Identifier: GPL-2.0-only
//! Starting and stopping a server, and its threads. Kernel files: `fs/nfsd/nfssvc.c`,
//! `fs/nfsd/nfsctl.c`, `net/sunrpc/svc.c`.
//!
//! A service thread is a context only while it has work: a request of an actor, or a look at what
//! waits to be freed, one at a time. Between two turns of its loop it is idle, and all that can
//! happen to it is to be woken or told to exit. A thread that exits runs its last turn while the
//! stopping task waits for it and does nothing else, so that turn is run in the stopping task's
//! context.
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
    kernel::{
        barrier::{smp_mb, smp_mb__before_atomic},
        bitops::Flags,
        percpu_ref::completes,
        pointer::Target,
    },
    model::{DrainWait, ExitRef, LocalioInvalidate, Mutexes, StateShutdown, WakeOrder},
    sync::{
        self, Mutex, MutexGuard,
        alloc::Allocation,
        engine::{ObjectId, Ordering},
        enter, learns,
        shadow::Shadow,
        thread::next_knows,
        violation::ViolationKind,
    },
};
use std::{
    hash::{Hash, Hasher},
    sync::{Arc, OnceLock},
};

/// `SP_TASK_PENDING`.
const SP_TASK_PENDING: u32 = 0;

/// `struct svc_serv`, with its first `struct svc_pool`.
#[derive(Debug)]
pub struct SvcServ {
    memory: Allocation,
    sp_flags: Flags,
    /// Those of the first pool, once there are any: set with the control mutex held, before anybody
    /// is told of the server.
    threads: OnceLock<Vec<SvcThread>>,
    net: Arc<Net>,
}

impl Target for SvcServ {
    fn object(&self) -> ObjectId {
        self.memory.object()
    }
}

/// `struct svc_rqst`: a service thread.
#[derive(Debug)]
struct SvcThread {
    /// Held while it is not idle.
    busy: Mutex<()>,
    /// Changed with `busy` held. No memory of the kernel's.
    exited: Shadow<bool>,
}

/// Which thread of a server takes a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rqst {
    /// This one. Threads are alike: where there are at least as many as actors that send requests,
    /// each actor may as well have one to itself.
    Thread(usize),
    /// Any of them: each is tried.
    Any,
}

/// Which one it is.
impl Hash for SvcServ {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.memory.hash(state);
    }
}

impl SvcServ {
    /// Its memory.
    #[must_use]
    pub fn memory(&self) -> &Allocation {
        &self.memory
    }

    fn threads(&self) -> &[SvcThread] {
        self.threads.get().map_or(&[], |threads| threads)
    }

    /// `nfsd()`: one turn of a thread's loop, once it is idle: `work`, and then it frees what waits
    /// for it. `None` where the thread has exited.
    ///
    /// With it: `svc_recv()`, `svc_exit_thread()`.
    ///
    /// Left out: the loop while the thread is idle, where all that can happen to it is to be woken or
    /// told to exit; and threads that come and go by themselves, which the README names among what
    /// may hide a race.
    fn turn<R>(&self, nfsd: &Arc<Nfsd>, rqst: Rqst, work: impl FnOnce() -> R) -> Option<R> {
        let threads = self.threads();
        if threads.is_empty() {
            return None;
        }
        let index = match rqst {
            Rqst::Thread(index) => index,
            Rqst::Any => sync::choose(threads.len() as u32) as usize,
        };
        nfsd.kernel.end_running();
        let thread = &threads[index];
        let _busy = thread.busy.lock();
        nfsd.kernel.begin_running();
        if thread.exited.get() {
            return None;
        }
        let _in = enter("nfsd");
        let result = work();
        nfsd_file_net_dispose(nfsd, &self.net);
        Some(result)
    }
}

/// `svc_wake_up()`: lets a thread have a look around. Where one has been told to and has not begun
/// yet, it will see what this caller did, too.
///
/// Kernel file: `net/sunrpc/svc.c`.
///
/// Left out: the pools but the first, the only one that is ever woken for this; the list of idle
/// threads: which thread wakes is a choice, and what the README says of sleeping and waking at the
/// same time is not seen.
pub(super) fn svc_wake_up(nfsd: &Arc<Nfsd>, net: &Arc<Net>, serv: &Arc<SvcServ>) {
    let _in = enter("svc_wake_up").forgets();
    let _rcu = nfsd.kernel.rcu_read_lock();
    match nfsd.choices.wake_order {
        WakeOrder::None => {}
        WakeOrder::Barrier => smp_mb__before_atomic(),
    }
    if serv.sp_flags.fetch_set_bit(SP_TASK_PENDING) {
        return;
    }
    let (woken, serv) = (Arc::clone(nfsd), Arc::clone(serv));
    let name = format!("nfsd {}", net.name);
    next_knows(&serv);
    nfsd.kernel.spawn(&name, move || {
        // svc_recv()
        let clear = || {
            serv.sp_flags.clear_bit(SP_TASK_PENDING);
            // svc_thread_should_stop(): test_and_clear_bit() of the same word.
            smp_mb();
        };
        let _ = serv.turn(&woken, Rqst::Any, clear);
    });
}

/// A request arrives for the server of a namespace: a thread runs it. `None` where there is no
/// server, or the thread has exited.
///
/// The thread was created after the server was brought up, and is woken by who queues the request:
/// so it sees all that the start has done, as `kthread_create()` and the queue order it.
pub fn in_service_thread<R>(
    nfsd: &Arc<Nfsd>,
    net: &Arc<Net>,
    rqst: Rqst,
    request: impl FnOnce() -> R,
) -> Option<R> {
    let serv = net.generic_unchecked().listening.dereference()?;
    serv.turn(nfsd, rqst, request)
}

/// `nfsd_create_serv()`, with the control mutex held.
///
/// With it: `svc_xprt_init()`.
///
/// Left out: binding, address notifiers, and errors: a server that does not start has no life
/// cycle.
fn nfsd_create_serv(nfsd: &Arc<Nfsd>, net: &Arc<Net>) -> Arc<SvcServ> {
    let _in = enter("nfsd_create_serv");
    let nn = net.generic();
    if let Some(serv) = nn.nfsd_serv.load() {
        return serv;
    }
    nn.nfsd_net_ref.init(&nfsd.kernel);
    nn.nfsd_net_free_done.init();
    nn.nfsd_net_confirm_done.init();
    let memory = Allocation::new("svc_serv", ViolationKind::UseAfterFree);
    let serv = Arc::new(SvcServ {
        sp_flags: Flags::new_in(&memory, "sp_flags", &[]),
        memory,
        threads: OnceLock::new(),
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

/// The mutex that whoever controls a server holds.
pub(super) fn control_mutex<'n>(nfsd: &'n Nfsd, net: &'n Net) -> MutexGuard<'n, ()> {
    match nfsd.choices.mutexes {
        Mutexes::One => nfsd.nfsd_mutex.lock(),
        Mutexes::Split => net.generic().nfsd_mutex.lock(),
    }
}

/// The mutex for what the servers of all namespaces share, inside the other one, where it is one of
/// its own.
pub(super) fn global_mutex(nfsd: &Nfsd) -> Option<MutexGuard<'_, ()>> {
    match nfsd.choices.mutexes {
        Mutexes::One => None,
        Mutexes::Split => Some(nfsd.nfsd_global_mutex.lock()),
    }
}

/// `nfsd_startup_generic()`, with the control mutex held.
///
/// Left out: `nfs4_state_start()`, which holds no file.
fn nfsd_startup_generic(nfsd: &Arc<Nfsd>) {
    let _in = enter("nfsd_startup_generic");
    let _global = global_mutex(nfsd);
    let users = nfsd.nfsd_users.get();
    nfsd.nfsd_users.set(users.wrapping_add(1));
    if users == 0 {
        nfsd_file_cache_init(nfsd);
    }
}

/// `nfsd_shutdown_generic()`, with the control mutex held.
///
/// Left out: `nfs4_state_shutdown()`, which holds no file.
fn nfsd_shutdown_generic(nfsd: &Arc<Nfsd>) {
    let _in = enter("nfsd_shutdown_generic");
    let _global = global_mutex(nfsd);
    let users = nfsd.nfsd_users.get().wrapping_sub(1);
    nfsd.nfsd_users.set(users);
    if users == 0 {
        nfsd_file_cache_shutdown(nfsd);
    }
}

/// `nfsd_startup_net()`, with the control mutex held.
///
/// Left out: lockd, the reply cache and `nfs4_state_start_net()`, which hold no file; and errors,
/// as a server that does not start has no life cycle.
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

/// `nfsd_shutdown_net()`, with the control mutex held, which it keeps while it waits for the last
/// LOCALIO reference.
///
/// Left out: `nfsd_export_flush()`, `nfsd_reply_cache_shutdown()` and `lockd_down()`, which hold no
/// file and call nothing of the file cache.
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
        if nfsd.choices.state_shutdown == StateShutdown::BeforeCache {
            nfs4_state_shutdown_net(nfsd, net);
        }
        // The first step of the purge, for the client that has no handshake: no new I/O begins.
        if nfsd.choices.localio_invalidate == LocalioInvalidate::Purge {
            nn.uuid_net.store(0, Ordering::Relaxed);
        }
        if nfsd.choices.drain_wait == DrainWait::BeforePurge {
            nn.nfsd_net_free_done.wait(&nfsd.kernel);
        }
        nfsd_file_cache_shutdown_net(nfsd, net);
        if nfsd.choices.state_shutdown == StateShutdown::AfterCache {
            nfs4_state_shutdown_net(nfsd, net);
        }
        if nfsd.choices.drain_wait == DrainWait::AfterPurge {
            nn.nfsd_net_free_done.wait(&nfsd.kernel);
        }
    }
    if up || nfsd.choices.exit_ref == ExitRef::Always {
        nn.nfsd_net_ref.exit();
    }
    match nfsd.choices.mutexes {
        Mutexes::One => {
            if up {
                nfsd_shutdown_generic(nfsd);
                nn.flags.clear_bit(NFSD_NET_UP);
            }
        }
        Mutexes::Split => {
            if nn.flags.test_and_clear_bit(NFSD_NET_UP) {
                nfsd_shutdown_generic(nfsd);
            }
        }
    }
}

/// `nfs4_state_shutdown_net()`: the files that state holds are put. In which order depends on the
/// clients that have opened them: any.
///
/// Kernel file: `fs/nfsd/nfs4state.c`.
///
/// Left out: all of NFSv4 state but the files that it holds; see what the README says may be hidden
/// by it.
fn nfs4_state_shutdown_net(nfsd: &Arc<Nfsd>, net: &Arc<Net>) {
    let _in = enter("nfs4_state_shutdown_net");
    let is_of_net = |nf: &Arc<NfsdFile>| Arc::ptr_eq(nf.net(), net);
    let files = &nfsd.state_files;
    let mut held: Vec<_> = files
        .iter()
        .filter(|file| file.with(|nf| nf.as_ref().is_some_and(is_of_net)))
        .collect();
    while !held.is_empty() {
        let next = match held.len() {
            1 => 0,
            several => sync::choose(several as u32) as usize,
        };
        if let Some(nf) = held.remove(next).with_mut(Option::take) {
            nfsd_file_put(nfsd, &nf);
        }
    }
}

/// A request acquires a file, which state holds from then on, in this place.
pub fn hold_by_state(nfsd: &Nfsd, place: usize, nf: &Arc<NfsdFile>) {
    nfsd.state_files[place].with_mut(|held| *held = Some(Arc::clone(nf)));
}

/// A request puts the file that state holds in this place, if the state is still there.
pub fn put_by_state(nfsd: &Arc<Nfsd>, rqst: Rqst, place: usize, net: &Arc<Net>) {
    let _ = in_service_thread(nfsd, net, rqst, || {
        let held = learns(|| nfsd.state_files[place].with_mut(Option::take));
        if let Some(nf) = held {
            nfsd_file_put(nfsd, &nf);
        }
    });
}

/// `nfsd_destroy_serv()`, with the control mutex held and the threads gone.
///
/// Left out: address notifiers, which hold no file.
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
///
/// Kernel file: `net/sunrpc/svc_xprt.c`.
///
/// Left out: connections. Each holds a reference to its namespace, as the listener does, and all
/// are dropped here.
fn svc_xprt_destroy_all(net: &Arc<Net>) {
    let _in = enter("svc_xprt_destroy_all");
    net.put();
}

/// `svc_destroy()`: frees the pools and the server at once.
///
/// Kernel file: `net/sunrpc/svc.c`.
fn svc_destroy(serv: &SvcServ) {
    let _in = enter("svc_destroy");
    serv.memory.free();
}

/// `svc_set_num_threads(0)`: the threads exit one after the other, each after a last look at what
/// waits for it.
///
/// Kernel file: `net/sunrpc/svc.c`.
///
/// Left out: the two flags by which a thread is told, and says that it has exited: the task waits
/// for each thread, so what it waits with is all that can be seen.
fn svc_stop_threads(nfsd: &Arc<Nfsd>, net: &Arc<Net>, serv: &SvcServ) {
    let _in = enter("svc_set_num_threads");
    for thread in serv.threads() {
        let _busy = nfsd.kernel.sleeping("wait_on_bit()", || thread.busy.lock());
        thread.exited.with_mut(|exited| *exited = true);
        nfsd_file_net_dispose(nfsd, net);
    }
}

/// `nfsd_svc()` with a number of threads that is not 0: starts the server of a namespace. Where it
/// runs already, nothing changes.
pub fn nfsd_svc(nfsd: &Arc<Nfsd>, net: &Arc<Net>, threads: u32) {
    let _in = enter("nfsd_svc");
    let _mutex = control_mutex(nfsd, net);
    let serv = nfsd_create_serv(nfsd, net);
    nfsd_startup_net(nfsd, net);
    // svc_set_num_threads(): from here on requests are taken, and probes answered.
    let thread = |_| SvcThread {
        busy: Mutex::new("svc_rqst", ()),
        exited: Shadow::new("exited", false),
    };
    if serv
        .threads
        .set((0..threads).map(thread).collect())
        .is_err()
    {
        return;
    }
    net.generic().uuid_net.store(1, Ordering::Release);
    net.generic_unchecked().listening.assign(Some(&serv));
}

/// `nfsd_nl_listener_set_doit()`: the server of a namespace is created and gets a listener. It is not
/// brought up, and has no threads.
///
/// Kernel file: `fs/nfsd/nfsctl.c`.
///
/// Left out: that the listeners of a server can change.
pub fn nfsd_listener_add(nfsd: &Arc<Nfsd>, net: &Arc<Net>) {
    let _in = enter("nfsd_nl_listener_set_doit");
    let _mutex = control_mutex(nfsd, net);
    let _serv = nfsd_create_serv(nfsd, net);
}

/// `nfsd_shutdown_threads()`: stops the server of a namespace, if it has one.
pub fn nfsd_shutdown_threads(nfsd: &Arc<Nfsd>, net: &Arc<Net>) {
    let _in = enter("nfsd_shutdown_threads");
    let _mutex = control_mutex(nfsd, net);
    let nn = net.generic();
    let Some(serv) = nn.nfsd_serv.load() else {
        return;
    };
    svc_stop_threads(nfsd, net, &serv);
    nfsd_destroy_serv(nfsd, net, &serv);
}

/// `nfsd_umount()`: the server stops, and the superblock's reference to the namespace is dropped.
///
/// Kernel file: `fs/nfsd/nfsctl.c`.
///
/// Left out: the superblock, which only its own unmounting reaches.
pub fn nfsd_umount(nfsd: &Arc<Nfsd>, net: &Arc<Net>) {
    let _in = enter("nfsd_umount");
    nfsd_shutdown_threads(nfsd, net);
    net.put();
}
