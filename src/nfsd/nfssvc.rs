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
        NfsdFile, StartFailed, nfsd_file_cache_init, nfsd_file_cache_shutdown,
        nfsd_file_cache_shutdown_net, nfsd_file_cache_start_net, nfsd_file_net_dispose,
        nfsd_file_put, nfsd_fsnotify_recalc_mask,
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
    model::{
        DrainWait, ExitRef, ExitWait, LocalioInvalidate, Mutexes, ServiceThreads, StateShutdown,
        WakeOrder,
    },
    sync::{
        self, Mutex, MutexGuard,
        alloc::Allocation,
        atomic::AtomicU64,
        engine::{ObjectId, Ordering},
        enter, learns,
        shadow::Shadow,
        thread::next_knows,
        violation::{Violation, ViolationKind},
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
    threads: OnceLock<SvcThreads>,
    net: Arc<Net>,
}

impl Target for SvcServ {
    fn object(&self) -> ObjectId {
        self.memory.object()
    }
}

/// The service threads of a pool.
#[derive(Debug)]
struct SvcThreads {
    /// As many as there may be. Those that have not begun yet count as exited.
    sp_all_threads: Vec<SvcThread>,
    /// How many have ever begun. Changed with the control mutex held. No memory of the kernel's.
    begun: Shadow<usize>,
    /// `sp_nrthreads`: changed with the control mutex held, read without it.
    sp_nrthreads: AtomicU64,
    /// `sp_nrthrmin`. Never changes.
    sp_nrthrmin: u64,
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
        self.threads
            .get()
            .map_or(&[], |threads| &threads.sp_all_threads)
    }

    /// `nfsd()`: one turn of a thread's loop, once it is idle: `work`, and then it frees what waits
    /// for it. `None` where all threads that may do it have exited.
    ///
    /// With it: `svc_recv()`, `svc_exit_thread()`.
    ///
    /// Left out: the loop while the thread is idle, where all that can happen to it is to be woken,
    /// to be told to exit, or, where threads come and go, to find that nothing has come for a while;
    /// how a thread finds out that no other one is idle: that one asks for more is an operation, and so
    /// is that one has waited for long. A thread that has exited does not begin again: one more is
    /// another one, up to the number that there may be.
    fn turn<R>(&self, nfsd: &Arc<Nfsd>, rqst: Rqst, work: impl FnOnce() -> R) -> Option<R> {
        self.turn_and_then(nfsd, rqst, work, |_, result| result)
    }

    /// The same, and what the thread does before it is idle again.
    fn turn_and_then<W, R>(
        &self,
        nfsd: &Arc<Nfsd>,
        rqst: Rqst,
        work: impl FnOnce() -> W,
        then: impl FnOnce(&SvcThread, W) -> R,
    ) -> Option<R> {
        let threads = self.threads();
        if threads.is_empty() {
            return None;
        }
        let (first, most) = match rqst {
            Rqst::Thread(index) => (index, 1),
            Rqst::Any => (sync::choose(threads.len() as u32) as usize, threads.len()),
        };
        for next in 0..most {
            nfsd.kernel.end_running();
            let thread = &threads[(first + next) % threads.len()];
            let _busy = thread.busy.lock();
            nfsd.kernel.begin_running();
            if thread.exited.get() {
                continue;
            }
            let _in = enter("nfsd");
            let result = work();
            nfsd_file_net_dispose(nfsd, &self.net);
            return Some(then(thread, result));
        }
        None
    }
}

