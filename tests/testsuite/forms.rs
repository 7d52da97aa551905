// SPDX-License-Identifier: GPL-2.0-only
//! The forms that a counterexample is told in.
//!
//! The snapshots are what people and programs get. `UPDATE_SNAPSHOTS=1 cargo test forms`
//! writes them anew: read the difference before it is committed.

use nfsd_check::{
    check::program::program,
    engine::{Limits, MemoryModel, dpor::explore},
    library::Library,
    report::{
        counterexample::Counterexample,
        form::{Form, Story},
        stepping::{Key, Stepping},
        text::Options,
        why::{self, There},
    },
    sync::violation::ViolationKind,
};
use std::{collections::BTreeMap, fs, path::Path, sync::Arc};

const OPTIONS: Options = Options {
    width: 100,
    all_steps: false,
};

/// The first violation of this kind that is found.
fn found(scenario: &str, model: &str, kind: ViolationKind) -> Counterexample {
    let limits = Limits {
        all: true,
        max_executions: Some(2_500),
        ..Limits::default()
    };
    found_within(&limits, scenario, model, kind)
}

/// The first violation of this kind that is found under weak memory.
pub(crate) fn found_under_rc11(scenario: &str, model: &str, kind: ViolationKind) -> Counterexample {
    let limits = Limits {
        memory_model: MemoryModel::Rc11,
        all: true,
        ..Limits::default()
    };
    found_within(&limits, scenario, model, kind)
}

fn found_within(
    limits: &Limits,
    scenario: &str,
    model: &str,
    kind: ViolationKind,
) -> Counterexample {
    let library = Library::builtin();
    let scenario = Arc::new(library.scenario(scenario).unwrap());
    let model = library.model(model).unwrap();
    let exploration = explore(&program(&scenario, model.choices), limits);
    let mut findings = exploration.findings.iter();
    let finding = findings.find(|finding| finding.kind == kind);
    let finding = finding.unwrap_or_else(|| panic!("{} {}: no {kind}", scenario.name, model.name));
    let memory_model = match limits.memory_model {
        MemoryModel::Sc => "sc",
        MemoryModel::Rc11 => "rc11",
    };
    Counterexample::new(&scenario, &model, "dpor", memory_model, finding)
}

fn story(scenario: &str, model: &str, kind: ViolationKind) -> Story {
    let counterexample = found(scenario, model, kind);
    let against = why::against(
        &counterexample.scenario,
        &counterexample.model,
        None,
        &Library::builtin(),
    )
    .unwrap();
    let file = format!("{scenario}-{model}-{kind}.json");
    let model = counterexample.model.clone();
    Story::new(counterexample, model, against.as_ref(), &file)
}

/// The first violation there is.
fn first(scenario: &str, model: &str) -> Counterexample {
    let library = Library::builtin();
    let scenario = Arc::new(library.scenario(scenario).unwrap());
    let model = library.model(model).unwrap();
    let found = explore(&program(&scenario, model.choices), &Limits::default());
    Counterexample::new(&scenario, &model, "dpor", "sc", &found.findings[0])
}

/// One of each way to find out why: two accesses, a destruction and a free, a race that was tried
/// the other way round, a lock that is waited for, and no model that holds.
fn stories() -> Vec<Story> {
    use ViolationKind::{
        DataRace, HungTask, Leak, ObjectsRemaining, SleepInAtomic, UseAfterFree, Warning,
    };
    vec![
        story("put-order", "v2-8of9", ObjectsRemaining),
        story("gc-vs-netns-exit", "v2-8of9", UseAfterFree),
        story("gc-vs-stop", "v1-8of8", Leak),
        story("flush-vs-lookup", "v4", UseAfterFree),
        story("flush-during-open", "v4", Leak),
        story("client-disable-vs-stop", "v4", Warning),
        story("client-io-vs-stop", "v4-wait-before-purge", HungTask),
        story("client-open-vs-open", "v4-lost-install-keeps-net", HungTask),
        story("put-order", "v4-put-under-rcu", SleepInAtomic),
        story("put-order", "v4-net-put-first", ObjectsRemaining),
        story("lookup-vs-last-put", "v4-lookup-without-rcu", UseAfterFree),
        story(
            "client-probe-vs-probe",
            "v4-uuid-begin-adds",
            ViolationKind::ListCorruption,
        ),
        story(
            "put-vs-reclaim",
            "v6.12-shared-lru",
            ViolationKind::Refcount,
        ),
        story(
            "stop-with-state",
            "v4-state-after-purge-all",
            ViolationKind::DoubleFree,
        ),
    ]
    .into_iter()
    .inspect(|story| assert!(story.replay.violation.is_some(), "{}", story.file))
    .chain([DataRace].map(|kind| {
        let library = Library::builtin();
        let scenario = Arc::new(library.scenario("acquire-vs-acquire").unwrap());
        let model = library.model("v4-pending-relaxed").unwrap();
        let explored = explore(&program(&scenario, model.choices), &Limits::default());
        let finding = &explored.findings[0];
        assert_eq!(finding.kind, kind);
        let c = Counterexample::new(&scenario, &model, "dpor", "sc", finding);
        let against = why::against(&c.scenario, &c.model, None, &library).unwrap();
        Story::new(c, model, against.as_ref(), "acquire-vs-acquire.json")
    }))
    .chain(weak_stories())
    .collect()
}

/// What no interleaving shows: a use and a free that nothing orders, and a read that misses a store.
fn weak_stories() -> Vec<Story> {
    let stories = [
        ("client-open-vs-stop", ViolationKind::UseAfterFree),
        ("wake-up-vs-request", ViolationKind::Leak),
    ];
    let stories = stories.map(|(scenario, kind)| {
        let c = found_under_rc11(scenario, "v4", kind);
        let model = c.model.clone();
        assert!(c.weak);
        let against = why::against(&c.scenario, &c.model, None, &Library::builtin()).unwrap();
        let file = format!("{scenario}-v4-{kind}.json");
        Story::new(c, model, against.as_ref(), &file)
    });
    stories.into()
}

