//! The output of one test: raw to disk, TAP to a file of its own, results to whoever wants them.

use super::log::CappedLog;
use crate::error::Result;
use crate::event::{Outcome, Subtest};
use crate::ktap::{self, Parser, Paths, TestResult};
use crate::process::LINE_LIMIT;
use crate::suite::Selection;
use crate::text::decode;
use std::path::Path;

/// How much may be remembered of one test's results, in bytes: some ten thousand of them. No test that is well comes near.
const RESULTS: usize = 2 * 1024 * 1024;

/// Takes a test's output piece by piece.
pub(super) struct Capture {
    raw: CappedLog,
    tap: CappedLog,
    line: Vec<u8>,
    parser: Parser,
    paths: Paths,
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
    /// What is left of [`RESULTS`]; none once it is used up: from there on results are only in the raw output.
    budget: Option<usize>,
}

impl Capture {
    /// `raw` and `tap` are the files to write.
    pub fn create(raw: &Path, tap: &Path) -> Result<Self> {
        Ok(Self {
            raw: CappedLog::create(raw)?,
            tap: CappedLog::create(tap)?,
            line: Vec::new(),
            parser: Parser::new(),
            paths: Paths::default(),
            waiting: Vec::new(),
            problems: Vec::new(),
            serious: false,
            skipped: None,
            last_line: String::new(),
            counted: Vec::new(),
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
                // A group's own result says nothing that those in it do not, unless it failed on its own account.
                ktap::Event::Result(result) if result.closes.is_none() || !result.outcome.is_ok() => {
                    self.waiting.push(*result);
                }
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
            let name = selection.test.subtest_name(&printed).to_owned();
            if !selection.counts(&name) {
                continue;
            }
            self.counted.push((name.clone(), result.outcome, result.flaky_ignored));
            found.push(Subtest {
                number: result.number,
                name,
                outcome: result.outcome,
                reason: result.reason,
                ms: result.duration.and_then(|time| u64::try_from(time.as_millis()).ok()),
                flaky: result.flaky_ignored,
            });
        }
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
        match exit_code {
            4 if bad == 0 => return (Outcome::Skip, self.skipped.clone().filter(|why| !why.is_empty())),
            126 | 127 => {
                return (Outcome::Error, Some(format!("exit code {exit_code}: it could not be started")));
            }
            _ => {}
        }
        if let Some(subtests) = &selection.subtests {
            let in_vain = subtests.unmatched(&self.counted.iter().map(|(name, ..)| name).collect::<Vec<_>>());
            if let Some(pattern) = in_vain.first() {
                return (
                    Outcome::Error,
                    Some(format!("no subtest is called {pattern}: see its output for their names")),
                );
            }
            // The others ran as well, and their failures are in its exit code: they were not asked for.
            return match bad {
                0 if self.serious => (Outcome::Fail, Some(self.problems.join("; "))),
                0 => (Outcome::Pass, None),
                _ => (Outcome::Fail, None),
            };
        }
        // A shell exits with 2 on an error of syntax: only what is no script means the rest of kselftest's exit codes.
        let script = Path::new(&selection.test.program).extension().is_some_and(|kind| kind == "sh");
        match exit_code {
            0 if self.counted.is_empty() && self.skipped.is_some() => (Outcome::Skip, self.skipped.clone()),
            0 if bad > 0 => (Outcome::Fail, Some(format!("exit code 0, but {bad} of its subtests failed"))),
            0 if self.serious => {
                (Outcome::Fail, Some(format!("exit code 0, but {}", self.problems.join("; "))))
            }
            0 => (Outcome::Pass, None),
            // Exit codes of kselftest: tools/testing/selftests/kselftest.h
            1 if bad > 0 => (Outcome::Fail, None),
            1 => (Outcome::Fail, Some("exit code 1".to_owned())),
            2 if bad == 0 && !script => (Outcome::Xfail, Some("exit code 2".to_owned())),
            3 if bad == 0 && !script => (Outcome::Xpass, Some("exit code 3".to_owned())),
            _ => (Outcome::Fail, Some(format!("exit code {exit_code}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::{Limit, Suite, TestCase, select};

    fn case() -> TestCase {
        TestCase {
            suite: Suite::Selftests,
            name: "diag".into(),
            program: "diag.sh".into(),
            args: vec![],
            limit: Limit::Unspecified,
            groups: Vec::new(),
            captures: false,
        }
    }

    fn run(output: &[u8], exit_code: i32, filters: &[&str]) -> (Vec<Subtest>, Outcome, Option<String>) {
        let dir = tempfile::tempdir().unwrap();
        let selection = select(filters, &[case()]).unwrap().remove(0);
        let mut capture = Capture::create(&dir.path().join("raw"), &dir.path().join("tap")).unwrap();
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
        assert!(reason.unwrap().contains("no subtest is called three"));
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

    #[test]
    fn endless_results_cost_bounded_memory() {
        let dir = tempfile::tempdir().unwrap();
        let selection = select(&[""; 0], &[case()]).unwrap().remove(0);
        let mut capture = Capture::create(&dir.path().join("raw"), &dir.path().join("tap")).unwrap();
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
