// SPDX-License-Identifier: GPL-2.0-only
//! The fidelity table: made from the documentation of `src/nfsd/`, and complete.

use nfsd_check::{
    model::choices::CHOICES,
    mutants::{fidelity, sites},
};
use std::{collections::BTreeSet, env, fs, path::Path};

/// Every function of the lifecycle: of the file cache, of LOCALIO, of starting and stopping a
/// server.
const LIFECYCLE: &[&str] = &[
    // fs/nfsd/filecache.c
    "__nfsd_file_cache_purge",
    "nfsd_file_acquire",
    "nfsd_file_acquire_dir",
    "nfsd_file_acquire_gc",
    "nfsd_file_acquire_local",
    "nfsd_file_acquire_opened",
    "nfsd_file_alloc",
    "nfsd_file_cache_init",
    "nfsd_file_cache_purge",
    "nfsd_file_cache_shutdown",
    "nfsd_file_cache_shutdown_net",
    "nfsd_file_cache_start_net",
    "nfsd_file_check_write_error",
    "nfsd_file_check_writeback",
    "nfsd_file_close_export",
    "nfsd_file_close_inode",
    "nfsd_file_close_inode_sync",
    "nfsd_file_cond_queue",
    "nfsd_file_dispose_list",
    "nfsd_file_dispose_list_delayed",
    "nfsd_file_do_acquire",
    "nfsd_file_free",
    "nfsd_file_fsnotify_handle_event",
    "nfsd_file_gc",
    "nfsd_file_gc_cb",
    "nfsd_file_gc_worker",
    "nfsd_file_get",
    "nfsd_file_lease_notifier_call",
    "nfsd_file_lookup_locked",
    "nfsd_file_lru_add",
    "nfsd_file_lru_cb",
    "nfsd_file_lru_count",
    "nfsd_file_lru_remove",
    "nfsd_file_lru_scan",
    "nfsd_file_mark_find_or_create",
    "nfsd_file_mark_free",
    "nfsd_file_mark_get",
    "nfsd_file_mark_put",
    "nfsd_file_net_dispose",
    "nfsd_file_put",
    "nfsd_file_put_local",
    "nfsd_file_queue_for_close",
    "nfsd_file_schedule_laundrette",
    "nfsd_file_slab_free",
    "nfsd_file_unhash",
    "nfsd_filp_close",
    "nfsd_open_verified",
    // fs/nfsd/export.c
    "expkey_flush",
    // LOCALIO
    "nfs_close_local_fh",
    "nfs_local_doio",
    "nfs_local_file_put",
    "nfs_local_iocb_release",
    "nfs_local_open_fh",
    "nfs_local_probe",
    "nfs_localio_disable_client",
    "nfs_localio_invalidate_clients",
    "nfs_open_local_fh",
    "nfs_to_nfsd_file_put_local",
    "nfs_to_nfsd_net_put",
    "nfs_uuid_add_file",
    "nfs_uuid_begin",
    "nfs_uuid_end",
    "nfs_uuid_is_local",
    "nfs_uuid_put",
    "nfsd_net_done",
    "nfsd_net_free",
    "nfsd_net_put",
    "nfsd_net_try_get",
    "nfsd_open_local_fh",
    // Starting and stopping
    "nfs4_state_shutdown_net",
    "nfsd",
    "nfsd_create_serv",
    "nfsd_destroy_serv",
    "nfsd_net_exit",
    "nfsd_net_init",
    "nfsd_net_pre_exit",
    "nfsd_shutdown_generic",
    "nfsd_shutdown_net",
    "nfsd_shutdown_threads",
    "nfsd_startup_generic",
    "nfsd_startup_net",
    "nfsd_svc",
    "nfsd_umount",
    "svc_destroy",
    "svc_exit_thread",
    "svc_recv",
    "svc_set_num_threads",
    "svc_wake_up",
    "svc_xprt_destroy_all",
    "svc_xprt_init",
];

fn names(rows: &[fidelity::Row]) -> BTreeSet<&str> {
    let names = rows.iter().flat_map(|row| {
        let with = row.with.iter().map(String::as_str);
        with.chain([&*row.function])
    });
    names.collect()
}

#[test]
fn no_function_of_the_lifecycle_is_missing() {
    let rows = fidelity::rows(&sites::find());
    let names = names(&rows);
    let missing: Vec<_> = LIFECYCLE
        .iter()
        .filter(|name| !names.contains(*name))
        .collect();
    assert!(missing.is_empty(), "missing from the table: {missing:?}");
    for choice in CHOICES {
        for function in choice.functions {
            assert!(
                names.contains(function),
                "the choice '{}' is in {function}, which is not in the table",
                choice.name
            );
        }
    }
}

/// What is entered as a function of the kernel says which one it is.
#[test]
fn every_function_that_is_entered_has_a_row() {
    let found = sites::find();
    let rows = fidelity::rows(&found);
    let names = names(&rows);
    let functions = found.functions.iter();
    for function in functions.filter(|function| function.file.starts_with("src/nfsd/")) {
        for (_, entered) in &function.enters {
            // It is entered in the middle of another one, and is no more than a counter.
            if entered != "nfsd_reset_write_verifier" {
                assert!(
                    names.contains(&**entered),
                    "{} enters {entered}, and its documentation does not begin with it",
                    function.name
                );
            }
        }
    }
}

/// `UPDATE=1 cargo test fidelity` writes the table.
#[test]
fn the_table_is_that_of_the_code() {
    let table = fidelity::markdown(&fidelity::rows(&sites::find()));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("FIDELITY.md");
    let text = fs::read_to_string(&path).unwrap_or_default();
    let head = text.split("| kernel function |").next().unwrap_or_default();
    let made = format!("{head}{table}");
    if env::var_os("UPDATE").is_some() {
        fs::write(&path, &made).unwrap();
    }
    assert!(
        text == made || env::var_os("UPDATE").is_some(),
        "FIDELITY.md is not what the documentation says: UPDATE=1 cargo test fidelity"
    );
}
