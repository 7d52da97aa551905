// SPDX-License-Identifier: GPL-2.0-only
//! Each way in which a file can be wrong, with the place and the words that it is told in.

use nfsd_check::{json::MAX_BYTES, model::Model, scenario::Scenario};

const MODELS: &[&str] = &[
    "before-series",
    "v1-7of8",
    "v1-8of8",
    "v2-8of9",
    "v2-review",
    "v4",
];

#[track_caller]
fn scenario_error(text: impl AsRef<[u8]>, expected: &str) {
    let error = Scenario::parse("scenarios/x.json", text.as_ref(), MODELS).unwrap_err();
    assert_eq!(error.to_string(), format!("scenarios/x.json:{expected}"));
}

#[track_caller]
fn model_error(text: impl AsRef<[u8]>, expected: &str) {
    let error = Model::parse("models/m.json", text.as_ref()).unwrap_err();
    assert_eq!(error.to_string(), format!("models/m.json:{expected}"));
}

/// A scenario with these fields on its second line, from column 1.
fn fields(fields: &str) -> String {
    let mut text = String::from("{\n");
    text += fields;
    for (name, value) in [
        ("name", "\"x\""),
        ("nets", "[\"A\", {\"name\": \"B\", \"user\": true}]"),
        ("inodes", "[\"i0\", \"i1\"]"),
        ("setup", "[\"start B\"]"),
        ("actors", "{\"a\": [\"gc\"]}"),
    ] {
        let key = format!("\"{name}\":");
        if !fields.lines().any(|line| line.starts_with(&key)) {
            text += &format!(",\n{key} {value}");
        }
    }
    text + "\n}\n"
}

/// A scenario with these operations of an actor on its second line, from column 13.
fn actor(operations: &str) -> String {
    fields(&format!("\"actors\":{{\"a\":{operations}}}"))
}

/// A scenario with this setup on its second line, from column 10, and an actor that follows.
fn after_setup(setup: &str, operations: &str) -> String {
    fields(&format!(
        "\"setup\":[{setup}],\n\"actors\":{{\"a\":[{operations}]}}"
    ))
}

#[test]
fn the_helpers_make_valid_files() {
    for text in [
        fields("\"about\":\"\""),
        actor("[\"gc\"]"),
        after_setup("", "\"gc\""),
    ] {
        Scenario::parse("x.json", text.as_bytes(), MODELS).unwrap();
    }
}

#[test]
fn not_json() {
    scenario_error("", "1:1: not JSON: EOF while parsing a value");
    scenario_error("{\n  \"name\" \"x\"\n}", "2:10: not JSON: expected `:`");
    scenario_error("{\n  \"nets\": [],\n}", "3:1: not JSON: trailing comma");
    scenario_error("{ // why\n}", "1:3: not JSON: key must be a string");
    scenario_error("{ name: 1 }", "1:3: not JSON: key must be a string");
    scenario_error("{\"näme\": 'x'}", "1:10: not JSON: expected value");
    scenario_error(
        "{\"gc_passes\": 0x10}",
        "1:16: not JSON: expected `,` or `}`",
    );
    scenario_error(
        "{\"name\": \"\u{1}\"}",
        "1:11: not JSON: control character (\\u0000-\\u001F) found while parsing a string",
    );
    scenario_error(
        "{\"name\": \"\\ud800\"}",
        "1:17: not JSON: unexpected end of hex escape",
    );
    model_error("nul", "1:3: not JSON: EOF while parsing a value");
}

#[test]
fn trailing_garbage() {
    scenario_error(
        fields("\"about\":\"\"") + "}",
        "9:1: not JSON: trailing characters",
    );
    model_error("{} {}", "1:4: not JSON: trailing characters");
}

#[test]
fn not_utf8() {
    scenario_error(b"{\n \"\xff\"}", "2:3: not UTF-8");
}

#[test]
fn too_long() {
    let text = " ".repeat(MAX_BYTES + 1);
    scenario_error(&text, "1:1: the file is longer than 1048576 bytes");
    model_error(&text, "1:1: the file is longer than 1048576 bytes");
    // One byte less is read, and is no JSON.
    scenario_error(&text[1..], "1:1048576: not JSON: EOF while parsing a value");
}

