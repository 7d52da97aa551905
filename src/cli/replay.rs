// SPDX-License-Identifier: GPL-2.0-only
//! `nfsd-check replay`: run one recorded interleaving again and print it.

use super::step;
use crate::{
    library::{Library, LoadError},
    model::Model,
    report::{
        counterexample::Counterexample,
        document::told,
        form::{Form, Story},
        stepping::Stepping,
        text, why,
    },
};
use clap::Args;
use std::{
    io::{self, IsTerminal as _, Write as _},
    path::PathBuf,
    process::ExitCode,
};

/// Run one recorded interleaving again and print it.
///
/// Exit status: 1 the violation came about, or another one on another model, 0 none did, 3 the interleaving
/// could not be followed to its end, 2 bad input.
#[derive(Args, Clone, Debug)]
pub struct ReplayArgs {
    /// The counterexample
    pub file: PathBuf,
    /// Follow the interleaving on this model instead, by name or path
    #[arg(long, value_name = "M")]
    pub model: Option<String>,
    /// The model that shows what orders the steps where there is no violation [default: the one
    /// without the bug, v4, or the nearest that holds]
    #[arg(long, value_name = "M")]
    pub against: Option<String>,
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    pub format: Form,
    /// Go through it in the terminal, step by step, with the state of all objects beside it
    #[arg(long, conflicts_with_all = ["format", "width", "all_steps"])]
    pub step: bool,
    /// How wide a line may be [default: the terminal's width, or 100]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(40..=1000))]
    pub width: Option<u16>,
    /// Show every step, also those that nothing else depends on
    #[arg(long, visible_alias = "verbose")]
    pub all_steps: bool,
}

/// The exit status where the interleaving could not be followed to its end.
const COULD_NOT_FOLLOW: u8 = 3;

/// Runs the command.
#[must_use]
pub fn replay(args: &ReplayArgs) -> ExitCode {
    let Loaded {
        counterexample,
        model,
        against,
    } = match load(args) {
        Ok(loaded) => loaded,
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {error}");
            return ExitCode::from(2);
        }
    };
    if args.step
        && let Err(why) = step::terminal()
    {
        let _ = writeln!(io::stderr(), "error: {why}");
        return ExitCode::from(2);
    }
    let file = args.file.to_string_lossy();
    if counterexample.weak && model.choices != counterexample.model.choices {
        let why = "no interleaving shows it, so there is none to follow on another model";
        let command = format!(
            "nfsd-check run {} --model {} --all",
            counterexample.scenario.name, model.name
        );
        let _ = writeln!(
            io::stderr(),
            "error: {file}: {why}; {command} explores that"
        );
        return ExitCode::from(2);
    }
    let story = Story::new(counterexample, model, against.as_ref(), &file);
    if let (Some(asked), None) = (&args.against, &story.why) {
        let name = &story.model.name;
        let _ = writeln!(
            io::stderr(),
            "note: the violation does not come about on {name}, so there is nothing to compare with \
             {asked}"
        );
    }
    if let Some(parted) = story.untold() {
        let text = match args.format {
            Form::Text if !args.step => {
                let told = story.counterexample.tell();
                format!("{told}\nIt could not be followed: {parted}.\n")
            }
            Form::Json if !args.step => {
                format!("{:#}\n", told(&story.counterexample, &file))
            }
            _ => {
                let why = "an execution that no interleaving shows, and that could not be followed, is told \
                           as text and as json only";
                let _ = writeln!(io::stderr(), "error: {file}: {why}: {parted}");
                return ExitCode::from(2);
            }
        };
        let _ = anstream::stdout().lock().write_all(text.as_bytes());
        return ExitCode::from(COULD_NOT_FOLLOW);
    }
    if args.step {
        if let Err(error) = step::step(&mut Stepping::new(&story)) {
            let _ = writeln!(io::stderr(), "error: the terminal: {error}");
            return ExitCode::from(2);
        }
        return ExitCode::from(story.replay.exit_status());
    }
    let options = text::Options {
        width: args.width.map_or_else(terminal_width, usize::from),
        all_steps: args.all_steps,
    };
    let text = story.print(args.format, &options);
    // A reader that has seen enough closes its end.
    let _ = match args.format {
        Form::Text => anstream::stdout().lock().write_all(text.as_bytes()),
        _ => io::stdout().lock().write_all(text.as_bytes()),
    };
    if let Some(parted) = story.replay.parted.as_ref().filter(|_| story.replay.same) {
        // A step is a line of the file.
        let at = story.counterexample.to_json();
        let first = at.lines().position(|line| line == "  \"schedule\": [");
        let place = match (first, &parted.was) {
            (Some(first), Some(_)) => format!("{file}:{}: ", first + 1 + parted.step),
            _ => format!("{file}: "),
        };
        let _ = writeln!(io::stderr(), "{place}{parted}");
    }
    ExitCode::from(story.replay.exit_status())
}

struct Loaded {
    counterexample: Counterexample,
    model: Model,
    against: Option<Model>,
}

fn load(args: &ReplayArgs) -> Result<Loaded, LoadError> {
    let counterexample = Counterexample::load(&args.file)?;
    let library = Library::find()?;
    let model = match &args.model {
        Some(name) => library.model(name)?,
        None => counterexample.model.clone(),
    };
    // What is free of it is another one for another model.
    let asked = args.against.as_deref();
    Ok(Loaded {
        against: why::against(&counterexample.scenario, &model, asked, &library)?,
        counterexample,
        model,
    })
}

fn terminal_width() -> usize {
    const OTHERWISE: usize = 100;
    if !io::stdout().is_terminal() {
        return OTHERWISE;
    }
    let size = terminal_size::terminal_size();
    size.map_or(OTHERWISE, |(width, _)| usize::from(width.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        replay: ReplayArgs,
    }

    #[test]
    fn the_arguments_are_those_of_the_manual() {
        let parse = |args: &[&str]| Cli::try_parse_from([&["replay"], args].concat());
        let args = parse(&["x.json"]).unwrap().replay;
        assert_eq!(args.format, Form::Text);
        let full = [
            "x.json",
            "--model",
            "v4",
            "--format",
            "json",
            "--width",
            "80",
            "--verbose",
        ];
        let args = parse(&full).unwrap().replay;
        assert_eq!(args.format, Form::Json);
        assert_eq!((args.width, args.all_steps), (Some(80), true));
        assert!(parse(&[]).is_err());
        assert!(parse(&["x.json", "--width", "8"]).is_err());
        assert!(parse(&["x.json", "--format", "xml"]).is_err());
    }
}
