// SPDX-License-Identifier: GPL-2.0-only
//! The explorer against a brute-force enumerator of the executions that RC11 allows, and that
//! enumerator against what is known.

use crate::dpor_counts::MULTINOMIAL;
use crate::number;
use crate::rc11::{
    axioms::{RC11, ReleaseSequence, Scb, Variant},
    bridge::{Graph, GraphEvent, Reads, execution_of, graph_of, reads, to_engine},
    enumerate::{Execution, Executions, by_interleaving, executions, executions_with},
    generate::Random,
    litmus::{COUNTS, COUNTS_OF_OUTCOMES, LITMUS, Litmus},
    program::{Op, Program, Value, short::*},
};
use nfsd_check::{
    engine::{Limits, MemoryModel, dpor},
    sync::{engine::Condition, violation::ViolationKind},
};
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, atomic::Ordering::Relaxed},
    time::Instant,
};

fn all(program: &Program) -> Executions {
    executions(program, usize::MAX).expect("there is no limit")
}

// ---- The oracle against the literature ----

/// Whether the outcome is there, for each model.
fn shows(litmus: &Litmus, program: &Program, executions: &Executions) -> (bool, bool) {
    let shows = |execution| litmus.shows(program, execution);
    (
        executions.rc11.iter().any(shows),
        executions.sc.iter().any(shows),
    )
}

