// SPDX-License-Identifier: GPL-2.0-only
//! Whatever the bytes of a file are, reading it ends in a model or scenario or in a diagnostic
//! about a place in it.

use nfsd_check::{json::Diagnostic, model::Model, scenario::Scenario};
use proptest::{collection::vec, prelude::*, sample::Index, test_runner::FileFailurePersistence};
use std::{fs, path::Path, sync::LazyLock};

const MODELS: &[&str] = &[
    "before-series",
    "v1-7of8",
    "v1-8of8",
    "v2-8of9",
    "v2-review",
    "v4",
];

/// The shipped files, by path.
static FILES: LazyLock<Vec<(String, String)>> = LazyLock::new(|| {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in ["models", "scenarios"] {
        let paths = fs::read_dir(root.join(folder)).unwrap();
        let paths = paths.map(|entry| entry.unwrap().path());
        for path in paths.filter(|path| path.extension().is_some_and(|e| e == "json")) {
            let text = fs::read_to_string(&path).unwrap();
            files.push((path.to_string_lossy().into_owned(), text));
        }
    }
    files.sort();
    files
});

/// The pieces that the shipped files consist of, and a few that they have none of.
static TOKENS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let shipped = FILES.iter().flat_map(|(_, text)| tokens(text));
    let mut all: Vec<_> = shipped.map(str::to_owned).collect();
    all.extend(
        [
            "\"gc_passes\"",
            "\"alloc\"",
            "\"may-fail\"",
            "\"epilogue\"",
            "\"none\"",
            "\"open\"",
            "\"preempt_rcu\"",
            "true",
            "false",
            "null",
            "0",
            "17",
            "-1",
            "1e400",
            "threads",
            "9",
            "close_sync",
            "nfsd_file_acquire_gc",
            "nfsd_file_put",
            "=",
            "\\u0042",
            "\\ud800",
            "é",
            "\u{2028}",
            "\u{feff}",
            "\0",
            "//",
            "/*",
            "'",
            "\"leak\"",
            "\"use-after-free\"",
        ]
        .map(str::to_owned),
    );
    all.sort();
    all.dedup();
    all
});

/// Cuts a text into punctuation, spaces and words.
fn tokens(text: &str) -> Vec<&str> {
    let single = |c: char| !(c.is_alphanumeric() || matches!(c, '-' | '_' | '.'));
    let mut tokens = Vec::new();
    for piece in text.split_inclusive(single) {
        let end = match piece.chars().next_back() {
            Some(last) if single(last) => piece.len() - last.len_utf8(),
            _ => piece.len(),
        };
        tokens.extend(
            [&piece[..end], &piece[end..]]
                .into_iter()
                .filter(|t| !t.is_empty()),
        );
    }
    tokens
}

fn well_placed(file: &str, bytes: &[u8], error: &Diagnostic) -> Result<(), TestCaseError> {
    let lines = bytes.split(|&byte| byte == b'\n');
    let line = lines.clone().nth(error.line.wrapping_sub(1));
    prop_assert!(line.is_some(), "{error}");
    let columns = String::from_utf8_lossy(line.unwrap()).chars().count() + 1;
    prop_assert!((1..=columns).contains(&error.column), "{error}");
    let place = format!("{file}:{}:{}: ", error.line, error.column);
    prop_assert!(error.to_string().starts_with(&place));
    prop_assert!(
        !error.to_string().contains(|c: char| c.is_control()),
        "{error:?}"
    );
    Ok(())
}

/// Reads bytes as a scenario and as a model.
fn read(file: &str, bytes: &[u8]) -> Result<(), TestCaseError> {
    match Scenario::parse(file, bytes, MODELS) {
        Ok(scenario) => {
            let actors = scenario.actors.iter().flat_map(|actor| &actor.operations);
            for operation in scenario.setup.iter().chain(actors) {
                let printed = operation.display(&scenario).to_string();
                prop_assert!(printed.split(' ').any(|word| word == operation.name()));
            }
        }
        Err(error) => well_placed(file, bytes, &error)?,
    }
    match Model::parse(file, bytes) {
        Ok(model) => {
            let stem = Path::new(file).file_stem().unwrap();
            prop_assert_eq!(stem, &*model.name);
        }
        Err(error) => well_placed(file, bytes, &error)?,
    }
    Ok(())
}

type Mutation = (u8, Index, Index, u8);

fn mutate_bytes(bytes: &mut Vec<u8>, (kind, at, other, byte): Mutation) {
    if bytes.is_empty() {
        return;
    }
    let (i, j) = (at.index(bytes.len()), other.index(bytes.len()));
    match kind % 6 {
        0 => drop(bytes.remove(i)),
        1 => bytes.insert(i, byte),
        2 => bytes[i] = byte,
        3 => bytes[i] ^= 1 << (byte % 8),
        4 => bytes.truncate(i),
        _ => drop(bytes.drain(i.min(j)..i.max(j).min(i.min(j) + 40))),
    }
}

