// SPDX-License-Identifier: GPL-2.0-only
//! LOCALIO on the client's side as v6.12 has it. Kernel files: `fs/nfs_common/nfslocalio.c`,
//! `fs/nfs/localio.c`, `fs/nfs/client.c`.
//!
//! One lock, `nfs_uuid_lock`, is for the list of the clients that ask, for the list of those that know
//! a namespace, of each namespace, and for what each client knows. Whether a client uses what it
//! knows is a bit of its own, under `cl_localio_lock`. It caches no file: each I/O opens one, with one
//! reference to the server, and no stop of a server tells the clients. Only the end of a namespace
//! does.
//!
//! Versions: `v6.12` only.
//!
//! Lock order: `cl_localio_lock`, `nfs_uuid_lock`.
//!
//! Left out: `auth_domain` and the module's reference, which belong to other objects; the UUID, of
//! which each probe makes a new one: the client itself stands for it.

use super::{
    Nfsd,
    filecache::{NfsdFile, nfsd_file_file, nfsd_file_put_local},
    localio::{LocalioError, nfsd_net_try_get, nfsd_open_local_fh_once},
    netns::{Net, NfsdNet},
    nfslocalio::{
        NfsClient, NfsFileLocalio, Wait, begins, call_server, may_mean_gone, nfs_to_nfsd_net_put,
    },
    nfssvc::Rqst,
};
use crate::{kernel::pointer::Pointer, model::UnusedDisable, sync::enter};
use std::sync::Arc;

/// `NFS_CS_LOCAL_IO`.
const NFS_CS_LOCAL_IO: u32 = 10;

/// `nfs_server_is_local()`.
///
/// Left out: that LOCALIO may be switched off.
///
/// Kernel file: `fs/nfs/localio.c`.
fn nfs_server_is_local(clp: &NfsClient) -> bool {
    clp.cl_flags.test_bit(NFS_CS_LOCAL_IO)
}

// The handshake.

/// `nfs_uuid_begin()`: whether this probe may go on.
///
/// Versions: `v6.12` only. By choice: uuid_begin.
///
/// Left out: the new UUID of each probe. The answer to an earlier one finds the client here, which it does
/// not in a kernel; nothing is hidden by that.
fn nfs_uuid_begin(nfsd: &Nfsd, clp: &Arc<NfsClient>) -> bool {
    let _in = enter("nfs_uuid_begin");
    let _lock = nfsd.nfs_uuids_lock.lock();
    begins(nfsd, clp)
}

/// `nfs_uuid_end()`: the server is not local.
fn nfs_uuid_end(nfsd: &Nfsd, clp: &Arc<NfsClient>) {
    let _in = enter("nfs_uuid_end").forgets();
    if clp.net.load().is_some() {
        return;
    }
    let _lock = nfsd.nfs_uuids_lock.lock();
    if clp.net.load().is_none() {
        clp.del_init();
    }
}

/// `nfs_uuid_is_local()`, in a service thread that was asked: the client begins to know the
/// namespace.
///
/// Left out: `auth_domain` and the reference on the module; see what the README says may be hidden
/// by it.
fn nfs_uuid_is_local(nfsd: &Nfsd, clp: &Arc<NfsClient>, net: &Arc<Net>) {
    let _in = enter("nfs_uuid_is_local").forgets();
    let nn = net.generic();
    let _lock = nfsd.nfs_uuids_lock.lock();
    if !nfsd.nfs_uuids.finds(clp) {
        return;
    }
    // list_move()
    clp.del_init();
    nn.local_clients.add(clp);
    clp.net.assign(Some(net));
}

/// `nfs_server_uuid_is_local()`: asks the server. Without one the call fails.
///
/// Kernel file: `fs/nfs/localio.c`.
fn nfs_server_uuid_is_local(
    nfsd: &Arc<Nfsd>,
    rqst: Rqst,
    clp: &Arc<NfsClient>,
    wait: Wait,
) -> bool {
    let _in = enter("nfs_server_uuid_is_local");
    call_server(nfsd, rqst, clp, wait, nfs_uuid_is_local) && clp.net.load().is_some()
}

/// `nfs_local_enable()`.
///
/// Kernel file: `fs/nfs/localio.c`.
fn nfs_local_enable(clp: &NfsClient) {
    let _in = enter("nfs_local_enable").forgets();
    let _lock = clp.cl_localio_lock.lock();
    clp.cl_flags.set_bit(NFS_CS_LOCAL_IO);
}

/// `nfs_local_probe()`: asks the server whether it is local. A client that knows it to be forgets it
/// first.
///
/// Kernel file: `fs/nfs/localio.c`.
///
/// Left out: that LOCALIO is switched off, or that the mount does not use `AUTH_SYS`: nothing but
/// `nfs_local_disable()` is left of it then.
pub(super) fn nfs_local_probe(nfsd: &Arc<Nfsd>, rqst: Rqst, clp: &Arc<NfsClient>, wait: Wait) {
    let _in = enter("nfs_local_probe");
    if nfs_server_is_local(clp) {
        nfs_local_disable(nfsd, clp);
    }
    if !nfs_uuid_begin(nfsd, clp) {
        return;
    }
    if nfs_server_uuid_is_local(nfsd, rqst, clp, wait) {
        nfs_local_enable(clp);
    }
    nfs_uuid_end(nfsd, clp);
}

// Taking it back.