#[test]
fn nested_too_deeply() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let depth = MAX_BYTES / (open.len() + close.len()) - 1;
        let text = open.repeat(depth) + "1" + &close.repeat(depth);
        let column = 128 * open.len() - open.len() + 1;
        scenario_error(
            &text,
            &format!("1:{column}: not JSON: recursion limit exceeded"),
        );
        scenario_error(
            open.repeat(depth),
            &format!("1:{column}: not JSON: recursion limit exceeded"),
        );
    }
}

#[test]
fn wrong_types() {
    scenario_error("[]", "1:1: a scenario must be an object, not an array");
    scenario_error(
        fields("\"name\":7"),
        "2:8: 'name' must be a string, not a number",
    );
    scenario_error(
        fields("\"about\":null"),
        "2:9: 'about' must be a string, not null",
    );
    scenario_error(
        fields("\"nets\":{}"),
        "2:8: 'nets' must be an array, not an object",
    );
    scenario_error(
        fields("\"nets\":[true]"),
        "2:9: a net's name must be a string, not a boolean",
    );
    scenario_error(
        fields("\"nets\":[{\"name\":\"B\",\"user\":1}]"),
        "2:28: 'user' must be true or false, not a number",
    );
    scenario_error(
        fields("\"inodes\":[[]]"),
        "2:11: an inode's name must be a string, not an array",
    );
    scenario_error(
        fields("\"alloc\":true"),
        "2:9: 'alloc' must be a string, not a boolean",
    );
    scenario_error(
        fields("\"gc_passes\":\"2\""),
        "2:13: 'gc_passes' must be a whole number from 0 to 16, not a string",
    );
    scenario_error(
        fields("\"preempt_rcu\":\"no\""),
        "2:15: 'preempt_rcu' must be true or false, not a string",
    );
    scenario_error(
        fields("\"setup\":\"gc\""),
        "2:9: 'setup' must be an array, not a string",
    );
    scenario_error(
        fields("\"setup\":[1]"),
        "2:10: an operation must be a string, not a number",
    );
    scenario_error(
        fields("\"actors\":[]"),
        "2:10: 'actors' must be an object, not an array",
    );
    scenario_error(
        actor("\"gc\""),
        "2:15: the actor 'a' must be an array, not a string",
    );
    scenario_error(
        fields("\"expect\":[]"),
        "2:10: 'expect' must be an object, not an array",
    );
    scenario_error(
        fields("\"expect\":{\"v4\":true}"),
        "2:16: an expectation other than \"holds\" and \"undecided\" must be an array, not a boolean",
    );
    scenario_error(
        fields("\"expect\":{\"v4\":[1]}"),
        "2:17: a kind of violation must be a string, not a number",
    );
}

#[test]
fn fields_that_are_unknown_missing_or_doubled() {
    scenario_error(
        fields("\"actor\":{}"),
        "2:1: unknown field 'actor' (did you mean 'actors'?)",
    );
    scenario_error(
        fields("\"nets\":[{\"nam\":\"B\"}]"),
        "2:10: unknown field 'nam' (did you mean 'name'?)",
    );
    scenario_error(
        fields("\"inodes\":[{\"name\":\"i\",\"writeback\":true}]"),
        "2:23: unknown field 'writeback' (did you mean 'writeback_error'?)",
    );
    scenario_error("\n {}", "2:2: a scenario without 'name'");
    scenario_error("{\"name\": \"x\"}", "1:1: a scenario without 'nets'");
    scenario_error(
        "{\"name\":\"x\",\"nets\":[\"B\"]}",
        "1:1: a scenario without 'actors'",
    );
    scenario_error(
        fields("\"nets\":[{\"user\":true}]"),
        "2:9: a net without 'name'",
    );
    scenario_error(
        fields("\"about\":\"\",\"about\":\"\""),
        "2:12: 'about' is given twice",
    );
}

