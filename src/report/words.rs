// SPDX-License-Identifier: GPL-2.0-only
//! What a step does, in the kernel's words.
//!
//! An engine knows of words that are added to and bits that are cleared. Which of them are a
//! reference count and which a completion, is told by the object's name: one table, from the field
//! and the action to the text. What the table does not know is said as it is. A text never says
//! more than the step does: a load of the flags is not called a test of one bit, which the step
//! does not tell.

use crate::{
    engine::recording::TraceStep,
    sync::{
        engine::{Action, Condition, Ordering, Update},
        operation,
    },
};

/// How much a step matters to a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// It is shown.
    Always,
    /// It is shown where another context has a part in it: one of them writes what the other
    /// reads or writes.
    Shared,
    /// It is left out where all steps are not asked for.
    Minor,
}

/// A step in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    /// What it does.
    pub text: String,
    /// How much it matters.
    pub weight: Weight,
}

const NF_FLAGS: &[&str] = &[
    "HASHED",
    "PENDING",
    "REFERENCED",
    "GC",
    "RECENT",
    "NET_HELD",
];
const CACHE_FLAGS: &[&str] = &["CACHE_UP"];
const NET_FLAGS: &[&str] = &["NET_UP"];
const WORK_STATE: &[&str] = &["pending", "running", "disabled"];
const SP_FLAGS: &[&str] = &["TASK_PENDING"];
const REF_FLAGS: &[&str] = &["ATOMIC", "DEAD"];

/// Fields that are pointers: what they point to has a number here that says nothing.
const POINTERS: &[&str] = &[
    "gen",
    "nfsd_serv",
    "fcache_disposal",
    "iocb->localio",
    "nfl->file",
    "nfl->nfs_uuid",
    "nfs_uuid->net",
    "nfs_uuid->list_lock",
];

/// Heads of lists.
const HEADS: &[&str] = &[
    "fcache_dispose_list",
    "freeme",
    "bucket",
    "local_clients",
    "nfs_uuids",
    "nfs_uuid->files",
];

/// Entries of lists.
const ENTRIES: &[&str] = &["nf_lru", "nfs_uuid->list"];

/// `PERCPU_COUNT_BIAS` of the model.
const BIAS: u64 = 1 << 32;

