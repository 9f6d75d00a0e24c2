//! The public CI's own results: a list of runs for each tree and variant, with all that did not pass.
//!
//! Source: `html/results/TREE/VARIANT.json` of the repository multipath-tcp/mptcp-upstream-tests-results. A run has a tag
//! (`export/20260603T095644`, `20251211--001208`, at times one without a time), a number, and for each KTAP file (`selftest_diag`, `selftest_diag_subtests`, `packetdrill_dss`)
//! its lines that are no `ok`. A run without any results has `null`.

use super::{Entry, Observed, Origin};
use crate::event::{DEFAULT_SUITE, Outcome};
use crate::results::{Case, Verdict};
use indexmap::IndexMap;
use serde::Deserialize;

/// The public CI's tree that follows development, whose results are those of a developer's kernel.
const TREE: &str = "export";

/// The configuration of a public tree and variant.
fn configuration(tree: &str, variant: &str) -> String {
    format!("public {tree}/{variant}")
}

/// The public configuration that a variant of ours is like: `public export/normal`.
pub fn configuration_of(variant: &str) -> String {
    let is = |modifier: &str| variant.split('-').any(|part| part == modifier);
    configuration(
        TREE,
        match (is("btf"), is("debug")) {
            (true, true) => "btf-debug",
            (true, false) => "btf-normal",
            (false, true) => "debug",
            (false, false) => "normal",
        },
    )
}

/// What is wrong with a file, with the number of the run in it, counted from 1.
#[derive(Debug, PartialEq, Eq)]
pub struct Wrong {
    /// Which run.
    pub run: usize,
    /// What.
    pub what: String,
}

#[derive(Deserialize)]
struct Run {
    tag: String,
    #[serde(rename = "run_id")]
    number: serde_json::Value,
    results: Option<IndexMap<String, serde_json::Value>>,
}

#[derive(Deserialize)]
struct Line {
    name: String,
    result: String,
    #[serde(default)]
    time_ms: Option<String>,
}

/// The runs of a file with the results of `tree` (`export`) and `variant` (`normal`).
pub fn parse(text: &[u8], tree: &str, variant: &str) -> Result<Vec<Entry>, Wrong> {
    let runs: Vec<serde_json::Value> =
        serde_json::from_slice(text).map_err(|error| Wrong { run: 0, what: error.to_string() })?;
    let mut entries: Vec<Entry> = Vec::new();
    for (index, run) in runs.into_iter().enumerate() {
        let wrong = |what: String| Wrong { run: index + 1, what };
        let run: Run = serde_json::from_value(run).map_err(|error| wrong(error.to_string()))?;
        // The runs of a file are in order: one without a time began after the one before it.
        let before = entries.last().map_or(0, |before| before.started_ms);
        let started_ms = started(&run.tag).unwrap_or(before);
        entries.push(entry_of(run, started_ms, tree, variant).map_err(wrong)?);
    }
    Ok(entries)
}

fn entry_of(run: Run, started_ms: i64, tree: &str, variant: &str) -> Result<Entry, String> {
    let number = match run.number {
        serde_json::Value::String(text) => text,
        other => other.to_string(),
    };
    // No results at all, or one line that says so: nothing is known of its tests.
    let unfinished = run.results.as_ref().is_none_or(|files| files.contains_key("error"));
    let mut results = Vec::new();
    for (file, lines) in run.results.into_iter().flatten().filter(|(file, _)| file != "error") {
        let lines: IndexMap<String, Line> =
            serde_json::from_value(lines).map_err(|error| format!("{file}: {error}"))?;
        for (number, line) in lines {
            results.push(observed(&file, &line).map_err(|what| format!("{file}: {number}: {what}"))?);
        }
    }
    let failed = |seen: &&Observed| seen.case.subtest.is_none() && !seen.outcome.is_ok();
    let whole_failures = results.iter().filter(failed).count();
    let verdict = match unfinished {
        true => Verdict::Unfinished,
        false if results.iter().all(|seen| seen.outcome.is_ok()) => Verdict::Passed,
        false => Verdict::Failed,
    };
    Ok(Entry {
        origin: Origin::Public(format!("{tree}/{variant}/{number}")),
        started_ms,
        name: run.tag,
        kind: "public".to_owned(),
        seconds: 0.0,
        verdict,
        tests: 0,
        failed: u32::try_from(whole_failures).unwrap_or(u32::MAX),
        tree: tree.to_owned(),
        commit: String::new(),
        version: String::new(),
        configuration: configuration(tree, variant),
        argv: Vec::new(),
        results,
    })
}

