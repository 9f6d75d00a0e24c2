//! The files, names and schemas that users of mptcp-upstream-virtme-docker consume: made from the same results as ours.
//!
//! `conclusion.txt` is one line, `results.json` holds what did not pass, by KTAP file and number, as the page of flaky tests
//! reads it, and each test has a `.tap` of its own and one of its subtests. Pure.

use super::clean;
use crate::event::{Outcome, Subtest};
use crate::results::{Splat, Summary, Test, Verdict};
use serde_json::{Map, Value, json};
use std::fmt::Write as _;

/// What the files say of the run besides its results.
#[derive(Debug, Clone)]
pub struct About {
    /// The mode, as in `normal` or `btf-debug`.
    pub mode: String,
    /// What was tested: a branch, a tag or a commit.
    pub reference: String,
    /// The number of the CI's run; `none` elsewhere.
    pub run: String,
}

/// The names of the files and their contents.
pub fn files(summary: &Summary, about: &About) -> Vec<(String, String)> {
    let mut files = vec![
        ("conclusion.txt".to_owned(), conclusion(summary, about)),
        ("summary.txt".to_owned(), text(summary, about)),
        ("results.json".to_owned(), results(summary, about)),
    ];
    for test in &summary.tests {
        files.extend(taps(test));
    }
    let leaks: Vec<String> = summary
        .splats
        .iter()
        .filter(|splat| is_leak(splat))
        .flat_map(|splat| &splat.lines)
        .map(|line| clean(line))
        .collect();
    if !leaks.is_empty() {
        files.push(("kmemleak.txt".to_owned(), leaks.join("\n") + "\n"));
    }
    files
}

fn is_leak(splat: &Splat) -> bool {
    splat.title.contains("unreferenced object") || splat.title.contains("memory leak")
}

/// The name of a test's files, without the ending.
fn stem(test: &Test) -> String {
    let kind = if test.suite == crate::event::DEFAULT_SUITE { "selftest" } else { test.suite.as_str() };
    let again = if test.attempt > 1 { format!("-{}", test.attempt) } else { String::new() };
    format!("{kind}_{}{again}", test.name)
}

/// A line of TAP, without its number: `ok`, what is said of it, and its comment.
fn line(outcome: Outcome, reason: Option<&str>) -> (&'static str, String) {
    let reason = reason.map(|reason| clean(&reason.replace('\n', " ")).replace('#', " "));
    match outcome {
        Outcome::Pass => ("ok", String::new()),
        Outcome::Skip => ("ok", format!(" # SKIP {}", reason.unwrap_or_default()).trim_end().to_owned()),
        Outcome::Xfail => ("ok", " # XFAIL".to_owned()),
        Outcome::Flaky => ("ok", " # IGNORE Flaky".to_owned()),
        Outcome::Xpass => ("not ok", " # XPASS".to_owned()),
        Outcome::Fail => ("not ok", format!(" # FAIL {}", reason.unwrap_or_default()).trim_end().to_owned()),
        other => ("not ok", format!(" # FAIL {other} {}", reason.unwrap_or_default()).trim_end().to_owned()),
    }
}

fn outcome_of(subtest: &Subtest) -> Outcome {
    if subtest.flaky { Outcome::Flaky } else { subtest.outcome }
}

/// The TAP of a test, and that of its subtests; of a KUnit suite only the latter, under the name of the test.
fn taps(test: &Test) -> Vec<(String, String)> {
    let stem = stem(test);
    let subtests = (!test.result.subtests.is_empty()).then(|| {
        let mut tap = format!("TAP version 13\n1..{}\n", test.result.subtests.len());
        for (number, subtest) in (1..).zip(&test.result.subtests) {
            let (ok, comment) = line(outcome_of(subtest), subtest.reason.as_deref());
            let time = subtest.ms.map(|ms| format!(" # time={ms}ms")).unwrap_or_default();
            let name = subtest_name(test, subtest);
            let comment = if comment.is_empty() { time } else { comment + &time.replace(" # ", " ") };
            let _ = writeln!(tap, "{ok} {number} - {name}{comment}");
        }
        tap
    });
    if test.suite == "kunit" {
        return subtests.map(|tap| vec![(format!("{stem}.tap"), tap)]).unwrap_or_default();
    }
    let (ok, comment) = line(test.result.outcome, test.result.reason.as_deref());
    let whole =
        format!("TAP version 13\n1..1\n{ok} 1 test: {stem}{comment}\n# time={:.0}\n", test.result.seconds);
    let subtests = subtests.map(|tap| (format!("{stem}_subtests.tap"), tap));
    std::iter::once((format!("{stem}.tap"), whole)).chain(subtests).collect()
}