#[test]
fn the_name_is_that_of_the_file() {
    scenario_error(
        fields("\"name\":\"y\""),
        "2:8: the name 'y' is not that of the file (did you mean 'x'?)",
    );
    model_error(
        "{\"name\":\"v4\"}",
        "1:9: the name 'v4' is not that of the file (did you mean 'm'?)",
    );
}

#[test]
fn names_are_one_word() {
    let rule = "must be letters, digits, '-', '_' and '.', a letter or digit first, not";
    scenario_error(fields("\"name\":\"\""), &format!("2:8: the name {rule} ''"));
    scenario_error(
        fields("\"nets\":[\"a net\"]"),
        &format!("2:9: a net's name {rule} 'a net'"),
    );
    scenario_error(
        fields("\"inodes\":[\"-\"]"),
        &format!("2:11: an inode's name {rule} '-'"),
    );
    scenario_error(
        fields("\"actors\":{\"\\u001b[2J\":[\"gc\"]}"),
        &format!("2:11: an actor's name {rule} '\\u{{1b}}[2J'"),
    );
    scenario_error(
        actor("[\"x% = acquire B i0\"]"),
        &format!("2:17: a file's name {rule} 'x%'"),
    );
}

#[test]
fn long_names_are_shortened() {
    let long = "é".repeat(1000);
    scenario_error(
        fields(&format!("\"{long}\":1")),
        &format!("2:1: unknown field '{}…'", "é".repeat(60)),
    );
}

#[test]
fn duplicate_names() {
    scenario_error(
        fields("\"nets\":[\"B\",{\"name\":\"B\"}]"),
        "2:13: 'B' is given twice",
    );
    scenario_error(
        fields("\"inodes\":[\"i0\",\"i0\"]"),
        "2:16: 'i0' is given twice",
    );
    scenario_error(
        fields("\"actors\":{\"a\":[\"gc\"],\"a\":[\"gc\"]}"),
        "2:22: 'a' is given twice",
    );
    scenario_error(
        fields("\"expect\":{\"v4\":\"holds\",\"v4\":\"holds\"}"),
        "2:24: 'v4' is given twice",
    );
    scenario_error(
        fields("\"expect\":{\"v4\":[\"leak\",\"leak\"]}"),
        "2:24: 'leak' is given twice",
    );
}

#[test]
fn option_values() {
    scenario_error(
        fields("\"alloc\":\"may_fail\""),
        "2:9: unknown value of 'alloc': 'may_fail' (did you mean 'may-fail'?)",
    );
    scenario_error(
        fields("\"epilogue\":\"non\""),
        "2:12: unknown value of 'epilogue': 'non' (did you mean 'none'?)",
    );
    scenario_error(
        fields("\"inodes\":[{\"name\":\"i0\",\"open\":\"fail\"}]"),
        "2:31: unknown value of 'open': 'fail' (did you mean 'fails'?)",
    );
    for number in ["17", "-1", "1.5", "2e0", "4294967298"] {
        scenario_error(
            fields(&format!("\"gc_passes\":{number}")),
            &format!("2:13: 'gc_passes' must be a whole number from 0 to 16, not '{number}'"),
        );
    }
}

#[test]
fn nothing_to_run() {
    scenario_error(fields("\"nets\":[]"), "2:8: a scenario needs a net");
    scenario_error(fields("\"actors\":{}"), "2:10: a scenario needs an actor");
    scenario_error(actor("[]"), "2:15: the actor 'a' does nothing");
}

#[test]
fn too_many() {
    let names = |count, value: &str| {
        let names = (0..count).map(|i| format!("\"n{i}\"{value}"));
        names.collect::<Vec<_>>().join(",\n")
    };
    let actors = |count| fields(&format!("\"actors\":{{{}}}", names(count, ":[\"gc\"]")));
    assert!(Scenario::parse("x.json", actors(32).as_bytes(), MODELS).is_ok());
    scenario_error(actors(33), "34:1: a scenario has at most 32 actors");
    let nets = fields(&format!("\"nets\":[{}]", names(33, "")));
    scenario_error(nets, "34:1: 'nets' has more than 32 elements");
    let inodes = fields(&format!("\"inodes\":[{}]", names(33, "")));
    scenario_error(inodes, "34:1: 'inodes' has more than 32 elements");
}

