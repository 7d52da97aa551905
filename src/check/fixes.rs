// SPDX-License-Identifier: GPL-2.0-only
//! Which sets of changes are enough: a search through the combinations of choices.
//!
//! A *change* gives one choice another value than it has in the model that the search starts from;
//! a *set* changes each choice at most once. Sets are asked about by their size, smallest first.
//! Nothing is taken to be monotonous: that a set is rejected says nothing of a larger one, nor does
//! one that is enough, as a further change may break something. So each set is asked about, with
//! one exception: what contains a set that is enough cannot be minimal, and is left out unless the
//! caller wants it. It is counted, for it is not known to be enough either.
//!
//! A set is *minimal* where it is enough and each of its proper subsets was asked about and
//! rejected. One that is undecided does not do.

/// A change: the index of a choice, and the index of a value among those it may be changed to.
pub type Change = (usize, usize);

/// A set of changes, sorted, each choice at most once.
pub type Set = Vec<Change>;

/// What is known of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Everything holds.
    Enough,
    /// Something is violated.
    Rejected,
    /// Neither is known.
    Undecided,
    /// The search was stopped before.
    NotAsked,
}

/// A set that was asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The changes.
    pub set: Set,
    /// What came of it.
    pub answer: Answer,
}

/// What the search has found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Search {
    /// All sets that were asked about, by size.
    pub asked: Vec<Asked>,
    /// How many were left out because they contain one that is enough.
    pub supersets: u64,
    /// How many were not asked about because they are larger than was wanted, or the search was
    /// stopped.
    pub left: u64,
}

impl Search {
    /// The sets that are enough, and have no proper subset that is.
    pub fn smallest(&self) -> impl Iterator<Item = &Asked> {
        let enough = self.asked.iter().filter(|a| a.answer == Answer::Enough);
        enough.filter(|asked| !self.below(&asked.set).any(|a| a.answer == Answer::Enough))
    }

    /// Those proper subsets of `set` that keep it from being called minimal: they are not rejected.
    pub fn in_doubt<'s>(&'s self, set: &'s [Change]) -> impl Iterator<Item = &'s Asked> {
        self.below(set).filter(|a| a.answer != Answer::Rejected)
    }

    /// The proper subsets that were asked about.
    fn below<'s>(&'s self, set: &'s [Change]) -> impl Iterator<Item = &'s Asked> {
        let asked = self.asked.iter();
        asked.filter(|other| other.set.len() < set.len() && contains(set, &other.set))
    }
}

/// Whether `set` has all changes of `other`.
#[must_use]
pub fn contains(set: &[Change], other: &[Change]) -> bool {
    other.iter().all(|change| set.contains(change))
}

/// How many sets there are where each choice may be changed to so many values; `None` where they
/// cannot be counted.
#[must_use]
pub fn count(values: &[usize]) -> Option<u64> {
    let mut factors = values.iter().map(|count| *count as u64 + 1);
    factors.try_fold(1_u64, u64::checked_mul)
}

/// Ask about the sets of up to `most` changes; choice `c` may be changed to `values[c]` values.
/// `ask` gets all sets of one size and answers in their order. With `supersets`, those that contain
/// one that is enough are asked about, too.
pub fn search(
    values: &[usize],
    most: usize,
    supersets: bool,
    mut ask: impl FnMut(&[Set]) -> Vec<Answer>,
) -> Search {
    let mut found = Search::default();
    let mut enough: Vec<Set> = Vec::new();
    let mut stopped = false;
    for size in 0..=values.len() {
        let mut sets = Vec::new();
        sets_of(values, size, 0, &mut Vec::new(), &mut sets);
        if stopped || size > most {
            found.left += sets.len() as u64;
            continue;
        }
        if !supersets {
            let all = sets.len();
            sets.retain(|set| !enough.iter().any(|smaller| contains(set, smaller)));
            found.supersets += (all - sets.len()) as u64;
        }
        let answers = ask(&sets);
        assert_eq!(answers.len(), sets.len(), "one answer for each set");
        for (set, answer) in sets.into_iter().zip(answers) {
            match answer {
                Answer::Enough => enough.push(set.clone()),
                Answer::NotAsked => {
                    stopped = true;
                    found.left += 1;
                    continue;
                }
                Answer::Rejected | Answer::Undecided => {}
            }
            found.asked.push(Asked { set, answer });
        }
    }
    found
}

