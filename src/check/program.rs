// SPDX-License-Identifier: GPL-2.0-only
//! A scenario on a model as a program for an engine.
//!
//! One execution: the setup runs alone, one operation after the other, each until everything it
//! started has finished. Then the actors run against each other and against what starts by itself.
//! When all have finished, timers fire, callbacks, reaper and dispose passes run until nothing
//! changes; every server that still runs is stopped, every namespace released; and what is still
//! allocated then is a leak.

use crate::{
    engine::Program,
    kernel::{Kernel, Options, percpu::MAX_CPUS, pointer::Pointer},
    model::Choices,
    nfsd::{
        self, Inode, Nfsd,
        filecache::{
            Acquire, NfsdFile, expkey_flush, laundrette_fires, laundrette_may_fire,
            nfsd_file_acquire_opened, nfsd_file_close_export, nfsd_file_close_inode_sync,
            nfsd_file_do_acquire, nfsd_file_fsnotify_handle_event, nfsd_file_lease_notifier_call,
            nfsd_file_lru_scan, nfsd_file_put_local,
        },
        localio::open_without_slot,
        netns::Net,
        nfslocalio::{
            NfsFileLocalio, Wait, nfs_close_local_fh, nfs_free_client, nfs_local_doio,
            nfs_local_iocb_release, nfs_local_open_fh, nfs_local_probe, nfs_localio_disable_client,
        },
        nfssvc::{
            self, Rqst, hold_by_state, in_service_thread, nfsd_get_dir_deleg, nfsd_listener_add,
            nfsd_shutdown_threads, nfsd_svc, nfsd_umount, put_by_state,
            service_thread_begins_another, service_thread_times_out,
        },
    },
    scenario::{Epilogue, Open, Operation, Scenario, StartStep},
    sync::{
        engine::Phase,
        learns,
        mutation::Instrument,
        report,
        shadow::Shadow,
        thread,
        violation::{Violation, ViolationKind},
    },
};
use std::sync::Arc;

/// A file variable of a scenario.
#[derive(Clone, Debug, Hash)]
enum Held {
    File(Arc<NfsdFile>),
    Local(Arc<Pointer<NfsdFile>>),
    /// What a client's I/O holds, where the server was local.
    LocalIo(Arc<Pointer<NfsdFile>>),
}

/// What the operations of a scenario work on, in one execution.
struct Machine {
    kernel: Arc<Kernel>,
    nfsd: Arc<Nfsd>,
    /// By variable: an actor finds `None` where the file was never made.
    files: Vec<Shadow<Option<Held>>>,
    /// By net: its owner has released it.
    released: Vec<Shadow<bool>>,
    /// By client, then by inode: its open context, while it has one.
    opened: Vec<Vec<Shadow<Option<Arc<NfsFileLocalio>>>>>,
    /// By client: it has unmounted.
    unmounted: Vec<Shadow<bool>>,
}

/// The program that runs `scenario` on a tree with `choices`.
#[must_use]
pub fn program(scenario: &Arc<Scenario>, choices: Choices) -> Program {
    instrumented(scenario, choices, None)
}

/// The same with an instrument.
#[must_use]
pub fn instrumented(
    scenario: &Arc<Scenario>,
    choices: Choices,
    instrument: Option<&Arc<Instrument>>,
) -> Program {
    let (scenario, instrument) = (Arc::clone(scenario), instrument.cloned());
    Arc::new(move || {
        Instrument::begin(instrument.as_ref());
        Machine::boot(&scenario, choices).run(&scenario);
    })
}

