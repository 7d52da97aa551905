// SPDX-License-Identifier: GPL-2.0-only
//! The space that is hunted in: all scenarios up to a size, smallest first, one of each class of
//! symmetric ones.
//!
//! A scenario is one of a few setups, each a state that a server is often in, and up to so many
//! actors that each run a sequence of up to so many operations. Actors are alike, so their order
//! does not matter; nor do the names of nets and inodes, where a setup treats them alike. Of each
//! class the first one in the order of enumeration is taken.
//!
//! What no correct caller does is refused, and so is what is the same as a smaller scenario because
//! one of its operations can do nothing. `refusal` has the rules.

use crate::scenario::{Actor, Client, Epilogue, Inode, Net, Open, Operation, Scenario};

/// How far the space goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// How many actors there are at most.
    pub actors: usize,
    /// How many operations each of them runs at most.
    pub operations: usize,
    /// How many nets there are at most.
    pub nets: usize,
    /// Whether the tree has `nfsd_file_close_export()`.
    pub close_export: bool,
    /// Whether it is about a client of LOCALIO and the control of its server, instead of the server
    /// alone.
    pub client: bool,
}

/// A state to begin in.
#[derive(Clone, Debug)]
pub struct Setup {
    /// What it is called in summaries.
    pub name: &'static str,
    nets: usize,
    inodes: usize,
    files: usize,
    clients: Vec<Client>,
    operations: Vec<Operation>,
}

/// In [`Setup::operations`], files are numbered as they appear; in a sequence of an actor, those of
/// the setup come first.
const NETS: [&str; 2] = ["A", "B"];
const INODES: [&str; 2] = ["i0", "i1"];
const FILES: [&str; 3] = ["x", "y", "z"];

fn start(net: usize) -> Operation {
    Operation::Start {
        net,
        threads: 1,
        min: 0,
    }
}

fn acquire(file: usize, net: usize, inode: usize, gc: bool) -> Operation {
    Operation::Acquire {
        file,
        net,
        inode,
        gc,
    }
}

/// What is done to a server from outside.
fn control(net: usize) -> [Operation; 4] {
    [
        start(net),
        Operation::Stop { net },
        Operation::Umount { net },
        Operation::Flush { net },
    ]
}