fn subtest_name(test: &Test, subtest: &Subtest) -> String {
    format!("{}: {}", test.name, clean(&subtest.name.replace('\n', " ")).replace('#', " "))
}

/// What did not pass, by file and number.
fn results(summary: &Summary, about: &About) -> String {
    let mut all = Map::new();
    let entry = |outcome: Outcome, name: String, reason: Option<&str>, ms: Option<u64>| {
        let word = match outcome {
            Outcome::Skip => "skip",
            Outcome::Flaky => "flaky",
            Outcome::Pass | Outcome::Xfail => return None,
            _ => "fail",
        };
        let (_, comment) = line(outcome, reason);
        let mut entry = json!({ "result": word, "name": name, "comment": comment.trim_start_matches(" # ") });
        if let Some(ms) = ms {
            entry["time_ms"] = json!(ms.to_string());
        }
        Some(entry)
    };
    for test in &summary.tests {
        let stem = stem(test);
        let subtests: Map<String, Value> = (1..)
            .zip(&test.result.subtests)
            .filter_map(|(number, subtest): (u32, &Subtest)| {
                let name = subtest_name(test, subtest);
                Some((
                    number.to_string(),
                    entry(outcome_of(subtest), name, subtest.reason.as_deref(), subtest.ms)?,
                ))
            })
            .collect();
        let is_kunit = test.suite == "kunit";
        let whole = entry(test.result.outcome, format!("test: {stem}"), test.result.reason.as_deref(), None);
        if let Some(whole) = whole.filter(|_| !is_kunit || subtests.is_empty()) {
            all.insert(stem.clone(), json!({ "1": whole }));
        }
        if !subtests.is_empty() {
            all.insert(if is_kunit { stem } else { format!("{stem}_subtests") }, Value::Object(subtests));
        }
    }
    json!({ "results": all, "run_id": about.run, "tag": about.reference }).to_string() + "\n"
}

/// The tests that failed.
fn failed(summary: &Summary) -> Vec<String> {
    summary.tests.iter().filter(|test| !test.result.outcome.is_ok()).map(stem).collect()
}

/// One line: what was tested, and how it went.
fn conclusion(summary: &Summary, about: &About) -> String {
    let failed = failed(summary);
    let mut reasons = Vec::new();
    if !failed.is_empty() {
        reasons.push(format!("Unstable: {} failed test(s): {}", failed.len(), failed.join(" ")));
    }
    let (leaks, traces): (Vec<&Splat>, Vec<&Splat>) =
        summary.splats.iter().filter(|splat| !splat.notice).partition(|splat| is_leak(splat));
    if !traces.is_empty() {
        reasons
            .push(format!("Critical: {} Call Trace(s)", traces.iter().map(|splat| splat.count).sum::<u32>()));
    }
    if summary.has_crash() {
        reasons.push("Critical: Unexpected stop of the VM".to_owned());
    }
    if !leaks.is_empty() {
        reasons.push("Critical: KMemLeak".to_owned());
    }
    let end = match (&reasons[..], summary.verdict) {
        ([], Verdict::Passed) => "Success! ✅".to_owned(),
        ([], _) => "Script error! ❓".to_owned(),
        (all, _) => {
            let critical = all.iter().any(|reason| reason.starts_with("Critical"));
            format!("{} {}", all.join(" - "), if critical { "❌" } else { "🔴" })
        }
    };
    format!("KVM Validation: {}: {end}\n", about.mode)
}

