// SPDX-License-Identifier: GPL-2.0-only
//! LOCALIO on the server's side. Kernel file: `fs/nfsd/localio.c`.
//!
//! Modelled is one I/O: it gets a reference to the server and a file that go together, and its
//! completion drops both. The client's cached files and the handshake (`fs/nfs_common/nfslocalio.c`)
//! are not modelled yet: `nfsd_open_local_fh()` with its slot, `nfs_uuid_put()`,
//! `nfs_localio_invalidate_clients()`, `nfs_close_local_fh()`.

use super::{
    Nfsd,
    filecache::{Acquire, NfsdFile, Status, nfsd_file_do_acquire},
    netns::Net,
};
use crate::{
    kernel::{percpu_ref::completes, pointer::Pointer},
    sync::{engine::Ordering, enter},
};
use std::sync::Arc;

/// `nfsd_net_try_get()`, under RCU.
#[must_use = "without the reference nothing may be assumed"]
pub(super) fn nfsd_net_try_get(nfsd: &Nfsd, net: &Net) -> bool {
    let _in = enter("nfsd_net_try_get");
    net.generic().nfsd_net_ref.tryget_live(&nfsd.kernel)
}

/// `nfsd_net_put()`. The last one runs `nfsd_net_free()`.
pub(super) fn nfsd_net_put(nfsd: &Nfsd, net: &Net) {
    let _in = enter("nfsd_net_put");
    let nn = net.generic();
    nn.nfsd_net_ref
        .put(&nfsd.kernel, &completes(&nn.nfsd_net_free_done));
}

/// A LOCALIO I/O begins: `nfsd_open_local_fh()` without a cached file, with
/// `nfsd_file_acquire_local()`. The pair of references it answers is held by the I/O.
///
/// # Errors
///
/// Where the file could not be made. `Ok(None)`: the server is going away.
pub fn nfsd_open_local_fh(
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
    let acquire = Acquire {
        want_gc: false,
        localio: true,
        opened: false,
    };
    match nfsd_file_do_acquire(nfsd, net, inode, acquire) {
        Ok(nf) => Ok(Some(Pointer::new("iocb->localio", nf))),
        Err(status) => {
            let _rcu = nfsd.kernel.rcu_read_lock();
            nfsd_net_put(nfsd, net);
            Err(status)
        }
    }
}