/// The setups with a client of the last of so many nets, all of which run, smallest first.
fn client_setups_with(nets: usize) -> Vec<Setup> {
    use Operation::{LocalDone, LocalIo, LocalProbe};
    let (probe, io) = (
        LocalProbe { client: 0 },
        LocalIo {
            file: 0,
            client: 0,
            inode: 0,
        },
    );
    let states: [(&'static str, Vec<Operation>); 4] = [
        ("client of a server", vec![]),
        ("client that knows its server", vec![probe]),
        (
            "client with a cached file",
            vec![probe, io, LocalDone { file: 0 }],
        ),
        ("client with I/O in flight", vec![probe, io]),
    ];
    let client = Client {
        name: "c".to_owned(),
        net: nets - 1,
    };
    let setups = states.into_iter().map(|(name, state)| {
        let operations = (0..nets).map(start).chain(state).collect();
        Setup::new(name, nets, vec![client.clone()], operations)
    });
    setups.collect()
}

/// The setups with so many nets, all but the last of which only run, smallest first.
fn setups_with(nets: usize) -> Vec<Setup> {
    use Operation::{Gc, LocalOpen, Put};
    let net = nets - 1;
    let idle = |file: usize, inode: usize| [acquire(file, net, inode, true), Put { file }];
    let states: [(&'static str, Vec<Operation>); 8] = [
        ("started", vec![]),
        ("held file", vec![acquire(0, net, 0, false)]),
        ("held file of the LRU", vec![acquire(0, net, 0, true)]),
        (
            "I/O in flight",
            vec![LocalOpen {
                file: 0,
                net,
                inode: 0,
            }],
        ),
        ("recently used file", idle(0, 0).to_vec()),
        ("idle file", [&idle(0, 0)[..], &[Gc]].concat()),
        (
            "idle file and I/O in flight",
            [
                &idle(0, 0)[..],
                &[
                    Gc,
                    LocalOpen {
                        file: 1,
                        net,
                        inode: 0,
                    },
                ],
            ]
            .concat(),
        ),
        (
            "two idle files",
            [&idle(0, 0)[..], &idle(1, 1), &[Gc]].concat(),
        ),
    ];
    let mut setups = Vec::new();
    if nets == 1 {
        setups.push(("not started", vec![]));
    }
    for (name, state) in states {
        let operations = (0..nets).map(start).chain(state);
        setups.push((name, operations.collect::<Vec<_>>()));
    }
    if nets == 2 {
        let mut operations = vec![start(0), start(1)];
        for net in 0..2 {
            operations.extend([acquire(net, net, 0, true), Put { file: net }]);
        }
        operations.push(Gc);
        setups.push(("an idle file of each net", operations));
    }
    let setups = setups.into_iter();
    let setups = setups.map(|(name, operations)| Setup::new(name, nets, Vec::new(), operations));
    setups.collect()
}

/// All setups, smallest first.
#[must_use]
pub fn setups(bounds: &Bounds) -> Vec<Setup> {
    let with = match bounds.client {
        true => client_setups_with,
        false => setups_with,
    };
    (1..=bounds.nets).flat_map(with).collect()
}

impl Setup {
    fn new(
        name: &'static str,
        nets: usize,
        clients: Vec<Client>,
        operations: Vec<Operation>,
    ) -> Self {
        let inodes = operations.iter().filter_map(|op| parts(op).inode);
        Self {
            name,
            nets,
            inodes: 1 + inodes.max().unwrap_or(0),
            files: operations.iter().filter(|op| parts(op).makes).count(),
            clients,
            operations,
        }
    }

    /// With the nets, where they matter.
    #[must_use]
    pub fn title(&self) -> String {
        match self.nets {
            1 => self.name.to_owned(),
            nets => format!("{}, {nets} nets", self.name),
        }
    }

    /// The operations, as a scenario has them.
    #[must_use]
    pub fn text(&self) -> Vec<String> {
        let scenario = self.scenario(&[]);
        let operations = scenario.setup.iter();
        operations
            .map(|operation| operation.display(&scenario).to_string())
            .collect()
    }

    /// Every operation that an actor may run, which has made `own` files.
    fn alphabet(&self, own: usize, bounds: &Bounds) -> Vec<Operation> {
        match bounds.client {
            true => self.client_alphabet(own),
            false => self.server_alphabet(own, bounds),
        }
    }

    fn client_alphabet(&self, own: usize) -> Vec<Operation> {
        let (new, client, inode) = (self.files + own, 0, 0);
        let mut all = vec![
            Operation::SetLease { inode },
            Operation::LocalProbe { client },
            Operation::LocalIo {
                file: new,
                client,
                inode,
            },
            Operation::LocalClose { client, inode },
            Operation::LocalDisable { client },
            Operation::LocalUmount { client },
        ];
        all.extend((0..self.nets).flat_map(control));
        all.extend((0..new).map(|file| Operation::LocalDone { file }));
        all
    }

    fn server_alphabet(&self, own: usize, bounds: &Bounds) -> Vec<Operation> {
        let mut all = vec![Operation::Gc, Operation::Shrink];
        for inode in 0..self.inodes {
            all.extend([Operation::SetLease { inode }, Operation::Unlink { inode }]);
        }
        let new = self.files + own;
        for net in 0..self.nets {
            all.extend(control(net));
            for inode in 0..self.inodes {
                all.extend([
                    acquire(new, net, inode, true),
                    acquire(new, net, inode, false),
                    Operation::AcquireOpened {
                        file: new,
                        net,
                        inode,
                    },
                    Operation::LocalOpen {
                        file: new,
                        net,
                        inode,
                    },
                    Operation::CloseSync { net, inode },
                ]);
                if bounds.close_export {
                    all.push(Operation::CloseExport { net, inode });
                }
            }
        }
        for file in 0..new {
            all.extend([Operation::Put { file }, Operation::LocalDone { file }]);
        }
        all
    }

    /// The sequences that are longer by one than those of `shorter`, as far as their actor alone can
    /// tell which it may run, sorted.
    fn longer(&self, shorter: &[Vec<Operation>], bounds: &Bounds) -> Vec<Vec<Operation>> {
        let mut longer = Vec::new();
        for sequence in shorter {
            let own = sequence.iter().filter(|op| parts(op).makes).count();
            for operation in self.alphabet(own, bounds) {
                let mut next = sequence.clone();
                next.push(operation);
                let next_alone = std::slice::from_ref(&next);
                if refusal(&self.clients, &self.operations, next_alone, true).is_none() {
                    longer.push(next);
                }
            }
        }
        longer.sort_by_key(|sequence| keys(sequence));
        longer
    }

    /// The ways to rename nets, inodes and files that leave the setup as it is.
    fn symmetries(&self) -> Vec<Renaming> {
        let orders = |count: usize| match count {
            2 => vec![vec![0, 1], vec![1, 0]],
            _ => vec![(0..count).collect()],
        };
        let sorted = |operations: &[Operation]| {
            let mut keys = keys(operations);
            keys.sort_unstable();
            keys
        };
        let mut symmetries = Vec::new();
        for nets in orders(self.nets) {
            if self
                .clients
                .iter()
                .any(|client| nets[client.net] != client.net)
            {
                continue;
            }
            for inodes in orders(self.inodes) {
                for files in orders(self.files) {
                    let renaming = Renaming {
                        nets: nets.clone(),
                        inodes: inodes.clone(),
                        files,
                    };
                    let renamed = self.operations.iter().map(|op| renaming.apply(op));
                    let renamed: Vec<_> = renamed.collect();
                    if sorted(&renamed) == sorted(&self.operations) {
                        symmetries.push(renaming);
                    }
                }
            }
        }
        symmetries
    }

    /// The scenario with these actors.
    fn scenario(&self, sequences: &[&Vec<Operation>]) -> Scenario {
        let names = |names: &[&str], count: usize| -> Vec<String> {
            names.iter().take(count).map(|&n| n.to_owned()).collect()
        };
        let mut files = names(&FILES, self.files);
        let mut actors: Vec<Actor> = Vec::new();
        for sequence in combine(self.files, sequences) {
            let base = role(sequence.first());
            let same = |actor: &&Actor| {
                let rest = actor.name.strip_prefix(base);
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
            };
            let name = match actors.iter().filter(same).count() {
                0 => base.to_owned(),
                count => format!("{base}-{}", count + 1),
            };
            for operation in &sequence {
                if parts(operation).makes {
                    files.push(format!("f{}", files.len() - self.files + 1));
                }
            }
            actors.push(Actor {
                name,
                operations: sequence,
            });
        }
        let mut scenario = Scenario {
            name: NAME.to_owned(),
            about: String::new(),
            source: String::new(),
            nets: names(&NETS, self.nets)
                .into_iter()
                .map(|name| Net { name, user: true })
                .collect(),
            inodes: names(&INODES, self.inodes)
                .into_iter()
                .map(|name| Inode {
                    name,
                    writeback_error: false,
                    open: Open::Ok,
                    flush_on_close: false,
                    directory: false,
                    leased: false,
                })
                .collect(),
            clients: self.clients.clone(),
            files,
            alloc_may_fail: false,
            gc_passes: 0,
            preempt_rcu: true,
            epilogue: Epilogue::Stop,
            setup: self.operations.clone(),
            actors,
            expect_rc11: Vec::new(),
            expect: Vec::new(),
        };
        give_threads(&mut scenario);
        scenario
    }
}

/// What scenarios are called until they are worth a name.
pub const NAME: &str = "hunted";

/// As many service threads as there are actors that send requests: all of them may be busy.
pub fn give_threads(scenario: &mut Scenario) {
    let actors = scenario.actors.iter();
    let senders = actors.filter(|actor| actor.operations.iter().any(|op| parts(op).request));
    let threads = senders.count().max(1) as u32;
    let actors = scenario
        .actors
        .iter_mut()
        .map(|actor| &mut actor.operations);
    for operation in std::iter::once(&mut scenario.setup).chain(actors).flatten() {
        if let Operation::Start { threads: t, .. } = operation {
            *t = threads;
        }
    }
}

/// Sequences whose own files are numbered from that of the setup on, with numbers of their own.
fn combine(setup: usize, sequences: &[&Vec<Operation>]) -> Vec<Vec<Operation>> {
    let mut made = 0;
    let mut combined = Vec::new();
    for sequence in sequences {
        let shift = made;
        let shifted = sequence.iter().map(|operation| {
            let mut operation = *operation;
            if let Some(file) = file_of(&mut operation)
                && *file >= setup
            {
                *file += shift;
            }
            operation
        });
        let shifted: Vec<_> = shifted.collect();
        made += shifted.iter().filter(|op| parts(op).makes).count();
        combined.push(shifted);
    }
    combined
}

/// Who runs what begins with this.
fn role(first: Option<&Operation>) -> &'static str {
    match first {
        Some(Operation::Start { .. }) => "nfsd-start",
        Some(Operation::Stop { .. }) => "nfsd-stop",
        Some(Operation::Umount { .. }) => "netns-exit",
        Some(Operation::LocalOpen { .. }) => "io-submission",
        Some(Operation::LocalDone { .. }) => "io-completion",
        Some(Operation::Gc) => "gc-worker",
        Some(Operation::Shrink) => "reclaim",
        Some(Operation::SetLease { .. }) => "lease",
        Some(Operation::Unlink { .. }) => "unlink",
        Some(Operation::Flush { .. }) => "export-flush",
        Some(Operation::CloseExport { .. }) => "export-close",
        Some(operation) if parts(operation).client.is_some() => "client",
        _ => "nfsd",
    }
}

/// What an operation is about.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Parts {
    pub(super) net: Option<usize>,
    pub(super) inode: Option<usize>,
    pub(super) file: Option<usize>,
    pub(super) client: Option<usize>,
    /// It makes the file.
    pub(super) makes: bool,
    /// It ends the file.
    pub(super) ends: bool,
    /// A service thread runs it.
    pub(super) request: bool,
    /// The task that controls a server runs it, and takes its mutex.
    pub(super) control: bool,
}

