// SPDX-License-Identifier: GPL-2.0-only
//! The forms that an interleaving can be printed in.

use super::{
    counterexample::{self, Counterexample},
    digest::digest,
    document::document,
    html, mail, mermaid, perfetto,
    replay::{Replay, replay},
    telling::{Telling, Wait},
    text, unit_test,
    why::Why,
};
use crate::model::Model;
use std::{
    io,
    path::{Path, PathBuf},
};

/// A form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Form {
    /// For people, in a terminal
    #[default]
    Text,
    /// Plain text of 72 columns, to be sent in a mail
    Mail,
    /// One JSON document: schemas/replay.schema.json
    Json,
    /// One page for a browser, with all that it needs in it
    Html,
    /// A Rust test that runs it again
    Test,
    /// A Mermaid sequence diagram
    Mermaid,
    /// A trace that ui.perfetto.dev opens
    Perfetto,
}

impl Form {
    /// The end of the name of a file in this form.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Self::Text => "txt",
            Self::Mail => "mail",
            Self::Json => "replay.json",
            Self::Html => "html",
            Self::Test => "rs",
            Self::Mermaid => "mmd",
            Self::Perfetto => "perfetto.json",
        }
    }
}

/// A counterexample that has been run again.
#[derive(Clone, Debug)]
pub struct Story {
    /// The counterexample.
    pub counterexample: Counterexample,
    /// The model that it was run on.
    pub model: Model,
    /// What happened.
    pub replay: Replay,
    /// Why it is possible, where the violation came about.
    pub why: Option<Why>,
    /// Where the counterexample is kept.
    pub file: String,
    /// Where the violation came about on another model than it was recorded on: what ran there, as
    /// a counterexample of that model.
    own: Option<Box<Self>>,
}

impl Story {
    /// Runs a counterexample on `model`, and compares it with the model `against`.
    #[must_use]
    pub fn new(
        counterexample: Counterexample,
        model: Model,
        against: Option<&Model>,
        file: &str,
    ) -> Self {
        let replay = replay(&counterexample, &model);
        let own = match &replay.violation {
            Some(violation) if !replay.same => {
                let own = Counterexample {
                    model: model.clone(),
                    size: None,
                    schedule: counterexample::schedule(&replay.recording),
                    violation: counterexample::claim(&replay.recording, violation),
                    ..counterexample.clone()
                };
                let own = Self::new(own, model.clone(), against, file);
                own.replay.violation.is_some().then(|| Box::new(own))
            }
            _ => None,
        };
        let why = match &own {
            // The steps are the same.
            Some(own) => own.why.clone(),
            None if replay.same => Why::new(&counterexample, &replay, against),
            None => None,
        };
        Self {
            counterexample,
            model,
            replay,
            why,
            file: file.to_owned(),
            own,
        }
    }

    /// Why an execution that is no interleaving could not be followed: all that there is of it is what the
    /// file says.
    #[must_use]
    pub fn untold(&self) -> Option<String> {
        let is_weak = self.counterexample.weak && self.replay.same;
        match (&self.replay.parted, &self.replay.violation) {
            (Some(parted), _) if is_weak => Some(parted.to_string()),
            (None, None) if is_weak => Some("the violation did not come about".to_owned()),
            _ => None,
        }
    }

    /// Prints it. The options are for [`Form::Text`].
    #[must_use]
    pub fn print(&self, form: Form, options: &text::Options) -> String {
        let Self {
            counterexample,
            model,
            replay,
            why,
            file,
            own,
        } = self;
        let own = own.as_ref().filter(|_| match form {
            Form::Mail | Form::Test | Form::Mermaid | Form::Perfetto => true,
            Form::Text | Form::Json | Form::Html => false,
        });
        let (ran, replay, why) = match &own {
            Some(own) => (&own.counterexample, &own.replay, own.why.as_ref()),
            None => (counterexample, replay, why.as_ref()),
        };
        match form {
            Form::Text => {
                let mut text = text::print(counterexample, model, replay, file, options);
                if let Some(why) = why {
                    text += &text::print_why(counterexample, replay, why, options);
                }
                text
            }
            Form::Mail => mail::print(counterexample, model, replay, why, file),
            Form::Json => {
                let document = document(counterexample, model, replay, why, file);
                format!("{document:#}\n")
            }
            Form::Html => html::print(counterexample, model, replay, why, file),
            Form::Test => unit_test::print(ran, model, replay, why),
            Form::Mermaid => mermaid::print(ran, replay, why),
            Form::Perfetto => perfetto::print(ran, model, replay),
        }
    }

    /// The steps that a reader needs, by context, each with its place in the order of all of them.
    #[must_use]
    pub fn threads(&self) -> Vec<(String, Vec<(usize, String)>)> {
        let telling = Telling::new(&self.replay.recording);
        let actors = &self.counterexample.scenario.actors;
        let mut threads: Vec<(String, Vec<(usize, String)>)> = Vec::new();
        for (at, order) in digest(&self.replay, self.why.as_ref(), actors)
            .into_iter()
            .zip(1..)
        {
            let context = &telling.step(at).context;
            let text = match telling.place(at) {
                "" => telling.what(at),
                place => format!("{place}(): {}", telling.what(at)),
            };
            match threads.iter_mut().find(|(name, _)| name == context) {
                Some((_, steps)) => steps.push((order, text)),
                None => threads.push((context.clone(), vec![(order, text)])),
            }
        }
        if let Some(wait) = Wait::after_the_steps(&self.replay) {
            let order = threads.iter().map(|(_, steps)| steps.len()).sum::<usize>() + 1;
            let text = format!("{}(): {}", wait.place, wait.what);
            match threads.iter_mut().find(|(name, _)| name == wait.context) {
                Some((_, steps)) => steps.push((order, text)),
                None => threads.push((wait.context.to_owned(), vec![(order, text)])),
            }
        }
        threads
    }

    /// Writes it beside the counterexample, under its name with another ending; where there is
    /// another file of that name, with a number.
    ///
    /// # Errors
    ///
    /// Where it cannot be written.
    pub fn save(&self, form: Form) -> io::Result<PathBuf> {
        let options = text::Options {
            width: 100,
            all_steps: false,
        };
        let text = self.print(form, &options);
        // A file has no colours.
        let text = match form {
            Form::Text => anstream::adapter::strip_str(&text).to_string(),
            _ => text,
        };
        let path = Path::new(&self.file);
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let dir = path.parent().unwrap_or(Path::new(""));
        counterexample::save_as(dir, &stem, form.extension(), text.as_bytes())
    }
}
