//! The tests of a series with seeds, by one who only says what came of them.

use super::*;
use crate::event::{Status, TestId};
use crate::results::tests::{Nobody, records};
use crate::series::git::tests::{commit, repository};
use crate::series::{Workspace, input, load};
use crate::settings::{self, Environment, Loaded as Settings};
use crate::store::RunDir;
use crate::validate::{Options, TestOptions, TestRun};
use std::path::Path;

/// Guests in virtual time, in which `diag` fails with the first seeds.
struct Guests {
    settings: Settings,
    tip: String,
    /// With how many seeds it fails: with the series, and without it.
    fails: [u32; 2],
    with_series: bool,
    /// In which commit it ran, and with how many seeds.
    runs: Vec<(bool, u32)>,
}

impl TestRunner for Guests {
    fn check_out(&mut self, commit: &str, _: Variant) -> Result<Vec<String>> {
        self.with_series = commit == self.tip;
        Ok(vec!["diag".to_owned()])
    }

    fn run(&mut self, filters: &[String], seeds: Option<u32>, runs: &Path) -> Result<TestRun> {
        assert_eq!(filters, ["diag"]);
        let count = seeds.unwrap_or(1);
        self.runs.push((self.with_series, count));
        let fails = self.fails[usize::from(!self.with_series)];
        let run = |attempt| {
            let test = TestId::new("selftests", "diag", attempt);
            let outcome = if attempt <= fails { Outcome::Fail } else { Outcome::Pass };
            let seed = Event::Seed { test: test.clone(), seed: u64::from(attempt) };
            [seed, Event::TestEnded { test, outcome, reason: None, exit_code: Some(0), seconds: 1.0 }]
        };
        let summary = Summary::of(&records((1..=count).flat_map(run).collect()));
        Ok(TestRun { summary, path: runs.join("1") })
    }

    fn settings(&self) -> &Settings {
        &self.settings
    }
}

/// What the check of the tests says, and what ran for it.
type Judged = (Status, Vec<String>, Vec<(bool, u32)>);

fn judged(fails: [u32; 2]) -> Judged {
    judged_again(fails, 1).remove(0)
}

/// The same so many times, one after the other, with the same base.
fn judged_again(fails: [u32; 2], times: usize) -> Vec<Judged> {
    let dir = tempfile::tempdir().unwrap();
    let source = repository(dir.path(), &[("net/mptcp/diag.c", "a\n")]);
    commit(dir.path(), "mptcp: one\n\nWhy.", &[("net/mptcp/diag.c", "b\n")]);
    let place = tempfile::tempdir().unwrap();
    let workspace = Workspace::open(place.path(), &source).unwrap();
    let found = input::range(&source, "HEAD~1..").unwrap();
    let loaded = load::commits(&workspace, found, "HEAD~1..".to_owned()).unwrap();
    let home = [("HOME".to_owned(), place.path().to_str().unwrap().to_owned())];
    let settings = settings::load(&Environment::new(home), None, &[]).unwrap();
    let tip = loaded.tip().to_owned();
    let mut guests = Guests { settings, tip, fails, with_series: false, runs: Vec::new() };
    let options = Options {
        checks: vec![CheckId::Tests],
        tests: Some(TestOptions {
            variants: vec![Variant::parse("normal-uml").unwrap()],
            ..TestOptions::default()
        }),
        ..Options::default()
    };
    let runs = tempfile::tempdir().unwrap();
    let once = |_| {
        let mut journal = crate::runner::Journal::new(RunDir::create(runs.path()).unwrap(), Box::new(Nobody));
        crate::validate::run(&workspace, &loaded, &options, &mut guests, &mut journal).unwrap();
        let validation = journal.close().validation.unwrap();
        let result = validation.results.iter().find(|result| result.on == ON).unwrap();
        let texts = result.findings.iter().map(|finding| finding.text.clone()).collect();
        (result.status, texts, std::mem::take(&mut guests.runs))
    };
    (0..times).map(once).collect()
}

#[test]
fn what_fails_runs_with_more_seeds_and_with_the_same_without_the_series() {
    let (status, found, runs) = judged([7, 0]);
    let regression =
        "regression: diag: fails with 7 of 20 seeds, without the series with 0 of 20, p = 4.2e-3".to_owned();
    assert_eq!((status, found), (Status::Fail, vec![regression]));
    assert_eq!(runs, [(true, 1), (true, 20), (false, 20)]);
    let (status, found, _) = judged([7, 6]);
    let flaky = "flaky: diag: fails with 7 of 20 seeds, without the series with 6 of 20, p = 0.50".to_owned();
    assert_eq!((status, found), (Status::Warn, vec![flaky]));
    assert_eq!(judged([0, 9]), (Status::Pass, Vec::new(), vec![(true, 1)]));
}

#[test]
fn the_seeds_of_a_base_run_once() {
    let again = judged_again([7, 0], 2);
    assert_eq!(again[0].2, [(true, 1), (true, 20), (false, 20)]);
    assert_eq!(again[1].2, [(true, 1), (true, 20)]);
    assert_eq!(again[0].1, again[1].1, "the same is found");
}
