//! The output of one test: raw to disk, TAP to a file of its own, results to whoever wants them.

use super::log::CappedLog;
use crate::error::Result;
use crate::event::{Outcome, Subtest};
use crate::process::LINE_LIMIT;
use crate::suite::known::nearest_first;
use crate::suite::{self, Ended, Remarks, Selection, Suite};
use crate::text::decode;
use ktap::{GroupId, Parser, Paths, TestResult};
use std::collections::BTreeSet;
use std::path::Path;

impl From<ktap::Outcome> for Outcome {
    fn from(outcome: ktap::Outcome) -> Self {
        match outcome {
            ktap::Outcome::Pass => Self::Pass,
            ktap::Outcome::Skip => Self::Skip,
            ktap::Outcome::Xfail => Self::Xfail,
            ktap::Outcome::Xpass => Self::Xpass,
            ktap::Outcome::Fail => Self::Fail,
            ktap::Outcome::Timeout => Self::Timeout,
            ktap::Outcome::Error => Self::Error,
        }
    }
}

/// How much may be remembered of one test's results, in bytes: some ten thousand of them. No test that is well comes near.
const RESULTS: usize = 2 * 1024 * 1024;

/// How many names of subtests a reason lists.
const NAMES: usize = 30;

/// Takes a test's output scenario by scenario.
pub(super) struct Capture {
    raw: CappedLog,
    tap: CappedLog,
    line: Vec<u8>,
    parser: Parser,
    paths: Paths,
    /// The groups in which something failed.
    failed: BTreeSet<GroupId>,
    /// Results that stand in a group whose name is not known yet.
    waiting: Vec<TestResult>,
    /// What a person should know of the stream, beyond its results.
    problems: Vec<String>,
    serious: bool,
    /// The whole test was skipped by its plan, and why.
    skipped: Option<String>,
    /// The last line with something on it, shortened: what the test is doing.
    last_line: String,
    counted: Vec<(String, Outcome, bool)>,
    /// The names of the subtests that ran and were not asked for.
    left_out: Vec<String>,
    /// What it said of what it skipped.
    remarks: Remarks,
    /// Nothing may be skipped.
    all_features: bool,
    /// What is left of [`RESULTS`]; none once it is used up: from there on results are only in the raw output.
    budget: Option<usize>,
}

impl Capture {
    /// `raw` and `tap` are the files to write; with `all_features` a skip is a failure.
    pub fn create(suite: &Suite, raw: &Path, tap: &Path, all_features: bool) -> Result<Self> {
        Ok(Self {
            raw: CappedLog::create(raw)?,
            tap: CappedLog::create(tap)?,
            line: Vec::new(),
            parser: Parser::new(),
            paths: Paths::default(),
            failed: BTreeSet::new(),
            waiting: Vec::new(),
            problems: Vec::new(),
            serious: false,
            skipped: None,
            last_line: String::new(),
            counted: Vec::new(),
            left_out: Vec::new(),
            remarks: Remarks::new(suite.output.marks),
            all_features,
            budget: Some(RESULTS),
        })
    }

    /// Takes more of the output, and returns the results that it completes.
    pub fn feed(&mut self, mut bytes: &[u8], selection: &Selection) -> Result<Vec<Subtest>> {
        self.raw.write(bytes)?;
        let mut found = Vec::new();
        while !bytes.is_empty() {
            let room = LINE_LIMIT - self.line.len();
            let end = bytes.iter().position(|&byte| byte == b'\n');
            let taken = end.unwrap_or(bytes.len()).min(room);
            self.line.extend_from_slice(&bytes[..taken]);
            bytes = &bytes[taken..];
            let ended = bytes.first() == Some(&b'\n');
            if ended {
                bytes = &bytes[1..];
            }
            if ended || self.line.len() == LINE_LIMIT {
                self.take_line(selection, &mut found)?;
            }
        }
        Ok(found)
    }