/// Says what a step does, with its object called `object`.
#[must_use]
pub fn words(step: &TraceStep, object: &str) -> Words {
    use Weight::{Always, Minor, Shared};
    let (owner, field) = split(&step.object);
    let function = step.functions.last().copied().unwrap_or("");
    let saw = step.saw;
    let (weight, text) = match (field, step.action) {
        (_, Action::Start) => (Minor, "starts".to_owned()),
        (_, Action::Settle) => (Always, "waited for all others".to_owned()),
        (_, Action::Choose(1)) => (Minor, "has no choice".to_owned()),
        (_, Action::Choose(below)) => (Always, chosen(function, saw, below)),

        (_, Action::Free) if step.object.starts_with("stack_frame#") => {
            (Always, "returns, and its stack frame is gone".to_owned())
        }
        (_, Action::Free) => (Always, freed(function, object)),
        (_, Action::Renew) => (Always, format!("{function}({object})")),
        ("rcu", Action::Touch) => (Shared, "rcu_read_lock()".to_owned()),
        (domain, Action::Touch) if domain.ends_with("srcu") => {
            (Shared, format!("srcu_read_lock({object})"))
        }
        (_, Action::Touch) => (Shared, format!("uses {object}")),
        (_, Action::Fence(order)) => (Minor, fence(order).to_owned()),

        // A service thread is held while it is not idle.
        ("svc_rqst", Action::Lock) => (Always, "takes the idle service thread".to_owned()),
        ("svc_rqst", Action::Unlock) => (Always, "leaves the service thread".to_owned()),
        ("destroy_lock" | "percpu_ref_switch_lock", Action::Lock | Action::Unlock) => {
            (Minor, lock(step.action, object, saw))
        }
        ("nfsd_mutex" | "nfsd_gc_lock", Action::Lock | Action::TryLock | Action::Unlock) => {
            (Always, lock(step.action, object, saw))
        }
        (_, Action::Lock | Action::TryLock | Action::Unlock) => {
            (Shared, lock(step.action, object, saw))
        }

        ("rcu", Action::GracePeriodBegin) => {
            (Always, format!("{function}(): grace period {}", saw + 1))
        }
        ("rcu", Action::GracePeriodEnd(number)) => {
            (Always, format!("grace period {} is over", number + 1))
        }
        ("fsnotify_mark_srcu", Action::GracePeriodBegin) => (
            Shared,
            format!("the mark waits for SRCU grace period {}", saw + 1),
        ),
        (_, Action::GracePeriodBegin) => (
            Shared,
            format!("{function}({object}): grace period {}", saw + 1),
        ),
        (_, Action::GracePeriodEnd(number)) => (
            Shared,
            format!("{object}: grace period {} is over", number + 1),
        ),
        ("fsnotify_mark_srcu", Action::GracePeriodCount) => {
            (Minor, format!("{function}(): {} put", counted(saw, "mark")))
        }
        (_, Action::GracePeriodCount) => (
            Always,
            format!("{function}(): {} queued", counted(saw, "callback")),
        ),
        ("rcu_head", Action::Await(..)) => (Always, "a callback has run".to_owned()),
        ("rcu_head", Action::Store(..)) => (Always, "the callback has run".to_owned()),

        ("nf_flags", action) => flags(action, object, saw, NF_FLAGS, Always),
        ("nfsd_file_flags", action) => flags(action, object, saw, CACHE_FLAGS, Always),
        ("flags", action) => flags(action, object, saw, NET_FLAGS, Shared),
        ("nfsd_net_ref", Action::Store(..)) => (Always, format!("{object}: DEAD, ATOMIC")),
        ("nfsd_net_ref", action) => flags(action, object, saw, REF_FLAGS, Always),

        ("nfsd_net_free_done" | "nfsd_net_confirm_done", action) => (
            Always,
            completion(action, field).unwrap_or_else(|| generic(step, object)),
        ),

        ("sp_flags", action) => flags(action, object, saw, SP_FLAGS, Always),

        ("mark reaped", Action::Await(..)) => (Minor, "a mark is freed".to_owned()),
        ("mark reaped", Action::Store(..)) => (Minor, "the mark is freed".to_owned()),
        ("laundrette", Action::AwaitUpdate(..)) => (Always, "the timer fires".to_owned()),
        ("laundrette", action) => (Shared, work(action, object, saw)),

        ("fcache_dispose_list" | "freeme", Action::ReadMarked) => {
            (Shared, format!("list_empty({object})"))
        }
        ("fcache_dispose_list" | "freeme", Action::Write) => (Always, format!("changes {object}")),
        (field, Action::Write) if HEADS.contains(&field) => (Shared, format!("changes {object}")),
        ("nf_lru", Action::Load(_)) => (
            Shared,
            format!("{object} is {}", if saw == 0 { "empty" } else { "linked" }),
        ),
        ("nf_lru", Action::Update(Update::CompareExchange { new, .. }, ..)) => {
            let to = if new == 0 { "off" } else { "on" };
            (Always, format!("{owner} goes {to} the LRU"))
        }
        ("bucket", Action::Load(_)) => (Shared, "reads the hash chain".to_owned()),
        ("bucket", Action::Update(..)) => (Always, "changes the hash chain".to_owned()),

        ("nfs_uuid->list", Action::Load(_)) => (
            Shared,
            format!(
                "{object} is {}",
                if saw == 0 { "on no list" } else { "on a list" }
            ),
        ),
        ("nfs_uuid->list", Action::Store(value, _)) => (
            Shared,
            format!(
                "{object} goes {}",
                if value == 0 {
                    "off its list"
                } else {
                    "on a list"
                }
            ),
        ),
        (field, Action::Load(_)) if POINTERS.contains(&field) => (
            Shared,
            format!("{object} is {}", if saw == 0 { "NULL" } else { "set" }),
        ),
        ("nfl->file", Action::Update(Update::CompareExchange { .. }, ..)) => (
            Always,
            match saw {
                0 => format!("cmpxchg({object}, NULL): it was NULL"),
                _ => format!("cmpxchg({object}, NULL): it is set, and stays"),
            },
        ),
        (field, Action::Store(value, _)) if POINTERS.contains(&field) => (
            if field.contains("->") { Shared } else { Always },
            format!(
                "{object} = {}",
                if value == 0 { "NULL" } else { "a pointer" }
            ),
        ),
        ("iocb->localio", Action::Update(Update::Swap(0), ..)) => (
            Always,
            match saw {
                0 => format!("xchg({object}, NULL): NULL"),
                _ => format!("xchg({object}, NULL)"),
            },
        ),

        ("nf_ref" | "ns.count" | "nfm_ref", Action::Update(..)) => (Always, generic(step, object)),
        (_, Action::Update(..)) if owner.starts_with("percpu_count") => {
            (Always, generic(step, object))
        }
        ("count", Action::Update(..)) if owner.starts_with("percpu_ref_data") => {
            (Always, generic(step, object))
        }
        _ => (Shared, generic(step, object)),
    };
    Words { text, weight }
}

