//! What failed, and why: before everything else.

use super::excerpts::Excerpts;
use super::{clean_lines, table_of_connections};
use crate::event::{DEFAULT_SUITE, Outcome};
use crate::report::style::{clean, duration};
use crate::results::{Splat, Summary, Test};
use maud::{Markup, html};
use std::fmt::Write as _;

/// So many failed subtests of a test are shown here. The table has them all.
const MAX_SUBTESTS: usize = 20;

/// So many lines of a splat.
const MAX_SPLAT_LINES: usize = 80;

/// Tests that failed, splats, and guests that are gone.
pub(super) fn section(summary: &Summary, excerpts: &Excerpts) -> Markup {
    let failed: Vec<&Test> = summary.tests.iter().filter(|test| test.failed()).collect();
    let alone: Vec<&Splat> = summary.splats.iter().filter(|splat| splat.tests.is_empty()).collect();
    let lost: Vec<_> = summary.vms.iter().filter(|vm| vm.crashed).collect();
    if failed.is_empty() && alone.is_empty() && lost.is_empty() {
        return html! {};
    }
    html! {
        section id="failures" {
            h2 { "Failures" }
            @for test in failed { (of_test(summary, test, excerpts)) }
            @for splat in alone { (of_splat(splat)) }
            @for vm in lost {
                article {
                    h3 { "Guest " (vm.vm) ": " (clean(vm.end.as_deref().unwrap_or("gone"))) }
                    p { "Console: " a href=(clean(&vm.console)) { (clean(&vm.console)) } }
                    @if !vm.console_tail.is_empty() { pre tabindex="0" { (clean_lines(&vm.console_tail.join("\n"))) } }
                }
            }
        }
    }
}

fn of_test(summary: &Summary, test: &Test, excerpts: &Excerpts) -> Markup {
    let failed: Vec<_> = test.result.failed_subtests().collect();
    let splats = summary.splats.iter().filter(|splat| splat.tests.iter().any(|id| test.is(id)));
    html! {
        article {
            h3 { span.outcome.fail { (test.result.outcome) } " " (clean(&test.title())) }
            p {
                @if let Some(reason) = &test.result.reason { (clean(reason)) ". " }
                "Took " (duration(test.result.seconds))
                @if let Some(seconds) = test.result.virtual_seconds { ", " (duration(seconds)) " of virtual time" }
                "."
            }
            @if !failed.is_empty() {
                ul {
                    @for subtest in failed.iter().take(MAX_SUBTESTS) {
                        li {
                            span.outcome.fail { (subtest.outcome) } " " (clean(&subtest.name))
                            @if let Some(reason) = &subtest.reason { ": " (clean(reason)) }
                        }
                    }
                    @if let Some(more) = failed.len().checked_sub(MAX_SUBTESTS).filter(|more| *more > 0) {
                        li { "and " (more) " more" }
                    }
                }
            }
            @if let Some(again) = again(summary, test) { p { "Again: " code { (clean(&again)) } } }
            @for splat in splats { (of_splat(splat)) }
            @if let Some(seen) = &test.result.connections { (table_of_connections(seen)) }
            @if let Some(output) = &test.result.output { (file("Output", output, excerpts, true)) }
            @for evidence in summary.evidence_of(Some(test)) { (file(&evidence.what, &evidence.file, excerpts, false)) }
        }
    }
}

/// A file of the run, with its end where that was read.
fn file(what: &str, name: &str, excerpts: &Excerpts, open: bool) -> Markup {
    let link = html! { a href=(clean(name)) { (clean(name)) } };
    html! {
        @match excerpts.of(name) {
            Some(text) => details open[open] {
                summary { (clean(what)) }
                p { (link) }
                pre tabindex="0" { (clean_lines(text)) }
            },
            None => p { (clean(what)) ": " (link) },
        }
    }
}

fn of_splat(splat: &Splat) -> Markup {
    let notice = if splat.notice { " (a notice)" } else { "" };
    html! {
        details open[!splat.notice] {
            summary {
                strong { "Splat" (notice) ": " (clean(&splat.title)) }
                @if splat.count > 1 { ", " (splat.count) " times" }
                @if splat.boot { ", during boot" }
            }
            pre tabindex="0" {
                (clean_lines(&splat.lines.iter().take(MAX_SPLAT_LINES).cloned().collect::<Vec<_>>().join("\n")))
            }
        }
    }
}

/// The command that runs the test again on such a kernel, where that is one of the default suite.
fn again(summary: &Summary, test: &Test) -> Option<String> {
    if test.suite != DEFAULT_SUITE || test.result.outcome == Outcome::NotRun {
        return None;
    }
    let variant = summary.provenance.get("variant").map_or("normal", String::as_str);
    let mut command = format!("vmptcp test {}", test.label());
    for part in variant.split('-').filter(|part| *part != "normal") {
        let flag = match part {
            "uml" | "gcov" | "clang" => format!(" --{part}"),
            variant => format!(" --variant {variant}"),
        };
        command.push_str(&flag);
    }
    if let Some(seed) = test.result.seed {
        let _ = write!(command, " --seed {seed}");
    }
    Some(command)
}
