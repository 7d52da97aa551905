// SPDX-License-Identifier: GPL-2.0-only
//! Operations: what an actor or the setup of a scenario may run.
//!
//! An operation is one entry into the kernel from outside, written as a short line such as
//! `x = acquire B i0 gc`. Whoever knows the kernel may write the entry point instead,
//! `x = nfsd_file_acquire_gc B i0`: it is the same operation, and prints as the short line. In
//! memory names are indices into the scenario's tables, so that running an operation looks
//! nothing up.
//!
//! A variable such as `x` stands for one reference: one operation makes it, one at most ends it.
//! An NFS client has one open context for each inode: the first `local_io` opens it, and what it
//! caches is no variable.

use super::{Client, Inode, Net, Scenario};
use crate::json::{Diagnostic, Source, Text, quote};
use std::{collections::BTreeMap, fmt, ops::RangeInclusive};

/// How many service threads a net may be started with.
pub const THREADS: RangeInclusive<u32> = 1..=8;

/// An operation. Nets, inodes and files are indices into [`Scenario::nets`],
/// [`Scenario::inodes`] and [`Scenario::files`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Create the server of a net, with a listener and no threads.
    Create {
        /// The net.
        net: usize,
    },
    /// Start the server of a net.
    Start {
        /// The net.
        net: usize,
        /// How many service threads, at most.
        threads: u32,
        /// How many it starts with and never goes below, where they come and go; else 0.
        min: u32,
    },
    /// Start the server of a net, which fails.
    StartFails {
        /// The net.
        net: usize,
        /// Where.
        step: StartStep,
    },
    /// Stop the server of a net.
    Stop {
        /// The net.
        net: usize,
    },
    /// Stop the server of a net and drop the stopping task's reference on the net.
    Umount {
        /// The net.
        net: usize,
    },
    /// Take a file from the cache in a service thread.
    Acquire {
        /// The variable that the reference goes to.
        file: usize,
        /// The net.
        net: usize,
        /// The inode.
        inode: usize,
        /// The file is to stay in the cache until it is collected.
        gc: bool,
    },
    /// Take a file in a service thread that has opened it itself.
    AcquireOpened {
        /// The variable that the reference goes to.
        file: usize,
        /// The net.
        net: usize,
        /// The inode.
        inode: usize,
    },
    /// Open a directory in a service thread.
    AcquireDir {
        /// The variable that the reference goes to.
        file: usize,
        /// The net.
        net: usize,
        /// The directory.
        inode: usize,
    },
    /// Delegate a directory to a client. The delegation ends with the put of the file.
    Delegate {
        /// The variable.
        file: usize,
    },
    /// Put what `acquire` took.
    Put {
        /// The variable.
        file: usize,
    },
    /// Take a file and a reference on the net's server, for one LOCALIO I/O.
    LocalOpen {
        /// The variable that the pair goes to.
        file: usize,
        /// The net.
        net: usize,
        /// The inode.
        inode: usize,
    },
    /// The LOCALIO I/O is complete: put what `local_open` took.
    LocalDone {
        /// The variable.
        file: usize,
    },
    /// An NFS client asks its server whether it is local.
    LocalProbe {
        /// The client.
        client: usize,
    },
    /// The same, by a task that is killed while it waits for the answer.
    LocalProbeKilled {
        /// The client.
        client: usize,
    },
    /// Begin a LOCALIO I/O of a client, through the file that it caches.
    LocalIo {
        /// The variable that the pair goes to.
        file: usize,
        /// The client.
        client: usize,
        /// The inode.
        inode: usize,
    },
    /// A client closes its open file of an inode.
    LocalClose {
        /// The client.
        client: usize,
        /// The inode.
        inode: usize,
    },
    /// A client stops using LOCALIO.
    LocalDisable {
        /// The client.
        client: usize,
    },
    /// A client unmounts: it closes what it has open and goes away.
    LocalUmount {
        /// The client.
        client: usize,
    },
    /// One pass of the laundrette.
    Gc,
    /// One scan of the shrinker.
    Shrink,
    /// Somebody takes a lease on an inode.
    SetLease {
        /// The inode.
        inode: usize,
    },
    /// The last link of an inode goes.
    Unlink {
        /// The inode.
        inode: usize,
    },
    /// A service thread closes the cached files of an inode and waits for it.
    CloseSync {
        /// The net.
        net: usize,
        /// The inode.
        inode: usize,
    },
    /// The export table of a net is flushed.
    Flush {
        /// The net.
        net: usize,
    },
    /// An export of a net goes away.
    CloseExport {
        /// The net.
        net: usize,
        /// An inode that is in it.
        inode: usize,
    },
    /// A service thread of a net that has found no other idle begins one more.
    Spawn {
        /// The net.
        net: usize,
    },
    /// A service thread of a net that has had nothing to do for a while ends.
    Retire {
        /// The net.
        net: usize,
    },
}

