// SPDX-License-Identifier: GPL-2.0-only
//! The files of this repository, and the lines that operations are written in.

use nfsd_check::{
    library::{Library, LoadError},
    model::{Choices, DisposeList, NetRef, PutLocalOrder},
    scenario::{Epilogue, Expectation, OPERATIONS, Open, Operation, Scenario},
    sync::violation::ViolationKind,
};
use std::path::Path;

fn library() -> Library {
    Library::at(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn scenario(text: &str) -> Scenario {
    Scenario::parse("scenarios/x.json", text.as_bytes(), &["v4", "v2-8of9"]).unwrap()
}

#[test]
fn all_shipped_files_load_and_say_what_they_are() {
    let models = library().models().unwrap();
    for model in &models {
        assert!(!model.about.is_empty() && !model.source.is_empty());
    }
    let scenarios = library().scenarios().unwrap();
    for scenario in &scenarios {
        assert!(!scenario.about.is_empty() && !scenario.source.is_empty());
        let merged = ["v4", "v6.12", "nfsd-next"];
        let expects = merged
            .iter()
            .any(|model| scenario.expected(model).is_some());
        assert!(expects, "{}", scenario.name);
    }
    for model in &models {
        let somewhere = scenarios.iter().any(|s| s.expected(&model.name).is_some());
        assert!(somewhere, "{}", model.name);
    }
}

/// The scenarios of the mail thread and of what was found beside it, and the models of the thread.
#[test]
fn what_is_about_the_thread_expects_something_of_each_of_its_models() {
    let models = [
        "before-series",
        "v1-7of8",
        "v1-8of8",
        "v2-8of9",
        "v2-review",
        "v4",
        "v4-free-unhash",
    ];
    let scenarios = [
        "close-sync-vs-netns-exit",
        "close-sync-vs-stop",
        "drain-vs-queue",
        "flush-during-open",
        "flush-vs-lookup",
        "gc-vs-netns-exit",
        "gc-vs-stop",
        "lease-vs-netns-exit",
        "lease-vs-stop",
        "no-stop",
        "put-order",
        "put-order-second-net",
        "shrinker-vs-netns-exit",
        "shrinker-vs-stop",
        "unlink-vs-netns-exit",
        "unlink-vs-stop",
    ];
    for scenario in scenarios {
        let scenario = library().scenario(scenario).unwrap();
        for model in models {
            assert!(scenario.expected(model).is_some(), "{}", scenario.name);
        }
    }
}

/// Kinds that the merged code has in the scenario of a bug too, each a known race of its own.
const KNOWN: &[(&str, ViolationKind)] = &[];

#[test]
fn every_bug_is_expected_where_it_is_and_nowhere_else() {
    let library = library();
    for model in library.models().unwrap() {
        let Some(bug) = &model.bug else { continue };
        let scenario = library.scenario(&bug.scenario).unwrap();
        let on = |model: &str| scenario.expected(model).cloned();
        let Some(Expectation::Violated(kinds)) = on(&model.name) else {
            panic!("{} on {}", scenario.name, model.name);
        };
        match on(&bug.fixed) {
            Some(Expectation::Holds) => {}
            Some(Expectation::Violated(fixed)) => {
                let known = |kind: &ViolationKind| KNOWN.contains(&(&*scenario.name, *kind));
                assert!(fixed.iter().all(known) && fixed != kinds, "{}", bug.entry);
            }
            other => panic!("{} on {}: {other:?}", scenario.name, bug.fixed),
        }
    }
}

#[test]
fn lists_are_sorted_by_name() {
    let library = library();
    assert!(library.model_names().is_sorted());
    assert!(library.scenario_names().is_sorted());
}

#[test]
fn the_models_are_those_of_the_thread() {
    let choices = |name| library().model(name).unwrap().choices;
    assert_eq!(choices("v4"), Choices::default());
    assert_eq!(choices("before-series").dispose_list, DisposeList::Separate);
    assert_eq!(choices("v1-8of8").net_ref, NetRef::AtAlloc);
    assert_eq!(choices("v2-8of9").net_ref, NetRef::AtDispose);
    assert_eq!(
        choices("v2-8of9").put_local_order,
        PutLocalOrder::NetThenFile
    );
    assert_eq!(
        choices("v2-review").put_local_order,
        PutLocalOrder::FileThenNet
    );
    assert_eq!(choices("v2-review").net_ref, NetRef::AtAllocGc);
    let plain = Choices {
        dispose_list: DisposeList::Inline,
        ..choices("before-series")
    };
    assert_eq!(choices("v1-7of8"), plain);
}

#[test]
fn a_model_serializes_as_its_file() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for model in library().models().unwrap() {
        let file = root.join("models").join(format!("{}.json", model.name));
        let text = std::fs::read_to_string(file).unwrap();
        let mut file: serde_json::Value = serde_json::from_str(&text).unwrap();
        // What a file leaves out is chosen as in the kernel.
        let chosen = file["choices"].as_object_mut().unwrap();
        for (choice, value) in Choices::default().iter() {
            chosen.entry(choice).or_insert_with(|| value.into());
        }
        assert_eq!(serde_json::to_value(&model).unwrap(), file);
    }
}

#[test]
fn a_name_or_a_path_finds_a_file() {
    let library = library();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/put-order.json");
    assert_eq!(
        library.scenario(path).unwrap(),
        library.scenario("put-order").unwrap()
    );
    let error = library.scenario("put-ordr").unwrap_err();
    assert_eq!(
        error.to_string(),
        "no scenario 'put-ordr' (did you mean 'put-order'?)"
    );
    let error = library.model("v2-8of8").unwrap_err();
    assert_eq!(
        error.to_string(),
        "no model 'v2-8of8' (did you mean 'v2-8of9'?)"
    );
    let error = library.model("zzz").unwrap_err();
    assert_eq!(error.to_string(), "no model 'zzz'");
    assert!(matches!(
        library.model("no/such.json"),
        Err(LoadError::Read { .. })
    ));
    let folder = env!("CARGO_MANIFEST_DIR");
    assert!(matches!(library.model(folder), Err(LoadError::Read { .. })));
}

#[test]
fn a_folder_without_models_is_no_library() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    assert!(matches!(Library::at(root), Err(LoadError::Read { .. })));
}

