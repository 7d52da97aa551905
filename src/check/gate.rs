// SPDX-License-Identifier: GPL-2.0-only
//! What was expected against what was found, and the matrix of it all.
//!
//! An expectation is exact: `holds`, or the set of kinds that exploring to the end finds. A kind
//! less is a difference like a kind more; otherwise a checker that has gone blind would pass.
//! What was cut short never passes, even where it has found all that was expected by then. Where the
//! end is out of reach, an expectation may be the kinds that a recorded interleaving shows: then
//! that is run, and nothing is explored.

use super::{Outcome, Verdict};
use crate::{scenario::Expectation, sync::violation::ViolationKind};
use std::{collections::BTreeSet, fmt, fmt::Write as _};

/// How an outcome differs from what was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// It holds and was not expected to, or the other way round.
    Verdict {
        /// What was expected.
        expected: Expectation,
        /// What was found.
        found: Expectation,
    },
    /// It is violated, as expected, but not in these ways.
    Kinds {
        /// Kinds that were found and not expected.
        new: BTreeSet<ViolationKind>,
        /// Kinds that were expected and do not exist.
        missing: BTreeSet<ViolationKind>,
    },
    /// The exploration did not come to its end.
    Undecided {
        /// Why not.
        reason: String,
    },
    /// The scenario says nothing of this model.
    NothingExpected {
        /// What it could say, where that was found out.
        found: Option<Expectation>,
    },
}

impl Difference {
    /// A name for machines.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Verdict { .. } => "verdict",
            Self::Kinds { .. } => "kinds",
            Self::Undecided { .. } => "undecided",
            Self::NothingExpected { .. } => "nothing-expected",
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Verdict { expected, found } => {
                write!(f, "the verdict changed: expected {expected}, found {found}")
            }
            Self::Kinds { new, missing } => {
                f.write_str("the kinds of violation changed:")?;
                if !new.is_empty() {
                    write!(f, " new {}", Expectation::Violated(new.clone()))?;
                }
                if !missing.is_empty() {
                    let comma = if new.is_empty() { "" } else { ";" };
                    let missing = Expectation::Violated(missing.clone());
                    write!(f, "{comma} missing {missing}")?;
                }
                Ok(())
            }
            Self::Undecided { reason } => write!(f, "undecided: {reason}"),
            Self::NothingExpected { found: Some(found) } => {
                write!(f, "nothing expected: the scenario could say {found}")
            }
            Self::NothingExpected { found: None } => {
                f.write_str("nothing expected, and the exploration did not come to its end")
            }
        }
    }
}

fn kinds(outcome: &Outcome) -> BTreeSet<ViolationKind> {
    outcome.violations.iter().map(|entry| entry.kind).collect()
}

/// What a scenario could expect after this outcome. Nothing where it was cut short.
#[must_use]
pub fn found(outcome: &Outcome) -> Option<Expectation> {
    match outcome.verdict {
        _ if !outcome.complete => None,
        Verdict::Holds => Some(Expectation::Holds),
        Verdict::Violated => Some(Expectation::Violated(kinds(outcome))),
        Verdict::Undecided => None,
    }
}

/// How many executions are tried of a pair whose end is expected to be out of reach.
pub const UNDECIDED_EXECUTIONS: u64 = 20_000;

/// How an outcome differs from what was expected, if it does.
#[must_use]
pub fn compare(expected: Option<&Expectation>, outcome: &Outcome) -> Option<Difference> {
    let Some(expected) = expected else {
        let found = found(outcome);
        return Some(Difference::NothingExpected { found });
    };
    let kinds = kinds(outcome);
    let undecided = || Difference::Undecided {
        reason: outcome.reason.clone().unwrap_or_default(),
    };
    match (expected, outcome.verdict) {
        (Expectation::AtLeast { kinds: least, .. }, Verdict::Violated) => {
            let missing: BTreeSet<_> = least.difference(&kinds).copied().collect();
            let new = BTreeSet::new();
            (!missing.is_empty()).then_some(Difference::Kinds { new, missing })
        }
        (Expectation::Holds, Verdict::Holds) | (Expectation::Undecided, Verdict::Undecided) => None,
        (Expectation::Undecided, verdict) => Some(Difference::Verdict {
            expected: expected.clone(),
            found: match verdict {
                Verdict::Violated => Expectation::Violated(kinds),
                _ => Expectation::Holds,
            },
        }),
        (_, Verdict::Undecided) => Some(undecided()),
        // One violation is enough to know this, also in an exploration that was cut short.
        (Expectation::Holds, Verdict::Violated) => Some(Difference::Verdict {
            expected: expected.clone(),
            found: Expectation::Violated(kinds),
        }),
        (Expectation::Violated(_) | Expectation::AtLeast { .. }, Verdict::Holds) => {
            Some(Difference::Verdict {
                expected: expected.clone(),
                found: Expectation::Holds,
            })
        }
        (Expectation::Violated(expected), Verdict::Violated) => {
            let new: BTreeSet<_> = kinds.difference(expected).copied().collect();
            let missing: BTreeSet<_> = expected.difference(&kinds).copied().collect();
            if outcome.complete {
                let differs = !new.is_empty() || !missing.is_empty();
                differs.then_some(Difference::Kinds { new, missing })
            } else if new.is_empty() {
                Some(undecided())
            } else {
                // What is missing might have come later.
                let missing = BTreeSet::new();
                Some(Difference::Kinds { new, missing })
            }
        }
    }
}