/// It is run again, step by step, and told like any other.
#[test]
fn what_only_weak_memory_shows_is_told_too() {
    for story in weak_stories() {
        assert_eq!(story.untold(), None);
        assert_eq!(story.replay.exit_status(), 1);
        for form in [Form::Text, Form::Mail, Form::Html] {
            let text = plain(&story.print(form, &OPTIONS));
            let words: Vec<&str> = text.split_whitespace().collect();
            let text = words.join(" ");
            assert!(text.contains("weakly ordered memory"), "{text}");
            if story.counterexample.violation.kind == ViolationKind::Leak {
                assert!(text.contains("is not seen here"), "{text}");
                assert!(
                    form == Form::Html || text.contains("is not seen here <--"),
                    "{text}"
                );
            }
        }
    }
}

/// It is believed no more than an interleaving is.
#[test]
fn what_weak_memory_does_not_allow_is_not_told() {
    let [_, story] = &weak_stories()[..] else {
        unreachable!("there are two");
    };
    let c = &story.counterexample;
    let misses = c.schedule.iter().rposition(|step| step.reads.is_some());
    let misses = misses.unwrap();
    let object = &c.schedule[misses].object;
    let mut writes = (1..=misses).filter(|&at| {
        let step = &c.schedule[at - 1];
        step.object == *object && !step.operation.contains("read")
    });
    let first = writes.next().unwrap();
    for (reads, why) in [
        (None, "here it is"),
        (Some(1), "does not write what it reads"),
        (Some(first), "was overwritten before it"),
    ] {
        let mut c = c.clone();
        c.schedule[misses].reads = reads;
        let again = Story::new(c, story.model.clone(), None, "x.json");
        let said = again.untold().unwrap_or_default();
        assert!(said.contains(why), "{reads:?}: {said}");
    }
}

