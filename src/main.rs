//! dev
use nfsd_check::{
    check::program::program,
    engine::{Limits, dpor},
    library::Library,
};
use std::sync::Arc;
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let lib = Library::find().unwrap();
    let s = Arc::new(lib.scenario(&args[1]).unwrap());
    for m in &args[2..] {
        let model = lib.model(m).unwrap();
        let p = program(&s, model.choices);
        let t = std::time::Instant::now();
        let max = std::env::var("MAX").ok().map(|m| m.parse().unwrap());
        let e = dpor::explore(
            &p,
            &Limits {
                all: std::env::var("ALL").is_ok(),
                max_executions: max,
                ..Limits::default()
            },
        );
        println!(
            "{m}: {} exec, {} blocked, complete {} {:?} {:?}",
            e.executions,
            e.blocked,
            e.complete,
            e.reason,
            t.elapsed()
        );
        for f in &e.findings {
            println!("  {} after {}", f.kind, f.after);
            for v in &f.recording.violations {
                println!("     {:?}", v);
            }
            if std::env::var("TRACE").is_ok() {
                for s in f.recording.steps.iter().filter(|s| s.concurrent) {
                    println!(
                        "   {:20} {:40} {} {:?} = {}",
                        s.context,
                        s.functions.last().unwrap_or(&""),
                        s.object,
                        s.action,
                        s.saw
                    );
                }
            }
        }
    }
}
