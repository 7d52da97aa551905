// SPDX-License-Identifier: GPL-2.0-only
//! An interleaving as a Rust test that runs it again, to be put into `tests/`.
//!
//! It fails as soon as the violation does not come about any more: then somebody has fixed it, or
//! the model of the kernel has changed so that the interleaving says something else by now.

use super::{counterexample::Counterexample, why::Why};
use crate::library::Library;
use std::fmt::Write as _;

/// Prints the test.
#[must_use]
pub fn print(c: &Counterexample, why: Option<&Why>) -> String {
    let stem = format!("{}-{}-{}", c.scenario.name, c.model.name, c.violation.kind);
    let file = c.to_json();
    // As many as it takes for the text not to end there.
    let mut hashes = String::from("#");
    while file.contains(&format!("\"{hashes}")) {
        hashes.push('#');
    }
    let mut out = format!(
        "// SPDX-License-Identifier: GPL-2.0-only
//! {} on {}: {}.

use nfsd_check::report::{{counterexample::Counterexample, replay::replay}};

const NAME: &str = {stem:?};
const FILE: &str = r{hashes}\"{file}\"{hashes};

#[test]
fn {}() {{
    let counterexample = Counterexample::parse(NAME, FILE.as_bytes()).unwrap();
    let again = replay(&counterexample, &counterexample.model);
    assert_eq!(again.parted, None);
    let violation = again.violation.expect(\"the violation comes about\");
    assert_eq!(violation.message, counterexample.violation.message);
",
        c.scenario.name,
        c.model.name,
        c.violation.kind,
        identifier(&stem),
    );
    let library = Library::builtin();
    let against = why.and_then(|why| why.against.as_ref());
    let against = against.filter(|against| {
        let known = library.model(&against.model.name).ok();
        against.elsewhere.violation.is_none() && known.as_ref() == Some(&against.model)
    });
    if let Some(against) = against {
        let _ = write!(
            out,
            "
    let fixed = nfsd_check::library::Library::builtin();
    let fixed = fixed.model({:?}).unwrap();
    assert_eq!(replay(&counterexample, &fixed).violation, None);
",
            against.model.name
        );
    }
    out.push_str("}\n");
    out
}

/// The name of a function that is made of this text.
fn identifier(text: &str) -> String {
    let mut name: String = text
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_lowercase()
            } else {
                '_'
            }
        })
        .collect();
    if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        name.insert_str(0, "it_");
    }
    name
}
