//! Tests of the page. What a browser makes of it: `scripts/test-page`.

use super::*;
use crate::event::Outcome;
use crate::report::findings::tests::validated;
use crate::results::tests::eventful_run;
use crate::results::{CaseResult, cases, compare};

fn page(summary: &Summary) -> String {
    Html::default().render(summary)
}

#[test]
fn what_failed_stands_before_the_table_with_the_command_that_runs_it_again() {
    let page = page(&Summary::of(&eventful_run()));
    let at = |text: &str| page.find(text).unwrap_or_else(|| panic!("no {text} in {page}"));
    assert!(at("id=\"failures\"") < at("id=\"tests\""));
    assert!(at("exit code 1") < at("id=\"tests\""));
    assert!(at("BUG: kernel NULL pointer dereference") < at("id=\"tests\""));
    at("<code>vmptcp test bad</code>");
}

#[test]
fn nothing_of_a_guest_becomes_markup() {
    let page = page(&Summary::of(&eventful_run()));
    assert!(page.contains("got 1 &lt;2&gt;") && !page.contains("<2>"), "{page}");
    assert!(!page.contains('\u{1b}'));
}

#[test]
fn a_page_needs_nothing_else() {
    let page = page(&Summary::of(&eventful_run()));
    for outside in ["http:", "https:", "<link", "<img", "@import", "src="] {
        assert!(!page.contains(outside), "{outside}");
    }
}

#[test]
fn a_validation_shows_its_findings_and_how_to_see_one_alone() {
    let page = page(&validated());
    for text in ["patch 2 · sparse", "net/mptcp/pm.c:12", "Alone: <code>", "not ready to be sent"] {
        assert!(page.contains(text), "no {text} in {page}");
    }
}

#[test]
fn excerpts_and_a_comparison_are_in_it() {
    let run = tempfile::tempdir().unwrap();
    std::fs::create_dir(run.path().join("tests")).unwrap();
    std::fs::write(run.path().join("tests/bad.1.log"), "the last <line>\n").unwrap();
    let summary = Summary::of(&eventful_run());
    let mut before = cases(&summary);
    for results in before.values_mut() {
        *results = vec![CaseResult { outcome: Outcome::Pass, seconds: None }];
    }
    let comparison = compare(&before, &cases(&summary), None);
    let page = Html {
        excerpts: Excerpts::read(&summary, run.path()),
        comparison: Some(("the one before".into(), comparison)),
    };
    let page = page.render(&summary);
    assert!(
        page.contains("the last &lt;line&gt;") && page.contains("Compared with the one before"),
        "{page}"
    );
    assert!(page.contains("<td>regression</td><td>bad</td>"), "{page}");
}

#[test]
fn bars_that_overlap_are_below_each_other() {
    let page = page(&Summary::of(&eventful_run()));
    assert_eq!(page.matches("<rect").count(), 3, "those that were started: {page}");
}
