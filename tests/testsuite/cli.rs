// SPDX-License-Identifier: GPL-2.0-only
//! The binary from outside: what it prints where, its exit status, and the files it leaves.
//!
//! Each test has a folder of its own with a few models and scenarios that are explored in
//! milliseconds, and runs the binary in it.

use crate::binary;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::{
    fs,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Violated on `v2-8of9`, in two ways, holds on `v4` and on `before-series`.
const PUT_ORDER: &str = r#"{
  "name": "put-order",
  "about": "a LOCALIO I/O completes while the only server stops",
  "nets": [{"name": "B", "user": true}],
  "inodes": ["i0"],
  "setup": ["start B", "x = local_open B i0"],
  "actors": {"io-completion": ["local_done x"], "nfsd-stop": ["stop B"]},
  "expect": EXPECT
}
"#;

const AS_IT_IS: &str = r#"{
    "before-series": "holds",
    "v2-8of9": ["use-after-destroy", "objects-remaining"],
    "v4": "holds"
  }"#;

/// More interleavings than anybody will wait for, each of them short.
const ENDLESS: &str = r#"{
  "name": "endless",
  "nets": ["B"],
  "inodes": ["i0"],
  "setup": ["start B"],
  "actors": {
    "a": ["x = acquire B i0 gc", "put x", "gc", "shrink"],
    "b": ["y = acquire B i0 gc", "put y", "setlease i0"],
    "c": ["z = acquire B i0", "put z", "unlink i0"]
  }
}
"#;

fn put_order(expect: &str) -> String {
    PUT_ORDER.replace("EXPECT", expect)
}

struct Folder(PathBuf);

struct Run {
    status: i32,
    stdout: String,
    stderr: String,
}

impl Folder {
    /// A folder with the models `before-series`, `v2-8of9` and `v4` and these scenarios.
    fn new(test: &str, scenarios: &[(&str, &str)]) -> Self {
        let folder = Self(binary::folder(test));
        let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
        for model in ["before-series", "v2-8of9", "v4"] {
            let file = format!("models/{model}.json");
            folder.write(&file, &fs::read_to_string(repository.join(&file)).unwrap());
        }
        for (name, text) in scenarios {
            folder.write(&format!("scenarios/{name}.json"), text);
        }
        folder
    }

    fn write(&self, file: &str, text: &str) {
        let path = self.0.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn command(&self, args: &[&str]) -> Command {
        binary::command(&self.0, args)
    }

    #[track_caller]
    fn run(&self, args: &[&str]) -> Run {
        let (status, stdout, stderr) = binary::run(&self.0, args);
        Run {
            status,
            stdout,
            stderr,
        }
    }

    /// Bad input: status 2, nothing on stdout and this on stderr.
    #[track_caller]
    fn refuses(&self, args: &[&str], stderr: &str) {
        let run = self.run(args);
        assert_eq!((run.status, &*run.stdout), (2, ""), "{}", run.stderr);
        assert!(run.stderr.contains(stderr), "{}", run.stderr);
    }

    /// The names of the counterexamples, sorted.
    fn counterexamples(&self) -> Vec<String> {
        let Ok(files) = fs::read_dir(self.0.join("counterexamples")) else {
            return Vec::new();
        };
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }
}

impl Run {
    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).expect("one JSON document and nothing else")
    }
}

/// The text with `N` for each number of executions: what the explorer can spare is its own affair.
fn without_counts(text: &str) -> String {
    let mut result = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let number = &rest[start..];
        let end = number.find(|c: char| !c.is_ascii_digit());
        let (number, after) = number.split_at(end.unwrap_or(number.len()));
        let counts = after.starts_with(" execution")
            || rest[..start].ends_with('(') && after.starts_with(')');
        result += &rest[..start];
        result += if counts { "N" } else { number };
        rest = after;
    }
    result + rest
}

/// The document without the one thing that may differ.
fn without_seconds(mut document: Value) -> Value {
    fn strip(value: &mut Value) {
        match value {
            Value::Array(values) => values.iter_mut().for_each(strip),
            Value::Object(fields) => {
                fields.remove("seconds");
                fields.values_mut().for_each(strip);
            }
            _ => {}
        }
    }
    strip(&mut document);
    document
}

#[test]
fn what_holds_exits_with_0() {
    let folder = Folder::new("holds", &[("put-order", &put_order(AS_IT_IS))]);
    let run = folder.run(&[
        "run",
        "put-order",
        "--model",
        "v4",
        "--model",
        "before-series",
    ]);
    assert_eq!(run.status, 0);
    assert_eq!(
        without_counts(&run.stdout),
        "\
put-order  before-series  holds      N executions
put-order  v4             holds      N executions
"
    );
    assert!(folder.counterexamples().is_empty());
}

#[test]
fn what_is_violated_exits_with_1_whatever_was_expected() {
    let folder = Folder::new("violated", &[("put-order", &put_order(AS_IT_IS))]);
    let run = folder.run(&["run"]);
    assert_eq!(run.status, 1);
    assert_eq!(
        without_counts(&run.stdout),
        "\
put-order  before-series  holds      N executions
put-order  v2-8of9        violated   N execution
  objects-remaining of nfsd_file_slab in kmem_cache_destroy(), nfsd-stop
    destroyed with nfsd_file#1 still allocated
    1 preemption, the fewest; 90 steps, the fewest with these
    counterexamples/put-order-v2-8of9-objects-remaining.json
    nfsd-check replay counterexamples/put-order-v2-8of9-objects-remaining.json
  use-after-destroy of nfsd_file_slab in kmem_cache_free(), rcu callback 3
    used after it was destroyed
    1 preemption, the fewest; 102 steps, the fewest with these
    counterexamples/put-order-v2-8of9-use-after-destroy.json
    nfsd-check replay counterexamples/put-order-v2-8of9-use-after-destroy.json
  stopped at the first violation
put-order  v4             holds      N executions
"
    );
    assert_eq!(
        folder.counterexamples(),
        [
            "put-order-v2-8of9-objects-remaining.json",
            "put-order-v2-8of9-use-after-destroy.json"
        ]
    );
    // The file says how small it is, too.
    let replay = folder.run(&[
        "replay",
        "counterexamples/put-order-v2-8of9-objects-remaining.json",
    ]);
    let smallest = "smallest:     1 preemption, the fewest; 90 steps, the fewest with these\n";
    assert!(replay.stdout.contains(smallest), "{}", replay.stdout);
}

#[test]
fn what_is_cut_short_exits_with_3_unless_something_is_violated() {
    let folder = Folder::new("undecided", &[("put-order", &put_order(AS_IT_IS))]);
    let run = folder.run(&["run", "--model", "v4", "--max-executions", "1"]);
    assert_eq!(run.status, 3);
    assert_eq!(
        run.stdout,
        "put-order  v4  undecided  1 execution\n  stopped after 1 execution, as asked\n  \
         nfsd-check run --resume counterexamples/put-order-v4-resume.json\n"
    );
    let run = folder.run(&["run", "--max-executions", "3"]);
    assert_eq!(run.status, 1, "{}", run.stdout);
    let run = folder.run(&["run", "--model", "v4", "--preemption-bound", "0"]);
    assert_eq!(run.status, 3, "{}", run.stdout);
    assert!(run.stdout.contains("were left out"), "{}", run.stdout);
}

