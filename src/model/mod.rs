// SPDX-License-Identifier: GPL-2.0-only
//! A *model*: which patch is applied.
//!
//! A model is a set of [`Choices`] with a name, and holds no logic: what a choice means is written
//! where the kernel would have the patch. So the choices combine freely, also in ways that no mail
//! ever proposed. A model's file gives each choice at most once; a choice left out is as in the
//! kernel today, so that a model means the same when a choice is added. A counterexample has all of
//! them written out.

pub mod choices;

pub use choices::{
    AcquireRetry, AddFileFailure, AddRecheck, Choice, ChoiceValue, Choices, CloseCheck, CloseSync,
    DirMarks, DisposeLink, DisposeList, DoioError, DrainWait, ExitRef, ExitWait, ExportCheck,
    FlagsInit, FreeUnhash, GcLockCloseInode, GcLockGc, GcLockShrinker, InitError, InsertError,
    InstallGet, Invalidate, LocalIoNetRef, LocalioClient, LocalioGc, LocalioInstallRcu,
    LocalioInvalidate, LookupRcu, LostInstall, Lru, MarkGroup, Mutexes, NetDisposeGuard, NetRef,
    OpenedFile, OpenedTest, PendingClear, PendingWait, Purge, PurgeNet, PutLocalOrder, PutLocalRcu,
    PutReads, PutRecheck, QueueWakes, RecalcMutex, ServiceThreads, ShutdownBarrier, StateShutdown,
    UnusedDisable, UuidBegin, WakeGuard, WakeOrder,
};

use crate::json::{Diagnostic, Fields, Source};
use choices::CHOICES;
use jsonc_parser::ast::Value;
use serde::Serialize;
use std::ops::RangeInclusive;

/// A model, as its file gives it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Model {
    /// The name, which is the stem of its file's name.
    pub name: String,
    /// What is applied, in a sentence.
    pub about: String,
    /// Where it is from: a mail, a commit.
    pub source: String,
    /// What is chosen.
    pub choices: Choices,
    /// The bug of the corpus that it brings back, where it is there for that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bug: Option<Bug>,
    /// The control of the corpus that it is, where it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub control: Option<Control>,
}

/// A negative control of the corpus: the model has a fix taken back, and a scenario holds all the same,
/// with the fix and without it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Control {
    /// What it is called in the corpus.
    pub entry: String,
    /// The scenario that holds.
    pub scenario: String,
    /// The model with the fix.
    pub fixed: String,
}

/// A bug that there was, or nearly was, in a kernel: an entry of the corpus. The model that has it
/// is one with the fix taken back; `fixed` is the same tree with the fix.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Bug {
    /// What it is called in the corpus.
    pub entry: String,
    /// The year of its fix, or of its report.
    pub year: u32,
    /// What was seen, or what had to be feared.
    pub symptom: String,
    /// The scenario that shows it.
    pub scenario: String,
    /// The model without it.
    pub fixed: String,
}

/// Years that bugs of the file cache may be of: it is from 2019.
const YEARS: RangeInclusive<u32> = 2019..=2099;

/// A field that is a string.
fn text(source: &Source<'_>, fields: &Fields<'_>, name: &str) -> Result<String, Diagnostic> {
    let text = source.string(fields.require(name)?, &format!("'{name}'"))?;
    Ok(text.value.to_owned())
}

impl Bug {
    fn read<'a>(source: &Source<'a>, tree: &Value<'a>) -> Result<Self, Diagnostic> {
        let known = ["entry", "year", "symptom", "scenario", "fixed"];
        let fields = source.fields(tree, "'bug'", &known)?;
        let text = |name| text(source, &fields, name);
        Ok(Self {
            entry: text("entry")?,
            year: source.integer(fields.require("year")?, "'year'", &YEARS)?,
            symptom: text("symptom")?,
            scenario: text("scenario")?,
            fixed: text("fixed")?,
        })
    }
}

impl Control {
    fn read<'a>(source: &Source<'a>, tree: &Value<'a>) -> Result<Self, Diagnostic> {
        let known = ["entry", "scenario", "fixed"];
        let fields = source.fields(tree, "'control'", &known)?;
        let text = |name| text(source, &fields, name);
        Ok(Self {
            entry: text("entry")?,
            scenario: text("scenario")?,
            fixed: text("fixed")?,
        })
    }
}

impl Model {
    /// Reads the bytes of a model's file.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong with it.
    pub fn parse(file: &str, bytes: &[u8]) -> Result<Self, Diagnostic> {
        let (source, tree) = Source::parse(file, bytes)?;
        Self::read(&source, &tree)
    }

    /// Reads a model that is a value in a file.
    pub(crate) fn read<'a>(source: &Source<'a>, tree: &Value<'a>) -> Result<Self, Diagnostic> {
        let known = ["name", "about", "source", "choices", "bug", "control"];
        let fields = source.file_fields(tree, "a model", &known)?;
        let name = source.own_name(fields.require("name")?)?;
        let about = source.string(fields.require("about")?, "'about'")?;
        let origin = source.string(fields.require("source")?, "'source'")?;

        let value = fields.require("choices")?;
        let names: Vec<_> = CHOICES.iter().map(|choice| choice.name).collect();
        let chosen = source.fields(value, "'choices'", &names)?;
        let mut choices = Choices::default();
        for choice in CHOICES {
            // What is not chosen is as in the kernel: a model written before a choice was there
            // still means the same.
            let Some(value) = chosen.get(choice.name) else {
                continue;
            };
            let values: Vec<_> = choice.values.iter().map(|value| value.name).collect();
            let what = format!("'{}'", choice.name);
            let index = source.one_of(value, &what, &values)?;
            let known = choices.set(choice.name, values[index]);
            debug_assert!(known, "the table lists what it reads");
        }
        Ok(Self {
            name,
            about: about.value.to_owned(),
            source: origin.value.to_owned(),
            choices,
            bug: match fields.get("bug") {
                Some(value) => Some(Bug::read(source, value)?),
                None => None,
            },
            control: match fields.get("control") {
                Some(value) => Some(Control::read(source, value)?),
                None => None,
            },
        })
    }
}