    fn take_line(&mut self, selection: &Selection, found: &mut Vec<Subtest>) -> Result<()> {
        let line = std::mem::take(&mut self.line);
        if !line.trim_ascii().is_empty() {
            let text = decode(&line[..line.len().min(120)]);
            text.trim().clone_into(&mut self.last_line);
        }
        self.remarks.see(&decode(&line[..line.len().min(1000)]));
        if self.budget.is_none() {
            return Ok(());
        }
        let events = self.parser.line(&line);
        let plain =
            |event: &ktap::Event| matches!(event, ktap::Event::Text { .. } | ktap::Event::Kernel { .. });
        if events.iter().any(|event| event.is_line() && !plain(event)) {
            self.tap.write(&line)?;
            self.tap.write(b"\n")?;
        }
        self.take(events, selection, found);
        Ok(())
    }

    /// The test is stopped: a line that it did not end is no result.
    pub fn cut(&mut self) {
        self.line.clear();
    }

    /// The output is over: returns the last results.
    pub fn finish(&mut self, selection: &Selection) -> Result<Vec<Subtest>> {
        let mut found = Vec::new();
        if !self.line.is_empty() {
            self.take_line(selection, &mut found)?;
        }
        let events = self.parser.finish();
        self.take(events, selection, &mut found);
        self.release(selection, &mut found, true);
        self.raw.close()?;
        self.tap.close()?;
        Ok(found)
    }

    fn take(&mut self, events: Vec<ktap::Event>, selection: &Selection, found: &mut Vec<Subtest>) {
        for event in events {
            self.spend(&event);
            self.paths.see(&event);
            match event {
                ktap::Event::Result(result) if self.says_something(&result) => self.waiting.push(*result),
                ktap::Event::Problem { problem, .. } => {
                    self.serious |= problem.is_serious();
                    if self.problems.len() < 10 {
                        self.problems.push(problem.to_string());
                    }
                }
                ktap::Event::BailOut { reason, .. } => {
                    self.serious = true;
                    if self.problems.len() < 10 {
                        self.problems.push(format!("bailed out: {reason}"));
                    }
                }
                ktap::Event::Plan { skip: Some(reason), .. } => self.skipped = Some(reason),
                _ => {}
            }
        }
        self.release(selection, found, false);
    }

    /// False for the result of a group that says nothing that those in it do not: it did not fail on its own account.
    fn says_something(&mut self, result: &TestResult) -> bool {
        let failed = !Outcome::from(result.outcome).is_ok();
        let explained = result.closes.is_some_and(|group| self.failed.contains(&group));
        if failed && !result.flaky_ignored {
            self.failed.insert(result.group);
        }
        result.closes.is_none() || (failed && !explained)
    }

    /// What a result or a group costs to remember.
    fn spend(&mut self, event: &ktap::Event) {
        let cost = match event {
            ktap::Event::Result(result) => {
                128 + result.name.len() + result.reason.as_ref().map_or(0, String::len)
            }
            ktap::Event::Opened { .. } => 128,
            ktap::Event::Named { name, .. } => name.len(),
            _ => return,
        };
        let Some(left) = self.budget else { return };
        self.budget = left.checked_sub(cost);
        if self.budget.is_none() {
            self.serious = true;
            self.problems.push("too many results: the further ones are only in its output".to_owned());
        }
    }

    /// Hands over the waiting results whose names are final, or all.
    fn release(&mut self, selection: &Selection, found: &mut Vec<Subtest>, all: bool) {
        let paths = &self.paths;
        let ready =
            self.waiting.extract_if(.., |result| all || paths.is_final(result.group)).collect::<Vec<_>>();
        for result in ready {
            let printed = self.paths.label(&result);
            let name = (selection.test.suite.output.subtest)(&selection.test, &printed).to_owned();
            if !selection.counts(&name) {
                self.left_out.push(name);
                continue;
            }
            let (mut outcome, mut reason) = (Outcome::from(result.outcome), result.reason);
            if outcome == Outcome::Fail {
                reason = reason.or_else(|| self.remarks.of_failed(&name));
            }
            if outcome == Outcome::Skip {
                reason = reason.or_else(|| self.remarks.of_subtest(&name));
                if self.all_features {
                    (outcome, reason) = suite::not_allowed(outcome, reason);
                }
            }
            self.counted.push((name.clone(), outcome, result.flaky_ignored));
            found.push(Subtest {
                number: result.number,
                name,
                outcome,
                reason,
                ms: result.duration.and_then(|time| u64::try_from(time.as_millis()).ok()),
                flaky: result.flaky_ignored,
            });
        }
    }

