// SPDX-License-Identifier: GPL-2.0-only
//! A counterexample: one interleaving that ends in a violation, as a file.
//!
//! The file says all that is needed to run the interleaving again: the scenario and the model, as
//! their own files would, and the schedule. A step of the schedule does not only name who goes
//! next; it says what that context does then, in which function, to which object and with which
//! result. So whoever replays the file on a tree that has changed since learns at which step the
//! two differ, instead of following numbers that mean something else by now.
//!
//! One step is one line, for eyes and for diffs. The last field is a checksum: the SHA-256 of all
//! bytes before its own line, which `head -n -2 FILE | sha256sum` prints too. It is there to find
//! damage, and edits by mistake, before a replay goes wrong in some puzzling way. It proves nothing
//! about who wrote the file, and need not: a replay believes nothing but what it sees happen.

use crate::{
    engine::{
        Finding, Size,
        dpor::{ScheduleStep, graphs::GivenStep},
        recording::{Older, RecordedViolation, Recording, TraceStep},
    },
    json::{Diagnostic, Source, quote},
    library::{self, LoadError},
    model::Model,
    scenario::Scenario,
    sync::{engine::Action, operation, violation::ViolationKind},
};
use jsonc_parser::{ast::Value, common::Ranged};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::{
    fmt::Write as _,
    fs, io,
    io::Write as _,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

/// What the field `format` says.
pub const FORMAT: &str = "nfsd-check counterexample";

/// What the field `version` says. It changes whenever a file that was fine would no longer be read
/// as what was meant.
pub const VERSION: u32 = 1;

/// A longer file is refused. An execution has at most 60,000 steps.
pub const MAX_BYTES: usize = 16 << 20;

/// A step of the part where every interleaving counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Who.
    pub context: String,
    /// In which function of the kernel; empty between functions.
    pub function: String,
    /// What: see [`operation::name`].
    pub operation: String,
    /// To which object; empty where it is about the context itself.
    pub object: String,
    /// What the operation answered.
    pub saw: u64,
    /// What was chosen, where the step is a choice.
    pub choice: Option<u32>,
    /// Where weak memory lets it read something older than the last write before it: the step of the
    /// schedule that wrote that, counted from 1, or 0 where none did.
    pub reads: Option<usize>,
}

impl Step {
    /// A step as it was recorded.
    #[must_use]
    pub fn new(step: &TraceStep) -> Self {
        let choice = matches!(step.action, Action::Choose(_)).then_some(step.saw as u32);
        Self {
            context: step.context.clone(),
            function: step.functions.last().copied().unwrap_or("").to_owned(),
            operation: operation::name(step.action),
            object: step.object.clone(),
            saw: step.saw,
            choice,
            reads: None,
        }
    }
}

/// A step in a sentence. What comes out of a file is quoted there: it goes to a terminal.
impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", quote(&self.context))?;
        if !self.function.is_empty() {
            write!(f, " in {}", quote(&self.function))?;
        }
        write!(f, ": {}", quote(&self.operation))?;
        if !self.object.is_empty() {
            write!(f, " on {}", quote(&self.object))?;
        }
        write!(f, ", saw {}", self.saw)?;
        match self.reads {
            None => Ok(()),
            Some(0) => f.write_str(", which was there at the beginning"),
            Some(step) => write!(f, ", which step {step} wrote"),
        }
    }
}

/// What the interleaving ends in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The kind of violation.
    pub kind: ViolationKind,
    /// The object it is about; empty where it is about none.
    pub object: String,
    /// Who noticed it.
    pub context: String,
    /// In which function.
    pub function: String,
    /// One sentence.
    pub message: String,
    /// In or after which step of the schedule, counted from 1. `None`: after the last one, when
    /// the scenario is brought to its end with one context at a time.
    pub step: Option<usize>,
}