/// A cell of the matrix.
#[derive(Clone, Debug)]
pub struct Cell<'o> {
    /// What was found.
    pub outcome: &'o Outcome,
    /// It differs from what was expected.
    pub differs: bool,
}

impl Cell<'_> {
    fn lines(&self) -> Vec<String> {
        let outcome = self.outcome;
        let mark = if self.differs { "! " } else { "" };
        let mut lines: Vec<String> = match outcome.verdict {
            Verdict::Violated => kinds(outcome).iter().map(ToString::to_string).collect(),
            verdict => vec![verdict.to_string()],
        };
        lines[0].insert_str(0, mark);
        // What was cut short may have more kinds.
        let more = if outcome.complete { "" } else { "+" };
        lines.push(format!("({}{more})", outcome.executions));
        lines
    }
}

/// How wide the matrix may be.
const WIDTH: usize = 100;

/// The space between columns.
const GAP: &str = "  ";

/// Scenarios by models: what was found, and in parentheses how many executions it took. Models
/// that do not fit next to each other follow below. `cells` are in order: by scenario, then model.
#[must_use]
pub fn matrix(cells: &[Cell<'_>]) -> String {
    let mut scenarios: Vec<&str> = cells.iter().map(|c| &*c.outcome.scenario).collect();
    scenarios.dedup();
    let mut models: Vec<&str> = cells.iter().map(|c| &*c.outcome.model).collect();
    models.sort_by_key(|model| super::model_order(model));
    models.dedup();
    let first = widest(scenarios.iter().copied()).max("scenario".len());
    let lines: Vec<Vec<String>> = cells.iter().map(Cell::lines).collect();
    let width = widest(lines.iter().flatten().map(String::as_str))
        .max(widest(models.iter().copied()))
        + GAP.len();
    let fit = (WIDTH.saturating_sub(first) / width).max(1);
    // As many beside each other in each part, or nearly.
    let parts = models.len().div_ceil(fit).max(1);
    let beside = models.len().div_ceil(parts).max(1);

    let mut text = String::new();
    for (part, models) in models.chunks(beside).enumerate() {
        if part > 0 {
            text.push('\n');
        }
        let headline = models.iter().map(|model| (*model).to_owned());
        row(&mut text, first, width, "scenario", headline);
        for scenario in &scenarios {
            let column = |model: &&str| {
                let at = cells
                    .iter()
                    .position(|c| c.outcome.scenario == *scenario && c.outcome.model == **model);
                at.map_or(&[][..], |at| &lines[at])
            };
            let columns: Vec<&[String]> = models.iter().map(column).collect();
            let height = columns.iter().map(|column| column.len()).max().unwrap_or(0);
            for line in 0..height {
                let name = if line == 0 { scenario } else { "" };
                let cells = columns.iter().map(|c| c.get(line).cloned());
                row(
                    &mut text,
                    first,
                    width,
                    name,
                    cells.map(Option::unwrap_or_default),
                );
            }
        }
    }
    text
}

fn widest<'t>(texts: impl Iterator<Item = &'t str>) -> usize {
    texts.map(|text| text.chars().count()).max().unwrap_or(0)
}