/// `nfsd()` where `svc_recv()` has waited for five seconds: the thread ends, if there are more than
/// there must be and it gets the mutex at once. It gives that back when it has exited.
///
/// Versions: `nfsd-next` only.
pub fn service_thread_times_out(nfsd: &Arc<Nfsd>, net: &Arc<Net>, rqst: Rqst) {
    if nfsd.choices.service_threads == ServiceThreads::Fixed {
        return;
    }
    let Some(serv) = listening(net) else {
        return;
    };
    let Some(threads) = serv.threads.get() else {
        return;
    };
    let work = || {
        let mutex = try_control_mutex(nfsd, net)?;
        let running = threads.sp_nrthreads.load(Ordering::Relaxed);
        (running > threads.sp_nrthrmin).then_some(mutex)
    };
    let _ = serv.turn_and_then(nfsd, rqst, work, |thread, mutex| {
        if mutex.is_some() {
            // svc_exit_thread()
            thread.exited.with_mut(|exited| *exited = true);
            threads.sp_nrthreads.fetch_sub(1, Ordering::Relaxed);
        }
    });
}

/// `nfsd()` where `svc_recv()` has found work and no other thread idle: one more begins, if there may
/// be more and the mutex is free.
///
/// Versions: `nfsd-next` only.
///
/// With it: `svc_new_thread()`.
pub fn service_thread_begins_another(nfsd: &Arc<Nfsd>, net: &Arc<Net>, rqst: Rqst) {
    if nfsd.choices.service_threads == ServiceThreads::Fixed {
        return;
    }
    let Some(serv) = listening(net) else {
        return;
    };
    let Some(threads) = serv.threads.get() else {
        return;
    };
    let most = threads.sp_all_threads.len() as u64;
    let _ = serv.turn(nfsd, rqst, || {
        if threads.sp_nrthreads.load(Ordering::Relaxed) >= most {
            return;
        }
        let Some(_mutex) = try_control_mutex(nfsd, net) else {
            return;
        };
        let index = threads.begun.get();
        if threads.sp_nrthreads.load(Ordering::Relaxed) >= most
            || index == threads.sp_all_threads.len()
        {
            return;
        }
        threads.begun.with_mut(|begun| *begun += 1);
        let thread = &threads.sp_all_threads[index];
        let _busy = thread.busy.lock();
        thread.exited.with_mut(|exited| *exited = false);
        threads.sp_nrthreads.fetch_add(1, Ordering::Relaxed);
        // It looks for work at once.
        let (begun, serv) = (Arc::clone(nfsd), Arc::clone(&serv));
        next_knows(&serv);
        nfsd.kernel.spawn(&format!("nfsd {}", net.name), move || {
            let _ = serv.turn(&begun, Rqst::Thread(index), || serv.memory.access());
        });
    });
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
    match nfsd.choices.wake_order {
        WakeOrder::None => {}
        WakeOrder::Barrier => smp_mb__before_atomic(),
    }
    if serv.sp_flags.fetch_set_bit(SP_TASK_PENDING) {
        return;
    }
    let _rcu = nfsd.kernel.rcu_read_lock();
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
    listening(net)?.turn(nfsd, rqst, request)
}

/// The server whose threads take what arrives for a namespace.
fn listening(net: &Net) -> Option<Arc<SvcServ>> {
    net.generic_unchecked().listening.dereference()
}

/// `nfsd_create_serv()`, with the control mutex held.
///
/// With it: `svc_xprt_init()`.
///
/// Left out: binding, address notifiers, and errors: what has been made by then is freed again
/// before anybody is told of it.
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
#[track_caller]
pub(super) fn control_mutex<'n>(nfsd: &'n Nfsd, net: &'n Net) -> MutexGuard<'n, ()> {
    match nfsd.choices.mutexes {
        Mutexes::One => nfsd.nfsd_mutex.lock(),
        Mutexes::Split => net.generic().nfsd_mutex.lock(),
    }
}

/// The same, if nobody holds it.
#[track_caller]
fn try_control_mutex<'n>(nfsd: &'n Nfsd, net: &'n Net) -> Option<MutexGuard<'n, ()>> {
    match nfsd.choices.mutexes {
        Mutexes::One => nfsd.nfsd_mutex.try_lock(),
        Mutexes::Split => net.generic().nfsd_mutex.try_lock(),
    }
}

