// SPDX-License-Identifier: GPL-2.0-only
//! Calls that may be weakened without harm, each with the reason why.

use super::sites::Site;
use crate::sync::mutation::Weakening;
use serde::Deserialize;

const ARGUED: &str = include_str!("argued.json");

/// Calls and one reason for all of them.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Argument {
    /// Which calls, by the name of the site, and how each is weakened, in words.
    pub mutants: Vec<String>,
    /// Why nothing breaks.
    pub argument: String,
}

/// All of them.
///
/// # Panics
///
/// Where the file that is compiled in is wrong, which a test would have shown.
#[must_use]
pub fn all() -> Vec<Argument> {
    serde_json::from_str(ARGUED).expect("the committed file is right")
}

/// What a mutant is called: the site and how it is weakened.
#[must_use]
pub fn mutant_name(site: &Site, weakening: Weakening) -> String {
    format!("{}: {}", site.name(), weakening.name())
}