pub(super) fn parts(operation: &Operation) -> Parts {
    let none = Parts::default();
    match *operation {
        Operation::Create { net }
        | Operation::Start { net, .. }
        | Operation::Stop { net }
        | Operation::StartFails { net, .. }
        | Operation::Umount { net }
        | Operation::Flush { net } => Parts {
            net: Some(net),
            control: true,
            ..none
        },
        Operation::CloseExport { net, inode } => Parts {
            net: Some(net),
            inode: Some(inode),
            control: true,
            ..none
        },
        Operation::Acquire {
            file, net, inode, ..
        }
        | Operation::AcquireOpened { file, net, inode }
        | Operation::AcquireDir { file, net, inode } => Parts {
            net: Some(net),
            inode: Some(inode),
            file: Some(file),
            makes: true,
            request: true,
            ..none
        },
        Operation::LocalOpen { file, net, inode } => Parts {
            net: Some(net),
            inode: Some(inode),
            file: Some(file),
            makes: true,
            ..none
        },
        Operation::Put { file } => Parts {
            file: Some(file),
            ends: true,
            request: true,
            ..none
        },
        Operation::LocalDone { file } => Parts {
            file: Some(file),
            ends: true,
            ..none
        },
        Operation::CloseSync { net, inode } => Parts {
            net: Some(net),
            inode: Some(inode),
            request: true,
            ..none
        },
        Operation::Delegate { file } => Parts {
            file: Some(file),
            request: true,
            ..none
        },
        Operation::Spawn { net } | Operation::Retire { net } => Parts {
            net: Some(net),
            request: true,
            ..none
        },
        Operation::SetLease { inode } | Operation::Unlink { inode } => Parts {
            inode: Some(inode),
            ..none
        },
        Operation::Gc | Operation::Shrink => none,
        Operation::LocalProbe { client } | Operation::LocalProbeKilled { client } => Parts {
            client: Some(client),
            request: true,
            ..none
        },
        Operation::LocalIo {
            file,
            client,
            inode,
        } => Parts {
            inode: Some(inode),
            file: Some(file),
            client: Some(client),
            makes: true,
            request: true,
            ..none
        },
        Operation::LocalClose { client, inode } => Parts {
            inode: Some(inode),
            client: Some(client),
            ..none
        },
        Operation::LocalDisable { client } | Operation::LocalUmount { client } => Parts {
            client: Some(client),
            ..none
        },
    }
}

