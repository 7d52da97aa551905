// SPDX-License-Identifier: GPL-2.0-only
//! A *scenario*: which actors run what, on which files and namespaces.
//!
//! The setup runs alone and one operation after the other; then the actors run against each other.
//! Initial states are reached, not invented: a file that is idle in the cache was acquired, put
//! and aged by a pass of the laundrette in the setup. Contexts that the kernel starts by itself,
//! the laundrette's timer, RCU callbacks and the rest, are not named here.
//!
//! A scenario also says what to expect of it, for each model that somebody has an opinion on. Its
//! file is checked as a whole when it is read, so that what runs it meets no name that does not
//! exist and no reference that is put twice by mistake of the author: a bug that is found is then
//! one of the kernel's code.

mod check;
pub mod operation;
mod write;

pub use operation::{OPERATIONS, Operation, OperationInfo, StartStep};

use crate::{
    json::{Diagnostic, Source, quote},
    sync::violation::ViolationKind,
};
use jsonc_parser::{ast::Value, common::Ranged};
use operation::{Names, Statement};
use serde::{Serialize, Serializer, ser::SerializeStruct as _};
use std::{collections::BTreeSet, fmt, ops::RangeInclusive};

/// How many actors a scenario may have. Nets and inodes are held to the same number.
pub const MAX_ACTORS: usize = 32;

/// How often the laundrette's timer may fire.
pub const GC_PASSES: RangeInclusive<u32> = 0..=16;

/// A scenario, as its file gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// The name, which is the stem of its file's name.
    pub name: String,
    /// What happens in it, in a sentence or a few.
    pub about: String,
    /// Where it is from.
    pub source: String,
    /// The net namespaces.
    pub nets: Vec<Net>,
    /// The inodes.
    pub inodes: Vec<Inode>,
    /// The NFS clients that have mounted an export of this machine.
    pub clients: Vec<Client>,
    /// The variables for files, by the index that operations know them by.
    pub files: Vec<String>,
    /// Each allocation that the kernel checks may also fail.
    pub alloc_may_fail: bool,
    /// How often the laundrette's timer may fire.
    pub gc_passes: u32,
    /// Code outside RCU read sections may be preempted by a grace period.
    pub preempt_rcu: bool,
    /// What happens when the actors are done.
    pub epilogue: Epilogue,
    /// What runs before the actors.
    pub setup: Vec<Operation>,
    /// The actors, in the order of the file.
    pub actors: Vec<Actor>,
    /// What is expected on a model, by its name, in the order of the file.
    pub expect: Vec<(String, Expectation)>,
    /// What is expected instead under RC11, where that is something else.
    pub expect_rc11: Vec<(String, Expectation)>,
}

/// A net namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Net {
    /// Its name.
    pub name: String,
    /// It is not the initial one, and so may go away.
    pub user: bool,
}

/// An NFS client on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// Its name.
    pub name: String,
    /// The net whose server it has mounted.
    pub net: usize,
}

/// An inode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inode {
    /// Its name.
    pub name: String,
    /// A write-back error is pending that nobody has seen.
    pub writeback_error: bool,
    /// Whether it can be opened.
    pub open: Open,
    /// Its filesystem flushes a file when it is closed.
    pub flush_on_close: bool,
    /// It is a directory.
    pub directory: bool,
    /// Somebody has a lease on it, which who opens it has to break.
    pub leased: bool,
}

/// How an inode's open ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Open {
    /// Well.
    #[default]
    Ok,
    /// With an error.
    Fails,
    /// With `-EOPENSTALE` the first time, and well from then on.
    StaleOnce,
    /// Well; but what an OPEN has created and hands over is not opened yet.
    Unopened,
}

impl Open {
    /// All of them, in the order in which they are listed.
    pub const ALL: [Self; 4] = [Self::Ok, Self::Fails, Self::StaleOnce, Self::Unopened];

    /// The name in a scenario's file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Fails => "fails",
            Self::StaleOnce => "stale-once",
            Self::Unopened => "unopened",
        }
    }
}

/// What happens when the actors are done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Epilogue {
    /// Every net that is still up is stopped and released, and what is left then has leaked.
    #[default]
    Stop,
    /// Nothing, and only what nothing can reach has leaked.
    None,
}

/// Operations that run one after the other, against those of other actors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// Its name.
    pub name: String,
    /// What it runs.
    pub operations: Vec<Operation>,
}

