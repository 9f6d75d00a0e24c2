//! A run or a validation as one page: it needs no other file and no network, reads without scripts, on paper, and on a phone.

mod excerpts;
mod failures;
mod series;
mod tests_table;
mod timeline;

pub use excerpts::Excerpts;

use super::history::comparison_rows;
use super::style::{clean, duration, plural};
use super::text::verdict;
use super::{Exporter, connections};
use crate::event::StepStatus;
use crate::results::{Comparison, Step, Summary, Verdict};
use crate::text::Shown;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use std::collections::BTreeMap;

/// The page's look.
const STYLE: &str = include_str!("html/style.css");

/// Filters and the search; without it everything is shown.
const SCRIPT: &str = include_str!("html/script.js");

/// A page, with what files of the run say.
#[derive(Debug, Default)]
pub struct Html {
    /// The ends of the files that tell why something failed.
    pub excerpts: Excerpts,
    /// What differs from another run, and the name of that.
    pub comparison: Option<(String, Comparison)>,
}

impl Exporter for Html {
    fn render(&self, summary: &Summary) -> String {
        let fact = |name: &str| summary.provenance.get(name).map(|value| clean(value)).unwrap_or_default();
        let title =
            format!("{}: Linux {} {}", summary.verdict.as_str(), fact("tree version"), fact("variant"));
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (title.trim()) " – vmptcp" }
                    style { (PreEscaped(STYLE)) }
                }
                body {
                    (header(summary))
                    main { (self.body(summary)) }
                    footer { p { "vmptcp " (clean(&summary.version)) } }
                    script { (PreEscaped(SCRIPT)) }
                }
            }
        };
        page.into_string()
    }
}

impl Html {
    fn body(&self, summary: &Summary) -> Markup {
        html! {
            @if let Some(error) = &summary.error {
                section.alert role="alert" {
                    h2 { "Why it ended" }
                    pre { (clean_lines(&error.text)) }
                    @if let Some(hint) = &error.hint { p { "→ " (clean(hint)) } }
                }
            }
            (failures::section(summary, &self.excerpts))
            @if let Some(validation) = &summary.validation { (series::section(validation)) }
            (self.compared())
            (tests_table::section(summary))
            (timeline::section(summary))
            (remarks(summary))
            (steps(summary))
            (facts("Provenance", &summary.provenance))
        }
    }

    fn compared(&self) -> Markup {
        let Some((name, comparison)) = &self.comparison else { return html! {} };
        html! {
            section id="comparison" {
                h2 { "Compared with " (clean(name)) }
                @if comparison.differences.is_empty() {
                    p { "No difference." }
                } @else {
                    div.scroll tabindex="0" role="region" aria-label="Comparison" {
                        table {
                            thead { tr { th scope="col" { "Change" } th scope="col" { "Test" } th scope="col" { "Outcome" } } }
                            tbody {
                                @for [change, case, outcomes] in comparison_rows(comparison) {
                                    tr { td { (change) } td { (case) } td { (outcomes) } }
                                }
                            }
                        }
                    }
                }
                p { (comparison.unchanged) " unchanged" }
            }
        }
    }
}

/// The colour class of a verdict.
fn class_of(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Passed => "pass",
        Verdict::Unfinished | Verdict::Interrupted => "odd",
        _ => "fail",
    }
}

fn header(summary: &Summary) -> Markup {
    let fact = |name: &str| summary.provenance.get(name).map(|value| clean(value));
    let kernel = ["tree version", "commit", "variant"].map(fact);
    let count = |name: &str, unit: &str| fact(name)?.parse().ok().map(|count| plural(count, unit));
    let machine =
        [fact("accelerator"), count("vms", "guest"), count("vcpus", "vCPU").map(|count| count + " each")];
    let joined = |parts: [Option<String>; 3]| parts.into_iter().flatten().collect::<Vec<_>>().join(", ");
    html! {
        header class=(class_of(summary.verdict)) {
            p.verdict { (verdict(summary, false)) }
            h1 { @match joined(kernel).as_str() { "" => "vmptcp", kernel => { "Linux " (kernel) } } }
            dl {
                @if let Some(started) = summary.started {
                    dt { "Started" } dd { time datetime=(started.to_string()) { (started.strftime("%Y-%m-%d %H:%M UTC").to_string()) } }
                }
                dt { "Machine" } dd { (joined(machine)) }
                dt { "Command" } dd { code { (clean(&command(summary))) } }
            }
        }
    }
}

fn command(summary: &Summary) -> String {
    let Some((program, args)) = summary.argv.split_first() else { return String::new() };
    let name = program.rsplit('/').next().unwrap_or(program);
    std::iter::once(name).chain(args.iter().map(String::as_str)).collect::<Vec<_>>().join(" ")
}

/// Notes and warnings.
fn remarks(summary: &Summary) -> Markup {
    html! {
        @if !summary.notes.is_empty() || !summary.warnings.is_empty() {
            section id="remarks" {
                h2 { "Notes" }
                ul {
                    @for warning in &summary.warnings {
                        li { strong { "Warning: " } (clean(&warning.text))
                            @if let Some(hint) = &warning.hint { " → " (clean(hint)) } }
                    }
                    @for note in &summary.notes { li { (clean(note)) } }
                }
            }
        }
    }
}

fn steps(summary: &Summary) -> Markup {
    let status = |step: &Step| match step.status {
        None => "not reached",
        Some(StepStatus::Done) => "done",
        Some(StepStatus::UpToDate) => "up to date",
        Some(StepStatus::Failed) => "failed",
    };
    html! {
        @if !summary.steps.is_empty() {
            section id="steps" {
                h2 { "Steps" }
                @for step in &summary.steps {
                    details {
                        summary { strong { (clean(&step.name)) } " " (status(step)) ", " (duration(step.seconds)) }
                        pre { (clean_lines(&step.detail)) }
                        (rows(&step.provenance))
                    }
                }
            }
        }
    }
}

fn facts(title: &str, facts: &BTreeMap<String, String>) -> Markup {
    html! {
        @if !facts.is_empty() {
            section id="provenance" { h2 { (title) } (rows(facts)) }
        }
    }
}

fn rows(facts: &BTreeMap<String, String>) -> Markup {
    html! {
        @if !facts.is_empty() {
            dl.facts { @for (name, value) in facts { dt { (clean(name)) } dd { (clean(value)) } } }
        }
    }
}

/// Untrusted text of several lines.
fn clean_lines(text: &str) -> String {
    Shown::lines(text).to_string()
}

/// The protocol that connections used.
fn table_of_connections(seen: &crate::event::connections::Connections) -> Markup {
    html! { pre { (connections::table(seen)) } }
}

#[cfg(test)]
mod tests;
