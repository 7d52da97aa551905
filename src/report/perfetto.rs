// SPDX-License-Identifier: GPL-2.0-only
//! An interleaving as a trace that <https://ui.perfetto.dev> and `chrome://tracing` open: the JSON
//! of Chrome's trace events.
//!
//! A context is a thread, a function a slice, a step a slice in it, and what is ordered before what
//! an arrow. Time is the number of the step: one step, one microsecond.

use super::{
    counterexample::Counterexample,
    order::Order,
    replay::Replay,
    telling::{Telling, Wait},
    text::{headline, said},
};
use crate::{
    model::Model,
    sync::{engine::ThreadId, operation},
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// How long a step takes, and what is free at both ends of it.
const STEP: usize = 10;

/// A thread's number. Perfetto takes 0 for the idle task.
fn tid(thread: ThreadId) -> u32 {
    thread.0 + 1
}

/// What a thread is called, and where it stands.
fn about(thread: u32, context: &str) -> [Value; 2] {
    [
        json!({
            "ph": "M", "pid": 1, "tid": thread, "name": "thread_name",
            "args": { "name": context },
        }),
        json!({
            "ph": "M", "pid": 1, "tid": thread, "name": "thread_sort_index",
            "args": { "sort_index": thread },
        }),
    ]
}

/// Prints the trace.
#[must_use]
pub fn print(c: &Counterexample, model: &Model, replay: &Replay) -> String {
    let recording = &replay.recording;
    let telling = Telling::new(recording);
    let order = Order::new(recording);
    let mut events: Vec<Value> = Vec::new();
    let name = format!("{} on {}", c.scenario.name, model.name);
    events.push(json!({
        "ph": "M", "pid": 1, "name": "process_name", "args": { "name": name },
    }));
    let mut open: BTreeMap<u32, Vec<&'static str>> = BTreeMap::new();
    let concurrent = recording.steps.iter().enumerate();
    let concurrent: Vec<usize> = concurrent
        .filter(|(_, step)| step.concurrent)
        .map(|(at, _)| at)
        .collect();
    let time: BTreeMap<usize, usize> = concurrent.iter().zip(1..).map(|(&at, n)| (at, n)).collect();
    for &at in &concurrent {
        let step = telling.step(at);
        let (thread, now) = (tid(step.thread), time[&at] * STEP);
        let stack = open.entry(thread).or_insert_with(|| {
            events.extend(about(thread, &step.context));
            Vec::new()
        });
        let same = stack
            .iter()
            .zip(&step.functions)
            .take_while(|(a, b)| a == b);
        let same = same.count();
        for function in stack.drain(same..).rev() {
            events.push(json!({
                "ph": "E", "pid": 1, "tid": thread, "ts": now, "name": function,
            }));
        }
        for function in &step.functions[same..] {
            events.push(json!({
                "ph": "B", "pid": 1, "tid": thread, "ts": now + 1, "name": function,
            }));
        }
        stack.extend(&step.functions[same..]);
        events.push(json!({
            "ph": "X", "pid": 1, "tid": thread, "ts": now + 2, "dur": STEP - 4,
            "name": telling.words(at),
            "args": {
                "step": time[&at],
                "object": step.object,
                "operation": operation::name(step.action),
                "saw": step.saw,
            },
        }));
        for from in order.sources(at) {
            let (Some(&begin), id) = (time.get(&from), events.len()) else {
                continue;
            };
            let flow = json!({ "cat": "happens-before", "name": "happens before", "pid": 1 });
            for (phase, thread, time) in [
                ("s", tid(telling.step(from).thread), begin * STEP + 3),
                ("f", thread, now + 3),
            ] {
                let mut event = flow.clone();
                event["ph"] = json!(phase);
                event["id"] = json!(id);
                event["tid"] = json!(thread);
                event["ts"] = json!(time);
                if phase == "f" {
                    event["bp"] = json!("e");
                }
                events.push(event);
            }
        }
    }
    let mut end = (concurrent.len() + 1) * STEP;
    if let Some(wait) = Wait::after_the_steps(replay) {
        let mut own = concurrent.iter().rev();
        let own = own.find(|&&at| telling.step(at).context == wait.context);
        if let Some(&at) = own {
            events.push(json!({
                "ph": "X", "pid": 1, "tid": tid(telling.step(at).thread), "ts": end + 2, "dur": STEP - 4,
                "name": wait.what,
                "args": { "object": wait.object },
            }));
            end += STEP;
        }
    }
    for (thread, stack) in &open {
        for function in stack.iter().rev() {
            events.push(json!({
                "ph": "E", "pid": 1, "tid": thread, "ts": end, "name": function,
            }));
        }
    }
    if let Some(violation) = &replay.violation {
        let at = time.get(&violation.site.step);
        // The last step may be somebody else's, where the violation is a wait.
        let site = &violation.site;
        let mut own = recording.steps[..=site.step].iter().rev();
        let own = own.find(|step| step.context == site.context);
        let thread = tid(own.unwrap_or(telling.step(site.step)).thread);
        // It may have come into being after the last step that is told.
        if !open.contains_key(&thread) {
            events.extend(about(thread, &site.context));
        }
        events.push(json!({
            "ph": "i", "s": "g", "pid": 1, "tid": thread,
            "ts": at.map_or(end, |at| at * STEP + 3),
            "name": headline(violation),
            "args": { "message": said(&violation.object, &violation.message) },
        }));
    }
    let lines: Vec<String> = events.iter().map(Value::to_string).collect();
    format!(
        "{{\"displayTimeUnit\": \"ns\", \"traceEvents\": [\n{}\n]}}\n",
        lines.join(",\n")
    )
}
