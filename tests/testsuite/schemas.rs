// SPDX-License-Identifier: GPL-2.0-only
//! The schemas, and every file that they are of. `UPDATE_SNAPSHOTS=1 cargo test schemas`
//! writes `schemas/` anew.

use crate::forms::found_under_rc11;
use jsonschema::Validator;
use nfsd_check::{
    check::program::program,
    engine::{Limits, dpor::explore},
    library::Library,
    model::choices::CHOICES,
    report::{
        counterexample::Counterexample,
        form::{Form, Story},
        text::Options,
        why,
    },
    scenario::OPERATIONS,
    schema::Kind,
    sync::violation::ViolationKind,
};
use serde_json::{Value, json};
use std::{fs, path::Path, sync::Arc};

fn validator(kind: Kind) -> Validator {
    let schema = kind.schema();
    assert!(jsonschema::meta::is_valid(&schema));
    jsonschema::validator_for(&schema).unwrap()
}

#[track_caller]
fn is_valid(validator: &Validator, name: &str, text: &str) {
    let value: Value = serde_json::from_str(text).unwrap();
    let errors = validator.iter_errors(&value);
    let errors: Vec<String> = errors
        .map(|error| format!("{name}: {}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

#[test]
fn the_files_in_schemas_are_those_that_are_made() {
    for kind in Kind::ALL {
        let file = format!("schemas/{}.schema.json", kind.name());
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(&file);
        if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, kind.text()).unwrap();
        }
        let there = fs::read_to_string(&path).unwrap_or_default();
        let hint = "UPDATE_SNAPSHOTS=1 writes it anew";
        assert!(there == kind.text(), "{file} is not what is made: {hint}");
    }
}

#[test]
fn every_file_that_is_shipped_is_valid() {
    for (folder, kind, least) in [
        ("models", Kind::Model, 30),
        ("scenarios", Kind::Scenario, 30),
        ("scenarios/found", Kind::Scenario, 1),
        ("scenarios/interleavings", Kind::Counterexample, 2),
    ] {
        let validator = validator(kind);
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let mut count = 0;
        let files = fs::read_dir(folder).unwrap();
        let files = files.map(|file| file.unwrap().path());
        for path in files.filter(|path| path.extension().is_some_and(|e| e == "json")) {
            let text = fs::read_to_string(&path).unwrap();
            is_valid(&validator, &path.to_string_lossy(), &text);
            count += 1;
        }
        assert!(count >= least, "{count}");
    }
}

#[test]
fn every_file_that_is_written_is_valid() {
    let library = Library::builtin();
    let (file, document) = (validator(Kind::Counterexample), validator(Kind::Replay));
    let options = Options {
        width: 100,
        all_steps: false,
    };
    let mut count = 0;
    for scenario in library.scenarios().unwrap() {
        let scenario = Arc::new(scenario);
        let expected = |name: &str| scenario.expected(name).is_some();
        let models = library.models().unwrap();
        // One model of each scenario tells all there is to tell of the form.
        let mut models = models.into_iter().filter(|model| expected(&model.name));
        let limits = Limits {
            max_executions: Some(500),
            ..Limits::default()
        };
        let found = models.find_map(|model| {
            let explored = explore(&program(&scenario, model.choices), &limits);
            let finding = explored.findings.first()?;
            Some(Counterexample::new(
                &scenario, &model, "dpor", "sc", finding,
            ))
        });
        let Some(counterexample) = found else {
            continue;
        };
        count += 1;
        is_valid(&file, &scenario.name, &counterexample.to_json());
        let against = why::against(&counterexample, None, &library).unwrap();
        let here = counterexample.model.clone();
        let elsewhere = library.model("v4").unwrap();
        for model in [here, elsewhere] {
            let c = counterexample.clone();
            let story = Story::new(c, model, against.as_ref(), "x.json");
            let text = story.print(Form::Json, &options);
            is_valid(&document, &scenario.name, &text);
        }
    }
    assert!(count > 15, "{count}");
}

/// What an editor should underline.
#[test]
fn what_is_wrong_is_refused() {
    let refused = |kind: Kind, good: &Value, change: &dyn Fn(&mut Value)| {
        let validator = validator(kind);
        assert!(validator.is_valid(good));
        let mut bad = good.clone();
        change(&mut bad);
        assert_ne!(&bad, good);
        assert!(!validator.is_valid(&bad), "{bad}");
    };
    let model = json!({
        "name": "x", "about": "", "source": "", "choices": { "net_ref": "none" },
    });
    refused(Kind::Model, &model, &|m| m["choice"] = json!({}));
    refused(Kind::Model, &model, &|m| {
        m["choices"]["net_ref"] = json!("nine")
    });
    refused(Kind::Model, &model, &|m| {
        m["choices"]["net_reff"] = json!("none")
    });
    refused(Kind::Model, &model, &|m| m["name"] = json!("-x"));
    let scenario = json!({
        "name": "x", "nets": ["B"], "inodes": ["i"], "actors": { "a": ["start B"] },
        "expect": { "v4": "holds", "v5": ["leak"] },
    });
    refused(Kind::Scenario, &scenario, &|s| s["nets"] = json!([]));
    refused(Kind::Scenario, &scenario, &|s| {
        s["actors"]["a"] = json!(["sart B"])
    });
    refused(Kind::Scenario, &scenario, &|s| s["actors"]["a"] = json!([]));
    refused(Kind::Scenario, &scenario, &|s| {
        s["expect"]["v4"] = json!("hold")
    });
    refused(Kind::Scenario, &scenario, &|s| {
        s["expect"]["v4"] = json!([])
    });
    refused(Kind::Scenario, &scenario, &|s| {
        s["expect"]["v5"] = json!(["lea"])
    });
    refused(Kind::Scenario, &scenario, &|s| s["gc_passes"] = json!(17));
    refused(Kind::Scenario, &scenario, &|s| s["gcpasses"] = json!(1));
}

#[test]
fn the_schemas_know_every_name_that_the_parsers_know() {
    let model = Kind::Model.text();
    for choice in CHOICES {
        assert!(model.contains(&format!("\"{}\"", choice.name)));
        for value in choice.values {
            assert!(model.contains(&format!("\"{}\"", value.name)));
        }
    }
    let scenario = validator(Kind::Scenario);
    for info in OPERATIONS {
        for name in std::iter::once(&info.name).chain(info.aliases) {
            let line = info.syntax.replacen(info.name, name, 1);
            let line = line.replace(['[', ']'], "");
            let value =
                json!({ "name": "x", "nets": ["B"], "setup": [line], "actors": { "a": [line] } });
            assert!(scenario.is_valid(&value), "{line}");
        }
    }
    let text = Kind::Scenario.text();
    for kind in ViolationKind::ALL {
        assert!(text.contains(kind.name()));
    }
}

/// A counterexample that only weak memory shows says what is read that is older.
#[test]
fn what_reads_something_older_is_valid() {
    let text = found_under_rc11("wake-up-vs-request", "v4", ViolationKind::Leak).to_json();
    assert!(text.contains("\"reads\": "));
    is_valid(
        &validator(Kind::Counterexample),
        "wake-up-vs-request",
        &text,
    );
}