/// Where the start of a server fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StartStep {
    /// In `nfsd_file_cache_init()`, at its last allocation. Where the cache is up, nothing fails.
    Cache,
    /// In `nfs4_state_start()`, which comes behind it. Where the cache is up, nothing fails.
    State,
    /// In `lockd_up()`, before there is anything of the net.
    Lockd,
    /// In `nfs4_state_start_net()`, the last step.
    Net,
}

impl StartStep {
    /// All of them, in the order in which a start comes to them.
    pub const ALL: [Self; 4] = [Self::Cache, Self::State, Self::Lockd, Self::Net];

    /// The word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Cache => "cache",
            Self::State => "state",
            Self::Lockd => "lockd",
            Self::Net => "net",
        }
    }
}

/// An operation as it is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OperationInfo {
    /// The word that it begins with.
    pub name: &'static str,
    /// How it is written.
    pub syntax: &'static str,
    /// The kernel's entry points, which are accepted in place of the name. An `acquire` by such
    /// a name takes no `gc`: the name says it.
    pub aliases: &'static [&'static str],
    /// Which task runs it.
    pub context: &'static str,
    /// What it does.
    pub about: &'static str,
}

/// All operations, in the order in which they are listed.
pub const OPERATIONS: &[OperationInfo] = &[
    OperationInfo {
        name: "create",
        syntax: "create NET",
        aliases: &["nfsd_create_serv"],
        context: "the task that controls the server; sleeps, holds nfsd_mutex",
        about: "create the server of NET and its listener, without bringing the net up",
    },
    OperationInfo {
        name: "start",
        syntax: "start NET [threads N [min M]]",
        aliases: &["nfsd_svc", "nfsd_startup_net"],
        context: "the task that controls the server; sleeps, holds nfsd_mutex",
        about: "create the server of NET, bring the net up and start N service threads, or one; with min, M of up to N",
    },
    OperationInfo {
        name: "start_fails",
        syntax: "start_fails NET STEP",
        aliases: &[],
        context: "the task that controls the server; sleeps, holds nfsd_mutex",
        about: "start the server of NET, fail at STEP (cache, state, lockd or net), and undo what was done before it",
    },
    OperationInfo {
        name: "stop",
        syntax: "stop NET",
        aliases: &[
            "nfsd_shutdown_threads",
            "nfsd_destroy_serv",
            "nfsd_shutdown_net",
        ],
        context: "the task that controls the server; sleeps, holds nfsd_mutex",
        about: "stop the service threads of NET, shut the net down and free the server",
    },
    OperationInfo {
        name: "umount",
        syntax: "umount NET",
        aliases: &["nfsd_umount"],
        context: "the task that unmounts nfsdfs; sleeps, holds nfsd_mutex while it stops",
        about: "stop NET, then drop the mount's reference on the namespace; the last one destroys it",
    },
    OperationInfo {
        name: "acquire",
        syntax: "FILE = acquire NET INODE [gc]",
        aliases: &["nfsd_file_acquire_gc", "nfsd_file_acquire"],
        context: "a service thread of NET; sleeps",
        about: "find INODE's file in the cache or open it; with gc it stays there for the next one",
    },
    OperationInfo {
        name: "acquire_opened",
        syntax: "FILE = acquire_opened NET INODE",
        aliases: &["nfsd_file_acquire_opened"],
        context: "a service thread of NET; sleeps",
        about: "find INODE's file in the cache, or put the one there that an OPEN has just opened",
    },
    OperationInfo {
        name: "acquire_dir",
        syntax: "FILE = acquire_dir NET INODE",
        aliases: &["nfsd_file_acquire_dir"],
        context: "a service thread of NET; sleeps",
        about: "find the file of the directory INODE in the cache or open it",
    },
    OperationInfo {
        name: "delegate",
        syntax: "delegate FILE",
        aliases: &["nfsd_get_dir_deleg"],
        context: "a service thread of the file's net; sleeps",
        about: "give a client a delegation of the directory that acquire_dir took; it ends before the put of FILE",
    },
    OperationInfo {
        name: "put",
        syntax: "put FILE",
        aliases: &["nfsd_file_put"],
        context: "a service thread of the file's net; sleeps",
        about: "drop the reference that acquire, acquire_opened or acquire_dir took",
    },
    OperationInfo {
        name: "local_open",
        syntax: "FILE = local_open NET INODE",
        aliases: &["nfsd_open_local_fh", "nfsd_file_acquire_local"],
        context: "a task of the NFS client that submits a LOCALIO I/O; sleeps",
        about: "take a reference on NET's server and a file of INODE, the pair that one I/O holds",
    },
    OperationInfo {
        name: "local_done",
        syntax: "local_done FILE",
        aliases: &["nfsd_file_put_local", "nfs_to_nfsd_file_put_local"],
        context: "the client's workqueue, where a LOCALIO I/O completes; sleeps",
        about: "drop the pair that local_open or local_io took",
    },
    OperationInfo {
        name: "local_probe",
        syntax: "local_probe CLIENT [killed]",
        aliases: &["nfs_local_probe", "nfs_uuid_is_local"],
        context: "a task of the NFS client, and a service thread that answers it; sleeps",
        about: "let CLIENT ask its server whether it is local, and know it from then on; killed, it does not wait for the answer",
    },
    OperationInfo {
        name: "local_io",
        syntax: "FILE = local_io CLIENT INODE",
        aliases: &["nfs_local_open_fh", "nfs_open_local_fh"],
        context: "a task of the NFS client that submits a LOCALIO I/O; sleeps",
        about: "take a pair for one I/O, through the file of INODE that CLIENT caches, or caches now (on v6.12 it caches none)",
    },
    OperationInfo {
        name: "local_close",
        syntax: "local_close CLIENT INODE",
        aliases: &["nfs_close_local_fh"],
        context: "a task of the NFS client that closes a file; sleeps",
        about: "drop what CLIENT caches of INODE",
    },
    OperationInfo {
        name: "local_disable",
        syntax: "local_disable CLIENT",
        aliases: &["nfs_localio_disable_client", "nfs_uuid_put"],
        context: "a task of the NFS client; sleeps",
        about: "let CLIENT forget its server and drop all that it caches; it may ask again",
    },
    OperationInfo {
        name: "local_umount",
        syntax: "local_umount CLIENT",
        aliases: &["nfs_free_client"],
        context: "a task that unmounts the client's last mount; sleeps",
        about: "close all files of CLIENT, let it forget its server, and free it",
    },
    OperationInfo {
        name: "gc",
        syntax: "gc",
        aliases: &["nfsd_file_gc_worker", "nfsd_file_gc"],
        context: "the laundrette, a delayed work with one instance; sleeps",
        about: "one pass of the laundrette over the LRU, now",
    },
    OperationInfo {
        name: "shrink",
        syntax: "shrink",
        aliases: &["nfsd_file_lru_scan"],
        context: "kswapd or a task in direct reclaim; does not sleep",
        about: "one scan of the shrinker over the LRU",
    },
    OperationInfo {
        name: "setlease",
        syntax: "setlease INODE",
        aliases: &["nfsd_file_lease_notifier_call"],
        context: "a local task that takes a lease, in the notifier's SRCU read section; sleeps",
        about: "close the cached files of INODE, since somebody takes a lease on it",
    },
    OperationInfo {
        name: "unlink",
        syntax: "unlink INODE",
        aliases: &["nfsd_file_fsnotify_handle_event"],
        context: "a task that removes the last link, in fsnotify's SRCU read section; sleeps",
        about: "close the cached files of INODE, since its last link goes",
    },
    OperationInfo {
        name: "close_sync",
        syntax: "close_sync NET INODE",
        aliases: &["nfsd_file_close_inode_sync"],
        context: "a service thread of NET; sleeps",
        about: "close and free the cached files of INODE before a file is removed or renamed",
    },
    OperationInfo {
        name: "flush",
        syntax: "flush NET",
        aliases: &["expkey_flush", "nfsd_file_cache_purge"],
        context: "a task that writes to the flush file of NET's exports; sleeps, holds nfsd_mutex",
        about: "close all cached files of NET while its threads go on",
    },
    OperationInfo {
        name: "close_export",
        syntax: "close_export NET INODE",
        aliases: &["nfsd_file_close_export"],
        context: "the task that controls the server; sleeps, holds its mutex",
        about: "close NET's cached files of INODE, since its export goes away",
    },
    OperationInfo {
        name: "spawn",
        syntax: "spawn NET",
        aliases: &["svc_new_thread"],
        context: "a service thread of NET; tries the mutex of who controls the server",
        about: "a service thread that takes work and finds no other one idle begins one more, if there may be more",
    },
    OperationInfo {
        name: "retire",
        syntax: "retire NET",
        aliases: &["svc_exit_thread"],
        context: "a service thread of NET; tries the mutex of who controls the server, and exits with it",
        about: "a service thread that has had nothing to do for five seconds ends, if there are more than the least",
    },
];

