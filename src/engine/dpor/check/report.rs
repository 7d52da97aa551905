// SPDX-License-Identifier: GPL-2.0-only
//! What came of a check, for people.

use super::super::graphs::ExecutionGraph;
use crate::{
    engine::{Exploration, recording::Recording},
    sync::{engine::Action, operation},
};
use std::fmt;

/// What came of a check.
#[derive(Clone, Debug)]
pub struct Report {
    /// What the explorer says.
    pub exploration: Exploration,
    /// An execution that is no interleaving, and what its panic said.
    pub(super) weak: Option<(ExecutionGraph, String)>,
}

impl Report {
    /// Whether every execution was run, and none failed.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.exploration.complete && self.exploration.findings.is_empty()
    }

    /// Whether one failed.
    #[must_use]
    pub fn is_violated(&self) -> bool {
        !self.exploration.findings.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Exploration {
            executions,
            findings,
            reason,
            ..
        } = &self.exploration;
        let Some(finding) = findings.first() else {
            return match reason {
                None => write!(f, "holds in all of {executions} executions"),
                Some(reason) => write!(
                    f,
                    "undecided: {reason}. Where a thread loops until something changes, let it \
                     wait for that with wait_until() or wait_while()"
                ),
            };
        };
        write!(f, "{} in execution {}", finding.kind, finding.after)?;
        if let Some((graph, message)) = &self.weak {
            if !message.is_empty() {
                write!(f, "\n{message}")?;
            }
            writeln!(f, "\n\nNo interleaving shows it. The execution, by thread:")?;
            return by_thread(f, graph);
        }
        let recording = &finding.recording;
        if let Some(violation) = recording.violation(finding.kind) {
            let site = &violation.site;
            write!(f, "\n{}", violation.message)?;
            if !violation.object.is_empty() {
                write!(f, "\non {}", violation.object)?;
            }
            write!(f, "\nin {}", site.context)?;
            if !site.function.is_empty() {
                write!(f, " at {}", site.function)?;
            }
        }
        write!(f, "\n\n")?;
        in_order(f, recording)
    }
}

fn in_order(f: &mut fmt::Formatter<'_>, recording: &Recording) -> fmt::Result {
    let rows = recording.steps.iter().enumerate().map(|(index, step)| {
        let place = step.functions.last().copied().unwrap_or("");
        [
            (index + 1).to_string(),
            step.context.clone(),
            operation::name(step.action),
            step.object.clone(),
            saw(step.action, step.saw),
            place.to_owned(),
        ]
    });
    let head = ["step", "thread", "operation", "object", "saw", "at"];
    table(
        f,
        [head.map(str::to_owned)].into_iter().chain(rows).collect(),
    )
}

fn by_thread(f: &mut fmt::Formatter<'_>, graph: &ExecutionGraph) -> fmt::Result {
    let name = |thread: usize| match thread {
        0 => "main".to_owned(),
        number => format!("thread {number}"),
    };
    let mut rows =
        vec![["thread", "step", "operation", "object", "saw", "from"].map(str::to_owned)];
    for (thread, events) in graph.threads.iter().enumerate() {
        for (index, event) in events.iter().enumerate() {
            let reads = !saw(event.action, event.saw).is_empty();
            let from = match event.reads_from {
                Some((thread, place)) => format!("{}, step {}", name(thread), place + 1),
                None if reads => "the beginning".to_owned(),
                None => String::new(),
            };
            rows.push([
                name(thread),
                (index + 1).to_string(),
                operation::name(event.action),
                match event.object {
                    "thread" => String::new(),
                    object => object.to_owned(),
                },
                saw(event.action, event.saw),
                from,
            ]);
        }
    }
    table(f, rows)
}

/// What a step was answered, where that is something that it read.
fn saw(action: Action, saw: u64) -> String {
    let reads = matches!(
        action,
        Action::Load(_)
            | Action::Update(..)
            | Action::Await(..)
            | Action::AwaitUpdate(..)
            | Action::TryLock
            | Action::Choose(_)
    );
    match reads {
        true => saw.to_string(),
        false => String::new(),
    }
}

fn table<const N: usize>(f: &mut fmt::Formatter<'_>, rows: Vec<[String; N]>) -> fmt::Result {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<usize> = (0..N).map(|column| width(column).unwrap_or(0)).collect();
    for row in &rows {
        let mut line = String::new();
        for (cell, &width) in row.iter().zip(&widths) {
            line += &format!("{cell:width$}  ");
        }
        writeln!(f, "{}", line.trim_end())?;
    }
    Ok(())
}
