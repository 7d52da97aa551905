// SPDX-License-Identifier: GPL-2.0-only
//! What of `src/nfsd/` a scenario runs.

use super::sites::{Found, Site};
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

/// A function of `src/nfsd/`, and how many of the calls of primitives in it were made, of how many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// The function, as it is called here.
    pub function: String,
    /// How many calls were made.
    pub made: usize,
    /// How many there are.
    pub there: usize,
}

/// By function, in the order of the sources: those of which a call was made, or which were entered.
#[must_use]
pub fn by_function(found: &Found, reached: &BTreeSet<Place>) -> Vec<Made> {
    let functions = found.functions.iter().filter(|f| is_nfsd(f.file));
    let functions = functions.filter_map(|function| {
        let sites = calls_in_nfsd(found)
            .filter(|site| (site.place.file, &site.function) == (function.file, &function.name));
        let (mut made, mut there) = (0, 0);
        for site in sites {
            there += 1;
            made += usize::from(reached.contains(&site.place));
        }
        let is_entered = function.enters.iter().any(|(p, _)| reached.contains(p));
        (made > 0 || is_entered).then(|| Made {
            function: function.name.clone(),
            made,
            there,
        })
    });
    functions.collect()
}

/// The calls of primitives in `src/nfsd/` that are not among these places, by name.
#[must_use]
pub fn never_made(found: &Found, reached: &BTreeSet<Place>) -> Vec<String> {
    let sites = calls_in_nfsd(found).filter(|site| !reached.contains(&site.place));
    sites.map(Site::name).collect()
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
    calls_in_nfsd(found)
        .filter(|site| is_reached(&site.place))
        .count()
}

/// The calls of primitives that can be weakened.
fn calls_in_nfsd(found: &Found) -> impl Iterator<Item = &Site> {
    let sites = found.sites.iter();
    sites.filter(|site| is_nfsd(site.place.file) && !site.weakenings.is_empty())
}

fn is_nfsd(file: &str) -> bool {
    file.starts_with("src/nfsd/")
}