#[test]
fn operations() {
    scenario_error(actor("[\"\"]"), "2:16: expected an operation");
    scenario_error(actor("[\"x =\"]"), "2:16: expected an operation");
    scenario_error(
        actor("[\"gc\",\"srhink\"]"),
        "2:22: unknown operation 'srhink' (did you mean 'shrink'?)",
    );
    scenario_error(
        actor("[\"nfsd_file_put_locl x\"]"),
        "2:17: unknown operation 'nfsd_file_put_locl' (did you mean 'nfsd_file_put_local'?)",
    );
    scenario_error(actor("[\"stop C\"]"), "2:22: unknown net 'C'");
    scenario_error(
        actor("[\"stop b\"]"),
        "2:22: unknown net 'b' (did you mean 'B'?)",
    );
    scenario_error(
        actor("[\"unlink  i00\"]"),
        "2:25: unknown inode 'i00' (did you mean 'i0'?)",
    );
    // In a string with escapes the place is the string.
    scenario_error(actor("[\"stop\\u0020C\"]"), "2:16: unknown net 'C'");
}

#[test]
fn the_syntax_of_operations() {
    let acquire = "expected 'FILE = acquire NET INODE [gc]'";
    scenario_error(actor("[\"acquire B i0\"]"), &format!("2:17: {acquire}"));
    scenario_error(actor("[\"x = acquire B\"]"), &format!("2:21: {acquire}"));
    scenario_error(
        actor("[\"x = acquire B i0 cg\"]"),
        &format!("2:34: {acquire}"),
    );
    scenario_error(
        actor("[\"x = nfsd_file_acquire_gc B i0 gc\"]"),
        &format!("2:47: {acquire}"),
    );
    scenario_error(actor("[\"x = gc\"]"), "2:17: expected 'gc'");
    scenario_error(actor("[\"gc now\"]"), "2:20: expected 'gc'");
    scenario_error(actor("[\"put\"]"), "2:17: expected 'put FILE'");
    scenario_error(
        actor("[\"start B threads\"]"),
        "2:17: expected 'start NET [threads N [min M]]'",
    );
    scenario_error(
        actor("[\"start B 2\"]"),
        "2:25: expected 'start NET [threads N [min M]]'",
    );
    for threads in ["0", "9", "+1", "two", "4294967297"] {
        scenario_error(
            actor(&format!("[\"start B threads {threads}\"]")),
            &format!("2:33: threads must be a whole number from 1 to 8, not '{threads}'"),
        );
    }
}

#[test]
fn a_directory_is_delegated_by_who_has_it() {
    let scenario = |actors: &str| {
        fields(&format!(
            "\"inodes\":[{{\"name\":\"d\",\"directory\":true}}],\n\"setup\":[\"start B\",\"x = acquire_dir B d\"],\n\
             \"actors\":{{{actors}}}"
        ))
    };
    scenario_error(
        scenario("\"a\":[\"delegate x\"],\"b\":[\"put x\"]"),
        "4:26: the directory 'x' is put by another actor, 'b'",
    );
    scenario_error(
        scenario("\"a\":[\"delegate x\",\"delegate x\"]"),
        "4:39: the directory 'x' is delegated twice",
    );
}

#[test]
fn files_that_nothing_made() {
    scenario_error(actor("[\"put x\"]"), "2:21: nothing makes the file 'x'");
    scenario_error(
        after_setup("\"start B\",\"file1 = acquire B i0\"", "\"put file\""),
        "3:21: nothing makes the file 'file' (did you mean 'file1'?)",
    );
    scenario_error(
        actor("[\"put x\",\"x = acquire B i0\"]"),
        "2:21: the file 'x' is used before it is made",
    );
    scenario_error(
        actor("[\"x = acquire B i0\"],\n\"b\":[\"put x\"]"),
        "3:11: the file 'x' is made by another actor, 'a'",
    );
}

