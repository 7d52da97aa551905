// SPDX-License-Identifier: GPL-2.0-only
//! JSON Schemas of the files: of what people write, so that an editor completes and checks it, and
//! of what is written here, so that others can rely on it.
//!
//! They are made of the tables that the parsers read by, and `schemas/` in the repository has them
//! as files. A schema says less than the parser: that a file is put twice, or a net that nobody
//! started is stopped, only `nfsd-check check-files` finds.

use crate::{
    check::{EngineKind, MemoryModel, baseline},
    model::choices::CHOICES,
    report::counterexample::{FORMAT, VERSION},
    scenario::{GC_PASSES, MAX_ACTORS, OPERATIONS, Open},
    sync::violation::ViolationKind,
};
use serde_json::{Map, Value, json};

/// What a schema is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// A model, as in models/
    Model,
    /// A scenario, as in scenarios/
    Scenario,
    /// A counterexample, as `run` writes it
    Counterexample,
    /// What `replay --format json` prints
    Replay,
    /// What `gate --format json` prints, with --shard and without
    Gate,
    /// What `gate --update-baseline` writes
    Baseline,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Model,
        Self::Scenario,
        Self::Counterexample,
        Self::Replay,
        Self::Gate,
        Self::Baseline,
    ];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Scenario => "scenario",
            Self::Counterexample => "counterexample",
            Self::Replay => "replay",
            Self::Gate => "gate",
            Self::Baseline => "baseline",
        }
    }

    /// The schema.
    #[must_use]
    pub fn schema(self) -> Value {
        let mut schema = match self {
            Self::Model => model(),
            Self::Scenario => scenario(true),
            Self::Counterexample => counterexample(),
            Self::Replay => replay(),
            Self::Gate => gate(),
            Self::Baseline => baseline(),
        };
        if matches!(self, Self::Model | Self::Scenario) {
            let about = text("where the schema of the file is, for editors");
            schema["properties"]["$schema"] = about;
        }
        schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
        schema["title"] = json!(format!("nfsd-check {}", self.name()));
        schema
    }

    /// The text of its file.
    #[must_use]
    pub fn text(self) -> String {
        format!("{:#}\n", self.schema())
    }
}

/// Names that somebody chose.
const NAME: &str = "^[A-Za-z0-9][A-Za-z0-9._-]*$";

fn name() -> Value {
    json!({ "type": "string", "pattern": NAME })
}

fn text(about: &str) -> Value {
    json!({ "type": "string", "description": about })
}

