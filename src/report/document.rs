// SPDX-License-Identifier: GPL-2.0-only
//! A counterexample that was run again, as one JSON document. `schemas/replay.schema.json`
//! describes it.

use super::{
    counterexample::{Claim, Counterexample, Step, claim},
    replay::Replay,
    telling::Telling,
    why::{Against, Decisive, Ordered, There, Why},
};
use crate::{engine::recording::Recording, model::Model, sync::operation};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What is claimed of an execution.
fn claimed(claim: &Claim) -> Value {
    json!({
        "kind": claim.kind,
        "object": claim.object,
        "context": claim.context,
        "function": claim.function,
        "message": claim.message,
        "step": claim.step,
    })
}

/// The document. `file` is where the counterexample is kept.
#[must_use]
pub fn document(
    c: &Counterexample,
    model: &Model,
    replay: &Replay,
    why: Option<&Why>,
    file: &str,
) -> Value {
    let recording = &replay.recording;
    let violations = recording.violations.iter();
    let violations = violations.map(|violation| claimed(&claim(recording, violation)));
    let telling = Telling::new(recording);
    let numbers = numbers(recording);
    let steps = numbers.iter().map(|(&index, &at)| {
        let step = &recording.steps[index];
        let recorded = replay.steps.get(at - 1).copied().flatten();
        let Step {
            context,
            function,
            operation,
            object,
            saw,
            choice,
            reads: _,
        } = Step::new(step);
        json!({
            "step": at,
            "recorded": recorded.map(|at| at + 1),
            "context": context,
            "function": function,
            "functions": step.functions,
            "operation": operation,
            "object": object,
            "saw": saw,
            "choice": choice,
            "text": telling.what(index),
        })
    });
    let missing: Vec<usize> = replay.missing.iter().map(|at| at + 1).collect();
    json!({
        "file": file,
        "scenario": c.scenario.name,
        "model": model.name,
        "recorded_on": c.model.name,
        "engine": "replay",
        "memory_model": c.memory_model,
        "came_about": replay.violation.is_some(),
        "followed": replay.parted.is_none(),
        "parted": replay.parted.as_ref().map(|parted| json!({
            "step": parted.step,
            "reason": parted.to_string(),
        })),
        "violations": violations.collect::<Vec<_>>(),
        "missing": missing,
        "why": why.map(|why| reasons(why, &numbers)),
        "steps": steps.collect::<Vec<_>>(),
    })
}

/// The same of a counterexample that no interleaving shows: what the file says. It was not run again,
/// and so nothing is known of what came about.
#[must_use]
pub fn told(c: &Counterexample, file: &str) -> Value {
    let steps = c.schedule.iter().zip(1..).map(|(step, at)| {
        let functions: Vec<&str> = match step.function.as_str() {
            "" => Vec::new(),
            function => vec![function],
        };
        json!({
            "step": at,
            "recorded": at,
            "context": step.context,
            "function": step.function,
            "functions": functions,
            "operation": step.operation,
            "object": step.object,
            "saw": step.saw,
            "choice": step.choice,
            "text": step.to_string(),
        })
    });
    let claim = &c.violation;
    json!({
        "file": file,
        "scenario": c.scenario.name,
        "model": c.model.name,
        "recorded_on": c.model.name,
        "engine": "replay",
        "memory_model": c.memory_model,
        "came_about": null,
        "followed": false,
        "parted": null,
        "violations": [claimed(claim)],
        "missing": [],
        "why": null,
        "steps": steps.collect::<Vec<_>>(),
    })
}

/// The number of each step of the part where every interleaving counts, from 1, by its index.
fn numbers(recording: &Recording) -> BTreeMap<usize, usize> {
    let steps = recording.steps.iter().enumerate();
    let concurrent = steps.filter(|(_, step)| step.concurrent);
    concurrent.zip(1..).map(|((at, _), n)| (at, n)).collect()
}

