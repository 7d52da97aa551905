// SPDX-License-Identifier: GPL-2.0-only
//! Where models and scenarios are found.
//!
//! A library is a folder with `models/*.json` and `scenarios/*.json`, and interleavings that a
//! scenario may refer to in `scenarios/interleavings/*.json`, which are counterexamples. The ones of this repository
//! are also compiled into the binary, so that an installed `nfsd-check` works anywhere. A name is
//! the stem of a file's name; whatever has a `/` in it or ends in `.json` is a path. Files are
//! read when they are asked for: one that is wrong does not keep the others from being used.
//!
//! Lists are sorted by name, whatever order the file system gives.

use crate::{
    json::{Diagnostic, MAX_BYTES, did_you_mean, nearest, quote},
    model::Model,
    report::counterexample::Counterexample,
    scenario::Scenario,
};
use std::{
    borrow::Cow,
    fmt, fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

macro_rules! builtin {
    ($($file:literal),+ $(,)?) => {
        &[$(($file, include_str!(concat!("../", $file)))),+]
    };
}

/// The files that are compiled in, sorted. A test compares the list with the folders.
const MODELS: &[(&str, &str)] = builtin![
    "models/before-series.json",
    "models/nfsd-next-export-skips-pending.json",
    "models/nfsd-next-opened-untested.json",
    "models/nfsd-next-recalc-unserialized.json",
    "models/nfsd-next.json",
    "models/v1-7of8.json",
    "models/v1-8of8.json",
    "models/v2-8of9.json",
    "models/v2-file-put-first.json",
    "models/v2-review.json",
    "models/v4-add-file-hands-out.json",
    "models/v4-all-closed.json",
    "models/v4-cache-up-stays.json",
    "models/v4-close-reads-first.json",
    "models/v4-close-sync-queues.json",
    "models/v4-created-keeps-ref.json",
    "models/v4-dispose-unguarded.json",
    "models/v4-doio-error-keeps.json",
    "models/v4-dynamic-threads.json",
    "models/v4-exit-waits.json",
    "models/v4-flags-after-insert.json",
    "models/v4-free-unhash.json",
    "models/v4-get-after-install.json",
    "models/v4-insert-error-reads.json",
    "models/v4-install-without-rcu.json",
    "models/v4-invalidate-one-by-one.json",
    "models/v4-io-without-net.json",
    "models/v4-lookup-without-rcu.json",
    "models/v4-lost-install-keeps-net.json",
    "models/v4-lru-add-rechecks.json",
    "models/v4-net-at-dispose.json",
    "models/v4-net-put-first.json",
    "models/v4-opened-after-pending.json",
    "models/v4-pending-clear-relaxed.json",
    "models/v4-pending-relaxed.json",
    "models/v4-purge-every-net.json",
    "models/v4-purge-frees-all.json",
    "models/v4-put-reads-file.json",
    "models/v4-put-under-rcu.json",
    "models/v4-queue-without-wake.json",
    "models/v4-retry-forgets.json",
    "models/v4-state-after-cache.json",
    "models/v4-state-after-purge-all.json",
    "models/v4-uuid-begin-adds.json",
    "models/v4-wait-before-purge.json",
    "models/v4-wake-ordered.json",
    "models/v4-wake-reloads.json",
    "models/v4-wake-untested.json",
    "models/v4.json",
    "models/v6.12-disables-unused.json",
    "models/v6.12-free-unhash.json",
    "models/v6.12-invalidate-at-purge.json",
    "models/v6.12-localio-not-gc.json",
    "models/v6.12-put-no-recheck.json",
    "models/v6.12-shared-lru.json",
    "models/v6.12.json",
];

const SCENARIOS: &[(&str, &str)] = builtin![
    "scenarios/acquire-again.json",
    "scenarios/acquire-vs-acquire.json",
    "scenarios/acquire-vs-failing-open.json",
    "scenarios/acquire-without-memory.json",
    "scenarios/acquires-vs-stop.json",
    "scenarios/client-close-vs-disable.json",
    "scenarios/client-close-vs-other-io.json",
    "scenarios/client-close-vs-stop.json",
    "scenarios/client-disable-twice-vs-stop.json",
    "scenarios/client-disable-vs-netns-exit.json",
    "scenarios/client-disable-vs-probe-end.json",
    "scenarios/client-disable-vs-probe.json",
    "scenarios/client-disable-vs-stop-of-two.json",
    "scenarios/client-disable-vs-stop.json",
    "scenarios/client-io-vs-netns-exit.json",
    "scenarios/client-io-vs-restart.json",
    "scenarios/client-io-vs-stop.json",
    "scenarios/client-io-without-memory.json",
    "scenarios/client-killed-probe-and-stop.json",
    "scenarios/client-killed-probe-vs-netns-exit.json",
    "scenarios/client-killed-probe-vs-other-client.json",
    "scenarios/client-open-fails-vs-stop.json",
    "scenarios/client-open-vs-disable.json",
    "scenarios/client-open-vs-netns-exit.json",
    "scenarios/client-open-vs-open.json",
    "scenarios/client-open-vs-stop.json",
    "scenarios/client-probe-after-restart.json",
    "scenarios/client-probe-again-twice.json",
    "scenarios/client-probe-again-vs-io.json",
    "scenarios/client-probe-again-vs-netns-exit.json",
    "scenarios/client-probe-killed.json",
    "scenarios/client-probe-twice-then-netns-exit.json",
    "scenarios/client-probe-vs-disable-and-probe.json",
    "scenarios/client-probe-vs-disable-twice.json",
    "scenarios/client-probe-vs-flush.json",
    "scenarios/client-probe-vs-io.json",
    "scenarios/client-probe-vs-netns-exit.json",
    "scenarios/client-probe-vs-other-client.json",
    "scenarios/client-probe-vs-probe.json",
    "scenarios/client-probe-vs-stop.json",
    "scenarios/client-probe-without-server.json",
    "scenarios/client-refused-vs-netns-exit.json",
    "scenarios/client-umount-after-killed-probe.json",
    "scenarios/client-umount-vs-netns-exit.json",
    "scenarios/client-umount-vs-other-probe.json",
    "scenarios/client-umount-vs-stop.json",
    "scenarios/client-umount-without-server.json",
    "scenarios/close-export-vs-acquire.json",
    "scenarios/close-export-vs-holder.json",
    "scenarios/close-export-vs-last-stop.json",
    "scenarios/close-export-vs-lookup.json",
    "scenarios/close-export-vs-stop.json",
    "scenarios/close-sync-vs-netns-exit.json",
    "scenarios/close-sync-vs-stop.json",
    "scenarios/create-and-stop.json",
    "scenarios/create-vs-start.json",
    "scenarios/dir-mark-put-vs-find.json",
    "scenarios/dir-mark-vs-file-mark.json",
    "scenarios/dir-mark-vs-stop.json",
    "scenarios/dispose-nine.json",
    "scenarios/dispose-vs-late-queue.json",
    "scenarios/drain-vs-queue.json",
    "scenarios/failed-lockd-after-create.json",
    "scenarios/failed-start-vs-stop.json",
    "scenarios/failed-start-vs-walkers.json",
    "scenarios/failed-state-vs-start.json",
    "scenarios/flush-during-open.json",
    "scenarios/flush-vs-holder.json",
    "scenarios/flush-vs-lookup.json",
    "scenarios/flush-vs-stop.json",
    "scenarios/gc-idle-server.json",
    "scenarios/gc-vs-netns-exit.json",
    "scenarios/gc-vs-stop.json",
    "scenarios/lease-vs-acquire.json",
    "scenarios/lease-vs-local-open-and-netns-exit.json",
    "scenarios/lease-vs-netns-exit.json",
    "scenarios/lease-vs-stop.json",
    "scenarios/leased-acquire-vs-put.json",
    "scenarios/leased-open-vs-stop.json",
    "scenarios/local-open-fails-vs-netns-exit.json",
    "scenarios/local-open-vs-netns-exit.json",
    "scenarios/local-open-vs-start.json",
    "scenarios/local-open-vs-stop-and-start.json",
    "scenarios/local-open-vs-stop.json",
    "scenarios/lookup-vs-last-put.json",
    "scenarios/mark-put-vs-find.json",
    "scenarios/mark-vs-mark.json",
    "scenarios/no-stop.json",
    "scenarios/open-unopened-vs-acquire.json",
    "scenarios/open-vs-acquire.json",
    "scenarios/open-vs-gc.json",
    "scenarios/purge-vs-lookup.json",
    "scenarios/purge-vs-other-net.json",
    "scenarios/put-order-second-net.json",
    "scenarios/put-order.json",
    "scenarios/put-vs-gc.json",
    "scenarios/put-vs-put-vs-reclaim.json",
    "scenarios/put-vs-put.json",
    "scenarios/put-vs-reclaim.json",
    "scenarios/recalc-vs-mark-put.json",
    "scenarios/recalc-vs-recalc.json",
    "scenarios/request-vs-start-flush.json",
    "scenarios/request-vs-start.json",
    "scenarios/restart-with-io.json",
    "scenarios/retire-vs-stop.json",
    "scenarios/retire-vs-wake-up.json",
    "scenarios/reuse-vs-gc.json",
    "scenarios/shrinker-vs-netns-exit.json",
    "scenarios/shrinker-vs-stop.json",
    "scenarios/spawn-vs-retire.json",
    "scenarios/spawn-vs-stop.json",
    "scenarios/stale-open-vs-close.json",
    "scenarios/stale-open-vs-lookup.json",
    "scenarios/stale-open-vs-stop.json",
    "scenarios/start-after-failed-start.json",
    "scenarios/start-again.json",
    "scenarios/start-vs-walkers.json",
    "scenarios/stop-vs-start.json",
    "scenarios/stop-with-state.json",
    "scenarios/two-stops-with-io.json",
    "scenarios/two-stops.json",
    "scenarios/unlink-vs-netns-exit.json",
    "scenarios/unlink-vs-stop.json",
    "scenarios/wake-up-vs-request.json",
];

const INTERLEAVINGS: &[(&str, &str)] = builtin![
    "scenarios/interleavings/no-stop-v1-7of8.json",
    "scenarios/interleavings/no-stop-v4.json",
];

/// Why something could not be loaded.
#[derive(Debug)]
pub enum LoadError {
    /// There is nothing of that name.
    Unknown {
        /// What was looked for: a model, a scenario.
        what: &'static str,
        /// The name.
        name: String,
        /// The nearest name that there is.
        suggestion: Option<String>,
    },
    /// A file or folder could not be read.
    Read {
        /// Its path.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A file is wrong.
    Wrong(Diagnostic),
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown {
                what,
                name,
                suggestion,
            } => {
                write!(f, "no {what} {}", quote(name))?;
                did_you_mean(f, suggestion.as_deref())
            }
            Self::Read { path, error } => write!(f, "{}: {error}", path.display()),
            Self::Wrong(diagnostic) => diagnostic.fmt(f),
        }
    }
}