fn mutate_tokens(tokens: &mut Vec<&str>, (kind, at, other, _): Mutation) {
    if tokens.is_empty() {
        return;
    }
    let (i, j) = (at.index(tokens.len()), other.index(tokens.len()));
    let new = &*TOKENS[other.index(TOKENS.len())];
    match kind % 6 {
        0 => drop(tokens.remove(i)),
        1 => tokens.insert(i, new),
        2 => tokens[i] = new,
        3 => tokens.swap(i, j),
        4 => tokens.insert(i, tokens[j]),
        _ => {
            let copy = tokens[i.min(j)..i.max(j).min(i.min(j) + 12)].to_vec();
            tokens.splice(i..i, copy);
        }
    }
}

fn mutations() -> impl Strategy<Value = Vec<Mutation>> {
    vec(any::<Mutation>(), 1..6)
}

fn shipped() -> impl Strategy<Value = (&'static str, &'static str)> {
    any::<Index>().prop_map(|index| {
        let (file, text) = index.get(&FILES);
        (&**file, &**text)
    })
}

fn token() -> impl Strategy<Value = String> {
    any::<Index>().prop_map(|index| index.get(&TOKENS).clone())
}

/// A string out of the words of the formats, as an operation might be.
fn words() -> impl Strategy<Value = String> {
    vec(token(), 0..7).prop_map(|words| words.join(" ").replace('"', ""))
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let key = prop_oneof![
        4 => token().prop_map(|token| token.replace('"', "")),
        1 => any::<String>(),
    ];
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        any::<String>().prop_map(Into::into),
        words().prop_map(Into::into),
    ];
    leaf.prop_recursive(5, 40, 6, move |inner| {
        let object = vec((key.clone(), inner.clone()), 0..8);
        prop_oneof![
            vec(inner, 0..6).prop_map(Into::into),
            object.prop_map(|fields| fields.into_iter().collect::<serde_json::Map<_, _>>().into()),
        ]
    })
}

/// A scenario whose outline is right and whose operations are anything.
fn outline() -> impl Strategy<Value = serde_json::Value> {
    let operation = prop_oneof![
        3 => (0..SENTENCES.len()).prop_map(|i| SENTENCES[i].to_owned()),
        1 => words(),
    ];
    let operations = || vec(operation.clone(), 0..6);
    (operations(), vec(operations(), 0..4), json()).prop_map(|(setup, actors, expect)| {
        let actors: serde_json::Map<_, _> = actors
            .into_iter()
            .enumerate()
            .map(|(i, operations)| (format!("a{i}"), operations.into()))
            .collect();
        let mut scenario = serde_json::json!({
            "name": "x", "nets": ["A", { "name": "B", "user": true }], "inodes": ["i0"],
            "setup": setup, "actors": actors,
        });
        if expect.is_object() {
            scenario["expect"] = expect;
        }
        scenario
    })
}

const SENTENCES: &[&str] = &[
    "start A",
    "start B threads 2",
    "stop B",
    "umount B",
    "x = acquire A i0",
    "y = acquire B i0 gc",
    "put x",
    "put y",
    "z = local_open A i0",
    "local_done z",
    "gc",
    "shrink",
    "unlink i0",
    "setlease i0",
    "close_sync A i0",
    "flush B",
];

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 10_000,
        failure_persistence: Some(Box::new(
            FileFailurePersistence::WithSource("proptest-regressions"),
        )),
        ..ProptestConfig::default()
    })]

    #[test]
    fn shipped_files_with_other_bytes((file, text) in shipped(), mutations in mutations()) {
        let mut bytes = text.as_bytes().to_vec();
        for mutation in mutations {
            mutate_bytes(&mut bytes, mutation);
        }
        read(file, &bytes)?;
    }

    #[test]
    fn shipped_files_with_other_tokens((file, text) in shipped(), mutations in mutations()) {
        let mut tokens = tokens(text);
        for mutation in mutations {
            mutate_tokens(&mut tokens, mutation);
        }
        read(file, tokens.concat().as_bytes())?;
    }

    #[test]
    fn random_bytes(bytes in vec(any::<u8>(), 0..200)) {
        read("x.json", &bytes)?;
    }

    #[test]
    fn random_text(text in any::<String>(), open in "[\\[{\" ]{0,4}") {
        read("x.json", (open + &text).as_bytes())?;
    }

    #[test]
    fn random_tokens(tokens in vec(token(), 0..60)) {
        read("x.json", tokens.concat().as_bytes())?;
    }

    #[test]
    fn random_json(json in json(), pretty in any::<bool>()) {
        let text = if pretty { format!("{json:#}") } else { json.to_string() };
        read("x.json", text.as_bytes())?;
    }

    #[test]
    fn random_operations(json in outline()) {
        read("x.json", format!("{json:#}").as_bytes())?;
    }
}