impl OperationInfo {
    /// The operation of that name or alias.
    #[must_use]
    pub fn from_name(name: &str) -> Option<&'static Self> {
        OPERATIONS
            .iter()
            .find(|info| info.name == name || info.aliases.contains(&name))
    }
}

impl Operation {
    /// How it is listed.
    ///
    /// # Panics
    ///
    /// Never: each operation is in the table.
    #[must_use]
    pub fn info(&self) -> &'static OperationInfo {
        OperationInfo::from_name(self.name()).expect("each operation is in the table")
    }

    /// The word that it begins with.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Create { .. } => "create",
            Self::Start { .. } => "start",
            Self::StartFails { .. } => "start_fails",
            Self::Stop { .. } => "stop",
            Self::Umount { .. } => "umount",
            Self::Acquire { .. } => "acquire",
            Self::AcquireOpened { .. } => "acquire_opened",
            Self::AcquireDir { .. } => "acquire_dir",
            Self::Delegate { .. } => "delegate",
            Self::Put { .. } => "put",
            Self::LocalOpen { .. } => "local_open",
            Self::LocalDone { .. } => "local_done",
            Self::LocalProbe { .. } | Self::LocalProbeKilled { .. } => "local_probe",
            Self::LocalIo { .. } => "local_io",
            Self::LocalClose { .. } => "local_close",
            Self::LocalDisable { .. } => "local_disable",
            Self::LocalUmount { .. } => "local_umount",
            Self::Gc => "gc",
            Self::Shrink => "shrink",
            Self::SetLease { .. } => "setlease",
            Self::Unlink { .. } => "unlink",
            Self::CloseSync { .. } => "close_sync",
            Self::Flush { .. } => "flush",
            Self::CloseExport { .. } => "close_export",
            Self::Spawn { .. } => "spawn",
            Self::Retire { .. } => "retire",
        }
    }

    /// The operation as it is written, with the names of its scenario.
    #[must_use]
    pub fn display<'s>(&self, scenario: &'s Scenario) -> DisplayOperation<'s> {
        DisplayOperation {
            operation: *self,
            scenario,
        }
    }
}

