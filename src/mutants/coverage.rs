// SPDX-License-Identifier: GPL-2.0-only
//! What of `src/nfsd/` a scenario runs.

use super::sites::Found;
use crate::sync::mutation::Place;
use std::collections::BTreeSet;

/// What a set of runs has reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// The functions of the kernel, by name, that were entered; sorted.
    pub functions: Vec<String>,
    /// How many of the calls of primitives in `src/nfsd/` were made.
    pub calls: usize,
}

/// All functions of the kernel that `src/nfsd/` has, by name; sorted.
#[must_use]
pub fn functions(found: &Found) -> Vec<String> {
    entered(found, |_| true)
}

/// How many calls of primitives there are in `src/nfsd/`.
#[must_use]
pub fn calls(found: &Found) -> usize {
    made(found, |_| true)
}

/// What these places are of `src/nfsd/`.
#[must_use]
pub fn of(found: &Found, reached: &BTreeSet<Place>) -> Coverage {
    Coverage {
        functions: entered(found, |place| reached.contains(place)),
        calls: made(found, |place| reached.contains(place)),
    }
}

fn entered(found: &Found, is_reached: impl Fn(&Place) -> bool) -> Vec<String> {
    let functions = found
        .functions
        .iter()
        .filter(|function| is_nfsd(function.file));
    let names: BTreeSet<&String> = functions
        .flat_map(|function| &function.enters)
        .filter(|(place, _)| is_reached(place))
        .map(|(_, name)| name)
        .collect();
    names.into_iter().cloned().collect()
}

fn made(found: &Found, is_reached: impl Fn(&Place) -> bool) -> usize {
    let sites = found.sites.iter();
    sites
        .filter(|site| is_nfsd(site.place.file) && !site.weakenings.is_empty())
        .filter(|site| is_reached(&site.place))
        .count()
}

fn is_nfsd(file: &str) -> bool {
    file.starts_with("src/nfsd/")
}