/// `nfs_uuid_put_locked()`, with `nfs_uuid_lock` held: the client forgets the namespace.
///
/// Left out: `auth_domain` and the reference on the module, which it drops; see what the README
/// says may be hidden by it.
fn nfs_uuid_put_locked(clp: &Arc<NfsClient>) {
    let _in = enter("nfs_uuid_put_locked").forgets();
    clp.net.store(None);
    clp.del_init();
}

/// `nfs_localio_invalidate_clients()`: all clients of a namespace forget it.
pub(super) fn nfs_localio_invalidate_clients(nfsd: &Nfsd, nn: &NfsdNet) {
    let _in = enter("nfs_localio_invalidate_clients").forgets();
    let _lock = nfsd.nfs_uuids_lock.lock();
    // list_for_each_entry_safe(): the next one is known before this one is dealt with.
    let mut entry = nn.local_clients.first();
    while let Some(clp) = entry {
        entry = nn.local_clients.next(&clp);
        nfs_uuid_put_locked(&clp);
    }
}

/// `nfs_localio_disable_client()`: reads what the client knows without the lock first.
fn nfs_localio_disable_client(nfsd: &Nfsd, clp: &Arc<NfsClient>) {
    let _in = enter("nfs_localio_disable_client").forgets();
    if clp.net.load().is_some() {
        let _lock = nfsd.nfs_uuids_lock.lock();
        nfs_uuid_put_locked(clp);
    }
}

/// `nfs_local_disable()`.
///
/// Kernel file: `fs/nfs/localio.c`.
pub(super) fn nfs_local_disable(nfsd: &Nfsd, clp: &Arc<NfsClient>) {
    let _in = enter("nfs_local_disable").forgets();
    let _lock = clp.cl_localio_lock.lock();
    let uses = clp.cl_flags.test_and_clear_bit(NFS_CS_LOCAL_IO);
    if uses || nfsd.choices.unused_disable == UnusedDisable::Yes {
        nfs_localio_disable_client(nfsd, clp);
    }
}

// Opening.

/// `nfs_open_local_fh()`: a pair of a file and the one reference to its server, for one I/O.
fn nfs_open_local_fh(
    nfsd: &Arc<Nfsd>,
    clp: &NfsClient,
    nfl: &NfsFileLocalio,
) -> Result<Pointer<NfsdFile>, LocalioError> {
    let _in = enter("nfs_open_local_fh");
    let net = {
        let _rcu = nfsd.kernel.rcu_read_lock();
        // Not counted, but while it is not NULL the namespace is there: the end of the namespace
        // waits for a grace period when it has taken it back.
        let net = clp.net.dereference();
        let net = net.filter(|net| nfsd_net_try_get(nfsd, net));
        net.ok_or(LocalioError::NoServer)?
    };
    let localio = nfsd_open_local_fh_once(nfsd, &net, nfl.inode());
    if localio.is_err() {
        nfs_to_nfsd_net_put(nfsd, &net);
    }
    localio.map_err(LocalioError::Failed)
}

/// `nfs_local_open_fh()`: a LOCALIO I/O begins, if the server is local. What it answers is held by
/// the I/O. Where the server has gone, or its answer may mean that, the client asks again, and the I/O
/// goes over the wire, as it does after any other error.
///
/// Kernel file: `fs/nfs/localio.c`.
///
/// Left out: `-ENOMEM`, which no function below answers: nfsd without memory answers that the client
/// should try later.
pub(super) fn nfs_local_open_fh(
    nfsd: &Arc<Nfsd>,
    rqst: Rqst,
    clp: &Arc<NfsClient>,
    nfl: &NfsFileLocalio,
) -> Option<Pointer<NfsdFile>> {
    let _in = enter("nfs_local_open_fh");
    if !nfs_server_is_local(clp) {
        return None;
    }
    match nfs_open_local_fh(nfsd, clp, nfl) {
        Ok(localio) => Some(localio),
        Err(error) => {
            if may_mean_gone(error) {
                nfs_local_probe(nfsd, rqst, clp, Wait::Answered);
            }
            None
        }
    }
}

/// `nfs_local_doio()`: the I/O is submitted, with the pair that the open has answered. `None` where
/// there is no memory for it, and then the pair is put here.
///
/// Kernel file: `fs/nfs/localio.c`.
///
/// With it: `nfs_do_local_read()`, `nfs_do_local_write()`, `nfs_local_iocb_alloc()`.
///
/// Left out: a file system that cannot read or write in this way, where the client is disabled
/// before the pair is put: both are operations by themselves. An I/O of no bytes, for which nothing
/// puts the pair: no request of a client has none. A commit, which holds and puts its pair in the same
/// way.
pub(super) fn nfs_local_doio(
    nfsd: &Arc<Nfsd>,
    localio: Pointer<NfsdFile>,
) -> Option<Pointer<NfsdFile>> {
    let _in = enter("nfs_local_doio");
    if let Some(nf) = localio.load() {
        nfsd_file_file(&nf);
    }
    if nfsd.kernel.allocation_succeeds() {
        return Some(localio);
    }
    nfsd_file_put_local(nfsd, &localio);
    None
}

/// `nfs_local_pgio_release()`: a LOCALIO I/O is complete.
///
/// Kernel file: `fs/nfs/localio.c`.
///
/// Left out: the work queues that begin and complete an I/O: between the two it is a pair of
/// references that nothing else can reach.
pub(super) fn nfs_local_pgio_release(nfsd: &Arc<Nfsd>, localio: &Pointer<NfsdFile>) {
    let _in = enter("nfs_local_pgio_release");
    nfsd_file_put_local(nfsd, localio);
}
