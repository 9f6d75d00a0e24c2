//! What ran when: a bar for each test, part and rerun, those beside each other that ran at the same time.

use super::tests_table::class_of;
use crate::report::style::{clean, duration};
use crate::results::{Attempt, Summary, Test};
use maud::{Markup, html};

/// The width of the drawing, in its own unit; the page gives it its real one.
const WIDTH: f64 = 1000.0;

/// The height of a row.
const ROW: f64 = 18.0;

/// The gap below a bar.
const GAP: f64 = 3.0;

struct Bar<'s> {
    title: String,
    attempt: &'s Attempt,
    began: f64,
    row: usize,
}

/// The drawing, where anything is known of when tests began.
pub(super) fn section(summary: &Summary) -> Markup {
    let bars = bars(summary);
    let Some(rows) = bars.iter().map(|bar| bar.row + 1).max() else { return html! {} };
    let end =
        bars.iter().map(|bar| bar.began + bar.attempt.seconds).fold(summary.seconds, f64::max).max(0.001);
    let x = |seconds: f64| (seconds / end * WIDTH * 10.0).round() / 10.0;
    #[allow(clippy::cast_precision_loss, reason = "rows are few")]
    let y = |row: usize| row as f64 * ROW;
    let label = format!("{} tests, parts and reruns over {}", bars.len(), duration(end));
    html! {
        section id="timeline" {
            h2 { "Timeline" }
            svg role="img" aria-label=(label) viewBox={ "0 0 " (WIDTH) " " (y(rows)) } preserveAspectRatio="none"
                style={ "height:" (y(rows)) "px" } {
                @for bar in &bars {
                    rect class=(class_of(bar.attempt.outcome)) x=(x(bar.began)) y=(y(bar.row)) height=(ROW - GAP)
                        width=(x(bar.attempt.seconds).max(1.0)) {
                        title { (clean(&bar.title)) ": " (bar.attempt.outcome) ", " (duration(bar.attempt.seconds)) }
                    }
                }
            }
            p.axis { span { "0" } span { (duration(end)) } }
        }
    }
}

/// All attempts that were started, each in the first row that is free then.
fn bars(summary: &Summary) -> Vec<Bar<'_>> {
    let mut bars: Vec<Bar<'_>> = summary.tests.iter().flat_map(attempts).collect();
    bars.sort_by(|a, b| a.began.total_cmp(&b.began));
    let mut free: Vec<f64> = Vec::new();
    for bar in &mut bars {
        let row = free.iter().position(|free| *free <= bar.began).unwrap_or(free.len());
        let end = bar.began + bar.attempt.seconds;
        match free.get_mut(row) {
            Some(free) => *free = end,
            None => free.push(end),
        }
        bar.row = row;
    }
    bars
}

/// The attempts of a test that took time: its parts where it ran in parts, and all reruns.
fn attempts(test: &Test) -> Vec<Bar<'_>> {
    let whole = test.shards.is_empty().then_some((test.title(), &test.result));
    let parts = test.shards.iter().map(|part| (format!("{}, {}", test.title(), part.shard), &part.result));
    let again = |title: String, reruns: &'_ [Attempt]| -> Vec<(String, usize)> {
        (0..reruns.len()).map(|at| (format!("{title}, rerun {}", at + 1), at)).collect()
    };
    let of_whole = again(test.title(), &test.reruns).into_iter().map(|(title, at)| (title, &test.reruns[at]));
    let of_parts = test.shards.iter().flat_map(|part| {
        let title = format!("{}, {}", test.title(), part.shard);
        again(title, &part.reruns).into_iter().map(|(title, at)| (title, &part.reruns[at]))
    });
    let all = whole.into_iter().chain(parts).chain(of_whole).chain(of_parts);
    all.filter_map(|(title, attempt)| Some(Bar { title, attempt, began: attempt.began?, row: 0 })).collect()
}