/// The net of an operation, to be changed.
pub(super) fn net_of(operation: &mut Operation) -> Option<&mut usize> {
    match operation {
        Operation::Create { net }
        | Operation::Start { net, .. }
        | Operation::StartFails { net, .. }
        | Operation::Stop { net }
        | Operation::Umount { net }
        | Operation::Flush { net }
        | Operation::CloseExport { net, .. }
        | Operation::Spawn { net }
        | Operation::Retire { net }
        | Operation::Acquire { net, .. }
        | Operation::AcquireOpened { net, .. }
        | Operation::AcquireDir { net, .. }
        | Operation::LocalOpen { net, .. }
        | Operation::CloseSync { net, .. } => Some(net),
        _ => None,
    }
}

/// The inode of an operation, to be changed.
pub(super) fn inode_of(operation: &mut Operation) -> Option<&mut usize> {
    match operation {
        Operation::CloseExport { inode, .. }
        | Operation::Acquire { inode, .. }
        | Operation::AcquireOpened { inode, .. }
        | Operation::AcquireDir { inode, .. }
        | Operation::LocalOpen { inode, .. }
        | Operation::CloseSync { inode, .. }
        | Operation::LocalIo { inode, .. }
        | Operation::LocalClose { inode, .. }
        | Operation::SetLease { inode }
        | Operation::Unlink { inode } => Some(inode),
        _ => None,
    }
}

/// The client of an operation, to be changed.
pub(super) fn client_of(operation: &mut Operation) -> Option<&mut usize> {
    match operation {
        Operation::LocalProbe { client }
        | Operation::LocalProbeKilled { client }
        | Operation::LocalIo { client, .. }
        | Operation::LocalClose { client, .. }
        | Operation::LocalDisable { client }
        | Operation::LocalUmount { client } => Some(client),
        _ => None,
    }
}

/// The file of an operation, to be changed.
pub(super) fn file_of(operation: &mut Operation) -> Option<&mut usize> {
    match operation {
        Operation::Acquire { file, .. }
        | Operation::AcquireOpened { file, .. }
        | Operation::AcquireDir { file, .. }
        | Operation::Delegate { file }
        | Operation::LocalOpen { file, .. }
        | Operation::LocalIo { file, .. }
        | Operation::Put { file }
        | Operation::LocalDone { file } => Some(file),
        _ => None,
    }
}

/// What operations are ordered by.
type Key = [usize; 5];

fn keys(operations: &[Operation]) -> Vec<Key> {
    operations.iter().map(key).collect()
}

