// SPDX-License-Identifier: GPL-2.0-only
//! The tables of the README, as Markdown: executions and wall time of this crate's explorer beside
//! loom and shuttle, on the micro-model and on the shipped scenarios. See `benches/README.md`.
//!
//! `cargo bench --bench table [-- micro | scenarios [MODEL | all [SCENARIO]]]`
//!
//! Each cell is a child process of this one: loom can abort, shuttle leaves a panic hook behind,
//! and no cell warms another one's caches.

#![allow(
    clippy::duplicate_mod,
    reason = "one text of the micro-model for each set of primitives"
)]

#[path = "micro_model/mod.rs"]
mod micro_model;
#[path = "micro_model/on_loom.rs"]
mod on_loom;
#[path = "micro_model/on_shuttle.rs"]
mod on_shuttle;

use micro_model::{PutOrder, Size, on_sync};
use nfsd_check::{
    check::program::program,
    engine::{Exploration, Jobs, Limits, MemoryModel, Program, dpor, loom},
    library::Library,
};
use std::{
    error::Error,
    panic::{AssertUnwindSafe, catch_unwind},
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// Seconds after which a cell is cut, where the environment does not say.
const BUDGET: f64 = 10.0;
/// The variable of the environment that says.
const BUDGET_VARIABLE: &str = "BENCH_BUDGET";
/// How many times as long as `dpor` took loom is given on a scenario, and how many seconds at most,
/// where the environment does not say: where that is more, it is cut as all others are.
const TIMES: f64 = 1000.0;
const MOST: f64 = 120.0;
/// The variable of the environment that says.
const MOST_VARIABLE: &str = "BENCH_LOOM";

/// Sizes with three actors and enough executions to time them.
const THREE_ACTORS: [Size; 3] = [Size::new(0, 2, 6), Size::new(1, 1, 5), Size::new(1, 1, 6)];

/// What other tools do with the micro-model, measured once on a machine of two cores, seconds of
/// wall time. Not made in the run that prints the table: take the ratios with a grain of salt.
///
/// GenMC 0.10.3 with `--sc`, without the time that clang takes: complete executions. SPIN 6.5.2,
/// `pan`, without the 1.5 s to generate and compile it: stored states.
const ELSEWHERE: [Elsewhere; 7] = [
    Elsewhere::new((6, 0.02), (166, 0.1)),
    Elsewhere::new((18, 0.02), (594, 0.1)),
    Elsewhere::new((152, 0.05), (912, 0.1)),
    Elsewhere::new((229, 0.11), (4_475, 0.1)),
    Elsewhere::new((1_940, 0.80), (22_571, 0.1)),
    Elsewhere::new((8_466, 3.0), (25_517, 0.1)),
    Elsewhere::new((581_400, 320.0), (462_166, 0.6)),
];

struct Elsewhere {
    genmc: (u64, f64),
    spin: (u64, f64),
}

impl Elsewhere {
    const fn new(genmc: (u64, f64), spin: (u64, f64)) -> Self {
        Self { genmc, spin }
    }
}

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    // Cargo adds `--bench`.
    let arguments = std::env::args().skip(1).filter(|a| a != "--bench");
    let arguments: Vec<String> = arguments.collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match *arguments {
        ["--cell", ref cell @ ..] => run_cell(cell),
        [] => {
            micro()?;
            println!();
            scenarios("v4", None)
        }
        ["micro"] => micro(),
        ["scenarios"] => scenarios("v4", None),
        ["scenarios", models] => scenarios(models, None),
        ["scenarios", models, scenario] => scenarios(models, Some(scenario)),
        _ => Err("table [micro | scenarios [MODEL | all [SCENARIO]]]".into()),
    }
}

fn budget() -> Result<f64> {
    seconds(BUDGET_VARIABLE, BUDGET)
}

/// What a variable of the environment says, in seconds.
fn seconds(variable: &str, default: f64) -> Result<f64> {
    match std::env::var(variable) {
        Ok(seconds) => Ok(seconds.parse()?),
        Err(_) => Ok(default),
    }
}

