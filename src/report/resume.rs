// SPDX-License-Identifier: GPL-2.0-only
//! Where an exploration was when it stopped, as a file to go on from.
//!
//! Like a counterexample, the file has the scenario and the model in it, a version and a checksum.
//! What it says of the exploration is for the explorer alone, and only the same explorer can go on
//! with it: it is no format to be kept for long.

use super::counterexample::{end, field, is_whole, save_as, version};
use crate::{
    check::MemoryModel,
    engine::dpor::Checkpoint,
    json::{Diagnostic, Source},
    library::{self, LoadError},
    model::Model,
    scenario::Scenario,
};
use jsonc_parser::common::Ranged;
use serde::Deserialize;
use std::{
    io,
    path::{Path, PathBuf},
};

/// What the field `format` says.
pub const FORMAT: &str = "nfsd-check resume";

/// What the field `version` says. It changes with the explorer: what one wrote that went through
/// executions in another order, no other one can go on with.
pub const VERSION: u32 = 2;

/// A longer file is refused.
pub const MAX_BYTES: usize = 64 << 20;

/// An exploration that was stopped.
#[derive(Clone, Debug, PartialEq)]
pub struct Resume {
    /// The scenario, without what is expected of it.
    pub scenario: Scenario,
    /// The model.
    pub model: Model,
    /// The memory that was explored on.
    pub memory_model: MemoryModel,
    /// Whether it was to go on after a violation.
    pub all: bool,
    /// What was left out.
    pub preemption_bound: Option<u32>,
    /// Where it was.
    pub left: Checkpoint,
}

/// What is read by serde alone: nobody writes it.
#[derive(Deserialize)]
struct Machine {
    all: bool,
    preemption_bound: Option<u32>,
    left: Checkpoint,
}

impl Resume {
    /// The text of the file.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut text = String::from("{\n");
        field(&mut text, "format", FORMAT);
        field(&mut text, "version", &VERSION);
        field(&mut text, "scenario", &self.scenario);
        field(&mut text, "model", &self.model);
        field(&mut text, "memory_model", self.memory_model.name());
        field(&mut text, "all", &self.all);
        field(&mut text, "preemption_bound", &self.preemption_bound);
        // In one line: it is long, and nothing to be read.
        let left = serde_json::to_string(&self.left).expect("only strings are keys");
        text += &format!("  \"left\": {left},\n");
        let end = end(&text);
        text + &end
    }

    /// Writes the file into a folder, which is made where it is not there, and says where it is. A
    /// file that is there already is left alone, unless it is the same to the byte.
    ///
    /// # Errors
    ///
    /// Where the folder or the file cannot be written.
    pub fn save(&self, dir: &Path) -> io::Result<PathBuf> {
        let text = self.to_json();
        if text.len() > MAX_BYTES {
            let message = "what is left of the exploration is too long to be read again";
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        let stem = format!("{}-{}-resume", self.scenario.name, self.model.name);
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
        let entries = source.entries(&tree, "what is left of an exploration")?;
        let early = |name| {
            let mut entries = entries.iter();
            let entry = entries.find(|(key, _)| key.value == name);
            entry.map(|(_, value)| *value).ok_or_else(|| {
                let message = format!("what is left of an exploration, without '{name}'");
                source.error(tree.start(), message)
            })
        };
        source.one_of(early("format")?, "'format'", &[FORMAT])?;
        version(&source, early("version")?, VERSION)?;
        let known = [
            "format",
            "version",
            "scenario",
            "model",
            "memory_model",
            "all",
            "preemption_bound",
            "left",
            "checksum",
        ];
        let fields = source.fields(&tree, "what is left of an exploration", &known)?;
        let checksum = source.string(fields.require("checksum")?, "'checksum'")?;
        if !is_whole(bytes) {
            let message = "the checksum is not that of the file, which was damaged or edited";
            return Err(source.error(checksum.start(), message));
        }
        let names = MemoryModel::EXPLORED.map(MemoryModel::name);
        let memory_model =
            source.one_of(fields.require("memory_model")?, "'memory_model'", &names)?;
        let scenario = Scenario::read(&source, fields.require("scenario")?, &[])?;
        let model = Model::read(&source, fields.require("model")?)?;
        let left = fields.require("left")?;
        let machine: Machine = serde_json::from_slice(bytes).map_err(|error| {
            source.error(
                left.start(),
                format!("this cannot be gone on with: {error}"),
            )
        })?;
        Ok(Self {
            scenario,
            model,
            memory_model: MemoryModel::EXPLORED[memory_model],
            all: machine.all,
            preemption_bound: machine.preemption_bound,
            left: machine.left,
        })
    }
}