/// What exploring to the end is expected to find.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expectation {
    /// Nothing.
    Holds,
    /// Exactly these kinds of violation.
    Violated(BTreeSet<ViolationKind>),
    /// At least these, which an interleaving of the library shows; the end is out of reach.
    AtLeast {
        /// The kinds.
        kinds: BTreeSet<ViolationKind>,
        /// The name of the interleaving.
        shown_by: String,
    },
    /// That the end is out of reach: nothing is claimed of the pair. Never a pass in disguise: it
    /// is shown as what it is, and a violation that is found all the same is a difference.
    Undecided,
}

impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Holds => f.write_str("holds"),
            Self::Undecided => f.write_str("undecided"),
            Self::Violated(kinds) => f.write_str(&names(kinds)),
            Self::AtLeast { kinds, .. } => write!(f, "at least {}", names(kinds)),
        }
    }
}

fn names(kinds: &BTreeSet<ViolationKind>) -> String {
    let names: Vec<_> = kinds.iter().map(|kind| kind.name()).collect();
    names.join(", ")
}

/// As a scenario's file has it.
impl Serialize for Expectation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Holds => serializer.serialize_str("holds"),
            Self::Undecided => serializer.serialize_str("undecided"),
            Self::Violated(kinds) => kinds.serialize(serializer),
            Self::AtLeast { kinds, shown_by } => {
                let mut fields = serializer.serialize_struct("AtLeast", 2)?;
                fields.serialize_field("at_least", kinds)?;
                fields.serialize_field("shown_by", shown_by)?;
                fields.end()
            }
        }
    }
}

impl Scenario {
    /// Reads the bytes of a scenario's file. `models` are the models there are.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong with it.
    pub fn parse(file: &str, bytes: &[u8], models: &[&str]) -> Result<Self, Diagnostic> {
        let (source, tree) = Source::parse(file, bytes)?;
        Self::read(&source, &tree, models)
    }

    /// Reads a scenario that is a value in a file.
    pub(crate) fn read<'a>(
        source: &Source<'a>,
        tree: &Value<'a>,
        models: &[&str],
    ) -> Result<Self, Diagnostic> {
        let known = [
            "name",
            "about",
            "source",
            "nets",
            "inodes",
            "clients",
            "alloc",
            "gc_passes",
            "preempt_rcu",
            "epilogue",
            "setup",
            "actors",
            "expect",
            "expect_rc11",
        ];
        let fields = source.file_fields(tree, "a scenario", &known)?;
        let text = |name: &str| match fields.get(name) {
            Some(value) => {
                let text = source.string(value, &format!("'{name}'"))?;
                Ok(text.value.to_owned())
            }
            None => Ok(String::new()),
        };

        let name = source.own_name(fields.require("name")?)?;
        let (about, origin) = (text("about")?, text("source")?);
        let nets = list(source, fields.require("nets")?, "'nets'", net, |net| {
            &net.name
        })?;
        if nets.is_empty() {
            let at = fields.require("nets")?.start();
            return Err(source.error(at, "a scenario needs a net"));
        }
        let inodes = match fields.get("inodes") {
            Some(value) => list(source, value, "'inodes'", inode, |inode| &inode.name)?,
            None => Vec::new(),
        };
        let clients = match fields.get("clients") {
            Some(value) => {
                let client = |source: &Source<'_>, value: &Value<'_>| client(source, value, &nets);
                list(source, value, "'clients'", client, |client| &client.name)?
            }
            None => Vec::new(),
        };
        let alloc_may_fail = match fields.get("alloc") {
            Some(value) => {
                source.one_of(value, "'alloc'", &["may-fail"])?;
                true
            }
            None => false,
        };
        let gc_passes = match fields.get("gc_passes") {
            Some(value) => source.integer(value, "'gc_passes'", &GC_PASSES)?,
            None => 2,
        };
        let preempt_rcu = match fields.get("preempt_rcu") {
            Some(value) => source.boolean(value, "'preempt_rcu'")?,
            None => true,
        };
        let epilogue = match fields.get("epilogue") {
            Some(value) => match source.one_of(value, "'epilogue'", &["stop", "none"])? {
                0 => Epilogue::Stop,
                _ => Epilogue::None,
            },
            None => Epilogue::default(),
        };

        let mut names = Names::new(&nets, &inodes, &clients);
        let setup = match fields.get("setup") {
            Some(value) => statements(source, value, "'setup'", &mut names)?,
            None => Vec::new(),
        };
        let actors = actors(source, fields.require("actors")?, &mut names)?;
        let files = names.into_files();
        check::check(source, &nets, &inodes, &clients, &files, &setup, &actors)?;
        let expect = match fields.get("expect") {
            Some(value) => expectations(source, value, "'expect'", models)?,
            None => Vec::new(),
        };
        let expect_rc11 = match fields.get("expect_rc11") {
            Some(value) => expectations_of_rc11(source, value, models, &expect)?,
            None => Vec::new(),
        };

        let operations = |statements: Vec<Statement>| {
            let operations = statements.into_iter().map(|statement| statement.operation);
            operations.collect()
        };
        Ok(Self {
            name,
            about,
            source: origin,
            nets,
            inodes,
            clients,
            files,
            alloc_may_fail,
            gc_passes,
            preempt_rcu,
            epilogue,
            setup: operations(setup),
            actors: actors
                .into_iter()
                .map(|(name, statements)| Actor {
                    name,
                    operations: operations(statements),
                })
                .collect(),
            expect,
            expect_rc11,
        })
    }

    /// What is expected on a model under sequential consistency, where anything is.
    #[must_use]
    pub fn expected(&self, model: &str) -> Option<&Expectation> {
        of_model(&self.expect, model)
    }

    /// The same without what is expected of it, which is no part of what happens.
    #[must_use]
    pub fn without_expectations(&self) -> Self {
        Self {
            expect: Vec::new(),
            expect_rc11: Vec::new(),
            ..self.clone()
        }
    }

    /// What is expected on a model under RC11, where anything is.
    #[must_use]
    pub fn expected_under_rc11(&self, model: &str) -> Option<&Expectation> {
        of_model(&self.expect_rc11, model).or_else(|| self.expected(model))
    }
}

