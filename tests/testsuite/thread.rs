// SPDX-License-Identifier: GPL-2.0-only
//! What the analysis of the mail thread by reading says of each scenario and model, and what the
//! explorer says: the same verdict, and at least the classes of violation that were named.
//!
//! The gate compares the exact sets of kinds that stand in the scenarios. This is the other side:
//! written down before anything was explored, and not to be edited to match. `drain-vs-queue` is
//! left to the gate for its size; `no-stop` is where reading was wrong.

use nfsd_check::{
    check::program::program,
    engine::{Exploration, Limits, dpor},
    library::Library,
    sync::violation::ViolationKind::{self, *},
};
use std::{path::Path, sync::Arc};

const MODELS: [&str; 6] = [
    "before-series",
    "v1-7of8",
    "v1-8of8",
    "v2-8of9",
    "v2-review",
    "v4",
];

/// A class: one of these kinds, of an object whose name begins like this.
type Class = (&'static [ViolationKind], &'static str);

const USED: Class = (&[UseAfterFree, UseAfterDestroy], "");
const SERV_USED: Class = (&[UseAfterFree], "svc_serv");
const LEAKED: Class = (&[Leak, ObjectsRemaining], "nfsd_file");
const NET_LEAKED: Class = (&[Leak], "net#");

fn explore(scenario: &str, model: &str) -> Exploration {
    let library = Library::at(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
    let scenario = Arc::new(library.scenario(scenario).unwrap());
    let model = library.model(model).unwrap();
    let limits = Limits {
        all: true,
        ..Limits::default()
    };
    dpor::explore(&program(&scenario, model.choices), &limits)
}

fn shows(exploration: &Exploration, (kinds, object): Class) -> bool {
    let violations = exploration
        .findings
        .iter()
        .flat_map(|finding| &finding.recording.violations);
    violations
        .filter(|violation| kinds.contains(&violation.kind))
        .any(|violation| violation.object.starts_with(object))
}

#[track_caller]
fn row(scenario: &str, cells: [&[Class]; 6]) {
    for (model, classes) in MODELS.into_iter().zip(cells) {
        let exploration = explore(scenario, model);
        assert!(exploration.complete, "{scenario} on {model}");
        assert_eq!(
            exploration.findings.is_empty(),
            classes.is_empty(),
            "{scenario} on {model}: {:#?}",
            exploration.findings.first().map(|finding| finding.kind)
        );
        for class in classes {
            assert!(
                shows(&exploration, *class),
                "{scenario} on {model}: {class:?}"
            );
        }
    }
}

#[test]
fn the_put_order() {
    row(
        "put-order",
        [&[], &[], &[USED, LEAKED], &[USED, LEAKED], &[], &[]],
    );
    row("put-order-second-net", [&[], &[], &[], &[USED], &[], &[]]);
}

#[test]
fn a_walker_and_a_stop() {
    for scenario in [
        "gc-vs-stop",
        "shrinker-vs-stop",
        "lease-vs-stop",
        "unlink-vs-stop",
    ] {
        let net_too: &[Class] = &[LEAKED, NET_LEAKED];
        row(
            scenario,
            [&[USED], &[LEAKED], net_too, &[LEAKED], net_too, &[]],
        );
    }
}

#[test]
fn a_walker_and_the_end_of_a_namespace() {
    for scenario in [
        "gc-vs-netns-exit",
        "shrinker-vs-netns-exit",
        "lease-vs-netns-exit",
        "unlink-vs-netns-exit",
    ] {
        let pinned: &[Class] = &[LEAKED, NET_LEAKED, SERV_USED];
        row(scenario, [&[USED], &[USED], pinned, &[USED], pinned, &[]]);
    }
}