/// What was chosen where the model leaves something open.
fn chosen(function: &str, saw: u64, below: u32) -> String {
    let two = |first: &str, second: &str| if saw == 0 { first } else { second }.to_owned();
    match function {
        "kmem_cache_alloc" | "nfs_local_doio" => {
            two("the allocation succeeds", "the allocation fails")
        }
        "nfsd_file_do_acquire" => two(
            "there is memory for the hash table",
            "there is no memory for the hash table",
        ),
        "nfsd_file_check_writeback" => two(
            "there are no pages to be written back",
            "there are pages to be written back",
        ),
        "nfsd_open_break_lease" => two("the lease is gone", "the lease is still held"),
        "nfs_local_open_fh" => two(
            "the error says nothing of the server",
            "the error may be that of a server that has gone",
        ),
        "nfs4_state_shutdown_net" => format!("the file that goes next: {} of {below}", saw + 1),
        // Where a request comes in.
        "" | "nfs_local_probe" => format!("service thread {} of {below} is to do it", saw + 1),
        _ => format!("possibility {} of {below}", saw + 1),
    }
}

/// A value of an object, as it is called there.
#[must_use]
pub fn in_words(object: &str, word: u64) -> String {
    let (owner, field) = split(object);
    match field {
        "nf_flags" => bits(word, NF_FLAGS),
        "nfsd_file_flags" => bits(word, CACHE_FLAGS),
        "flags" if owner.starts_with("nfsd_net") => bits(word, NET_FLAGS),
        "sp_flags" => bits(word, SP_FLAGS),
        "nfsd_net_ref" => bits(word, REF_FLAGS),
        "laundrette" if word != 0 => bits(word, WORK_STATE),
        "laundrette" => "idle".to_owned(),
        "nfs_uuid->list" => if word == 0 { "on no list" } else { "on a list" }.to_owned(),
        field if POINTERS.contains(&field) => match word {
            0 => "NULL".to_owned(),
            _ => "set".to_owned(),
        },
        "nf_lru" => if word == 0 { "empty" } else { "linked" }.to_owned(),
        // Above the count of struct completion, the model counts all that ever completed it.
        field if field.ends_with("_done") => format!("done {}", word & 0xffff_ffff),
        _ => value(word),
    }
}

/// A number of things.
#[must_use]
pub fn counted(count: u64, what: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{count} {what}{s}")
}

/// Whether an object is the head of a list.
pub(super) fn is_head(object: &str) -> bool {
    HEADS.contains(&split(object).1)
}

/// Whether an object says what can be reached from where: a list, an entry of one, or a pointer.
pub(super) fn is_link(object: &str) -> bool {
    let (_, field) = split(object);
    is_head(object) || ENTRIES.contains(&field) || POINTERS.contains(&field)
}

/// An object's owner, if it has one, and its name in there.
pub(super) fn owner_and_field(object: &str) -> (&str, &str) {
    split(object)
}

/// An object's owner, if it has one, and its name in there.
fn split(object: &str) -> (&str, &str) {
    object.split_once('.').unwrap_or(("", object))
}

/// An object without its owner, where its name alone says what it is as long as there is only one.
#[must_use]
pub fn short(object: &str) -> &str {
    let (_, field) = split(object);
    let known = ["nf_", "nfm_", "nfsd_", "fcache_", "ns.", "fsn_mark."];
    match known.iter().any(|known| field.starts_with(known)) {
        true => field,
        false => object,
    }
}

/// A lock or word that a context has to wait for, in words.
#[must_use]
pub fn waits(action: Action, object: &str) -> String {
    let (_, field) = split(object);
    match (field, action) {
        ("svc_rqst", _) => "a service thread".to_owned(),
        (_, Action::Lock) => object.to_owned(),
        (_, Action::GracePeriodEnd(number)) => {
            let domain = if object == "rcu" { "RCU" } else { object };
            format!("the end of {domain} grace period {}", number + 1)
        }
        ("rcu_head", _) => "an RCU callback".to_owned(),
        ("mark reaped", _) => "a mark that is to be freed".to_owned(),
        (_, Action::Settle) => "all others".to_owned(),
        _ if field.ends_with("_done") => format!("complete({field})"),
        _ => object.to_owned(),
    }
}

fn lock(action: Action, object: &str, saw: u64) -> String {
    let kind = match object.ends_with("mutex") {
        true => "mutex",
        false => "spin",
    };
    match action {
        Action::Lock => format!("{kind}_lock({object})"),
        Action::TryLock if saw == 1 => format!("{kind}_trylock({object}): taken"),
        Action::TryLock => format!("{kind}_trylock({object}): failed"),
        _ => format!("{kind}_unlock({object})"),
    }
}

