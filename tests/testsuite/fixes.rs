// SPDX-License-Identifier: GPL-2.0-only
//! `nfsd-check fixes` from outside, on the first of the two races of the thread and a few choices.

use crate::binary;
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
};

fn folder(test: &str) -> PathBuf {
    binary::folder(&format!("fixes-{test}"))
}

/// Exit status, stdout, stderr. Models and scenarios are those that are compiled in.
#[track_caller]
fn run(folder: &Path, args: &[&str]) -> (i32, String, String) {
    binary::run(folder, &[&["fixes"][..], args].concat())
}

/// What reviewers said in the thread: it is the order of the puts.
#[test]
fn the_order_of_the_puts_is_what_the_first_race_needs() {
    let folder = folder("put-order");
    let choices = "put_local_order,net_ref,shutdown_barrier";
    let args = ["put-order", "--from", "v2-8of9", "--choices", choices];
    let (status, stdout, _) = run(&folder, &args);
    assert_eq!(status, 0);
    assert_eq!(
        stdout,
        "\
v2-8of9 with changes of put_local_order, net_ref, shutdown_barrier
1 scenario, 24 sets of changes: 13 explored, 11 not explored because they contain a set that is
  enough

Enough:
  put_local_order=file-then-net
    minimal: 1 smaller set within it explored, and rejected

x: violated, .: holds, ?: undecided

                                 put-order
                                 |  enough, of the sets with it
v2-8of9                          x
+ put_local_order=file-then-net  .  1 of 1
+ net_ref=none                   x  0 of 3
+ net_ref=at-alloc               x  0 of 3
+ net_ref=at-alloc-gc            x  0 of 3
+ shutdown_barrier=before-purge  x  0 of 4
+ shutdown_barrier=after-purge   x  0 of 4

Rejected, each below a violation that it has:
  put-order: objects-remaining of nfsd_file_slab in kmem_cache_destroy(), nfsd-stop;
    use-after-destroy of nfsd_file_slab in kmem_cache_free(), rcu callback 3
    0: no change
    2: net_ref=none
    3: net_ref=at-alloc
    4: net_ref=at-alloc-gc
    5: shutdown_barrier=before-purge
    6: shutdown_barrier=after-purge
    7: net_ref=none, shutdown_barrier=before-purge
    8: net_ref=none, shutdown_barrier=after-purge
    9: net_ref=at-alloc, shutdown_barrier=before-purge
    10: net_ref=at-alloc, shutdown_barrier=after-purge
    11: net_ref=at-alloc-gc, shutdown_barrier=before-purge
    12: net_ref=at-alloc-gc, shutdown_barrier=after-purge
"
    );
    assert!(fs::read_dir(&folder).unwrap().next().is_none(), "no files");
}

#[test]
fn what_lacks_one_change_says_what_the_change_is_for() {
    let folder = folder("two");
    let choices = "gc_lock_gc,shutdown_barrier";
    let args = [
        "gc-vs-netns-exit",
        "--from",
        "v1-7of8",
        "--choices",
        choices,
    ];
    let (status, stdout, _) = run(&folder, &args);
    assert_eq!(status, 0, "{stdout}");
    let expected = "
Enough:
  gc_lock_gc=walk-and-queue, shutdown_barrier=after-purge
    minimal: 3 smaller sets within it explored, and rejected
";
    assert!(stdout.contains(expected), "{stdout}");
    let expected = "
v1-7of8                                x
+ gc_lock_gc=walk-and-queue            x  1 of 3
+ shutdown_barrier=before-purge        x  0 of 2
+ shutdown_barrier=after-purge         x  1 of 2
enough                                 .
enough - gc_lock_gc=walk-and-queue     x
enough - shutdown_barrier=after-purge  x
";
    assert!(stdout.contains(expected), "{stdout}");
}

