// SPDX-License-Identifier: GPL-2.0-only
//! Placeholder: an interleaving in a file.

use crate::{engine::Finding, model::Model, scenario::Scenario};
use serde_json::{Value, json};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// An interleaving that shows a violation.
#[derive(Debug)]
pub struct Counterexample {
    stem: String,
    document: Value,
}

impl Counterexample {
    /// Of a finding.
    #[must_use]
    pub fn new(
        scenario: &Scenario,
        model: &Model,
        engine: &str,
        memory_model: &str,
        finding: &Finding,
    ) -> Self {
        Self {
            stem: format!("{}-{}-{}", scenario.name, model.name, finding.kind),
            document: json!({
                "scenario": scenario.name,
                "model": model.name,
                "engine": engine,
                "memory_model": memory_model,
                "kind": finding.kind,
                "steps": finding.recording.steps.len(),
            }),
        }
    }

    /// Writes the file.
    ///
    /// # Errors
    ///
    /// Where that fails.
    pub fn save(&self, dir: &Path) -> io::Result<PathBuf> {
        fs::create_dir_all(dir)?;
        let bytes = serde_json::to_vec_pretty(&self.document)?;
        for number in 1.. {
            let path = dir.join(match number {
                1 => format!("{}.json", self.stem),
                _ => format!("{}-{number}.json", self.stem),
            });
            match fs::read(&path) {
                Ok(there) if there == bytes => return Ok(path),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    fs::write(&path, bytes)?;
                    return Ok(path);
                }
                Err(error) => return Err(error),
            }
        }
        unreachable!()
    }
}