fn fence(order: Ordering) -> &'static str {
    match order {
        Ordering::Acquire => "a read barrier",
        Ordering::Release => "a write barrier",
        _ => "a full barrier",
    }
}

fn freed(function: &str, object: &str) -> String {
    let ends = [
        "kmem_cache_free",
        "kmem_cache_destroy",
        "list_lru_destroy",
        "rhltable_destroy",
    ];
    match function {
        f if ends.contains(&f) => format!("{f}({object})"),
        "fsnotify_put_group" => format!("the last reference: {object} is destroyed"),
        _ => format!("kfree({object})"),
    }
}

fn completion(action: Action, object: &str) -> Option<String> {
    match action {
        Action::Update(Update::Add(_), ..) => Some(format!("complete({object})")),
        Action::AwaitUpdate(..) => Some(format!("wait_for_completion({object})")),
        Action::Store(..) => Some(format!("init_completion({object})")),
        _ => None,
    }
}

/// The names of the bits that are set.
fn bits(word: u64, names: &[&str]) -> String {
    if word == 0 {
        return "0".to_owned();
    }
    let set = (0..64).filter(|bit| word & 1 << bit != 0);
    let set: Vec<String> = set
        .map(|bit| {
            let name = names.get(bit as usize);
            name.map_or_else(|| format!("bit {bit}"), ToString::to_string)
        })
        .collect();
    set.join("|")
}

/// A step on the state of a work item.
fn work(action: Action, object: &str, saw: u64) -> String {
    let state = |word| match word {
        0 => "idle".to_owned(),
        word => bits(word, WORK_STATE),
    };
    let updated = match action {
        Action::Update(update, ..) | Action::AwaitUpdate(_, update, _) => update.apply(saw),
        _ => None,
    };
    match updated {
        Some(new) => format!("{object}: {} -> {}", state(saw), state(new)),
        None => format!("{object} is {}", state(saw)),
    }
}

fn flags(
    action: Action,
    object: &str,
    saw: u64,
    names: &[&str],
    changed: Weight,
) -> (Weight, String) {
    use crate::sync::engine::Ordering::{AcqRel, Release};
    let was = |mask| if saw & mask == 0 { "clear" } else { "set" };
    let text = match action {
        Action::Load(_) => return (Weight::Shared, format!("{object} is {}", bits(saw, names))),
        Action::Update(Update::Or(mask), AcqRel, _) => {
            format!("test_and_set {}, was {}", bits(mask, names), was(mask))
        }
        Action::Update(Update::AndNot(mask), AcqRel, _) => {
            format!("test_and_clear {}, was {}", bits(mask, names), was(mask))
        }
        Action::Update(Update::Or(mask), ..) => format!("set {}", bits(mask, names)),
        Action::Update(Update::AndNot(mask), Release, _) => {
            format!("clear_bit_unlock {}", bits(mask, names))
        }
        Action::Update(Update::AndNot(mask), ..) => format!("clear {}", bits(mask, names)),
        Action::Await(Condition::Clear(mask), _) => format!("wait_on_bit {}", bits(mask, names)),
        _ => operation::name(action),
    };
    (changed, format!("{object}: {text}"))
}

/// A word's value: small ones are numbers, those near the bias and below 0 are told from it.
fn value(value: u64) -> String {
    let signed = value.cast_signed();
    if signed < 0 {
        return signed.to_string();
    }
    match value.checked_sub(BIAS) {
        Some(0) => "BIAS".to_owned(),
        Some(above) if above < 1 << 16 => format!("BIAS+{above}"),
        _ => value.to_string(),
    }
}

fn generic(step: &TraceStep, object: &str) -> String {
    let saw = &step.saw;
    let updated = |update: Update| match update.apply(*saw) {
        Some(new) => format!("{object} {} -> {}", value(*saw), value(new)),
        None => format!("{object} is {} and stays", value(*saw)),
    };
    match step.action {
        Action::Load(_) => format!("{object} is {}", value(*saw)),
        Action::Store(new, _) => format!("{object} = {}", value(new)),
        Action::Update(update, ..) | Action::AwaitUpdate(_, update, _) => updated(update),
        Action::Await(..) => format!("waited for {object}: {}", value(*saw)),
        Action::Read => format!("reads {object}"),
        Action::ReadMarked => format!("READ_ONCE({object})"),
        Action::Write => format!("writes {object}"),
        action => format!("{} {object}", operation::name(action)),
    }
}
