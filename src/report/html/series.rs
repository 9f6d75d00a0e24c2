//! The checks of a series.

use crate::event::{CheckResult, Severity, Status};
use crate::report::findings::{line, reproduce, title};
use crate::report::style::{clean, duration};
use crate::results::Validation;
use maud::{Markup, html};

/// The patches, and how each check ended.
pub(super) fn section(validation: &Validation) -> Markup {
    let worth = |result: &&CheckResult| matches!(result.status, Status::Fail | Status::Error | Status::Warn);
    html! {
        section id="series" {
            h2 { "Series" }
            ol { @for patch in &validation.series.patches { li value=(patch.number) { (clean(&patch.subject)) } } }
            @for result in validation.results.iter().filter(worth) {
                article {
                    h3 { span class={ "outcome " (class_of(result.status)) } { (result.status.as_str()) } " " (title(result)) }
                    @if let Some(note) = &result.note { p { (clean(note)) } }
                    ul {
                        @for finding in &result.findings {
                            li { @if finding.severity == Severity::Error { "✗ " } @else { "! " } (line(finding)) }
                        }
                    }
                    p { "Alone: " code { (reproduce(validation, result)) } }
                }
            }
            details {
                summary { "All checks" }
                div.scroll tabindex="0" role="region" aria-label="All checks" {
                    table {
                        thead { tr { th scope="col" { "Check" } th scope="col" { "Status" } th scope="col" { "Took" } } }
                        tbody {
                            @for result in validation.results.iter() {
                                tr {
                                    td { (title(result)) }
                                    td { span class={ "outcome " (class_of(result.status)) } { (result.status.as_str()) } }
                                    td { (duration(result.seconds)) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn class_of(status: Status) -> &'static str {
    match status {
        Status::Pass => "pass",
        Status::NotApplicable | Status::Skip | Status::NotRun | Status::Warn => "odd",
        Status::Fail | Status::Error => "fail",
    }
}