impl std::error::Error for LoadError {}

impl From<Diagnostic> for LoadError {
    fn from(diagnostic: Diagnostic) -> Self {
        Self::Wrong(diagnostic)
    }
}

/// A file that is there to be read.
#[derive(Clone, Debug)]
struct Entry {
    name: String,
    file: PathBuf,
    builtin: Option<&'static str>,
}

impl Entry {
    fn read(&self) -> Result<Cow<'static, [u8]>, LoadError> {
        match self.builtin {
            Some(text) => Ok(Cow::Borrowed(text.as_bytes())),
            None => read(&self.file, MAX_BYTES).map(Cow::Owned),
        }
    }
}

/// Models and scenarios, by name.
#[derive(Clone, Debug)]
pub struct Library {
    models: Vec<Entry>,
    scenarios: Vec<Entry>,
    interleavings: Vec<Entry>,
}

impl Library {
    /// The current folder, where it has both models and scenarios, otherwise what is compiled in.
    ///
    /// # Errors
    ///
    /// Where the current folder has them and cannot be read.
    pub fn find() -> Result<Self, LoadError> {
        let absent = [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory];
        match Self::at("") {
            Ok(library) if library.models.is_empty() || library.scenarios.is_empty() => {
                Ok(Self::builtin())
            }
            Err(LoadError::Read { error, .. }) if absent.contains(&error.kind()) => {
                Ok(Self::builtin())
            }
            found => found,
        }
    }

