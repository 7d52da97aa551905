// SPDX-License-Identifier: GPL-2.0-only
//! An interleaving as a Mermaid sequence diagram, which code hosts and wikis draw.
//!
//! It has the steps of the digest, in notes, and an arrow from a step of one context to a step of
//! another one that is ordered after it. Where the violation does not come about, it ends with why the
//! interleaving goes no further.

use super::{
    counterexample::Counterexample,
    digest::digest,
    order::Order,
    replay::Replay,
    telling::{Telling, Wait},
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
    let wait = Wait::after_the_steps(replay);
    let was = replay
        .parted
        .as_ref()
        .and_then(|parted| parted.was.as_ref());
    let ends = wait.iter().map(|wait| wait.context);
    let ends = ends.chain(was.map(|was| &*was.context));
    for context in rows
        .iter()
        .map(|&at| &*telling.step(at).context)
        .chain(ends)
    {
        if !contexts.contains(&context) {
            contexts.push(context);
        }
    }
    let id = |context: &str| {
        let at = contexts.iter().position(|known| *known == context);
        format!("c{}", at.unwrap_or(0))
    };
    let mut out = String::from("sequenceDiagram\n");
    let title = match &replay.violation {
        Some(violation) => headline(violation),
        None => "The violation does not come about".to_owned(),
    };
    let _ = writeln!(out, "    title {}", text(&title));
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
    if let Some(Wait {
        context,
        place,
        what,
        ..
    }) = &wait
    {
        let (context, what) = (id(context), text(what));
        let place = if place.is_empty() {
            String::new()
        } else {
            format!("{place}()<br/>")
        };
        let number = rows.len() + 1;
        let _ = writeln!(out, "    Note over {context}: {number}. {place}{what} (!)");
    }
    if replay.violation.is_none() {
        let end = match &replay.parted {
            Some(parted) => format!("Here it goes no further: {}", parted.now),
            None => "It runs to its end".to_owned(),
        };
        let was = replay
            .parted
            .as_ref()
            .and_then(|parted| parted.was.as_ref());
        let context = was.map_or(contexts[0], |was| &*was.context);
        let _ = writeln!(out, "    Note over {}: {}", id(context), text(&end));
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