/// Prints an operation as it is written; see [`Operation::display`].
#[derive(Clone, Copy, Debug)]
pub struct DisplayOperation<'s> {
    operation: Operation,
    scenario: &'s Scenario,
}

impl fmt::Display for DisplayOperation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.operation.name();
        let net = |net: usize| &self.scenario.nets[net].name;
        let inode = |inode: usize| &self.scenario.inodes[inode].name;
        let file = |file: usize| &self.scenario.files[file];
        let client = |client: usize| &self.scenario.clients[client].name;
        match self.operation {
            Operation::Start {
                net: n,
                threads,
                min,
            } => {
                write!(f, "{name} {}", net(n))?;
                if threads != 1 {
                    write!(f, " threads {threads}")?;
                }
                match min {
                    0 => Ok(()),
                    min => write!(f, " min {min}"),
                }
            }
            Operation::StartFails { net: n, step } => {
                write!(f, "{name} {} {}", net(n), step.name())
            }
            Operation::Create { net: n }
            | Operation::Stop { net: n }
            | Operation::Umount { net: n }
            | Operation::Spawn { net: n }
            | Operation::Retire { net: n }
            | Operation::Flush { net: n } => {
                write!(f, "{name} {}", net(n))
            }
            Operation::Acquire {
                file: x,
                net: n,
                inode: i,
                gc,
            } => {
                let gc = if gc { " gc" } else { "" };
                write!(f, "{} = {name} {} {}{gc}", file(x), net(n), inode(i))
            }
            Operation::AcquireOpened {
                file: x,
                net: n,
                inode: i,
            }
            | Operation::AcquireDir {
                file: x,
                net: n,
                inode: i,
            }
            | Operation::LocalOpen {
                file: x,
                net: n,
                inode: i,
            } => write!(f, "{} = {name} {} {}", file(x), net(n), inode(i)),
            Operation::Put { file: x }
            | Operation::LocalDone { file: x }
            | Operation::Delegate { file: x } => {
                write!(f, "{name} {}", file(x))
            }
            Operation::LocalIo {
                file: x,
                client: c,
                inode: i,
            } => write!(f, "{} = {name} {} {}", file(x), client(c), inode(i)),
            Operation::LocalClose {
                client: c,
                inode: i,
            } => write!(f, "{name} {} {}", client(c), inode(i)),
            Operation::LocalProbeKilled { client: c } => write!(f, "{name} {} killed", client(c)),
            Operation::LocalProbe { client: c }
            | Operation::LocalDisable { client: c }
            | Operation::LocalUmount { client: c } => write!(f, "{name} {}", client(c)),
            Operation::Gc | Operation::Shrink => f.write_str(name),
            Operation::SetLease { inode: i } | Operation::Unlink { inode: i } => {
                write!(f, "{name} {}", inode(i))
            }
            Operation::CloseSync { net: n, inode: i }
            | Operation::CloseExport { net: n, inode: i } => {
                write!(f, "{name} {} {}", net(n), inode(i))
            }
        }
    }
}

