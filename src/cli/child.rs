// SPDX-License-Identifier: GPL-2.0-only
//! Exploring in a process of its own, for an engine that may take its process with it.
//!
//! loom aborts where a thread of the program is blocked for good while it still holds certain
//! objects, and a deep recursion overflows a stack: both end a process whatever it does. So the
//! binary starts itself, tells the child on stdin what to explore, as one line of JSON, and reads
//! lines from its stdout: how many executions there were so far, and in the end the outcome. A
//! child that ends without one is an outcome too, an undecided one.
//!
//! Stdin stays open for as long as the parent wants to know: once it is closed, because of an
//! interrupt or because the parent has died, the child comes to an end.

use super::explore::Pair;
use crate::{
    check::{self, CheckOptions, EngineKind, MemoryModel, Outcome, seconds_since},
    engine::Limits,
    library::{Library, LoadError},
};
use serde::{Deserialize, Serialize};
use std::{
    io::{self, BufRead, BufReader, Read, Write},
    path::PathBuf,
    process::{self, ChildStderr, ExitCode, ExitStatus, Stdio},
    sync::{Arc, atomic::Ordering},
    thread,
    time::{Duration, Instant},
};

/// The hidden command that makes `nfsd-check` a child.
pub(super) const COMMAND: &str = "explore-for-parent";

/// How often the child says how far it is. Also how soon the parent notices an interrupt.
const REPORT: Duration = Duration::from_millis(100);

/// How long the child may take to come to an end when nobody wants to know any more.
const GRACE: Duration = Duration::from_secs(5);

/// How much of what the child says on stderr is kept.
const MOST_STDERR: u64 = 64 * 1024;

/// What the child is to do.
#[derive(Debug, Serialize, Deserialize)]
struct Request {
    scenario: String,
    model: String,
    engine: EngineKind,
    memory_model: MemoryModel,
    budget: Option<Duration>,
    max_executions: Option<u64>,
    preemption_bound: Option<u32>,
    all: bool,
    runs: u64,
    out: PathBuf,
}

/// A line of what the child says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Message {
    Executions(u64),
    Outcome(Box<Outcome>),
}

/// [`check::check`] in a child.
pub(super) fn check(pair: &Pair, options: &CheckOptions) -> Outcome {
    let start = Instant::now();
    let limits = &options.limits;
    let ended = match limits.reached(start, 0) {
        Some(reason) => Err(reason),
        None => converse(pair, options).unwrap_or_else(|error| {
            let engine = options.engine;
            Err(format!(
                "{engine}'s explorer could not be talked to: {error}"
            ))
        }),
    };
    ended.unwrap_or_else(|reason| Outcome {
        seconds: seconds_since(start),
        ..Outcome::undecided(&pair.scenario, &pair.model, options, reason)
    })
}

/// The outcome that a child came to, or why it came to none.
fn converse(pair: &Pair, options: &CheckOptions) -> io::Result<Result<Outcome, String>> {
    let limits = &options.limits;
    let request = Request {
        scenario: pair.scenario_arg.clone(),
        model: pair.model_arg.clone(),
        engine: options.engine,
        memory_model: options.memory_model,
        budget: limits.budget,
        max_executions: limits.max_executions,
        preemption_bound: limits.preemption_bound,
        all: limits.all,
        runs: options.runs,
        out: options.out.clone(),
    };
    let mut child = process::Command::new(std::env::current_exe()?)
        .arg(COMMAND)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut stdin = child.stdin.take();
    let stderr = child
        .stderr
        .take()
        .map(|stderr| thread::spawn(|| last_words(stderr)));
    if let Some(stdin) = &mut stdin {
        let mut line = serde_json::to_string(&request)?;
        line.push('\n');
        // A child that is dead already says so by its status.
        let _ = stdin.write_all(line.as_bytes());
    }
    let mut outcome = None;
    for line in BufReader::new(child.stdout.take().expect("it is piped")).lines() {
        match serde_json::from_str(&line?) {
            Ok(Message::Executions(count)) => limits.progress.store(count, Ordering::Relaxed),
            Ok(Message::Outcome(last)) => outcome = Some(*last),
            // Cut short by its death.
            Err(_) => break,
        }
        if limits.interrupted.load(Ordering::Relaxed) {
            stdin = None;
        }
    }
    drop(stdin);
    let status = child.wait()?;
    let stderr = stderr.and_then(|thread| thread.join().ok());
    Ok(match outcome {
        Some(outcome) => {
            limits.progress.store(outcome.executions, Ordering::Relaxed);
            Ok(outcome)
        }
        None => Err(death(options, status, &stderr.unwrap_or_default())),
    })
}

