// SPDX-License-Identifier: GPL-2.0-only
//! The functions of [`crate::sync`] and [`crate::kernel`] by name, and in what ways a call of each
//! can be weakened; and those of [`crate::nfsd`] that stand for one primitive, or get or put a
//! reference, or take a file out of the table or off the LRU.
//!
//! A test compares the names with what is in those folders. Where two types have a function of one
//! name, it means the same, as in the kernel.

use crate::sync::mutation::Weakening::{self, Always, Later, Never, Relax, Skip};

/// A function by its name.
#[derive(Clone, Copy, Debug)]
pub struct Primitive {
    /// The name.
    pub name: &'static str,
    /// How a call of it can be weakened.
    pub weakenings: &'static [Weakening],
    /// Why in no way, where that is so.
    pub why_none: &'static str,
}

const fn weakened(name: &'static str, weakenings: &'static [Weakening]) -> Primitive {
    Primitive {
        name,
        weakenings,
        why_none: "",
    }
}

const fn no_guard(name: &'static str, why_none: &'static str) -> Primitive {
    Primitive {
        name,
        weakenings: &[],
        why_none,
    }
}

/// Makes an object. Nobody else can reach it yet, so its first values are no step.
const MAKES: &str = "makes an object that nobody else can reach yet";
/// What only the checker does, or only the end of an execution.
const CHECKER: &str = "the checker's own: no code of the kernel stands behind it";
/// What is used is checked, and nothing is guarded by it.
const USE: &str = "a use that is checked, not a guard";
/// An operation of which each part is weakened where it stands.
const PARTS: &str = "each of its parts is a call by itself, in src/kernel";
/// A context that does not begin.
const READS: &str = "reads without ordering anything; what is done with it stands with the caller";