#[test]
fn files_that_are_made_or_put_twice() {
    scenario_error(
        after_setup(
            "\"start B\",\"x = acquire B i0\"",
            "\"x = local_open B i0\"",
        ),
        "3:17: the file 'x' is made twice",
    );
    scenario_error(
        actor("[\"x = acquire B i0\",\"put x\",\"put x\"]"),
        "2:48: the file 'x' is put twice",
    );
    scenario_error(
        after_setup(
            "\"start B\",\"x = local_open B i0\",\"local_done x\"",
            "\"local_done x\"",
        ),
        "3:28: the file 'x' is put twice",
    );
    scenario_error(
        after_setup(
            "\"start B\",\"x = acquire B i0\"",
            "\"put x\"],\n\"b\":[\"put x\"",
        ),
        "4:11: the file 'x' is put twice",
    );
}

#[test]
fn files_that_are_put_the_wrong_way() {
    scenario_error(
        actor("[\"x = acquire B i0\",\"local_done x\"]"),
        "2:36: local_done of the file 'x', which acquire made (did you mean 'put'?)",
    );
    scenario_error(
        actor("[\"x = local_open B i0\",\"put x\"]"),
        "2:39: put of the file 'x', which local_open made (did you mean 'local_done'?)",
    );
}

#[test]
fn clients_and_what_no_client_does() {
    let with = |clients: &str, actors: &str| {
        fields(&format!(
            "\"clients\":[{clients}],\n\"setup\":[\"x = local_io c i0\"],\n\"actors\":{{{actors}}}"
        ))
    };
    let c = "{\"name\":\"c\",\"net\":\"B\"}";
    scenario_error(
        with("{\"name\":\"c\",\"net\":\"D\"}", "\"a\":[\"gc\"]"),
        "2:30: unknown net 'D'",
    );
    scenario_error(
        with(&format!("{c},{c}"), "\"a\":[\"gc\"]"),
        "2:35: 'c' is given twice",
    );
    scenario_error(
        with(c, "\"a\":[\"local_probe e\"]"),
        "4:29: unknown client 'e'",
    );
    scenario_error(
        with(c, "\"a\":[\"local_close c i0\"]"),
        "4:29: the I/O 'x' of the client 'c' is not done",
    );
    scenario_error(
        with(
            c,
            "\"a\":[\"local_done x\",\"local_umount c\"],\"b\":[\"local_disable c\"]",
        ),
        "4:45: the client 'c' is used by another actor, 'b'",
    );
    scenario_error(
        with(
            c,
            "\"a\":[\"local_done x\",\"local_umount c\",\"local_probe c\"]",
        ),
        "4:61: the client 'c' was unmounted before",
    );
}

#[test]
fn nets_that_are_not_there() {
    let operations = ["x = acquire A i0", "x = local_open A i0", "close_sync A i0"];
    for (operation, column) in operations.iter().zip([29, 32, 28]) {
        scenario_error(
            actor(&format!("[\"{operation}\"]")),
            &format!("2:{column}: the net 'A' was not started before"),
        );
        // It may be started by the actor itself, but before.
        let late = actor(&format!("[\"{operation}\",\"start A\"]"));
        scenario_error(
            late,
            &format!("2:{column}: the net 'A' was not started before"),
        );
        for text in [
            actor(&format!("[\"start A\",\"{operation}\"]")),
            // Another actor may come first.
            actor(&format!("[\"{operation}\"],\"b\":[\"start A\"]")),
            after_setup("\"start A\"", &format!("\"{operation}\"")),
        ] {
            Scenario::parse("x.json", text.as_bytes(), MODELS).unwrap();
        }
    }
    scenario_error(
        fields("\"setup\":[\"x = acquire B i0\",\"start B\"]"),
        "2:23: the net 'B' was not started before",
    );
    scenario_error(
        actor("[\"umount B\",\"start B\"]"),
        "2:34: the net 'B' was unmounted before",
    );
    scenario_error(
        actor("[\"umount B\"],\n\"b\":[\"umount B\"]"),
        "3:14: the net 'B' is unmounted twice",
    );
}