/// One interleaving and what it ends in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counterexample {
    /// The scenario, without what is expected of it: that is no part of what happened.
    pub scenario: Scenario,
    /// The model.
    pub model: Model,
    /// The engine that found it.
    pub engine: String,
    /// The memory model that it was found under.
    pub memory_model: String,
    /// How small it is, where a smaller one was looked for.
    pub size: Option<Size>,
    /// The interleaving.
    pub schedule: Vec<Step>,
    /// The violation.
    pub violation: Claim,
    /// No interleaving shows it: the steps are an execution of weak memory, in an order that
    /// happens-before allows, with what each read reads where that is not the last write.
    pub weak: bool,
}

impl Counterexample {
    /// What an exploration of `scenario` on `model` found.
    ///
    /// # Panics
    ///
    /// Where the finding's recording has no violation of the finding's kind.
    #[must_use]
    pub fn new(
        scenario: &Scenario,
        model: &Model,
        engine: &str,
        memory_model: &str,
        finding: &Finding,
    ) -> Self {
        let recording = &finding.recording;
        let violation = recording
            .violation(finding.kind)
            .expect("a finding has its violation");
        Self {
            scenario: scenario.without_expectations(),
            model: model.clone(),
            engine: engine.to_owned(),
            memory_model: memory_model.to_owned(),
            size: finding.size,
            schedule: schedule(recording),
            violation: claim(recording, violation),
            weak: recording.weak,
        }
    }

    /// What is told of an execution that cannot be replayed: the steps as the file has them.
    #[must_use]
    pub fn tell(&self) -> String {
        let mut text = format!(
            "{} on {}: {}\n\n",
            self.scenario.name, self.model.name, self.violation.kind
        );
        for (at, step) in self.schedule.iter().enumerate() {
            let _ = writeln!(text, "{:>5}  {step}", at + 1);
        }
        let claim = &self.violation;
        let _ = write!(text, "\n{}", claim.kind);
        for (word, name) in [
            (" of ", &claim.object),
            (" in ", &claim.function),
            (", ", &claim.context),
        ] {
            if !name.is_empty() {
                let _ = write!(text, "{word}{}", quote(name));
            }
        }
        if let Some(step) = claim.step {
            let _ = write!(text, ", step {step}");
        }
        let _ = writeln!(text, ": {}", quote(&claim.message));
        text + "\nNo interleaving shows it: this is an execution of weak memory, in an order that \
                happens-before allows. It is told from the file.\n"
    }

    /// The schedule, for [`crate::engine::dpor::replay`].
    #[must_use]
    pub fn schedule_steps(&self) -> Vec<ScheduleStep> {
        let steps = self.schedule.iter().map(|step| ScheduleStep {
            context: step.context.clone(),
            choice: step.choice.unwrap_or(0),
        });
        steps.collect()
    }

    /// The same where it is no interleaving, for [`crate::engine::dpor::graphs::replay`].
    #[must_use]
    pub fn given_steps(&self) -> Vec<GivenStep> {
        let steps = self.schedule.iter().map(|step| GivenStep {
            context: step.context.clone(),
            choice: step.choice.unwrap_or(0),
            reads: step.reads,
        });
        steps.collect()
    }

