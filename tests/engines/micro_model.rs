// SPDX-License-Identifier: GPL-2.0-only
//! The micro-model of the benchmark has as many executions as it should, and its bug is found.
//!
//! GenMC 0.10.3 counts the same in every row but the largest, with `--sc` and `--rc11`: see
//! `benches/README.md`.

#[path = "../../benches/micro_model/mod.rs"]
pub(crate) mod model;

use model::{PutOrder, Size, on_sync};
use nfsd_check::{
    engine::{Exploration, Limits, MemoryModel, dpor, loom},
    sync::violation::ViolationKind,
};

const MEMORY_MODELS: [MemoryModel; 2] = [MemoryModel::Sc, MemoryModel::Rc11];

fn explore(size: Size, order: PutOrder, memory_model: MemoryModel) -> Exploration {
    let limits = Limits {
        all: true,
        memory_model,
        ..Limits::default()
    };
    dpor::explore(&on_sync::program(size, order), &limits)
}

fn assert_count(size: Size, executions: u64) {
    for memory_model in MEMORY_MODELS {
        let exploration = explore(size, PutOrder::FileFirst, memory_model);
        assert!(exploration.complete, "{size}: {:?}", exploration.reason);
        assert!(exploration.findings.is_empty(), "{size}: {exploration:?}");
        assert_eq!(
            exploration.executions, executions,
            "{size} {memory_model:?}"
        );
    }
}

const LARGEST: usize = Size::ROWS.len() - 1;

#[test]
fn every_row_but_the_largest_has_as_many_executions_as_genmc_counts() {
    for (size, executions) in &Size::ROWS[..LARGEST] {
        assert_count(*size, *executions);
    }
}

#[test]
#[ignore = "takes seconds: cargo test micro_model -- --ignored"]
fn the_largest_row_has_as_many_executions_as_it_always_had() {
    let (size, executions) = Size::ROWS[LARGEST];
    assert_count(size, executions);
}

#[test]
fn the_swapped_put_order_is_found() {
    let size = Size::new(0, 1, 1);
    let program = on_sync::program(size, PutOrder::NetFirst);
    for exploration in [
        explore(size, PutOrder::NetFirst, MemoryModel::Sc),
        explore(size, PutOrder::NetFirst, MemoryModel::Rc11),
        loom::explore(&program, &Limits::default()),
    ] {
        let kinds: Vec<_> = exploration.findings.iter().map(|f| f.kind).collect();
        assert_eq!(kinds, [ViolationKind::UseAfterFree]);
    }
}

#[test]
fn the_loom_engine_comes_to_the_end_of_the_smallest_row_and_finds_nothing() {
    let (size, _) = Size::ROWS[0];
    let program = on_sync::program(size, PutOrder::FileFirst);
    let exploration = loom::explore(&program, &Limits::default());
    assert!(exploration.findings.is_empty(), "{exploration:?}");
    let reason = exploration.reason.expect("loom is no proof");
    assert!(reason.starts_with("loom finished its search"), "{reason}");
}