fn key(operation: &Operation) -> Key {
    let kind = match operation {
        Operation::Gc => 0,
        Operation::Shrink => 1,
        Operation::SetLease { .. } => 2,
        Operation::Unlink { .. } => 3,
        Operation::CloseSync { .. } => 4,
        Operation::Acquire { gc: true, .. } => 5,
        Operation::Acquire { gc: false, .. } => 6,
        Operation::AcquireOpened { .. } => 7,
        Operation::LocalOpen { .. } => 8,
        Operation::Put { .. } => 9,
        Operation::LocalDone { .. } => 10,
        Operation::Flush { .. } => 11,
        Operation::CloseExport { .. } => 12,
        Operation::Stop { .. } => 13,
        Operation::Umount { .. } => 14,
        Operation::Start { .. } => 15,
        Operation::LocalProbe { .. } | Operation::LocalProbeKilled { .. } => 16,
        Operation::LocalIo { .. } => 17,
        Operation::LocalClose { .. } => 18,
        Operation::LocalDisable { .. } => 19,
        Operation::LocalUmount { .. } => 20,
        _ => 21,
    };
    let parts = parts(operation);
    let number = |part: Option<usize>| part.map_or(0, |part| part + 1);
    let [net, inode, file] = [parts.net, parts.inode, parts.file].map(number);
    [kind, net, inode, file, 0]
}

/// Other names for the same things.
#[derive(Clone, Debug)]
struct Renaming {
    nets: Vec<usize>,
    inodes: Vec<usize>,
    /// Of the setup.
    files: Vec<usize>,
}

impl Renaming {
    fn apply(&self, operation: &Operation) -> Operation {
        let mut renamed = *operation;
        if let Some(net) = net_of(&mut renamed) {
            *net = self.nets[*net];
        }
        if let Some(inode) = inode_of(&mut renamed) {
            *inode = self.inodes[*inode];
        }
        if let Some(file) = file_of(&mut renamed)
            && let Some(other) = self.files.get(*file)
        {
            *file = *other;
        }
        renamed
    }

    /// The actors by other names, in the order in which they would be enumerated.
    fn apply_all(&self, sequences: &[&Vec<Operation>]) -> Vec<(usize, Vec<Key>)> {
        let renamed = sequences.iter().map(|sequence| {
            let operations: Vec<_> = sequence.iter().map(|op| self.apply(op)).collect();
            order(&operations)
        });
        let mut renamed: Vec<_> = renamed.collect();
        renamed.sort();
        renamed
    }
}

/// What actors are ordered by: the long ones first.
fn order(sequence: &[Operation]) -> (usize, Vec<Key>) {
    (usize::MAX - sequence.len(), keys(sequence))
}

/// Why a scenario is not looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No correct caller does it.
    Invalid,
    /// An operation can do nothing, so that it is the same as a smaller one.
    Pointless,
}