    /// The text of the file.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut text = String::from("{\n");
        field(&mut text, "format", FORMAT);
        field(&mut text, "version", &VERSION);
        field(&mut text, "scenario", &self.scenario);
        field(&mut text, "model", &self.model);
        field(&mut text, "engine", &self.engine);
        field(&mut text, "memory_model", &self.memory_model);
        if self.weak {
            field(&mut text, "replayable", &false);
        }
        if let Some(size) = &self.size {
            field(&mut text, "size", size);
        }
        text.push_str("  \"schedule\": [");
        for (index, step) in self.schedule.iter().enumerate() {
            text.push_str(if index == 0 { "\n    { " } else { ",\n    { " });
            text.push_str(&line(step));
            text.push_str(" }");
        }
        text.push_str(if self.schedule.is_empty() {
            "],\n"
        } else {
            "\n  ],\n"
        });
        let Claim {
            kind,
            object,
            context,
            function,
            message,
            step,
        } = &self.violation;
        text.push_str("  \"violation\": {\n");
        let _ = writeln!(text, "    \"kind\": {},", json(&kind));
        let _ = writeln!(text, "    \"object\": {},", json(object));
        let _ = writeln!(text, "    \"context\": {},", json(context));
        let _ = writeln!(text, "    \"function\": {},", json(function));
        let _ = write!(text, "    \"message\": {}", json(message));
        if let Some(step) = step {
            let _ = write!(text, ",\n    \"step\": {step}");
        }
        text.push_str("\n  },\n");
        let end = end(&text);
        text + &end
    }

    /// Writes the file into a folder, which is made where it is not there, and says where it is.
    ///
    /// Its name is made of the scenario's, the model's and the violation's kind. A file of that
    /// name is left alone: if it is the same to the byte it is the answer, and otherwise the new
    /// one gets a number. The file appears with all that is in it or not at all.
    ///
    /// # Errors
    ///
    /// Where the folder or the file cannot be written.
    pub fn save(&self, dir: &Path) -> io::Result<PathBuf> {
        let text = self.to_json();
        if text.len() > MAX_BYTES {
            let message = "the counterexample is too long to be read again";
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        let stem = format!(
            "{}-{}-{}",
            self.scenario.name, self.model.name, self.violation.kind
        );
        save_as(dir, &stem, "json", text.as_bytes())
    }

    /// Reads a file.
    ///
    /// # Errors
    ///
    /// Where it cannot be read, or the first thing that is wrong with it.
    pub fn load(path: &Path) -> Result<Self, LoadError> {
        let bytes = library::read(path, MAX_BYTES)?;
        Ok(Self::parse(&path.to_string_lossy(), &bytes)?)
    }

    /// Reads the bytes of a file.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong with it.
    pub fn parse(file: &str, bytes: &[u8]) -> Result<Self, Diagnostic> {
        let (source, tree) = Source::parse_container(file, bytes, MAX_BYTES)?;
        // What the file is comes first: another version may have any fields.
        let entries = source.entries(&tree, "a counterexample")?;
        let early = |name| {
            let mut entries = entries.iter();
            let entry = entries.find(|(key, _)| key.value == name);
            entry.map(|(_, value)| *value).ok_or_else(|| {
                source.error(tree.start(), format!("a counterexample without '{name}'"))
            })
        };
        source.one_of(early("format")?, "'format'", &[FORMAT])?;
        version(&source, early("version")?, VERSION)?;

        let known = [
            "format",
            "version",
            "scenario",
            "model",
            "engine",
            "memory_model",
            "replayable",
            "size",
            "schedule",
            "violation",
            "checksum",
        ];
        let fields = source.fields(&tree, "a counterexample", &known)?;
        let name = |name: &str| {
            let text = source.string(fields.require(name)?, &format!("'{name}'"))?;
            source.identifier(text.value, text.start(), &format!("'{name}'"))
        };
        let scenario = Scenario::read(&source, fields.require("scenario")?, &[])?;
        let model = Model::read(&source, fields.require("model")?)?;
        let (engine, memory_model) = (name("engine")?, name("memory_model")?);
        let weak = match fields.get("replayable") {
            Some(value) => !source.boolean(value, "'replayable'")?,
            None => false,
        };
        let size = fields.get("size").map(|size| read_size(&source, size));
        let mut schedule = Vec::new();
        for value in source.array(fields.require("schedule")?, "'schedule'")? {
            let before = u32::try_from(schedule.len()).unwrap_or(u32::MAX);
            schedule.push(read_step(&source, value, before)?);
        }
        let violation = read_claim(&source, fields.require("violation")?, schedule.len())?;
        let checksum = source.string(fields.require("checksum")?, "'checksum'")?;
        if !is_whole(bytes) {
            let message = "the checksum is not that of the file, which was damaged or edited";
            return Err(source.error(checksum.start(), message));
        }
        Ok(Self {
            scenario,
            model,
            engine,
            memory_model,
            size: size.transpose()?,
            schedule,
            violation,
            weak,
        })
    }
}