fn micro() -> Result<()> {
    let budget = budget()?;
    println!(
        "| GC passes, I/Os, files | `dpor`, rc11 | a second | `dpor`, sc | a second | stored states | \
         `loom` engine | loom itself | shuttle DFS | GenMC `--sc` | SPIN, states | GenMC's a second, \
         times: rc11 | sc |"
    );
    println!("|---|---|---:|---|---:|---|---|---|---|---|---|---:|---:|");
    for ((size, _), elsewhere) in Size::ROWS.iter().zip(ELSEWHERE) {
        let row = |tool| Outcome::of(&["micro", tool, &size.to_string(), "file-first"], None);
        let (rc11, sc) = (row("rc11")?, row("sc")?);
        let (executions, seconds) = elsewhere.genmc;
        let times = |ours: Outcome| match seconds {
            // The rest is the time it takes to start.
            s if s >= 0.5 => format!("{:.0}", ours.a_second() / (executions as f64 / s)),
            _ => String::new(),
        };
        println!(
            "| {size} | {rc11} | {} | {sc} | {} | {} | {} | {} | {} | {} in {} | {} in {} | {} | {} |",
            thousands(rc11.a_second() as u64),
            thousands(sc.a_second() as u64),
            row("states")?,
            row("loom-engine")?,
            row("loom")?,
            row("shuttle")?,
            thousands(executions),
            time(seconds),
            thousands(elsewhere.spin.0),
            time(elsewhere.spin.1),
            times(rc11),
            times(sc),
        );
    }
    let swapped = |tool| Outcome::of(&["micro", tool, "0,1,1", "net-first"], None);
    println!(
        "| put order swapped, 0,1,1 | {} | | {} | | {} | {} | {} | {} | found in 40 ms | found in 110 ms | | |",
        swapped("rc11")?,
        swapped("sc")?,
        swapped("states")?,
        swapped("loom-engine")?,
        swapped("loom")?,
        swapped("shuttle")?,
    );
    println!();
    println!(
        "Executions, or states, and wall time on one core; `>`: cut after {budget} s. GenMC and SPIN: \
         constants from another run, see `benches/README.md`."
    );
    println!();
    println!("| three actors | `dpor`, rc11 | a second | `dpor`, sc | a second |");
    println!("|---|---|---:|---|---:|");
    for size in THREE_ACTORS {
        let row = |tool| Outcome::of(&["micro", tool, &size.to_string(), "file-first"], None);
        let (rc11, sc) = (row("rc11")?, row("sc")?);
        println!(
            "| {size} | {rc11} | {} | {sc} | {} |",
            thousands(rc11.a_second() as u64),
            thousands(sc.a_second() as u64),
        );
    }
    Ok(())
}

fn scenarios(models: &str, only: Option<&str>) -> Result<()> {
    let (library, budget) = (Library::find()?, budget()?);
    let most = seconds(MOST_VARIABLE, MOST)?;
    println!("| scenario | model | `dpor` | a second | `loom` engine | time, times |");
    println!("|---|---|---|---|---|---|");
    for scenario in library.scenarios()? {
        if only.is_some_and(|only| only != scenario.name) {
            continue;
        }
        for model in library.models()? {
            if models != "all" && models != model.name {
                continue;
            }
            let cell = |tool, seconds| {
                Outcome::of(&["scenario", tool, &scenario.name, &model.name], seconds)
            };
            let ours = cell("rc11", None)?;
            let enough = Some(ours.seconds * TIMES * 1.05)
                .filter(|&enough| ours.end == End::Complete && enough <= most && enough > budget);
            let theirs = cell("loom-engine", enough)?;
            let times = match (ours.end, theirs.end) {
                (End::Complete, End::Complete) => format!("{:.0}", theirs.seconds / ours.seconds),
                (End::Complete, End::Cut) => format!("> {:.0}", theirs.seconds / ours.seconds),
                _ => String::new(),
            };
            println!(
                "| {} | {} | {ours} | {} | {theirs} | {times} |",
                scenario.name,
                model.name,
                thousands(ours.a_second() as u64),
            );
        }
    }
    println!();
    println!(
        "All executions that RC11 allows, not only those up to the first violation, on one core; `>`: cut \
         after {budget} s. loom is given {TIMES} times as long as `dpor` took, where that is no more \
         than {most} s. Its executions include those of its two searches with a bound on \
         preemptions, which this engine lets it make first."
    );
    Ok(())
}

/// How a cell came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The tool had nothing left to explore.
    Complete,
    /// The budget ran out.
    Cut,
    /// It found what it was to find.
    Found,
    /// The child process came to nothing.
    Failed,
}

impl End {
    const ALL: [(Self, &'static str); 3] = [
        (Self::Complete, "complete"),
        (Self::Cut, "cut"),
        (Self::Found, "found"),
    ];
}

/// What a cell came to.
#[derive(Clone, Copy, Debug)]
struct Outcome {
    executions: u64,
    seconds: f64,
    end: End,
}

impl Outcome {
    /// Run a cell in a process of its own, cut after so many seconds, or after the budget.
    fn of(cell: &[&str], seconds: Option<f64>) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        if let Some(seconds) = seconds {
            command.env(BUDGET_VARIABLE, seconds.to_string());
        }
        let command = command.arg("--cell").args(cell);
        let output = command.stderr(Stdio::null()).output()?;
        let output = String::from_utf8(output.stdout)?;
        Ok(Self::parse(&output).unwrap_or(Self {
            executions: 0,
            seconds: 0.0,
            end: End::Failed,
        }))
    }

    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let (executions, seconds, end) = (words.next()?, words.next()?, words.next()?);
        Some(Self {
            executions: executions.parse().ok()?,
            seconds: seconds.parse().ok()?,
            end: End::ALL.iter().find(|(_, name)| *name == end)?.0,
        })
    }

    fn a_second(&self) -> f64 {
        if self.seconds > 0.0 {
            self.executions as f64 / self.seconds
        } else {
            0.0
        }
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (executions, seconds) = (thousands(self.executions), time(self.seconds));
        match self.end {
            End::Complete => write!(f, "{executions} in {seconds}"),
            End::Cut => write!(f, "> {executions} in {seconds}"),
            End::Found => write!(f, "found in {seconds}"),
            End::Failed => f.write_str("failed"),
        }
    }
}