    /// The names of the subtests that ran and were not asked for.
    pub fn left_out(&self) -> &[String] {
        &self.left_out
    }

    /// What the test said last; untrusted text.
    pub fn last_line(&self) -> &str {
        &self.last_line
    }

    /// What is odd about the stream, for a person.
    pub fn problems(&self) -> &[String] {
        &self.problems
    }

    /// The verdict on a test that ended by itself with `exit_code`, and the reason where it is not plain.
    pub fn verdict(&self, exit_code: i32, selection: &Selection) -> (Outcome, Option<String>) {
        let bad = self.counted.iter().filter(|(_, outcome, flaky)| !outcome.is_ok() && !flaky).count();
        let (outcome, reason) = (selection.test.suite.judge)(&Ended {
            test: &selection.test,
            exit_code,
            results: self.counted.len(),
            failed: bad,
            broken: self.serious.then(|| self.problems.join("; ")),
            skipped: self.skipped.as_deref(),
            remarks: &self.remarks,
        });
        match outcome {
            Outcome::Skip if self.all_features => suite::not_allowed(outcome, reason),
            Outcome::Skip | Outcome::Error => (outcome, reason),
            _ if selection.subtests.is_some() => self.verdict_on_some(bad, selection),
            _ => (outcome, reason),
        }
    }

    /// The verdict where only some subtests were asked for. The others ran as well, and their failures are in the exit
    /// code: that says nothing.
    fn verdict_on_some(&self, bad: usize, selection: &Selection) -> (Outcome, Option<String>) {
        let counted: Vec<&str> = self.counted.iter().map(|(name, ..)| &name[..]).collect();
        let missing =
            selection.subtests.as_ref().and_then(|subtests| subtests.missing(&counted).first().copied());
        match missing {
            Some(pattern) => (Outcome::Error, Some(self.in_vain(pattern, &counted))),
            None if bad > 0 => (Outcome::Fail, None),
            None if self.serious => (Outcome::Fail, Some(self.problems.join("; "))),
            None if counted.is_empty() => (Outcome::Skip, Some("it has no subtest of this name".to_owned())),
            None => (Outcome::Pass, None),
        }
    }

