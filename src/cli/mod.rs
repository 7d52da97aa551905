// SPDX-License-Identifier: GPL-2.0-only
//! The command line: one file a command.
//!
//! Results go to stdout and are the same bytes every time; everything else, progress, timings,
//! what is wrong with the input, goes to stderr. Exit status 2 is bad input or usage, of any
//! command; the others are each command's own.

mod check_files;
mod child;
mod explore;
mod fixes;
mod gate;
mod hunt;
mod list;
mod manual;
mod mutate;
mod output;
mod progress;
pub mod replay;
mod run;
mod step;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// The exit status of bad input or usage.
pub const BAD_INPUT: u8 = 2;

/// What `nfsd-check` is started with.
#[derive(Debug, Parser)]
#[command(
    name = "nfsd-check",
    version,
    about = "A model checker for the lifecycle of the Linux kernel's struct nfsd_file",
    after_help = "\
Examples:
  nfsd-check run                                  every scenario on the models it names
  nfsd-check run put-order --model v2-8of9        one patch against one scenario
  nfsd-check replay counterexamples/put-order-v2-8of9-use-after-destroy.json
  nfsd-check gate                                 everything against what is expected
  nfsd-check check-files                          whether the files here are well-formed
  nfsd-check list choices                         what a model may choose

Models and scenarios are named by file stem, and found in ./models and ./scenarios, or among those
compiled in where there are none. A name with a '/' in it or that ends in '.json' is a path.",
    arg_required_else_help = true
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check scenarios on models
    Run(run::RunArgs),
    /// Run one recorded interleaving again and print it
    #[command(after_help = REPLAY_HELP)]
    Replay(replay::ReplayArgs),
    /// Check every scenario on every model against what is expected
    Gate(gate::GateArgs),
    /// Search for the smallest sets of changes after which scenarios hold
    Fixes(fixes::FixesArgs),
    /// Make scenarios, smallest first, and look for what they break
    Hunt(hunt::HuntArgs),
    /// Check files without running them, or print their JSON Schemas
    CheckFiles(check_files::CheckFilesArgs),
    /// What there is: models, scenarios, choices, operations, violations, engines
    List(list::ListArgs),
    /// Weaken the calls of primitives one at a time, and see which scenario notices
    Mutate(mutate::MutateArgs),
    /// Print the completions of a shell
    Completions(manual::CompletionsArgs),
    /// Print a page of the manual
    Man(manual::ManArgs),
    /// Explore for another nfsd-check, which says on stdin what
    #[command(name = child::COMMAND, hide = true)]
    Child,
}

const REPLAY_HELP: &str = "\
Examples:
  nfsd-check replay counterexamples/put-order-v2-8of9-use-after-destroy.json
  nfsd-check replay counterexamples/put-order-v2-8of9-use-after-destroy.json --model v4
  nfsd-check replay counterexamples/put-order-v2-8of9-use-after-destroy.json --step
  nfsd-check replay counterexamples/put-order-v2-8of9-use-after-destroy.json --format mail
  nfsd-check replay counterexamples/put-order-v2-8of9-use-after-destroy.json --format html > x.html

The file is what 'nfsd-check run put-order --model v2-8of9' leaves.

Exit status: 1 the violation came about (on another model, any), 0 it did not, 3 the interleaving
could not be followed to its end, 2 bad input or usage.";

/// Read the arguments of this process and do what they say.
#[must_use]
pub fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Run(args) => run::run(&args),
        Command::Replay(args) => replay::replay(&args),
        Command::Gate(args) => gate::gate(&args),
        Command::Fixes(args) => fixes::fixes(&args),
        Command::Hunt(args) => hunt::hunt(&args),
        Command::CheckFiles(args) => check_files::check_files(&args),
        Command::List(args) => list::list(&args),
        Command::Mutate(args) => mutate::mutate(&args),
        Command::Completions(args) => manual::completions(&args),
        Command::Man(args) => manual::man(&args),
        Command::Child => child::child(),
    }
}
