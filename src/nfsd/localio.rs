// SPDX-License-Identifier: GPL-2.0-only
//! LOCALIO on the server's side. Kernel file: `fs/nfsd/localio.c`.
//!
//! What a client does with it is in [`super::nfslocalio`].

use super::{
    Nfsd,
    filecache::{Acquire, NfsdFile, Status, nfsd_file_do_acquire, nfsd_file_get, nfsd_file_put},
    netns::Net,
};
use crate::{
    kernel::{percpu_ref::completes, pointer::Pointer},
    model::{InstallGet, LocalioGc, LocalioInstallRcu, LostInstall},
    sync::{engine::Ordering, enter, mutation::unless_skipped},
};
use std::sync::Arc;

/// `nfsd_net_try_get()`, under RCU.
///
/// Kernel file: `fs/nfsd/nfssvc.c`.
#[must_use = "without the reference nothing may be assumed"]
#[track_caller]
pub(super) fn nfsd_net_try_get(nfsd: &Nfsd, net: &Net) -> bool {
    unless_skipped(true, || {
        let _in = enter("nfsd_net_try_get");
        net.generic().nfsd_net_ref.tryget_live(&nfsd.kernel)
    })
}

/// `nfsd_net_put()`. The last one runs `nfsd_net_free()`.
///
/// With it: `nfsd_net_free()`, `nfsd_net_done()`.
///
/// Kernel file: `fs/nfsd/nfssvc.c`.
#[track_caller]
pub(super) fn nfsd_net_put(nfsd: &Nfsd, net: &Net) {
    unless_skipped((), || {
        let _in = enter("nfsd_net_put");
        let nn = net.generic();
        nn.nfsd_net_ref
            .put(&nfsd.kernel, &completes(&nn.nfsd_net_free_done));
    })
}

/// Why a client's open failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocalioError {
    /// `-ENXIO`: the server is going away, or gone.
    NoServer,
    /// The file could not be made.
    Failed(Status),
}

/// `nfsd_file_acquire_local()`.
///
/// Kernel file: `fs/nfsd/filecache.c`.
///
/// Left out: the credentials of the client, which it takes on and gives back: they are its own
/// thread's.
fn nfsd_file_acquire_local(
    nfsd: &Arc<Nfsd>,
    net: &Arc<Net>,
    inode: usize,
) -> Result<Arc<NfsdFile>, Status> {
    let acquire = Acquire {
        want_gc: nfsd.choices.localio_gc == LocalioGc::Yes,
        localio: true,
        opened: false,
    };
    nfsd_file_do_acquire(nfsd, net, inode, acquire)
}

/// `nfsd_open_local_fh()`: a file for one I/O, with a reference to the server. It is found in the
/// client's slot, or made and put there, with a reference to the server of its own. The caller
/// holds one, too.
///
/// Left out: the rpc client and the file handle, from which the inode and the credentials come:
/// they belong to the caller.
///
/// # Errors
///
/// Where the server is going away, or the file could not be made.
pub fn nfsd_open_local_fh(
    nfsd: &Arc<Nfsd>,
    net: &Arc<Net>,
    inode: usize,
    pnf: &Pointer<NfsdFile>,
) -> Result<Pointer<NfsdFile>, LocalioError> {
    let _in = enter("nfsd_open_local_fh");
    if !nfsd_net_try_get(nfsd, net) {
        return Err(LocalioError::NoServer);
    }
    {
        let _rcu = nfsd.kernel.rcu_read_lock();
        if let Some(nf) = pnf.dereference()
            && nfsd_file_get(&nf)
        {
            return Ok(pair(nf));
        }
    }
    let nf = match nfsd_file_acquire_local(nfsd, net, inode) {
        Ok(nf) => nf,
        Err(status) => {
            nfsd_net_put(nfsd, net);
            return Err(LocalioError::Failed(status));
        }
    };
    // The slot's own pair.
    if !nfsd_net_try_get(nfsd, net) {
        nfsd_file_put(nfsd, &nf);
        nfsd_net_put(nfsd, net);
        return Err(LocalioError::NoServer);
    }
    let has_own = nfsd.choices.install_get == InstallGet::BeforeInstall;
    if has_own {
        // The caller has a reference already, so this one succeeds.
        let _ = nfsd_file_get(&nf);
    }
    loop {
        let rcu = match nfsd.choices.localio_install_rcu {
            LocalioInstallRcu::On => Some(nfsd.kernel.rcu_read_lock()),
            LocalioInstallRcu::Off => None,
        };
        let Err(other) = pnf.cmpxchg_null(&nf) else {
            drop(rcu);
            return match has_own || get_installed(nfsd, &nf) {
                true => Ok(pair(nf)),
                false => {
                    nfsd_net_put(nfsd, net);
                    Err(LocalioError::NoServer)
                }
            };
        };
        // Somebody else was faster; and somebody may be putting that one.
        let got = nfsd_file_get(&other);
        drop(rcu);
        if !got {
            continue;
        }
        nfsd_file_put(nfsd, &nf);
        match nfsd.choices.lost_install {
            LostInstall::PutsNet => nfsd_net_put(nfsd, net),
            LostInstall::KeepsNet => {}
        }
        if has_own {
            nfsd_file_put(nfsd, &nf);
        }
        return Ok(pair(other));
    }
}

/// `nfsd_open_local_fh()` for a client that caches nothing: a file for one I/O. The reference to the
/// server that goes with it is the caller's, which puts it where this fails.
///
/// Versions: `v6.12` only.
///
/// Left out: the rpc client and the file handle, from which the inode and the credentials come:
/// they belong to the caller.
pub(super) fn nfsd_open_local_fh_once(
    nfsd: &Arc<Nfsd>,
    net: &Arc<Net>,
    inode: usize,
) -> Result<Pointer<NfsdFile>, Status> {
    let _in = enter("nfsd_open_local_fh");
    nfsd_file_acquire_local(nfsd, net, inode).map(pair)
}

/// The reference of an I/O on a file that the client's slot has already: somebody may have emptied
/// the slot since.
fn get_installed(nfsd: &Nfsd, nf: &NfsdFile) -> bool {
    let _rcu = nfsd.kernel.rcu_read_lock();
    nfsd_file_get(nf)
}

/// A file and the reference to its server that goes with it, as an I/O holds them.
fn pair(nf: Arc<NfsdFile>) -> Pointer<NfsdFile> {
    Pointer::new("iocb->localio", nf)
}

/// A LOCALIO I/O of a client that caches no file and needs no handshake: `nfsd_open_local_fh()`
/// without its slot. The pair of references it answers is held by the I/O.
///
/// # Errors
///
/// Where the file could not be made. `Ok(None)`: the server is going away.
pub fn open_without_slot(
    nfsd: &Arc<Nfsd>,
    net: &Arc<Net>,
    inode: usize,
) -> Result<Option<Pointer<NfsdFile>>, Status> {
    let _in = enter("nfsd_open_local_fh");
    let got = {
        let _rcu = nfsd.kernel.rcu_read_lock();
        // nfs_open_local_fh(): rcu_dereference(nfs_uuid->net)
        let known = net.generic_unchecked().uuid_net.load(Ordering::Acquire);
        known != 0 && nfsd_net_try_get(nfsd, net)
    };
    if !got {
        return Ok(None);
    }
    match nfsd_file_acquire_local(nfsd, net, inode) {
        Ok(nf) => Ok(Some(pair(nf))),
        Err(status) => {
            let _rcu = nfsd.kernel.rcu_read_lock();
            nfsd_net_put(nfsd, net);
            Err(status)
        }
    }
}