/// Writes a file into a folder, which is made where it is not there, and says where it is. A file of
/// that name is left alone: if it is the same to the byte it is the answer, and otherwise the new
/// one gets a number. The file appears with all that is in it or not at all.
pub(super) fn save_as(
    dir: &Path,
    stem: &str,
    extension: &str,
    bytes: &[u8],
) -> io::Result<PathBuf> {
    fs::create_dir_all(dir)?;
    let mut number = 1;
    loop {
        let path = match number {
            1 => dir.join(format!("{stem}.{extension}")),
            n => dir.join(format!("{stem}-{n}.{extension}")),
        };
        match create(&path, bytes) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                if is_same(&path, bytes) {
                    return Ok(path);
                }
                number += 1;
            }
            created => return created.map(|()| path),
        }
    }
}

/// The steps of the part where every interleaving counts.
#[must_use]
pub fn schedule(recording: &Recording) -> Vec<Step> {
    let steps = recording.steps.iter().filter(|step| step.concurrent);
    let number = |at: usize| {
        let before = recording.steps[..=at].iter();
        before.filter(|step| step.concurrent).count()
    };
    let steps = steps.map(|step| Step {
        reads: step.older.map(|older| match older {
            Older::Initial => 0,
            Older::Step(at) => number(at),
        }),
        ..Step::new(step)
    });
    steps.collect()
}

/// A violation as a counterexample claims it.
#[must_use]
pub fn claim(recording: &Recording, violation: &RecordedViolation) -> Claim {
    let at = violation.site.step;
    let is_concurrent = recording.steps.get(at).is_some_and(|step| step.concurrent);
    let before = recording.steps.iter().take(at + 1);
    Claim {
        kind: violation.kind,
        object: violation.object.clone(),
        context: violation.site.context.clone(),
        function: violation.site.function.to_owned(),
        message: violation.message.clone(),
        step: is_concurrent.then(|| before.filter(|step| step.concurrent).count()),
    }
}

fn json(value: &(impl Serialize + ?Sized)) -> String {
    serde_json::to_string_pretty(value).expect("only strings are keys")
}

/// A field of the outermost object, over as many lines as it takes.
pub(super) fn field(text: &mut String, name: &str, value: &(impl Serialize + ?Sized)) {
    let value = json(value).replace('\n', "\n  ");
    let _ = writeln!(text, "  \"{name}\": {value},");
}

fn line(step: &Step) -> String {
    let Step {
        context,
        function,
        operation,
        object,
        saw,
        choice,
        reads,
    } = step;
    let mut line = String::new();
    for (name, value) in [
        ("context", context),
        ("function", function),
        ("operation", operation),
        ("object", object),
    ] {
        let _ = write!(line, "\"{name}\": {}, ", json(value));
    }
    let _ = write!(line, "\"saw\": {saw}");
    if let Some(choice) = choice {
        let _ = write!(line, ", \"choice\": {choice}");
    }
    if let Some(reads) = reads {
        let _ = write!(line, ", \"reads\": {reads}");
    }
    line
}

/// The end of a file that begins with `text`.
pub(super) fn end(text: &str) -> String {
    let mut end = String::from("  \"checksum\": \"sha256:");
    for byte in Sha256::digest(text) {
        let _ = write!(end, "{byte:02x}");
    }
    end + "\"\n}\n"
}

pub(super) fn is_whole(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    let length = end("").len();
    let Some((before, after)) = text
        .len()
        .checked_sub(length)
        .and_then(|at| text.split_at_checked(at))
    else {
        return false;
    };
    after == end(before)
}

