// SPDX-License-Identifier: GPL-2.0-only
//! What a step does, in words: for files, and for telling steps of two runs apart.

use super::engine::{Action, Condition, Ordering, Update};

/// The name of an action in a file: what it does, with its operands, and the declared ordering.
#[must_use]
pub fn name(action: Action) -> String {
    match action {
        Action::Load(o) => format!("load {}", order(o)),
        Action::Store(value, o) => format!("store {value} {}", order(o)),
        Action::Update(u, success, _) => format!("{} {}", update(u), order(success)),
        Action::Await(c, o) => format!("wait until {}, load {}", condition(c), order(o)),
        Action::AwaitUpdate(c, u, o) => {
            format!("wait until {}, {} {}", condition(c), update(u), order(o))
        }
        Action::Fence(o) => format!("fence {}", order(o)),
        Action::Lock => "lock".to_owned(),
        Action::TryLock => "try to lock".to_owned(),
        Action::Unlock => "unlock".to_owned(),
        Action::Read => "read".to_owned(),
        Action::ReadMarked => "read marked".to_owned(),
        Action::Write => "write".to_owned(),
        Action::Touch => "use".to_owned(),
        Action::Free => "free".to_owned(),
        Action::Renew => "renew".to_owned(),
        Action::GracePeriodBegin => "begin grace period".to_owned(),
        Action::GracePeriodEnd(number) => format!("wait for grace period {number}"),
        Action::GracePeriodCount => "count grace periods".to_owned(),
        Action::Choose(below) => format!("choose below {below}"),
        Action::Start => "start".to_owned(),
        Action::Settle => "wait for all".to_owned(),
    }
}

/// A name without its decimal numbers. Those are values, and differ where two models are otherwise
/// at the same place; bits, which are written in hexadecimal, tell one place from another.
#[must_use]
pub fn pattern(name: &str) -> String {
    let words = name.split(' ').filter(|word| {
        let digits = word.trim_start_matches('-').trim_end_matches([',', ':']);
        digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit())
    });
    words.collect::<Vec<_>>().join(" ")
}

fn order(order: Ordering) -> &'static str {
    match order {
        Ordering::Relaxed => "relaxed",
        Ordering::Acquire => "acquire",
        Ordering::Release => "release",
        Ordering::AcqRel => "acq-rel",
        _ => "seq-cst",
    }
}

fn update(update: Update) -> String {
    match update {
        Update::Add(n) => match n.cast_signed() {
            n if n < 0 => format!("sub {}", n.unsigned_abs()),
            n => format!("add {n}"),
        },
        Update::Sub(n) => format!("sub {n}"),
        Update::Or(bits) => format!("or {bits:#x}"),
        Update::AndNot(bits) => format!("and-not {bits:#x}"),
        Update::Swap(new) => format!("swap {new}"),
        Update::Xor(bits) => format!("xor {bits:#x}"),
        Update::AddWithin { add, mask } => format!("add {add} within {mask:#x}"),
        Update::CompareExchange { old, new } => format!("compare-exchange {old} {new}"),
        Update::When {
            any_set,
            all_clear,
            clear,
            add,
        } => {
            let add = add.cast_signed();
            format!("when any {any_set:#x} none {all_clear:#x}: clear {clear:#x} add {add}")
        }
        Update::AddUnless { add, unless } => {
            format!("add {} unless {unless}", add.cast_signed())
        }
    }
}

fn condition(condition: Condition) -> String {
    match condition {
        Condition::Equal(value) => format!("{value}"),
        Condition::NotEqual(value) => format!("not {value}"),
        Condition::Clear(bits) => format!("clear {bits:#x}"),
        Condition::AnySet(bits) => format!("any of {bits:#x}"),
    }
}
