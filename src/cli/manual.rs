// SPDX-License-Identifier: GPL-2.0-only
//! `nfsd-check completions` and `nfsd-check man`: made from the same definitions as the commands
//! themselves and their `--help`.

use super::{BAD_INPUT, Cli, output::Output, output::complain};
use clap::{Args, CommandFactory};
use clap_complete::Shell;
use std::process::ExitCode;

/// What `nfsd-check completions` is started with.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  nfsd-check completions bash > ~/.local/share/bash-completion/completions/nfsd-check
  nfsd-check completions zsh > ~/.zfunc/_nfsd-check
  nfsd-check completions fish > ~/.config/fish/completions/nfsd-check.fish")]
pub(super) struct CompletionsArgs {
    /// For which shell
    shell: Shell,
}

/// What `nfsd-check man` is started with.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  nfsd-check man > nfsd-check.1
  nfsd-check man gate | man -l -")]
pub(super) struct ManArgs {
    /// The command that the page is of [default: nfsd-check itself]
    command: Option<String>,
}

/// Print the completions.
pub(super) fn completions(args: &CompletionsArgs) -> ExitCode {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "nfsd-check", &mut text);
    print(&text)
}

/// Print the page.
pub(super) fn man(args: &ManArgs) -> ExitCode {
    let mut all = Cli::command();
    // The global names are set when it is built.
    all.build();
    let page = match &args.command {
        None => all,
        Some(name) => {
            let known: Vec<&clap::Command> =
                all.get_subcommands().filter(|c| !c.is_hide_set()).collect();
            let Some(command) = known.iter().find(|c| c.get_name() == name) else {
                let names: Vec<&str> = known.iter().map(|c| c.get_name()).collect();
                complain(&format!("error: no command '{name}': {}", names.join(", ")));
                return ExitCode::from(BAD_INPUT);
            };
            (*command).clone()
        }
    };
    let mut text = Vec::new();
    match clap_mangen::Man::new(page).render(&mut text) {
        Ok(()) => print(&text),
        Err(error) => {
            complain(&format!("error: {error}"));
            ExitCode::from(BAD_INPUT)
        }
    }
}

fn print(text: &[u8]) -> ExitCode {
    let mut output = Output::default();
    output.print(&String::from_utf8_lossy(text));
    output.exit(0)
}
