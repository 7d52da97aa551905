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
    Choice, ChoiceValue, Choices, DisposeList, FreeUnhash, GcLockCloseInode, GcLockGc,
    GcLockShrinker, NetRef, PutLocalOrder, ShutdownBarrier,
};

use crate::json::{Diagnostic, Source};
use choices::CHOICES;
use jsonc_parser::ast::Value;
use serde::Serialize;

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
        let known = ["name", "about", "source", "choices"];
        let fields = source.fields(tree, "a model", &known)?;
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
        })
    }
}