fn plain(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

fn snapshot(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/snapshots/forms")
        .join(name);
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    for (number, (is, was)) in text.lines().zip(expected.lines()).enumerate() {
        assert_eq!(is, was, "{name}:{}", number + 1);
    }
    assert_eq!(text, expected, "{name}");
}

#[test]
fn every_form_is_as_it_was() {
    for story in &stories()[..3] {
        let stem = story.file.trim_end_matches(".json");
        for form in [
            Form::Text,
            Form::Mail,
            Form::Json,
            Form::Mermaid,
            Form::Perfetto,
        ] {
            let text = plain(&story.print(form, &OPTIONS));
            snapshot(&format!("{stem}.{}", form.extension()), &text);
        }
    }
}

#[test]
fn the_mail_of_every_kind_is_as_it_was() {
    for story in &stories()[3..] {
        let stem = story.file.trim_end_matches(".json");
        let text = story.print(Form::Mail, &OPTIONS);
        snapshot(&format!("{stem}.mail"), &text);
    }
}

#[test]
fn a_mail_can_be_sent_and_quoted() {
    for story in stories() {
        let text = story.print(Form::Mail, &OPTIONS);
        assert!(text.is_ascii() && text.ends_with('\n'));
        for line in text.lines() {
            let what = format!("{}: {line:?}", story.file);
            assert!(line.len() <= 72, "{what}");
            assert_eq!(line, line.trim_end(), "{what}");
            // What mailers take for something else.
            assert!(
                !line.starts_with("From ") && !line.starts_with('>'),
                "{what}"
            );
            assert!(line != "--" && !line.contains('\t'), "{what}");
        }
    }
}

/// Also where all that the violation is about comes after the part that is told.
#[test]
fn a_mail_has_steps() {
    for (scenario, model, kind) in [
        ("client-probe-vs-flush", "v4", ViolationKind::UseAfterFree),
        (
            "gc-idle-server",
            "v4-queue-without-wake",
            ViolationKind::Leak,
        ),
    ] {
        let mail = story(scenario, model, kind).print(Form::Mail, &OPTIONS);
        assert!(mail.lines().any(|line| line.starts_with("  1  ")), "{mail}");
        // And says what allows it, also where no two steps decide.
        if scenario == "gc-idle-server" {
            assert!(mail.contains("goes off the LRU"), "{mail}");
        }
        let allows = mail.split("\nWhat allows it:\n\n").nth(1).unwrap();
        assert!(!allows.starts_with("The fixed form"), "{mail}");
    }
}

/// What a scenario expects of a memory model is no part of what happened.
#[test]
fn a_scenario_is_known_whatever_is_expected_of_it() {
    let library = Library::builtin();
    for name in ["client-open-vs-stop", "client-open-vs-netns-exit"] {
        assert!(!library.scenario(name).unwrap().expect_rc11.is_empty());
        let c = first(name, "v4");
        let against = why::against(&c.scenario, &c.model, None, &library)
            .unwrap()
            .unwrap();
        assert_eq!(against.name, "v4-invalidate-one-by-one");
        let model = c.model.clone();
        let story = Story::new(c, model, Some(&against), "folder/a.json");
        let mail = story.print(Form::Mail, &OPTIONS);
        assert!(mail.contains(&format!("nfsd-check run {name}")), "{mail}");
        assert!(mail.contains("The fixed form"), "{mail}");
    }
}

/// In one line, however the text was wrapped.
fn unwrapped(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn fits(mail: &str) {
    for line in mail.lines() {
        assert!(line.len() <= 72 && line.is_ascii(), "{line:?}");
    }
}

#[test]
fn a_report_is_of_the_model_that_it_ran_on() {
    let library = Library::builtin();
    let c = first("put-order", "v2-8of9");
    let recorded = c.model.clone();
    let model = library.model("v1-8of8").unwrap();
    let against = library.model("v4").unwrap();
    let story = Story::new(c, model.clone(), Some(&against), "a.json");
    assert!(story.replay.violation.is_some() && !story.replay.same);

    let mail = story.print(Form::Mail, &OPTIONS);
    fits(&mail);
    let mail = unwrapped(&mail);
    let (head, _) = mail.split_once("What allows it").unwrap();
    assert!(head.contains(&model.source), "{head}");
    assert!(!head.contains(&recorded.source), "{head}");
    assert!(
        mail.contains("run put-order --model v1-8of8 --all"),
        "{mail}"
    );

    let trace = story.print(Form::Perfetto, &OPTIONS);
    assert!(trace.contains("put-order on v1-8of8"));

    // What the test has in it is of that model, and comes about.
    let test = story.print(Form::Test, &OPTIONS);
    let (_, file) = test.split_once("r#\"").unwrap();
    let (file, _) = file.split_once("\"#").unwrap();
    let own = Counterexample::parse("own.json", file.as_bytes()).unwrap();
    assert_eq!(own.model, model);
    let again = nfsd_check::report::replay::replay(&own, &own.model);
    assert_eq!(again.parted, None);
    assert!(again.violation.is_some());
}

#[test]
fn a_mail_names_the_file_that_has_to_come_with_it() {
    let shipped = first("put-order", "v2-8of9");
    let mut patch = shipped.clone();
    patch.model.name = "my-patch".to_owned();
    let mut scenario = shipped.clone();
    scenario.scenario.name = "mine".to_owned();
    let mut drawn = shipped.clone();
    drawn.engine = "pct".to_owned();
    let name = "put-order-my-patch-use-after-destroy.json";
    for c in [patch, scenario, drawn] {
        for folder in [
            "counterexamples",
            "/a/folder/far/away/from/where/the/mail/is/read",
        ] {
            let model = c.model.clone();
            let story = Story::new(c.clone(), model, None, &format!("{folder}/{name}"));
            let mail = story.print(Form::Mail, &OPTIONS);
            fits(&mail);
            assert!(
                mail.contains(&format!("\n  nfsd-check replay {name}\n")),
                "{mail}"
            );
            let attached = format!("the attached file {name}:");
            assert!(unwrapped(&mail).contains(&attached), "{mail}");
        }
    }
    // A name that does not fit into a line, or that a shell takes apart, is not used.
    let mut c = shipped.clone();
    c.model.name = "my-patch".to_owned();
    for name in ["a".repeat(100) + ".json", "a b.json".to_owned()] {
        let story = Story::new(c.clone(), c.model.clone(), None, &name);
        let mail = story.print(Form::Mail, &OPTIONS);
        fits(&mail);
        assert!(
            mail.contains("\n  nfsd-check replay counterexample.json\n"),
            "{mail}"
        );
    }
    // Where everybody has all that it takes, no file is needed.
    let story = Story::new(shipped.clone(), shipped.model, None, "a.json");
    let mail = story.print(Form::Mail, &OPTIONS);
    assert!(!mail.contains("attached"), "{mail}");
}

#[test]
fn what_is_violated_too_is_no_fixed_form() {
    let c = first("put-order", "v2-8of9");
    let library = Library::builtin();
    for other in ["v2-8of9", "v1-8of8"] {
        let against = library.model(other).unwrap();
        let story = Story::new(c.clone(), c.model.clone(), Some(&against), "a.json");
        let mail = story.print(Form::Mail, &OPTIONS);
        assert!(!mail.contains("fixed form"), "{mail}");
        assert!(mail.contains("Compared with"), "{mail}");
        assert!(mail.contains("comes about there too"), "{mail}");
    }
    // Where no form is known to be free of it, the mail says so: nobody says anything of this one.
    let mut c = first("close-sync-vs-stop", "v4");
    c.scenario.about.push_str(", in another scenario");
    assert_eq!(
        why::against(&c.scenario, &c.model, None, &library).unwrap(),
        None
    );
    let story = Story::new(c.clone(), c.model, None, "a.json");
    let mail = story.print(Form::Mail, &OPTIONS);
    assert!(mail.contains("There is no fixed form"), "{mail}");
}

#[test]
fn what_does_not_come_about_is_told_as_far_as_it_goes() {
    let c = first("put-order", "v2-8of9");
    let v4 = Library::builtin().model("v4").unwrap();
    let story = Story::new(c, v4, None, "folder/a.json");
    assert_eq!(story.replay.violation, None);
    let mail = story.print(Form::Mail, &OPTIONS);
    fits(&mail);
    let now = &story.replay.parted.as_ref().unwrap().now;
    let end = format!("Here it goes no further: {now}.");
    assert!(unwrapped(&mail).contains(&end), "{mail}");
    assert!(mail.contains("nfsd_file_put_local()"), "{mail}");
    assert!(
        mail.contains("\n  nfsd-check replay a.json --model v4\n"),
        "{mail}"
    );

    let diagram = story.print(Form::Mermaid, &OPTIONS);
    assert!(diagram.matches("Note over").count() > 5, "{diagram}");
    assert!(diagram.contains("Here it goes no further"), "{diagram}");
    let test = story.print(Form::Test, &OPTIONS);
    assert!(test.contains("fixed.model(\"v4\")"), "{test}");
    assert!(!test.contains("comes about"), "{test}");
    snapshot("put-order-v2-8of9-on-v4.mail", &mail);
    snapshot("put-order-v2-8of9-on-v4.mmd", &diagram);
}

#[test]
fn a_wait_for_ever_is_a_line_of_its_own() {
    let story = story(
        "client-io-vs-stop",
        "v4-wait-before-purge",
        ViolationKind::HungTask,
    );
    let wait = "wait_for_completion(nfsd_net_free_done):forever<--";
    for form in [Form::Mail, Form::Text] {
        let text = plain(&story.print(form, &OPTIONS));
        assert_eq!(text.matches("<--").count(), 1, "{text}");
        let letters: String = text.split_whitespace().collect();
        assert!(letters.contains(wait), "{text}");
        assert!(
            text.contains("task nfsd-stop blocked for more than 120 seconds"),
            "{text}"
        );
    }
    let diagram = story.print(Form::Mermaid, &OPTIONS);
    assert!(diagram.contains("for ever (!)"), "{diagram}");
    // In the page and in the trace it is a step after the last one.
    let page = story.print(Form::Html, &OPTIONS);
    let number = story.counterexample.schedule.len() + 1;
    let wait = "wait_for_completion(nfsd_net_free_done): for ever";
    let step = page.split("{\"changes\":").find(|step| step.contains(wait));
    let step = step.unwrap_or_else(|| panic!("{page}"));
    assert!(step.contains("\"marked\":true"), "{step}");
    assert!(step.contains(&format!("\"number\":{number},")), "{step}");
    let trace = story.print(Form::Perfetto, &OPTIONS);
    assert!(trace.contains(wait), "{trace}");
    let threads = story.threads();
    let mut steps = threads.iter().flat_map(|(_, steps)| steps);
    assert!(steps.any(|(_, text)| text.contains(wait)), "{threads:?}");
}

#[test]
fn a_null_pointer_is_an_oops() {
    let story = story("gc-vs-stop", "v4-wake-untested", ViolationKind::Warning);
    let mail = story.print(Form::Mail, &OPTIONS);
    assert!(
        mail.starts_with("A NULL pointer is dereferenced: "),
        "{mail}"
    );
    assert!(
        mail.contains("BUG: kernel NULL pointer dereference in "),
        "{mail}"
    );
    assert!(!mail.contains("WARNING"), "{mail}");
    assert!(!mail.contains("\n\n\n"), "{mail}");
    // What the fix is about is not their order.
    assert!(!mail.contains("In short:"), "{mail}");
    snapshot("gc-vs-stop-v4-wake-untested-warning.mail", &mail);
}

/// The steps of a mail, a line each, as context-free text.
fn steps_of(mail: &str) -> Vec<String> {
    let (_, steps) = mail.split_once("\n     ---").unwrap();
    let (steps, _) = steps.split_once("\n\n").unwrap();
    let mut found: Vec<String> = Vec::new();
    for line in steps.lines().skip(1) {
        let (number, text) = line.split_at(4.min(line.len()));
        match (number.trim().is_empty(), found.last_mut()) {
            (true, None) => {}
            // A name ends where the next line goes on with it.
            (true, Some(last)) if last.ends_with(['.', '>', '(']) => *last += text.trim(),
            (true, Some(last)) => *last = format!("{last} {}", text.trim()),
            (false, _) => found.push(text.trim().to_owned()),
        }
    }
    found
}

/// What a person needs to follow it is there, in order, and what has no part in it is not.
#[test]
fn a_mail_can_be_followed() {
    use ViolationKind::{Leak, ObjectsRemaining, UseAfterFree};
    let list = "nfs_client#1.nfs_uuid->list goes";
    let stop = [
        "spin_unlock(nfsd_gc_lock)",
        // The drain finds nothing yet, the file is queued after it, and the cache goes.
        "list_empty(fcache_dispose_list)",
        "changes fcache_dispose_list",
        "kmem_cache_destroy(nfsd_file_slab)",
    ];
    for (scenario, model, kind, expected) in [
        (
            "client-probe-vs-flush",
            "v4",
            UseAfterFree,
            &[
                "changes nfsd_net#1.local_clients",
                &format!("{list} on a list"),
                "changes local_clients on the stack",
                &format!("{list} on a list"),
                "nfs_client#1.nfs_uuid->list_lock is NULL",
                "returns, and its stack frame is gone",
                "nfs_client#1.nfs_uuid->list_lock = a pointer",
                "nfs_client#1.nfs_uuid->net = a pointer",
            ][..],
        ),
        (
            "client-probe-vs-disable-and-probe",
            "v4",
            UseAfterFree,
            &[
                "nfs_client#1.nfs_uuid->net = NULL",
                &format!("{list} off its list"),
                &format!("{list} on a list"),
                "nfs_client#1.nfs_uuid->net is NULL",
                &format!("{list} off its list"),
                "nfs_client#1.nfs_uuid->net = a pointer",
            ],
        ),
        ("gc-vs-stop", "v1-7of8", Leak, &stop),
        ("gc-vs-stop", "v1-7of8", ObjectsRemaining, &stop),
    ] {
        let mail = story(scenario, model, kind).print(Form::Mail, &OPTIONS);
        fits(&mail);
        let steps = steps_of(&mail);
        let mut rest = steps.iter();
        for expected in expected {
            let found = rest.any(|step| step.contains(expected));
            assert!(found, "{expected} in {steps:#?}\n{mail}");
        }
        assert!(steps.len() <= 40, "{}: {mail}", steps.len());
        assert!(!mail.contains("change nothing"), "{mail}");
        assert!(!mail.contains("choice: 0 of 0 to 0"), "{mail}");
        // What was there before is told before.
        assert!(!mail.contains("[main]"), "{mail}");
        if scenario == "gc-vs-stop" {
            // Its timer needs nobody.
            assert!(unwrapped(&mail).contains("timer fires by itself"), "{mail}");
            assert!(
                !unwrapped(&mail).contains("without this of laundrette"),
                "{mail}"
            );
        }
    }
}

/// What is found by looking when all is over: who looks is no context of the kernel's.
#[test]
fn what_a_kernel_does_not_see_it_does_not_say() {
    let kind = ViolationKind::Warning;
    let story = story("recalc-vs-recalc", "nfsd-next-recalc-unserialized", kind);
    let mail = story.print(Form::Mail, &OPTIONS);
    assert!(!mail.contains("WARNING in"), "{mail}");
    assert!(!mail.contains("waited for all others"), "{mail}");
    assert!(mail.contains("\n  (no message)\n"), "{mail}");
    // The update that is lost: who read before, and who writes after.
    let contexts = ["nfsd-A", "nfsd-B"].map(|name| {
        let threads = story.threads();
        let steps = threads.into_iter().find(|(context, _)| context == name);
        steps.map_or(0, |(_, steps)| steps.len())
    });
    assert!(contexts.iter().all(|steps| *steps > 1), "{mail}");
}

#[test]
fn a_mail_tells_what_else_goes_wrong() {
    let story = story("client-probe-vs-flush", "v4", ViolationKind::UseAfterFree);
    let mail = story.print(Form::Mail, &OPTIONS);
    let (_, others) = mail.split_once("\nIn the same execution:\n").unwrap();
    let (others, _) = others.split_once("\n\n").unwrap();
    let steps = steps_of(&mail);
    let warns = steps
        .iter()
        .position(|step| step.contains("list_lock is NULL"));
    let warns = warns.unwrap() + 1;
    let expected = format!("- ({warns}) The kernel warns: nfs_client#1, in");
    assert!(unwrapped(others).starts_with(&expected), "{mail}");
    assert!(!others.contains("nfsd_net#1,"), "{mail}");
}

/// What stops a kernel is no warning, and what it says nothing of is not put into its mouth.
#[test]
fn a_kernel_says_what_it_would_say() {
    use ViolationKind::{DataRace, ListCorruption, RefAfterExit, Warning};
    for (scenario, model, kind, begins, says, never) in [
        (
            "client-probe-vs-disable-twice",
            "v4",
            Warning,
            "A BUG_ON() of the kernel's is hit: ",
            "kernel BUG at nfs_uuid_put!",
            "WARNING",
        ),
        (
            "local-open-vs-stop-and-start",
            "v4",
            RefAfterExit,
            "A NULL pointer is dereferenced: ",
            "BUG: kernel NULL pointer dereference in percpu_ref_tryget_live",
            "WARNING",
        ),
        (
            "client-open-vs-stop",
            "v4",
            ListCorruption,
            "The walk of a list strays to another list: ",
            "the walk in nfs_localio_invalidate_clients strays to another list",
            "general protection",
        ),
        (
            "close-export-vs-acquire",
            "nfsd-next",
            DataRace,
            "Two accesses race: nfsd_file#1.nf_file, in nfsd_file_close_export().",
            "BUG: KCSAN: data-race in nfsd_file_close_export",
            "data-race in rhashtable_walk_next",
        ),
    ] {
        let story = story(scenario, model, kind);
        let mail = unwrapped(&story.print(Form::Mail, &OPTIONS));
        assert!(mail.starts_with(begins), "{mail}");
        assert!(mail.contains(says), "{mail}");
        assert!(!mail.contains(never), "{mail}");
        let text = unwrapped(&plain(&story.print(Form::Text, &OPTIONS)));
        assert!(text.contains(says), "{text}");
        assert!(!text.contains(never), "{text}");
    }
}

/// Where a replay on another model parts from what was recorded, is said where it does.
#[test]
fn where_the_two_part_is_marked() {
    let c = first("put-order", "v2-8of9");
    let v4 = Library::builtin().model("v4").unwrap();
    let story = Story::new(c, v4, None, "a.json");
    let now = &story.replay.parted.as_ref().unwrap().now;
    let parting = format!("=== here the two part: {now}");
    let followed = story.replay.steps.len();
    let extra: Vec<usize> = (0..followed)
        .filter(|&at| story.replay.steps[at].is_none())
        .collect();
    assert!(!extra.is_empty() && !story.replay.missing.is_empty());

    let page = story.print(Form::Html, &OPTIONS);
    let data = page.split("id=\"data\">").nth(1).unwrap();
    let data = data.split("</script>").next().unwrap();
    let data: serde_json::Value = serde_json::from_str(data).unwrap();
    let steps = data["steps"].as_array().unwrap();
    let is = steps.iter().enumerate();
    let is: Vec<usize> = is
        .filter(|(_, step)| step["extra"] == true)
        .map(|(at, _)| at)
        .collect();
    assert_eq!(is, extra);
    let before = match steps.get(followed) {
        Some(step) => &step["before"],
        None => &data["after"],
    };
    let before = before.as_array().unwrap();
    assert_eq!(before.last().unwrap(), parting.as_str());
    let gone = data.to_string().matches(": not here: ").count();
    assert_eq!(gone, story.replay.missing.len());
    // That it did not come about is said once, and then why.
    assert!(page.contains("<h1 id=\"title\">put-order on v4: it did not come about</h1>"));
    let claim = data["claim"].as_str().unwrap();
    assert!(claim.contains(now), "{claim}");
    assert!(!claim.contains("did not come about"), "{claim}");

    let mut stepping = Stepping::new(&story);
    let shown = |stepping: &mut Stepping| {
        let backend = ratatui::backend::TestBackend::new(300, 40);
        let mut terminal = ratatui::Terminal::new(backend).unwrap();
        terminal.draw(|frame| stepping.draw(frame)).unwrap();
        terminal.backend().to_string()
    };
    let mut found = false;
    for at in 0..=steps.len() {
        let text = shown(&mut stepping);
        let lines: Vec<&str> = text.lines().collect();
        let line = |number: usize| {
            let mut lines = lines.iter();
            lines.position(|line| {
                let line = line.trim_start_matches(['"', '\u{2502}', '>', ' ']);
                line.starts_with(&format!("{number} "))
            })
        };
        if extra.contains(&(at.wrapping_sub(1))) {
            let current = lines[line(at).unwrap()];
            assert!(current.contains(" + "), "{current}");
        }
        if at == followed {
            let parting = &parting[..30];
            let here = lines.iter().position(|line| line.contains(parting));
            let here = here.unwrap_or_else(|| panic!("{text}"));
            assert!(line(at).unwrap() < here, "{text}");
            assert!(line(at + 1).is_none_or(|next| here < next), "{text}");
            let below = format!("After step {at} the two part: ");
            assert!(text.contains(&below), "{text}");
            found = true;
        }
        stepping.press(Key::Next);
    }
    assert!(found);
}

/// A name may have 59 characters.
#[test]
fn a_long_name_does_not_make_a_long_line() {
    let mut c = found("put-order", "v2-8of9", ViolationKind::UseAfterDestroy);
    let mut names: Vec<String> = Vec::new();
    for (place, actor) in c.scenario.actors.iter_mut().enumerate() {
        let old = actor.name.clone();
        let name = format!("{place}-{}", "a-very-long-name-".repeat(4));
        actor.name = name[..59].to_owned();
        for step in &mut c.schedule {
            if step.context == old {
                step.context.clone_from(&actor.name);
            }
        }
        names.push(actor.name.clone());
    }
    let model = c.model.clone();
    let story = Story::new(c, model, None, "a.json");
    let mail = story.print(Form::Mail, &OPTIONS);
    assert!(story.replay.violation.is_some(), "{mail}");
    assert!(
        mail.contains("queued by task") || mail.contains("Queued by task"),
        "{mail}"
    );
    fits(&mail);
    for name in names {
        assert!(mail.contains(&name), "{name}: {mail}");
    }
}

/// The words of the program are none of the reader's.
#[test]
fn a_mail_is_in_the_words_of_its_reader() {
    for story in stories() {
        let text = story.print(Form::Mail, &OPTIONS);
        for jargon in [
            "task main",
            "in main",
            "Main ",
            "(between functions)",
            "stack_frame",
            "percpu_count#",
            "fence",
            "INFO: task blocked",
            "no mail",
            "blocked for ever",
            "\n\n\n",
        ] {
            assert!(
                !text.contains(jargon),
                "{}: {jargon:?} in {text}",
                story.file
            );
        }
        // Names keep their small letters.
        for word in text.split_whitespace() {
            let mut chars = word.chars();
            let capital = chars.next().is_some_and(|c| c.is_ascii_uppercase());
            let rest = chars.as_str();
            let is_name = rest.contains(|c: char| c == '_' || c.is_ascii_digit())
                && rest.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
            assert!(!(capital && is_name), "{}: {word}", story.file);
        }
        let short = text.split("In short: ").nth(1).unwrap_or_default();
        let short = short.split("\nThe").next().unwrap_or_default();
        assert!(!short.contains("callback has run"), "{short}");
        // No name is cut.
        let lines: Vec<&str> = text.lines().collect();
        let rule = lines.iter().position(|line| line.starts_with("     -"));
        let heads = lines[..rule.unwrap()].iter().rev();
        let heads = heads.take_while(|line| !line.is_empty());
        let actors = &story.counterexample.scenario.actors;
        for word in heads.flat_map(|line| line.split_whitespace()) {
            let is_actor = actors.iter().any(|actor| actor.name == word);
            assert!(is_actor || word == "(kernel)", "{}: {word}", story.file);
        }
    }
}

#[test]
fn what_orders_the_two_is_read_off_the_other_model() {
    for (scenario, model, kind, which, through) in [
        (
            "put-order",
            "v2-8of9",
            ViolationKind::ObjectsRemaining,
            &["put_local_order"][..],
            "nfsd_file_free -> call_rcu -> nfsd_net_put -> complete -> nfsd_shutdown_net -> \
             wait_for_completion -> nfsd_file_cache_shutdown -> rcu_barrier",
        ),
        (
            "gc-vs-netns-exit",
            "v2-8of9",
            ViolationKind::UseAfterFree,
            // Who holds a spinlock is a reader, so the grace period of the shutdown waits for it.
            &["gc_lock_gc"],
            "spin_unlock(nfsd_gc_lock) -> end of a grace period -> \
             percpu_ref_switch_to_atomic_rcu -> complete -> nfsd_shutdown_net -> \
             wait_for_completion -> svc_destroy -> kfree",
        ),
        (
            "gc-vs-stop",
            "v1-7of8",
            ViolationKind::Leak,
            // Either half of the pair.
            &["gc_lock_gc", "shutdown_barrier"],
            "nfsd_file_dispose_list_delayed -> nfsd_file_gc -> spin_unlock(nfsd_gc_lock) -> \
             nfsd_file_cache_shutdown_net -> spin_lock(nfsd_gc_lock) -> nfsd_file_dispose_list -> \
             list_empty",
        ),
    ] {
        let story = story(scenario, model, kind);
        let why = story.why.as_ref().unwrap();
        let against = why.against.as_ref().unwrap();
        assert_eq!(against.model.name, "v4");
        assert!(matches!(&against.there, Some(There::Ordered(o)) if !o.same_way));
        let choices: Vec<_> = against.decisive.iter().map(|d| d.choice.name).collect();
        assert_eq!(choices, which);
        let lines = why.lines(&story.replay, &story.counterexample.scenario, "There");
        let chain = lines.iter().find_map(|line| match line {
            why::Line::Chain(chain) => Some(chain.as_str()),
            _ => None,
        });
        let chain = chain.unwrap();
        assert!(chain.contains(through), "{chain}");
    }
}

/// Two models that differ in the one choice that is said to decide differ in the verdict too.
#[test]
fn the_choice_that_decides_decides() {
    for story in stories() {
        let Some(why) = &story.why else { continue };
        let Some(against) = &why.against else {
            continue;
        };
        let mut choices = against.model.choices;
        for decisive in &against.decisive {
            assert!(choices.set(decisive.choice.name, decisive.here.name));
        }
        let scenario = Arc::new(story.counterexample.scenario.clone());
        let limits = Limits {
            memory_model: match story.counterexample.weak {
                true => MemoryModel::Rc11,
                false => MemoryModel::Sc,
            },
            all: true,
            max_executions: Some(10_000),
            ..Limits::default()
        };
        let kind = story.counterexample.violation.kind;
        let kinds = |choices| {
            let explored = explore(&program(&scenario, choices), &limits);
            explored.findings.iter().any(|finding| finding.kind == kind)
        };
        assert!(!against.decisive.is_empty(), "{}", story.file);
        assert!(kinds(choices), "{}", story.file);
        assert!(!kinds(against.model.choices), "{}", story.file);
    }
}

/// Mermaid's grammar of sequence diagrams, as much of it as is written: before that, `#NAME;` becomes what
/// it stands for. A `;` ends a statement, and `#` and `%%` begin comments, wherever they are.
#[track_caller]
pub(crate) fn is_diagram(text: &str, what: &str) {
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("sequenceDiagram"), "{what}");
    let mut participants: Vec<&str> = Vec::new();
    let mut titles = 0;
    for line in lines {
        let mut statement = String::new();
        let mut parts = line.split('#');
        statement.push_str(parts.next().unwrap());
        for part in parts {
            let (name, rest) = part
                .split_once(';')
                .unwrap_or_else(|| panic!("{what}: {line}"));
            let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric());
            assert!(is_name, "{what}: {line}");
            statement.push('?');
            statement.push_str(rest);
        }
        let is_text = |text: &str| {
            let text = text.replace("<br/>", "");
            let is_plain = |c: char| (' '..='~').contains(&c) && !";:<>".contains(c);
            // A style is looked for before anything else, wherever it is.
            let other = ["%%", "style", "classDef", "wrap"];
            !text.trim().is_empty()
                && text.chars().all(is_plain)
                && !other.iter().any(|other| text.contains(other))
        };
        let statement = statement.strip_prefix("    ").unwrap();
        let is_one = if let Some(title) = statement.strip_prefix("title ") {
            titles += 1;
            is_text(title)
        } else if let Some(rest) = statement.strip_prefix("participant ") {
            let (id, name) = rest.split_once(" as ").unwrap();
            let number = id.strip_prefix('c').and_then(|number| number.parse().ok());
            assert_eq!(number, Some(participants.len()), "{what}: {line}");
            participants.push(&line["    participant ".len()..][..id.len()]);
            is_text(name)
        } else if let Some(rest) = statement.strip_prefix("Note over ") {
            let (id, text) = rest.split_once(": ").unwrap();
            participants.contains(&id) && is_text(text)
        } else {
            let (signal, text) = statement.split_once(": ").unwrap();
            let (from, to) = signal.split_once("-->>").unwrap();
            participants.contains(&from) && participants.contains(&to) && is_text(text)
        };
        assert!(is_one, "{what}: {line}");
    }
    assert_eq!(titles, 1, "{what}");
}