fn reasons(why: &Why, numbers: &BTreeMap<usize, usize>) -> Value {
    json!({
        "first": why.pair.map(|pair| numbers.get(&pair.first)),
        "second": why.pair.map(|pair| numbers.get(&pair.second)),
        "ordered": why.pair.map(|pair| pair.ordered),
        "other_order_tried": why.pair.map(|pair| pair.tried),
        "against": why.against.as_ref().map(against),
        "dispensable": why.dispensable.iter().map(|(actor, operation)| {
            json!({ "actor": actor, "operation": operation })
        }).collect::<Vec<_>>(),
    })
}

fn against(against: &Against) -> Value {
    let recording = &against.elsewhere.recording;
    let telling = Telling::new(recording);
    let chain = |steps: &[usize]| -> Vec<Value> {
        let steps = steps.iter().map(|&at| {
            let step = telling.step(at);
            json!({
                "context": step.context,
                "function": step.functions.last(),
                "functions": step.functions,
                "operation": operation::name(step.action),
                "object": step.object,
                "text": telling.what(at),
            })
        });
        steps.collect()
    };
    let (there, queued, ordered) = match &against.there {
        None => ("unknown", Vec::new(), Vec::new()),
        Some(There::Unordered) => ("unordered", Vec::new(), Vec::new()),
        Some(There::AtTheEnd) => ("at-the-end", Vec::new(), Vec::new()),
        Some(There::Absent { .. }) => ("absent", Vec::new(), Vec::new()),
        Some(There::Ordered(Ordered {
            chain: steps,
            queued,
            same_way,
        })) => {
            let which = match same_way {
                true => "first-before-second",
                false => "second-before-first",
            };
            (which, chain(queued), chain(steps))
        }
    };
    let choices = against.decisive.iter().map(|decisive| {
        let Decisive {
            choice,
            here,
            there,
        } = decisive;
        json!({
            "choice": choice.name,
            "functions": choice.functions,
            "here": here.name,
            "there": there.name,
        })
    });
    json!({
        "model": against.model.name,
        "came_about": against.elsewhere.violation.is_some(),
        "parted": against.elsewhere.parted.as_ref().map(ToString::to_string),
        "order": there,
        "queued": queued,
        "chain": ordered,
        "differing_choices": against.differing,
        "choices": choices.collect::<Vec<_>>(),
        "alone": against.alone,
        "certain": against.certain,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        check::program::program,
        engine::{Limits, dpor},
        library::Library,
        report::form::Story,
    };
    use std::sync::Arc;

    #[test]
    fn the_document_says_what_came_about() {
        let library = Library::builtin();
        let scenario = Arc::new(library.scenario("put-order").unwrap());
        let model = library.model("v2-8of9").unwrap();
        let found = dpor::explore(&program(&scenario, model.choices), &Limits::default());
        let c = Counterexample::new(&scenario, &model, "dpor", "sc", &found.findings[0]);
        let on = |model: &Model| {
            let against = library.model("v4").unwrap();
            let story = Story::new(c.clone(), model.clone(), Some(&against), "x.json");
            document(&c, model, &story.replay, story.why.as_ref(), "x.json")
        };

        let same = on(&model);
        assert_eq!(same["came_about"], true);
        assert_eq!(same["parted"], Value::Null);
        assert_eq!(same["why"]["against"]["order"], "second-before-first");
        let choices = &same["why"]["against"]["choices"];
        assert_eq!(choices[0]["choice"], "put_local_order");
        assert_eq!(choices[1], Value::Null);
        assert_eq!(same["violations"][0]["kind"], c.violation.kind.name());
        let steps = same["steps"].as_array().unwrap();
        assert_eq!(steps.len(), c.schedule.len());
        assert!(steps.iter().all(|step| step["step"] == step["recorded"]));

        let v4 = on(&library.model("v4").unwrap());
        assert_eq!(v4["came_about"], false);
        assert_eq!(v4["followed"], false);
        assert!(v4["parted"]["reason"].as_str().unwrap().contains("waits"));
        assert_eq!(v4["violations"], json!([]));
    }
}