/// Run one cell, and say what came of it on one line of the standard output.
fn run_cell(cell: &[&str]) -> Result<()> {
    let budget = Duration::from_secs_f64(budget()?);
    let start = Instant::now();
    let (executions, end) = match *cell {
        ["micro", tool, size, order] => {
            let size = size_of(size)?;
            let order = match order {
                "file-first" => PutOrder::FileFirst,
                _ => PutOrder::NetFirst,
            };
            // Where there is a bug to find, the time to find it counts.
            let all = order == PutOrder::FileFirst;
            match tool {
                "loom" => directly(budget, || on_loom(size, order, budget)),
                "shuttle" => directly(budget, || on_shuttle(size, order, budget)),
                engine => on_engine(engine, &on_sync::program(size, order), budget, all),
            }
        }
        ["scenario", engine, scenario, model] => {
            let library = Library::find()?;
            let mut scenarios = library.scenarios()?.into_iter();
            let scenario = scenarios.find(|s| s.name == scenario);
            let model = library.models()?.into_iter().find(|m| m.name == model);
            let (Some(scenario), Some(model)) = (scenario, model) else {
                return Err("no such scenario or model".into());
            };
            let program = program(&Arc::new(scenario), model.choices);
            on_engine(engine, &program, budget, true)
        }
        _ => return Err("no such cell".into()),
    };
    let (_, end) = End::ALL
        .iter()
        .find(|(e, _)| *e == end)
        .expect("not Failed");
    println!("{executions} {} {end}", start.elapsed().as_secs_f64());
    Ok(())
}

fn size_of(text: &str) -> Result<Size> {
    let rows = Size::ROWS.iter().map(|(size, _)| *size);
    let mut fitting = rows
        .chain(THREE_ACTORS)
        .filter(|size| size.to_string() == text);
    fitting.next().ok_or_else(|| "no such size".into())
}

fn on_engine(engine: &str, program: &Program, budget: Duration, all: bool) -> (u64, End) {
    let limits = Limits {
        budget: Some(budget),
        all,
        jobs: Jobs::new(1),
        memory_model: match engine {
            "rc11" => MemoryModel::Rc11,
            _ => MemoryModel::Sc,
        },
        stored_states: engine == "states",
        ..Limits::default()
    };
    let exploration = match engine {
        "loom-engine" => loom::explore(program, &limits),
        _ => dpor::explore(program, &limits),
    };
    let Exploration {
        executions,
        states,
        complete,
        reason,
        findings,
        ..
    } = exploration;
    // loom's engine never calls itself complete.
    let finished = reason.is_some_and(|reason| reason.starts_with("loom finished"));
    let end = match complete || finished {
        _ if !all && !findings.is_empty() => End::Found,
        true => End::Complete,
        false => End::Cut,
    };
    (states.unwrap_or(executions), end)
}

/// Run a tool that says by a panic that it found something, and stops by itself after the budget.
fn directly(budget: Duration, run: impl FnOnce() -> Arc<AtomicU64>) -> (u64, End) {
    let start = Instant::now();
    match catch_unwind(AssertUnwindSafe(run)) {
        Err(_) => (0, End::Found),
        Ok(count) => {
            let cut = start.elapsed() >= budget;
            let end = if cut { End::Cut } else { End::Complete };
            (count.load(Ordering::Relaxed), end)
        }
    }
}

fn on_loom(size: Size, order: PutOrder, budget: Duration) -> Arc<AtomicU64> {
    let count = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&count);
    let mut builder = ::loom::model::Builder::new();
    builder.max_branches = 100_000;
    builder.max_duration = Some(budget);
    builder.checkpoint_interval = 100;
    builder.preemption_bound = None;
    builder.check(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        on_loom::run(size, order);
    });
    count
}

fn on_shuttle(size: Size, order: PutOrder, budget: Duration) -> Arc<AtomicU64> {
    let mut config = shuttle::Config::new();
    config.max_time = Some(budget);
    config.failure_persistence = shuttle::FailurePersistence::None;
    let scheduler = shuttle::scheduler::DfsScheduler::new(None, false);
    let count = shuttle::Runner::new(scheduler, config).run(move || on_shuttle::run(size, order));
    Arc::new(AtomicU64::new(count as u64))
}

fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn time(seconds: f64) -> String {
    match seconds {
        s if s < 0.001 => format!("{:.2} ms", s * 1e3),
        s if s < 0.01 => format!("{:.1} ms", s * 1e3),
        s if s < 1.0 => format!("{:.0} ms", s * 1e3),
        s if s < 10.0 => format!("{s:.1} s"),
        s => format!("{s:.0} s"),
    }
}