#[test]
fn expectations() {
    scenario_error(
        fields("\"expect\":{},\n\"expect_rc11\":{\"v4\":\"holds\"}"),
        "3:16: 'expect' says nothing of 'v4'",
    );
    scenario_error(
        fields("\"expect\":{\"v4\":\"holds\"},\n\"expect_rc11\":{\"v4\":\"holds\"}"),
        "3:21: as in 'expect': only what differs stands here",
    );
    scenario_error(
        fields("\"expect\":{\"v2-8of8\":\"holds\"}"),
        "2:11: unknown model 'v2-8of8' (did you mean 'v2-8of9'?)",
    );
    scenario_error(
        fields("\"expect\":{\"v4\":\"hold\"}"),
        "2:16: unknown value of an expectation: 'hold' (did you mean 'holds'?)",
    );
    scenario_error(
        fields("\"expect\":{\"v4\":[\"leak\",\"object-remaining\"]}"),
        "2:24: unknown kind of violation 'object-remaining' (did you mean 'objects-remaining'?)",
    );
    scenario_error(
        fields("\"expect\":{\"v4\":[]}"),
        "2:16: no kinds of violation: where there are none, \"holds\"",
    );
}

/// A model with its choices from the third line on, one a line.
fn model(edit: impl Fn(&mut Vec<String>)) -> String {
    let mut choices: Vec<_> = nfsd_check::model::Choices::default()
        .iter()
        .map(|(choice, value)| format!("\"{choice}\":\"{value}\""))
        .collect();
    edit(&mut choices);
    let choices = choices.join(",\n");
    format!("{{\"name\":\"m\",\"about\":\"\",\"source\":\"\",\n\"choices\":{{\n{choices}\n}}}}")
}

#[test]
fn models() {
    Model::parse("m.json", model(|_| ()).as_bytes()).unwrap();
    model_error("{\"choices\":{}}", "1:1: a model without 'name'");
    model_error(
        "{\"name\":\"m\",\"about\":\"\"}",
        "1:1: a model without 'source'",
    );
    model_error("{\"nets\":[]}", "1:2: unknown field 'nets'");
    model_error(
        "{\"name\":\"m\",\"about\":\"\",\"source\":\"\",\"choices\":[]}",
        "1:46: 'choices' must be an object, not an array",
    );
}

#[test]
fn the_bug_of_a_model() {
    let with = |bug: &str| {
        let model = "{\"name\":\"m\",\"about\":\"\",\"source\":\"\",\"choices\":{},\n";
        format!("{model}\"bug\":{bug}}}")
    };
    let all = "\"entry\":\"A1\",\"symptom\":\"s\",\"scenario\":\"x\",\"fixed\":\"v4\"";
    let model = Model::parse(
        "m.json",
        with(&format!("{{{all},\"year\":2026}}")).as_bytes(),
    );
    assert_eq!(model.unwrap().bug.unwrap().year, 2026);
    model_error(with("1"), "2:7: 'bug' must be an object, not a number");
    model_error(with(&format!("{{{all}}}")), "2:7: 'bug' without 'year'");
    model_error(
        with("{\"entri\":\"A1\"}"),
        "2:8: unknown field 'entri' (did you mean 'entry'?)",
    );
    model_error(with("{\"year\":1999}"), "2:7: 'bug' without 'entry'");
    model_error(
        with(&format!("{{{all},\"year\":1999}}")),
        "2:70: 'year' must be a whole number from 2019 to 2099, not '1999'",
    );
}

#[test]
fn every_choice_at_most_once() {
    model_error(
        model(|choices| choices[1] = "\"netref\":\"none\"".to_owned()),
        "4:1: unknown field 'netref' (did you mean 'net_ref'?)",
    );
    let after_the_last = 3 + nfsd_check::model::Choices::default().iter().count();
    model_error(
        model(|choices| choices.push(choices[0].clone())),
        &format!("{after_the_last}:1: 'put_local_order' is given twice"),
    );
    model_error(
        model(|choices| choices[1] = "\"net_ref\":\"at-aloc\"".to_owned()),
        "4:11: unknown value of 'net_ref': 'at-aloc' (did you mean 'at-alloc'?)",
    );
    model_error(
        model(|choices| choices[2] = "\"gc_lock_gc\":1".to_owned()),
        "5:14: 'gc_lock_gc' must be a string, not a number",
    );
}
