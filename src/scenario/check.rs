// SPDX-License-Identifier: GPL-2.0-only
//! What a scenario's operations must not do, whatever the interleaving.
//!
//! The actors stand for correct callers: each makes its references before it uses them and drops
//! each of them once. An author who gets that wrong would see a violation that is his own. So a
//! file variable is made once; only the setup or the actor itself may have made what an actor
//! uses, since nothing makes one actor wait for another; and no two of them end the same one.

use super::{
    Client, Inode, Net,
    operation::{Operation, Statement},
};
use crate::json::{Diagnostic, Source, nearest, quote};

/// What is known of a file variable.
#[derive(Clone, Copy)]
struct Made {
    /// Who makes it: 0 for the setup, then the actors.
    sequence: usize,
    local: bool,
    directory: bool,
    /// The client's open file that it comes from.
    opened: Option<(usize, usize)>,
}

/// What has happened up to a point of a sequence.
#[derive(Clone)]
struct Past {
    made: Vec<bool>,
    ended: Vec<bool>,
    gone: Vec<bool>,
    started: Vec<bool>,
    unmounted: Vec<bool>,
}

pub(super) fn check(
    source: &Source<'_>,
    nets: &[Net],
    inodes: &[Inode],
    clients: &[Client],
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
                | Operation::AcquireDir { file, .. }
                | Operation::LocalIo { file, .. }
                | Operation::LocalOpen { file, .. } => {
                    if made[file].is_some() {
                        let message = format!("the file {} is made twice", quote(&files[file]));
                        return Err(source.error(statement.file_at, message));
                    }
                    let local = matches!(
                        statement.operation,
                        Operation::LocalOpen { .. } | Operation::LocalIo { .. }
                    );
                    made[file] = Some(Made {
                        sequence,
                        local,
                        directory: matches!(statement.operation, Operation::AcquireDir { .. }),
                        opened: match statement.operation {
                            Operation::LocalIo { client, inode, .. } => Some((client, inode)),
                            _ => None,
                        },
                    });
                }
                _ => {}
            }
        }
    }

    let mut checker = Checker {
        source,
        nets,
        inodes,
        clients,
        files,
        sequences: &sequences,
        actors,
        made,
        starters,
        ended: vec![false; files.len()],
        delegated: vec![false; files.len()],
        unmounted: vec![false; nets.len()],
    };
    let mut after_setup = Past {
        made: vec![false; files.len()],
        ended: vec![false; files.len()],
        gone: vec![false; clients.len()],
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
    inodes: &'c [Inode],
    clients: &'c [Client],
    files: &'c [String],
    sequences: &'c [&'c [Statement]],
    actors: &'c [(String, Vec<Statement>)],
    made: Vec<Option<Made>>,
    starters: Vec<Vec<usize>>,
    /// By anyone so far.
    ended: Vec<bool>,
    /// By anyone so far.
    delegated: Vec<bool>,
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
            Operation::Create { net }
            | Operation::StartFails { net, .. }
            | Operation::Stop { net }
            | Operation::Flush { net }
            | Operation::CloseExport { net, .. } => {
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
            | Operation::AcquireDir { file, net, .. }
            | Operation::LocalOpen { file, net, .. } => {
                self.net_is_started(sequence, net, statement, past)?;
                self.is_of_its_type(statement)?;
                past.made[file] = true;
            }
            Operation::CloseSync { net, .. }
            | Operation::Spawn { net }
            | Operation::Retire { net } => {
                self.net_is_started(sequence, net, statement, past)?;
            }
            Operation::Delegate { file } => {
                let is_directory = self.made[file].is_some_and(|made| made.directory);
                if self.made[file].is_some() && !is_directory {
                    let name = quote(&self.files[file]);
                    let message =
                        format!("{name} is no directory's: acquire_dir makes one that is");
                    return Err(self.source.error(statement.file_at, message));
                }
                self.uses(sequence, file, false, statement, past)?;
                // Who delegates a directory has a reference of its own.
                let puts = |statement: &Statement| statement.operation == Operation::Put { file };
                let mut others = self.sequences.iter().enumerate().skip(1);
                let putter = others.find(|(other, s)| *other != sequence && s.iter().any(puts));
                if let (true, Some((putter, _))) = (sequence != 0, putter) {
                    let (name, actor) = (&self.files[file], &self.actors[putter - 1].0);
                    let (name, actor) = (quote(name), quote(actor));
                    let message = format!("the directory {name} is put by another actor, {actor}");
                    return Err(self.source.error(statement.file_at, message));
                }
                if std::mem::replace(&mut self.delegated[file], true) {
                    let name = quote(&self.files[file]);
                    let message = format!("the directory {name} is delegated twice");
                    return Err(self.source.error(statement.file_at, message));
                }
            }
            Operation::Put { file } => {
                self.end(sequence, file, false, statement, past)?;
                past.ended[file] = true;
            }
            Operation::LocalDone { file } => {
                self.end(sequence, file, true, statement, past)?;
                past.ended[file] = true;
            }
            Operation::LocalIo { file, client, .. } => {
                self.client_is_there(client, statement, past)?;
                self.is_of_its_type(statement)?;
                past.made[file] = true;
            }
            Operation::LocalProbe { client }
            | Operation::LocalProbeKilled { client }
            | Operation::LocalDisable { client } => {
                self.client_is_there(client, statement, past)?;
            }
            Operation::LocalClose { client, inode } => {
                self.client_is_there(client, statement, past)?;
                let of_it = |operation: Operation| match operation {
                    Operation::LocalIo {
                        client: c,
                        inode: i,
                        ..
                    }
                    | Operation::LocalClose {
                        client: c,
                        inode: i,
                    } => (c, i) == (client, inode),
                    _ => false,
                };
                self.is_unused(sequence, client, Some(inode), statement, past, of_it)?;
            }
            Operation::LocalUmount { client } => {
                self.client_is_there(client, statement, past)?;
                let of_it = |operation: Operation| match operation {
                    Operation::LocalProbe { client: c }
                    | Operation::LocalProbeKilled { client: c }
                    | Operation::LocalIo { client: c, .. }
                    | Operation::LocalClose { client: c, .. }
                    | Operation::LocalDisable { client: c }
                    | Operation::LocalUmount { client: c } => c == client,
                    _ => false,
                };
                self.is_unused(sequence, client, None, statement, past, of_it)?;
                past.gone[client] = true;
            }
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

    fn client_is_there(
        &self,
        client: usize,
        statement: &Statement,
        past: &Past,
    ) -> Result<(), Diagnostic> {
        if !past.gone[client] {
            return Ok(());
        }
        let message = format!("the client {} was unmounted before", self.client(client));
        Err(self.source.error(statement.client_at, message))
    }

    fn client(&self, client: usize) -> String {
        quote(&self.clients[client].name)
    }

    /// A client closes a file, or goes away, only when nobody uses it any more: an I/O holds the
    /// open file, which holds the mount, which holds the client.
    fn is_unused(
        &self,
        sequence: usize,
        client: usize,
        inode: Option<usize>,
        statement: &Statement,
        past: &Past,
        of_it: impl Fn(Operation) -> bool,
    ) -> Result<(), Diagnostic> {
        let client_name = self.client(client);
        for (other, statements) in self.sequences.iter().enumerate() {
            let uses = |statement: &Statement| of_it(statement.operation);
            if other != 0 && other != sequence && sequence != 0 && statements.iter().any(uses) {
                let actor = quote(&self.actors[other - 1].0);
                let message = format!("the client {client_name} is used by another actor, {actor}");
                return Err(self.source.error(statement.client_at, message));
            }
        }
        for (file, made) in self.made.iter().enumerate() {
            let of_it = made
                .and_then(|made| made.opened)
                .is_some_and(|(c, i)| c == client && inode.is_none_or(|inode| i == inode));
            if of_it && past.made[file] && !past.ended[file] {
                let file = quote(&self.files[file]);
                let message = format!("the I/O {file} of the client {client_name} is not done");
                return Err(self.source.error(statement.client_at, message));
            }
        }
        Ok(())
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

    /// A file handle of another type is refused before the cache is touched.
    fn is_of_its_type(&self, statement: &Statement) -> Result<(), Diagnostic> {
        let (inode, directory) = match statement.operation {
            Operation::AcquireDir { inode, .. } => (inode, true),
            Operation::Acquire { inode, .. }
            | Operation::AcquireOpened { inode, .. }
            | Operation::LocalOpen { inode, .. }
            | Operation::LocalIo { inode, .. } => (inode, false),
            _ => return Ok(()),
        };
        if self.inodes[inode].directory == directory {
            return Ok(());
        }
        let name = quote(&self.inodes[inode].name);
        let message = match directory {
            true => format!("the inode {name} is no directory: it is not declared as one"),
            false => format!("the inode {name} is a directory, which acquire_dir opens"),
        };
        Err(self.source.error(statement.inode_at, message))
    }

    fn end(
        &mut self,
        sequence: usize,
        file: usize,
        local: bool,
        statement: &Statement,
        past: &Past,
    ) -> Result<(), Diagnostic> {
        self.uses(sequence, file, local, statement, past)?;
        self.ended[file] = true;
        Ok(())
    }

    /// The file is there, of the right sort, and was not put before.
    fn uses(
        &self,
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
                true if made.opened.is_some() => ("local_io", "local_done"),
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
        Ok(())
    }
}