fn of_model<'e>(expect: &'e [(String, Expectation)], model: &str) -> Option<&'e Expectation> {
    let (_, expectation) = expect.iter().find(|(name, _)| name == model)?;
    Some(expectation)
}

/// The elements of an array, each with a name of its own.
fn list<T>(
    source: &Source<'_>,
    value: &Value<'_>,
    what: &str,
    element: impl Fn(&Source<'_>, &Value<'_>) -> Result<T, Diagnostic>,
    name: impl Fn(&T) -> &str,
) -> Result<Vec<T>, Diagnostic> {
    let mut list: Vec<T> = Vec::new();
    for value in source.array(value, what)? {
        let next = element(source, value)?;
        if list.len() == MAX_ACTORS {
            let message = format!("{what} has more than {MAX_ACTORS} elements");
            return Err(source.error(value.start(), message));
        }
        if list.iter().any(|other| name(other) == name(&next)) {
            let message = format!("{} is given twice", quote(name(&next)));
            return Err(source.error(value.start(), message));
        }
        list.push(next);
    }
    Ok(list)
}

fn named(source: &Source<'_>, value: &Value<'_>, what: &str) -> Result<String, Diagnostic> {
    let text = source.string(value, what)?;
    source.identifier(text.value, text.start(), what)
}

fn net(source: &Source<'_>, value: &Value<'_>) -> Result<Net, Diagnostic> {
    if !matches!(value, Value::Object(_)) {
        let name = named(source, value, "a net's name")?;
        return Ok(Net { name, user: false });
    }
    let fields = source.fields(value, "a net", &["name", "user"])?;
    Ok(Net {
        name: named(source, fields.require("name")?, "a net's name")?,
        user: match fields.get("user") {
            Some(value) => source.boolean(value, "'user'")?,
            None => false,
        },
    })
}

fn client(source: &Source<'_>, value: &Value<'_>, nets: &[Net]) -> Result<Client, Diagnostic> {
    let fields = source.fields(value, "a client", &["name", "net"])?;
    let server = source.string(fields.require("net")?, "a client's net")?;
    let net = nets.iter().position(|net| net.name == server.value);
    Ok(Client {
        name: named(source, fields.require("name")?, "a client's name")?,
        net: net.ok_or_else(|| {
            let nets = nets.iter().map(|net| &*net.name);
            source.unknown(server.start(), "net", server.value, nets)
        })?,
    })
}

fn inode(source: &Source<'_>, value: &Value<'_>) -> Result<Inode, Diagnostic> {
    if !matches!(value, Value::Object(_)) {
        return Ok(Inode {
            name: named(source, value, "an inode's name")?,
            writeback_error: false,
            open: Open::Ok,
            flush_on_close: false,
            directory: false,
            leased: false,
        });
    }
    let known = [
        "name",
        "writeback_error",
        "open",
        "flush_on_close",
        "directory",
        "leased",
    ];
    let fields = source.fields(value, "an inode", &known)?;
    let flag = |name: &str| match fields.get(name) {
        Some(value) => source.boolean(value, &format!("'{name}'")),
        None => Ok(false),
    };
    Ok(Inode {
        name: named(source, fields.require("name")?, "an inode's name")?,
        writeback_error: flag("writeback_error")?,
        open: match fields.get("open") {
            Some(value) => {
                let names = Open::ALL.map(Open::name);
                Open::ALL[source.one_of(value, "'open'", &names)?]
            }
            None => Open::default(),
        },
        flush_on_close: flag("flush_on_close")?,
        directory: flag("directory")?,
        leased: flag("leased")?,
    })
}

