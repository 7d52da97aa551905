// SPDX-License-Identifier: GPL-2.0-only
//! What `run` and `gate` have in common: their options, the pairs to check, and checking them.

use super::{
    BAD_INPUT, child,
    output::{Output, complain},
    progress::Progress,
};
use crate::{
    check::{
        self, CheckOptions, EngineKind, MemoryModel, Outcome, Written, jobs, model_order, shards,
    },
    engine::{Jobs, Limits},
    library::{Library, LoadError},
    model::Model,
    report::{
        counterexample::Counterexample,
        form::{Form, Story},
        resume::Resume,
        why,
    },
    scenario::Scenario,
};
use clap::{
    Args, ValueEnum,
    builder::{PossibleValuesParser, TypedValueParser},
    value_parser,
};
use std::{
    io,
    num::NonZeroUsize,
    path::Path,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// The options of commands that explore.
#[derive(Args, Debug)]
pub(super) struct ExploreArgs {
    /// What explores; see 'nfsd-check list engines'
    #[arg(long, value_name = "ENGINE", default_value = "dpor", value_parser = engines())]
    pub(super) engine: EngineKind,
    /// The memory that dpor explores on; the other engines have their own [default: rc11; sc where
    /// --preemption-bound or --stored-states is given]
    #[arg(long, value_name = "MEMORY", value_parser = memory_models())]
    memory_model: Option<MemoryModel>,
    /// How many cores to use: for different pairs, and for one where there are more [default: all]
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
    /// How long to explore each pair
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    budget: Option<Duration>,
    /// How many executions of each pair to explore
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..))]
    pub(super) max_executions: Option<u64>,
    /// Leave out interleavings with more preemptions than this: on sc
    #[arg(long, value_name = "N")]
    preemption_bound: Option<u32>,
    /// Store the states that were seen, and visit each once: on sc
    #[arg(long)]
    stored_states: bool,
    /// How often the native and pct engines run each pair [default: 100000]
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..))]
    runs: Option<u64>,
    /// What the pct engine draws its numbers from [default: 0]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Tell each counterexample in this form too, in a file beside it; may be given again
    #[arg(long = "report", value_name = "FORM", value_enum)]
    reports: Vec<Form>,
    /// The folder that counterexamples are written to [default: counterexamples]
    #[arg(long, value_name = "DIR")]
    out: Option<String>,
}

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people.
    Text,
    /// For machines.
    Json,
}

fn engines() -> impl TypedValueParser<Value = EngineKind> {
    PossibleValuesParser::new(EngineKind::ALL.map(EngineKind::name))
        .map(|name| EngineKind::from_name(&name).expect("a possible value"))
}

pub(super) fn memory_models() -> impl TypedValueParser<Value = MemoryModel> {
    let models = MemoryModel::EXPLORED;
    PossibleValuesParser::new(models.map(MemoryModel::name)).map(move |name| {
        let mut models = models.into_iter();
        let model = models.find(|model| model.name() == name);
        model.expect("a possible value")
    })
}

pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().map_err(|error| error.to_string())?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        Ok(_) => Err("no time at all".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

impl ExploreArgs {
    /// The options of a check, or what is wrong with these.
    pub(super) fn options(&self, all: bool) -> Result<CheckOptions, ExitCode> {
        let engine = self.engine;
        if self.memory_model.is_some() && engine != EngineKind::Dpor {
            return Err(usage(&format!(
                "the {engine} engine has a memory model of its own: --memory-model is for dpor"
            )));
        }
        let memory_model = self.memory_model();
        if memory_model == MemoryModel::Rc11 && self.preemption_bound.is_some() {
            return Err(usage(
                "--preemption-bound is about interleavings, of which --memory-model rc11 has none",
            ));
        }
        let is_sc = memory_model == MemoryModel::Sc;
        if self.stored_states && (engine != EngineKind::Dpor || !is_sc) {
            return Err(usage(
                "--stored-states is for --engine dpor and --memory-model sc",
            ));
        }
        if self.stored_states && self.preemption_bound.is_some() {
            return Err(usage(
                "--stored-states goes on from a state once, whichever way it came to it, and cannot \
                 count preemptions",
            ));
        }
        let makes_runs = matches!(engine, EngineKind::Native | EngineKind::Pct);
        if self.runs.is_some() && !makes_runs {
            return Err(usage("--runs is for --engine native and --engine pct"));
        }
        if self.seed.is_some() && engine != EngineKind::Pct {
            return Err(usage("--seed is for --engine pct"));
        }
        if self.preemption_bound.is_some() && makes_runs {
            return Err(usage(&format!(
                "--preemption-bound is not for --engine {engine}"
            )));
        }
        let out = self.out.as_deref().unwrap_or(check::COUNTEREXAMPLES);
        if Path::new(out).metadata().is_ok_and(|m| !m.is_dir()) {
            return Err(usage(&format!("--out: {out} is not a folder")));
        }
        Ok(CheckOptions {
            engine,
            memory_model,
            limits: Limits {
                budget: self.budget,
                max_executions: self.max_executions,
                preemption_bound: self.preemption_bound,
                stored_states: self.stored_states,
                all,
                ..Limits::default()
            },
            runs: self.runs.unwrap_or(check::RUNS),
            seed: self.seed.unwrap_or_default(),
            out: out.into(),
            minimise: true,
            ..CheckOptions::default()
        })
    }

    /// Whether counterexamples are asked for.
    pub(super) fn wants_counterexamples(&self) -> bool {
        self.out.is_some() || !self.reports.is_empty()
    }

    /// The memory that is asked for: that of interleavings where it is by something that they have
    /// and executions of weaker memory do not.
    fn memory_model(&self) -> MemoryModel {
        let interleaves = self.preemption_bound.is_some() || self.stored_states;
        self.memory_model.unwrap_or(match self.engine {
            EngineKind::Dpor if interleaves => MemoryModel::Sc,
            engine => engine.memory_model(),
        })
    }

    /// Write the reports that are asked for.
    pub(super) fn report(&self, outcome: &mut Outcome) {
        if self.reports.is_empty() {
            return;
        }
        for entry in &mut outcome.violations {
            let Some(path) = &entry.counterexample else {
                continue;
            };
            match reports(Path::new(path), &self.reports) {
                Ok(Ok(paths)) => entry.reports = paths,
                Ok(Err(why)) => {
                    complain(&format!("warning: {path}: no report of it: {why}"));
                }
                Err(error) => entry.counterexample_error = Some(error),
            }
        }
    }

    /// What the answers depend on, as it was asked for.
    pub(super) fn given(&self) -> shards::Options {
        let budget = self.budget.map(|budget| budget.as_secs_f64().to_string());
        let options = [
            ("engine", Some(self.engine.to_string())),
            ("memory-model", Some(self.memory_model().name().to_owned())),
            ("stored-states", self.stored_states.then(String::new)),
            (
                "preemption-bound",
                self.preemption_bound.map(|n| n.to_string()),
            ),
            ("max-executions", self.max_executions.map(|n| n.to_string())),
            ("budget", budget),
            ("runs", self.runs.map(|n| n.to_string())),
            ("seed", self.seed.map(|n| n.to_string())),
        ];
        let given = options
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?)));
        given.collect()
    }
}

/// The command that explores this pair with these options.
pub(super) fn reproduce(pair: &Pair, options: &shards::Options) -> String {
    let (scenario, model) = (quote(&pair.scenario_arg), quote(&pair.model_arg));
    let mut command = format!("nfsd-check run {scenario} --model {model} --all");
    let engine = options.iter().find(|(name, _)| name == "engine");
    let engine = engine.and_then(|(_, name)| EngineKind::from_name(name));
    let engine = engine.unwrap_or_default();
    for (name, value) in options {
        let is_default = match name.as_str() {
            "engine" => engine == EngineKind::default(),
            "memory-model" => value == engine.memory_model().name(),
            _ => false,
        };
        if !is_default {
            command += &format!(" --{name}");
            if !value.is_empty() {
                command += &format!(" {}", quote(value));
            }
        }
    }
    command
}