/// Whether to refuse a scenario of this setup and these actors, beyond what
/// [`Scenario::parse`] refuses. Where it is `open`, other actors are still to come: what one of
/// them could make valid is not refused.
///
/// * A file is put once, and by `put` or `local_done` as it was taken.
/// * A net is unmounted once, and who else controls its server would hold on to it: no other actor
///   does while one unmounts it.
/// * The last link of an inode goes once.
/// * Requests go to a server that was started.
/// * A stop waits for the I/O in flight, so somebody else has to complete it, and who does has not
///   to wait for the mutex that the stop holds, nor for what a client does that waits for the stop.
#[must_use]
pub fn refusal(
    clients: &[Client],
    setup: &[Operation],
    actors: &[Vec<Operation>],
    open: bool,
) -> Option<Refusal> {
    let mut started = [false; 2];
    // By file: its net, and whether it is an I/O.
    let mut files: Vec<Option<(usize, bool)>> = Vec::new();
    let mut ended: Vec<bool> = Vec::new();
    let mut note = |operation: &Operation| {
        let parts = parts(operation);
        let net = parts
            .net
            .or_else(|| clients.get(parts.client?).map(|client| client.net));
        if let (true, Some(file), Some(net)) = (parts.makes, parts.file, net) {
            if files.len() <= file {
                files.resize(file + 1, None);
            }
            let is_io = matches!(
                operation,
                Operation::LocalOpen { .. } | Operation::LocalIo { .. }
            );
            files[file] = Some((net, is_io));
        }
    };
    setup.iter().for_each(&mut note);
    actors.iter().flatten().for_each(&mut note);
    ended.resize(files.len(), false);
    let mut unlinked = [false; 2];
    for operation in setup {
        match *operation {
            Operation::Start { net, .. } => started[net] = true,
            Operation::Stop { net } | Operation::Umount { net } => started[net] = false,
            Operation::Unlink { inode } => unlinked[inode] = true,
            _ => {}
        }
        if let (true, Some(file)) = (parts(operation).ends, parts(operation).file) {
            ended[file] = true;
        }
    }
    let starts = |actor: usize, net: usize| {
        let others = actors
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != actor);
        let mut operations = others.flat_map(|(_, operations)| operations);
        open || operations.any(|op| matches!(op, Operation::Start { net: n, .. } if *n == net))
    };
    let stops = |actor: usize, net: usize| {
        let others = actors
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != actor);
        let mut operations = others.flat_map(|(_, operations)| operations);
        open || operations.any(|op| matches!(op, Operation::Stop { net: n } if *n == net))
    };
    let mut unmounted: [Option<usize>; 2] = [None; 2];
    let mut pointless = false;
    for (actor, operations) in actors.iter().enumerate() {
        // As far as this actor knows: others may start and stop, too.
        let mut up = started;
        // By file: it was held while the mutex was waited for.
        let mut over_control = vec![false; files.len()];
        for operation in operations {
            let parts = parts(operation);
            let net = parts
                .net
                .or_else(|| parts.file.and_then(|f| files[f].map(|(net, _)| net)));
            if let Some(net) = net
                && parts.net.is_some()
                && unmounted[net] == Some(actor)
            {
                return Some(Refusal::Invalid);
            }
            match *operation {
                Operation::Umount { net } => {
                    if unmounted[net].is_some() {
                        return Some(Refusal::Invalid);
                    }
                    unmounted[net] = Some(actor);
                    up[net] = false;
                }
                Operation::Unlink { inode } => {
                    let twice = std::mem::replace(&mut unlinked[inode], true);
                    if twice {
                        return Some(Refusal::Invalid);
                    }
                }
                Operation::Start { net, .. } => {
                    pointless |= up[net] && !stops(actor, net);
                    up[net] = true;
                }
                Operation::Stop { net } => {
                    pointless |= !up[net] && !starts(actor, net);
                    up[net] = false;
                }
                Operation::Flush { net } | Operation::CloseExport { net, .. } => {
                    pointless |= !up[net] && !starts(actor, net);
                }
                Operation::LocalDone { file }
                    if over_control[file] || !matches!(files[file], Some((_, true))) =>
                {
                    return Some(Refusal::Invalid);
                }
                Operation::Put { file } if !matches!(files[file], Some((_, false))) => {
                    return Some(Refusal::Invalid);
                }
                _ => {}
            }
            let waits = parts.client.is_some() && !parts.makes;
            if parts.control || waits {
                over_control.fill(true);
            } else if let (true, Some(file)) = (parts.makes, parts.file) {
                over_control[file] = false;
            }
            // A client finds out by itself that nobody serves it.
            if !parts.control
                && parts.client.is_none()
                && let Some(net) = net
                && !matches!(operation, Operation::LocalDone { .. })
                && !up[net]
                && !starts(actor, net)
            {
                // Nobody serves it; where somebody did before, nothing happens.
                let before = started[net] || parts.ends;
                if !before {
                    return Some(Refusal::Invalid);
                }
                pointless = true;
            }
            if let (true, Some(file)) = (parts.ends, parts.file)
                && std::mem::replace(&mut ended[file], true)
            {
                return Some(Refusal::Invalid);
            }
        }
    }
    for (net, by) in unmounted.iter().enumerate() {
        let Some(by) = *by else { continue };
        let others = actors.iter().enumerate().filter(|(other, _)| *other != by);
        let mut operations = others.flat_map(|(_, operations)| operations);
        if operations.any(|op| parts(op).control && parts(op).net == Some(net)) {
            return Some(Refusal::Invalid);
        }
    }
    for (file, made) in files.iter().enumerate() {
        let Some((net, true)) = *made else { continue };
        let stop = |op: &Operation| matches!(op, Operation::Stop { net: n } | Operation::Umount { net: n } if *n == net);
        let makes = |op: &Operation| parts(op).makes && parts(op).file == Some(file);
        let own = actors
            .iter()
            .position(|operations| operations.iter().any(makes));
        let stopped = actors.iter().enumerate().any(|(actor, operations)| {
            let since = match own {
                // What it stops before it begins the I/O waits for something else.
                Some(own) if own == actor => operations.iter().position(makes).unwrap_or(0),
                _ => 0,
            };
            operations[since..].iter().any(stop)
        });
        if stopped && !ended[file] && !open {
            return Some(Refusal::Invalid);
        }
    }
    pointless.then_some(Refusal::Pointless)
}

/// A place in the order of enumeration.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Position {
    /// The number of operations of all actors, less one.
    size: usize,
    setup: usize,
    lengths: usize,
    indices: Vec<usize>,
}

/// What comes next.
#[derive(Debug)]
pub enum Next {
    /// A scenario, with the number of operations of its actors and the index of its setup.
    Scenario(Box<Scenario>, usize, usize),
    /// One that is refused, and the number of operations of its actors.
    Refused(Refusal, usize),
}

/// The scenarios of a space, smallest first.
#[derive(Debug)]
pub struct Space {
    bounds: Bounds,
    /// The setups.
    pub setups: Vec<Setup>,
    /// Of each setup, by length, as long as they were needed so far.
    sequences: Vec<Vec<Vec<Vec<Operation>>>>,
    symmetries: Vec<Vec<Renaming>>,
    position: Position,
}