    /// Whether a model is one that everybody has, as it is.
    pub(crate) fn ships(model: &Model) -> bool {
        let known = Self::builtin().model(&model.name);
        known.is_ok_and(|known| known == *model)
    }

    /// What is compiled in.
    #[must_use]
    pub fn builtin() -> Self {
        let entries = |files: &[(&str, &'static str)]| {
            let entries = files.iter().map(|&(file, text)| Entry {
                name: stem(Path::new(file)),
                file: file.into(),
                builtin: Some(text),
            });
            sorted(entries.collect())
        };
        Self {
            models: entries(MODELS),
            scenarios: entries(SCENARIOS),
            interleavings: entries(INTERLEAVINGS),
        }
    }

    /// The models and scenarios below a folder.
    ///
    /// # Errors
    ///
    /// Where the folder has no `models` or no `scenarios`, or one of them cannot be read.
    pub fn at(root: impl AsRef<Path>) -> Result<Self, LoadError> {
        let root = root.as_ref();
        let interleavings = root.join("scenarios/interleavings");
        Ok(Self {
            models: entries(&root.join("models"))?,
            scenarios: entries(&root.join("scenarios"))?,
            interleavings: match interleavings.is_dir() {
                true => entries(&interleavings)?,
                false => Vec::new(),
            },
        })
    }

    /// The names of the models, sorted.
    pub fn model_names(&self) -> impl Iterator<Item = &str> {
        self.models.iter().map(|entry| &*entry.name)
    }

    /// The names of the scenarios, sorted.
    pub fn scenario_names(&self) -> impl Iterator<Item = &str> {
        self.scenarios.iter().map(|entry| &*entry.name)
    }

    /// The model of that name or path.
    ///
    /// # Errors
    ///
    /// Where there is none, or it cannot be read, or it is wrong.
    pub fn model(&self, name_or_path: &str) -> Result<Model, LoadError> {
        self.parse_model(&find("model", &self.models, name_or_path)?)
    }

    /// The scenario of that name or path. What it expects may only be of this library's models.
    ///
    /// # Errors
    ///
    /// Where there is none, or it cannot be read, or it is wrong.
    pub fn scenario(&self, name_or_path: &str) -> Result<Scenario, LoadError> {
        self.parse_scenario(&find("scenario", &self.scenarios, name_or_path)?)
    }

    /// The interleaving of that name or path, which a scenario is shown by.
    ///
    /// # Errors
    ///
    /// Where there is none, or it cannot be read, or it is wrong.
    pub fn interleaving(&self, name_or_path: &str) -> Result<Counterexample, LoadError> {
        let entry = find("interleaving", &self.interleavings, name_or_path)?;
        let file = entry.file.to_string_lossy();
        match entry.builtin {
            Some(text) => Ok(Counterexample::parse(&file, text.as_bytes())?),
            None => Counterexample::load(&entry.file),
        }
    }

    /// The names of the interleavings, sorted.
    pub fn interleaving_names(&self) -> impl Iterator<Item = &str> {
        self.interleavings.iter().map(|entry| &*entry.name)
    }

    /// The file of the scenario of that name or path, and its text.
    ///
    /// # Errors
    ///
    /// Where there is none, or it cannot be read.
    pub fn scenario_file(&self, name_or_path: &str) -> Result<(PathBuf, String), LoadError> {
        let entry = find("scenario", &self.scenarios, name_or_path)?;
        let text = String::from_utf8_lossy(&entry.read()?).into_owned();
        Ok((entry.file, text))
    }

    /// All models, sorted by name.
    ///
    /// # Errors
    ///
    /// Where one cannot be read or is wrong.
    pub fn models(&self) -> Result<Vec<Model>, LoadError> {
        self.models
            .iter()
            .map(|entry| self.parse_model(entry))
            .collect()
    }

    /// All scenarios, sorted by name.
    ///
    /// # Errors
    ///
    /// Where one cannot be read or is wrong.
    pub fn scenarios(&self) -> Result<Vec<Scenario>, LoadError> {
        self.scenarios
            .iter()
            .map(|entry| self.parse_scenario(entry))
            .collect()
    }

    fn parse_model(&self, entry: &Entry) -> Result<Model, LoadError> {
        Ok(Model::parse(&entry.file.to_string_lossy(), &entry.read()?)?)
    }

    fn parse_scenario(&self, entry: &Entry) -> Result<Scenario, LoadError> {
        let models: Vec<_> = self.model_names().collect();
        let file = entry.file.to_string_lossy();
        Ok(Scenario::parse(&file, &entry.read()?, &models)?)
    }
}

fn stem(file: &Path) -> String {
    file.file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

fn sorted(mut entries: Vec<Entry>) -> Vec<Entry> {
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    entries
}

/// The `*.json` in a folder.
fn entries(folder: &Path) -> Result<Vec<Entry>, LoadError> {
    let failed = |error| LoadError::Read {
        path: folder.to_owned(),
        error,
    };
    let mut entries = Vec::new();
    for file in fs::read_dir(folder).map_err(failed)? {
        let file = file.map_err(failed)?.path();
        if file
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            entries.push(Entry {
                name: stem(&file),
                file,
                builtin: None,
            });
        }
    }
    Ok(sorted(entries))
}

fn find(what: &'static str, entries: &[Entry], name_or_path: &str) -> Result<Entry, LoadError> {
    if name_or_path.contains('/') || name_or_path.ends_with(".json") {
        let file = PathBuf::from(name_or_path);
        return Ok(Entry {
            name: stem(&file),
            file,
            builtin: None,
        });
    }
    let entry = entries.iter().find(|entry| entry.name == name_or_path);
    entry.cloned().ok_or_else(|| LoadError::Unknown {
        what,
        name: name_or_path.to_owned(),
        suggestion: nearest(name_or_path, entries.iter().map(|entry| &*entry.name)),
    })
}

/// Reads a file, but not much more of it than will be accepted.
pub(crate) fn read(file: &Path, max_bytes: usize) -> Result<Vec<u8>, LoadError> {
    let failed = |error| LoadError::Read {
        path: file.to_owned(),
        error,
    };
    // Opening a FIFO would wait for somebody to write to it.
    if !fs::metadata(file).map_err(failed)?.is_file() {
        let kind = io::ErrorKind::InvalidInput;
        return Err(failed(io::Error::new(kind, "not a regular file")));
    }
    let mut bytes = Vec::new();
    fs::File::open(file)
        .and_then(|file| file.take(max_bytes as u64 + 1).read_to_end(&mut bytes))
        .map_err(failed)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_repository_is_compiled_in() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let there = Library::at(root).unwrap();
        let builtin = Library::builtin();
        assert!(there.model_names().eq(builtin.model_names()));
        assert!(there.scenario_names().eq(builtin.scenario_names()));
        assert!(there.interleaving_names().eq(builtin.interleaving_names()));
        assert_eq!(there.models().unwrap(), builtin.models().unwrap());
        assert_eq!(there.scenarios().unwrap(), builtin.scenarios().unwrap());
    }
}