fn row(
    text: &mut String,
    first: usize,
    width: usize,
    name: &str,
    cells: impl Iterator<Item = String>,
) {
    let mut line = format!("{name:first$}");
    let width = width - GAP.len();
    for cell in cells {
        let _ = write!(line, "{GAP}{cell:width$}");
    }
    text.push_str(line.trim_end());
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{EngineKind, MemoryModel, ViolationEntry};
    use ViolationKind::{Leak, ObjectsRemaining, UseAfterDestroy, UseAfterFree};

    fn outcome(model: &str, complete: bool, kinds: &[ViolationKind]) -> Outcome {
        let violation = |kind: &ViolationKind| ViolationEntry {
            kind: *kind,
            object: String::new(),
            thread: String::new(),
            function: String::new(),
            message: String::new(),
            counterexample: None,
            counterexample_error: None,
            replayable: true,
            size: None,
            reports: Vec::new(),
        };
        Outcome {
            scenario: "put-order".to_owned(),
            model: model.to_owned(),
            engine: EngineKind::Dpor,
            memory_model: MemoryModel::Sc,
            verdict: match (kinds.is_empty(), complete) {
                (false, _) => Verdict::Violated,
                (true, true) => Verdict::Holds,
                (true, false) => Verdict::Undecided,
            },
            complete,
            executions: 42,
            blocked: 0,
            states: None,
            seconds: 0.1,
            reason: (!complete).then(|| "cut".to_owned()),
            violations: kinds.iter().map(violation).collect(),
            resume: None,
            resume_error: None,
        }
    }

    fn violated(kinds: &[ViolationKind]) -> Expectation {
        Expectation::Violated(kinds.iter().copied().collect())
    }

    /// What is said where `expected` meets an outcome.
    fn said(expected: Option<&Expectation>, complete: bool, kinds: &[ViolationKind]) -> String {
        let difference = compare(expected, &outcome("v4", complete, kinds));
        difference.map_or_else(
            || "as expected".to_owned(),
            |difference| format!("{}: {difference}", difference.name()),
        )
    }

    #[test]
    fn what_was_expected_passes_and_nothing_else() {
        let holds = Expectation::Holds;
        let leak = violated(&[Leak]);
        let two = violated(&[Leak, UseAfterFree]);
        let rows: [(Option<&Expectation>, bool, &[ViolationKind], &str); 12] = [
            (Some(&holds), true, &[], "as expected"),
            (Some(&two), true, &[Leak, UseAfterFree], "as expected"),
            (
                Some(&holds),
                true,
                &[Leak],
                "verdict: the verdict changed: expected holds, found leak",
            ),
            (
                Some(&holds),
                false,
                &[Leak],
                "verdict: the verdict changed: expected holds, found leak",
            ),
            (
                Some(&two),
                true,
                &[],
                "verdict: the verdict changed: expected use-after-free, leak, found holds",
            ),
            (
                Some(&leak),
                true,
                &[UseAfterFree],
                "kinds: the kinds of violation changed: new use-after-free; missing leak",
            ),
            (
                Some(&two),
                true,
                &[Leak],
                "kinds: the kinds of violation changed: missing use-after-free",
            ),
            (
                Some(&two),
                false,
                &[ObjectsRemaining],
                "kinds: the kinds of violation changed: new objects-remaining",
            ),
            (
                Some(&two),
                false,
                &[Leak, UseAfterFree],
                "undecided: undecided: cut",
            ),
            (Some(&holds), false, &[], "undecided: undecided: cut"),
            (
                None,
                true,
                &[],
                "nothing-expected: nothing expected: the scenario could say holds",
            ),
            (
                None,
                false,
                &[Leak],
                "nothing-expected: nothing expected, and the exploration did not come to its end",
            ),
        ];
        for (expected, complete, kinds, what) in rows {
            assert_eq!(said(expected, complete, kinds), what);
        }
    }

    #[test]
    fn the_matrix_fits_on_a_hundred_columns() {
        let all = [UseAfterDestroy, ObjectsRemaining, Leak];
        let mut outcomes = Vec::new();
        for scenario in ["put-order", "shrinker-vs-netns-exit"] {
            for model in ["before-series", "v1-7of8", "v1-8of8", "v2-8of9", "v4"] {
                let kinds: &[_] = if model == "v2-8of9" { &all } else { &[] };
                let mut outcome = outcome(model, model != "v4", kinds);
                outcome.scenario = scenario.to_owned();
                outcomes.push(outcome);
            }
        }
        let cells: Vec<_> = outcomes
            .iter()
            .map(|outcome| Cell {
                outcome,
                differs: outcome.model == "v4",
            })
            .collect();
        assert_eq!(
            matrix(&cells),
            "\
scenario                before-series      v1-7of8            v1-8of8
put-order               holds              holds              holds
                        (42)               (42)               (42)
shrinker-vs-netns-exit  holds              holds              holds
                        (42)               (42)               (42)

scenario                v2-8of9            v4
put-order               use-after-destroy  ! undecided
                        objects-remaining  (42+)
                        leak
                        (42)
shrinker-vs-netns-exit  use-after-destroy  ! undecided
                        objects-remaining  (42+)
                        leak
                        (42)
"
        );
        assert_eq!(matrix(&[]), "");
    }
}
