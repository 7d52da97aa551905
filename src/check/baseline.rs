// SPDX-License-Identifier: GPL-2.0-only
//! What each pair took the last time, to notice when it takes much more.
//!
//! The number of executions says how much there is to explore, and is the same on every machine.
//! The time is not: it is compared too, but neither of the two ever fails a gate.

use super::Outcome;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt::Write as _};

/// What the field `format` says.
pub const FORMAT: &str = "nfsd-check baseline";

/// What the field `version` says.
pub const VERSION: u32 = 1;

/// Times below this are too short to be compared.
const SHORT: f64 = 1.0;

/// How much longer a pair may take, where nothing else is said of the machine.
const SLOWER: f64 = 2.0;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    scenario: String,
    model: String,
    engine: String,
    memory_model: String,
    executions: u64,
    seconds: f64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: String,
    version: u32,
    pairs: Vec<Entry>,
}

/// What pairs took.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Baseline {
    pairs: BTreeMap<[String; 4], Entry>,
}

fn entry(outcome: &Outcome) -> Entry {
    Entry {
        scenario: outcome.scenario.clone(),
        model: outcome.model.clone(),
        engine: outcome.engine.name().to_owned(),
        memory_model: outcome.memory_model.name().to_owned(),
        executions: outcome.executions,
        seconds: outcome.seconds,
    }
}

fn key(entry: &Entry) -> [String; 4] {
    [
        entry.scenario.clone(),
        entry.model.clone(),
        entry.engine.clone(),
        entry.memory_model.clone(),
    ]
}

impl Baseline {
    /// Reads the text of a file.
    ///
    /// # Errors
    ///
    /// What is wrong with it, with its name and the place.
    pub fn parse(file: &str, text: &str) -> Result<Self, String> {
        let read: File = serde_json::from_str(text)
            .map_err(|error| format!("{file}:{}:{}: {error}", error.line(), error.column()))?;
        if read.format != FORMAT || read.version != VERSION {
            return Err(format!(
                "{file}: not a baseline of version {VERSION}: it says {:?}, version {}",
                read.format, read.version
            ));
        }
        let mut baseline = Self::default();
        for entry in read.pairs {
            let name = format!("{} on {}", entry.scenario, entry.model);
            if baseline.pairs.insert(key(&entry), entry).is_some() {
                return Err(format!("{file}: {name} is there twice"));
            }
        }
        Ok(baseline)
    }

    /// The text of its file: one pair a line.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut text =
            format!("{{\n  \"format\": \"{FORMAT}\",\n  \"version\": {VERSION},\n  \"pairs\": [");
        for (i, entry) in self.pairs.values().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            let entry = serde_json::to_string(entry).unwrap_or_default();
            let _ = write!(text, "{comma}\n    {entry}");
        }
        text + "\n  ]\n}\n"
    }

    /// Takes over what an outcome took.
    pub fn update(&mut self, outcome: &Outcome) {
        let entry = entry(outcome);
        self.pairs.insert(key(&entry), entry);
    }

    /// What has grown by more than `percent`, in sentences. A pair that is not in the baseline is
    /// said to be new.
    #[must_use]
    pub fn warnings(&self, outcome: &Outcome, percent: u32) -> Vec<String> {
        let now = entry(outcome);
        let Some(before) = self.pairs.get(&key(&now)) else {
            return vec!["it is not in the baseline".to_owned()];
        };
        let mut warnings = Vec::new();
        let most = before.executions.saturating_mul(100 + u64::from(percent)) / 100;
        if now.executions > most {
            warnings.push(format!(
                "{} executions, which were {}: more than {percent} % above that",
                now.executions, before.executions
            ));
        }
        let slow = SLOWER.max(1.0 + f64::from(percent) / 100.0);
        if now.seconds > SHORT && now.seconds > before.seconds * slow {
            warnings.push(format!(
                "{} s, which were {}: more than {slow} times the baseline",
                now.seconds, before.seconds
            ));
        }
        warnings
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{check::CheckOptions, library::Library};

    fn outcome(executions: u64, seconds: f64) -> Outcome {
        let library = Library::builtin();
        let scenario = library.scenario("put-order").unwrap();
        let model = library.model("v4").unwrap();
        let options = CheckOptions::default();
        Outcome {
            executions,
            seconds,
            ..Outcome::undecided(&scenario, &model, &options, String::new())
        }
    }

    #[test]
    fn growth_is_warned_of_and_nothing_else_is() {
        let mut baseline = Baseline::default();
        let warnings = |baseline: &Baseline, outcome| baseline.warnings(&outcome, 10);
        let new = warnings(&baseline, outcome(100, 0.5));
        assert_eq!(new, ["it is not in the baseline"]);
        baseline.update(&outcome(100, 0.5));
        assert!(warnings(&baseline, outcome(110, 0.9)).is_empty());
        assert!(warnings(&baseline, outcome(1, 0.0)).is_empty());
        let more = warnings(&baseline, outcome(111, 0.5));
        assert_eq!(more.len(), 1);
        assert!(more[0].starts_with("111 executions, which were 100: more than 10 %"));
        let slower = warnings(&baseline, outcome(100, 1.1));
        assert_eq!(
            slower,
            ["1.1 s, which were 0.5: more than 2 times the baseline"]
        );
    }

    #[test]
    fn a_baseline_reads_as_it_was_written() {
        let mut baseline = Baseline::default();
        baseline.update(&outcome(100, 0.5));
        let text = baseline.to_json();
        assert_eq!(Baseline::parse("b.json", &text).unwrap(), baseline);
        let empty = Baseline::default().to_json();
        assert_eq!(
            Baseline::parse("b.json", &empty).unwrap(),
            Baseline::default()
        );
        let wrong = |text: &str| Baseline::parse("b.json", text).unwrap_err();
        assert!(wrong(&text.replace("\"version\": 1", "\"version\": 2")).contains("version 2"));
        assert!(wrong("{").starts_with("b.json:1:1: "));
        let line = text.lines().nth(4).unwrap();
        let twice = text.replace(line, &format!("{line},\n{line}"));
        assert_eq!(wrong(&twice), "b.json: put-order on v4 is there twice");
    }
}