#[test]
fn every_field_of_a_scenario_is_read() {
    let scenario = scenario(
        r#"{
            "expect": { "v2-8of9": ["leak", "use-after-free"], "v4": "holds" },
            "actors": { "b": ["gc"], "a": ["shrink"] },
            "setup": ["start A threads 3"],
            "epilogue": "none", "preempt_rcu": false, "gc_passes": 16, "alloc": "may-fail",
            "inodes": ["i0", {
                "name": "i1", "writeback_error": true, "open": "fails", "flush_on_close": true
            }],
            "nets": ["A", { "name": "B", "user": true }],
            "source": "s", "about": "a", "name": "x"
        }"#,
    );
    assert_eq!(
        scenario.nets.iter().map(|net| net.user).collect::<Vec<_>>(),
        [false, true]
    );
    assert_eq!(scenario.inodes[0].open, Open::Ok);
    assert_eq!(scenario.inodes[1].open, Open::Fails);
    assert!(scenario.inodes[1].writeback_error && scenario.inodes[1].flush_on_close);
    assert!(scenario.alloc_may_fail && !scenario.preempt_rcu);
    assert_eq!(
        (scenario.gc_passes, scenario.epilogue),
        (16, Epilogue::None)
    );
    assert_eq!(
        scenario.setup,
        [Operation::Start {
            net: 0,
            threads: 3,
            min: 0
        }]
    );
    // Actors and expectations keep the order of the file.
    assert_eq!(scenario.actors[0].name, "b");
    let Some(Expectation::Violated(kinds)) = scenario.expected("v2-8of9") else {
        panic!("{:?}", scenario.expect);
    };
    let sorted = [ViolationKind::UseAfterFree, ViolationKind::Leak];
    assert!(kinds.iter().eq(&sorted));
    assert_eq!(scenario.expected("v4"), Some(&Expectation::Holds));
    assert_eq!(scenario.expected("v1"), None);
}