/// The rules of Chrome's trace events, and what Perfetto's reader asks for beside: it takes thread 0 for
/// the idle task, ends a slice by its name, and binds both ends of an arrow to the innermost slice that is
/// open on the thread at that time.
#[track_caller]
pub(crate) fn is_trace(text: &str, what: &str) -> Vec<serde_json::Value> {
    let trace: serde_json::Value = serde_json::from_str(text).unwrap();
    assert!(["ns", "ms"].contains(&trace["displayTimeUnit"].as_str().unwrap()));
    let events = trace["traceEvents"].as_array().unwrap();
    let number = |event: &serde_json::Value, field: &str| {
        let number = event[field].as_u64();
        number.unwrap_or_else(|| panic!("{what}: no {field}: {event}"))
    };
    let mut names: BTreeMap<u64, &str> = BTreeMap::new();
    let mut flows: BTreeMap<u64, Vec<&serde_json::Value>> = BTreeMap::new();
    let mut timed: Vec<&serde_json::Value> = Vec::new();
    for event in events {
        assert_eq!(number(event, "pid"), 1, "{what}");
        let name = event["name"].as_str().unwrap_or_default();
        assert!(!name.is_empty(), "{what}: {event}");
        let phase = event["ph"].as_str().unwrap();
        if phase == "M" {
            match name {
                "process_name" => assert!(!event["args"]["name"].as_str().unwrap().is_empty()),
                "thread_name" => {
                    let name = event["args"]["name"].as_str().unwrap();
                    let other = names.insert(number(event, "tid"), name);
                    assert!(!name.is_empty() && other.is_none(), "{what}: {event}");
                }
                "thread_sort_index" => drop(number(&event["args"], "sort_index")),
                _ => panic!("{what}: {event}"),
            }
            continue;
        }
        assert!(number(event, "tid") > 0, "{what}: {event}");
        timed.push(event);
        match phase {
            "X" => assert!(number(event, "dur") > 0, "{what}: {event}"),
            "s" | "f" => {
                assert!(event["cat"].is_string(), "{what}: {event}");
                assert_eq!(event["bp"] == "e", phase == "f", "{what}: {event}");
                flows.entry(number(event, "id")).or_default().push(event);
            }
            "i" => assert_eq!(event["s"], "g", "{what}: {event}"),
            "B" | "E" => {}
            _ => panic!("{what}: {event}"),
        }
    }
    for (id, ends) in &flows {
        let [begin, end] = ends[..] else {
            panic!("{what}: arrow {id} has {} ends", ends.len());
        };
        assert_eq!((&begin["ph"], &end["ph"]), (&"s".into(), &"f".into()));
        assert_eq!((&begin["cat"], &begin["name"]), (&end["cat"], &end["name"]));
        assert!(number(begin, "ts") < number(end, "ts"), "{what}: {begin}");
        assert_ne!(begin["tid"], end["tid"], "{what}: {begin}");
    }
    // In the order in which it is read: by time, and what is at the same time as it is written.
    timed.sort_by_key(|event| number(event, "ts"));
    let mut open: BTreeMap<u64, Vec<(&str, u64)>> = BTreeMap::new();
    for event in timed {
        let (thread, now) = (number(event, "tid"), number(event, "ts"));
        assert!(names.contains_key(&thread), "{what}: {event}");
        let open = open.entry(thread).or_default();
        open.retain(|(_, end)| *end > now);
        let name = event["name"].as_str().unwrap();
        let never = u64::MAX;
        match event["ph"].as_str().unwrap() {
            "B" => {
                assert!(open.iter().all(|(_, end)| *end == never), "{what}: {event}");
                open.push((name, never));
            }
            "E" => assert_eq!(open.pop(), Some((name, never)), "{what}: {event}"),
            "X" => {
                assert!(open.iter().all(|(_, end)| *end == never), "{what}: {event}");
                open.push((name, now + number(event, "dur")));
            }
            "s" | "f" => {
                let bound = open.last().is_some_and(|(_, end)| *end != never);
                assert!(bound, "{what}: {event}");
            }
            _ => {}
        }
    }
    let open = open.values().flatten();
    assert!(open.into_iter().all(|(_, end)| *end != u64::MAX), "{what}");
    events.clone()
}