#[test]
fn litmus_tests_by_name() {
    let mut wrong = Vec::new();
    for litmus in LITMUS {
        let program = litmus.program();
        let executions = all(&program);
        let found = (executions.rc11.len(), executions.sc.len());
        let shown = shows(litmus, &program, &executions);
        if (shown, found) != (litmus.allowed, litmus.executions) {
            wrong.push(format!(
                "{}: {shown:?} and {found:?} instead of {:?} and {:?}",
                litmus.name, litmus.allowed, litmus.executions
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn programs_that_genmc_counts() {
    let mut wrong = Vec::new();
    for count in COUNTS {
        let executions = all(&Program::new(count.threads));
        let found = (executions.rc11.len(), executions.sc.len());
        if found != count.executions {
            wrong.push(format!(
                "{}: {found:?} instead of {:?}",
                count.name, count.executions
            ));
        }
    }
    for litmus in COUNTS_OF_OUTCOMES {
        let program = litmus.program();
        let executions = all(&program);
        let with_outcome = |executions: &BTreeSet<_>| {
            let shows = executions.iter().filter(|e| litmus.shows(&program, e));
            shows.count()
        };
        let found = (with_outcome(&executions.rc11), with_outcome(&executions.sc));
        if found != litmus.executions {
            wrong.push(format!(
                "{}: {found:?} instead of {:?}",
                litmus.name, litmus.executions
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The litmus tests, by name, that have other executions under another variant of RC11.
fn different_under(variant: Variant) -> Vec<&'static str> {
    let litmus = LITMUS.iter().map(|litmus| (litmus.name, litmus.threads));
    let counts = COUNTS.iter().map(|count| (count.name, count.threads));
    let differ = litmus.chain(counts).filter(|(_, threads)| {
        let program = Program::new(threads);
        let other = executions_with(&program, usize::MAX, variant);
        other.expect("there is no limit") != all(&program)
    });
    differ.map(|(name, _)| name).collect()
}

/// The paper's release sequence, which has the thread's own later stores, forbids what that of
/// C++20 allows.
#[test]
fn the_release_sequence_of_the_paper() {
    let paper = Variant {
        release_sequence: ReleaseSequence::Paper,
        ..RC11
    };
    assert_eq!(
        different_under(paper),
        [
            "MP+release-sequence-of-C++11",
            "MP+rels+acq",
            "MP+rels+acqf",
            "MPU+rels+acq",
            "MPU2+rels+acq",
            "S+rels+acq",
            "relseq",
        ]
    );
}

/// GenMC 0.10 and later count fewer executions of these two: 22 of Z6.U and 17 of WWmerge1.
#[test]
fn the_sc_order_of_genmc() {
    let genmc = Variant {
        scb: Scb::AnyPlace,
        ..RC11
    };
    assert_eq!(different_under(genmc), ["Z6.U", "WWmerge1"]);
    let count = |name: &str| {
        let litmus = LITMUS.iter().map(|litmus| (litmus.name, litmus.threads));
        let counts = COUNTS.iter().map(|count| (count.name, count.threads));
        let (_, threads) = litmus.chain(counts).find(|(n, _)| *n == name).unwrap();
        let executions = executions_with(&Program::new(threads), usize::MAX, genmc);
        executions.expect("there is no limit").rc11.len()
    };
    assert_eq!((count("Z6.U"), count("WWmerge1")), (22, 17));
}

#[test]
fn increments_give_the_multinomial_coefficient() {
    for (threads, each, expected) in MULTINOMIAL {
        let by_rmw = vec![add(X, 1, RLX); each];
        let by_mutex = [Op::Lock(0), Op::Get(0), set(0, 1), Op::Unlock(0)].repeat(each);
        for ops in [by_rmw, by_mutex] {
            let executions = all(&Program::new(&vec![ops.as_slice(); threads]));
            let found = (executions.rc11.len() as u64, executions.sc.len() as u64);
            assert_eq!(found, (expected, expected), "{threads}x{each}: {ops:?}");
            assert!(executions.rc11.iter().all(|e| e.races.is_empty()));
        }
    }
}

// ---- The oracle against a simpler one ----

#[test]
fn litmus_tests_by_interleaving() {
    let programs = LITMUS.iter().map(Litmus::program);
    let counted = COUNTS.iter().map(|count| Program::new(count.threads));
    let outcomes = COUNTS_OF_OUTCOMES.iter().map(Litmus::program);
    for program in programs.chain(counted).chain(outcomes) {
        let ops = || program.threads.iter().flatten();
        let updates = ops().filter(|op| matches!(op, Op::Rmw(..) | Op::Lock(_)));
        if ops().count() > 6 || updates.count() > 2 {
            continue;
        }
        assert_eq!(
            by_interleaving(&program, RC11),
            all(&program),
            "{program:?}"
        );
    }
}

#[test]
fn generated_programs_by_interleaving() {
    let mut random = Random::new(0x1357_9bdf_0246);
    let mut programs = 0;
    while programs < 1500 {
        let program = random.program(6);
        let ops = || program.threads.iter().flatten();
        let updates = |op: &&Op| {
            matches!(
                op,
                Op::Rmw(..) | Op::AwaitRmw(..) | Op::Lock(_) | Op::TryLock(_)
            )
        };
        if ops().count() > 6 || ops().filter(updates).count() > 2 {
            continue;
        }
        programs += 1;
        assert_eq!(
            by_interleaving(&program, RC11),
            all(&program),
            "{program:?}"
        );
    }
}

// ---- Under SC, the oracle against the explorer of interleavings ----

/// Whether the values of cells decide what is done: those that race have none.
fn uses_cells(program: &Program) -> bool {
    program.threads.iter().any(|ops| {
        ops.iter().any(|op| match op {
            Op::Store(_, Value::Plus(register, _), _) | Op::Set(_, Value::Plus(register, _)) => {
                matches!(ops[*register], Op::Get(_))
            }
            _ => false,
        })
    })
}

/// What the threads read in each execution of the explorer of interleavings, sorted, and whether a
/// race was found, and a misuse.
fn explore_interleavings(program: &Program) -> (Vec<Reads>, bool, bool) {
    let now = Arc::new(Mutex::new(Reads::new()));
    let complete = Arc::new(Mutex::new((0, Vec::new())));
    let limits = Limits {
        all: true,
        ..Limits::default()
    };
    // The run before this one counts if it was complete.
    let over = {
        let complete = Arc::clone(&complete);
        move |executions, before| {
            let mut complete = complete.lock().unwrap();
            if executions > complete.0 {
                complete.0 = executions;
                complete.1.push(before);
            }
        }
    };
    let progress = Arc::clone(&limits.progress);
    let engine = {
        let over = over.clone();
        to_engine(program, &now, move |before| {
            over(progress.load(Relaxed), before)
        })
    };
    let exploration = dpor::explore(&engine, &limits);
    assert!(exploration.complete, "{:?}", exploration.reason);
    over(exploration.executions, now.lock().unwrap().clone());
    let kinds = || exploration.findings.iter().map(|finding| finding.kind);
    let races = kinds().any(|kind| kind == ViolationKind::DataRace);
    let misuses = kinds().any(|kind| MISUSES.contains(&kind));
    let mut found = std::mem::take(&mut complete.lock().unwrap().1);
    assert_eq!(found.len() as u64, exploration.executions);
    found.sort();
    (found, races, misuses)
}

#[test]
fn sc_is_what_the_explorer_of_interleavings_finds() {
    let mut random = Random::new(0x2468_ace0_1357);
    let (mut compared, mut counted, mut executed, mut hung) = (0, 0, 0, 0);
    while compared < 2000 {
        let program = random.program(9);
        let Some(expected) = executions(&program, 2000) else {
            continue;
        };
        let races = expected.sc.iter().any(races);
        if races && uses_cells(&program) {
            continue;
        }
        let misuses = expected.misused_in_order;
        compared += 1;
        executed += expected.sc.len();
        hung += usize::from(expected.sc.iter().any(|e| !e.blocked.is_empty()));
        let mut expected: Vec<Reads> = expected.sc.iter().map(|e| reads(&program, e)).collect();
        expected.sort();
        let (mut found, found_races, found_misuses) = explore_interleavings(&program);
        assert_eq!(races, found_races, "race in {program:?}");
        assert_eq!(misuses, found_misuses, "misuse in {program:?}");
        // A thread goes no further than its misuse.
        if misuses {
            continue;
        }
        // Which of two accesses to a cell came first, is one more thing that the explorer tells
        // apart.
        let marked = |op: &Op| matches!(op, Op::GetMarked(_));
        if races || program.threads.iter().flatten().any(marked) {
            expected.dedup();
            found.dedup();
        } else {
            counted += 1;
        }
        assert_eq!(expected, found, "{program:?}");
    }
    println!("{compared} programs, {counted} counted, {executed} executions, {hung} hung");
    assert!(counted > 1000 && hung > 50);
}

// ---- The explorer of execution graphs against the oracle ----

/// What the explorer of execution graphs says about a program.
#[derive(Clone, Debug, Default)]
struct Explored {
    graphs: Vec<Graph>,
    /// Whether it found a race.
    races: bool,
    /// Whether it found a use after a free, or a second free.
    misuses: bool,
}

/// What goes wrong with an object that may be freed.
const MISUSES: [ViolationKind; 2] = [ViolationKind::UseAfterFree, ViolationKind::DoubleFree];

fn races(execution: &Execution) -> bool {
    !execution.races.is_empty()
}

fn misuses(execution: &Execution) -> bool {
    !execution.misused.is_empty()
}

/// The one place that knows the explorer's interface.
fn explore_graphs(program: &Program, model: MemoryModel) -> Explored {
    let reads = Arc::new(Mutex::new(Reads::new()));
    let engine = to_engine(program, &reads, |_| ());
    let limits = Limits {
        memory_model: model,
        all: true,
        ..Limits::default()
    };
    let mut explored = Explored::default();
    let exploration = dpor::graphs::explore_with(&engine, &limits, &mut |graph| {
        explored.races |= graph.violations.contains(&ViolationKind::DataRace);
        explored.misuses |= MISUSES.iter().any(|kind| graph.violations.contains(kind));
        // Without the thread that began the run.
        let named = |(thread, index): (usize, usize)| (thread - 1, index);
        let threads = graph.threads[1..].iter().map(|events| {
            let events = events.iter().map(|event| GraphEvent {
                object: event.object,
                action: event.action,
                read: event.saw,
                reads_from: event.reads_from.map(named),
                written: event.wrote,
            });
            events.collect()
        });
        let orders = graph
            .writes
            .iter()
            .map(|(object, writes)| (*object, writes.iter().copied().map(named).collect()));
        explored.graphs.push(Graph {
            threads: threads.collect(),
            orders: orders.collect(),
        });
    });
    // What depends on which of two racing accesses came first is not the same each time.
    let undefined = explored.races && uses_cells(program);
    assert!(
        exploration.complete || undefined,
        "{:?}\n{program:?}",
        exploration.reason
    );
    explored
}

fn has_marked_reads(program: &Program) -> bool {
    let is_marked = |op: &Op| matches!(op, Op::GetMarked(_));
    program.threads.iter().flatten().any(is_marked)
}

/// Compare what was explored with what there is.
fn compare_with(
    program: &Program,
    (expected, misuses): (&BTreeSet<Execution>, bool),
    explored: &Explored,
) -> Result<(), String> {
    let races = expected.iter().any(races);
    let found = (explored.races, explored.misuses);
    if (races, misuses) != found {
        return Err(format!(
            "a race is {races} and a misuse {misuses}, and they were {found:?}"
        ));
    }
    // A thread goes no further than its misuse.
    if misuses {
        return Ok(());
    }
    // Nor does the order of racing writes, which is all that a marked read of them could tell.
    // Which of two racing writes came first also decides what a grace period waits for.
    let depends = uses_cells(program) || program.count(Op::Synchronize) > 0;
    if races && (depends || has_marked_reads(program)) {
        return Ok(());
    }
    let mut missing: BTreeSet<Execution> =
        expected.iter().cloned().map(without_violations).collect();
    let mut seen = BTreeSet::new();
    let marked = has_marked_reads(program);
    for graph in &explored.graphs {
        let execution = execution_of(program, graph)?;
        if !seen.insert(execution.clone()) {
            // What a marked read found is one more thing that the explorer tells apart.
            if marked {
                continue;
            }
            return Err(format!("explored twice:\n{execution}"));
        }
        if !missing.remove(&execution) {
            return Err(format!("not an execution of the model:\n{execution}"));
        }
    }
    match missing.first() {
        Some(execution) => Err(format!("{} are missing:\n{execution}", missing.len())),
        None => Ok(()),
    }
}

/// An engine tells what goes wrong in a program, and not in an execution.
fn without_violations(mut execution: Execution) -> Execution {
    execution.races.clear();
    execution.misused.clear();
    execution
}

fn is_choice(op: &Op) -> bool {
    matches!(op, Op::Choose(_))
}

/// Compare the explorer with the oracle on one program.
fn compare(program: &Program, model: MemoryModel) -> Result<(), String> {
    let found = all(program);
    compare_with(program, of(&found, model), &explore_graphs(program, model))
}

/// The executions under a memory model, and whether an object is misused in one.
fn of(found: &Executions, model: MemoryModel) -> (&BTreeSet<Execution>, bool) {
    match model {
        MemoryModel::Rc11 => (&found.rc11, found.rc11.iter().any(misuses)),
        MemoryModel::Sc => (&found.sc, found.misused_in_order),
    }
}

/// The litmus tests on the explorer.
#[test]
fn litmus_tests_on_the_explorer() {
    let programs = LITMUS.iter().map(Litmus::program);
    let counted = COUNTS.iter().map(|count| Program::new(count.threads));
    for program in programs.chain(counted) {
        for model in MODELS {
            if let Err(difference) = compare(&program, model) {
                panic!("{model:?}: {difference}\n{program:?}");
            }
        }
    }
}

const MODELS: [MemoryModel; 2] = [MemoryModel::Rc11, MemoryModel::Sc];

/// A generated program with more executions than this is left out.
const MOST: usize = 1000;

/// What compares sees each kind of difference.
#[test]
fn comparing_finds_differences() {
    let mut random = Random::new(0x0f0f_1234_5678);
    let mut programs = 0;
    while programs < 500 {
        let program = random.program(9);
        let Some(Executions { rc11, .. }) = executions(&program, 200) else {
            continue;
        };
        let races = rc11.iter().any(races);
        if races && uses_cells(&program)
            || rc11.iter().any(misuses)
            || has_marked_reads(&program)
            || rc11.len() < 2
        {
            continue;
        }
        programs += 1;
        let explored = Explored {
            graphs: rc11.iter().map(|e| graph_of(&program, e)).collect(),
            races,
            misuses: false,
        };
        assert_eq!(
            compare_with(&program, (&rc11, false), &explored),
            Ok(()),
            "{program:?}"
        );
        let with = |change: &dyn Fn(&mut Explored)| {
            let mut explored = explored.clone();
            change(&mut explored);
            compare_with(&program, (&rc11, false), &explored)
        };
        let missing = with(&|e| drop(e.graphs.pop()));
        assert!(missing.unwrap_err().contains("missing"), "{program:?}");
        let twice = with(&|e| e.graphs.push(e.graphs[0].clone()));
        assert!(twice.unwrap_err().contains("twice"), "{program:?}");
        let race = with(&|e| e.races = !e.races);
        assert!(race.unwrap_err().contains("race"), "{program:?}");
        let misuse = with(&|e| e.misuses = true);
        assert!(misuse.unwrap_err().contains("misuse"), "{program:?}");
        let mut fewer = rc11.clone();
        fewer.pop_last();
        if fewer.iter().any(|e| !e.races.is_empty()) == explored.races {
            let extra = compare_with(&program, (&fewer, false), &explored);
            assert!(
                extra.unwrap_err().contains("not an execution"),
                "{program:?}"
            );
        }
    }
}

/// What the generated programs of a test were like.
#[derive(Clone, Copy, Debug, Default)]
struct Totals {
    programs: u64,
    /// With too many executions.
    left_out: u64,
    /// With executions that are not sequentially consistent.
    weak: u64,
    hang: u64,
    race: u64,
    /// With cells, and no race in any execution under RC11.
    no_race: u64,
    /// With an object that is used and not before it is freed.
    misuse: u64,
    /// With an object that is freed, and no misuse of it in any execution under RC11.
    no_misuse: u64,
    /// With a choice.
    choice: u64,
    /// With a thread that is begun by one that is begun by another.
    nested: u64,
    /// With SC accesses only.
    sc_only: u64,
    /// Compared with the explorer of execution graphs, for each model.
    compared: u64,
    rc11: usize,
    sc: usize,
}

/// Whether all accesses to words are SC. A failed `try_lock` is a relaxed read.
fn is_sc_only(program: &Program) -> bool {
    let sc = |order: &_| *order == SC;
    program.threads.iter().flatten().all(|op| match op {
        Op::Load(_, order)
        | Op::Store(.., order)
        | Op::Await(.., order)
        | Op::AwaitRmw(.., order) => sc(order),
        Op::Rmw(.., success, failure) => sc(success) && sc(failure),
        Op::TryLock(_) => false,
        _ => true,
    })
}

fn generated(seed: u64, programs: u64, most: usize) -> Totals {
    let start = Instant::now();
    let mut random = Random::new(seed);
    let mut totals = Totals::default();
    while totals.programs < programs {
        let program = random.program(most);
        let Some(found) = executions(&program, MOST) else {
            totals.left_out += 1;
            continue;
        };
        let hangs = |e: &Execution| !e.blocked.is_empty();
        totals.programs += 1;
        totals.rc11 += found.rc11.len();
        totals.sc += found.sc.len();
        totals.weak += u64::from(found.rc11.len() > found.sc.len());
        totals.hang += u64::from(found.rc11.iter().any(hangs));
        totals.race += u64::from(found.rc11.iter().any(races));
        totals.no_race += u64::from(program.cells > 0 && !found.rc11.iter().any(races));
        let misused = found.rc11.iter().any(misuses);
        totals.misuse += u64::from(misused);
        totals.no_misuse += u64::from(program.count(Op::Free(0)) > 0 && !misused);
        totals.choice += u64::from(program.threads.iter().flatten().any(is_choice));
        let begun = (0..program.threads.len()).filter(|&t| program.parent(t).is_some());
        totals.nested += u64::from(begun.count() > 1);
        assert!(found.sc.is_subset(&found.rc11), "{program:?}");
        // Without races, SC accesses are sequentially consistent.
        if is_sc_only(&program) && !found.sc.iter().any(races) {
            totals.sc_only += 1;
            assert_eq!(found.sc, found.rc11, "{program:?}");
        }
        for model in MODELS {
            let explored = explore_graphs(&program, model);
            totals.compared += 1;
            if let Err(difference) = compare_with(&program, of(&found, model), &explored) {
                panic!("{model:?}: {difference}\n{program:?}");
            }
        }
    }
    println!("{totals:?} in {:?}", start.elapsed());
    totals
}

/// 20,000 with the test after it: two tests, so that two cores can run them.
#[test]
fn generated_programs() {
    ten_thousand(0x1234_5678_9abc);
}

#[test]
fn generated_programs_of_another_seed() {
    ten_thousand(0x0fed_cba9_8765);
}

fn ten_thousand(seed: u64) {
    let totals = generated(seed, 10_000, 9);
    // That the programs are of all kinds.
    assert!(totals.left_out < 100 && totals.weak > 2000 && totals.hang > 1000);
    assert!(totals.race > 500 && totals.no_race > 500 && totals.sc_only > 500);
    assert!(totals.misuse > 200 && totals.no_misuse > 50);
    assert!(totals.choice > 300 && totals.nested > 50);
}

/// What the generated programs with sections and grace periods were like.
#[derive(Clone, Copy, Debug, Default)]
struct WithSections {
    programs: u64,
    left_out: u64,
    /// With fewer executions under RC11 than without the grace periods.
    fewer: u64,
    /// With executions that the oracle does not have.
    weaker: u64,
    /// With executions that are explored more than once.
    twice: u64,
    races: u64,
    /// With an object that is used and not before it is freed, for each model.
    misuses: u64,
    /// With an object that is freed, and no misuse, for each model.
    no_misuse: u64,
    rc11: usize,
    sc: usize,
}

/// Compare programs with so many sections and grace periods: no execution is missing. In few
/// programs there are some too many, for the explorer does not put a section and a grace period in
/// order for what only a cycle of SC fences, of several sections and grace periods, or, under SC, of
/// accesses of a third thread shows. In fewer one is explored twice. Both are counted.
fn with_sections(
    seed: u64,
    programs: u64,
    most: usize,
    (sections, grace_periods): (usize, usize),
) -> WithSections {
    let mut random = Random::new(seed);
    let mut totals = WithSections::default();
    while totals.programs < programs {
        let program = random.program_with_sections(most, sections, grace_periods);
        let Some(found) = executions(&program, MOST / 4) else {
            totals.left_out += 1;
            continue;
        };
        let mut without = program.clone();
        for op in without.threads.iter_mut().flatten() {
            if *op == Op::Synchronize {
                *op = Op::SkipIf {
                    register: 0,
                    value: u64::MAX,
                    skip: 0,
                };
            }
        }
        totals.programs += 1;
        totals.rc11 += found.rc11.len();
        totals.sc += found.sc.len();
        totals.races += u64::from(found.rc11.iter().any(|e| !e.races.is_empty()));
        totals.fewer += u64::from(all(&without).rc11.len() > found.rc11.len());
        for model in MODELS {
            let mut explored = explore_graphs(&program, model);
            let (expected, misuses) = of(&found, model);
            if misuses {
                totals.misuses += 1;
                assert!(explored.misuses, "{model:?}: {program:?}");
                continue;
            }
            totals.no_misuse += u64::from(program.count(Op::Free(0)) > 0);
            let executions: BTreeSet<Execution> =
                expected.iter().cloned().map(without_violations).collect();
            let mut seen = BTreeSet::new();
            let (mut weaker, mut twice) = (false, false);
            explored.graphs.retain(|graph| {
                let execution = execution_of(&program, graph).expect("it is one of the program");
                let is_one = executions.contains(&execution);
                weaker |= !is_one;
                let is_new = has_marked_reads(&program) || seen.insert(execution);
                twice |= !is_new;
                is_new && is_one
            });
            totals.weaker += u64::from(weaker);
            totals.twice += u64::from(twice);
            if let Err(difference) = compare_with(&program, (expected, misuses), &explored) {
                panic!("{model:?}: {difference}\n{program:?}");
            }
        }
    }
    println!("{totals:?}");
    totals
}

/// A read after the section shows that the section began before the grace period did, and so that
/// the end of the grace period waited: another thread may have read what was written after that end,
/// and it has to be read in executions in which the first read has not been made again.
#[test]
fn what_shows_a_section_to_be_earlier_comes_after_it() {
    let (lock, unlock, synchronize) = (Op::ReadLock, Op::ReadUnlock, Op::Synchronize);
    let writer = [store(X, 1, RLX), synchronize, store(Y, 1, RLX)];
    let sections: [&[Op]; 3] = [
        &[lock, load(X, RLX), unlock],
        &[lock, fence(REL), unlock, load(X, RLX)],
        &[load(Z, RLX), lock, load(W, RLX), unlock, load(X, RLX)],
    ];
    let readers: [&[Op]; 2] = [&[load(Y, RLX)], &[load(Y, RLX), store(Z, 1, RLX)]];
    for section in sections {
        for reader in readers {
            let program = Program::new(&[&writer, reader, section]);
            for model in MODELS {
                if let Err(difference) = compare(&program, model) {
                    panic!("{model:?}: {difference}\n{program:?}");
                }
            }
        }
    }
}

/// Where a section ends may depend on what its last event reads: when that is made to read something
/// else, the section is open again. It takes a second grace period for the end of the first to be
/// there before the section.
#[test]
fn a_section_that_ended_with_a_read_that_is_made_again_is_open() {
    let (lock, unlock, synchronize) = (Op::ReadLock, Op::ReadUnlock, Op::Synchronize);
    let begins = Op::Await(W, Condition::Equal(1), RLX);
    let unless_set = Op::SkipIf {
        register: 2,
        value: 0,
        skip: 2,
    };
    let program = Program::new(&[
        &[store(Y, 1, RLX), synchronize, store(Z, 1, RLX)],
        &[
            begins,
            lock,
            load(X, RLX),
            unless_set,
            load(Z, RLX),
            load(Y, RLX),
            unlock,
        ],
        &[synchronize, store(W, 1, RLX)],
        &[begins, store(X, 1, RLX)],
    ]);
    assert_eq!(compare(&program, MemoryModel::Rc11), Ok(()));
}

/// A section that begins after the end of a grace period sees what that saw, even where nothing but
/// a relaxed write and a wait for it say so: no race.
#[test]
fn a_section_after_a_grace_period_sees_what_it_saw() {
    let program = Program::new(&[
        &[set(0, 1), Op::Synchronize, store(X, 1, RLX)],
        &[
            Op::Await(X, Condition::Equal(1), RLX),
            Op::ReadLock,
            Op::Get(0),
            Op::ReadUnlock,
        ],
    ]);
    assert!(all(&program).rc11.iter().all(|e| e.races.is_empty()));
    assert_eq!(compare(&program, MemoryModel::Rc11), Ok(()));
}

#[test]
fn generated_programs_with_sections_and_grace_periods() {
    let one = with_sections(0x7777_1234_5678, 4000, 8, (1, 1));
    // That the grace periods matter.
    assert!(one.left_out < 100 && one.fewer > 150);
    assert!(one.races > 300 && one.misuses > 300 && one.no_misuse > 100);
    assert!(one.weaker <= 2 && one.twice <= 2);
    for (seed, sections, grace_periods) in [(2, 2, 1), (3, 1, 2), (4, 2, 2)] {
        let several = with_sections(seed << 40, 1000, 7, (sections, grace_periods));
        assert!(several.weaker <= 4 && several.twice <= 2);
    }
}

/// Like [`hunt`], with `ORACLE_SECTIONS` sections and `ORACLE_GRACE_PERIODS` grace periods.
#[test]
#[ignore = "as long as one likes"]
fn hunt_with_sections() {
    with_sections(
        number("ORACLE_SEED", 0x9e37_79b9_7f4a),
        number("ORACLE_PROGRAMS", 20_000),
        number("ORACLE_MOST", 8) as usize,
        (
            number("ORACLE_SECTIONS", 1) as usize,
            number("ORACLE_GRACE_PERIODS", 1) as usize,
        ),
    );
}

/// `ORACLE_PROGRAMS=200000 cargo test rc11_oracle::hunt -- --ignored --nocapture`, with
/// `ORACLE_SEED` for other programs and `ORACLE_MOST` for larger ones.
#[test]
#[ignore = "as long as one likes"]
fn hunt() {
    generated(
        number("ORACLE_SEED", 0x9e37_79b9_7f4a),
        number("ORACLE_PROGRAMS", 20_000),
        number("ORACLE_MOST", 9) as usize,
    );
}
