// SPDX-License-Identifier: GPL-2.0-only
//! A gate split over machines, and its parts put together again.
//!
//! Shard `K` of `N` checks every `N`th pair, from the `K`th on. Its result names the pairs of all
//! shards, has a checksum of the scenarios and models they are made of, and says what it was run
//! with, so that parts of different gates are never put together.

use super::Outcome;
use crate::{model::Model, scenario::Scenario};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{fmt::Write as _, str::FromStr};

/// One of the parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// Which one, from 1.
    pub index: usize,
    /// Of how many.
    pub count: usize,
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("expected K/N with K from 1 to N, such as 2/4, not {text:?}");
        let (index, count) = text.split_once('/').ok_or_else(wrong)?;
        let number = |text: &str| {
            let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            text.parse::<usize>().ok().filter(|_| digits)
        };
        match (number(index), number(count)) {
            (Some(index), Some(count)) if (1..=count).contains(&index) => Ok(Self { index, count }),
            _ => Err(wrong()),
        }
    }
}

impl Shard {
    /// Whether the pair of this index, from 0, is in the shard.
    #[must_use]
    pub fn has(self, pair: usize) -> bool {
        pair % self.count == self.index - 1
    }
}

/// Which part of which gate a result is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Which part.
    #[serde(flatten)]
    pub shard: Shard,
    /// The pairs of all parts, as scenario and model.
    pub all: Vec<(String, String)>,
    /// The SHA-256 of all scenarios and models that take part, as they are written.
    pub inputs: String,
    /// What it was run with.
    pub options: Options,
}

/// What a gate is run with that its answers depend on: names of options, without the dashes, and
/// their values. Those that are not given are not there, but for the engine and the memory model.
pub type Options = Vec<(String, String)>;

/// The first option that two gates were not both run with, as it was given to the one and to the
/// other.
fn differing(one: &Options, other: &Options) -> Option<(String, String)> {
    let value = |options: &Options, name: &str| {
        let mut options = options.iter();
        options.find_map(|(n, value)| (n == name).then(|| value.clone()))
    };
    let told = |options: &Options, name: &str| match value(options, name) {
        Some(value) if value.is_empty() => format!("--{name}"),
        Some(value) => format!("--{name} {value}"),
        None => format!("no --{name}"),
    };
    let mut names = one.iter().chain(other).map(|(name, _)| name);
    let name = names.find(|name| value(one, name) != value(other, name))?;
    Some((told(one, name), told(other, name)))
}