#[test]
fn the_diagram_means_nothing_else_to_mermaid() {
    for story in stories() {
        is_diagram(&story.print(Form::Mermaid, &OPTIONS), &story.file);
    }
}

#[test]
fn the_trace_is_what_perfetto_reads() {
    for story in stories() {
        let events = is_trace(&story.print(Form::Perfetto, &OPTIONS), &story.file);
        assert!(
            events.iter().any(|event| event["ph"] == "s"),
            "{}",
            story.file
        );
        let steps = events.iter().filter(|event| event["ph"] == "X").count();
        let waits = story.counterexample.violation.kind == ViolationKind::HungTask
            && story.counterexample.violation.context != "main";
        let all = story.counterexample.schedule.len() + usize::from(waits);
        assert_eq!(steps, all, "{}", story.file);
    }
}

/// All counterexamples that `gate --out` has written, in all forms that others read.
#[test]
#[ignore = "COUNTEREXAMPLES is a folder of them"]
fn every_counterexample_of_a_folder_is_told_in_all_forms() {
    let folder = std::env::var_os("COUNTEREXAMPLES").expect("COUNTEREXAMPLES is a folder");
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    files.retain(|file| {
        file.extension()
            .is_some_and(|extension| extension == "json")
    });
    files.sort();
    assert!(!files.is_empty());
    for path in files {
        let c = Counterexample::load(&path).unwrap();
        let what = path.display().to_string();
        let model = c.model.clone();
        let against = why::against(&c.scenario, &c.model, None, &Library::builtin()).unwrap();
        let story = Story::new(c, model, against.as_ref(), &what);
        is_diagram(&story.print(Form::Mermaid, &OPTIONS), &what);
        is_trace(&story.print(Form::Perfetto, &OPTIONS), &what);
        for width in [40, 80, 100] {
            let options = Options { width, ..OPTIONS };
            for line in plain(&story.print(Form::Text, &options)).lines() {
                assert!(line.len() <= width, "{what}, {width}: {line}");
            }
        }
        for line in story.print(Form::Mail, &OPTIONS).lines() {
            assert!(line.len() <= 72 && line.is_ascii(), "{what}: {line}");
        }
    }
}

