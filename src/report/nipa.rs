//! The form in which executors of netdev's NIPA tell the results of a branch: a row for each test, with its subtests.

use super::{Exporter, clean};
use crate::event::{DEFAULT_SUITE, Outcome};
use crate::results::{Summary, Test};
use serde_json::{Value, json};

/// The name of the executor.
const EXECUTOR: &str = "vmptcp";

/// The collection of the default suite, as NIPA writes it.
const GROUP: &str = "selftests-net-mptcp";

/// A JSON object with the rows of all tests that were to run. Of attempts with other seeds or numbers each is a row.
#[derive(Debug, Clone, Copy)]
pub struct Nipa;

impl Exporter for Nipa {
    fn render(&self, summary: &Summary) -> String {
        let end = |start: jiff::Timestamp| {
            let took = jiff::SignedDuration::try_from_secs_f64(summary.seconds).unwrap_or_default();
            start.checked_add(took).unwrap_or(start).to_string()
        };
        let branch = ["commit", "tree version"].iter().find_map(|name| summary.provenance.get(*name));
        let document = json!({
            "executor": EXECUTOR,
            "branch": branch.map(|text| clean(text)),
            "start": summary.started.map(|start| start.to_string()),
            "end": summary.started.map(end),
            "results": summary.tests.iter().map(|test| row(summary, test)).collect::<Vec<_>>(),
        });
        crate::text::json(&serde_json::to_string_pretty(&document).unwrap_or_default()) + "\n"
    }
}

fn row(summary: &Summary, test: &Test) -> Value {
    let first = test.result.outcome;
    let mut row = json!({
        "test": name(&test.name),
        "group": if test.suite == DEFAULT_SUITE { GROUP.to_owned() } else { name(&test.suite) },
        "result": if first == Outcome::Flaky { "fail" } else { word(first) },
        "time": test.result.seconds,
    });
    if let Some(output) = &test.result.output {
        row["link"] = clean(output).into();
    }
    // A flaky one passed when it was run again.
    let again = test.reruns.last().map(|rerun| word(rerun.outcome));
    if let Some(again) = again.or_else(|| (first == Outcome::Flaky).then_some("pass")) {
        row["retry"] = again.into();
    }
    let crashes: Vec<String> = summary
        .splats
        .iter()
        .filter(|splat| !splat.notice && splat.test.as_ref().is_some_and(|id| test.is(id)))
        .map(|splat| clean(&splat.title))
        .collect();
    if !crashes.is_empty() {
        row["crashes"] = crashes.into();
    }
    let subtests = test.result.subtests.iter();
    let subtests: Vec<Value> = subtests
        .map(|subtest| {
            let result = if subtest.flaky { "skip" } else { word(subtest.outcome) };
            json!({ "test": name(&subtest.name), "result": result })
        })
        .collect();
    if !subtests.is_empty() {
        row["results"] = subtests.into();
    }
    row
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Skip | Outcome::NotRun => "skip",
        outcome if outcome.is_ok() => "pass",
        _ => "fail",
    }
}

/// A name of lowercase letters, digits and single dashes, by which results of several days are compared.
fn name(text: &str) -> String {
    let plain = |char: char| if char.is_ascii_alphanumeric() { char.to_ascii_lowercase() } else { '-' };
    let text: String = text.chars().map(plain).collect();
    text.split('-').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::tests::eventful_run;

    #[test]
    fn every_test_is_a_row_with_the_fields_that_nipa_reads() {
        let document: Value = serde_json::from_str(&Nipa.render(&Summary::of(&eventful_run()))).unwrap();
        assert_eq!(document["executor"], "vmptcp");
        let rows = document["results"].as_array().unwrap();
        assert!(!rows.is_empty());
        for row in rows {
            assert!(row["test"].is_string() && row["group"].is_string() && row["time"].is_number(), "{row}");
            assert!(["pass", "fail", "skip"].contains(&row["result"].as_str().unwrap()), "{row}");
        }
        let of = |name: &str| rows.iter().find(|row| row["test"] == name).unwrap();
        assert_eq!((of("bad")["result"].as_str(), of("bad")["group"].as_str()), (Some("fail"), Some(GROUP)));
        assert_eq!(of("late")["result"], "skip");
        assert!(of("bad")["results"].as_array().unwrap().iter().any(|case| case["result"] == "fail"));
    }

    #[test]
    fn names_are_plain() {
        assert_eq!(name("mptcp_join: (no) JOIN #1"), "mptcp-join-no-join-1");
        assert_eq!(name("---"), "");
    }
}