pub(super) fn version(source: &Source<'_>, value: &Value<'_>, read: u32) -> Result<(), Diagnostic> {
    let version = source.number(value, "'version'")?;
    if version == u64::from(read) {
        return Ok(());
    }
    let message = format!(
        "the file is of version {version} of the format, and this program reads version {read}"
    );
    Err(source.error(value.start(), message))
}

/// A step that so many others come `before`.
fn read_step<'a>(source: &Source<'a>, value: &Value<'a>, before: u32) -> Result<Step, Diagnostic> {
    let known = [
        "context",
        "function",
        "operation",
        "object",
        "saw",
        "choice",
        "reads",
    ];
    let fields = source.fields(value, "a step", &known)?;
    let text = |name: &str| {
        let text = source.string(fields.require(name)?, &format!("'{name}'"))?;
        Ok(text.value.to_owned())
    };
    Ok(Step {
        context: text("context")?,
        function: text("function")?,
        operation: text("operation")?,
        object: text("object")?,
        saw: source.number(fields.require("saw")?, "'saw'")?,
        choice: match fields.get("choice") {
            Some(value) => Some(source.integer(value, "'choice'", &(0..=u32::MAX))?),
            None => None,
        },
        reads: match fields.get("reads") {
            Some(value) => Some(source.integer(value, "'reads'", &(0..=before))? as usize),
            None => None,
        },
    })
}

fn read_claim<'a>(
    source: &Source<'a>,
    value: &Value<'a>,
    steps: usize,
) -> Result<Claim, Diagnostic> {
    let known = ["kind", "object", "context", "function", "message", "step"];
    let fields = source.fields(value, "a violation", &known)?;
    let text = |name: &str| {
        let text = source.string(fields.require(name)?, &format!("'{name}'"))?;
        Ok(text.value.to_owned())
    };
    let kinds = ViolationKind::ALL.map(ViolationKind::name);
    let kind = source.one_of(fields.require("kind")?, "'kind'", &kinds)?;
    let last = u32::try_from(steps).unwrap_or(u32::MAX);
    Ok(Claim {
        kind: ViolationKind::ALL[kind],
        object: text("object")?,
        context: text("context")?,
        function: text("function")?,
        message: text("message")?,
        step: match fields.get("step") {
            Some(value) => Some(source.integer(value, "'step'", &(1..=last))? as usize),
            None => None,
        },
    })
}

fn read_size<'a>(source: &Source<'a>, value: &Value<'a>) -> Result<Size, Diagnostic> {
    let known = ["preemptions", "steps", "fewest_preemptions", "fewest_steps"];
    let fields = source.fields(value, "a size", &known)?;
    let number =
        |name: &str| source.integer(fields.require(name)?, &format!("'{name}'"), &(0..=u32::MAX));
    let boolean = |name: &str| source.boolean(fields.require(name)?, &format!("'{name}'"));
    Ok(Size {
        preemptions: number("preemptions")?,
        steps: number("steps")? as usize,
        fewest_preemptions: boolean("fewest_preemptions")?,
        fewest_steps: boolean("fewest_steps")?,
    })
}

fn is_same(path: &Path, bytes: &[u8]) -> bool {
    library::read(path, bytes.len()).is_ok_and(|there| there == bytes)
}

/// Makes a file with these bytes, which must not be there.
fn create(path: &Path, bytes: &[u8]) -> io::Result<()> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    if fs::symlink_metadata(path).is_ok() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    // A link is made at once and never replaces anything, which renaming would.
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!(".nfsd-check-{}-{number}.tmp", std::process::id());
    let draft = path.with_file_name(name);
    let written = create_new(&draft, bytes);
    let linked = written.and_then(|()| fs::hard_link(&draft, path));
    let _ = fs::remove_file(&draft);
    match linked {
        // Some file systems have no links.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::Unsupported | io::ErrorKind::PermissionDenied
            ) =>
        {
            create_new(path, bytes)
        }
        linked => linked,
    }
}

fn create_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = fs::File::create_new(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