/// Where a grace period is waited for, it is said who holds it up, and of a word, who has still to change it.
#[test]
fn who_is_waited_for_is_named() {
    let parted = |scenario: &str, model: &str, kind| {
        let c = found(scenario, model, kind);
        let v4 = Library::builtin().model("v4").unwrap();
        let story = Story::new(c, v4, None, "x.json");
        story.replay.parted.unwrap().now
    };
    let now = parted("gc-vs-netns-exit", "v2-8of9", ViolationKind::UseAfterFree);
    assert_eq!(
        now,
        "rcu callback 2 waits for the end of RCU grace period 2, which laundrette holds up"
    );
    let kind = ViolationKind::Warning;
    let now = parted("acquire-vs-acquire", "v4-flags-after-insert", kind);
    assert!(now.contains(" has still to change, in nfsd_file_"), "{now}");
}

/// Who has only the mail knows what the file system does.
#[test]
fn a_mail_says_what_is_besides() {
    let story = story("stale-open-vs-stop", "v4", ViolationKind::UseAfterFree);
    for form in [Form::Mail, Form::Html] {
        let text = story.print(form, &OPTIONS).replace('\n', " ");
        let said = "The file handle of i0 is stale when it is opened for the first time";
        assert!(text.contains(said), "{text}");
    }
}

