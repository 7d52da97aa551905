// SPDX-License-Identifier: GPL-2.0-only
//! An interleaving as a Mermaid sequence diagram, which code hosts and wikis draw.
//!
//! It has the steps of the digest, in notes, and an arrow from a step of one context to a step of
//! another one that is ordered after it.

use super::{
    counterexample::Counterexample,
    digest::digest,
    order::Order,
    replay::Replay,
    telling::Telling,
    text::{headline, marked},
    why::Why,
};
use std::{collections::BTreeMap, fmt::Write as _};

/// Prints the diagram.
#[must_use]
pub fn print(c: &Counterexample, replay: &Replay, why: Option<&Why>) -> String {
    let recording = &replay.recording;
    let telling = Telling::new(recording);
    let order = Order::new(recording);
    let rows = digest(replay, why, &c.scenario.actors);
    let number: BTreeMap<usize, usize> = rows.iter().zip(1..).map(|(&at, n)| (at, n)).collect();
    let marked = marked(replay);

    let mut contexts: Vec<&str> = c.scenario.actors.iter().map(|a| &*a.name).collect();
    for &at in &rows {
        let context = &*telling.step(at).context;
        if !contexts.contains(&context) {
            contexts.push(context);
        }
    }
    let id = |context: &str| {
        let at = contexts.iter().position(|known| *known == context);
        format!("c{}", at.unwrap_or(0))
    };
    let mut out = String::from("sequenceDiagram\n");
    if let Some(violation) = &replay.violation {
        let _ = writeln!(out, "    title {}", text(&headline(violation)));
    }
    for context in &contexts {
        let _ = writeln!(out, "    participant {} as {}", id(context), text(context));
    }
    for &at in &rows {
        let step = telling.step(at);
        for from in order.sources(at) {
            if number.contains_key(&from) {
                let link = text(&telling.link(from));
                let (from, to) = (id(&telling.step(from).context), id(&step.context));
                let _ = writeln!(out, "    {from}-->>{to}: {link}");
            }
        }
        let place = match telling.place(at) {
            "" => String::new(),
            place => format!("{place}()<br/>"),
        };
        let mark = if marked.contains(&at) { " (!)" } else { "" };
        let what = text(&telling.what(at));
        let (number, context) = (number[&at], id(&step.context));
        let _ = writeln!(
            out,
            "    Note over {context}: {number}. {place}{what}{mark}"
        );
    }
    out
}

/// Text that means nothing to Mermaid.
fn text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '#' => out.push_str("#35;"),
            ';' => out.push_str("#59;"),
            '<' => out.push_str("#lt;"),
            '>' => out.push_str("#gt;"),
            ':' => out.push_str("#58;"),
            '\n' => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
