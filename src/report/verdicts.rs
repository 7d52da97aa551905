// SPDX-License-Identifier: GPL-2.0-only
//! What the gate found, for what people already have: JUnit for test reports, SARIF for code
//! scanning, and the commands that GitHub's runners read.
//!
//! A pair is a test case; a difference from what is expected is its failure, of one of four kinds.

use super::words::counted;
use crate::check::{Outcome, gate::Difference};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// Where a pair is spoken of: a line of its scenario's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
}

impl Place {
    /// The line of the scenario's text where something is expected of this model; else the one
    /// where anything is expected; else the first.
    #[must_use]
    pub fn of(file: &str, text: &str, model: &str) -> Self {
        let lines = || text.lines().zip(1..);
        let key = format!("\"{model}\"");
        let expect = lines().find(|(line, _)| line.contains("\"expect\""));
        let after = expect.map_or(usize::MAX, |(_, number)| number);
        let is_key = |(line, number): &(&str, usize)| {
            let rest = line.split_once(&key).map(|(_, rest)| rest.trim_start());
            *number >= after && rest.is_some_and(|rest| rest.starts_with(':'))
        };
        let line = lines().find(is_key).or(expect);
        Self {
            file: file.to_owned(),
            line: line.map_or(1, |(_, number)| number),
        }
    }

    /// The line of the scenario's text with what this actor does; of what the kernel starts by itself, the
    /// one where the actors begin.
    #[must_use]
    pub fn of_actor(file: &str, text: &str, actor: &str) -> Self {
        let lines = || text.lines().zip(1..);
        let actors = lines().find(|(line, _)| line.contains("\"actors\""));
        let after = actors.map_or(usize::MAX, |(_, number)| number);
        let key = format!("\"{actor}\":");
        let mut own = lines().filter(|(line, number)| *number >= after && line.contains(&key));
        Self {
            file: file.to_owned(),
            line: own.next().or(actors).map_or(1, |(_, number)| number),
        }
    }

    /// For SARIF.
    #[must_use]
    pub fn physical_location(&self) -> Value {
        json!({
            "artifactLocation": { "uri": uri(&self.file) },
            "region": { "startLine": self.line },
        })
    }
}

/// A pair and what is to be said of it.
#[derive(Clone, Debug)]
pub struct Judged<'o> {
    /// What came of it.
    pub outcome: &'o Outcome,
    /// How that differs from what is expected.
    pub difference: Option<&'o Difference>,
    /// The command that shows it.
    pub reproduce: String,
    /// Where it is spoken of.
    pub place: Place,
    /// What has grown more than it should.
    pub warnings: Vec<String>,
}

/// The kinds of failure, and what each means.
const RULES: [(&str, &str); 4] = [
    (
        "verdict",
        "The verdict is another one than the scenario expects.",
    ),
    (
        "kinds",
        "Other kinds of violation come about than the scenario expects.",
    ),
    (
        "undecided",
        "The exploration did not come to its end, so nothing is known.",
    ),
    (
        "nothing-expected",
        "The scenario does not say what it expects of the model.",
    ),
];

/// JUnit's XML, as Jenkins and others read it.
#[must_use]
pub fn junit(pairs: &[Judged<'_>]) -> String {
    let failures = pairs.iter().filter(|p| p.difference.is_some()).count();
    let seconds: f64 = pairs.iter().map(|p| p.outcome.seconds).sum();
    let counts = format!(
        "tests=\"{}\" failures=\"{failures}\" errors=\"0\" time=\"{seconds:.3}\"",
        pairs.len()
    );
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(out, "<testsuites name=\"nfsd-check\" {counts}>");
    let _ = writeln!(out, "  <testsuite name=\"gate\" {counts} skipped=\"0\">");
    for Judged {
        outcome,
        difference,
        reproduce,
        warnings,
        ..
    } in pairs
    {
        let _ = writeln!(
            out,
            "    <testcase classname=\"{}\" name=\"{}\" time=\"{:.3}\">",
            xml(&outcome.scenario),
            xml(&outcome.model),
            outcome.seconds
        );
        if let Some(difference) = difference {
            let message = difference.to_string();
            let _ = writeln!(
                out,
                "      <failure type=\"{}\" message=\"{}\">{}</failure>",
                difference.name(),
                xml(&message),
                xml(&format!("{message}\n{reproduce}"))
            );
        }
        let executions = counted(outcome.executions, "execution");
        let said = format!("{}, {executions}", outcome.verdict);
        let said: Vec<&str> = std::iter::once(&*said)
            .chain(warnings.iter().map(String::as_str))
            .collect();
        let _ = writeln!(
            out,
            "      <system-out>{}</system-out>",
            xml(&said.join("\n"))
        );
        out.push_str("    </testcase>\n");
    }
    out + "  </testsuite>\n</testsuites>\n"
}

/// Text for XML. What XML cannot have at all is replaced.
fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('?'),
            c => out.push(c),
        }
    }
    out
}