impl Space {
    /// All of it.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        let setups = setups(&bounds);
        Self {
            sequences: setups.iter().map(|_| vec![vec![Vec::new()]]).collect(),
            symmetries: setups.iter().map(Setup::symmetries).collect(),
            setups,
            bounds,
            position: Position::default(),
        }
    }

    /// Where it is.
    #[must_use]
    pub fn position(&self) -> &Position {
        &self.position
    }

    /// Go on from where another one was. Returns whether there is such a place.
    #[must_use]
    pub fn go_to(&mut self, position: Position) -> bool {
        if position.size >= self.largest() {
            // At the end.
            self.position = position;
            return true;
        }
        self.make_sequences(position.size + 1);
        let lengths = self.lengths(position.size + 1);
        let there = match lengths.get(position.lengths) {
            _ if position.indices.is_empty() => true,
            Some(lengths) => {
                position.indices.len() == lengths.len()
                    && self.sequences.get(position.setup).is_some_and(|all| {
                        let mut pairs = position.indices.iter().zip(lengths);
                        pairs.all(|(index, length)| *index < all[*length].len())
                    })
            }
            None => false,
        };
        self.position = position;
        there
    }

    /// Make the sequences that scenarios of `size` operations need.
    fn make_sequences(&mut self, size: usize) {
        for (setup, all) in self.setups.iter().zip(&mut self.sequences) {
            while all.len() <= size.min(self.bounds.operations) {
                let longer = all.last().map(|last| setup.longer(last, &self.bounds));
                all.extend(longer);
            }
        }
    }

    /// How many operations the largest scenarios have.
    #[must_use]
    pub fn largest(&self) -> usize {
        self.bounds.actors * self.bounds.operations
    }

    /// The lengths of the actors' sequences that add up to `size`: few actors first, long ones
    /// before short ones.
    fn lengths(&self, size: usize) -> Vec<Vec<usize>> {
        fn extend(
            left: usize,
            most: usize,
            actors: usize,
            so_far: &mut Vec<usize>,
            all: &mut Vec<Vec<usize>>,
        ) {
            if left == 0 {
                all.push(so_far.clone());
                return;
            }
            if actors == 0 {
                return;
            }
            for length in (1..=most.min(left)).rev() {
                so_far.push(length);
                extend(left - length, length, actors - 1, so_far, all);
                so_far.pop();
            }
        }
        let mut all = Vec::new();
        let Bounds {
            actors, operations, ..
        } = self.bounds;
        extend(size, operations, actors, &mut Vec::new(), &mut all);
        all.sort_by_key(Vec::len);
        all
    }

    /// The next tuple of sequences, whatever it is: the setup and the lengths.
    fn advance(&mut self) -> Option<(usize, Vec<usize>)> {
        loop {
            let size = self.position.size + 1;
            if size > self.largest() {
                return None;
            }
            self.make_sequences(size);
            let all = self.lengths(size);
            if self.position.setup == self.setups.len() {
                self.position = Position {
                    size,
                    ..Position::default()
                };
                continue;
            }
            let Some(lengths) = all.get(self.position.lengths) else {
                self.position.setup += 1;
                self.position.lengths = 0;
                self.position.indices.clear();
                continue;
            };
            let counts = &self.sequences[self.position.setup];
            if next_indices(&mut self.position.indices, lengths, |length| {
                counts[length].len()
            }) {
                return Some((self.position.setup, lengths.clone()));
            }
            self.position.lengths += 1;
            self.position.indices.clear();
        }
    }
}

/// The next indices in order, where those of the same length do not go down: the order of actors
/// does not matter. Empty ones are before the first.
fn next_indices(
    indices: &mut Vec<usize>,
    lengths: &[usize],
    count: impl Fn(usize) -> usize,
) -> bool {
    if lengths.iter().any(|length| count(*length) == 0) {
        return false;
    }
    if indices.is_empty() {
        indices.resize(lengths.len(), 0);
        return true;
    }
    for at in (0..lengths.len()).rev() {
        if indices[at] + 1 < count(lengths[at]) {
            indices[at] += 1;
            for later in at + 1..lengths.len() {
                let same = lengths[later] == lengths[later - 1];
                indices[later] = if same { indices[later - 1] } else { 0 };
            }
            return true;
        }
    }
    false
}

impl Iterator for Space {
    type Item = Next;