/// An operation and where its names stand in the file, for what is said about it later.
#[derive(Clone, Copy, Debug)]
pub(super) struct Statement {
    pub(super) operation: Operation,
    pub(super) operation_at: usize,
    pub(super) net_at: usize,
    pub(super) file_at: usize,
    pub(super) client_at: usize,
    pub(super) inode_at: usize,
}

/// The names that operations are resolved against. Variables are entered as they appear.
#[derive(Debug)]
pub(super) struct Names<'n> {
    pub(super) nets: &'n [Net],
    pub(super) inodes: &'n [Inode],
    pub(super) clients: &'n [Client],
    files: BTreeMap<String, usize>,
}

impl<'n> Names<'n> {
    pub(super) fn new(nets: &'n [Net], inodes: &'n [Inode], clients: &'n [Client]) -> Self {
        Self {
            nets,
            inodes,
            clients,
            files: BTreeMap::new(),
        }
    }

    /// The variables, in the order in which they appeared.
    pub(super) fn into_files(self) -> Vec<String> {
        let mut files = vec![String::new(); self.files.len()];
        for (name, index) in self.files {
            files[index] = name;
        }
        files
    }
}

/// A word of an operation, with the place of its first character in the file.
#[derive(Clone, Copy, Debug)]
struct Word<'t> {
    text: &'t str,
    at: usize,
}

fn split<'t>(text: &Text<'t>) -> Vec<Word<'t>> {
    let line = text.value;
    let mut words = Vec::new();
    let mut start = 0;
    let mut push = |start: usize, end: usize| {
        if start < end {
            words.push(Word {
                text: &line[start..end],
                at: text.at(start),
            });
        }
    };
    for (i, c) in line.char_indices() {
        if c == '=' || c.is_whitespace() {
            push(start, i);
            start = i + c.len_utf8();
        }
        if c == '=' {
            push(i, start);
        }
    }
    push(start, line.len());
    words
}

/// Reads the words of one operation from the left.
struct Reader<'r, 't> {
    source: &'r Source<'r>,
    info: &'static OperationInfo,
    words: std::iter::Peekable<std::vec::IntoIter<Word<'t>>>,
    start: usize,
    inode_at: usize,
}

