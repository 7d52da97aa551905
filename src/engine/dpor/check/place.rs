// SPDX-License-Identifier: GPL-2.0-only
//! Where in the source an operation is, and what an object is called: by where it was made.

use crate::sync;
use std::{cell::RefCell, collections::HashMap, panic::Location, path::Path, thread};

/// A line of the source.
type Line = (&'static str, u32);

thread_local! {
    /// The texts that were made of places, which live as long as the process: a program has as
    /// many as it has places where objects are made, times how many it makes there at a time.
    static TEXTS: RefCell<HashMap<(Line, &'static str, u32), &'static str>> = RefCell::default();
    /// How many objects of a kind this execution has made in a line.
    static MADE: RefCell<HashMap<(Line, &'static str), u32>> = RefCell::default();
}

/// Another execution begins on this OS thread.
pub(super) fn begin_execution() {
    MADE.with_borrow_mut(HashMap::clear);
}

/// The name of an object that the caller's caller makes now.
#[track_caller]
pub(super) fn name(kind: &'static str) -> &'static str {
    let place = Location::caller();
    let line = (place.file(), place.line());
    let number = MADE.with_borrow_mut(|made| {
        let number = made.entry((line, kind)).or_insert(0);
        *number += 1;
        *number
    });
    text(line, kind, number, || {
        let file = Path::new(place.file()).file_name();
        let file = file.map_or_else(String::new, |file| file.to_string_lossy().into_owned());
        match number {
            1 => format!("{kind} {file}:{}", line.1),
            number => format!("{kind} {file}:{} #{number}", line.1),
        }
    })
}

fn text(
    line: Line,
    kind: &'static str,
    number: u32,
    make: impl FnOnce() -> String,
) -> &'static str {
    TEXTS.with_borrow_mut(|texts| {
        let text = texts.entry((line, kind, number));
        *text.or_insert_with(|| Box::leak(make().into_boxed_str()))
    })
}

/// Perform an operation of the caller's caller. One of a destructor that runs because of a panic is
/// none: the execution is over with the panic, and `unwinding` is what it answers.
#[track_caller]
pub(super) fn step<R>(unwinding: R, operation: impl FnOnce() -> R) -> R {
    if thread::panicking() {
        return unwinding;
    }
    if !sync::engine(|engine| engine.records()) {
        return operation();
    }
    let place = Location::caller();
    let _function = sync::enter(text((place.file(), place.line()), "", 0, || {
        format!("{}:{}", place.file(), place.line())
    }));
    operation()
}