impl Machine {
    fn boot(scenario: &Scenario, choices: Choices) -> Arc<Self> {
        let kernel = Kernel::new(Options {
            preempt_rcu: scenario.preempt_rcu,
            alloc_may_fail: scenario.alloc_may_fail,
            timer_passes: scenario.gc_passes,
            cpus: MAX_CPUS.min(scenario.actors.len() + 1),
        });
        let nets: Vec<(String, bool)> = scenario
            .nets
            .iter()
            .map(|net| (net.name.clone(), net.user))
            .collect();
        let inodes = scenario.inodes.iter().map(|inode| Inode {
            name: inode.name.clone(),
            writeback_error: inode.writeback_error,
            open: match inode.open {
                Open::Ok => nfsd::Open::Ok,
                Open::Fails => nfsd::Open::Fails,
                Open::StaleOnce => nfsd::Open::StaleOnce,
                Open::Unopened => nfsd::Open::Unopened,
            },
            flush_on_close: inode.flush_on_close,
            directory: inode.directory,
            leased: inode.leased,
        });
        let clients: Vec<usize> = scenario.clients.iter().map(|client| client.net).collect();
        let nfsd = Nfsd::new(
            &kernel,
            choices,
            &nets,
            inodes.collect(),
            &clients,
            scenario.files.len(),
        );
        let none_open = || {
            scenario
                .inodes
                .iter()
                .map(|_| Shadow::new("open context", None))
        };
        Arc::new(Self {
            kernel,
            nfsd,
            files: scenario
                .files
                .iter()
                .map(|_| Shadow::new("file", None))
                .collect(),
            released: nets
                .iter()
                .map(|_| Shadow::new("released", false))
                .collect(),
            opened: clients.iter().map(|_| none_open().collect()).collect(),
            unmounted: clients
                .iter()
                .map(|_| Shadow::new("unmounted", false))
                .collect(),
        })
    }

    fn run(self: Arc<Self>, scenario: &Arc<Scenario>) {
        self.kernel.begin_running();
        for operation in &scenario.setup {
            self.perform(Rqst::Thread(0), *operation);
            self.settle();
        }
        // A context that actors share is there before they run.
        for actor in &scenario.actors {
            for operation in &actor.operations {
                if let Operation::LocalIo { client, inode, .. } = *operation {
                    let _ = self.context(client, inode);
                }
            }
        }
        thread::set_phase(Phase::Concurrent);
        laundrette_may_fire(&self.nfsd);
        let rqsts = threads_of_actors(scenario);
        for (actor, rqst) in rqsts.into_iter().enumerate() {
            let (machine, scenario) = (Arc::clone(&self), Arc::clone(scenario));
            let name = &scenario.actors[actor].name.clone();
            thread::next_knows(&actor);
            self.kernel.spawn_on(actor + 1, name, move || {
                Instrument::begin_actor();
                for operation in &scenario.actors[actor].operations {
                    learns(|| machine.perform(rqst, *operation));
                }
            });
        }
        self.settle();
        thread::set_phase(Phase::Alone);
        self.end(scenario);
        self.kernel.end_running();
    }

    /// Wait until all that runs has finished.
    fn settle(&self) {
        self.kernel.end_running();
        thread::settle();
        self.kernel.begin_running();
    }