#[test]
fn the_document_has_every_set_and_is_the_same_each_time() {
    let folder = folder("json");
    let document = |jobs: &str| {
        let args = [
            "put-order",
            "put-order-second-net",
            "--from",
            "v2-8of9",
            "--choices",
            "put_local_order,net_ref",
            "--format",
            "json",
            "--jobs",
            jobs,
            "--supersets",
        ];
        let (status, stdout, _) = run(&folder, &args);
        assert_eq!(status, 0);
        stdout
    };
    let text = document("1");
    assert_eq!(text, document("3"));
    let document: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(document["explored"], 8);
    assert_eq!(document["supersets_not_explored"], 0);
    assert_eq!(document["not_explored"], 0);
    assert_eq!(document["enough"], serde_json::json!([1]));
    // A reference from the allocation on keeps the second net, and not the cache.
    assert_eq!(document["all_but_one"], serde_json::json!([3]));
    let sets = document["sets"].as_array().unwrap();
    assert_eq!(sets.len(), 8);
    for set in sets {
        let is_enough = set["changes"]["put_local_order"] == "file-then-net";
        let answer = if is_enough { "enough" } else { "rejected" };
        assert_eq!(set["answer"], answer, "{set}");
        let scenarios = set["scenarios"].as_array().unwrap();
        if !is_enough {
            let violated = |tried: &&Value| tried["verdict"] == "violated";
            let violated = scenarios.iter().find(violated).unwrap();
            assert!(violated["violations"][0]["kind"].is_string());
        }
    }
    assert_eq!(sets[1]["minimal"], true);
}

#[test]
fn undecided_is_no_pass() {
    let folder = folder("undecided");
    let args = ["put-order", "--from", "v4", "--choices", "shutdown_barrier"];
    let (status, stdout, _) = run(&folder, &[&args[..], &["--max-executions", "1"]].concat());
    assert_eq!(status, 3, "{stdout}");
    assert!(
        stdout.contains("No set of changes was found to be enough."),
        "{stdout}"
    );
    assert!(
        stdout.contains("put-order: stopped after 1 execution"),
        "{stdout}"
    );
    let (status, stdout, _) = run(&folder, &args);
    assert_eq!(status, 0, "{stdout}");
    assert!(stdout.contains("\nEnough:\n  no change\n"), "{stdout}");
}

#[test]
fn where_nothing_helps_that_is_the_answer() {
    let folder = folder("nothing");
    let args = [
        "put-order",
        "--from",
        "v2-8of9",
        "--choices",
        "shutdown_barrier",
    ];
    let (status, stdout, _) = run(&folder, &args);
    assert_eq!(status, 1, "{stdout}");
    assert!(
        stdout.contains("\nNo set of these changes is enough.\n"),
        "{stdout}"
    );
    let none = [&args[..], &["--most", "0"]].concat();
    let (status, stdout, _) = run(&folder, &none);
    assert_eq!(status, 3, "{stdout}");
    assert!(stdout.contains("1 explored, 2 not explored"), "{stdout}");
}

#[test]
fn counterexamples_are_written_where_asked_and_replay() {
    let folder = folder("out");
    let args = [
        "put-order",
        "--from",
        "v2-8of9",
        "--choices",
        "put_local_order",
    ];
    let (status, stdout, _) = run(&folder, &[&args[..], &["--out", "found"]].concat());
    assert_eq!(status, 0, "{stdout}");
    let file = "found/put-order-v2-8of9-changed-0-objects-remaining.json";
    assert!(
        stdout.contains(&format!("nfsd-check replay {file}\n")),
        "{stdout}"
    );
    let (status, ..) = binary::run(&folder, &["replay", file]);
    assert_eq!(status, 1);
    let text = std::fs::read_to_string(folder.join(file)).unwrap();
    let fewest = "\"fewest_preemptions\": true,\n    \"fewest_steps\": true";
    assert!(text.contains(fewest), "{text}");
}

#[test]
fn bad_input_is_refused() {
    let folder = folder("bad");
    for (args, message) in [
        (
            &["put-ordr"][..],
            "error: no scenario 'put-ordr' (did you mean 'put-order'?)",
        ),
        (
            &["put-order", "--from", "v2-8of8"],
            "error: no model 'v2-8of8' (did you mean 'v2-8of9'?)",
        ),
        (
            &["put-order", "--choices", "net_reff"],
            "error: no choice 'net_reff' (did you mean 'net_ref'?)",
        ),
        (&[], "<SCENARIO>"),
        (&["put-order", "--budget", "0"], "no time at all"),
    ] {
        let (status, stdout, stderr) = run(&folder, args);
        assert_eq!((status, &*stdout), (2, ""), "{args:?}");
        assert!(stderr.contains(message), "{stderr}");
    }
    let all: Vec<_> = nfsd_check::model::choices::CHOICES
        .iter()
        .map(|choice| choice.name)
        .collect();
    let (status, _, stderr) = run(&folder, &["put-order", "--choices", &all.join(",")]);
    assert_eq!(status, 2);
    assert!(
        stderr.contains("more than 1000000 combinations"),
        "{stderr}"
    );
}