/// The time at the end of a tag, in milliseconds since 1970; none where it has none.
fn started(tag: &str) -> Option<i64> {
    let time = tag.rsplit('/').next().unwrap_or_default();
    let parsed = ["%Y%m%dT%H%M%S", "%Y%m%d--%H%M%S"]
        .iter()
        .find_map(|format| jiff::civil::DateTime::strptime(format, time).ok())?;
    let zoned = parsed.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(zoned.timestamp().as_millisecond())
}

fn observed(file: &str, line: &Line) -> Result<Observed, String> {
    let outcome = match line.result.as_str() {
        "pass" => Outcome::Pass,
        "fail" => Outcome::Fail,
        "skip" => Outcome::Skip,
        "flaky" => Outcome::Flaky,
        other => return Err(format!("result {other:?} is not pass, fail, skip or flaky")),
    };
    let seconds = line.time_ms.as_ref().and_then(|ms| ms.parse::<f64>().ok()).map(|ms| ms / 1000.0);
    Ok(Observed { case: case(file, &line.name), outcome, seconds })
}

/// What a line is about: `selftest_diag_subtests` and `diag: msk_inuse` are a subtest of ours.
fn case(file: &str, name: &str) -> Case {
    let (suite, test) = file.split_once('_').unwrap_or((DEFAULT_SUITE, file));
    let suite = if suite == "selftest" { DEFAULT_SUITE } else { suite };
    let whole = Case::test(suite, test.strip_suffix("_subtests").unwrap_or(test));
    match name.split_once(": ") {
        Some(("test", _)) => whole,
        Some((_, subtest)) => whole.subtest(subtest),
        None => whole.subtest(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"[
      {"tag": "export/20260603T095644", "run_id": "1", "results": {
        "selftest_diag": {"1": {"result": "fail", "name": "test: selftest_diag", "comment": "FAIL"}},
        "selftest_diag_subtests": {"7": {"result": "fail", "name": "diag: many: msk", "time_ms": "1500"}},
        "packetdrill_dss": {"3": {"result": "flaky", "name": "packetdrill: mptcp/dss/a.pkt (ipv4)"}}}},
      {"tag": "export/20260604T101602", "run_id": 2, "results": {}},
      {"tag": "export/20260605T101602", "run_id": "3", "results": null}]"#;

    #[test]
    fn files_and_lines_become_tests_and_subtests() {
        let runs = parse(FILE.as_bytes(), "export", "debug").unwrap();
        let seen: Vec<_> =
            runs[0].results.iter().map(|seen| format!("{} {}", seen.case, seen.outcome)).collect();
        assert_eq!(
            seen,
            ["diag fail", "diag: many: msk fail", "packetdrill/dss: mptcp/dss/a.pkt (ipv4) flaky"]
        );
        assert_eq!(runs[0].results[1].seconds, Some(1.5));
        assert_eq!(runs[0].started_ms, 1_780_480_604_000);
        let verdicts: Vec<_> = runs.iter().map(|run| run.verdict).collect();
        assert_eq!(verdicts, [Verdict::Failed, Verdict::Passed, Verdict::Unfinished]);
        assert_eq!(runs[1].origin, Origin::Public("export/debug/2".into()));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_run() {
        let wrong = |text: &str| parse(text.as_bytes(), "export", "debug").unwrap_err();
        assert_eq!(wrong("{}").run, 0);
        let odd = r#"[{"tag": "export/20260603T095644", "run_id": "1", "results": {"selftest_diag": {"1":
            {"result": "odd", "name": "x"}}}}]"#;
        assert_eq!(wrong(odd).what, "selftest_diag: 1: result \"odd\" is not pass, fail, skip or flaky");
    }

    #[test]
    fn variants_are_compared_with_those_of_the_public_ci() {
        let like = ["normal-uml", "debug", "btf", "debug-gcov"].map(configuration_of);
        assert_eq!(
            like.map(|name| name.replace("public export/", "")),
            ["normal", "debug", "btf-normal", "debug"]
        );
    }

    #[test]
    fn a_run_without_a_time_is_in_the_order_of_the_file() {
        let run = |tag: &str| format!(r#"{{"tag": "{tag}", "run_id": "1", "results": {{}}}}"#);
        let file = format!("[{}, {}]", run("20251211--001208"), run("${date}"));
        let times: Vec<_> =
            parse(file.as_bytes(), "x", "normal").unwrap().iter().map(|run| run.started_ms).collect();
        assert_eq!(times, [1_765_411_928_000, 1_765_411_928_000]);
    }
}
