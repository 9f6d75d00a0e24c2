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
    /// A subtest failed that is a known flake.
    waived: bool,
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
            waived: false,
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
            let known = if outcome.is_ok() { None } else { selection.known_flake(Some(&name)) };
            if let Some(known) = known {
                self.waived = true;
                reason =
                    Some(reason.map_or_else(|| known.waiver(), |why| format!("{why} ({})", known.waiver())));
            }
            let flaky = result.flaky_ignored || known.is_some();
            self.counted.push((name.clone(), outcome, flaky));
            found.push(Subtest {
                number: result.number,
                name,
                outcome,
                reason,
                ms: result.duration.and_then(|time| u64::try_from(time.as_millis()).ok()),
                flaky,
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
            _ if selection.is_partial() => self.verdict_on_some(bad, selection),
            Outcome::Fail if bad == 0 && !self.serious => self.waive(selection, reason),
            _ => (outcome, reason),
        }
    }

    /// The verdict on a test that failed, and no subtest that counts did.
    fn waive(&self, selection: &Selection, reason: Option<String>) -> (Outcome, Option<String>) {
        match selection.known_flake(None) {
            Some(known) => (Outcome::Flaky, Some(known.waiver())),
            None if self.waived => (Outcome::Flaky, Some("only known flakes failed".to_owned())),
            None => (Outcome::Fail, reason),
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
            None if self.waived => (Outcome::Flaky, Some("only known flakes failed".to_owned())),
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
mod tests;