#[test]
fn the_document_has_what_it_should() {
    let folder = Folder::new("json", &[("put-order", &put_order(AS_IT_IS))]);
    let run = folder.run(&["run", "--all", "--format", "json"]);
    assert_eq!(run.status, 1);
    let document = run.json();
    let entries = document.as_array().unwrap();
    let cells: Vec<_> = entries
        .iter()
        .map(|entry| {
            assert_eq!(entry["scenario"], "put-order");
            assert_eq!(entry["engine"], "dpor");
            assert_eq!(entry["memory_model"], "rc11");
            assert_eq!(entry["complete"], true);
            assert!(entry["executions"].is_u64());
            assert!(entry["seconds"].is_number());
            assert!(entry.get("reason").is_none());
            (&entry["model"], &entry["verdict"])
        })
        .map(|(model, verdict)| (model.as_str().unwrap(), verdict.as_str().unwrap()))
        .collect();
    assert_eq!(
        cells,
        [
            ("before-series", "holds"),
            ("v2-8of9", "violated"),
            ("v4", "holds")
        ]
    );
    let violations = entries[1]["violations"].as_array().unwrap();
    assert_eq!(violations.len(), 2);
    for violation in violations {
        for key in ["kind", "object", "thread", "function", "message"] {
            assert!(violation[key].is_string(), "{key}");
        }
        let file = violation["counterexample"].as_str().unwrap();
        assert!(folder.0.join(file).is_file());
    }

    let run = folder.run(&[
        "run",
        "--model",
        "v4",
        "--max-executions",
        "1",
        "--format",
        "json",
    ]);
    let document = run.json();
    assert_eq!(document[0]["verdict"], "undecided");
    assert_eq!(document[0]["complete"], false);
    assert_eq!(document[0]["executions"], 1);
    assert_eq!(document[0]["reason"], "stopped after 1 execution, as asked");
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let second = put_order(AS_IT_IS).replace("\"put-order\"", "\"again\"");
    let scenarios = [("put-order", &*put_order(AS_IT_IS)), ("again", &*second)];
    // Only run looks for the smallest interleaving, so the two do not write the same files.
    for command in ["run", "gate"] {
        let folder = Folder::new(&format!("deterministic-{command}"), &scenarios);
        let text = |args: &[&str]| folder.run(args).stdout;
        let json = |args: &[&str]| without_seconds(folder.run(args).json());
        let one = [command, "--jobs", "1"];
        let two = [command, "--jobs", "2"];
        assert_eq!(text(&one), text(&one));
        assert_eq!(text(&one), text(&two));
        let one = [command, "--jobs", "1", "--format", "json"];
        let two = [command, "--jobs", "2", "--format", "json"];
        assert_eq!(json(&one), json(&one));
        assert_eq!(json(&one), json(&two));
        // The same counterexamples, so none is numbered.
        let numbered = |name: &String| name.ends_with("-2.json");
        assert!(!folder.counterexamples().iter().any(numbered));
    }
}

#[test]
fn counterexamples_that_are_there_stay() {
    let folder = Folder::new("numbered", &[("put-order", &put_order(AS_IT_IS))]);
    folder.write(
        "counterexamples/put-order-v2-8of9-objects-remaining.json",
        "mine",
    );
    let run = folder.run(&["run", "--model", "v2-8of9"]);
    assert_eq!(run.status, 1);
    let second = "put-order-v2-8of9-objects-remaining-2.json";
    assert!(run.stdout.contains(&format!("counterexamples/{second}\n")));
    folder.run(&["run", "--model", "v2-8of9"]);
    assert_eq!(
        folder.counterexamples(),
        [
            second,
            "put-order-v2-8of9-objects-remaining.json",
            "put-order-v2-8of9-use-after-destroy.json"
        ]
    );
}

#[test]
fn counterexamples_go_where_they_are_told() {
    let folder = Folder::new("out", &[("put-order", &put_order(AS_IT_IS))]);
    let run = folder.run(&["run", "--model", "v2-8of9", "--out", "a/b c"]);
    assert_eq!(run.status, 1);
    assert!(
        run.stdout
            .contains("nfsd-check replay 'a/b c/put-order-v2-8of9-objects-remaining.json'\n")
    );
    assert!(folder.0.join("a/b c").is_dir());

    folder.write("file", "");
    folder.refuses(
        &["run", "--out", "file"],
        "error: --out: file is not a folder",
    );
    // The results are there all the same.
    let run = folder.run(&["run", "--model", "v2-8of9", "--out", "file/below"]);
    assert_eq!(run.status, 2);
    assert!(run.stdout.contains("violated"), "{}", run.stdout);
    assert!(
        run.stderr
            .contains("error: counterexample not written: file/below: "),
        "{}",
        run.stderr
    );
}

#[test]
fn names_and_paths_are_the_same_thing() {
    let folder = Folder::new("paths", &[("put-order", &put_order(AS_IT_IS))]);
    let run = folder.run(&[
        "run",
        "put-order",
        "scenarios/put-order.json",
        "--model",
        "models/v4.json",
        "--model",
        "v4",
    ]);
    assert_eq!(run.status, 0);
    assert_eq!(
        without_counts(&run.stdout),
        "put-order  v4  holds      N executions\n"
    );

    let other = put_order(AS_IT_IS).replace("stop B", "umount B");
    folder.write("other/put-order.json", &other);
    folder.refuses(
        &["run", "put-order", "other/put-order.json"],
        "error: put-order and other/put-order.json differ, and are both named 'put-order'",
    );
}

#[test]
fn without_expectations_all_models_are_checked() {
    let text = put_order(AS_IT_IS);
    let end = text.find(",\n  \"expect\"").unwrap();
    let text = format!("{}\n}}\n", &text[..end]);
    let folder = Folder::new("no-expect", &[("put-order", &text)]);
    let run = folder.run(&["run", "--format", "json"]);
    assert_eq!(run.json().as_array().unwrap().len(), 3);

    folder.write(
        "scenarios/put-order.json",
        &put_order("{\"v4\": \"holds\"}"),
    );
    let run = folder.run(&["run", "--format", "json"]);
    assert_eq!(run.json().as_array().unwrap().len(), 1);
}

#[test]
fn weak_memory_is_explored_when_asked_for() {
    let folder = Folder::new("rc11", &[("put-order", &put_order(AS_IT_IS))]);
    let args = [
        "run",
        "put-order",
        "--memory-model",
        "rc11",
        "--format",
        "json",
    ];
    let run = folder.run(&[&args[..], &["--model", "v4"]].concat());
    assert_eq!(run.json()[0]["verdict"], "holds");
    assert_eq!(run.json()[0]["memory_model"], "rc11");
    let run = folder.run(&[&args[..], &["--model", "v2-8of9"]].concat());
    let file = run.json()[0]["violations"][0]["counterexample"].clone();
    let replayed = folder.run(&["replay", file.as_str().unwrap()]);
    assert_eq!(replayed.status, 1);
}

