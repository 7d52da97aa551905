// SPDX-License-Identifier: GPL-2.0-only
//! put-order on v2-8of9: objects-remaining.

use nfsd_check::report::{counterexample::Counterexample, replay::replay};

const NAME: &str = "put-order-v2-8of9-objects-remaining";
const FILE: &str = r#"{
  "format": "nfsd-check counterexample",
  "version": 1,
  "scenario": {
    "name": "put-order",
    "about": "a LOCALIO I/O completes while the only server stops: whichever of file and net reference is dropped last has to hold up the teardown of the whole cache",
    "source": "Message-Id: <0d16e520-3e78-4b2b-b624-4376a1f0e075@app.fastmail.com>, the first of its two points",
    "nets": [
      {
        "name": "B",
        "user": true
      }
    ],
    "inodes": [
      "i0"
    ],
    "gc_passes": 2,
    "preempt_rcu": true,
    "epilogue": "stop",
    "setup": [
      "start B",
      "x = local_open B i0"
    ],
    "actors": {
      "io-completion": [
        "local_done x"
      ],
      "nfsd-stop": [
        "stop B"
      ]
    }
  },
  "model": {
    "name": "v2-8of9",
    "about": "a file takes a reference on its net when it is queued for disposal; a LOCALIO completion drops the net's reference before the file",
    "source": "Message-Id: <20260602-nfsd-testing-v2-8-e4ea62e3cd5c@kernel.org>",
    "choices": {
      "put_local_order": "net-then-file",
      "net_ref": "at-dispose",
      "gc_lock_gc": "walk",
      "gc_lock_shrinker": "walk",
      "gc_lock_close_inode": "none",
      "shutdown_barrier": "none",
      "dispose_list": "inline",
      "free_unhash": "if-hashed",
      "wake_guard": "load-once-test",
      "net_dispose_guard": "tested",
      "queue_wakes": "yes",
      "wake_order": "none",
      "purge": "conditional",
      "purge_net": "own",
      "state_shutdown": "before-cache",
      "acquire_retry": "puts",
      "opened_file": "under-pending",
      "pending_wait": "acquire",
      "pending_clear": "release",
      "flags_init": "before-insert",
      "lookup_rcu": "on",
      "insert_error": "reads-nothing",
      "close_check": "unhash-first",
      "close_sync": "frees-all",
      "export_check": "opened",
      "opened_test": "given",
      "dir_marks": "none",
      "recalc_mutex": "taken",
      "service_threads": "fixed",
      "put_reads": "nothing",
      "put_local_rcu": "around-net",
      "local_io_net_ref": "held",
      "localio_install_rcu": "on",
      "lost_install": "puts-net",
      "install_get": "before-install",
      "add_file_failure": "puts",
      "doio_error": "puts",
      "drain_wait": "after-purge",
      "init_error": "clears-up",
      "exit_ref": "always",
      "exit_wait": "none",
      "uuid_begin": "checks-linked",
      "invalidate": "walk",
      "lru": "at-construction",
      "add_recheck": "no",
      "put_recheck": "yes",
      "dispose_link": "separate",
      "localio_gc": "no",
      "localio_invalidate": "purge",
      "mark_group": "own",
      "mutexes": "one"
    }
  },
  "engine": "dpor",
  "memory_model": "sc",
  "schedule": [
    { "context": "laundrette", "function": "", "operation": "start", "object": "", "saw": 0 },
    { "context": "io-completion", "function": "", "operation": "start", "object": "", "saw": 0 },
    { "context": "io-completion", "function": "nfsd_file_put_local", "operation": "swap 0 acq-rel", "object": "iocb->localio", "saw": 1 },
    { "context": "io-completion", "function": "net_generic", "operation": "load acquire", "object": "net#1.gen", "saw": 1 },
    { "context": "io-completion", "function": "percpu_ref_put", "operation": "load relaxed", "object": "nfsd_net#1.nfsd_net_ref", "saw": 0 },
    { "context": "io-completion", "function": "percpu_ref_put", "operation": "sub 1 relaxed", "object": "percpu_count#1.cpu1", "saw": 0 },
    { "context": "io-completion", "function": "nfsd_file_put", "operation": "load relaxed", "object": "nfsd_file#1.nf_flags", "saw": 1 },
    { "context": "io-completion", "function": "nfsd_file_put", "operation": "sub 1 release", "object": "nfsd_file#1.nf_ref", "saw": 1 },
    { "context": "io-completion", "function": "nfsd_file_unhash", "operation": "and-not 0x1 acq-rel", "object": "nfsd_file#1.nf_flags", "saw": 1 },
    { "context": "io-completion", "function": "rhltable_remove", "operation": "add 1 acq-rel", "object": "nfsd_file_rhltable.bucket", "saw": 1 },
    { "context": "io-completion", "function": "nfsd_file_free", "operation": "read", "object": "nfsd_file#1.nf_mark", "saw": 0 },
    { "context": "io-completion", "function": "nfsd_file_mark_put", "operation": "sub 1 release", "object": "nfsd_file_mark#1.nfm_ref", "saw": 1 },
    { "context": "io-completion", "function": "fsnotify_destroy_mark", "operation": "lock", "object": "fsnotify_group.mark_mutex", "saw": 1 },
    { "context": "io-completion", "function": "fsnotify_destroy_mark", "operation": "swap 0 relaxed", "object": "nfsd_file_mark#1.fsn_mark.flags", "saw": 1 },
    { "context": "io-completion", "function": "fsnotify_destroy_mark", "operation": "unlock", "object": "fsnotify_group.mark_mutex", "saw": 0 },
    { "context": "io-completion", "function": "fsnotify_put_mark", "operation": "add -1 unless 1 release", "object": "nfsd_file_mark#1.fsn_mark.refcnt", "saw": 2 },
    { "context": "io-completion", "function": "fsnotify_put_mark", "operation": "add -1 unless 1 release", "object": "nfsd_file_mark#1.fsn_mark.refcnt", "saw": 1 },
    { "context": "io-completion", "function": "fsnotify_put_mark", "operation": "lock", "object": "conn->lock", "saw": 1 },
    { "context": "io-completion", "function": "fsnotify_put_mark", "operation": "sub 1 release", "object": "nfsd_file_mark#1.fsn_mark.refcnt", "saw": 1 },
    { "context": "io-completion", "function": "fsnotify_put_mark", "operation": "add 1 acq-rel", "object": "i_fsnotify_marks", "saw": 1 },
    { "context": "io-completion", "function": "fsnotify_put_mark", "operation": "unlock", "object": "conn->lock", "saw": 0 },
    { "context": "io-completion", "function": "fsnotify_put_mark", "operation": "begin grace period", "object": "fsnotify_mark_srcu", "saw": 0 },
    { "context": "io-completion", "function": "nfsd_file_free", "operation": "read", "object": "nfsd_file#1.nf_file", "saw": 0 },
    { "context": "io-completion", "function": "nfsd_file_free", "operation": "load relaxed", "object": "nfsd_file#1.nf_lru", "saw": 0 },
    { "context": "io-completion", "function": "nfsd_file_free", "operation": "load relaxed", "object": "nfsd_file#1.nf_flags", "saw": 0 },
    { "context": "nfsd-stop", "function": "", "operation": "start", "object": "", "saw": 0 },
    { "context": "nfsd-stop", "function": "nfsd_shutdown_threads", "operation": "lock", "object": "nfsd_mutex", "saw": 1 },
    { "context": "nfsd-stop", "function": "net_generic", "operation": "load acquire", "object": "net#1.gen", "saw": 1 },
    { "context": "nfsd-stop", "function": "nfsd_shutdown_threads", "operation": "load relaxed", "object": "nfsd_net#1.nfsd_serv", "saw": 1 },
    { "context": "nfsd-stop", "function": "svc_set_num_threads", "operation": "lock", "object": "svc_rqst", "saw": 1 },
    { "context": "nfsd-stop", "function": "nfsd_file_net_dispose", "operation": "read marked", "object": "nfsd_net#1.fcache_dispose_list", "saw": 0 },
    { "context": "nfsd-stop", "function": "svc_set_num_threads", "operation": "unlock", "object": "svc_rqst", "saw": 0 },
    { "context": "nfsd-stop", "function": "net_generic", "operation": "load acquire", "object": "net#1.gen", "saw": 1 },
    { "context": "nfsd-stop", "function": "nfsd_destroy_serv", "operation": "lock", "object": "nfsd_notifier_lock", "saw": 1 },
    { "context": "nfsd-stop", "function": "nfsd_destroy_serv", "operation": "store 0 relaxed", "object": "nfsd_net#1.nfsd_serv", "saw": 0 },
    { "context": "nfsd-stop", "function": "nfsd_destroy_serv", "operation": "unlock", "object": "nfsd_notifier_lock", "saw": 0 },
    { "context": "nfsd-stop", "function": "put_net", "operation": "sub 1 release", "object": "net#1.ns.count", "saw": 2 },
    { "context": "nfsd-stop", "function": "net_generic", "operation": "load acquire", "object": "net#1.gen", "saw": 1 },
    { "context": "nfsd-stop", "function": "nfsd_shutdown_net", "operation": "load relaxed", "object": "nfsd_net#1.flags", "saw": 1 },
    { "context": "nfsd-stop", "function": "percpu_ref_kill_and_confirm", "operation": "lock", "object": "percpu_ref_switch_lock", "saw": 1 },
    { "context": "nfsd-stop", "function": "percpu_ref_kill_and_confirm", "operation": "load relaxed", "object": "nfsd_net#1.data", "saw": 1 },
    { "context": "nfsd-stop", "function": "percpu_ref_kill_and_confirm", "operation": "or 0x2 relaxed", "object": "nfsd_net#1.nfsd_net_ref", "saw": 0 },
    { "context": "nfsd-stop", "function": "percpu_ref_kill_and_confirm", "operation": "or 0x1 relaxed", "object": "nfsd_net#1.nfsd_net_ref", "saw": 2 },
    { "context": "nfsd-stop", "function": "percpu_ref_kill_and_confirm", "operation": "add 1 relaxed", "object": "percpu_ref_data.count", "saw": 4294967297 },
    { "context": "nfsd-stop", "function": "call_rcu", "operation": "begin grace period", "object": "rcu", "saw": 0 },
    { "context": "nfsd-stop", "function": "percpu_ref_kill_and_confirm", "operation": "sub 1 acq-rel", "object": "percpu_ref_data.count", "saw": 4294967298 },
    { "context": "nfsd-stop", "function": "percpu_ref_kill_and_confirm", "operation": "unlock", "object": "percpu_ref_switch_lock", "saw": 0 },
    { "context": "mark reaper", "function": "", "operation": "start", "object": "", "saw": 0 },
    { "context": "mark reaper", "function": "", "operation": "wait for grace period 0", "object": "fsnotify_mark_srcu", "saw": 0 },
    { "context": "mark reaper", "function": "kmem_cache_free", "operation": "free", "object": "nfsd_file_mark#1", "saw": 0 },
    { "context": "mark reaper", "function": "fsnotify_put_group", "operation": "sub 1 release", "object": "fsnotify_group.refcnt", "saw": 2 },
    { "context": "mark reaper", "function": "", "operation": "store 1 release", "object": "mark reaped", "saw": 0 },
    { "context": "rcu callback", "function": "", "operation": "start", "object": "", "saw": 0 },
    { "context": "rcu callback", "function": "", "operation": "wait for grace period 0", "object": "rcu", "saw": 0 },
    { "context": "rcu callback", "function": "percpu_ref_switch_to_atomic_rcu", "operation": "load relaxed", "object": "percpu_count#1.cpu0", "saw": 1 },
    { "context": "rcu callback", "function": "percpu_ref_switch_to_atomic_rcu", "operation": "load relaxed", "object": "percpu_count#1.cpu1", "saw": 18446744073709551615 },
    { "context": "rcu callback", "function": "percpu_ref_switch_to_atomic_rcu", "operation": "load relaxed", "object": "percpu_count#1.cpu2", "saw": 0 },
    { "context": "rcu callback", "function": "percpu_ref_switch_to_atomic_rcu", "operation": "sub 4294967296 relaxed", "object": "percpu_ref_data.count", "saw": 4294967297 },
    { "context": "rcu callback", "function": "complete", "operation": "add 4294967297 release", "object": "nfsd_net#1.nfsd_net_confirm_done", "saw": 0 },
    { "context": "rcu callback", "function": "percpu_ref_switch_to_atomic_rcu", "operation": "free", "object": "percpu_count#1", "saw": 0 },
    { "context": "rcu callback", "function": "percpu_ref_switch_to_atomic_rcu", "operation": "sub 1 acq-rel", "object": "percpu_ref_data.count", "saw": 1 },
    { "context": "rcu callback", "function": "complete", "operation": "add 4294967297 release", "object": "nfsd_net#1.nfsd_net_free_done", "saw": 0 },
    { "context": "rcu callback", "function": "", "operation": "store 1 release", "object": "rcu_head", "saw": 0 },
    { "context": "nfsd-stop", "function": "wait_for_completion", "operation": "wait until any of 0xffffffff, sub 1 acquire", "object": "nfsd_net#1.nfsd_net_confirm_done", "saw": 4294967297 },
    { "context": "nfsd-stop", "function": "nfsd_shutdown_net", "operation": "store 0 relaxed", "object": "nfs_uuid->net", "saw": 0 },
    { "context": "nfsd-stop", "function": "nfsd_file_cache_purge", "operation": "load relaxed", "object": "nfsd_file_flags", "saw": 1 },
    { "context": "nfsd-stop", "function": "rhashtable_walk_next", "operation": "load acquire", "object": "nfsd_file_rhltable.bucket", "saw": 2 },
    { "context": "nfsd-stop", "function": "net_generic", "operation": "load acquire", "object": "net#1.gen", "saw": 1 },
    { "context": "nfsd-stop", "function": "nfsd_file_dispose_list", "operation": "read marked", "object": "nfsd_net#1.fcache_dispose_list", "saw": 0 },
    { "context": "nfsd-stop", "function": "wait_for_completion", "operation": "wait until any of 0xffffffff, sub 1 acquire", "object": "nfsd_net#1.nfsd_net_free_done", "saw": 4294967297 },
    { "context": "nfsd-stop", "function": "percpu_ref_exit", "operation": "load relaxed", "object": "nfsd_net#1.data", "saw": 1 },
    { "context": "nfsd-stop", "function": "percpu_ref_exit", "operation": "store 3 relaxed", "object": "nfsd_net#1.nfsd_net_ref", "saw": 0 },
    { "context": "nfsd-stop", "function": "percpu_ref_exit", "operation": "lock", "object": "percpu_ref_switch_lock", "saw": 1 },
    { "context": "nfsd-stop", "function": "percpu_ref_exit", "operation": "store 0 relaxed", "object": "nfsd_net#1.data", "saw": 0 },
    { "context": "nfsd-stop", "function": "percpu_ref_exit", "operation": "unlock", "object": "percpu_ref_switch_lock", "saw": 0 },
    { "context": "nfsd-stop", "function": "percpu_ref_exit", "operation": "free", "object": "percpu_ref_data", "saw": 0 },
    { "context": "nfsd-stop", "function": "nfsd_shutdown_generic", "operation": "read", "object": "nfsd_users", "saw": 0 },
    { "context": "nfsd-stop", "function": "nfsd_shutdown_generic", "operation": "write", "object": "nfsd_users", "saw": 0 },
    { "context": "nfsd-stop", "function": "nfsd_file_cache_shutdown", "operation": "and-not 0x1 acq-rel", "object": "nfsd_file_flags", "saw": 1 },
    { "context": "nfsd-stop", "function": "lease_unregister_notifier", "operation": "store 0 relaxed", "object": "lease_notifier_chain.head", "saw": 0 },
    { "context": "nfsd-stop", "function": "synchronize_srcu", "operation": "begin grace period", "object": "lease_notifier_chain.srcu", "saw": 0 },
    { "context": "nfsd-stop", "function": "synchronize_srcu", "operation": "wait for grace period 0", "object": "lease_notifier_chain.srcu", "saw": 0 },
    { "context": "nfsd-stop", "function": "shrinker_free", "operation": "sub 1 release", "object": "shrinker#1.refcount", "saw": 1 },
    { "context": "nfsd-stop", "function": "shrinker_free", "operation": "add 1 release", "object": "shrinker#1.done", "saw": 0 },
    { "context": "nfsd-stop", "function": "shrinker_free", "operation": "wait until not 0, sub 1 acquire", "object": "shrinker#1.done", "saw": 1 },
    { "context": "nfsd-stop", "function": "shrinker_free", "operation": "add 1 relaxed", "object": "shrinker_list", "saw": 1 },
    { "context": "nfsd-stop", "function": "call_rcu", "operation": "begin grace period", "object": "rcu", "saw": 1 },
    { "context": "nfsd-stop", "function": "cancel_delayed_work_sync", "operation": "when any 0x0 none 0x0: clear 0x5 add 4 acq-rel", "object": "laundrette", "saw": 0 },
    { "context": "nfsd-stop", "function": "cancel_delayed_work_sync", "operation": "wait until clear 0x2, load acquire", "object": "laundrette", "saw": 4 },
    { "context": "nfsd-stop", "function": "cancel_delayed_work_sync", "operation": "and-not 0x4 acq-rel", "object": "laundrette", "saw": 4 },
    { "context": "nfsd-stop", "function": "rhashtable_walk_next", "operation": "load acquire", "object": "nfsd_file_rhltable.bucket", "saw": 2 },
    { "context": "nfsd-stop", "function": "list_lru_destroy", "operation": "free", "object": "nfsd_file_lru", "saw": 0 },
    { "context": "nfsd-stop", "function": "rcu_barrier", "operation": "count grace periods", "object": "rcu", "saw": 2 },
    { "context": "nfsd-stop", "function": "rcu_barrier", "operation": "wait until 1, load acquire", "object": "rcu_head", "saw": 1 },
    { "context": "io-completion", "function": "call_rcu", "operation": "begin grace period", "object": "rcu", "saw": 2 },
    { "context": "rcu callback 2", "function": "", "operation": "start", "object": "", "saw": 0 },
    { "context": "rcu callback 2", "function": "", "operation": "wait for grace period 1", "object": "rcu", "saw": 0 },
    { "context": "rcu callback 2", "function": "shrinker_free_rcu_cb", "operation": "free", "object": "shrinker#1", "saw": 0 },
    { "context": "rcu callback 2", "function": "", "operation": "store 1 release", "object": "rcu_head", "saw": 0 },
    { "context": "nfsd-stop", "function": "rcu_barrier", "operation": "wait until 1, load acquire", "object": "rcu_head", "saw": 1 },
    { "context": "nfsd-stop", "function": "nfsd_file_cache_shutdown", "operation": "read", "object": "nfsd_file_fsnotify_group", "saw": 0 },
    { "context": "nfsd-stop", "function": "fsnotify_put_group", "operation": "sub 1 release", "object": "fsnotify_group.refcnt", "saw": 1 },
    { "context": "nfsd-stop", "function": "fsnotify_put_group", "operation": "free", "object": "fsnotify_group", "saw": 0 },
    { "context": "nfsd-stop", "function": "nfsd_file_cache_shutdown", "operation": "write", "object": "nfsd_file_fsnotify_group", "saw": 0 },
    { "context": "nfsd-stop", "function": "kmem_cache_destroy", "operation": "free", "object": "nfsd_file_slab", "saw": 0 },
    { "context": "nfsd-stop", "function": "flush_work", "operation": "count grace periods", "object": "fsnotify_mark_srcu", "saw": 1 },
    { "context": "nfsd-stop", "function": "flush_work", "operation": "wait until 1, load acquire", "object": "mark reaped", "saw": 1 },
    { "context": "nfsd-stop", "function": "kmem_cache_destroy", "operation": "free", "object": "nfsd_file_mark_slab", "saw": 0 },
    { "context": "nfsd-stop", "function": "rhltable_destroy", "operation": "free", "object": "nfsd_file_rhltable", "saw": 0 },
    { "context": "nfsd-stop", "function": "nfsd_shutdown_net", "operation": "and-not 0x1 relaxed", "object": "nfsd_net#1.flags", "saw": 1 },
    { "context": "nfsd-stop", "function": "svc_destroy", "operation": "free", "object": "svc_serv#1", "saw": 0 },
    { "context": "nfsd-stop", "function": "nfsd_shutdown_threads", "operation": "unlock", "object": "nfsd_mutex", "saw": 0 },
    { "context": "rcu callback 3", "function": "", "operation": "start", "object": "", "saw": 0 },
    { "context": "rcu callback 3", "function": "", "operation": "wait for grace period 2", "object": "rcu", "saw": 0 },
    { "context": "rcu callback 3", "function": "kmem_cache_free", "operation": "free", "object": "nfsd_file#1", "saw": 0 }
  ],
  "violation": {
    "kind": "objects-remaining",
    "object": "nfsd_file_slab",
    "context": "nfsd-stop",
    "function": "kmem_cache_destroy",
    "message": "destroyed with nfsd_file#1 still allocated",
    "step": 105
  },
  "checksum": "sha256:32d918830ba7b2c74f3b5d19eba95f431ae4c682b6cab3ca0e86e2a43bca5b65"
}
"#;

#[test]
fn put_order_v2_8of9_objects_remaining() {
    let counterexample = Counterexample::parse(NAME, FILE.as_bytes()).unwrap();
    let again = replay(&counterexample, &counterexample.model);
    assert_eq!(again.parted, None);
    let violation = again.violation.expect("the violation comes about");
    assert_eq!(violation.message, counterexample.violation.message);

    let fixed = nfsd_check::library::Library::builtin();
    let fixed = fixed.model("v4").unwrap();
    assert_eq!(replay(&counterexample, &fixed).violation, None);
}
