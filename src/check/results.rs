// SPDX-License-Identifier: GPL-2.0-only
//! The JSON of a gate's results, read for what is wrong with it.
//!
//! Who puts shards together takes what it needs ([`super::shards::Piece`]). Here every field is looked
//! at, and whether the whole says one thing.

use super::{
    EngineKind, MemoryModel, Verdict, ViolationEntry,
    shards::{Options, Shard},
};
use crate::sync::violation::ViolationKind;
use serde::{Deserialize, Deserializer};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    passed: bool,
    shard: Option<Part>,
    pairs: Vec<Pair>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Part {
    index: usize,
    count: usize,
    all: Vec<(String, String)>,
    #[serde(rename = "inputs")]
    _inputs: String,
    #[serde(rename = "options")]
    _options: Options,
}

/// Who reads it looks at few of the fields; that the others are of their type is what counts.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "that they can be read is what is checked")]
struct Pair {
    scenario: String,
    model: String,
    engine: EngineKind,
    memory_model: MemoryModel,
    verdict: Verdict,
    complete: bool,
    executions: u64,
    blocked: u64,
    states: Option<u64>,
    seconds: f64,
    reason: Option<String>,
    violations: Vec<ViolationEntry>,
    resume: Option<String>,
    resume_error: Option<String>,
    #[serde(deserialize_with = "there")]
    expected: Option<Expected>,
    #[serde(deserialize_with = "there")]
    found: Option<Expected>,
    #[serde(deserialize_with = "there")]
    difference: Option<Difference>,
    #[serde(default)]
    warnings: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "expected \"holds\", \"undecided\", a list of kinds of violation, or 'at_least' and 'shown_by'"
)]
#[expect(dead_code, reason = "that they can be read is what is checked")]
enum Expected {
    Word(Word),
    Kinds(Vec<ViolationKind>),
    AtLeast {
        at_least: Vec<ViolationKind>,
        shown_by: String,
    },
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Word {
    Holds,
    Undecided,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "that they can be read is what is checked")]
struct Difference {
    kind: DifferenceKind,
    message: String,
    reproduce: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum DifferenceKind {
    Verdict,
    Kinds,
    Undecided,
    NothingExpected,
}

/// A field that has to be there, with nothing in it or with something.
fn there<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<T>, D::Error> {
    Option::deserialize(from)
}

/// Whether a file has the results of a gate, or of a shard of one.
///
/// # Errors
///
/// What is wrong with it, with its name and, where it has one, the place.
pub fn check(file: &str, bytes: &[u8]) -> Result<(), String> {
    let Document {
        passed,
        shard,
        pairs,
    } = serde_json::from_slice(bytes)
        .map_err(|error| format!("{file}:{}:{}: {error}", error.line(), error.column()))?;
    let differ = pairs
        .iter()
        .filter(|pair| pair.difference.is_some())
        .count();
    if passed != (differ == 0) {
        let count = pairs.len();
        return Err(format!(
            "{file}: 'passed' is {passed}, and {differ} of {count} pairs differ from what is expected"
        ));
    }
    for pair in &pairs {
        let violated = pair.verdict == Verdict::Violated;
        if violated == pair.violations.is_empty() {
            let Pair {
                scenario, model, ..
            } = pair;
            let count = pair.violations.len();
            return Err(format!(
                "{file}: {scenario} on {model}: the verdict is {}, with {count} violations",
                pair.verdict
            ));
        }
    }
    let Some(Part {
        index, count, all, ..
    }) = shard
    else {
        return Ok(());
    };
    if !(1..=count).contains(&index) {
        return Err(format!("{file}: there is no shard {index}/{count}"));
    }
    let own = all.iter().enumerate();
    let own = own.filter(|(at, _)| Shard { index, count }.has(*at));
    let own = own.map(|(_, (scenario, model))| (scenario, model));
    if !own.eq(pairs.iter().map(|pair| (&pair.scenario, &pair.model))) {
        return Err(format!(
            "{file}: its pairs are not those of shard {index}/{count} of the pairs in 'all'"
        ));
    }
    Ok(())
}