#[test]
fn bad_usage_exits_with_2_and_a_suggestion() {
    let folder = Folder::new("usage", &[("put-order", &put_order(AS_IT_IS))]);
    for (args, stderr) in [
        (&[][..], "Usage: nfsd-check"),
        (&["gaet"], "'gate'"),
        (&["run", "--modle", "v4"], "'--model'"),
        (&["run", "--engine", "dpro"], "'dpor'"),
        (
            &["run", "--memory-model", "tso"],
            "[possible values: sc, rc11]",
        ),
        (
            &["run", "--memory-model", "rc11", "--preemption-bound", "1"],
            "--preemption-bound is about interleavings",
        ),
        (&["run", "--format", "xml"], "[possible values: text, json]"),
        (&["run", "--jobs", "0"], "--jobs"),
        (&["run", "--budget", "soon"], "--budget"),
        (&["run", "--budget=-1"], "--budget"),
        (&["run", "--budget", "0"], "--budget"),
        (&["run", "--budget", "NaN"], "--budget"),
        (&["run", "--max-executions", "0"], "--max-executions"),
        (
            &["run", "--runs", "3"],
            "--runs is for --engine native and --engine pct",
        ),
        (&["run", "--seed", "3"], "--seed is for --engine pct"),
        (
            &["run", "--engine", "loom", "--memory-model", "sc"],
            "the loom engine has a memory model of its own",
        ),
        (&["list", "modles"], "'models'"),
        (&["replay"], "<FILE>"),
    ] {
        folder.refuses(args, stderr);
    }
    for command in ["run", "gate"] {
        folder.refuses(
            &[command, "put-odrer", "--model", "v44"],
            "error: no scenario 'put-odrer' (did you mean 'put-order'?)",
        );
        folder.refuses(
            &[command, "put-odrer", "--model", "v44"],
            "error: no model 'v44' (did you mean 'v4'?)",
        );
        folder.refuses(&[command, "no/such.json"], "error: no/such.json: ");
        folder.refuses(&[command, "./scenarios"], "not a regular file");
    }
}

#[test]
fn a_file_that_is_wrong_is_told_with_its_place() {
    let folder = Folder::new("wrong", &[]);
    for (name, text, place) in [
        ("json", "{", "1:"),
        (
            "kind",
            &*put_order("{\n    \"v4\": [\"laek\"]}").replace("put-order", "kind"),
            "9:12: unknown kind of violation 'laek' (did you mean 'leak'?)",
        ),
        (
            "model",
            &*put_order("{\n    \"v44\": \"holds\"}").replace("put-order", "model"),
            "9:5: unknown model 'v44' (did you mean 'v4'?)",
        ),
        (
            "type",
            &*put_order("1").replace("put-order", "type"),
            "8:13: ",
        ),
    ] {
        let file = format!("scenarios/{name}.json");
        folder.write(&file, text);
        folder.refuses(&["run", &file], &format!("{file}:{place}"));
        folder.refuses(&["run", name], &format!("{file}:{place}"));
        folder.refuses(&["gate"], &format!("{file}:"));
        folder.refuses(&["list", "scenarios"], ".json:");
    }
    folder.write("models/v4.json", "[]");
    folder.refuses(&["list", "models"], "models/v4.json:1:1: ");
}

#[cfg(unix)]
#[test]
fn an_interrupt_keeps_what_was_found() {
    for format in ["text", "json"] {
        let scenarios = [("a", &*put_order(AS_IT_IS)), ("endless", ENDLESS)];
        let name = scenarios[0].1.replace("\"put-order\"", "\"a\"");
        let scenarios = [("a", &*name), scenarios[1]];
        let folder = Folder::new(&format!("interrupt-{format}"), &scenarios);
        // A counterexample of the first pairs is the sign that the explorations have begun.
        let args = ["run", "--jobs", "1", "--format", format];
        let mut command = folder.command(&args);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = child.spawn().unwrap();
        while folder.counterexamples().len() < 2 {
            std::thread::yield_now();
        }
        interrupt(child.id());
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        // Something is violated; what was interrupted is undecided.
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        let stdout = String::from_utf8(output.stdout).unwrap();
        assert!(stdout.contains("interrupted after "), "{stdout}");
        assert!(stdout.contains("use-after-destroy"), "{stdout}");
        assert!(!stderr.contains("panicked"), "{stderr}");
        if format == "json" {
            let document: Value = serde_json::from_str(&stdout).unwrap();
            // Three pairs of the one, three of the other.
            assert_eq!(document.as_array().unwrap().len(), 6);
        }
    }
}

#[cfg(unix)]
#[test]
fn an_interrupt_alone_is_undecided() {
    let scenarios = [
        ("a", &*put_order(AS_IT_IS).replace("\"put-order\"", "\"a\"")),
        ("endless", ENDLESS),
    ];
    let folder = Folder::new("interrupt", &scenarios);
    let mut command = folder.command(&["run", "--jobs", "1", "--model", "v4"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = child.spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    assert_eq!(
        without_counts(&line),
        "a        v4  holds      N executions\n"
    );
    interrupt(child.id());
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{rest}{stderr}");
    assert!(rest.starts_with("endless  v4  undecided  "), "{rest}");
    assert!(!stderr.contains("panicked"), "{stderr}");
}

#[cfg(unix)]
fn interrupt(process: u32) {
    let status = Command::new("kill")
        .args(["-INT", &process.to_string()])
        .status();
    assert!(status.unwrap().success());
}

#[test]
fn a_budget_ends_what_would_not_end() {
    let folder = Folder::new("budget", &[("endless", ENDLESS)]);
    let run = folder.run(&["run", "--model", "v4", "--budget", "0.05"]);
    assert_eq!(run.status, 3);
    assert!(run.stdout.contains("the budget of 0.05 s ran out"));
}

#[test]
fn nobody_has_to_read_to_the_end() {
    let folder = Folder::new("pipe", &[("put-order", &put_order(AS_IT_IS))]);
    for args in [&["run"][..], &["gate"], &["list", "choices"]] {
        let mut command = folder.command(args);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = child.spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_ne!(output.status.code(), None, "{stderr}");
        assert!(!stderr.contains("panicked"), "{stderr}");
        assert!(!stderr.contains("error"), "{stderr}");
    }
}

#[test]
fn engines_that_cannot_prove_never_hold() {
    let tiny = r#"{"name": "tiny", "nets": ["B"], "actors": {"a": ["shrink"], "b": ["shrink"]}}"#;
    let folder = Folder::new("engines", &[("tiny", tiny)]);
    let args = ["run", "--model", "v4", "--format", "json"];
    for (engine, memory, more) in [
        ("loom", "c11", ["--max-executions", "10"]),
        ("native", "hardware", ["--runs", "10"]),
        ("pct", "sc", ["--runs", "10"]),
    ] {
        let run = folder.run(&[&args[..], &["--engine", engine], &more].concat());
        let document = run.json();
        let expected = match run.status {
            1 => "violated",
            _ => "undecided",
        };
        assert_eq!(document[0]["verdict"], expected, "{document}");
        assert_eq!(document[0]["complete"], false);
        assert_eq!(document[0]["engine"], engine);
        assert_eq!(document[0]["memory_model"], memory);
        assert!(document[0]["reason"].is_string());
    }
    let run = folder.run(&[
        "gate",
        "--model",
        "v4",
        "--engine",
        "loom",
        "--max-executions",
        "10",
    ]);
    assert_eq!(run.status, 1, "{}", run.stdout);
}

#[test]
fn the_gate_passes_where_all_is_as_expected() {
    let folder = Folder::new("gate", &[("put-order", &put_order(AS_IT_IS))]);
    let run = folder.run(&["gate"]);
    assert_eq!(run.status, 0);
    assert_eq!(
        without_counts(&run.stdout),
        "\
ok    put-order  before-series  holds      N executions
ok    put-order  v2-8of9        violated   N executions
ok    put-order  v4             holds      N executions

scenario   before-series      v2-8of9            v4
put-order  holds              use-after-destroy  holds
           (N)               objects-remaining  (N)
                              (N)

all 3 pairs are as expected
"
    );
}

/// The files of counterexamples that are in a folder.
fn counterexamples(folder: &Folder, name: &str) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder.0.join(name)) else {
        return Vec::new();
    };
    let files = entries.map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap());
    files.collect()
}