/// Tells the counterexample in that file in these forms; the paths of the files, or why there is nothing to
/// tell.
fn reports(path: &Path, forms: &[Form]) -> Result<Result<Vec<String>, String>, String> {
    let load = || {
        let counterexample = Counterexample::load(path)?;
        let against = why::against(
            &counterexample.scenario,
            &counterexample.model,
            None,
            &Library::find()?,
        )?;
        Ok((counterexample, against))
    };
    let (counterexample, against) = load().map_err(|error| said(&error))?;
    if counterexample.schedule.is_empty() {
        return Ok(Err("its steps were not recorded".to_owned()));
    }
    let model = counterexample.model.clone();
    let file = path.to_string_lossy();
    let story = Story::new(counterexample, model, against.as_ref(), &file);
    if let Some(why) = story.untold() {
        return Ok(Err(why));
    }
    let saved = forms.iter().map(|form| match story.save(*form) {
        Ok(path) => Ok(path.display().to_string()),
        Err(error) => Err(format!("a report of {file}: {error}")),
    });
    saved.collect::<Result<_, String>>().map(Ok)
}

/// What is wrong with the arguments.
pub(super) fn usage(message: &str) -> ExitCode {
    complain(&format!("error: {message}"));
    ExitCode::from(BAD_INPUT)
}

pub(super) use crate::report::mail::shell_word as quote;

/// What to go on with, from a file that a run which was stopped has left, and how. Where scenarios
/// or models are named, or there are some of the same names, they must be the same.
pub(super) fn resumed(
    path: &Path,
    scenarios: &[String],
    models: &[String],
    options: CheckOptions,
) -> Result<(Vec<Pair>, CheckOptions), ExitCode> {
    let resume = Resume::load(path).map_err(|error| complain_of_input(&[said(&error)]))?;
    let library = Library::find().map_err(|error| complain_of_input(&[said(&error)]))?;
    let mut errors = Vec::new();
    let other = |what: &str, name: &str, asked: &str| {
        let path = path.display();
        format!(
            "error: {path}: the {what} '{name}' was another one than {asked} is now; an \
             exploration of one cannot go on with the other"
        )
    };
    let name = &resume.scenario.name;
    let named: Vec<&String> = match scenarios {
        [] => library
            .scenario_names()
            .any(|n| n == name)
            .then_some(name)
            .into_iter()
            .collect(),
        scenarios => scenarios.iter().collect(),
    };
    for asked in named {
        match library.scenario(asked) {
            Ok(now) if now.without_expectations() == resume.scenario => {}
            Ok(_) => errors.push(other("scenario", name, asked)),
            Err(error) => errors.push(said(&error)),
        }
    }
    let name = &resume.model.name;
    let named: Vec<&String> = match models {
        [] => library
            .model_names()
            .any(|n| n == name)
            .then_some(name)
            .into_iter()
            .collect(),
        models => models.iter().collect(),
    };
    for asked in named {
        match library.model(asked) {
            Ok(now) if now == resume.model => {}
            Ok(_) => errors.push(other("model", name, asked)),
            Err(error) => errors.push(said(&error)),
        }
    }
    if !errors.is_empty() {
        return Err(complain_of_input(&errors));
    }
    let pair = Pair {
        scenario_arg: resume.scenario.name.clone(),
        model_arg: resume.model.name.clone(),
        scenario: Arc::new(resume.scenario),
        model: Arc::new(resume.model),
    };
    let limits = Limits {
        all: resume.all,
        preemption_bound: resume.preemption_bound,
        ..options.limits
    };
    let options = CheckOptions {
        memory_model: resume.memory_model,
        limits,
        resume: Some(resume.left),
        ..options
    };
    Ok((vec![pair], options))
}

/// A scenario and a model, and the names or paths they were asked for by.
#[derive(Clone, Debug)]
pub(super) struct Pair {
    pub(super) scenario_arg: String,
    pub(super) model_arg: String,
    pub(super) scenario: Arc<Scenario>,
    pub(super) model: Arc<Model>,
}