    fn next(&mut self) -> Option<Next> {
        loop {
            let (index, lengths) = self.advance()?;
            let size = lengths.iter().sum();
            let indices = lengths.iter().zip(&self.position.indices);
            let sequences = indices.map(|(length, at)| &self.sequences[index][*length][*at]);
            let sequences: Vec<_> = sequences.collect();
            let order: Vec<_> = sequences.iter().map(|sequence| order(sequence)).collect();
            let mut symmetries = self.symmetries[index].iter();
            if symmetries.any(|renaming| renaming.apply_all(&sequences) < order) {
                continue;
            }
            let setup = &self.setups[index];
            let combined = combine(setup.files, &sequences);
            let refused = refusal(&setup.clients, &setup.operations, &combined, false);
            return Some(match refused {
                Some(refusal) => Next::Refused(refusal, size),
                None => {
                    let scenario = setup.scenario(&sequences);
                    Next::Scenario(Box::new(scenario), size, index)
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// The smallest of the names that a scenario may go by.
    fn canonical(setup: &Setup, sequences: &[&Vec<Operation>]) -> Vec<(usize, Vec<Key>)> {
        let symmetries = setup.symmetries();
        let all = symmetries.iter().map(|names| names.apply_all(sequences));
        all.min().expect("one of them changes nothing")
    }

    /// Against all tuples of operations, whatever the names and the order of the actors.
    #[test]
    fn no_scenario_is_missing() {
        let server = Bounds {
            actors: 2,
            operations: 1,
            nets: 2,
            close_export: true,
            client: false,
        };
        none_is_missing(server, 2_000);
        none_is_missing(
            Bounds {
                client: true,
                ..server
            },
            300,
        );
    }

    fn none_is_missing(bounds: Bounds, at_least: usize) {
        let mut expected = BTreeSet::new();
        for (index, setup) in setups(&bounds).iter().enumerate() {
            let alphabet = setup.alphabet(0, &bounds);
            let mut add = |sequences: &[&Vec<Operation>]| {
                let combined = combine(setup.files, sequences);
                if refusal(&setup.clients, &setup.operations, &combined, false).is_none() {
                    expected.insert((index, canonical(setup, sequences)));
                }
            };
            for one in alphabet.iter().map(|op| vec![*op]) {
                add(&[&one]);
                for other in alphabet.iter().map(|op| vec![*op]) {
                    add(&[&one, &other]);
                }
            }
        }
        let mut made = BTreeSet::new();
        for next in Space::new(bounds) {
            let Next::Scenario(scenario, _, index) = next else {
                continue;
            };
            let setup = setups(&bounds).swap_remove(index);
            // With numbers of their own again.
            let mut first = setup.files;
            let sequences = scenario.actors.iter().map(|actor| {
                let mut operations = actor.operations.clone();
                let own = operations.iter().filter(|op| parts(op).makes).count();
                for operation in &mut operations {
                    if let Some(file) = file_of(operation)
                        && *file >= setup.files
                    {
                        *file = *file - first + setup.files;
                    }
                    if let Operation::Start { threads, .. } = operation {
                        *threads = 1;
                    }
                }
                first += own;
                operations
            });
            let sequences: Vec<_> = sequences.collect();
            let sequences: Vec<_> = sequences.iter().collect();
            assert!(made.insert((index, canonical(&setup, &sequences))), "twice");
        }
        assert!(made.len() > at_least, "{}", made.len());
        assert_eq!(made, expected);
    }

    /// What is made is what the checker of scenarios accepts. Of clients, it knows rules that are not
    /// told apart here: a hunt counts what it refuses.
    #[test]
    fn what_is_made_is_valid() {
        let server = Bounds {
            actors: 2,
            operations: 2,
            nets: 2,
            close_export: true,
            client: false,
        };
        check_what_is_made(server, 97);
        check_what_is_made(
            Bounds {
                client: true,
                ..server
            },
            7,
        );
    }

    fn check_what_is_made(bounds: Bounds, step: usize) {
        // What only the checker knows of clients.
        let known = [
            "is used by another actor",
            "was unmounted before",
            "is not done",
        ];
        let scenarios = Space::new(bounds).filter_map(|next| match next {
            Next::Scenario(scenario, ..) => Some(scenario),
            Next::Refused(..) => None,
        });
        let (mut checked, mut refused) = (0, 0);
        // Every so many: there are hundreds of thousands.
        for scenario in scenarios.step_by(step).take(3_000) {
            let text = scenario.to_json();
            let file = format!("{NAME}.json");
            let parsed = Scenario::parse(&file, text.as_bytes(), &[]);
            checked += 1;
            match parsed {
                Err(error) if bounds.client => {
                    let error = error.to_string();
                    let is_known = known.iter().any(|known| error.contains(known));
                    assert!(is_known, "{error}: {text}");
                    refused += 1;
                }
                parsed => assert_eq!(parsed.as_ref(), Ok(&*scenario), "{text}"),
            }
        }
        assert!(checked - refused > 1_000, "{checked} {refused}");
    }

    #[test]
    fn a_place_in_the_order_is_found_again() {
        let bounds = Bounds {
            actors: 2,
            operations: 2,
            nets: 1,
            close_export: false,
            client: false,
        };
        let mut space = Space::new(bounds);
        let text = |next: Option<Next>| format!("{next:?}");
        for _ in 0..20 {
            let mut again = Space::new(bounds);
            assert!(again.go_to(space.position().clone()));
            assert_eq!(text(again.next()), text(space.next()));
            // Some way on.
            assert!(space.nth(150).is_some());
        }
    }
}
