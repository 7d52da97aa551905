// SPDX-License-Identifier: GPL-2.0-only
//! `nfsd-check completions` and `nfsd-check man`: made from the same definitions as the commands
//! themselves and their `--help`.

use super::{BAD_INPUT, Cli, output::Output, output::complain};
use clap::{Args, CommandFactory};
use clap_complete::Shell;
use std::{io, process::ExitCode};

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
    match render(page) {
        Ok(text) => print(&text),
        Err(error) => {
            complain(&format!("error: {error}"));
            ExitCode::from(BAD_INPUT)
        }
    }
}

/// The page. What follows the options is written here: clap_mangen fills it, and an example in two
/// lines is none.
fn render(mut page: clap::Command) -> io::Result<Vec<u8>> {
    let after = page.get_after_help().map(ToString::to_string);
    let has_version = page.get_version().is_some();
    let has_commands = page.get_subcommands().any(|command| !command.is_hide_set());
    let has_options = page.get_arguments().any(|arg| !arg.is_hide_set());
    page = page.after_help(None::<&str>);
    let page = clap_mangen::Man::new(page);
    let mut text = Vec::new();
    page.render_title(&mut text)?;
    page.render_name_section(&mut text)?;
    page.render_synopsis_section(&mut text)?;
    page.render_description_section(&mut text)?;
    if has_options {
        page.render_options_section(&mut text)?;
    }
    if has_commands {
        page.render_subcommands_section(&mut text)?;
    }
    if let Some(after) = after {
        text.extend(extra(&after).bytes());
    }
    if has_version {
        page.render_version_section(&mut text)?;
    }
    Ok(text)
}

/// What follows the options in `--help`, in the sections that a page has. Lines that begin with a space
/// stay as they are, the others are filled.
fn extra(help: &str) -> String {
    let mut out = String::new();
    let mut section = "";
    for paragraph in help.split("\n\n") {
        let (heading, text) = if let Some(text) = paragraph.strip_prefix("Examples:\n") {
            ("EXAMPLES", text)
        } else if let Some(text) = paragraph.strip_prefix("Exit status: ") {
            ("EXIT STATUS", text)
        } else if section == "EXAMPLES" && paragraph.starts_with(' ') {
            (section, paragraph)
        } else {
            ("NOTES", paragraph)
        };
        out.push_str(&match heading == section {
            true => ".PP\n".to_owned(),
            false => format!(".SH {heading}\n"),
        });
        section = heading;
        let mut as_is = false;
        for line in text.lines() {
            let indented = line.starts_with(' ');
            if indented != as_is {
                out.push_str(if indented { ".nf\n" } else { ".fi\n" });
                as_is = indented;
            }
            let line = line.replace('\\', "\\e").replace('-', "\\-");
            // What begins like this is a request otherwise.
            let is_request = line.starts_with(['.', '\'']);
            out.push_str(if is_request { "\\&" } else { "" });
            out.push_str(&line);
            out.push('\n');
        }
        if as_is {
            out.push_str(".fi\n");
        }
    }
    out
}

fn print(text: &[u8]) -> ExitCode {
    let mut output = Output::default();
    output.print(&String::from_utf8_lossy(text));
    output.exit(0)
}