/// The pairs of these scenarios, or all, and these models. Where no model is named, they are the ones
/// that the scenario expects something of, or all where it says nothing. The pairs are sorted by
/// scenario, then model. What is wrong with any of them is printed.
pub(super) fn pairs(scenarios: &[String], models: &[String]) -> Result<Vec<Pair>, ExitCode> {
    let library = Library::find().map_err(|error| complain_of_input(&[said(&error)]))?;
    let mut errors = Vec::new();
    let loaded_models = load(
        models,
        library.model_names(),
        |arg| library.model(arg),
        |model| &model.name,
        &mut errors,
    );
    let loaded_scenarios = load(
        scenarios,
        library.scenario_names(),
        |arg| library.scenario(arg),
        |scenario| &scenario.name,
        &mut errors,
    );
    if !errors.is_empty() {
        return Err(complain_of_input(&errors));
    }
    let mut pairs: Vec<Pair> = Vec::new();
    for (scenario_arg, scenario) in &loaded_scenarios {
        let only_expected = models.is_empty() && !scenario.expect.is_empty();
        for (model_arg, model) in &loaded_models {
            if !only_expected || scenario.expected(&model.name).is_some() {
                pairs.push(Pair {
                    scenario_arg: scenario_arg.clone(),
                    model_arg: model_arg.clone(),
                    scenario: Arc::clone(scenario),
                    model: Arc::clone(model),
                });
            }
        }
    }
    pairs.sort_by(|a, b| order(a).cmp(&order(b)));
    Ok(pairs)
}

/// What was asked for by name or path, or all there is. Results and counterexamples are known by
/// names, so different things of one name cannot be told apart in one run; the same thing asked
/// for twice is there once.
pub(super) fn load<'n, T: PartialEq>(
    asked: &[String],
    all: impl Iterator<Item = &'n str>,
    find: impl Fn(&str) -> Result<T, LoadError>,
    name: impl Fn(&T) -> &str,
    errors: &mut Vec<String>,
) -> Vec<(String, Arc<T>)> {
    let mut loaded: Vec<(String, Arc<T>)> = Vec::new();
    let all: Vec<String> = all.map(str::to_owned).collect();
    for arg in if asked.is_empty() { &all } else { asked } {
        match find(arg) {
            Err(error) => errors.push(said(&error)),
            Ok(new) => match loaded.iter().find(|(_, old)| name(old) == name(&new)) {
                None => loaded.push((arg.clone(), Arc::new(new))),
                Some((_, old)) if **old == new => {}
                Some((other, _)) => errors.push(format!(
                    "error: {other} and {arg} differ, and are both named '{}'",
                    name(&new)
                )),
            },
        }
    }
    loaded
}

fn order(pair: &Pair) -> (&str, (usize, &str)) {
    (&pair.scenario.name, model_order(&pair.model.name))
}

/// What is wrong, with the place first where there is one, for an editor to jump to.
pub(super) fn said(error: &LoadError) -> String {
    match error {
        LoadError::Wrong(diagnostic) => diagnostic.to_string(),
        _ => format!("error: {error}"),
    }
}

pub(super) fn complain_of_input(errors: &[String]) -> ExitCode {
    for error in errors {
        complain(error);
    }
    ExitCode::from(BAD_INPUT)
}

/// How a pair is checked.
#[derive(Clone, Debug)]
pub(super) enum Way {
    /// By exploring it, where nothing else is said as long as it takes or for so many executions.
    Explore(Option<u64>),
    /// By running a recorded interleaving.
    Follow(Arc<Counterexample>),
}