#[test]
fn what_is_left_out_has_its_default() {
    let scenario = scenario(r#"{"name": "x", "nets": ["B"], "actors": {"a": ["gc"]}}"#);
    assert!(!scenario.alloc_may_fail && scenario.preempt_rcu);
    assert_eq!((scenario.gc_passes, scenario.epilogue), (2, Epilogue::Stop));
    assert!(scenario.setup.is_empty() && scenario.inodes.is_empty() && scenario.expect.is_empty());
}

/// One scenario with each operation as an author may write it, and as it is printed.
const WRITTEN: &[(&str, &str)] = &[
    ("create B", "create B"),
    ("nfsd_create_serv A", "create A"),
    ("start_fails B  lockd", "start_fails B lockd"),
    ("start B", "start B"),
    ("start  B threads  1", "start B"),
    ("start B threads 3 min  2", "start B threads 3 min 2"),
    ("nfsd_svc A threads 8", "start A threads 8"),
    ("x = acquire B i0", "x = acquire B i0"),
    ("y=acquire B i1 gc", "y = acquire B i1 gc"),
    ("z = nfsd_file_acquire_gc B i0", "z = acquire B i0 gc"),
    ("w = nfsd_file_acquire B i0", "w = acquire B i0"),
    ("o = acquire_opened B i0", "o = acquire_opened B i0"),
    (
        "p = nfsd_file_acquire_opened A i1",
        "p = acquire_opened A i1",
    ),
    ("q = acquire_dir B d", "q = acquire_dir B d"),
    ("r = nfsd_file_acquire_dir A d", "r = acquire_dir A d"),
    ("delegate q", "delegate q"),
    ("nfsd_get_dir_deleg r", "delegate r"),
    ("spawn B", "spawn B"),
    ("svc_exit_thread A", "retire A"),
    (" put x ", "put x"),
    ("nfsd_file_put y", "put y"),
    ("l = local_open B i0", "l = local_open B i0"),
    ("m = nfsd_open_local_fh A i0", "m = local_open A i0"),
    ("n = nfsd_file_acquire_local A i0", "n = local_open A i0"),
    ("i = local_io c i0", "i = local_io c i0"),
    ("j = nfs_local_open_fh c i1", "j = local_io c i1"),
    ("k = nfs_open_local_fh c i1", "k = local_io c i1"),
    ("local_probe c", "local_probe c"),
    ("nfs_local_probe c", "local_probe c"),
    ("local_done i", "local_done i"),
    ("local_done j", "local_done j"),
    ("nfs_to_nfsd_file_put_local k", "local_done k"),
    ("local_close c i0", "local_close c i0"),
    ("nfs_close_local_fh c i1", "local_close c i1"),
    ("local_disable c", "local_disable c"),
    ("nfs_uuid_put c", "local_disable c"),
    ("nfs_localio_disable_client c", "local_disable c"),
    ("local_umount c", "local_umount c"),
    ("nfs_free_client d", "local_umount d"),
    ("local_done l", "local_done l"),
    ("nfsd_file_put_local m", "local_done m"),
    ("gc", "gc"),
    ("nfsd_file_gc_worker", "gc"),
    ("nfsd_file_gc", "gc"),
    ("shrink", "shrink"),
    ("nfsd_file_lru_scan", "shrink"),
    ("setlease i0", "setlease i0"),
    ("nfsd_file_lease_notifier_call i1", "setlease i1"),
    ("unlink i0", "unlink i0"),
    ("nfsd_file_fsnotify_handle_event i0", "unlink i0"),
    ("close_sync B i0", "close_sync B i0"),
    ("nfsd_file_close_inode_sync B i1", "close_sync B i1"),
    ("flush B", "flush B"),
    ("nfsd_file_cache_purge A", "flush A"),
    ("close_export B i0", "close_export B i0"),
    ("nfsd_file_close_export A i1", "close_export A i1"),
    ("stop B", "stop B"),
    ("nfsd_shutdown_net A", "stop A"),
    ("umount B", "umount B"),
    ("nfsd_umount A", "umount A"),
];

fn with_operations<'o>(operations: impl IntoIterator<Item = &'o str>) -> Scenario {
    let operations: Vec<_> = operations.into_iter().collect();
    let text = serde_json::json!({
        "name": "x", "nets": ["A", "B"], "inodes": ["i0", "i1", {"name": "d", "directory": true}],
        "clients": [{"name": "c", "net": "A"}, {"name": "d", "net": "B"}],
        "setup": operations, "actors": { "a": ["gc"] },
    });
    scenario(&text.to_string())
}

#[test]
fn operations_survive_being_printed_and_read_again() {
    let first = with_operations(WRITTEN.iter().map(|(written, _)| *written));
    let printed: Vec<_> = first
        .setup
        .iter()
        .map(|operation| operation.display(&first).to_string())
        .collect();
    assert!(
        printed
            .iter()
            .eq(WRITTEN.iter().map(|(_, printed)| printed))
    );
    assert_eq!(with_operations(printed.iter().map(|line| &**line)), first);
    for info in OPERATIONS {
        assert!(first.setup.iter().any(|operation| operation.info() == info));
    }
    let files = [
        "x", "y", "z", "w", "o", "p", "q", "r", "l", "m", "n", "i", "j", "k",
    ];
    assert_eq!(first.files, files);
}

#[test]
fn the_shipped_scenarios_are_written_as_they_are_printed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for scenario in library().scenarios().unwrap() {
        let file = root
            .join("scenarios")
            .join(format!("{}.json", scenario.name));
        let text = std::fs::read_to_string(file).unwrap();
        let actors = scenario.actors.iter().flat_map(|actor| &actor.operations);
        for operation in scenario.setup.iter().chain(actors) {
            let line = format!("\"{}\"", operation.display(&scenario));
            assert!(text.contains(&line), "{}: {line}", scenario.name);
        }
    }
}