impl<'t> Reader<'_, 't> {
    fn word(&mut self) -> Result<Word<'t>, Diagnostic> {
        self.words.next().ok_or_else(|| self.expected(self.start))
    }

    fn expected(&self, at: usize) -> Diagnostic {
        let message = format!("expected '{}'", self.info.syntax);
        self.source.error(at, message)
    }

    /// Takes the next word where it is this one.
    fn option(&mut self, word: &str) -> bool {
        self.words.next_if(|next| next.text == word).is_some()
    }

    fn net(&mut self, names: &Names<'_>) -> Result<(usize, usize), Diagnostic> {
        let Word { text, at } = self.word()?;
        let net = names.nets.iter().position(|net| net.name == text);
        let index = net.ok_or_else(|| {
            let nets = names.nets.iter().map(|net| &*net.name);
            self.source.unknown(at, "net", text, nets)
        })?;
        Ok((index, at))
    }

    fn inode(&mut self, names: &Names<'_>) -> Result<usize, Diagnostic> {
        let Word { text, at } = self.word()?;
        self.inode_at = at;
        let inode = names.inodes.iter().position(|inode| inode.name == text);
        inode.ok_or_else(|| {
            let inodes = names.inodes.iter().map(|inode| &*inode.name);
            self.source.unknown(at, "inode", text, inodes)
        })
    }

    fn step(&mut self) -> Result<StartStep, Diagnostic> {
        let Word { text, at } = self.word()?;
        let step = StartStep::ALL.into_iter().find(|step| step.name() == text);
        step.ok_or_else(|| {
            let steps = StartStep::ALL.map(StartStep::name);
            self.source.unknown(at, "step of a start", text, steps)
        })
    }

    fn client(&mut self, names: &Names<'_>) -> Result<(usize, usize), Diagnostic> {
        let Word { text, at } = self.word()?;
        let client = names.clients.iter().position(|client| client.name == text);
        let index = client.ok_or_else(|| {
            let clients = names.clients.iter().map(|client| &*client.name);
            self.source.unknown(at, "client", text, clients)
        })?;
        Ok((index, at))
    }

    fn threads(&mut self) -> Result<u32, Diagnostic> {
        if !self.option("threads") {
            return Ok(1);
        }
        self.number("threads", &THREADS)
    }

    fn min(&mut self, threads: u32) -> Result<u32, Diagnostic> {
        if !self.option("min") {
            return Ok(0);
        }
        self.number("min", &(*THREADS.start()..=threads))
    }

    fn number(&mut self, what: &str, range: &RangeInclusive<u32>) -> Result<u32, Diagnostic> {
        let Word { text, at } = self.word()?;
        // u32::from_str takes a sign; we do not.
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse() {
            Ok(number) if digits && range.contains(&number) => Ok(number),
            _ => {
                let message = format!(
                    "{what} must be a whole number from {} to {}, not {}",
                    range.start(),
                    range.end(),
                    quote(text)
                );
                Err(self.source.error(at, message))
            }
        }
    }
}

fn file(source: &Source<'_>, names: &mut Names<'_>, word: Word<'_>) -> Result<usize, Diagnostic> {
    if let Some(&index) = names.files.get(word.text) {
        return Ok(index);
    }
    let name = source.identifier(word.text, word.at, "a file's name")?;
    let index = names.files.len();
    names.files.insert(name, index);
    Ok(index)
}