fn last_words(stderr: ChildStderr) -> String {
    let mut stderr = BufReader::new(stderr);
    let mut bytes = Vec::new();
    let _ = stderr.by_ref().take(MOST_STDERR).read_to_end(&mut bytes);
    // Whoever writes more must not wait for us.
    let _ = io::copy(&mut stderr, &mut io::sink());
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Why a child ended without an outcome.
fn death(options: &CheckOptions, status: ExitStatus, stderr: &str) -> String {
    let engine = options.engine;
    if options.limits.interrupted.load(Ordering::Relaxed) {
        let executions = options.limits.progress.load(Ordering::Relaxed);
        return format!("interrupted after {executions} executions");
    }
    if stderr.contains("overflowed its stack") {
        return format!("{engine}'s explorer overflowed its stack");
    }
    let mut lines = stderr
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty());
    // What a panic says is on the line after the place; anything else begins with what matters.
    let said = match lines.clone().position(|line| line.contains("panicked at")) {
        Some(place) => lines.nth(place + 1),
        None => lines.next(),
    };
    let said = said.map(|said| format!(": {said}")).unwrap_or_default();
    match signal(status) {
        Some(name) => format!("{engine}'s explorer aborted ({name}){said}"),
        None => format!("{engine}'s explorer ended without an outcome ({status}){said}"),
    }
}

#[cfg(unix)]
fn signal(status: ExitStatus) -> Option<String> {
    use std::os::unix::process::ExitStatusExt;
    status.signal().map(|number| match number {
        4 => "SIGILL".to_owned(),
        6 => "SIGABRT".to_owned(),
        7 => "SIGBUS".to_owned(),
        9 => "SIGKILL".to_owned(),
        11 => "SIGSEGV".to_owned(),
        15 => "SIGTERM".to_owned(),
        other => format!("signal {other}"),
    })
}

#[cfg(not(unix))]
fn signal(_: ExitStatus) -> Option<String> {
    None
}

/// Be the child.
pub(super) fn child() -> ExitCode {
    // An interrupt from a terminal is the parent's business.
    let _ = ctrlc::set_handler(|| ());
    let mut line = String::new();
    let request = io::stdin().lock().read_line(&mut line);
    let request = request.and_then(|_| Ok(serde_json::from_str::<Request>(&line)?));
    let loaded = request
        .map_err(|error| error.to_string())
        .and_then(|request| {
            let pair = load(&request).map_err(|error| error.to_string())?;
            Ok((request, pair))
        });
    let (request, pair) = match loaded {
        Ok(loaded) => loaded,
        Err(error) => {
            super::output::complain(&format!("error: {error}"));
            return ExitCode::from(super::BAD_INPUT);
        }
    };
    let options = CheckOptions {
        engine: request.engine,
        memory_model: request.memory_model,
        limits: Limits {
            budget: request.budget,
            max_executions: request.max_executions,
            preemption_bound: request.preemption_bound,
            all: request.all,
            ..Limits::default()
        },
        runs: request.runs,
        out: request.out,
        ..CheckOptions::default()
    };
    let interrupted = Arc::clone(&options.limits.interrupted);
    thread::spawn(move || {
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        interrupted.store(true, Ordering::Relaxed);
        thread::sleep(GRACE);
        process::exit(1);
    });
    let progress = Arc::clone(&options.limits.progress);
    thread::spawn(move || {
        while say(&Message::Executions(progress.load(Ordering::Relaxed))) {
            thread::sleep(REPORT);
        }
    });
    let outcome = check::check(&pair.scenario, &pair.model, &options);
    say(&Message::Outcome(Box::new(outcome)));
    ExitCode::SUCCESS
}

fn load(request: &Request) -> Result<Pair, LoadError> {
    let library = Library::find()?;
    Ok(Pair {
        scenario: Arc::new(library.scenario(&request.scenario)?),
        model: Arc::new(library.model(&request.model)?),
        scenario_arg: request.scenario.clone(),
        model_arg: request.model.clone(),
    })
}

/// Returns whether anybody heard.
fn say(message: &Message) -> bool {
    let Ok(mut line) = serde_json::to_string(message) else {
        return false;
    };
    line.push('\n');
    let mut stdout = io::stdout().lock();
    let said = stdout.write_all(line.as_bytes());
    said.and_then(|()| stdout.flush()).is_ok()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    /// What is said of a child that does this.
    fn death_of(script: &str) -> String {
        let output = process::Command::new("sh").args(["-c", script]).output();
        let output = output.expect("a shell");
        let options = CheckOptions {
            engine: EngineKind::Loom,
            ..CheckOptions::default()
        };
        let stderr = String::from_utf8_lossy(&output.stderr);
        death(&options, output.status, &stderr)
    }

    #[test]
    fn a_death_is_a_reason() {
        for (script, reason) in [
            ("kill -ABRT $$", "loom's explorer aborted (SIGABRT)"),
            (
                "echo 'thread main panicked at a.rs:1:2:' >&2; echo deadlock >&2; kill -ABRT $$",
                "loom's explorer aborted (SIGABRT): deadlock",
            ),
            (
                "echo \"thread 'main' has overflowed its stack\" >&2; kill -ABRT $$",
                "loom's explorer overflowed its stack",
            ),
            ("kill -KILL $$", "loom's explorer aborted (SIGKILL)"),
            (
                "exit 7",
                "loom's explorer ended without an outcome (exit status: 7)",
            ),
        ] {
            assert_eq!(death_of(script), reason);
        }
    }
}