/// All of them, by name.
pub const PRIMITIVES: &[Primitive] = &[
    no_guard("access", USE),
    weakened("add", &[Skip]),
    weakened("add_inode_mark", &[Skip]),
    weakened("add_tail", &[Skip]),
    weakened("add_unless", &[Skip, Always, Relax]),
    no_guard("alloc", MAKES),
    no_guard("allocation_succeeds", CHECKER),
    weakened("assign", &[Skip, Relax, Later]),
    no_guard("atomically", CHECKER),
    no_guard("begin", PARTS),
    no_guard("begin_running", CHECKER),
    no_guard("begun", CHECKER),
    weakened("call", &[Skip]),
    weakened("call_rcu", &[Skip]),
    weakened("cancel_sync", &[Skip]),
    no_guard("change", PARTS),
    no_guard("choose", CHECKER),
    no_guard("clear", CHECKER),
    weakened("clear_bit", &[Skip, Later]),
    weakened("clear_bit_unlock", &[Skip, Relax, Later]),
    weakened("cmpxchg", &[Skip, Relax]),
    weakened("cmpxchg_null", &[Always, Relax]),
    weakened("compare_exchange", &[Skip, Always, Relax]),
    weakened("complete", &[Skip, Relax]),
    no_guard("completes", MAKES),
    weakened("contains", &[Always, Never]),
    weakened("control_mutex", &[Skip]),
    weakened("count", &[Never]),
    no_guard("cpu", CHECKER),
    weakened("create", &[Skip]),
    no_guard("current", CHECKER),
    weakened("dec", &[Skip, Relax]),
    weakened("dec_and_lock", &[Skip, Always, Relax]),
    weakened("dec_and_test", &[Skip, Always, Never, Relax]),
    weakened("dec_if_one", &[Always, Never, Relax]),
    weakened("dec_not_one", &[Skip, Always, Never, Relax]),
    weakened("del", &[Always, Never]),
    weakened("del_init", &[Skip]),
    weakened("dereference", &[Never, Relax]),
    weakened("destroy", &[Skip]),
    weakened("destroy_mark", &[Skip]),
    weakened("end", &[Skip]),
    no_guard("end_running", CHECKER),
    no_guard("enter", CHECKER),
    no_guard("enter_atomic", CHECKER),
    no_guard("entries", CHECKER),
    weakened("event", &[Skip]),
    weakened("exit", &[Skip]),
    weakened("fence", &[Skip]),
    weakened("fetch_add", &[Skip, Relax, Later]),
    weakened("fetch_and_not", &[Skip, Relax, Later]),
    weakened("fetch_dec_relaxed", &[Skip]),
    weakened("fetch_or", &[Skip, Relax, Later]),
    weakened("fetch_set_bit", &[Always, Never]),
    weakened("fetch_sub", &[Skip, Relax]),
    weakened("find_mark", &[Never]),
    weakened("finds", &[Always, Never]),
    no_guard("fire", CHECKER),
    weakened("first", &[Never]),
    weakened("first_unlocked", &[Never]),
    weakened("free", &[Skip]),
    no_guard("generic", PARTS),
    no_guard("generic_unchecked", CHECKER),
    weakened("get", &[Skip]),
    weakened("global_mutex", &[Skip]),
    weakened("inc", &[Skip, Later]),
    weakened("inc_not_zero", &[Skip, Always, Never]),
    weakened("inc_return", &[Relax]),
    no_guard("includes", CHECKER),
    weakened("init", &[Skip]),
    weakened("insert", &[Skip]),
    weakened("is_empty", &[Always, Never]),
    no_guard("is_fatal", CHECKER),
    no_guard("is_freed", CHECKER),
    weakened("is_hashed", &[Always, Never]),
    weakened("is_linked", &[Never]),
    no_guard("is_over", CHECKER),
    no_guard("is_referenced", CHECKER),
    no_guard("join", CHECKER),
    weakened("kill_and_confirm", &[Skip]),
    no_guard("leave_atomic", CHECKER),
    no_guard("let_fire", CHECKER),
    weakened("load", &[Never, Relax]),
    weakened("lock", &[Skip]),
    weakened("lookup", &[Skip]),
    no_guard("marked", READS),
    no_guard("marked_by", MAKES),
    no_guard("memory", CHECKER),
    no_guard("might_sleep", CHECKER),
    weakened("modify_mark_mask", &[Skip]),
    no_guard("new", MAKES),
    no_guard("new_in", MAKES),
    no_guard("next_unlocked", READS),
    weakened("nfs_to_nfsd_net_put", &[Skip]),
    weakened("nfsd_file_get", &[Skip]),
    weakened("nfsd_file_lru_remove", &[Skip]),
    weakened("nfsd_file_put", &[Skip]),
    weakened("nfsd_file_put_local", &[Skip]),
    weakened("nfsd_file_unhash", &[Skip]),
    weakened("nfsd_net_put", &[Skip]),
    weakened("nfsd_net_try_get", &[Skip]),
    no_guard("null_in", MAKES),
    no_guard("number", CHECKER),
    no_guard("object", CHECKER),
    no_guard("of", CHECKER),
    no_guard("on", CHECKER),
    no_guard("peek", CHECKER),
    weakened("put", &[Skip]),
    weakened("put_mark", &[Skip]),
    weakened("queue", &[Skip]),
    weakened("rcu_assign_pointer", &[Skip, Relax, Later]),
    weakened("rcu_barrier", &[Skip]),
    weakened("rcu_dereference", &[Relax]),
    weakened("rcu_read_lock", &[Skip]),
    no_guard("read", READS),
    weakened("read_lock", &[Skip]),
    no_guard("read_once", READS),
    no_guard("read_unlock", CHECKER),
    weakened("register", &[Skip]),
    no_guard("remaining", CHECKER),
    weakened("remove", &[Skip]),
    weakened("renew", &[Skip]),
    no_guard("report", CHECKER),
    weakened("set", &[Skip]),
    weakened("set_bit", &[Skip, Later]),
    no_guard("set_phase", CHECKER),
    no_guard("settle", CHECKER),
    weakened("shrink", &[Skip]),
    no_guard("sleepable", MAKES),
    no_guard("sleeping", CHECKER),
    weakened("smp_load_acquire", &[Relax]),
    weakened("smp_mb", &[Skip]),
    weakened("smp_mb__after_atomic", &[Skip]),
    weakened("smp_mb__after_spinlock", &[Skip]),
    weakened("smp_mb__before_atomic", &[Skip]),
    weakened("smp_rmb", &[Skip]),
    weakened("smp_store_release", &[Skip, Relax, Later]),
    weakened("smp_wmb", &[Skip]),
    weakened("spawn", &[Skip]),
    no_guard("spawn_daemon", CHECKER),
    no_guard("spawn_detached", CHECKER),
    no_guard("spawn_on", CHECKER),
    weakened("store", &[Skip, Relax, Later]),
    weakened("sub_and_test", &[Skip, Always, Never, Relax]),
    weakened("sum", &[Never]),
    weakened("swap", &[Skip, Relax]),
    weakened("synchronize", &[Skip]),
    weakened("synchronize_rcu", &[Skip]),
    weakened("take_first", &[Never]),
    weakened("take_some", &[Never]),
    weakened("test_and_clear_bit", &[Skip, Always, Never, Relax]),
    weakened("test_and_set_bit", &[Skip, Always, Never, Relax]),
    weakened("test_bit", &[Always, Never]),
    weakened("test_bit_acquire", &[Always, Never, Relax]),
    no_guard("this_cpu", READS),
    no_guard("touch", USE),
    weakened("try_control_mutex", &[Skip, Never]),
    weakened("try_lock", &[Skip, Never]),
    weakened("tryget_live", &[Skip, Never]),
    weakened("unregister", &[Skip]),
    weakened("update", &[Skip, Always, Relax]),
    weakened("wait", &[Skip, Relax]),
    weakened("wait_and_update", &[Skip, Relax]),
    weakened("wait_marks_destroyed", &[Skip]),
    weakened("wait_on_bit", &[Skip, Relax]),
    weakened("wait_on_bit_relaxed", &[Skip]),
    weakened("wait_until", &[Skip, Relax]),
    weakened("walk", &[Skip]),
    no_guard("with", READS),
    no_guard("with_engine", CHECKER),
    no_guard("with_kind", MAKES),
    no_guard("with_marked", READS),
    no_guard("with_mut", READS),
    weakened("write_once", &[Skip, Later]),
    weakened("xchg", &[Skip, Relax]),
    weakened("xchg_null", &[Skip, Never, Relax]),
];

/// The primitive of that name.
#[must_use]
pub fn primitive(name: &str) -> Option<&'static Primitive> {
    let at = PRIMITIVES.binary_search_by(|primitive| primitive.name.cmp(name));
    at.ok().map(|at| &PRIMITIVES[at])
}

/// What takes its ordering as an argument: there is nothing to relax where that is relaxed.
pub const MAYBE_ORDERED: &[&str] = &[
    "load",
    "store",
    "swap",
    "fetch_add",
    "fetch_sub",
    "fetch_or",
    "fetch_and_not",
    "compare_exchange",
    "update",
    "wait_until",
    "wait_and_update",
];
