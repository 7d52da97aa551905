// SPDX-License-Identifier: GPL-2.0-only
//! The schemas, and every file that they are of. `UPDATE_SNAPSHOTS=1 cargo test schemas`
//! writes `schemas/` anew.

use crate::{
    binary,
    forms::{found_under_rc11, is_diagram, is_trace},
};
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
        let against = why::against(
            &counterexample.scenario,
            &counterexample.model,
            None,
            &library,
        )
        .unwrap();
        let here = counterexample.model.clone();
        let elsewhere = library.model("v4").unwrap();
        for model in [here, elsewhere] {
            let c = counterexample.clone();
            let story = Story::new(c, model, against.as_ref(), "x.json");
            let text = story.print(Form::Json, &options);
            is_valid(&document, &scenario.name, &text);
            is_diagram(&story.print(Form::Mermaid, &options), &scenario.name);
            is_trace(&story.print(Form::Perfetto, &options), &scenario.name);
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

/// A scenario that is violated on one model, in ways that it does not expect, and of which nothing is
/// expected on another one.
const SURPRISING: &str = r#"{
  "name": "surprising",
  "nets": [{"name": "B", "user": true}],
  "inodes": ["i0"],
  "setup": ["start B", "x = local_open B i0"],
  "actors": {"io-completion": ["local_done x"], "nfsd-stop": ["stop B"]},
  "expect": {"v2-8of9": ["leak"], "v4": "holds"}
}
"#;

/// What a gate prints and writes is valid, and `check-files` knows it.
#[test]
fn what_a_gate_says_is_valid() {
    let folder = binary::folder("gate-schemas");
    fs::create_dir_all(folder.join("models")).unwrap();
    fs::create_dir_all(folder.join("scenarios")).unwrap();
    for model in ["v2-8of9", "v4"] {
        let from = format!("{}/models/{model}.json", env!("CARGO_MANIFEST_DIR"));
        fs::copy(from, folder.join(format!("models/{model}.json"))).unwrap();
    }
    fs::write(folder.join("scenarios/surprising.json"), SURPRISING).unwrap();
    let schema = validator(Kind::Gate);
    let gates: [(&str, &[&str]); 5] = [
        ("all.json", &[]),
        ("cut.json", &["--max-executions", "1"]),
        ("full.json", &["--out", "out", "--report", "mail"]),
        ("one.json", &["--shard", "1/2"]),
        ("two.json", &["--shard", "2/2", "--memory-model", "sc"]),
    ];
    let check = |file: &str| binary::run(&folder, &["check-files", file]);
    for (file, options) in gates {
        let args = [&["gate", "--format", "json", "--jobs", "1"], options].concat();
        let (status, text, stderr) = binary::run(&folder, &args);
        assert!(status <= 1, "{stderr}");
        is_valid(&schema, file, &text);
        fs::write(folder.join(file), &text).unwrap();
        let said = (0, format!("ok  gate            {file}\n"), String::new());
        assert_eq!(check(file), said);
    }
    let text = fs::read_to_string(folder.join("full.json")).unwrap();
    assert!(
        text.contains("\"kinds\"") && text.contains("\"reports\""),
        "{text}"
    );

    // What the schema refuses, check-files refuses, and more, with the place where there is one.
    let refused = |from: &str, by_schema: bool, expected: &str, change: &dyn Fn(&mut Value)| {
        let text = fs::read_to_string(folder.join(from)).unwrap();
        let mut value: Value = serde_json::from_str(&text).unwrap();
        change(&mut value);
        assert_eq!(schema.is_valid(&value), !by_schema);
        fs::write(folder.join("wrong.json"), format!("{value:#}\n")).unwrap();
        let (status, stdout, stderr) = check("wrong.json");
        assert_eq!((status, &*stdout), (2, ""));
        assert!(
            stderr.starts_with("wrong.json:") && stderr.contains(expected),
            "{stderr}"
        );
    };
    refused("all.json", true, "unknown field `verdikt`", &|v| {
        v["pairs"][0]["verdikt"] = json!("holds");
    });
    refused("all.json", true, "unknown variant `hold`", &|v| {
        v["pairs"][0]["verdict"] = json!("hold");
    });
    refused("all.json", true, "missing field `found`", &|v| {
        v["pairs"][0].as_object_mut().unwrap().remove("found");
    });
    refused(
        "all.json",
        true,
        "expected \"holds\", \"undecided\"",
        &|v| {
            v["pairs"][0]["expected"] = json!("fine");
        },
    );
    refused("all.json", true, "unknown variant `leek`", &|v| {
        v["pairs"][0]["violations"][0]["kind"] = json!("leek");
    });
    refused(
        "all.json",
        false,
        "'passed' is true, and 1 of 2 pairs differ",
        &|v| {
            v["passed"] = json!(true);
        },
    );
    refused(
        "all.json",
        false,
        "surprising on v4: the verdict is violated",
        &|v| {
            v["pairs"][1]["verdict"] = json!("violated");
        },
    );
    refused("one.json", true, "there is no shard 0/2", &|v| {
        v["shard"]["index"] = json!(0)
    });
    refused(
        "one.json",
        false,
        "its pairs are not those of shard 2/2",
        &|v| {
            v["shard"]["index"] = json!(2);
        },
    );

    let args = ["gate", "--baseline", "b.json", "--update-baseline"];
    assert!(binary::run(&folder, &args).0 <= 1);
    let text = fs::read_to_string(folder.join("b.json")).unwrap();
    is_valid(&validator(Kind::Baseline), "b.json", &text);
    assert_eq!(check("b.json").1, "ok  baseline        b.json\n");
    fs::write(
        folder.join("b.json"),
        text.replace("\"executions\"", "\"runs\""),
    )
    .unwrap();
    let (status, _, stderr) = check("b.json");
    assert_eq!(status, 2);
    assert!(
        stderr.starts_with("b.json:5:") && stderr.contains("unknown field `runs`"),
        "{stderr}"
    );
    let (_, stdout, _) = binary::run(&folder, &["run", "surprising", "--format", "json"]);
    fs::write(folder.join("run.json"), stdout).unwrap();
    let said = check("run.json").1;
    assert_eq!(
        said,
        "not checked, what 'run --format json' prints:  run.json\n"
    );
}