/// All sets of `size` further changes, of the choices from `first` on.
fn sets_of(values: &[usize], size: usize, first: usize, set: &mut Set, sets: &mut Vec<Set>) {
    if size == 0 {
        sets.push(set.clone());
        return;
    }
    for choice in first..values.len() {
        for value in 0..values[choice] {
            set.push((choice, value));
            sets_of(values, size - 1, choice + 1, set, sets);
            set.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The search where `oracle` answers.
    fn with(values: &[usize], oracle: impl Fn(&[Change]) -> Answer) -> Search {
        search(values, usize::MAX, false, |sets| {
            sets.iter().map(|set| oracle(set)).collect()
        })
    }

    fn enough_if(enough: bool) -> Answer {
        if enough {
            Answer::Enough
        } else {
            Answer::Rejected
        }
    }

    fn minimal(found: &Search) -> Vec<Set> {
        let smallest = found.smallest();
        let minimal = smallest.filter(|a| found.in_doubt(&a.set).next().is_none());
        minimal.map(|asked| asked.set.clone()).collect()
    }

    #[test]
    fn the_smallest_sets_are_found_and_nothing_above_them_is_asked() {
        // Two ways: both of the first two, or the second value of the third.
        let found = with(&[1, 1, 2], |set| {
            enough_if(contains(set, &[(0, 0), (1, 0)]) || contains(set, &[(2, 1)]))
        });
        assert_eq!(minimal(&found), [vec![(2, 1)], vec![(0, 0), (1, 0)]]);
        assert_eq!(count(&[1, 1, 2]), Some(12));
        // Above (2, 1) there are three, above the pair one more that is not above (2, 1).
        assert_eq!((found.asked.len(), found.supersets, found.left), (8, 4, 0));
    }

    #[test]
    fn a_change_that_breaks_something_else_hides_no_set() {
        // (1, 0) repairs what (0, 0) breaks: the two together are enough, and neither is.
        let found = with(&[1, 1, 1], |set| {
            let broken = contains(set, &[(0, 0)]) && !contains(set, &[(1, 0)]);
            enough_if(!broken && set.len() >= 2)
        });
        assert_eq!(
            minimal(&found),
            [vec![(0, 0), (1, 0)], vec![(1, 0), (2, 0)]]
        );
        // A superset of one that is enough need not be.
        let found = search(&[1, 1], usize::MAX, true, |sets| {
            sets.iter().map(|set| enough_if(set.len() == 1)).collect()
        });
        assert_eq!(minimal(&found), [vec![(0, 0)], vec![(1, 0)]]);
        assert_eq!((found.asked.len(), found.supersets), (4, 0));
        let last = found.asked.last().unwrap();
        assert_eq!((last.set.len(), last.answer), (2, Answer::Rejected));
    }

    #[test]
    fn what_is_undecided_below_a_set_is_said() {
        let found = with(&[1, 1], |set| match set {
            [(0, 0)] => Answer::Undecided,
            [_, _] => Answer::Enough,
            _ => Answer::Rejected,
        });
        assert!(minimal(&found).is_empty());
        let smallest: Vec<_> = found.smallest().collect();
        assert_eq!(smallest.len(), 1);
        let doubts: Vec<_> = found.in_doubt(&smallest[0].set).collect();
        assert_eq!(doubts.len(), 1);
        assert_eq!(doubts[0].set, [(0, 0)]);
    }

    #[test]
    fn nothing_to_change_is_a_set() {
        let found = with(&[2, 3], |_| Answer::Enough);
        assert_eq!(minimal(&found), [Set::new()]);
        assert_eq!((found.asked.len(), found.supersets), (1, 11));
    }

    #[test]
    fn what_is_left_is_counted() {
        let all = |sets: &[Set]| vec![Answer::Rejected; sets.len()];
        let found = search(&[2, 3], 1, false, all);
        assert_eq!((found.asked.len(), found.left), (6, 6));
        let found = search(&[2, 3], 2, false, |sets| {
            let answer = |set: &Set| match set.len() {
                0 => Answer::Rejected,
                _ => Answer::NotAsked,
            };
            sets.iter().map(answer).collect()
        });
        assert_eq!((found.asked.len(), found.left), (1, 11));
        assert_eq!(count(&[usize::MAX - 1; 3]), None);
    }

    proptest! {
        /// Against the definition, for any oracle at all.
        #[test]
        fn minimal_is_what_it_says(
            values in prop::collection::vec(1_usize..3, 1..5),
            bits in prop::collection::vec(0_u8..3, 81),
        ) {
            let index = |set: &[Change]| {
                let mut digits = vec![0; values.len()];
                for (choice, value) in set {
                    digits[*choice] = value + 1;
                }
                digits.iter().fold(0, |index, digit| index * 3 + digit)
            };
            let oracle = |set: &[Change]| match bits[index(set)] {
                0 => Answer::Enough,
                1 => Answer::Rejected,
                _ => Answer::Undecided,
            };
            let mut all = Vec::new();
            for size in 0..=values.len() {
                sets_of(&values, size, 0, &mut Vec::new(), &mut all);
            }
            prop_assert_eq!(Some(all.len() as u64), count(&values));
            let mut expected: Vec<Set> = Vec::new();
            for set in &all {
                let below = |other: &&Set| other.len() < set.len() && contains(set, other);
                let mut below = all.iter().filter(below);
                if oracle(set) == Answer::Enough && below.all(|s| oracle(s) == Answer::Rejected) {
                    expected.push(set.clone());
                }
            }
            let found = with(&values, oracle);
            prop_assert_eq!(minimal(&found), expected);
            prop_assert_eq!(found.asked.len() as u64 + found.supersets, all.len() as u64);
        }
    }
}
