use super::super::git::tests::{commit, repository};
use super::super::{input, load};
use super::*;

#[derive(Default)]
struct Watch(Vec<String>);

impl Observer for Watch {
    fn begins(&mut self, _: &str, _: Option<usize>, _: &str) {}

    fn ended(&mut self, result: &CheckResult) {
        self.0.push(format!("{} {:?} {}", result.check, result.patch, result.status));
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
    let run = |options: Options| {
        let mut watch = Watch::default();
        let mut engine = Engine::new(&workspace, &loaded, &options, &mut watch).unwrap();
        engine.run().unwrap();
        (engine.finish(), watch.0)
    };
    let (report, _) = run(Options { quick: true, ..Options::default() });
    assert!(report.results.iter().all(|result| !matches!(result.check.as_str(), "build" | "tests")));
    let failed: Vec<String> = report.failed().map(CheckResult::reproduce).collect();
    assert_eq!(failed, ["vmptcp validate --patch 2 --check signed-off-by"]);
    assert_eq!(std::fs::read_dir(workspace.tree()).unwrap().count(), 0, "nothing was checked out");

    let only = Options { patches: vec![1], checks: vec!["signed-off-by".to_owned()], ..Options::default() };
    assert_eq!(run(only).1, ["signed-off-by Some(1) pass"]);
    let wrong = Options { checks: vec!["spars".to_owned()], ..Options::default() };
    assert!(wrong.check(2).unwrap_err().to_string().contains("there is no check \"spars\""));
    let wrong = Options { patches: vec![3], ..Options::default() };
    assert!(wrong.check(2).is_err());
}