/// Reads one operation.
pub(super) fn parse(
    source: &Source<'_>,
    text: &Text<'_>,
    names: &mut Names<'_>,
) -> Result<Statement, Diagnostic> {
    let mut words = split(text);
    let assigned = match &words[..] {
        [name, equals, ..] if equals.text == "=" => {
            let name = *name;
            words.drain(..2);
            Some(name)
        }
        _ => None,
    };
    let mut words = words.into_iter().peekable();
    let Some(verb) = words.next() else {
        return Err(source.error(text.start(), "expected an operation"));
    };
    let Some(info) = OperationInfo::from_name(verb.text) else {
        let known = OPERATIONS
            .iter()
            .flat_map(|info| std::iter::once(&info.name).chain(info.aliases))
            .copied();
        return Err(source.unknown(verb.at, "operation", verb.text, known));
    };
    let mut reader = Reader {
        source,
        info,
        words,
        start: verb.at,
        inode_at: verb.at,
    };

    let (mut net_at, mut file_at) = (verb.at, verb.at);
    let makes_file = matches!(
        info.name,
        "acquire" | "acquire_opened" | "acquire_dir" | "local_open" | "local_io"
    );
    let made = match assigned {
        Some(word) if makes_file => {
            file_at = word.at;
            file(source, names, word)?
        }
        None if !makes_file => 0,
        _ => return Err(reader.expected(assigned.map_or(verb.at, |word| word.at))),
    };
    let mut net = |reader: &mut Reader<'_, '_>, names: &Names<'_>| {
        let (net, at) = reader.net(names)?;
        net_at = at;
        Ok(net)
    };
    let mut client_at = verb.at;
    let mut client = |reader: &mut Reader<'_, '_>, names: &Names<'_>| {
        let (client, at) = reader.client(names)?;
        client_at = at;
        Ok(client)
    };
    let mut used = |reader: &mut Reader<'_, '_>, names: &mut Names<'_>| {
        let word = reader.word()?;
        file_at = word.at;
        file(source, names, word)
    };
    let operation = match info.name {
        "create" => Operation::Create {
            net: net(&mut reader, names)?,
        },
        "start" => {
            let net = net(&mut reader, names)?;
            let threads = reader.threads()?;
            let min = reader.min(threads)?;
            Operation::Start { net, threads, min }
        }
        "start_fails" => Operation::StartFails {
            net: net(&mut reader, names)?,
            step: reader.step()?,
        },
        "stop" => Operation::Stop {
            net: net(&mut reader, names)?,
        },
        "umount" => Operation::Umount {
            net: net(&mut reader, names)?,
        },
        "acquire" => Operation::Acquire {
            file: made,
            net: net(&mut reader, names)?,
            inode: reader.inode(names)?,
            gc: match verb.text {
                "acquire" => reader.option("gc"),
                alias => alias == "nfsd_file_acquire_gc",
            },
        },
        "acquire_opened" => Operation::AcquireOpened {
            file: made,
            net: net(&mut reader, names)?,
            inode: reader.inode(names)?,
        },
        "acquire_dir" => Operation::AcquireDir {
            file: made,
            net: net(&mut reader, names)?,
            inode: reader.inode(names)?,
        },
        "delegate" => Operation::Delegate {
            file: used(&mut reader, names)?,
        },
        "spawn" => Operation::Spawn {
            net: net(&mut reader, names)?,
        },
        "retire" => Operation::Retire {
            net: net(&mut reader, names)?,
        },
        "put" => Operation::Put {
            file: used(&mut reader, names)?,
        },
        "local_open" => Operation::LocalOpen {
            file: made,
            net: net(&mut reader, names)?,
            inode: reader.inode(names)?,
        },
        "local_done" => Operation::LocalDone {
            file: used(&mut reader, names)?,
        },
        "local_probe" => {
            let client = client(&mut reader, names)?;
            match reader.option("killed") {
                true => Operation::LocalProbeKilled { client },
                false => Operation::LocalProbe { client },
            }
        }
        "local_io" => Operation::LocalIo {
            file: made,
            client: client(&mut reader, names)?,
            inode: reader.inode(names)?,
        },
        "local_close" => Operation::LocalClose {
            client: client(&mut reader, names)?,
            inode: reader.inode(names)?,
        },
        "local_disable" => Operation::LocalDisable {
            client: client(&mut reader, names)?,
        },
        "local_umount" => Operation::LocalUmount {
            client: client(&mut reader, names)?,
        },
        "gc" => Operation::Gc,
        "shrink" => Operation::Shrink,
        "setlease" => Operation::SetLease {
            inode: reader.inode(names)?,
        },
        "unlink" => Operation::Unlink {
            inode: reader.inode(names)?,
        },
        "close_sync" => Operation::CloseSync {
            net: net(&mut reader, names)?,
            inode: reader.inode(names)?,
        },
        "flush" => Operation::Flush {
            net: net(&mut reader, names)?,
        },
        "close_export" => Operation::CloseExport {
            net: net(&mut reader, names)?,
            inode: reader.inode(names)?,
        },
        name => unreachable!("{name} is in the table but not here"),
    };
    if let Some(word) = reader.words.next() {
        return Err(reader.expected(word.at));
    }
    Ok(Statement {
        operation,
        operation_at: verb.at,
        net_at,
        file_at,
        client_at,
        inode_at: reader.inode_at,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_operations_share_a_name() {
        let mut names: Vec<_> = OPERATIONS
            .iter()
            .flat_map(|info| std::iter::once(&info.name).chain(info.aliases))
            .collect();
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn the_syntax_shows_the_name() {
        for info in OPERATIONS {
            assert!(info.syntax.split(' ').any(|word| word == info.name));
        }
    }
}