    fn perform(&self, rqst: Rqst, operation: Operation) {
        let nfsd = &self.nfsd;
        match operation {
            Operation::Create { net } => nfsd_listener_add(nfsd, &nfsd.nets[net]),
            Operation::Start { net, threads, min } => {
                nfsd_svc(nfsd, &nfsd.nets[net], threads, min, None);
            }
            Operation::StartFails { net, step } => {
                let step = match step {
                    StartStep::Cache => nfssvc::StartStep::Cache,
                    StartStep::State => nfssvc::StartStep::State,
                    StartStep::Lockd => nfssvc::StartStep::Lockd,
                    StartStep::Net => nfssvc::StartStep::Net,
                };
                nfsd_svc(nfsd, &nfsd.nets[net], 1, 0, Some(step));
            }
            Operation::Stop { net } => nfsd_shutdown_threads(nfsd, &nfsd.nets[net]),
            Operation::Umount { net } => {
                self.released[net].with_mut(|released| *released = true);
                nfsd_umount(nfsd, &nfsd.nets[net]);
            }
            Operation::Acquire {
                file,
                net,
                inode,
                gc,
            } => self.acquire(file, net, rqst, |net| {
                nfsd_file_do_acquire(nfsd, net, inode, by_request(gc)).ok()
            }),
            Operation::AcquireDir { file, net, inode } => self.acquire(file, net, rqst, |net| {
                nfsd_file_do_acquire(nfsd, net, inode, by_request(false)).ok()
            }),
            Operation::AcquireOpened { file, net, inode } => {
                self.acquire(file, net, rqst, |net| {
                    nfsd_file_acquire_opened(nfsd, net, inode).ok()
                });
            }
            Operation::Delegate { file } => {
                let held = self.files[file].get();
                if let Some(Held::File(nf)) = held {
                    nfsd_get_dir_deleg(nfsd, rqst, file, nf.net());
                }
            }
            Operation::Spawn { net } => {
                service_thread_begins_another(nfsd, &nfsd.nets[net], rqst);
            }
            Operation::Retire { net } => service_thread_times_out(nfsd, &nfsd.nets[net], rqst),
            Operation::Put { file } => {
                if let Some(Held::File(nf)) = self.take(file) {
                    put_by_state(nfsd, rqst, file, nf.net());
                }
            }
            Operation::LocalOpen { file, net, inode } => {
                let pnf = open_without_slot(nfsd, &nfsd.nets[net], inode);
                let held = pnf.ok().flatten().map(|pnf| Held::Local(Arc::new(pnf)));
                self.hold(file, held);
            }
            Operation::LocalDone { file } => self.complete(file),
            Operation::LocalProbe { client } => {
                nfs_local_probe(nfsd, rqst, &nfsd.clients[client], Wait::Answered);
            }
            Operation::LocalProbeKilled { client } => {
                nfs_local_probe(nfsd, rqst, &nfsd.clients[client], Wait::Killed);
            }
            Operation::LocalIo {
                file,
                client,
                inode,
            } => {
                let nfl = self.context(client, inode);
                let pnf = nfs_local_open_fh(nfsd, rqst, &nfsd.clients[client], &nfl);
                let pnf = pnf.and_then(|pnf| nfs_local_doio(nfsd, pnf));
                self.hold(file, pnf.map(|pnf| Held::LocalIo(Arc::new(pnf))));
            }
            Operation::LocalClose { client, inode } => self.close(client, inode),
            Operation::LocalDisable { client } => {
                nfs_localio_disable_client(nfsd, &nfsd.clients[client]);
            }
            Operation::LocalUmount { client } => self.unmount(client),
            Operation::Gc => laundrette_fires(nfsd),
            Operation::Shrink => nfsd_file_lru_scan(nfsd),
            Operation::SetLease { inode } => nfsd_file_lease_notifier_call(nfsd, inode),
            Operation::Unlink { inode } => nfsd_file_fsnotify_handle_event(nfsd, inode),
            Operation::CloseSync { net, inode } => {
                in_service_thread(nfsd, &nfsd.nets[net], rqst, || {
                    nfsd_file_close_inode_sync(nfsd, &nfsd.nets[net], inode);
                });
            }
            Operation::Flush { net } => expkey_flush(nfsd, &nfsd.nets[net]),
            Operation::CloseExport { net, inode } => {
                nfsd_file_close_export(nfsd, &nfsd.nets[net], inode);
            }
        }
    }

    fn hold(&self, file: usize, held: Option<Held>) {
        self.files[file].with_mut(|slot| *slot = held);
    }

    fn take(&self, file: usize) -> Option<Held> {
        self.files[file].with_mut(Option::take)
    }

    /// A LOCALIO I/O is complete, if there is one.
    fn complete(&self, file: usize) {
        match self.take(file) {
            Some(Held::Local(pnf)) => nfsd_file_put_local(&self.nfsd, &pnf),
            Some(Held::LocalIo(pnf)) => nfs_local_iocb_release(&self.nfsd, &pnf),
            Some(Held::File(_)) | None => {}
        }
    }

    /// The client's open context of an inode.
    fn context(&self, client: usize, inode: usize) -> Arc<NfsFileLocalio> {
        if let Some(open) = self.opened[client][inode].get() {
            return open;
        }
        let new = NfsFileLocalio::new(&self.nfsd.clients[client], inode);
        self.opened[client][inode].with_mut(|opened| *opened = Some(Arc::clone(&new)));
        new
    }

    fn close(&self, client: usize, inode: usize) {
        let nfl = self.opened[client][inode].with_mut(Option::take);
        if let Some(nfl) = nfl {
            nfs_close_local_fh(&self.nfsd, &nfl);
        }
    }

