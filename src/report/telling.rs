// SPDX-License-Identifier: GPL-2.0-only
//! The steps of a recording in words, for the forms that tell a choice of them.

use super::{
    replay::Replay,
    words::{short, words},
};
use crate::{
    engine::recording::{RecordedViolation, Recording, Site, TraceStep},
    sync::{engine::Action, violation::ViolationKind},
};
use std::collections::{BTreeMap, BTreeSet};

/// Functions of nfsd and its neighbours begin like this. What else there is are primitives, which
/// say little without who calls them.
const OWN: [&str; 5] = ["nfsd", "__nfsd", "nfs_", "svc_", "expkey_"];

/// Tells the steps of a recording.
#[derive(Clone, Debug)]
pub struct Telling<'r> {
    recording: &'r Recording,
    names: BTreeMap<&'r str, &'r str>,
}

impl<'r> Telling<'r> {
    /// Of this recording.
    #[must_use]
    pub fn new(recording: &'r Recording) -> Self {
        let concurrent = recording.steps.iter().filter(|step| step.concurrent);
        Self {
            recording,
            names: short_names(concurrent.map(|step| &*step.object)),
        }
    }

    /// The step.
    #[must_use]
    pub fn step(&self, at: usize) -> &'r TraceStep {
        &self.recording.steps[at]
    }

    /// What an object is called.
    #[must_use]
    pub fn name(&self, object: &'r str) -> &'r str {
        self.names.get(object).copied().unwrap_or(object)
    }

    /// The last write before a step that it does not see, as it reads something older.
    #[must_use]
    pub fn unseen(&self, at: usize) -> Option<usize> {
        unseen(self.recording, at)
    }

    /// What the step does.
    #[must_use]
    pub fn words(&self, at: usize) -> String {
        let step = self.step(at);
        words(step, self.name(&step.object)).text
    }

    /// The function of nfsd that the step is in, or the outermost one where there is none; empty
    /// between functions.
    #[must_use]
    pub fn place(&self, at: usize) -> &'static str {
        place(&self.step(at).functions)
    }

    /// What the step does, in which primitive where [`Telling::place`] does not say it, and which write
    /// it does not see, if it reads something older.
    #[must_use]
    pub fn what(&self, at: usize) -> String {
        self.what_with(at, &|_| None)
    }

    /// The same, where the write that is not seen may have a number.
    #[must_use]
    pub fn what_with(&self, at: usize, number: &dyn Fn(usize) -> Option<usize>) -> String {
        let text = self.does(at);
        match self.unseen(at) {
            None => text,
            Some(write) => {
                let whose = match number(write) {
                    Some(number) => format!("({number})"),
                    None => self.step(write).context.clone(),
                };
                format!("{text}: the store of {whose} is not seen here")
            }
        }
    }

    fn does(&self, at: usize) -> String {
        let text = self.words(at);
        let innermost = self.step(at).functions.last().copied().unwrap_or("");
        let evident = innermost.is_empty()
            || innermost == self.place(at)
            || call(&text).is_some_and(|(called, _)| called == innermost);
        match evident {
            true => text,
            false => format!("{innermost}: {text}"),
        }
    }

    /// What the step does, as a link of a chain: the call, or else the function it is in.
    #[must_use]
    pub fn link(&self, at: usize) -> String {
        let text = self.words(at);
        if matches!(self.step(at).action, Action::GracePeriodEnd(_)) {
            return "end of a grace period".to_owned();
        }
        match call(&text) {
            // Which lock it is, is the point of a lock.
            Some((name, rest)) if name.ends_with("lock") => {
                let end = rest.find(')').map_or(rest.len(), |end| end + 1);
                format!("{name}{}", &rest[..end])
            }
            Some((name, _)) => name.to_owned(),
            None => match self.step(at).functions.last() {
                Some(function) => (*function).to_owned(),
                None => text,
            },
        }
    }
}

/// Where `call_rcu()` queued the callback that a context runs, if it runs one.
pub(super) fn queued<'r>(recording: &'r Recording, context: &str) -> Option<&'r Site> {
    let origin = recording.origins.get(context);
    origin.filter(|origin| origin.functions.last() == Some(&"call_rcu"))
}

/// The last write before a step that it does not see, as it reads something older.
pub(super) fn unseen(recording: &Recording, at: usize) -> Option<usize> {
    let step = &recording.steps[at];
    step.older?;
    let before = recording.steps[..at].iter().enumerate().rev();
    let mut writes = before.filter(|(_, s)| s.object == step.object && !only_reads(s.action));
    writes.next().map(|(at, _)| at)
}

/// A wait that nothing ends. It is no step, as it never comes to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wait<'v> {
    /// Who waits.
    pub context: &'v str,
    /// The function of nfsd that it is in.
    pub place: &'static str,
    /// What it waits in, and for what.
    pub what: String,
    /// All functions that it is in, outermost first.
    pub functions: &'v [&'static str],
    /// What it waits for.
    pub object: &'v str,
}

impl<'v> Wait<'v> {
    /// The wait that the violation is about, to be told after the steps. None where it is in what comes
    /// after the part where every interleaving counts.
    #[must_use]
    pub fn after_the_steps(replay: &'v Replay) -> Option<Self> {
        let wait = Self::of(replay.violation.as_ref()?);
        wait.filter(|wait| wait.context != "main")
    }

    /// The wait that a violation is about, if it is about one.
    #[must_use]
    pub fn of(violation: &'v RecordedViolation) -> Option<Self> {
        if violation.kind != ViolationKind::HungTask {
            return None;
        }
        let site = &violation.site;
        let place = place(&site.functions);
        let object = short(&violation.object);
        let what = match site.function {
            function if function == place || function.is_empty() => format!("waits for {object}"),
            function => format!("{function}({object})"),
        };
        Some(Self {
            context: &site.context,
            place,
            what: format!("{what}: for ever"),
            functions: &site.functions,
            object: &violation.object,
        })
    }
}

/// The innermost function of nfsd among these, which are outermost first; or the outermost one.
#[must_use]
pub fn place(functions: &[&'static str]) -> &'static str {
    let own = functions.iter().rev().find(|function| {
        let mut own = OWN.iter();
        own.any(|own| function.starts_with(own))
    });
    own.or(functions.first()).copied().unwrap_or("")
}

/// The name of a function that the text is a call of, and what follows the name.
fn call(text: &str) -> Option<(&str, &str)> {
    let at = text.find('(')?;
    let (name, rest) = text.split_at(at);
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    (!name.is_empty() && name.chars().all(is_name)).then_some((name, rest))
}

/// What each object is called: by its short name, where no other object has the same.
pub(super) fn short_names<'s>(
    objects: impl Iterator<Item = &'s str>,
) -> BTreeMap<&'s str, &'s str> {
    let objects: BTreeSet<&str> = objects.collect();
    let mut sharing: BTreeMap<&str, u32> = BTreeMap::new();
    for object in &objects {
        *sharing.entry(short(object)).or_default() += 1;
    }
    let name = |object| match sharing[short(object)] {
        1 => short(object),
        _ => object,
    };
    objects
        .into_iter()
        .map(|object| (object, name(object)))
        .collect()
}

/// Whether an action leaves its object as it is.
pub(super) fn only_reads(action: Action) -> bool {
    matches!(
        action,
        Action::Load(_)
            | Action::Await(..)
            | Action::Read
            | Action::ReadMarked
            | Action::Touch
            | Action::GracePeriodCount
    )
}
