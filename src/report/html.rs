// SPDX-License-Identifier: GPL-2.0-only
//! An interleaving as one page for a browser, with all that it needs in it: lanes, the state of
//! every object before and after each step, arrows for what happens before what, and filters. The
//! page itself is `page.html`; this fills in the data.

use super::{
    counterexample::Counterexample,
    digest::digest,
    mail::{besides, claim, command, in_words, outcome, shell_word},
    order::Order,
    replay::Replay,
    state::States,
    telling::{Telling, Wait},
    text::{self, Options, differences, headline, marked, oops, shared_objects},
    why::{Line, Why, in_a_sentence},
    words::{Weight, words},
};
use crate::{engine::recording::Site, model::Model, scenario::Scenario};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const PAGE: &str = include_str!("page.html");

/// Prints the page of a counterexample that has been run again, on `model`.
#[must_use]
pub fn print(
    c: &Counterexample,
    model: &Model,
    replay: &Replay,
    why: Option<&Why>,
    file: &str,
) -> String {
    let title = match &replay.violation {
        Some(violation) => headline(violation),
        None => format!(
            "{} on {}: it did not come about",
            c.scenario.name, model.name
        ),
    };
    let options = Options {
        width: 100,
        all_steps: true,
    };
    let story = text::print(c, model, replay, file, &options);
    let story = anstream::adapter::strip_str(&story).to_string();
    // Nothing in a script element ends it but a '<'.
    let data = data(c, model, replay, why, file).to_string();
    let data = data.replace('<', "\\u003c");
    let mut page = String::with_capacity(PAGE.len() + data.len() + story.len());
    let mut rest = PAGE;
    while let Some((before, after)) = rest.split_once('@') {
        page.push_str(before);
        let known = [
            ("TITLE@", escaped(&title)),
            ("TEXT@", escaped(&story)),
            ("DATA@", data.clone()),
        ];
        match known.iter().find(|(name, _)| after.starts_with(name)) {
            Some((name, value)) => {
                page.push_str(value);
                rest = &after[name.len()..];
            }
            None => {
                page.push('@');
                rest = after;
            }
        }
    }
    page + rest
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

fn data(
    c: &Counterexample,
    model: &Model,
    replay: &Replay,
    why: Option<&Why>,
    file: &str,
) -> Value {
    let recording = &replay.recording;
    let telling = Telling::new(recording);
    let order = Order::new(recording);
    let states = States::new(recording);
    let mut marked = marked(replay);
    // What a leak is about is none of these steps, and what decides is.
    if let Some(pair) = why.and_then(|why| why.pair) {
        marked.extend([pair.first, pair.second]);
    }
    let digest = digest(replay, why, &c.scenario.actors);
    let concurrent = recording.steps.iter().enumerate();
    let concurrent = concurrent.filter(|(_, step)| step.concurrent);
    let number: BTreeMap<usize, usize> = concurrent.zip(1..).map(|((at, _), n)| (at, n)).collect();
    let mut differences = differences(c, replay);
    let shared = shared_objects(number.keys().map(|&at| &recording.steps[at]));

    let mut contexts: Vec<&str> = c.scenario.actors.iter().map(|a| &*a.name).collect();
    for &at in number.keys() {
        let context = &*recording.steps[at].context;
        if !contexts.contains(&context) {
            contexts.push(context);
        }
    }
    let objects: BTreeMap<&str, usize> = states
        .objects
        .iter()
        .map(|object| &*object.name)
        .zip(0..)
        .collect();
    let steps = number.iter().map(|(&at, &n)| {
        let step = &recording.steps[at];
        let shown = match words(step, &step.object).weight {
            Weight::Always => true,
            Weight::Shared => shared.contains(&*step.object),
            Weight::Minor => false,
        };
        let sources = order.sources(at);
        let sources = sources.iter().filter_map(|from| number.get(from));
        let changes = states.changes.get(&at).map(|change| {
            json!({
                "object": change.object, "before": change.before, "after": change.after,
            })
        });
        json!({
            "number": n,
            "before": differences.before.remove(&(n - 1)).unwrap_or_default(),
            "extra": differences.extra.contains(&(n - 1)),
            "context": contexts.iter().position(|context| *context == step.context),
            "place": telling.place(at),
            "functions": step.functions,
            "text": telling.what(at),
            "object": objects.get(&*step.object),
            "shown": shown || differences.extra.contains(&(n - 1)) || marked.contains(&at) || digest.contains(&at),
            "marked": marked.contains(&at),
            "sources": sources.collect::<Vec<_>>(),
            "changes": changes.into_iter().collect::<Vec<_>>(),
        })
    });
    let wait = Wait::after_the_steps(replay);
    let waits = wait.map(|wait| {
        json!({
            "number": number.len() + 1,
            "before": [],
            "extra": false,
            "context": contexts.iter().position(|context| *context == wait.context),
            "place": wait.place,
            "functions": wait.functions,
            "text": wait.what,
            "object": objects.get(wait.object),
            "shown": true,
            "marked": true,
            "sources": [],
            "changes": [],
        })
    });
    let steps: Vec<Value> = steps.chain(waits).collect();
    let after = differences.before.into_values().flatten();
    let after: Vec<String> = after.collect();
    let all = states.objects.iter();
    let objects = all.map(|object| json!({ "name": object.name, "initial": object.initial }));
    let when = |site: &Site| match number.get(&site.step) {
        Some(number) => format!(", step {number}"),
        None if number.keys().next().is_some_and(|&first| site.step < first) => {
            ", in the setup".to_owned()
        }
        None => ", at the end".to_owned(),
    };
    let mut kernel = String::new();
    // The heading says that it did not.
    let mut claimed = outcome(replay);
    if let Some(violation) = &replay.violation {
        claimed = claim(violation);
        let as_it_is = str::to_owned;
        oops(&mut kernel, recording, violation, &as_it_is, &when, 100);
    }
    let kernel = anstream::adapter::strip_str(&kernel).to_string();
    let command = match replay.same {
        true => command(c, file),
        false => {
            let (file, model) = (shell_word(file), shell_word(&model.name));
            format!("nfsd-check replay {file} --model {model}")
        }
    };
    json!({
        "scenario": { "name": c.scenario.name, "about": c.scenario.about },
        "model": { "name": model.name, "about": model.about, "source": model.source },
        "claim": claimed,
        "kernel": kernel,
        "command": command,
        "setup": setup(c),
        "contexts": contexts,
        "objects": objects.collect::<Vec<_>>(),
        "steps": steps,
        "after": after,
        "why": why.map_or_else(Vec::new, |why| reasons(why, replay, &c.scenario, &number)),
    })
}

fn setup(c: &Counterexample) -> Vec<(String, Vec<String>)> {
    let scenario = &c.scenario;
    let setup = scenario.setup.iter().map(|o| in_words(o, scenario));
    let before = ("before, one after the other".to_owned(), setup.collect());
    let actors = scenario.actors.iter().map(|actor| {
        let operations = actor.operations.iter().map(|o| in_words(o, scenario));
        (actor.name.clone(), operations.collect())
    });
    let besides = Some(besides(scenario)).filter(|besides| !besides.is_empty());
    let besides = besides.map(|besides| ("besides".to_owned(), besides));
    std::iter::once(before)
        .chain(actors)
        .chain(besides)
        .collect()
}

fn reasons(
    why: &Why,
    replay: &Replay,
    scenario: &Scenario,
    number: &BTreeMap<usize, usize>,
) -> Vec<Value> {
    let on = why.against.as_ref().map(|against| &against.model.name);
    let on = on.map_or_else(String::new, |name| format!("On {name}"));
    let lines = why
        .lines(replay, scenario, &on)
        .into_iter()
        .map(|line| match line {
            Line::Sentence(text) => json!({ "text": text }),
            Line::Choice(decisive) => json!({ "text": in_a_sentence(&decisive) }),
            Line::Chain(text) => json!({ "text": format!("In short: {text}"), "chain": true }),
            Line::Step {
                at,
                context,
                place,
                what,
            } => json!({
                "number": at.and_then(|at| number.get(&at)),
                "context": context,
                "place": place,
                "what": what,
            }),
        });
    lines.collect()
}