/// What is written is the smallest, and nothing is where all is as expected and nobody asked.
#[test]
fn what_the_gate_writes_is_the_smallest() {
    let folder = Folder::new("gate-smallest", &[("put-order", &put_order(AS_IT_IS))]);
    let gate = |args: &[&str], status| {
        let args = [&["gate", "--model", "v2-8of9"], args].concat();
        assert_eq!(folder.run(&args).status, status);
    };
    let fewest = "\"fewest_preemptions\": true,\n    \"fewest_steps\": true";
    let smallest = |name: &str| {
        let files = counterexamples(&folder, name);
        let all = files.iter().all(|file| file.contains(fewest));
        assert!(files.len() == 2 && all, "{files:#?}");
    };
    gate(&[], 0);
    assert_eq!(counterexamples(&folder, "counterexamples"), [""; 0]);
    gate(&["--out", "asked"], 0);
    smallest("asked");
    let expect = r#"{"v2-8of9": "holds"}"#;
    folder.write("scenarios/put-order.json", &put_order(expect));
    gate(&[], 1);
    smallest("counterexamples");
}

#[test]
fn the_gate_names_each_difference() {
    let folder = Folder::new("gate-differs", &[("put-order", &put_order("{}"))]);
    let gate = |expect: &str, model: &str, more: &[&str], status: i32, said: &str| {
        folder.write("scenarios/put-order.json", &put_order(expect));
        let args = [&["gate", "--model", model], more].concat();
        let run = folder.run(&args);
        assert_eq!(run.status, status, "{}", run.stdout);
        assert!(run.stdout.contains(said), "{}", run.stdout);
        let more = more.join(" ");
        let more = if more.is_empty() {
            more
        } else {
            format!(" {more}")
        };
        let command = format!("      nfsd-check run put-order --model {model} --all{more}\n");
        assert_eq!(run.stdout.contains(&command), status == 1);
    };
    gate(
        r#"{"v2-8of9": "holds"}"#,
        "v2-8of9",
        &[],
        1,
        "the verdict changed: expected holds, found use-after-destroy, objects-remaining\n",
    );
    gate(
        r#"{"v4": ["leak"]}"#,
        "v4",
        &[],
        1,
        "the verdict changed: expected leak, found holds\n",
    );
    gate(
        r#"{"v2-8of9": ["objects-remaining"]}"#,
        "v2-8of9",
        &[],
        1,
        "the kinds of violation changed: new use-after-destroy\n",
    );
    gate(
        r#"{"v2-8of9": ["objects-remaining", "use-after-destroy", "leak"]}"#,
        "v2-8of9",
        &[],
        1,
        "the kinds of violation changed: missing leak\n",
    );
    gate(
        r#"{"v2-8of9": ["objects-remaining", "leak"]}"#,
        "v2-8of9",
        &[],
        1,
        "the kinds of violation changed: new use-after-destroy; missing leak\n",
    );
    gate(
        r#"{"v4": "holds"}"#,
        "v4",
        &["--max-executions", "5"],
        1,
        "undecided: stopped after 5 executions, as asked\n",
    );
    gate(
        AS_IT_IS,
        "v2-8of9",
        &["--max-executions", "5"],
        1,
        "undecided: stopped after 5 executions, as asked\n",
    );
    gate(
        r#"{"v4": "holds"}"#,
        "v2-8of9",
        &[],
        1,
        "nothing expected: the scenario could say use-after-destroy, objects-remaining\n",
    );
    gate(
        r#"{"v4": "holds"}"#,
        "v4",
        &[],
        0,
        "the one pair is as expected",
    );
    gate(
        r#"{"v4": "undecided"}"#,
        "v4",
        &[],
        1,
        "the verdict changed: expected undecided, found holds\n",
    );
    gate(
        r#"{"v2-8of9": "undecided"}"#,
        "v2-8of9",
        &[],
        1,
        "the verdict changed: expected undecided, found use-after-destroy, objects-remaining\n",
    );
    gate(
        r#"{"v4": "undecided"}"#,
        "v4",
        &["--max-executions", "5"],
        0,
        "the one pair is as expected",
    );
}