    fn unmount(&self, client: usize) {
        for inode in 0..self.opened[client].len() {
            self.close(client, inode);
        }
        self.unmounted[client].with_mut(|unmounted| *unmounted = true);
        nfs_free_client(&self.nfsd, &self.nfsd.clients[client]);
    }

    /// A request finds or opens a file, which state holds from then on.
    fn acquire(
        &self,
        file: usize,
        net: usize,
        rqst: Rqst,
        open: impl FnOnce(&Arc<Net>) -> Option<Arc<NfsdFile>>,
    ) {
        let nfsd = &self.nfsd;
        let net = &nfsd.nets[net];
        let nf = in_service_thread(nfsd, net, rqst, || {
            open(net).inspect(|nf| hold_by_state(nfsd, file, nf))
        });
        self.hold(file, nf.flatten().map(Held::File));
    }

    fn end(&self, scenario: &Scenario) {
        for mark in self.nfsd.wrong_masks() {
            let message = "the mark's mask is not what the delegations ask for: no client is told";
            report(Violation::on(ViolationKind::Warning, mark, message));
        }
        // A pass ages what is on the LRU, the next one frees it.
        for _ in 0..2 {
            laundrette_fires(&self.nfsd);
            self.settle();
        }
        let left = match scenario.epilogue {
            Epilogue::Stop => {
                self.stop_all();
                self.nfsd.still_allocated()
            }
            Epilogue::None => {
                let held = self.files.iter().filter_map(|file| match file.get() {
                    Some(Held::File(nf)) => Some(nf),
                    Some(Held::Local(pnf) | Held::LocalIo(pnf)) => pnf.load(),
                    None => None,
                });
                let cached = self.opened.iter().flatten();
                let cached = cached.filter_map(|opened| opened.get().and_then(|nfl| nfl.cached()));
                let held: Vec<_> = held.chain(cached).collect();
                self.nfsd.unreachable(&held)
            }
        };
        for (object, message) in left {
            report(Violation::on(ViolationKind::Leak, object, message));
        }
    }

    /// Complete what is in flight, stop what is up, release what is owned.
    fn stop_all(&self) {
        for file in 0..self.files.len() {
            // A file that no actor puts is put when the server stops.
            self.complete(file);
            self.settle();
        }
        for net in 0..self.released.len() {
            let released = self.released[net].get();
            if !released {
                nfsd_umount(&self.nfsd, &self.nfsd.nets[net]);
                self.settle();
            }
        }
        for client in 0..self.unmounted.len() {
            let unmounted = self.unmounted[client].get();
            if !unmounted {
                self.unmount(client);
                self.settle();
            }
        }
    }
}

/// How a request acquires a file, to stay cached or not.
fn by_request(want_gc: bool) -> Acquire {
    Acquire {
        want_gc,
        localio: false,
        opened: false,
    }
}

/// The service thread that runs each actor's requests. One to itself, where every server that is
/// ever started has enough of them; else any, each time.
fn threads_of_actors(scenario: &Scenario) -> Vec<Rqst> {
    let sends_requests = |operation: &Operation| {
        matches!(
            operation,
            Operation::Acquire { .. }
                | Operation::AcquireOpened { .. }
                | Operation::AcquireDir { .. }
                | Operation::Delegate { .. }
                | Operation::Spawn { .. }
                | Operation::Retire { .. }
                | Operation::Put { .. }
                | Operation::CloseSync { .. }
                | Operation::LocalProbe { .. }
                | Operation::LocalProbeKilled { .. }
                | Operation::LocalIo { .. }
        )
    };
    let mut next = 0;
    let mut rqsts: Vec<Rqst> = Vec::new();
    for actor in &scenario.actors {
        rqsts.push(Rqst::Thread(next));
        if actor.operations.iter().any(sends_requests) {
            next += 1;
        }
    }
    let actors = scenario.actors.iter().map(|actor| &actor.operations);
    let starts = std::iter::once(&scenario.setup).chain(actors).flatten();
    let fewest = starts
        .filter_map(|operation| match operation {
            Operation::Start {
                threads, min: 0, ..
            } => Some(*threads as usize),
            Operation::Start { min, .. } => Some(*min as usize),
            _ => None,
        })
        .min();
    if fewest.is_some_and(|fewest| next > fewest) {
        rqsts.fill(Rqst::Any);
    }
    rqsts
}