/// Check all pairs; `each` gets the outcomes in the order of the pairs, as they come.
pub(super) fn check_all(
    args: &ExploreArgs,
    options: &CheckOptions,
    pairs: &[Pair],
    ways: &[Way],
    written: &[Written],
    output: &mut Output,
    mut each: impl FnMut(&mut Output, usize, Outcome),
) {
    stop_on_interrupt(&options.limits.interrupted);
    let jobs = args.jobs.or_else(|| thread::available_parallelism().ok());
    let jobs = jobs.map_or(1, NonZeroUsize::get);
    // A core that no pair begins on any more helps with those that are left.
    let cores = Jobs::new(jobs.saturating_sub(pairs.len()));
    let work: Vec<CheckOptions> = ways
        .iter()
        .zip(written)
        .map(|(way, written)| {
            let mut options = options.clone();
            options.written = written.clone();
            options.limits.progress = Arc::default();
            options.limits.share = Arc::default();
            options.limits.jobs = cores.clone();
            if let Way::Explore(most) = way {
                options.limits.max_executions = options.limits.max_executions.or(*most);
            }
            options
        })
        .collect();
    let counters = work.iter().map(|o| Arc::clone(&o.limits.progress));
    let shares = work.iter().map(|o| Arc::clone(&o.limits.share));
    let progress = Progress::new(counters.collect(), shares.collect());
    let progress = std::cell::RefCell::new(progress);
    jobs::in_order(
        jobs,
        pairs,
        |index, pair| {
            let options = &work[index];
            let outcome = match (&ways[index], options.engine) {
                (Way::Follow(interleaving), _) => {
                    check::follow(&pair.scenario, &pair.model, options, interleaving)
                }
                (_, EngineKind::Loom) => child::check(pair, options),
                _ => check::check(&pair.scenario, &pair.model, options),
            };
            // Whatever it came to, nothing more will come, and what threads have run beyond that counts
            // for nothing.
            let all = 1.0_f64.to_bits();
            options.limits.share.store(all, Ordering::Relaxed);
            let executions = outcome.executions;
            options.limits.progress.store(executions, Ordering::Relaxed);
            outcome
        },
        || cores.give(),
        |index, mut outcome| {
            progress.borrow_mut().clear();
            args.report(&mut outcome);
            each(output, index, outcome);
            if !output.print("") {
                options.limits.interrupted.store(true, Ordering::Relaxed);
            }
        },
        |finished| progress.borrow_mut().show(finished),
    );
    progress.borrow_mut().clear();
    complain(&progress.borrow().summary());
}

/// The first interrupt stops the explorations, so that what they found is printed; the second one
/// stops the process. `timeout` sends two at once, to its child and to its process group, and means
/// one.
pub(super) fn stop_on_interrupt(interrupted: &Arc<AtomicBool>) {
    const AT_ONCE: Duration = Duration::from_millis(300);
    let interrupted = Arc::clone(interrupted);
    let mut first: Option<Instant> = None;
    let handler = move || {
        if let Some(first) = first {
            if first.elapsed() > AT_ONCE {
                std::process::exit(130);
            }
            return;
        }
        first = Some(Instant::now());
        interrupted.store(true, Ordering::Relaxed);
        complain("interrupted: what was found by now follows; once more to quit at once");
    };
    if let Err(error) = ctrlc::set_handler(handler) {
        complain(&format!(
            "warning: an interrupt will lose the results: {error}"
        ));
    }
}

/// Say which files could not be written, or gone on from. Returns whether there are any.
pub(super) fn complain_of_unsaved(outcomes: &[Outcome]) -> bool {
    let violations = outcomes.iter().flat_map(|outcome| &outcome.violations);
    let mut any = false;
    for error in violations.filter_map(|entry| entry.counterexample_error.as_ref()) {
        complain(&format!("error: counterexample not written: {error}"));
        any = true;
    }
    for error in outcomes.iter().filter_map(|o| o.resume_error.as_ref()) {
        complain(&format!("error: {error}"));
        any = true;
    }
    any
}

/// A document on stdout.
pub(super) fn print_json(output: &mut Output, document: &impl serde::Serialize) {
    let text = serde_json::to_string_pretty(document).map_err(io::Error::from);
    match text {
        Ok(text) => {
            output.print(&(text + "\n"));
        }
        Err(error) => complain(&format!("error: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_a_shell_would_take_them_apart() {
        assert_eq!(quote("dir/put-order.json"), "dir/put-order.json");
        assert_eq!(quote("a b"), "'a b'");
        assert_eq!(quote("it's"), r"'it'\''s'");
        assert_eq!(quote(""), "''");
    }
}