#[test]
fn an_interleaving_shows_what_cannot_be_explored() {
    let folder = Folder::new("gate-interleaving", &[("put-order", &put_order(AS_IT_IS))]);
    assert_eq!(folder.run(&["run", "--model", "v2-8of9"]).status, 1);
    let file = folder
        .0
        .join("counterexamples/put-order-v2-8of9-use-after-destroy.json");
    let found = fs::read_to_string(file).unwrap();
    folder.write("scenarios/interleavings/kept.json", &found);
    let gate = |model: &str, kinds: &str, shown_by: &str, status: i32, said: &str| {
        let expect =
            format!(r#"{{"{model}": {{"at_least": [{kinds}], "shown_by": "{shown_by}"}}}}"#);
        folder.write("scenarios/put-order.json", &put_order(&expect));
        let run = folder.run(&["gate", "--model", model]);
        assert_eq!(run.status, status, "{}{}", run.stdout, run.stderr);
        let all = run.stdout + &run.stderr;
        assert!(all.contains(said), "{all}");
    };
    let kind = r#""use-after-destroy""#;
    gate("v2-8of9", kind, "kept", 0, "violated   1 execution\n");
    // A kind that it does not show, a model that does not have it, and a name that is wrong.
    let missing = "the kinds of violation changed: missing leak\n";
    gate("v2-8of9", r#""leak""#, "kept", 1, missing);
    gate(
        "v4",
        kind,
        "kept",
        1,
        "undecided: one recorded interleaving was run",
    );
    gate(
        "v2-8of9",
        kind,
        "kpet",
        2,
        "no interleaving 'kpet' (did you mean 'kept'?)",
    );
}

#[test]
fn the_document_of_the_gate_says_what_could_be_expected() {
    let folder = Folder::new(
        "gate-json",
        &[("put-order", &put_order("{\"v4\": \"holds\"}"))],
    );
    // Without models, those that the scenario speaks of.
    let run = folder.run(&["gate", "--format", "json"]);
    assert_eq!(run.status, 0);
    assert_eq!(run.json()["pairs"].as_array().unwrap().len(), 1);

    let models = ["before-series", "v2-8of9", "v4"].map(|model| ["--model", model]);
    let args = [&["gate", "--format", "json"], models.as_flattened()].concat();
    let run = folder.run(&args);
    assert_eq!(run.status, 1);
    let document = run.json();
    assert_eq!(document["passed"], false);
    let pairs = document["pairs"].as_array().unwrap();
    assert_eq!(pairs.len(), 3);
    let (v2, v4) = (&pairs[1], &pairs[2]);
    assert_eq!(v2["model"], "v2-8of9");
    assert_eq!(v2["verdict"], "violated");
    assert_eq!(v2["expected"], Value::Null);
    assert_eq!(
        v2["found"],
        serde_json::json!(["use-after-destroy", "objects-remaining"])
    );
    assert_eq!(v2["difference"]["kind"], "nothing-expected");
    assert_eq!(
        v2["difference"]["reproduce"],
        "nfsd-check run put-order --model v2-8of9 --all"
    );
    assert_eq!(v4["expected"], "holds");
    assert_eq!(v4["found"], "holds");
    assert_eq!(v4["difference"], Value::Null);
}

#[test]
fn lists_have_a_line_for_each() {
    let folder = Folder::new("list", &[("put-order", &put_order(AS_IT_IS))]);
    for (what, first, lines) in [
        ("models", "before-series  ", 3),
        (
            "scenarios",
            "put-order  a LOCALIO I/O completes while the only server stops\n",
            1,
        ),
        ("operations", "create NET  ", 26),
        ("violations", "use-after-free     KASAN", 14),
        ("engines", "dpor    ", 4),
        (
            "memory-model",
            "test  ",
            1 + nfsd_check::kernel::memory_model::ROWS.len(),
        ),
    ] {
        let run = folder.run(&["list", what]);
        assert_eq!((run.status, &*run.stderr), (0, ""));
        assert!(run.stdout.starts_with(first), "{}", run.stdout);
        assert_eq!(run.stdout.lines().count(), lines, "{}", run.stdout);
    }
    let run = folder.run(&["list", "choices"]);
    assert!(run.stdout.contains("\nnet_ref  "), "{}", run.stdout);
    assert!(run.stdout.contains("\n    at-dispose   "), "{}", run.stdout);
}

/// The commands that people are told of.
const COMMANDS: [&str; 10] = [
    "run",
    "replay",
    "gate",
    "fixes",
    "hunt",
    "check-files",
    "list",
    "mutate",
    "completions",
    "man",
];

/// What the examples name is there: scenarios, models, and what is left by a run that the help of
/// the same command or another one shows.
#[test]
fn examples_name_what_there_is() {
    let folder = Folder::new("examples", &[]);
    let library = nfsd_check::library::Library::builtin();
    let mut files = 0;
    let mut sites = 0;
    for command in COMMANDS.iter().map(Some).chain([None]) {
        let args: Vec<&str> = command.copied().into_iter().chain(["--help"]).collect();
        let help = folder.run(&args).stdout;
        let examples = help
            .lines()
            .filter_map(|line| line.strip_prefix("  nfsd-check "));
        for example in examples {
            // What follows two spaces says what it is for.
            let example = example.split("  ").next().unwrap();
            let words: Vec<&str> = example.split(' ').collect();
            for (option, value) in words.iter().zip(&words[1..]) {
                match *option {
                    "--model" | "--from" if !value.contains('/') => {
                        library.model(value).unwrap();
                    }
                    "--scenario" => drop(library.scenario(value).unwrap()),
                    "--site" => {
                        sites += 1;
                        let (_, site) = example.split_once("--site ").unwrap();
                        let site = match site.strip_prefix('\'') {
                            Some(site) => site.split('\'').next().unwrap(),
                            None => value,
                        };
                        let list = folder.run(&["mutate", "--list", "--site", site]);
                        assert_eq!(list.status, 0, "{example}: {}", list.stderr);
                    }
                    _ => {}
                }
            }
            if matches!(words[0], "run" | "gate" | "fixes")
                && let Some(name) = words.get(1).filter(|word| !word.starts_with("--"))
                && !name.contains('/')
            {
                library.scenario(name).unwrap();
            }
            let Some(name) = words
                .iter()
                .find_map(|word| word.strip_prefix("counterexamples/"))
            else {
                continue;
            };
            if name == "*.json" || name.contains("resume") {
                continue;
            }
            files += 1;
            assert_eq!(
                name, "put-order-v2-8of9-use-after-destroy.json",
                "{example}"
            );
        }
    }
    assert!(files >= 6 && sites >= 2, "{files}, {sites}");
    // It is what this leaves, with which all begins.
    let run = folder.run(&[
        "run",
        "put-order",
        "--model",
        "v2-8of9",
        "--jobs",
        "1",
        "--all",
    ]);
    assert_eq!(run.status, 1);
    let file = "counterexamples/put-order-v2-8of9-use-after-destroy.json";
    assert!(folder.0.join(file).exists(), "{}", run.stdout);
    assert_eq!(folder.run(&["replay", file]).status, 1);
}

#[test]
fn an_example_of_the_manual_stays_in_its_line() {
    let folder = Folder::new("manual-examples", &[]);
    for command in COMMANDS {
        let page = folder.run(&["man", command]).stdout;
        let help = folder.run(&[command, "--help"]).stdout;
        let (_, extra) = page.split_once(".SH EXAMPLES\n").unwrap();
        let mut examples = help
            .lines()
            .filter(|line| line.starts_with("  nfsd-check "));
        let first = examples.next().unwrap().replace('-', "\\-");
        let at = extra
            .find(&first)
            .unwrap_or_else(|| panic!("{first}: {page}"));
        let before = &extra[..at];
        assert!(before.rfind(".nf\n") > before.rfind(".fi\n"), "{page}");
    }
}

#[test]
fn a_file_may_say_what_its_schema_is() {
    let scenario = put_order(AS_IT_IS).replacen('{', "{\n  \"$schema\": \"../s.json\",", 1);
    let folder = Folder::new("schema-field", &[("put-order", &scenario)]);
    let v4 = fs::read_to_string(folder.0.join("models/v4.json")).unwrap();
    folder.write(
        "models/v4.json",
        &v4.replacen('{', "{\n  \"$schema\": \"../m.json\",", 1),
    );
    let run = folder.run(&["run", "put-order", "--model", "v4"]);
    assert_eq!(run.status, 0, "{}", run.stderr);
    let check = folder.run(&["check-files"]);
    assert_eq!(check.status, 0, "{}", check.stderr);
    folder.write(
        "models/v4.json",
        &v4.replacen('{', "{\n  \"$schema\": 7,", 1),
    );
    let check = folder.run(&["check-files"]);
    assert_eq!(check.status, 2);
    assert!(
        check.stderr.contains("models/v4.json:2:14: "),
        "{}",
        check.stderr
    );
}

/// No interleaving shows it, and so it is told from the file.
#[test]
fn what_only_weak_memory_shows_is_replayed_and_told() {
    let folder = Folder::new("told", &[]);
    let run = folder.run(&[
        "run",
        "client-open-vs-stop",
        "--model",
        "v4",
        "--all",
        "--report",
        "mail",
    ]);
    assert_eq!(run.status, 1, "{}", run.stderr);
    let file = "counterexamples/client-open-vs-stop-v4-use-after-free.json";
    let mail = fs::read_to_string(folder.0.join(file.replace(".json", ".mail"))).unwrap();
    assert!(mail.contains("weakly ordered memory"), "{mail}");
    let told = folder.run(&["replay", file, "--format", "json"]);
    assert_eq!(told.status, 1, "{}", told.stderr);
    let document = told.json();
    let schema = nfsd_check::schema::Kind::Replay.schema();
    let validator = jsonschema::validator_for(&schema).unwrap();
    assert!(validator.is_valid(&document), "{document}");
    assert_eq!(document["came_about"], true);
    assert_eq!(document["violations"][0]["kind"], "use-after-free");
    assert!(document["steps"].as_array().unwrap().len() > 5);
    let other = ["replay", file, "--model", "v2-8of9"];
    folder.refuses(&other, "there is none to follow on another model");
    // A file that cannot be followed is told as it is, and not in other forms.
    let text = fs::read_to_string(folder.0.join(file)).unwrap();
    let text = text.replacen("\"saw\": 3", "\"saw\": 4", 1);
    let at = text.find("  \"checksum\"").unwrap();
    let sum = Sha256::digest(&text[..at]);
    let sum: String = sum.iter().map(|byte| format!("{byte:02x}")).collect();
    let text = format!("{}  \"checksum\": \"sha256:{sum}\"\n}}\n", &text[..at]);
    folder.write("edited.json", &text);
    let told = folder.run(&["replay", "edited.json", "--format", "json"]);
    assert_eq!(told.status, 3, "{}", told.stderr);
    let document = told.json();
    assert!(validator.is_valid(&document), "{document}");
    assert_eq!(document["came_about"], Value::Null);
    let told = folder.run(&["replay", "edited.json"]);
    assert_eq!(told.status, 3);
    assert!(
        told.stdout.contains("It could not be followed: step "),
        "{}",
        told.stdout
    );
    folder.refuses(
        &["replay", "edited.json", "--format", "mail"],
        "as text and as json only",
    );
}

#[test]
fn help_is_there_with_examples() {
    let folder = Folder::new("help", &[]);
    for command in COMMANDS {
        let run = folder.run(&[command, "--help"]);
        assert_eq!((run.status, &*run.stderr), (0, ""));
        assert!(run.stdout.contains("Examples:\n  nfsd-check "));
        for line in run.stdout.lines() {
            assert!(line.chars().count() <= 100, "{command}: {line}");
        }
    }
    let run = folder.run(&["--help"]);
    assert!(!run.stdout.contains("explore-for-parent"));
}

/// The only resume file in the folder of counterexamples.
fn resume_file(folder: &Folder) -> String {
    let files = folder.counterexamples();
    let mut files = files.iter().filter(|name| name.contains("-resume"));
    let file = files.next().expect("there is one");
    assert_eq!(files.next(), None);
    format!("counterexamples/{file}")
}

#[test]
fn a_run_that_is_stopped_goes_on() {
    for memory in ["sc", "rc11"] {
        let folder = Folder::new(
            &format!("resume-{memory}"),
            &[("put-order", &put_order(AS_IT_IS))],
        );
        let run = [
            "run",
            "put-order",
            "--model",
            "v4",
            "--memory-model",
            memory,
        ];
        let whole = folder.run(&run);
        assert_eq!(whole.status, 0, "{}", whole.stderr);
        let stopped = folder.run(&[&run[..], &["--max-executions", "5"]].concat());
        assert_eq!(stopped.status, 3, "{}", stopped.stderr);
        let file = resume_file(&folder);
        let command = format!("nfsd-check run --resume {file}\n");
        assert!(stopped.stdout.ends_with(&command), "{}", stopped.stdout);
        // Again, and it is the same file.
        folder.run(&[&run[..], &["--max-executions", "5"]].concat());
        assert_eq!(resume_file(&folder), file);
        let resumed = folder.run(&["run", "--resume", &file]);
        assert_eq!(resumed.status, 0, "{}", resumed.stderr);
        assert_eq!(resumed.stdout, whole.stdout);
        // With its scenario and model named, and in JSON.
        let args = ["run", "put-order", "--model", "v4", "--format", "json"];
        let json = folder.run(&[&args[..], &["--resume", &file]].concat());
        let json: Value = serde_json::from_str(&json.stdout).expect("it is JSON");
        assert_eq!(json[0]["memory_model"], memory);
        assert_eq!(json[0]["complete"], true);

        // What cannot be gone on with.
        folder.refuses(&["run", "--resume", "nowhere.json"], "nowhere.json");
        folder.refuses(&["run", "--resume", &file, "--all"], "cannot be used with");
        folder.refuses(
            &["run", "put-order", "--model", "v2-8of9", "--resume", &file],
            "the model 'v4' was another one than v2-8of9 is now",
        );
        let text = fs::read_to_string(folder.0.join(&file)).unwrap();
        folder.write(
            "edited.json",
            &text.replace("\"all\": false", "\"all\": true"),
        );
        folder.refuses(&["run", "--resume", "edited.json"], "edited.json:");
        folder.refuses(
            &["run", "--resume", "edited.json"],
            "the checksum is not that of the file",
        );
        folder.write(
            "old.json",
            &text.replace("\"version\": 2", "\"version\": 77"),
        );
        folder.refuses(
            &["run", "--resume", "old.json"],
            "the file is of version 77 of the format, and this program reads version 2",
        );
        folder.write("cut.json", &text[..text.len() / 2]);
        folder.refuses(&["run", "--resume", "cut.json"], "cut.json:");
        let scenario = put_order(AS_IT_IS).replace("a LOCALIO I/O", "one LOCALIO I/O");
        folder.write("scenarios/put-order.json", &scenario);
        folder.refuses(
            &["run", "--resume", &file],
            "the scenario 'put-order' was another one than put-order is now",
        );
    }
}

#[test]
fn any_number_of_jobs_gives_the_same_bytes() {
    let folder = Folder::new("jobs", &[("put-order", &put_order(AS_IT_IS))]);
    for memory in ["sc", "rc11"] {
        for all in [&["--all"][..], &[]] {
            let run = |jobs| {
                let args = ["run", "--memory-model", memory, "--jobs", jobs];
                let run = folder.run(&[&args[..], all].concat());
                (run.status, run.stdout)
            };
            let one = run("1");
            assert_eq!(run("2"), one);
            assert_eq!(run("3"), one);
        }
    }
}

fn gate_folder(test: &str) -> Folder {
    let expect = r#"{
    "before-series": "holds",
    "v2-8of9": ["use-after-destroy", "objects-remaining"],
    "v4": ["leak"]
  }"#;
    Folder::new(test, &[("put-order", &put_order(expect))])
}

#[test]
fn the_gate_speaks_to_machines() {
    let folder = gate_folder("gate-formats");
    let message = "the verdict changed: expected leak, found holds";
    let run = "nfsd-check run put-order --model v4 --all";
    let file = "scenarios/put-order.json";
    let text = fs::read_to_string(folder.0.join(file)).unwrap();
    let line = text.lines().position(|l| l.contains("\"v4\": [")).unwrap() + 1;

    let github = folder.run(&["gate", "--format", "github"]);
    assert_eq!(github.status, 1);
    let title = "put-order on v4%3A verdict";
    let expected = format!("::error file={file},line={line},title={title}::{message}%0A{run}\n");
    assert_eq!(github.stdout, expected);

    let junit = folder.run(&["gate", "--format", "junit"]);
    assert_eq!(junit.status, 1);
    assert!(
        junit
            .stdout
            .starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites ")
    );
    let failure = format!("<failure type=\"verdict\" message=\"{message}\">{message}&#10;{run}</");
    assert!(junit.stdout.contains(&failure), "{}", junit.stdout);
    assert_eq!(
        junit
            .stdout
            .matches("<testcase classname=\"put-order\"")
            .count(),
        3
    );

    let sarif = folder.run(&["gate", "--format", "sarif"]);
    assert_eq!(sarif.status, 1);
    let document: Value = serde_json::from_str(&sarif.stdout).unwrap();
    is_sarif(&document);
    assert_eq!(document["version"], "2.1.0");
    let results = document["runs"][0]["results"].as_array().unwrap();
    assert_eq!(results.len(), 1);
    assert_eq!(results[0]["ruleId"], "verdict");
    let place = &results[0]["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], file);
    assert_eq!(place["region"]["startLine"], line);
}

/// It is what the specification requires, see tests/schemas/README.md.
#[track_caller]
fn is_sarif(document: &Value) {
    let schema = include_str!("../schemas/sarif.schema.json");
    let schema: Value = serde_json::from_str(schema).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> = validator
        .iter_errors(document)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{errors:#?}");
    for result in document["runs"][0]["results"].as_array().unwrap() {
        if let Some(index) = result["ruleIndex"].as_u64() {
            let rules = &document["runs"][0]["tool"]["driver"]["rules"];
            assert_eq!(rules[index as usize]["id"], result["ruleId"]);
        }
    }
}

/// Where there is a violation, SARIF tells it context by context.
#[test]
fn sarif_has_the_interleaving() {
    let expect = r#"{"v2-8of9": "holds"}"#;
    let folder = Folder::new("gate-flows", &[("put-order", &put_order(expect))]);
    let sarif = folder.run(&["gate", "--format", "sarif"]);
    let document: Value = serde_json::from_str(&sarif.stdout).unwrap();
    is_sarif(&document);
    let flows = &document["runs"][0]["results"][0]["codeFlows"];
    let threads = flows[0]["threadFlows"].as_array().unwrap();
    let ids: Vec<_> = threads.iter().map(|t| t["id"].as_str().unwrap()).collect();
    assert!(
        ids.contains(&"io-completion") && ids.contains(&"nfsd-stop"),
        "{ids:?}"
    );
    let locations = threads
        .iter()
        .flat_map(|t| t["locations"].as_array().unwrap());
    let mut order: Vec<u64> = locations
        .map(|location| location["executionOrder"].as_u64().unwrap())
        .collect();
    order.sort_unstable();
    let all: Vec<u64> = (1..=order.len() as u64).collect();
    assert_eq!(order, all);
    // Each step is where the scenario says what its context does.
    let file = "scenarios/put-order.json";
    let text = fs::read_to_string(folder.0.join(file)).unwrap();
    for thread in threads {
        let id = thread["id"].as_str().unwrap();
        for location in thread["locations"].as_array().unwrap() {
            let place = &location["location"]["physicalLocation"];
            assert_eq!(place["artifactLocation"]["uri"], file);
            let line = place["region"]["startLine"].as_u64().unwrap() as usize;
            let line = text.lines().nth(line - 1).unwrap();
            assert!(line.contains("\"actors\": {"), "{id}: {line}");
            assert!(id.starts_with("rcu") || line.contains(id), "{id}: {line}");
        }
    }
}

#[test]
fn shards_put_together_are_what_one_machine_says() {
    let folder = gate_folder("gate-shards");
    let one = folder.run(&["gate"]);
    assert_eq!(one.status, 1);
    let mut files = Vec::new();
    for shard in 1..=2 {
        let name = format!("shard-{shard}.json");
        let of = format!("{shard}/2");
        let run = folder.run(&["gate", "--format", "json", "--shard", &of]);
        assert!(run.status <= 1, "{}", run.stderr);
        folder.write(&name, &run.stdout);
        files.push(name);
    }
    let args = ["gate", "--merge", &files[1], &files[0]];
    let merged = folder.run(&args);
    assert_eq!((merged.status, merged.stdout), (1, one.stdout));

    folder.refuses(&["gate", "--merge", &files[0]], "missing: shard 2/2");
    let doubled = ["gate", "--merge", &files[0], &files[0], &files[1]];
    folder.refuses(&doubled, "shard 1/2 again");
    folder.refuses(&["gate", "--merge", "nowhere.json"], "nowhere.json: ");
    folder.refuses(&["gate", "--shard", "3/2"], "expected K/N");
    // What they were run with is in the files, and is the same in all of them.
    folder.refuses(
        &["gate", "--memory-model", "sc", "--merge", "a.json"],
        "cannot be used with",
    );
    for (options, this, that) in [
        (
            &["--memory-model", "sc"][..],
            "--memory-model sc",
            "--memory-model rc11",
        ),
        (
            &["--engine", "loom", "--max-executions", "50"],
            "--engine loom",
            "--engine dpor",
        ),
        (
            &["--max-executions", "1"],
            "--max-executions 1",
            "no --max-executions",
        ),
    ] {
        let shard = ["gate", "--format", "json", "--shard", "2/2"];
        let run = folder.run(&[&shard[..], options].concat());
        folder.write("other.json", &run.stdout);
        let said = format!(
            "other.json: another gate than shard-1.json: it was run with {this}, and \
             shard-1.json with {that}"
        );
        folder.refuses(&["gate", "--merge", &files[0], "other.json"], &said);
    }
    // The command that reproduces it is one of what they were run with.
    for shard in 1..=2 {
        let of = format!("{shard}/2");
        let args = [
            "gate",
            "--format",
            "json",
            "--max-executions",
            "2",
            "--engine",
            "loom",
        ];
        let run = folder.run(&[&args[..], &["--shard", &of]].concat());
        folder.write(&format!("loom-{shard}.json"), &run.stdout);
    }
    let loom = folder.run(&["gate", "--merge", "loom-1.json", "loom-2.json"]);
    let command = "nfsd-check run put-order --model v4 --all --engine loom --max-executions 2\n";
    assert!(loom.stdout.contains(command), "{}", loom.stdout);
    // What was checked is not what is here any more.
    folder.write(
        "scenarios/put-order.json",
        &put_order("{\"v4\": \"holds\"}"),
    );
    folder.refuses(&args, "not of the scenarios and models that are here");
    folder.refuses(&args, "--merge is given the same");
}

#[test]
fn a_baseline_warns_and_never_fails() {
    let folder = Folder::new("gate-baseline", &[("put-order", &put_order(AS_IT_IS))]);
    let baseline = ["gate", "--baseline", "b.json"];
    folder.refuses(&baseline, "b.json: ");
    folder.refuses(&baseline, "--update-baseline writes it");
    let update = folder.run(&["gate", "--baseline", "b.json", "--update-baseline"]);
    assert_eq!(update.status, 0, "{}", update.stderr);
    let text = fs::read_to_string(folder.0.join("b.json")).unwrap();
    let same = folder.run(&baseline);
    assert_eq!(same.status, 0);
    assert!(!same.stderr.contains("warning: "), "{}", same.stderr);
    // Half of the executions that there are.
    let written: Value = serde_json::from_str(&text).unwrap();
    let pair = written["pairs"].as_array().unwrap();
    let pair = pair.iter().find(|pair| pair["model"] == "v4").unwrap();
    let count = pair["executions"].as_u64().unwrap();
    let half = text.replace(
        &format!("\"executions\":{count}"),
        &format!("\"executions\":{}", count / 2),
    );
    assert_ne!(half, text);
    folder.write("b.json", &half);
    let grown = folder.run(&baseline);
    assert_eq!(grown.status, 0);
    let said = format!(
        "warning: put-order on v4: {count} executions, which were {}",
        count / 2
    );
    assert!(grown.stderr.contains(&said), "{}", grown.stderr);
    let allowed = folder.run(&["gate", "--baseline", "b.json", "--growth", "110"]);
    assert!(!allowed.stderr.contains(&said), "{}", allowed.stderr);
    folder.refuses(&["gate", "--update-baseline"], "--baseline");
    folder.write("b.json", "{\n  nonsense");
    folder.refuses(&baseline, "b.json:2:3: ");
}

#[test]
fn files_are_checked_without_being_run() {
    let folder = Folder::new("check-files", &[("put-order", &put_order(AS_IT_IS))]);
    let all = folder.run(&["check-files"]);
    assert_eq!(all.status, 0, "{}", all.stderr);
    assert_eq!(
        all.stdout,
        "ok  model           models/before-series.json\n\
         ok  model           models/v2-8of9.json\n\
         ok  model           models/v4.json\n\
         ok  scenario        scenarios/put-order.json\n"
    );
    let found = folder.run(&["run", "put-order", "--model", "v2-8of9"]);
    assert_eq!(found.status, 1);
    let file = format!("counterexamples/{}", folder.counterexamples()[0]);
    let one = folder.run(&["check-files", &file]);
    assert_eq!(one.stdout, format!("ok  counterexample  {file}\n"));
    folder.write(
        "x.replay.json",
        &folder.run(&["replay", "--format", "json", &file]).stdout,
    );
    let other = folder.run(&["check-files", "x.replay.json"]);
    let said = "not checked, what 'replay --format json' prints:  x.replay.json\n";
    assert_eq!((other.status, other.stdout.as_str()), (0, said));
    let text = fs::read_to_string(folder.0.join(&file)).unwrap();
    folder.write(&file, &text.replacen("\"saw\": 0", "\"saw\": 7", 1));
    folder.refuses(&["check-files", &file], "checksum");
    let wrong = put_order(AS_IT_IS).replace("local_done", "local_dome");
    folder.write("scenarios/put-order.json", &wrong);
    let run = folder.run(&["check-files"]);
    assert_eq!(run.status, 2);
    assert!(
        run.stderr.contains("scenarios/put-order.json:7:"),
        "{}",
        run.stderr
    );
    assert!(run.stderr.contains("'local_done'"), "{}", run.stderr);
    // What is fine is said all the same.
    assert_eq!(run.stdout.lines().count(), 3);
    for kind in ["model", "scenario", "counterexample", "replay"] {
        let run = folder.run(&["check-files", "--schema", kind]);
        assert_eq!(run.status, 0);
        assert!(
            serde_json::from_str::<Value>(&run.stdout)
                .unwrap()
                .is_object()
        );
    }
}

#[test]
fn reports_are_written_where_the_counterexample_is() {
    let folder = Folder::new("reports", &[("put-order", &put_order(AS_IT_IS))]);
    let args = [
        "run",
        "put-order",
        "--model",
        "v2-8of9",
        "--report",
        "mail",
        "--report",
        "html",
    ];
    let run = folder.run(&args);
    assert_eq!(run.status, 1);
    for kind in ["objects-remaining", "use-after-destroy"] {
        for form in ["json", "mail", "html"] {
            let path = format!("counterexamples/put-order-v2-8of9-{kind}.{form}");
            assert!(folder.0.join(&path).exists(), "{path}");
            assert!(run.stdout.contains(&path), "{}", run.stdout);
        }
    }
    // A second time there is nothing new.
    let before = folder.counterexamples();
    folder.run(&args);
    assert_eq!(folder.counterexamples(), before);
    let json = folder.run(&[
        "run",
        "put-order",
        "--model",
        "v2-8of9",
        "--format",
        "json",
        "--report",
        "mermaid",
    ]);
    let document: Value = serde_json::from_str(&json.stdout).unwrap();
    let path = &document[0]["violations"][0]["reports"][0];
    assert!(path.as_str().unwrap().ends_with(".mmd"));
}

#[test]
fn completions_and_manual_know_every_command() {
    let folder = Folder::new("manual", &[]);
    let help = folder.run(&["--help"]).stdout;
    let commands = [
        "run",
        "replay",
        "gate",
        "check-files",
        "list",
        "completions",
        "man",
    ];
    for command in commands {
        assert!(help.contains(&format!("  {command} ")), "{command}: {help}");
        let page = folder.run(&["man", command]);
        assert_eq!(page.status, 0);
        assert!(page.stdout.contains(".SH SYNOPSIS"), "{}", page.stdout);
        let help = folder.run(&[command, "--help"]).stdout;
        assert!(help.contains("Examples:"), "{command}: {help}");
    }
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = folder.run(&["completions", shell]);
        assert_eq!(script.status, 0);
        for command in commands {
            assert!(script.stdout.contains(command), "{shell}: {command}");
        }
    }
    let bash = folder.run(&["completions", "bash"]).stdout;
    folder.write("completions.bash", &bash);
    let mut bash = Command::new("bash");
    let read = bash.args(["-n", "completions.bash"]).current_dir(&folder.0);
    assert!(read.status().unwrap().success());
    folder.refuses(&["man", "gaet"], "no command 'gaet': run, replay, gate");
}
