// SPDX-License-Identifier: GPL-2.0-only
//! `nfsd-check list`: what there is.

use super::{
    BAD_INPUT,
    explore::said,
    output::{Output, complain},
};
use crate::{
    check::{EngineKind, model_order},
    kernel::memory_model,
    library::{Library, LoadError},
    model::{Model, choices::CHOICES},
    mutants::{branches, coverage, fidelity, run, sites},
    scenario::OPERATIONS,
    sync::violation::ViolationKind,
};
use clap::{Args, ValueEnum};
use std::{collections::BTreeSet, fmt::Write as _, process::ExitCode, sync::Arc};

/// What `nfsd-check list` is started with.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  nfsd-check list scenarios
  nfsd-check list choices       the choices that a model makes, and what each may be")]
pub(super) struct ListArgs {
    /// Of what
    what: What,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum What {
    /// The patches
    Models,
    /// What runs against what
    Scenarios,
    /// What a model chooses
    Choices,
    /// What a scenario may run
    Operations,
    /// The kinds of violation, and how a kernel would show each
    Violations,
    /// What explores
    Engines,
    /// The bugs that there were: the model of each, the scenario that shows it, its fix
    Corpus,
    /// What of the lifecycle each scenario runs
    Coverage,
    /// Which kernel function is modelled by what, and what of it is left out
    Fidelity,
    /// The litmus tests of the kernel's memory model, and what the primitives show of each
    MemoryModel,
}

/// Print the list.
pub(super) fn list(args: &ListArgs) -> ExitCode {
    let text = match args.what {
        What::Models => models(),
        What::Scenarios => scenarios(),
        What::Choices => Ok(choices()),
        What::Corpus => corpus(),
        What::Operations => Ok(operations()),
        What::Violations => Ok(table(
            ViolationKind::ALL.map(|kind| (kind.name(), kind.kernel_symptom())),
        )),
        What::Engines => Ok(table(
            EngineKind::ALL.map(|engine| (engine.name(), engine.about())),
        )),
        What::Coverage => coverage(),
        What::Fidelity => Ok(fidelity::markdown(&fidelity::rows(&sites::find()))),
        What::MemoryModel => Ok(memory_model()),
    };
    match text {
        Ok(text) => {
            let mut output = Output::default();
            output.print(&text);
            output.exit(0)
        }
        Err(error) => {
            complain(&said(&error));
            ExitCode::from(BAD_INPUT)
        }
    }
}

/// A name and what is said about it, on each line.
fn table<'t>(rows: impl IntoIterator<Item = (&'t str, &'t str)>) -> String {
    let rows: Vec<_> = rows.into_iter().collect();
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for (name, about) in rows {
        // What people write may have several lines.
        let about: Vec<_> = about.split_whitespace().collect();
        let line = format!("{name:width$}  {}", about.join(" "));
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

fn models() -> Result<String, LoadError> {
    let mut models = Library::find()?.models()?;
    models.sort_by(|a, b| model_order(&a.name).cmp(&model_order(&b.name)));
    let rows = models.iter().map(|model| (&*model.name, &*model.about));
    Ok(table(rows))
}

/// The models that bring a bug back, in the order of the corpus, a few lines each, and the controls.
fn corpus() -> Result<String, LoadError> {
    let mut models = Library::find()?.models()?;
    let mut controls = models.clone();
    models.retain(|model| model.bug.is_some());
    controls.retain(|model| model.control.is_some());
    models.sort_by_key(place);
    let mut text = String::new();
    for model in &models {
        let Some(bug) = &model.bug else { continue };
        let _ = writeln!(text, "{}  {}  {}", bug.entry, bug.year, bug.symptom);
        let _ = writeln!(
            text,
            "    nfsd-check run {} --model {} --model {}",
            bug.scenario, model.name, bug.fixed
        );
        let _ = writeln!(text, "    {}", model.source);
    }
    let _ = writeln!(text, "\nControls, which hold with the fix and without it:");
    for model in &controls {
        let Some(control) = &model.control else {
            continue;
        };
        let _ = writeln!(text, "{}  {}", control.entry, model.about);
        let _ = writeln!(
            text,
            "    nfsd-check run {} --model {} --model {}",
            control.scenario, model.name, control.fixed
        );
        let _ = writeln!(text, "    {}", model.source);
    }
    Ok(text)
}

/// Where a bug stands in the corpus: by its letter, then its number.
fn place(model: &Model) -> (String, u32, String) {
    let entry = model.bug.as_ref().map_or("", |bug| &*bug.entry);
    let end = entry
        .find(|c: char| c.is_ascii_digit())
        .unwrap_or(entry.len());
    let (letters, rest) = entry.split_at(end);
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next();
    let number = digits.and_then(|digits| digits.parse().ok());
    (letters.to_owned(), number.unwrap_or(0), rest.to_owned())
}

fn scenarios() -> Result<String, LoadError> {
    let scenarios = Library::find()?.scenarios()?;
    Ok(table(
        scenarios
            .iter()
            .map(|scenario| (&*scenario.name, &*scenario.about)),
    ))
}

/// How many executions of each scenario are looked at.
const COVERAGE_EXECUTIONS: u64 = 200;

/// What each scenario runs, on the models that it expects something of.
fn coverage() -> Result<String, LoadError> {
    let library = Library::find()?;
    let models = library.models()?.into_iter().map(Arc::new);
    let models: Vec<_> = models.collect();
    let found = sites::find();
    let (functions, calls) = (coverage::functions(&found), coverage::calls(&found));
    let branches = branches::find(&found);
    let mut text = format!(
        "In the first {COVERAGE_EXECUTIONS} executions on each model that a scenario names; of {} \
         functions, {calls} calls of primitives and {} branches with such a call in src/nfsd. Behind \
         each function, how many of the calls in it were made, of how many.\n\n",
        functions.len(),
        branches.len()
    );
    let taken = |reached: &BTreeSet<_>| branches.iter().filter(|b| b.is_taken(reached)).count();
    let mut everywhere = BTreeSet::new();
    for scenario in library.scenarios()?.into_iter().map(Arc::new) {
        let mut reached = BTreeSet::new();
        for model in &models {
            if scenario.expected(&model.name).is_some() {
                match run::reach(&scenario, model, COVERAGE_EXECUTIONS) {
                    Ok(places) => reached.extend(places),
                    Err(reason) => {
                        let _ = writeln!(text, "{} on {}: {reason}", scenario.name, model.name);
                    }
                }
            }
        }
        let of = coverage::of(&found, &reached);
        let (some, made) = (of.functions.len(), of.calls);
        let _ = writeln!(
            text,
            "{}: {some} functions, {made} calls, {} branches",
            scenario.name,
            taken(&reached)
        );
        let made = coverage::by_function(&found, &reached);
        let made = made.iter().map(|of| match of.there {
            0 => of.function.clone(),
            there => format!("{} {}/{there}", of.function, of.made),
        });
        let _ = writeln!(text, "    {}", made.collect::<Vec<_>>().join(", "));
        everywhere.extend(reached);
    }
    let all = coverage::of(&found, &everywhere);
    let never = functions
        .iter()
        .filter(|name| !all.functions.contains(name));
    let never: Vec<_> = never.map(String::as_str).collect();
    let _ = writeln!(
        text,
        "\nall together: {} functions, {} calls, {} branches\nfunctions that none runs: {}",
        all.functions.len(),
        all.calls,
        taken(&everywhere),
        if never.is_empty() {
            "none".to_owned()
        } else {
            never.join(" ")
        }
    );
    let never = coverage::never_made(&found, &everywhere);
    let none = if never.is_empty() { " none" } else { "" };
    let _ = writeln!(text, "calls that none makes:{none}");
    for call in never {
        let _ = writeln!(text, "    {call}");
    }
    let never = branches
        .iter()
        .filter(|branch| !branch.is_taken(&everywhere));
    for branch in never {
        let (at, function) = (branch.begin, &branch.function);
        let _ = writeln!(
            text,
            "no scenario takes the branch of {function}() at {}:{}",
            at.file, at.line
        );
    }
    Ok(text)
}

fn choices() -> String {
    let mut text = String::new();
    for choice in CHOICES {
        let functions = choice.functions.join(", ");
        let _ = writeln!(text, "{}  {} ({functions})", choice.name, choice.about);
        let values = choice.values.iter();
        for line in table(values.map(|value| (value.name, value.about))).lines() {
            let _ = writeln!(text, "    {line}");
        }
    }
    text
}

fn operations() -> String {
    table(OPERATIONS.iter().map(|op| (op.syntax, op.about)))
}

fn memory_model() -> String {
    let rows = memory_model::ROWS.iter().map(|row| {
        let (lkmm, layer) = (row.lkmm.name(), row.layer.name());
        (row.name, format!("{lkmm:9}  {layer:8}  {}", row.reason))
    });
    let rows: Vec<_> = rows.collect();
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let mut text = format!("{:width$}  LKMM       shown\n", "test");
    for (name, about) in rows {
        let line = format!("{name:width$}  {about}");
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}