/// The mutex for what the servers of all namespaces share, inside the other one, where it is one of
/// its own.
#[track_caller]
pub(super) fn global_mutex(nfsd: &Nfsd) -> Option<MutexGuard<'_, ()>> {
    match nfsd.choices.mutexes {
        Mutexes::One => None,
        Mutexes::Split => Some(nfsd.nfsd_global_mutex.lock()),
    }
}

/// `nfsd_startup_generic()`, with the control mutex held.
///
/// Left out: `nfs4_state_start()`, which holds no file, but for where it fails.
fn nfsd_startup_generic(nfsd: &Arc<Nfsd>, fails: Option<StartStep>) -> Result<(), StartFailed> {
    let _in = enter("nfsd_startup_generic");
    let _global = global_mutex(nfsd);
    let users = nfsd.nfsd_users.get();
    nfsd.nfsd_users.set(users.wrapping_add(1));
    if users == 0 {
        let mut status = nfsd_file_cache_init(nfsd, fails == Some(StartStep::Cache));
        if status.is_ok() && fails == Some(StartStep::State) {
            nfsd_file_cache_shutdown(nfsd);
            status = Err(StartFailed);
        }
        if status.is_err() {
            nfsd.nfsd_users.set(users);
            return status;
        }
    }
    Ok(())
}

