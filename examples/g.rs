use nfsd_check::{engine::{Limits, MemoryModel, dpor, Program}, library::Library, check::program::program, sync::{self, atomic::AtomicU64, Mutex, thread, engine::{Ordering, Phase}}};
use std::{sync::Arc, collections::BTreeSet, time::{Instant, Duration}};
fn both(name: &str, p: Program) {
    let t = Instant::now();
    let mut l = Limits { all: true, budget: Some(Duration::from_secs(20)), ..Limits::default() };
    let old = dpor::explore(&p, &l);
    let t_old = t.elapsed();
    print!("{name}: old {} (+{}) {:?} {:?}", old.executions, old.blocked, old.findings.iter().map(|f| f.kind).collect::<BTreeSet<_>>(), t_old);
    for m in [MemoryModel::Sc, MemoryModel::Rc11] {
        l.memory_model = m;
        let t = Instant::now();
        let mut seen = BTreeSet::new();
        let mut repeats = 0;
        let check = std::env::var("NOCHECK").is_err();
        let e = dpor::graphs::explore_with(&p, &l, &mut |g| { if check && !seen.insert(g.clone()) { repeats += 1; } });
        print!(" | {m:?} {} (+{}) rep {} {:?} {:?} {:?}", e.executions, e.blocked, repeats, e.reason, e.kinds.iter().copied().collect::<BTreeSet<_>>(), t.elapsed());
    }
    println!();
}
fn conc(f: impl Fn() + Send + Sync + 'static) -> Program {
    Arc::new(move || { thread::set_phase(Phase::Concurrent); f(); thread::settle(); thread::set_phase(Phase::Alone); })
}
fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.is_empty() {
        for (n, k) in [(2, 1), (2, 2), (2, 3), (2, 4), (3, 1), (3, 2), (4, 1), (5, 1)] {
            both(&format!("rmw {n}x{k}"), conc(move || {
                let x = Arc::new(AtomicU64::new("x", 0));
                for _ in 0..n { let x = x.clone(); thread::spawn_detached("t", move || for _ in 0..k { x.fetch_add(1, Ordering::Relaxed); }); }
            }));
            both(&format!("mutex {n}x{k}"), conc(move || {
                let x = Arc::new(Mutex::new("x", 0));
                for _ in 0..n { let x = x.clone(); thread::spawn_detached("t", move || for _ in 0..k { *x.lock() += 1; }); }
            }));
        }
        both("sb", conc(|| {
            let x = Arc::new((AtomicU64::new("x", 0), AtomicU64::new("y", 0)));
            let y = x.clone();
            thread::spawn_detached("a", move || { x.0.store(1, Ordering::Relaxed); let _ = x.1.load(Ordering::Relaxed); });
            thread::spawn_detached("b", move || { y.1.store(1, Ordering::Relaxed); let _ = y.0.load(Ordering::Relaxed); });
        }));
        both("sb fences", conc(|| {
            let x = Arc::new((AtomicU64::new("x", 0), AtomicU64::new("y", 0)));
            let y = x.clone();
            thread::spawn_detached("a", move || { x.0.store(1, Ordering::Relaxed); sync::fence(Ordering::SeqCst); let _ = x.1.load(Ordering::Relaxed); });
            thread::spawn_detached("b", move || { y.1.store(1, Ordering::Relaxed); sync::fence(Ordering::SeqCst); let _ = y.0.load(Ordering::Relaxed); });
        }));
        return;
    }
    let library = Library::find().ok().unwrap();
    let s = Arc::new(library.scenario(&args[0]).ok().unwrap());
    for m in &args[1..] {
        let m = library.model(m).ok().unwrap();
        both(&format!("{} {}", args[0], m.name), program(&s, m.choices));
    }
}
