// SPDX-License-Identifier: GPL-2.0-only
//! Panics that are no news to anybody.

use std::{
    any::Any,
    cell::{Cell, RefCell},
    sync::Once,
};

pub(super) fn message_of(payload: &(dyn Any + Send)) -> &str {
    if let Some(message) = payload.downcast_ref::<String>() {
        message
    } else if let Some(message) = payload.downcast_ref::<&str>() {
        message
    } else {
        ""
    }
}

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
    /// Where the last panic was, while quiet.
    static LAST_PANIC: RefCell<(String, u32)> = const { RefCell::new((String::new(), 0)) };
}

/// Keeps the panics of this OS thread off stderr until dropped: to loom, and to a program that is
/// checked, they are an ordinary way to say something.
pub(super) struct Quiet(());

impl Quiet {
    pub(super) fn new() -> Self {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let previous = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |info| {
                if !QUIET.get() {
                    previous(info);
                } else if let Some(location) = info.location() {
                    let is_message = !message_of_hook(info).is_empty();
                    if is_message {
                        LAST_PANIC.set((location.file().to_owned(), location.line()));
                    }
                }
            }));
        });
        QUIET.set(true);
        Self(())
    }

    /// Keeps this OS thread quiet from now on: one that does nothing but explore.
    pub(super) fn stay() {
        QUIET.set(true);
    }

    /// The message of a panic and the file it was in.
    pub(super) fn last(payload: &(dyn Any + Send)) -> (String, String) {
        let (file, line) = LAST_PANIC.take();
        (format!("{} ({file}:{line})", message_of(payload)), file)
    }
}

fn message_of_hook<'a>(info: &'a std::panic::PanicHookInfo<'_>) -> &'a str {
    info.payload_as_str().unwrap_or("")
}

impl Drop for Quiet {
    fn drop(&mut self) {
        QUIET.set(false);
    }
}