/// What is chosen is told in words, and columns are kept in a terminal of 80.
#[test]
fn choices_have_words_and_actors_columns() {
    let options = Options {
        width: 80,
        all_steps: true,
    };
    let mut chosen = 0;
    for story in stories() {
        let text = plain(&story.print(Form::Text, &options));
        let wide = Options {
            width: 400,
            ..options
        };
        let wide = plain(&story.print(Form::Text, &wide));
        assert!(!wide.contains("choice: "), "{wide}");
        chosen += usize::from(wide.contains(" of 2 is to do it"));
        let actors = &story.counterexample.scenario.actors;
        let title = text
            .lines()
            .find(|line| line.trim_start().starts_with("step "))
            .unwrap();
        for actor in actors {
            assert!(
                title.contains(&actor.name[..actor.name.len().min(11)]),
                "{title}"
            );
        }
    }
    assert!(chosen > 0);
}

/// The test that is printed is one of the repository, and passes.
#[test]
fn the_test_is_the_one_that_is_run() {
    let story = story("put-order", "v2-8of9", ViolationKind::ObjectsRemaining);
    let text = story.print(Form::Test, &OPTIONS);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/put_order.rs");
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        fs::write(&path, &text).unwrap();
    }
    assert_eq!(text, fs::read_to_string(&path).unwrap());
}

#[test]
fn reports_are_written_beside_the_counterexample_and_never_over_anything() {
    let counterexample = found("put-order", "v2-8of9", ViolationKind::ObjectsRemaining);
    let folder = tempfile::tempdir().unwrap();
    let path = counterexample.save(folder.path()).unwrap();
    let model = counterexample.model.clone();
    let story = Story::new(counterexample, model, None, path.to_str().unwrap());
    let first = story.save(Form::Mail).unwrap();
    assert_eq!(first, path.with_extension("mail"));
    assert_eq!(story.save(Form::Mail).unwrap(), first);
    fs::write(&first, "somebody's answer").unwrap();
    let second = story.save(Form::Mail).unwrap();
    let name = second.file_name().unwrap().to_str().unwrap();
    assert_eq!(name, "put-order-v2-8of9-objects-remaining-2.mail");
    assert_eq!(fs::read_to_string(&first).unwrap(), "somebody's answer");
    let text = story.save(Form::Text).unwrap();
    assert!(!fs::read_to_string(text).unwrap().contains('\u{1b}'));
}
