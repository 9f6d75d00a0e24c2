//! Markdown that also reads well as plain text: for below the line of dashes of a cover letter, or the page of a CI system.

use super::Exporter;
use super::findings::{line, reasons, title, verdict};
use super::style::{clean, duration};
use super::text;
use crate::event::{CheckResult, Status};
use crate::results::{Summary, Test, Validation};
use std::fmt::Write as _;

/// A table of the checks, or of the tests, and what went wrong.
#[derive(Debug, Clone, Copy)]
pub struct Markdown;

impl Exporter for Markdown {
    fn render(&self, summary: &Summary) -> String {
        match &summary.validation {
            Some(validation) => of_checks(validation),
            None => of_tests(summary),
        }
    }
}

fn of_checks(validation: &Validation) -> String {
    let mut text = String::new();
    let _ =
        writeln!(text, "Validated with vmptcp on {:.12}: {}.\n", validation.series.base, verdict(validation));
    let _ = writeln!(text, "| Check | Result |\n| --- | --- |");
    for check in &validation.checks {
        let results: Vec<&CheckResult> =
            validation.results.iter().filter(|result| result.on.check == *check).collect();
        let Some(worst) = results.iter().map(|result| result.status).max() else { continue };
        // What was done on no patch is listed below, or not worth a line.
        if results.iter().all(|result| matches!(result.status, Status::NotApplicable | Status::Skip)) {
            continue;
        }
        let bad = results.iter().filter(|result| result.status == worst && worst > Status::Skip);
        let numbers: Vec<String> = bad.filter_map(|result| Some(result.on.patch?.to_string())).collect();
        let word = if worst <= Status::Skip { Status::Pass } else { worst };
        let which = match numbers.as_slice() {
            [] => String::new(),
            [one] => format!(" (patch {one})"),
            many => format!(" (patches {})", many.join(", ")),
        };
        let _ = writeln!(text, "| {check} | {word}{which} |");
    }
    let worth = |result: &&CheckResult| matches!(result.status, Status::Fail | Status::Error | Status::Warn);
    for result in validation.results.iter().filter(worth) {
        let _ = writeln!(text, "\n* {}, {}:", title(result), result.status);
        for finding in &result.findings {
            // Text of the series may contain what Markdown acts on.
            let _ = writeln!(text, "  - `{}`", line(finding).replace('`', "'"));
        }
        if let Some(note) = &result.note {
            let _ = writeln!(text, "  - `{}`", clean(note).replace('`', "'"));
        }
    }
    let reasons = reasons(validation, Status::Skip);
    if !reasons.is_empty() {
        let checks: Vec<&str> = reasons.iter().flat_map(|(_, checks)| checks.iter().copied()).collect();
        let _ = writeln!(text, "\nSkipped: {}.", checks.join(", "));
    }
    text
}

fn of_tests(summary: &Summary) -> String {
    let mut text = format!("Tested with vmptcp: {}.\n", text::verdict(summary, false));
    for (fact, word) in [("tree version", "Tree"), ("commit", "Commit"), ("kernel", "Kernel")] {
        if let Some(value) = summary.provenance.get(fact) {
            let _ = write!(text, "\n* {word}: `{}`", quoted(value));
        }
    }
    if !summary.tests.is_empty() {
        text.push_str("\n\n| Test | Result | Time |\n| --- | --- | --- |\n");
    }
    for test in &summary.tests {
        let (outcome, time) = (test.result.outcome, duration(test.result.seconds));
        let _ =
            writeln!(text, "| {} | {outcome} | {time} |", quoted(&test.id().to_string()).replace('|', "\\|"));
    }
    let mut wrong = String::new();
    for test in summary.tests.iter().filter(|test| !test.result.outcome.is_ok()) {
        failure(&mut wrong, test);
    }
    for splat in &summary.splats {
        let _ = writeln!(wrong, "* kernel splat: `{}`", quoted(&splat.title));
    }
    if let Some(error) = &summary.error {
        let _ = writeln!(wrong, "* error: `{}`", quoted(error.text.lines().next().unwrap_or_default()));
    }
    if wrong.is_empty() { text } else { text + "\n" + &wrong }
}

fn failure(text: &mut String, test: &Test) {
    let why = test.result.reason.as_ref().map(|why| format!(", `{}`", quoted(why))).unwrap_or_default();
    let _ = writeln!(text, "* {}, {}{why}", quoted(&test.id().to_string()), test.result.outcome);
    for subtest in test.result.failed_subtests() {
        let why = subtest.reason.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
        let _ = writeln!(text, "  - `{}`", quoted(&format!("{}: {}{why}", subtest.outcome, subtest.name)));
    }
}

/// Text from outside between backquotes: what Markdown acts on is nothing special there.
fn quoted(text: &str) -> String {
    clean(text).replace('`', "'")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::findings::tests::validated;
    use crate::results::tests::eventful_run;

    #[test]
    fn it_reads_as_plain_text_too() {
        insta::assert_snapshot!(Markdown.render(&validated()), @r"
        Validated with vmptcp on bbbbbbbbbbbb: not ready to be sent: 1 failure, 1 warning, 1 check not done.

        | Check | Result |
        | --- | --- |
        | apply | pass |
        | sparse | fail (patch 2) |
        | cover | pass |
        | tests | not run |

        * patch 1 · sparse, warn:
          - `a long word`

        * patch 2 · sparse, fail:
          - `net/mptcp/pm.c:12: context imbalance in 'f'  [i386-ipv6-mptcp]`

        Skipped: yaml.
        ");
    }

    #[test]
    fn a_run_of_tests_is_a_table_too() {
        insta::assert_snapshot!(Markdown.render(&Summary::of(&eventful_run())), @r"
        Tested with vmptcp: unfinished: 1 pass, 1 fail, 1 crash, 1 not run (3 subtests), in 18 s.

        * Kernel: `6.12.1`

        | Test | Result | Time |
        | --- | --- | --- |
        | good | pass | 3.0 s |
        | bad | fail | 2.5 s |
        | ugly | crash | 1.0 s |
        | late | not run | 0.0 s |

        * bad, fail, `exit code 1`
          - `fail: it (got 1 <2>)`
        * ugly, crash, `the guest is gone`
        * late, not run
        * kernel splat: `BUG: kernel NULL pointer dereference`
        ");
    }
}
