// SPDX-License-Identifier: GPL-2.0-only
//! An interleaving as a Rust test that runs it again, to be put into `tests/`.
//!
//! It fails as soon as the violation does not come about any more: then somebody has fixed it, or
//! the model of the kernel has changed so that the interleaving says something else by now.

use super::{counterexample::Counterexample, replay::Replay, why::Why};
use crate::{library::Library, model::Model};

/// Prints the test. Where the violation does not come about on `model`, it is a test of that.
#[must_use]
pub fn print(c: &Counterexample, model: &Model, replay: &Replay, why: Option<&Why>) -> String {
    let kind = c.violation.kind;
    let stem = format!("{}-{}-{kind}", c.scenario.name, c.model.name);
    let came_about = replay.violation.is_some();
    let test = match came_about {
        true => stem.clone(),
        false => format!("{stem}-not-on-{}", model.name),
    };
    let on = match came_about {
        true => c.model.name.clone(),
        false => format!("{} and not on {}", c.model.name, model.name),
    };
    let file = literal(&c.to_json());
    let mut out = format!(
        "// SPDX-License-Identifier: GPL-2.0-only
//! {} on {on}: {kind}.

use nfsd_check::report::{{counterexample::Counterexample, replay::replay}};

const NAME: &str = {stem:?};
const FILE: &str = {file};

#[test]
fn {}() {{
    let counterexample = Counterexample::parse(NAME, FILE.as_bytes()).unwrap();
",
        c.scenario.name,
        identifier(&test),
    );
    if !came_about {
        out += &not_on(model);
        out.push_str("}\n");
        return out;
    }
    out.push_str(
        "    let again = replay(&counterexample, &counterexample.model);
    assert_eq!(again.parted, None);
    let violation = again.violation.expect(\"the violation comes about\");
    assert_eq!(violation.message, counterexample.violation.message);
",
    );
    let against = why.and_then(|why| why.against.as_ref());
    let against = against
        .filter(|against| against.elsewhere.violation.is_none() && Library::ships(&against.model));
    if let Some(against) = against {
        out.push('\n');
        out += &not_on(&against.model);
    }
    out.push_str("}\n");
    out
}

/// That the violation does not come about on this model.
fn not_on(model: &Model) -> String {
    let found = match Library::ships(model) {
        true => format!(
            "    let fixed = nfsd_check::library::Library::builtin();
    let fixed = fixed.model({:?}).unwrap();
",
            model.name
        ),
        false => {
            let name = format!("{}.json", model.name);
            let json = serde_json::to_string(model).unwrap_or_default();
            format!(
                "    let fixed = {};
    let fixed = nfsd_check::model::Model::parse({name:?}, fixed.as_bytes()).unwrap();
",
                literal(&json)
            )
        }
    };
    found + "    assert_eq!(replay(&counterexample, &fixed).violation, None);\n"
}

/// A literal of a text, with as many '#' as it takes for the text not to end it.
fn literal(text: &str) -> String {
    let mut hashes = String::from("#");
    while text.contains(&format!("\"{hashes}")) {
        hashes.push('#');
    }
    format!("r{hashes}\"{text}\"{hashes}")
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