/// SARIF 2.1.0, for code scanning. Each difference is a result; `flow` may add how the violations of
/// a pair come about.
#[must_use]
pub fn sarif(pairs: &[Judged<'_>], flow: impl Fn(&Judged<'_>) -> Vec<Value>) -> Value {
    let rules = RULES.map(|(id, about)| json!({ "id": id, "shortDescription": { "text": about } }));
    let mut results: Vec<Value> = Vec::new();
    for pair in pairs {
        let Judged {
            outcome,
            difference,
            reproduce,
            place,
            warnings,
        } = pair;
        let name = format!("{} on {}", outcome.scenario, outcome.model);
        let location = json!([{ "physicalLocation": place.physical_location() }]);
        if let Some(difference) = difference {
            let rule = difference.name();
            let index = RULES.iter().position(|(id, _)| *id == rule);
            let mut result = json!({
                "ruleId": rule,
                "ruleIndex": index,
                "level": "error",
                "message": { "text": format!("{name}: {difference}. To see it: {reproduce}") },
                "locations": location,
                "partialFingerprints": {
                    "pair/v1": format!("{}/{}/{rule}", outcome.scenario, outcome.model),
                },
            });
            let flows = flow(pair);
            if !flows.is_empty() {
                result["codeFlows"] = json!(flows);
            }
            results.push(result);
        }
        results.extend(warnings.iter().map(|warning| {
            json!({
                "level": "warning",
                "message": { "text": format!("{name}: {warning}") },
                "locations": location,
            })
        }));
    }
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "nfsd-check",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            }},
            "results": results,
        }],
    })
}

/// A path as a relative reference.
fn uri(path: &str) -> String {
    let mut out = String::new();
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                out.push(char::from(byte));
            }
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

/// The commands that GitHub's runners turn into annotations of files.
#[must_use]
pub fn github(pairs: &[Judged<'_>]) -> String {
    let mut out = String::new();
    for Judged {
        outcome,
        difference,
        reproduce,
        place,
        warnings,
    } in pairs
    {
        let mut say = |level: &str, what: &str, message: &str| {
            let title = format!("{} on {}: {what}", outcome.scenario, outcome.model);
            let _ = writeln!(
                out,
                "::{level} file={},line={},title={}::{}",
                property(&place.file),
                place.line,
                property(&title),
                escaped(message)
            );
        };
        if let Some(difference) = difference {
            let message = format!("{difference}\n{reproduce}");
            say("error", difference.name(), &message);
        }
        for warning in warnings {
            say("warning", "growth", warning);
        }
    }
    out
}

fn escaped(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

fn property(text: &str) -> String {
    escaped(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{CheckOptions, Verdict};
    use crate::library::Library;

    fn outcome(executions: u64) -> Outcome {
        let library = Library::builtin();
        let scenario = library.scenario("put-order").unwrap();
        let model = library.model("v4").unwrap();
        let options = CheckOptions::default();
        let mut outcome = Outcome::undecided(&scenario, &model, &options, "cut <&\">".to_owned());
        outcome.executions = executions;
        outcome
    }

    fn judged<'o>(outcome: &'o Outcome, difference: Option<&'o Difference>) -> Judged<'o> {
        Judged {
            outcome,
            difference,
            reproduce: "nfsd-check run 'a: b' --all".to_owned(),
            place: Place {
                file: "my files/put,order.json".to_owned(),
                line: 7,
            },
            warnings: vec!["50% more".to_owned()],
        }
    }

    #[test]
    fn what_means_something_is_escaped() {
        let mut outcome = outcome(5);
        outcome.verdict = Verdict::Undecided;
        let difference = Difference::Undecided {
            reason: "cut <&\">\nso".to_owned(),
        };
        let pairs = [judged(&outcome, Some(&difference)), judged(&outcome, None)];
        assert_eq!(
            github(&pairs),
            "::error file=my files/put%2Corder.json,line=7,title=put-order on v4%3A undecided::\
             undecided: cut <&\">%0Aso%0Anfsd-check run 'a: b' --all\n\
             ::warning file=my files/put%2Corder.json,line=7,title=put-order on v4%3A growth::\
             50%25 more\n\
             ::warning file=my files/put%2Corder.json,line=7,title=put-order on v4%3A growth::\
             50%25 more\n"
        );
        let xml = junit(&pairs);
        assert!(xml.contains("tests=\"2\" failures=\"1\" errors=\"0\""));
        assert!(xml.contains(
            "<failure type=\"undecided\" message=\"undecided: cut &lt;&amp;&quot;&gt;&#10;so\">"
        ));
        assert_eq!(xml.matches("<testcase ").count(), 2);
        assert_eq!(xml.matches("<failure ").count(), 1);
        let sarif = sarif(&pairs, |_| Vec::new());
        let results = sarif["runs"][0]["results"].as_array().unwrap();
        assert_eq!(results.len(), 3);
        let place = &results[0]["locations"][0]["physicalLocation"];
        assert_eq!(
            place["artifactLocation"]["uri"],
            "my%20files/put%2Corder.json"
        );
        assert_eq!(place["region"]["startLine"], 7);
        assert_eq!(results[0]["ruleId"], "undecided");
        assert_eq!(results[0]["ruleIndex"], 2);
        assert_eq!(results[1]["level"], "warning");
    }

    #[test]
    fn a_pair_is_spoken_of_where_something_is_expected_of_it() {
        let text = "{\n \"about\": \"v4\",\n \"expect\": {\n  \"v4\": \"holds\"\n }\n}\n";
        assert_eq!(Place::of("x.json", text, "v4").line, 4);
        assert_eq!(Place::of("x.json", text, "v5").line, 3);
        assert_eq!(Place::of("x.json", "{}", "v5").line, 1);
    }
}