/// A checksum of what is checked.
#[must_use]
pub fn inputs<'p>(pairs: impl Iterator<Item = (&'p Scenario, &'p Model)>) -> String {
    let mut sum = Sha256::new();
    for (scenario, model) in pairs {
        sum.update(scenario.to_json());
        sum.update(serde_json::to_string(model).unwrap_or_default());
    }
    let mut text = String::new();
    for byte in sum.finalize() {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// The result of a shard, as much of it as is needed here.
#[derive(Clone, Debug, Deserialize)]
pub struct Piece {
    /// Which one.
    pub shard: Part,
    /// What came of its pairs.
    pub pairs: Vec<Outcome>,
}

/// Puts the results of all shards together: the outcomes, in the order of all pairs.
///
/// # Errors
///
/// Where a shard is missing or there twice, where they are not of one gate, or where a pair is not
/// where it should be. Each piece comes with the name of its file.
pub fn merge(pieces: &[(String, Piece)]) -> Result<Vec<Outcome>, String> {
    let Some((first_file, first)) = pieces.first() else {
        return Err("no shards".to_owned());
    };
    let count = first.shard.shard.count;
    for (file, piece) in pieces {
        let Shard { index, count: of } = piece.shard.shard;
        if of != count {
            return Err(format!(
                "{file}: shard {index}/{of}, but {first_file} is one of {count}"
            ));
        }
        if index == 0 || index > count {
            return Err(format!("{file}: there is no shard {index}/{of}"));
        }
        if (&piece.shard.all, &piece.shard.inputs) != (&first.shard.all, &first.shard.inputs) {
            return Err(format!(
                "{file}: another gate than {first_file}: other scenarios or models"
            ));
        }
        if let Some((this, that)) = differing(&piece.shard.options, &first.shard.options) {
            return Err(format!(
                "{file}: another gate than {first_file}: it was run with {this}, and {first_file} \
                 with {that}"
            ));
        }
    }
    let mut order: Vec<Option<&(String, Piece)>> = vec![None; count];
    for named in pieces {
        let Shard { index, .. } = named.1.shard.shard;
        if let Some((other, _)) = order[index - 1] {
            return Err(format!(
                "{}: shard {index}/{count} again, after {other}",
                named.0
            ));
        }
        order[index - 1] = Some(named);
    }
    let missing: Vec<String> = (1..=count)
        .filter(|index| order[index - 1].is_none())
        .map(|index| format!("{index}/{count}"))
        .collect();
    if !missing.is_empty() {
        return Err(format!("missing: shard {}", missing.join(", ")));
    }
    let mut outcomes = Vec::new();
    let mut next = vec![0; count];
    for (at, (scenario, model)) in first.shard.all.iter().enumerate() {
        let shard = at % count;
        let Some((file, piece)) = order[shard] else {
            continue;
        };
        let outcome = piece.pairs.get(next[shard]);
        next[shard] += 1;
        match outcome {
            Some(o) if o.scenario == *scenario && o.model == *model => outcomes.push(o.clone()),
            _ => return Err(format!("{file}: no result for {scenario} on {model}")),
        }
    }
    for (shard, next) in next.into_iter().enumerate() {
        if let Some((file, piece)) = order[shard]
            && piece.pairs.len() > next
        {
            return Err(format!("{file}: more results than there are pairs"));
        }
    }
    Ok(outcomes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{check::CheckOptions, library::Library};
    use proptest::prelude::*;

    fn outcomes(count: usize) -> Vec<Outcome> {
        let library = Library::builtin();
        let scenario = library.scenario("put-order").unwrap();
        let model = library.model("v4").unwrap();
        let options = CheckOptions::default();
        let outcome = Outcome::undecided(&scenario, &model, &options, String::new());
        let each = (0..count).map(|at| Outcome {
            model: format!("m{at}"),
            executions: at as u64,
            ..outcome.clone()
        });
        each.collect()
    }

    type Pieces = Vec<(String, Piece)>;

    fn pieces(outcomes: &[Outcome], count: usize) -> Pieces {
        let all = outcomes
            .iter()
            .map(|o| (o.scenario.clone(), o.model.clone()));
        let all: Vec<_> = all.collect();
        let piece = |index| {
            let shard = Shard { index, count };
            let pairs = outcomes.iter().enumerate().filter(|(at, _)| shard.has(*at));
            let piece = Piece {
                shard: Part {
                    shard,
                    all: all.clone(),
                    inputs: "sum".to_owned(),
                    options: vec![("engine".to_owned(), "dpor".to_owned())],
                },
                pairs: pairs.map(|(_, outcome)| outcome.clone()).collect(),
            };
            (format!("{index}.json"), piece)
        };
        (1..=count).map(piece).collect()
    }

    proptest! {
        #[test]
        fn any_number_of_shards_gives_what_one_machine_does(
            pairs in 0_usize..40,
            count in 1_usize..12,
            turn in 0_usize..12,
        ) {
            let outcomes = outcomes(pairs);
            let mut pieces = pieces(&outcomes, count);
            pieces.rotate_left(turn % count);
            prop_assert_eq!(merge(&pieces).unwrap(), outcomes);
        }
    }

    #[test]
    fn what_is_missing_or_doubled_or_of_another_gate_is_an_error() {
        let all = pieces(&outcomes(7), 3);
        let wrong = |change: &dyn Fn(&mut Pieces)| {
            let mut pieces = all.clone();
            change(&mut pieces);
            merge(&pieces).unwrap_err()
        };
        assert_eq!(wrong(&|p| p.clear()), "no shards");
        assert_eq!(wrong(&|p| drop(p.remove(1))), "missing: shard 2/3");
        assert_eq!(wrong(&|p| p.truncate(1)), "missing: shard 2/3, 3/3");
        let doubled = wrong(&|p| p.push(("again.json".to_owned(), p[0].1.clone())));
        assert_eq!(doubled, "again.json: shard 1/3 again, after 1.json");
        let other = wrong(&|p| p[2].1.shard.inputs.push('x'));
        assert_eq!(
            other,
            "3.json: another gate than 1.json: other scenarios or models"
        );
        let option = ("engine".to_owned(), "loom".to_owned());
        let other = wrong(&|p| p[2].1.shard.options[0] = option.clone());
        assert_eq!(
            other,
            "3.json: another gate than 1.json: it was run with --engine loom, and 1.json with \
             --engine dpor"
        );
        let option = ("max-executions".to_owned(), "50".to_owned());
        let other = wrong(&|p| p[0].1.shard.options.push(option.clone()));
        assert_eq!(
            other,
            "2.json: another gate than 1.json: it was run with no --max-executions, and 1.json with \
             --max-executions 50"
        );
        let other = wrong(&|p| p[2].1.shard.shard.count = 4);
        assert_eq!(other, "3.json: shard 3/4, but 1.json is one of 3");
        let none = wrong(&|p| drop(p[1].1.pairs.pop()));
        assert_eq!(none, "2.json: no result for put-order on m4");
        let outcome = all[0].1.pairs[0].clone();
        let more = wrong(&|p| p[1].1.pairs.push(outcome.clone()));
        assert_eq!(more, "2.json: more results than there are pairs");
        let zero = wrong(&|p| p[0].1.shard.shard.index = 0);
        assert_eq!(zero, "1.json: there is no shard 0/3");
    }

    #[test]
    fn a_shard_is_written_as_a_fraction() {
        assert_eq!("2/4".parse(), Ok(Shard { index: 2, count: 4 }));
        for wrong in ["", "2", "0/4", "5/4", "+1/4", "1/0", "1/2/3", "a/b", " 1/2"] {
            assert!(wrong.parse::<Shard>().is_err(), "{wrong}");
        }
    }
}
