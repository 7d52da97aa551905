// SPDX-License-Identifier: GPL-2.0-only
//! What a scenario's operations must not do, whatever the interleaving.
//!
//! The actors stand for correct callers: each makes its references before it uses them and drops
//! each of them once. An author who gets that wrong would see a violation that is his own. So a
//! file variable is made once; only the setup or the actor itself may have made what an actor
//! uses, since nothing makes one actor wait for another; and no two of them end the same one.

use super::{
    Net,
    operation::{Operation, Statement},
};
use crate::json::{Diagnostic, Source, nearest, quote};

/// What is known of a file variable.
#[derive(Clone, Copy)]
struct Made {
    /// Who makes it: 0 for the setup, then the actors.
    sequence: usize,
    local: bool,
}

/// What has happened up to a point of a sequence.
#[derive(Clone)]
struct Past {
    made: Vec<bool>,
    started: Vec<bool>,
    unmounted: Vec<bool>,
}

pub(super) fn check(
    source: &Source<'_>,
    nets: &[Net],
    files: &[String],
    setup: &[Statement],
    actors: &[(String, Vec<Statement>)],
) -> Result<(), Diagnostic> {
    let sequences: Vec<&[Statement]> = std::iter::once(setup)
        .chain(actors.iter().map(|(_, statements)| &statements[..]))
        .collect();
    let mut made: Vec<Option<Made>> = vec![None; files.len()];
    let mut starters: Vec<Vec<usize>> = vec![Vec::new(); nets.len()];
    for (sequence, statements) in sequences.iter().enumerate() {
        for statement in *statements {
            match statement.operation {
                Operation::Start { net, .. } => starters[net].push(sequence),
                Operation::Acquire { file, .. }
                | Operation::AcquireOpened { file, .. }
                | Operation::LocalOpen { file, .. } => {
                    if made[file].is_some() {
                        let message = format!("the file {} is made twice", quote(&files[file]));
                        return Err(source.error(statement.file_at, message));
                    }
                    let local = matches!(statement.operation, Operation::LocalOpen { .. });
                    made[file] = Some(Made { sequence, local });
                }
                _ => {}
            }
        }
    }

    let mut checker = Checker {
        source,
        nets,
        files,
        actors,
        made,
        starters,
        ended: vec![false; files.len()],
        unmounted: vec![false; nets.len()],
    };
    let mut after_setup = Past {
        made: vec![false; files.len()],
        started: vec![false; nets.len()],
        unmounted: vec![false; nets.len()],
    };
    for (sequence, statements) in sequences.iter().enumerate() {
        let mut past = after_setup.clone();
        for statement in *statements {
            checker.statement(sequence, statement, &mut past)?;
        }
        if sequence == 0 {
            after_setup = past;
        }
    }
    Ok(())
}

struct Checker<'c> {
    source: &'c Source<'c>,
    nets: &'c [Net],
    files: &'c [String],
    actors: &'c [(String, Vec<Statement>)],
    made: Vec<Option<Made>>,
    starters: Vec<Vec<usize>>,
    /// By anyone so far.
    ended: Vec<bool>,
    /// By anyone so far.
    unmounted: Vec<bool>,
}

impl Checker<'_> {
    fn statement(
        &mut self,
        sequence: usize,
        statement: &Statement,
        past: &mut Past,
    ) -> Result<(), Diagnostic> {
        match statement.operation {
            Operation::Start { net, .. } => {
                self.net_is_there(net, statement, past)?;
                past.started[net] = true;
            }
            Operation::Stop { net } | Operation::Flush { net } => {
                self.net_is_there(net, statement, past)?;
            }
            Operation::Umount { net } => {
                self.net_is_there(net, statement, past)?;
                if self.unmounted[net] {
                    let message = format!("the net {} is unmounted twice", self.net(net));
                    return Err(self.source.error(statement.net_at, message));
                }
                self.unmounted[net] = true;
                past.unmounted[net] = true;
            }
            Operation::Acquire { file, net, .. }
            | Operation::AcquireOpened { file, net, .. }
            | Operation::LocalOpen { file, net, .. } => {
                self.net_is_started(sequence, net, statement, past)?;
                past.made[file] = true;
            }
            Operation::CloseSync { net, .. } => {
                self.net_is_started(sequence, net, statement, past)?;
            }
            Operation::Put { file } => self.end(sequence, file, false, statement, past)?,
            Operation::LocalDone { file } => self.end(sequence, file, true, statement, past)?,
            Operation::Gc
            | Operation::Shrink
            | Operation::SetLease { .. }
            | Operation::Unlink { .. } => {}
        }
        Ok(())
    }

    fn net(&self, net: usize) -> String {
        quote(&self.nets[net].name)
    }

    fn net_is_there(
        &self,
        net: usize,
        statement: &Statement,
        past: &Past,
    ) -> Result<(), Diagnostic> {
        if !past.unmounted[net] {
            return Ok(());
        }
        let message = format!("the net {} was unmounted before", self.net(net));
        Err(self.source.error(statement.net_at, message))
    }

    /// There is a server to serve the operation: it was started before, or by another actor and so
    /// perhaps before.
    fn net_is_started(
        &self,
        sequence: usize,
        net: usize,
        statement: &Statement,
        past: &Past,
    ) -> Result<(), Diagnostic> {
        self.net_is_there(net, statement, past)?;
        let by_other = |&starter: &usize| sequence != 0 && starter != 0 && starter != sequence;
        if past.started[net] || self.starters[net].iter().any(by_other) {
            return Ok(());
        }
        let message = format!("the net {} was not started before", self.net(net));
        Err(self.source.error(statement.net_at, message))
    }

    fn end(
        &mut self,
        sequence: usize,
        file: usize,
        local: bool,
        statement: &Statement,
        past: &Past,
    ) -> Result<(), Diagnostic> {
        let name = quote(&self.files[file]);
        let error = |message: String| Err(self.source.error(statement.file_at, message));
        let Some(made) = self.made[file] else {
            let names = self.files.iter().zip(&self.made);
            let names = names.filter_map(|(name, made)| made.and(Some(&**name)));
            return Err(Diagnostic {
                suggestion: nearest(&self.files[file], names),
                ..self
                    .source
                    .error(statement.file_at, format!("nothing makes the file {name}"))
            });
        };
        if made.sequence != 0 && made.sequence != sequence {
            let actor = quote(&self.actors[made.sequence - 1].0);
            return error(format!("the file {name} is made by another actor, {actor}"));
        }
        if !past.made[file] {
            return error(format!("the file {name} is used before it is made"));
        }
        if made.local != local {
            let (maker, right) = match made.local {
                true => ("local_open", "local_done"),
                false => ("acquire", "put"),
            };
            return Err(Diagnostic {
                suggestion: Some(right.to_owned()),
                ..self.source.error(
                    statement.operation_at,
                    format!(
                        "{} of the file {name}, which {maker} made",
                        statement.operation.name()
                    ),
                )
            });
        }
        if self.ended[file] {
            return error(format!("the file {name} is put twice"));
        }
        self.ended[file] = true;
        Ok(())
    }
}