fn statements(
    source: &Source<'_>,
    value: &Value<'_>,
    what: &str,
    names: &mut Names<'_>,
) -> Result<Vec<Statement>, Diagnostic> {
    let mut statements = Vec::new();
    for value in source.array(value, what)? {
        let text = source.string(value, "an operation")?;
        statements.push(operation::parse(source, &text, names)?);
    }
    Ok(statements)
}

fn actors(
    source: &Source<'_>,
    value: &Value<'_>,
    names: &mut Names<'_>,
) -> Result<Vec<(String, Vec<Statement>)>, Diagnostic> {
    let mut actors = Vec::new();
    for (key, operations) in source.entries(value, "'actors'")? {
        if actors.len() == MAX_ACTORS {
            let message = format!("a scenario has at most {MAX_ACTORS} actors");
            return Err(source.error(key.start(), message));
        }
        let name = source.identifier(key.value, key.start(), "an actor's name")?;
        let what = format!("the actor {}", quote(&name));
        let statements = statements(source, operations, &what, names)?;
        if statements.is_empty() {
            return Err(source.error(operations.start(), format!("{what} does nothing")));
        }
        actors.push((name, statements));
    }
    if actors.is_empty() {
        return Err(source.error(value.start(), "a scenario needs an actor"));
    }
    Ok(actors)
}

fn expectations(
    source: &Source<'_>,
    value: &Value<'_>,
    what: &str,
    models: &[&str],
) -> Result<Vec<(String, Expectation)>, Diagnostic> {
    let mut expect = Vec::new();
    for (model, value) in source.entries(value, what)? {
        if !models.contains(&model.value) {
            let models = models.iter().copied();
            return Err(source.unknown(model.start(), "model", model.value, models));
        }
        expect.push((model.value.to_owned(), expectation(source, value)?));
    }
    Ok(expect)
}

/// What differs from `expect` under RC11, and nothing else.
fn expectations_of_rc11(
    source: &Source<'_>,
    value: &Value<'_>,
    models: &[&str],
    expect: &[(String, Expectation)],
) -> Result<Vec<(String, Expectation)>, Diagnostic> {
    let differing = expectations(source, value, "'expect_rc11'", models)?;
    for ((model, expectation), (key, value)) in differing
        .iter()
        .zip(source.entries(value, "'expect_rc11'")?)
    {
        match of_model(expect, model) {
            None => {
                let message = format!("'expect' says nothing of {}", quote(model));
                return Err(source.error(key.start(), message));
            }
            Some(same) if same == expectation => {
                let message = "as in 'expect': only what differs stands here";
                return Err(source.error(value.start(), message));
            }
            Some(_) => {}
        }
    }
    Ok(differing)
}

fn expectation(source: &Source<'_>, value: &Value<'_>) -> Result<Expectation, Diagnostic> {
    if matches!(value, Value::StringLit(_)) {
        let index = source.one_of(value, "an expectation", &["holds", "undecided"])?;
        return Ok([Expectation::Holds, Expectation::Undecided][index].clone());
    }
    if matches!(value, Value::Object(_)) {
        let fields = source.fields(value, "an expectation", &["at_least", "shown_by"])?;
        let shown_by = source.string(fields.require("shown_by")?, "'shown_by'")?;
        return Ok(Expectation::AtLeast {
            kinds: kinds(source, fields.require("at_least")?, "'at_least'")?,
            shown_by: shown_by.value.to_owned(),
        });
    }
    let what = "an expectation other than \"holds\" and \"undecided\"";
    Ok(Expectation::Violated(kinds(source, value, what)?))
}

fn kinds(
    source: &Source<'_>,
    value: &Value<'_>,
    what: &str,
) -> Result<BTreeSet<ViolationKind>, Diagnostic> {
    let mut kinds = BTreeSet::new();
    for value in source.array(value, what)? {
        let text = source.string(value, "a kind of violation")?;
        let kind = ViolationKind::from_name(text.value).ok_or_else(|| {
            let known = ViolationKind::ALL.map(ViolationKind::name);
            source.unknown(text.start(), "kind of violation", text.value, known)
        })?;
        if !kinds.insert(kind) {
            let message = format!("{} is given twice", quote(text.value));
            return Err(source.error(text.start(), message));
        }
    }
    if kinds.is_empty() {
        let message = "no kinds of violation: where there are none, \"holds\"";
        return Err(source.error(value.start(), message));
    }
    Ok(kinds)
}