/// Where the start of a server fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartStep {
    /// At the last allocation of `nfsd_file_cache_init()`.
    Cache,
    /// In `nfs4_state_start()`.
    State,
    /// In `lockd_up()`.
    Lockd,
    /// In `nfs4_state_start_net()`.
    Net,
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
/// Left out: lockd, the reply cache and `nfs4_state_start_net()`, which hold no file, but for where
/// one of them fails: what is undone then is the same for all that come behind the file cache.
fn nfsd_startup_net(
    nfsd: &Arc<Nfsd>,
    net: &Arc<Net>,
    fails: Option<StartStep>,
) -> Result<(), StartFailed> {
    let _in = enter("nfsd_startup_net");
    let nn = net.generic();
    if nn.flags.test_bit(NFSD_NET_UP) {
        return Ok(());
    }
    nfsd_startup_generic(nfsd, fails)?;
    if fails == Some(StartStep::Lockd) {
        nfsd_shutdown_generic(nfsd);
        return Err(StartFailed);
    }
    nfsd_file_cache_start_net(nfsd, net);
    if fails == Some(StartStep::Net) {
        nfsd_file_cache_shutdown_net(nfsd, net);
        nfsd_shutdown_generic(nfsd);
        return Err(StartFailed);
    }
    nn.flags.set_bit(NFSD_NET_UP);
    Ok(())
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
    if nfsd.choices.exit_wait == ExitWait::GracePeriod {
        nfsd.kernel.synchronize_rcu();
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
    let mut held: Vec<usize> = (0..files.len())
        .filter(|place| files[*place].with(|nf| nf.as_ref().is_some_and(is_of_net)))
        .collect();
    while !held.is_empty() {
        let next = match held.len() {
            1 => 0,
            several => sync::choose(several as u32) as usize,
        };
        let next = held.remove(next);
        if let Some(nf) = files[next].with_mut(Option::take) {
            nfs4_unlock_deleg_lease(nfsd, next, &nf);
            nfsd_file_put(nfsd, &nf);
        }
    }
}

/// `nfs4_unlock_deleg_lease()`: the delegation of a directory ends, if the file that state holds in
/// this place is one's. The put comes after it.
///
/// Kernel file: `fs/nfsd/nfs4state.c`.
///
/// Left out: all of a delegation but that there is one.
fn nfs4_unlock_deleg_lease(nfsd: &Nfsd, place: usize, nf: &NfsdFile) {
    let delegated = nfsd.delegated[place].with_mut(std::mem::take);
    if let (true, Some(lease)) = (delegated, nfsd.directory_lease(nf)) {
        let _in = enter("nfs4_unlock_deleg_lease").forgets();
        *lease.lock() -= 1;
        nfsd_fsnotify_recalc_mask(nfsd, nf);
    }
}

/// `nfsd_get_dir_deleg()`: a client gets a delegation of the directory that state holds in this place,
/// if the state is still there.
///
/// Kernel file: `fs/nfsd/nfs4state.c`.
///
/// Left out: all of a delegation but that there is one, and the failures of setting it.
pub fn nfsd_get_dir_deleg(nfsd: &Arc<Nfsd>, rqst: Rqst, place: usize, net: &Arc<Net>) {
    let _ = in_service_thread(nfsd, net, rqst, || {
        let held = learns(|| nfsd.state_files[place].with(Option::clone));
        if let Some(nf) = held
            && let Some(lease) = nfsd.directory_lease(&nf)
        {
            let _in = enter("nfsd_get_dir_deleg").forgets();
            nfsd.delegated[place].with_mut(|delegated| *delegated = true);
            *lease.lock() += 1;
            nfsd_fsnotify_recalc_mask(nfsd, &nf);
        }
    });
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
            nfs4_unlock_deleg_lease(nfsd, place, &nf);
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
    let dynamic = match nfsd.choices.service_threads {
        ServiceThreads::Fixed => None,
        ServiceThreads::Dynamic => serv.threads.get(),
    };
    // svc_stop_kthreads(): so many are waited for, whichever they are.
    let mut to_stop = dynamic.map(|threads| threads.sp_nrthreads.load(Ordering::Relaxed));
    for thread in serv.threads() {
        let _busy = nfsd.kernel.sleeping("wait_on_bit()", || thread.busy.lock());
        // It has exited by itself, or never begun.
        if thread.exited.get() {
            continue;
        }
        thread.exited.with_mut(|exited| *exited = true);
        to_stop = to_stop.map(|threads| threads.wrapping_sub(1));
        nfsd_file_net_dispose(nfsd, net);
    }
    if let (Some(threads), Some(1..)) = (dynamic, to_stop) {
        sync::report(Violation::on(
            ViolationKind::HungTask,
            threads.sp_nrthreads.object(),
            "wait_on_bit(SP_VICTIM_REMAINS) for a thread that is not there",
        ));
    }
}

/// `nfsd_svc()` with a number of threads that is not 0: starts the server of a namespace. Where it
/// runs already, nothing changes. With `fails`, the start fails there, and the server is destroyed.
/// With a `min` that is not 0, so many threads begin, and there may be up to `threads`.
pub fn nfsd_svc(
    nfsd: &Arc<Nfsd>,
    net: &Arc<Net>,
    threads: u32,
    min: u32,
    fails: Option<StartStep>,
) {
    let _in = enter("nfsd_svc");
    let _mutex = control_mutex(nfsd, net);
    let serv = nfsd_create_serv(nfsd, net);
    if nfsd_startup_net(nfsd, net, fails).is_err() {
        nfsd_destroy_serv(nfsd, net, &serv);
        return;
    }
    // svc_set_num_threads(): from here on requests are taken, and probes answered.
    let running = match nfsd.choices.service_threads {
        ServiceThreads::Dynamic if min > 0 => min,
        ServiceThreads::Dynamic | ServiceThreads::Fixed => threads,
    };
    let thread = |index| SvcThread {
        busy: Mutex::new("svc_rqst", ()),
        exited: Shadow::new("exited", index >= running),
    };
    let threads = SvcThreads {
        sp_all_threads: (0..threads).map(thread).collect(),
        begun: Shadow::new("begun", running as usize),
        sp_nrthreads: AtomicU64::new_in(&serv.memory, "sp_nrthreads", running.into()),
        sp_nrthrmin: running.into(),
    };
    if serv.threads.set(threads).is_err() {
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
