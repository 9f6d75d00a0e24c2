//! The quick checks, on a repository of the test's own.

use super::*;
use crate::kernel::Variant;
use crate::results::Summary;
use crate::results::tests::Nobody;
use crate::runner::Journal;
use crate::series::git::tests::{commit, repository};
use crate::series::{input, load};
use crate::store::{self, RunDir};
use crate::validate::TestRun;
use std::path::Path;

/// Nothing boots.
struct NoGuests;

impl TestRunner for NoGuests {
    fn check_out(&mut self, _: &str, _: Variant) -> Result<Vec<String>> {
        panic!("nothing is tested here")
    }

    fn run(&mut self, _: &[String], _: Option<u32>, _: &Path) -> Result<TestRun> {
        panic!("nothing is tested here")
    }

    fn settings(&self) -> &crate::settings::Loaded {
        panic!("nothing is tested here")
    }
}

#[test]
fn quick_checks_are_done_without_checking_anything_out_and_only_what_was_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let source = repository(dir.path(), &[("net/mptcp/pm.c", "a\n")]);
    commit(
        dir.path(),
        "mptcp: one\n\nWhy.\n\nSigned-off-by: A <a@example.org>",
        &[("net/mptcp/pm.c", "b\n")],
    );
    commit(dir.path(), "mptcp: two\n\nWhy.", &[("net/mptcp/pm.c", "c\n")]);
    let place = tempfile::tempdir().unwrap();
    let workspace = Workspace::open(place.path(), &source).unwrap();
    let found = input::range(&source, "HEAD~2..").unwrap();
    let loaded = load::commits(&workspace, found, "HEAD~2..".to_owned()).unwrap();
    let runs = tempfile::tempdir().unwrap();
    let validated = |options: Options| {
        let mut journal = Journal::new(RunDir::create(runs.path()).unwrap(), Box::new(Nobody));
        run(&workspace, &loaded, &options, &mut NoGuests, &mut journal).unwrap();
        let summary = journal.close();
        // What is read back says the same.
        let replay = Summary::of(&store::replay(runs.path(), store::LATEST).unwrap().records);
        let json = |summary| serde_json::to_value(summary).unwrap();
        assert_eq!(json(&replay), json(&summary));
        summary.validation.unwrap()
    };
    let all = validated(Options { quick: true, ..Options::default() });
    assert!(all.results.iter().all(|result| !matches!(result.on.check, CheckId::Build | CheckId::Tests)));
    let failed: Vec<String> = all.failed().map(CheckResult::reproduce).collect();
    assert_eq!(failed, ["vmptcp validate --patch 2 --check signed-off-by"]);
    assert_eq!(std::fs::read_dir(workspace.tree()).unwrap().count(), 0, "nothing was checked out");

    let checks = vec![CheckId::SignedOffBy];
    let only = validated(Options { patches: vec![1], checks, ..Options::default() });
    let ended = only.results.iter().map(|result| (result.on, result.status));
    assert_eq!(ended.collect::<Vec<_>>(), [(CheckOn::patch(CheckId::SignedOffBy, 1), Status::Pass)]);
    assert!(Options { patches: vec![3], ..Options::default() }.check(2).is_err());
}