fn text(summary: &Summary, about: &About) -> String {
    let mut text = format!("== Summary ==\n\nRef: {}\nMode: {}\n\nAll tests:\n", about.reference, about.mode);
    let mut flaky = Vec::new();
    for test in &summary.tests {
        let (ok, comment) = line(test.result.outcome, test.result.reason.as_deref());
        let _ = writeln!(text, "{ok} 1 test: {}{comment}", stem(test));
        let theirs = test.result.subtests.iter().filter(|subtest| outcome_of(subtest) == Outcome::Flaky);
        flaky.extend(theirs.map(|subtest| format!("ok - {} # IGNORE Flaky", subtest_name(test, subtest))));
    }
    if !flaky.is_empty() {
        let _ = writeln!(text, "\nFlaky tests:\n{}", flaky.join("\n"));
    }
    let rule = "=".repeat(42);
    for test in summary.tests.iter().filter(|test| !test.result.outcome.is_ok()) {
        let _ = writeln!(text, "\n{rule}\nFailed: {}", stem(test));
        for subtest in test.result.failed_subtests() {
            let reason = subtest.reason.as_ref().map(|why| format!(" # {}", clean(why))).unwrap_or_default();
            let _ = writeln!(text, "not ok - {}{reason}", subtest_name(test, subtest));
        }
    }
    for splat in summary.splats.iter().filter(|splat| !splat.notice) {
        let _ = writeln!(text, "\n{rule}\nCall Trace:\n{rule}");
        for line in &splat.lines {
            let _ = writeln!(text, "{}", clean(line));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::Summary;
    use crate::results::tests::eventful_run;

    fn about() -> About {
        About { mode: "normal".into(), reference: "export/20261126T054730".into(), run: "42".into() }
    }

    fn file(name: &str) -> String {
        let found =
            files(&Summary::of(&eventful_run()), &about()).into_iter().find(|(known, _)| known == name);
        found.map(|(_, content)| content).unwrap_or_default()
    }

    #[test]
    fn the_conclusion_is_one_line() {
        insta::assert_snapshot!(file("conclusion.txt"), @"KVM Validation: normal: Unstable: 3 failed test(s): selftest_bad selftest_ugly selftest_late - Critical: 1 Call Trace(s) - Critical: Unexpected stop of the VM ❌");
    }

    #[test]
    fn every_test_has_its_tap() {
        let names: Vec<String> =
            files(&Summary::of(&eventful_run()), &about()).into_iter().map(|(name, _)| name).collect();
        insta::assert_snapshot!(names.join("\n"), @r#"
        conclusion.txt
        summary.txt
        results.json
        selftest_good.tap
        selftest_good_subtests.tap
        selftest_bad.tap
        selftest_bad_subtests.tap
        selftest_ugly.tap
        selftest_late.tap
        "#);
        insta::assert_snapshot!(file("summary.txt"), @r#"
        == Summary ==

        Ref: export/20261126T054730
        Mode: normal

        All tests:
        ok 1 test: selftest_good
        not ok 1 test: selftest_bad # FAIL exit code 1
        not ok 1 test: selftest_ugly # FAIL crash the guest is gone
        not ok 1 test: selftest_late # FAIL not run

        ==========================================
        Failed: selftest_bad
        not ok - bad: it # got 1 <2>

        ==========================================
        Failed: selftest_ugly

        ==========================================
        Failed: selftest_late

        ==========================================
        Call Trace:
        ==========================================
        [    5.0] BUG: kernel NULL pointer dereference
        "#);
    }

    #[test]
    fn results_hold_what_did_not_pass() {
        insta::assert_snapshot!(file("results.json"), @r#"
        {"results":{"selftest_good_subtests":{"2":{"result":"skip","name":"good: second","comment":"SKIP old ss","time_ms":"1500"}},"selftest_bad":{"1":{"result":"fail","name":"test: selftest_bad","comment":"FAIL exit code 1"}},"selftest_bad_subtests":{"1":{"result":"fail","name":"bad: it","comment":"FAIL got 1 <2>","time_ms":"1500"}},"selftest_ugly":{"1":{"result":"fail","name":"test: selftest_ugly","comment":"FAIL crash the guest is gone"}},"selftest_late":{"1":{"result":"fail","name":"test: selftest_late","comment":"FAIL not run"}}},"run_id":"42","tag":"export/20261126T054730"}
        "#);
    }
}
