//! A finding a line, as compilers and checkpatch write them: for editors, and for b4.

use super::Exporter;
use super::style::clean;
use crate::event::{Severity, Status};
use crate::results::{Summary, Validation};
use std::fmt::Write as _;

/// Every finding of the checks, or every subtest that failed, on a line of its own. Empty where all is well.
#[derive(Debug, Clone, Copy)]
pub struct Lines;

impl Exporter for Lines {
    fn render(&self, summary: &Summary) -> String {
        summary.validation.as_ref().map_or_else(|| of_tests(summary), of_checks)
    }
}

fn of_checks(validation: &Validation) -> String {
    let mut text = String::new();
    for result in &validation.results {
        let check = result.on.check;
        let patch = result.on.patch.filter(|_| validation.series.patches.len() > 1);
        let patch = patch.map(|number| format!("patch {number}: ")).unwrap_or_default();
        for finding in &result.findings {
            let place = finding.place().map_or_else(|| patch.clone(), |place| format!("{}: ", clean(&place)));
            let word = if finding.severity == Severity::Error { "ERROR" } else { "WARNING" };
            let _ = writeln!(text, "{place}{word}: {} [{check}]", clean(&finding.text));
        }
        if let (Status::Error, Some(note)) = (result.status, &result.note) {
            let _ = writeln!(text, "{patch}ERROR: could not be done: {} [{check}]", clean(note));
        }
    }
    text
}

fn of_tests(summary: &Summary) -> String {
    let mut text = String::new();
    for test in summary.tests.iter().filter(|test| !test.result.outcome.is_ok()) {
        let (name, outcome) = (clean(&test.id().to_string()), test.result.outcome);
        let reason = test.result.reason.as_ref().map(|why| format!(" ({})", clean(why))).unwrap_or_default();
        let _ = writeln!(text, "{name}: ERROR: {outcome}{reason}");
        for subtest in test.result.failed_subtests() {
            let reason = subtest.reason.as_ref().map(|why| format!(" ({})", clean(why))).unwrap_or_default();
            let _ = writeln!(text, "{name}: ERROR: {}: {}{reason}", subtest.outcome, clean(&subtest.name));
        }
    }
    for splat in summary.splats.iter().filter(|splat| !splat.notice) {
        let _ = writeln!(text, "VM {}: ERROR: splat: {}", splat.vm, clean(&splat.title));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::findings::tests::validated;
    use crate::results::tests::eventful_run;

    #[test]
    fn a_finding_on_a_line_reads_like_a_compilers() {
        insta::assert_snapshot!(Lines.render(&validated()), @r"
        patch 1: WARNING: a long word [sparse]
        net/mptcp/pm.c:12: ERROR: context imbalance in 'f' [sparse]
        ");
    }

    #[test]
    fn what_failed_in_a_run_of_tests_is_a_line_each() {
        insta::assert_snapshot!(Lines.render(&Summary::of(&eventful_run())), @r"
        bad: ERROR: fail (exit code 1)
        bad: ERROR: fail: it (got 1 <2>)
        ugly: ERROR: crash (the guest is gone)
        late: ERROR: not run
        VM 1: ERROR: splat: BUG: kernel NULL pointer dereference
        ");
    }
}