    /// Says that no subtest matches a pattern, and which there are.
    fn in_vain(&self, pattern: &str, counted: &[&str]) -> String {
        let names: Vec<&str> =
            counted.iter().copied().chain(self.left_out.iter().map(String::as_str)).collect();
        if let Some(missing) = self.remarks.missing().filter(|_| names.is_empty()) {
            return missing;
        }
        if names.is_empty() {
            return format!("no subtest matches {pattern:?}: it printed no results of subtests");
        }
        let nearest = nearest_first(pattern, &names);
        let listed: Vec<String> = nearest.iter().take(NAMES).map(|name| format!("{name:?}")).collect();
        let more = match names.len().saturating_sub(NAMES) {
            0 => String::new(),
            more => format!(", and {more} more"),
        };
        format!("no subtest matches {pattern:?}; there are: {}{more}", listed.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::{TestCase, select, selftests};

    fn case() -> TestCase {
        TestCase::new(&selftests::SUITE, "diag", "diag.sh")
    }

    fn run(output: &[u8], exit_code: i32, filters: &[&str]) -> (Vec<Subtest>, Outcome, Option<String>) {
        run_expecting(false, output, exit_code, filters)
    }

    fn run_expecting(
        all_features: bool,
        output: &[u8],
        exit_code: i32,
        filters: &[&str],
    ) -> (Vec<Subtest>, Outcome, Option<String>) {
        let dir = tempfile::tempdir().unwrap();
        let selection = select(filters, &[case()]).unwrap().remove(0);
        let mut capture = Capture::create(
            &selftests::SUITE,
            &dir.path().join("raw"),
            &dir.path().join("tap"),
            all_features,
        )
        .unwrap();
        let mut found = Vec::new();
        // One byte at a time: the network does not respect lines either.
        for byte in output {
            found.extend(capture.feed(&[*byte], &selection).unwrap());
        }
        found.extend(capture.finish(&selection).unwrap());
        assert_eq!(std::fs::read(dir.path().join("raw")).unwrap(), output, "every byte is kept");
        let (outcome, reason) = capture.verdict(exit_code, &selection);
        (found, outcome, reason)
    }

    const GOOD: &[u8] = b"01 no msk on netns creation   [ OK ]\nTAP version 13\n1..2\nok 1 - diag: one # time=5ms\nok 2 - diag: two";

    #[test]
    fn a_script_that_passes() {
        let (found, outcome, reason) = run(GOOD, 0, &[]);
        assert_eq!((outcome, reason), (Outcome::Pass, None));
        let names: Vec<(&str, Option<u64>)> =
            found.iter().map(|subtest| (&subtest.name[..], subtest.ms)).collect();
        assert_eq!(names, [("one", Some(5)), ("two", None)]);
    }

    #[test]
    fn an_exit_code_of_0_does_not_hide_what_the_results_say() {
        let (_, outcome, reason) = run(b"TAP version 13\n1..1\nnot ok 1 - diag: one\n", 0, &[]);
        assert_eq!(outcome, Outcome::Fail);
        assert_eq!(reason.unwrap(), "exit code 0, but 1 of its subtests failed");
        let (_, outcome, reason) = run(b"TAP version 13\n1..3\nok 1 - diag: one\n", 0, &[]);
        assert_eq!(outcome, Outcome::Fail);
        assert!(reason.unwrap().contains("1 of 3 planned results"));
    }

    #[test]
    fn a_group_that_fails_is_a_failure_of_its_own_only_where_nothing_in_it_failed() {
        let of = |inner: &str| {
            let text = format!(
                "KTAP version 1\n1..1\n    KTAP version 1\n    # Subtest: g\n    1..2\n    ok 1 a\n    {inner} 2 b\nnot ok 1 g\n"
            );
            run(text.as_bytes(), 0, &[]).0.into_iter().map(|subtest| subtest.name).collect::<Vec<_>>()
        };
        assert_eq!(of("not ok"), ["g/a", "g/b"]);
        assert_eq!(of("ok"), ["g/a", "g/b", "g"]);
    }

    #[test]
    fn a_failure_that_the_script_calls_flaky_does_not_count() {
        let (found, outcome, _) = run(b"TAP version 13\n1..1\nnot ok 1 - diag: one # IGNORE Flaky\n", 0, &[]);
        assert_eq!(outcome, Outcome::Pass);
        assert!(found[0].flaky);
    }

    #[test]
    fn only_the_subtests_that_were_asked_for_count() {
        let output = b"TAP version 13\n1..2\nok 1 - diag: one\nnot ok 2 - diag: two\n";
        let (found, outcome, _) = run(output, 1, &["diag/one"]);
        assert_eq!((found.len(), outcome), (1, Outcome::Pass));
        let (_, outcome, reason) = run(output, 1, &["diag/three"]);
        assert_eq!(outcome, Outcome::Error);
        assert_eq!(reason.unwrap(), r#"no subtest matches "three"; there are: "one", "two""#);
        let (_, outcome, reason) = run(b"all is well\n", 0, &["diag/three"]);
        assert_eq!(outcome, Outcome::Error);
        assert_eq!(reason.unwrap(), r#"no subtest matches "three": it printed no results of subtests"#);
    }

    #[test]
    fn exit_codes_are_kselftests() {
        let outcome = |code| run(b"", code, &[]).1;
        assert_eq!(
            [4, 1, 127, 9].map(outcome),
            [Outcome::Skip, Outcome::Fail, Outcome::Error, Outcome::Fail]
        );
    }

    #[test]
    fn an_error_of_syntax_in_a_script_is_a_failure() {
        assert_eq!(run(b"diag.sh: line 7: syntax error\n", 2, &[]).1, Outcome::Fail);
        assert_eq!(run(b"", 3, &[]).1, Outcome::Fail);
    }

    #[test]
    fn a_script_that_skips_or_breaks_off_says_so_also_to_a_filter() {
        assert_eq!(run(b"1..0 # SKIP no MPTCP\n", 4, &["diag/one"]).1, Outcome::Skip);
        let (_, outcome, reason) = run(b"TAP version 13\n1..0 # SKIP no MPTCP\n", 0, &[]);
        assert_eq!((outcome, reason.as_deref()), (Outcome::Skip, Some("no MPTCP")));
        assert_eq!(run(b"", 127, &["diag/one"]).1, Outcome::Error);
        let (_, outcome, reason) = run(b"TAP version 13\n1..3\nok 1 - diag: one\n", 1, &["diag/o*"]);
        assert_eq!(outcome, Outcome::Fail);
        assert!(reason.unwrap().contains("1 of 3 planned results"));
    }

    /// What 6.12's diag.sh prints where `ss` is too old for it.
    const OLD_SS: &[u8] =
        b"01 after MPC handshake     [ OK ]\n02 ....chk last_data_sent  [SKIP] Feature probably \
        not supported\n\nTAP version 13\n1..2\nok 1 - diag: after MPC handshake # time=5ms\n\
        ok 2 - diag: ....chk last_data_sent # SKIP time=3ms\n";

    #[test]
    fn where_all_features_are_expected_a_skip_fails_and_names_what_is_missing() {
        let (found, outcome, _) = run(OLD_SS, 0, &[]);
        assert_eq!((outcome, found[1].outcome), (Outcome::Pass, Outcome::Skip));
        assert_eq!(found[1].reason.as_deref(), Some("Feature probably not supported"));
        let (found, outcome, reason) = run_expecting(true, OLD_SS, 0, &[]);
        assert_eq!((outcome, found[1].outcome), (Outcome::Fail, Outcome::Fail));
        assert_eq!(reason.as_deref(), Some("exit code 0, but 1 of its subtests failed"));
        let why = "skipped, and all features are expected: Feature probably not supported";
        assert_eq!(found[1].reason.as_deref(), Some(why));
        let (_, outcome, reason) = run_expecting(true, b"[SKIP] MPTCP support is not available\n", 4, &[]);
        assert_eq!(outcome, Outcome::Fail);
        let why = "skipped, and all features are expected: MPTCP support is not available";
        assert_eq!(reason.as_deref(), Some(why));
        let missing = b"ERROR: missing feature: mptcp_pm_x$ symbol not found\n";
        let (_, outcome, reason) = run_expecting(true, missing, 1, &[]);
        assert_eq!(outcome, Outcome::Fail);
        assert_eq!(reason.as_deref(), Some("missing feature: mptcp_pm_x$ symbol not found"));
        assert_eq!(
            run_expecting(true, OLD_SS, 0, &["diag/handshake"]).1,
            Outcome::Pass,
            "it was not asked for"
        );
    }

    #[test]
    fn endless_results_cost_bounded_memory() {
        let dir = tempfile::tempdir().unwrap();
        let selection = select(&[""; 0], &[case()]).unwrap().remove(0);
        let mut capture =
            Capture::create(&selftests::SUITE, &dir.path().join("raw"), &dir.path().join("tap"), false)
                .unwrap();
        let name = "x".repeat(1000);
        let mut found = 0;
        for number in 1..=5000 {
            found += capture.feed(format!("ok {number} {name}\n").as_bytes(), &selection).unwrap().len();
        }
        found += capture.finish(&selection).unwrap().len();
        assert!((1000..3000).contains(&found), "{found}");
        let (outcome, reason) = capture.verdict(0, &selection);
        assert_eq!(outcome, Outcome::Fail);
        assert!(reason.unwrap().contains("too many results"));
    }
}