fn object(properties: Value, required: &[&str]) -> Value {
    json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

fn kinds() -> Value {
    json!(ViolationKind::ALL.map(ViolationKind::name))
}

fn model() -> Value {
    let choices: Map<String, Value> = CHOICES
        .iter()
        .map(|choice| {
            let values = choice.values.iter().map(|value| {
                let about = format!("{} ({})", value.about, value.source);
                json!({ "const": value.name, "description": about })
            });
            let schema = json!({
                "description": choice.about,
                "type": "string",
                "oneOf": values.collect::<Vec<_>>(),
            });
            (choice.name.to_owned(), schema)
        })
        .collect();
    let bug = object(
        json!({
            "entry": text("what it is called in the corpus"),
            "year": { "type": "integer", "minimum": 2019, "maximum": 2099 },
            "symptom": text("what was seen, or what had to be feared"),
            "scenario": text("the scenario that shows it"),
            "fixed": text("the model without it"),
        }),
        &["entry", "year", "symptom", "scenario", "fixed"],
    );
    let control = object(
        json!({
            "entry": text("what it is called in the corpus"),
            "scenario": text("the scenario that holds with the fix and without it"),
            "fixed": text("the model with the fix"),
        }),
        &["entry", "scenario", "fixed"],
    );
    object(
        json!({
            "name": name(),
            "about": text("what is applied, in a sentence"),
            "source": text("where it is from: a mail, a commit"),
            "choices": {
                "type": "object",
                "description": "what is left out is as in the kernel today",
                "properties": choices,
                "additionalProperties": false,
            },
            "bug": bug,
            "control": control,
        }),
        &["name", "about", "source", "choices"],
    )
}

fn scenario(with_expect: bool) -> Value {
    let names = OPERATIONS
        .iter()
        .flat_map(|info| std::iter::once(&info.name).chain(info.aliases));
    let names: Vec<&str> = names.copied().collect();
    let word = "[A-Za-z0-9][A-Za-z0-9._-]*";
    let syntax: Vec<&str> = OPERATIONS.iter().map(|info| info.syntax).collect();
    let operations = json!({
        "type": "array",
        "items": {
            "type": "string",
            "description": syntax.join("; "),
            "pattern": format!(
                r"^\s*({word}\s*=\s*)?({})(\s+{word})*\s*$", names.join("|")
            ),
        },
    });
    let mut some_operations = operations.clone();
    some_operations["minItems"] = json!(1);
    let flag = json!({ "type": "boolean" });
    let net = object(json!({ "name": name(), "user": flag }), &["name"]);
    let inode = object(
        json!({
            "name": name(),
            "writeback_error": flag,
            "open": { "enum": Open::ALL.map(Open::name) },
            "flush_on_close": flag,
            "directory": flag,
            "leased": flag,
        }),
        &["name"],
    );
    let client = object(json!({ "name": name(), "net": name() }), &["name", "net"]);
    let list = |item: Value, least: usize| json!({ "type": "array", "items": item, "minItems": least, "maxItems": MAX_ACTORS });
    let mut properties = json!({
        "name": name(),
        "about": text("what happens in it"),
        "source": text("where it is from"),
        "nets": list(json!({ "oneOf": [name(), net] }), 1),
        "inodes": list(json!({ "oneOf": [name(), inode] }), 0),
        "clients": list(client, 0),
        "alloc": { "enum": ["may-fail"] },
        "gc_passes": {
            "type": "integer",
            "description": "how often the laundrette's timer may fire",
            "minimum": GC_PASSES.start(),
            "maximum": GC_PASSES.end(),
        },
        "preempt_rcu": flag,
        "epilogue": { "enum": ["stop", "none"] },
        "setup": operations,
        "actors": {
            "type": "object",
            "propertyNames": { "pattern": NAME },
            "additionalProperties": some_operations,
            "minProperties": 1,
            "maxProperties": MAX_ACTORS,
        },
    });
    if with_expect {
        let expect = |description: &str| {
            json!({
                "type": "object",
                "description": description,
                "additionalProperties": expectation(),
            })
        };
        properties["expect"] = expect("what exploring to the end finds, by model");
        properties["expect_rc11"] = expect("the same under rc11, where it differs");
    }
    object(properties, &["name", "nets", "actors"])
}

/// What is expected of a model.
fn expectation() -> Value {
    let some_kinds = json!({
        "type": "array",
        "items": { "enum": kinds() },
        "minItems": 1,
        "uniqueItems": true,
    });
    let at_least = json!({
        "at_least": some_kinds,
        "shown_by": {
            "type": "string",
            "description": "the name of an interleaving in scenarios/interleavings",
        },
    });
    json!({ "oneOf": [
        { "enum": ["holds", "undecided"] },
        some_kinds,
        object(at_least, &["at_least", "shown_by"]),
    ]})
}

fn number() -> Value {
    json!({ "type": "integer", "minimum": 0 })
}

fn counterexample() -> Value {
    let string = json!({ "type": "string" });
    let step = object(
        json!({
            "context": text("who"),
            "function": text("in which function of the kernel; empty between functions"),
            "operation": text("what"),
            "object": text("to which object; empty where it is about the context itself"),
            "saw": { "type": "integer", "minimum": 0, "description": "what it answered" },
            "choice": { "type": "integer", "minimum": 0, "description": "what was chosen" },
            "reads": { "type": "integer", "minimum": 0, "description": "the step whose write it read, from 1, or 0 for none, where weak memory let it read an older one" },
        }),
        &["context", "function", "operation", "object", "saw"],
    );
    let violation = object(
        json!({
            "kind": { "enum": kinds() },
            "object": string,
            "context": string,
            "function": string,
            "message": string,
            "step": {
                "type": "integer",
                "minimum": 1,
                "description": "in or after which step of the schedule; none: at the end",
            },
        }),
        &["kind", "object", "context", "function", "message"],
    );
    object(
        json!({
            "format": { "const": FORMAT },
            "version": { "const": VERSION },
            "scenario": scenario(false),
            "model": model(),
            "engine": name(),
            "memory_model": name(),
            "replayable": {
                "type": "boolean",
                "description": "false: no interleaving shows it; 'reads' says what is read that is older than the last write",
            },
            "size": size(),
            "schedule": { "type": "array", "items": step },
            "violation": violation,
            "checksum": { "type": "string", "pattern": "^sha256:[0-9a-f]{64}$" },
        }),
        &[
            "format",
            "version",
            "scenario",
            "model",
            "engine",
            "memory_model",
            "schedule",
            "violation",
            "checksum",
        ],
    )
}

/// How small an interleaving is.
fn size() -> Value {
    closed(json!({
        "preemptions": number(),
        "steps": number(),
        "fewest_preemptions": { "type": "boolean" },
        "fewest_steps": { "type": "boolean" },
    }))
}

fn engines() -> Value {
    json!(EngineKind::ALL.map(EngineKind::name))
}

fn memory_models() -> Value {
    json!(MemoryModel::ALL.map(MemoryModel::name))
}

/// What came of the pairs of a gate.
fn gate() -> Value {
    let string = json!({ "type": "string" });
    let flag = json!({ "type": "boolean" });
    let or_null = |schema: Value| json!({ "anyOf": [schema, { "type": "null" }] });
    let list = |item: &Value| json!({ "type": "array", "items": item });
    let violation = object(
        json!({
            "kind": { "enum": kinds() },
            "object": text("what it is about; empty where about nothing"),
            "thread": text("the context that noticed it"),
            "function": text("the function of the kernel that it was noticed in; empty where in none"),
            "message": string,
            "counterexample": or_null(text("the file with the interleaving")),
            "counterexample_error": text("why it could not be written"),
            "replayable": flag,
            "size": size(),
            "reports": list(&string),
        }),
        &[
            "kind",
            "object",
            "thread",
            "function",
            "message",
            "counterexample",
            "replayable",
        ],
    );
    let difference = closed(json!({
        "kind": { "enum": ["verdict", "kinds", "undecided", "nothing-expected"] },
        "message": string,
        "reproduce": text("the command that shows it"),
    }));
    let pair = object(
        json!({
            "scenario": name(),
            "model": name(),
            "engine": { "enum": engines() },
            "memory_model": { "enum": memory_models() },
            "verdict": { "enum": ["holds", "violated", "undecided"] },
            "complete": { "type": "boolean", "description": "everything there is was explored" },
            "executions": number(),
            "blocked": { "type": "integer", "minimum": 0, "description": "executions that were cut, as equivalent ones had been run" },
            "states": number(),
            "seconds": { "type": "number", "minimum": 0 },
            "reason": text("why it is not complete"),
            "violations": list(&violation),
            "resume": text("the file to go on from"),
            "resume_error": string,
            "expected": or_null(expectation()),
            "found": or_null(expectation()),
            "difference": or_null(difference),
            "warnings": list(&string),
        }),
        &[
            "scenario",
            "model",
            "engine",
            "memory_model",
            "verdict",
            "complete",
            "executions",
            "blocked",
            "seconds",
            "violations",
            "expected",
            "found",
            "difference",
        ],
    );
    let two = json!({ "type": "array", "items": string, "minItems": 2, "maxItems": 2 });
    let position = json!({ "type": "integer", "minimum": 1 });
    let shard = closed(json!({
        "index": position,
        "count": position,
        "all": { "type": "array", "items": two, "description": "scenario and model of the pairs of all shards" },
        "inputs": text("the SHA-256 of the scenarios and models"),
        "options": { "type": "array", "items": two, "description": "what it was run with" },
    }));
    object(
        json!({
            "passed": { "type": "boolean", "description": "all pairs are as expected" },
            "shard": shard,
            "pairs": list(&pair),
        }),
        &["passed", "pairs"],
    )
}

/// What pairs took.
fn baseline() -> Value {
    let pair = closed(json!({
        "scenario": name(),
        "model": name(),
        "engine": { "enum": engines() },
        "memory_model": { "enum": memory_models() },
        "executions": number(),
        "seconds": { "type": "number", "minimum": 0 },
    }));
    closed(json!({
        "format": { "const": baseline::FORMAT },
        "version": { "const": baseline::VERSION },
        "pairs": { "type": "array", "items": pair },
    }))
}

/// All properties are there.
fn closed(properties: Value) -> Value {
    let names = properties.as_object().map(|all| {
        let names = all.keys().cloned();
        names.collect::<Vec<_>>()
    });
    json!({
        "type": "object",
        "properties": properties,
        "required": names,
        "additionalProperties": false,
    })
}

fn replay() -> Value {
    let string = json!({ "type": "string" });
    let or_null = |schema: Value| json!({ "anyOf": [schema, { "type": "null" }] });
    let at = json!({ "type": "integer", "minimum": 1 });
    let functions = json!({ "type": "array", "items": string });
    let list = |item: &Value| json!({ "type": "array", "items": item });
    let violation = closed(json!({
        "kind": { "enum": kinds() },
        "object": string,
        "context": string,
        "function": string,
        "message": string,
        "step": or_null(at.clone()),
    }));
    let step = closed(json!({
        "step": at,
        "recorded": or_null(at.clone()),
        "context": string,
        "function": string,
        "functions": functions,
        "operation": string,
        "object": string,
        "saw": number(),
        "choice": or_null(number()),
        "text": string,
    }));
    let link = closed(json!({
        "context": string,
        "function": or_null(string.clone()),
        "functions": functions,
        "operation": string,
        "object": string,
        "text": string,
    }));
    let choice = closed(json!({
        "choice": string,
        "functions": functions,
        "here": string,
        "there": string,
    }));
    let orders = [
        "first-before-second",
        "second-before-first",
        "unordered",
        "at-the-end",
        "absent",
        "unknown",
    ];
    let against = closed(json!({
        "model": string,
        "came_about": { "type": "boolean" },
        "parted": or_null(string.clone()),
        "order": { "enum": orders },
        "queued": list(&link),
        "chain": list(&link),
        "differing_choices": number(),
        "choices": list(&choice),
        "alone": { "type": "boolean" },
        "certain": { "type": "boolean" },
    }));
    let flag = json!({ "type": "boolean" });
    let why = closed(json!({
        "first": or_null(at.clone()),
        "second": or_null(at.clone()),
        "ordered": or_null(flag.clone()),
        "other_order_tried": or_null(flag.clone()),
        "against": or_null(against),
        "dispensable": list(&closed(json!({ "actor": string, "operation": string }))),
    }));
    let parted = closed(json!({ "step": at, "reason": string }));
    closed(json!({
        "file": string,
        "scenario": string,
        "model": string,
        "recorded_on": string,
        "engine": { "const": "replay" },
        "memory_model": string,
        "came_about": {
            "type": ["boolean", "null"],
            "description": "null: no interleaving shows it, and its steps could not be followed; the violation is the one in the file",
        },
        "followed": flag,
        "parted": or_null(parted),
        "violations": list(&violation),
        "missing": list(&at),
        "why": or_null(why),
        "steps": list(&step),
    }))
}
