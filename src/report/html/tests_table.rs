//! All tests and subtests, with filters.

use crate::event::{Outcome, Subtest};
use crate::report::style::{clean, duration};
use crate::report::text::subtest_counts;
use crate::results::{Summary, Test};
use maud::{Markup, html};

/// A test or subtest is one of these to the filters.
const CLASSES: [(&str, &str); 3] =
    [("fail", "Failed"), ("odd", "Skipped, flaky, not run"), ("pass", "Passed")];

/// Every test with its subtests, in the order of the run.
pub(super) fn section(summary: &Summary) -> Markup {
    if summary.tests.is_empty() {
        return html! {};
    }
    let longest = summary.tests.iter().map(|test| test.result.seconds).fold(0.0, f64::max);
    html! {
        section id="tests" {
            h2 { "Tests" }
            form.filters hidden {
                label { "Find " input type="search" id="search" autocomplete="off"; }
                @for (class, text) in CLASSES {
                    label { input type="checkbox" name="class" value=(class) checked; " " (text) }
                }
                output id="shown" {}
            }
            @for test in &summary.tests { (block(test, longest)) }
        }
    }
}

fn block(test: &Test, longest: f64) -> Markup {
    let class = class_of(test.result.outcome);
    let share = if longest > 0.0 { (test.result.seconds / longest * 100.0).round() } else { 0.0 };
    let line = html! {
        span class={ "outcome " (class) } { (test.result.outcome) } " "
        span.name { (clean(&test.title())) } " "
        span.counts { (subtest_counts(&test.result)) } " "
        span.time { (duration(test.result.seconds)) }
        span.bar aria-hidden="true" style={ "width:" (share) "%" } {}
    };
    html! {
        @if test.result.subtests.is_empty() {
            div.test data-class=(class) { (line) @if let Some(reason) = &test.result.reason { p { (clean(reason)) } } }
        } @else {
            details.test data-class=(class) {
                summary { (line) }
                @if let Some(reason) = &test.result.reason { p { (clean(reason)) } }
                ul { @for subtest in &test.result.subtests { (row(subtest)) } }
            }
        }
    }
}

fn row(subtest: &Subtest) -> Markup {
    let class = if subtest.flaky { "odd" } else { class_of(subtest.outcome) };
    html! {
        li data-class=(class) {
            span class={ "outcome " (class) } { (subtest.outcome) } " " (clean(&subtest.name))
            @if let Some(reason) = &subtest.reason { ": " (clean(reason)) }
            @if let Some(ms) = subtest.ms { " " span.time { (ms) " ms" } }
        }
    }
}

/// The class of an outcome, for its colour and the filters.
pub(super) fn class_of(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Pass => "pass",
        Outcome::Skip | Outcome::Xfail | Outcome::Xpass | Outcome::NotRun | Outcome::Flaky => "odd",
        Outcome::Fail | Outcome::Timeout | Outcome::Crash | Outcome::Error => "fail",
    }
}
