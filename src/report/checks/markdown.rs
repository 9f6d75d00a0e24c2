//! The checks of a series as Markdown that also reads well as plain text: for below the line of dashes of a cover letter.

use super::{line, reasons, title, verdict};
use crate::series::verdict::{CheckResult, Report, Status};
use std::fmt::Write as _;

/// Renders it.
pub fn render(report: &Report) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "Validated with vmptcp on {:.12}: {}.\n", report.base, verdict(report));
    let _ = writeln!(text, "| Check | Result |\n| --- | --- |");
    for check in &report.checks {
        let results: Vec<&CheckResult> =
            report.results.iter().filter(|result| result.check == *check).collect();
        let Some(worst) = results.iter().map(|result| result.status).max() else { continue };
        // What was done on no patch is listed below, or not worth a line.
        if results.iter().all(|result| matches!(result.status, Status::Moot | Status::Skip)) {
            continue;
        }
        let bad = results.iter().filter(|result| result.status == worst && worst > Status::Skip);
        let numbers: Vec<String> = bad.filter_map(|result| Some(result.patch?.to_string())).collect();
        let word = if worst <= Status::Skip { Status::Pass } else { worst };
        let which = match numbers.as_slice() {
            [] => String::new(),
            [one] => format!(" (patch {one})"),
            many => format!(" (patches {})", many.join(", ")),
        };
        let _ = writeln!(text, "| {check} | {word}{which} |");
    }
    let worth = |result: &&CheckResult| matches!(result.status, Status::Fail | Status::Error | Status::Warn);
    for result in report.results.iter().filter(worth) {
        let _ = writeln!(text, "\n* {}, {}:", title(result), result.status);
        for finding in &result.findings {
            // Text of the series may contain what Markdown acts on.
            let _ = writeln!(text, "  - `{}`", line(finding).replace('`', "'"));
        }
        if let Some(note) = &result.note {
            let _ = writeln!(text, "  - `{}`", crate::report::text::clean(note).replace('`', "'"));
        }
    }
    let reasons = reasons(report, Status::Skip);
    if !reasons.is_empty() {
        let checks: Vec<&str> = reasons.iter().flat_map(|(_, checks)| checks.iter().copied()).collect();
        let _ = writeln!(text, "\nSkipped: {}.", checks.join(", "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::tests::report;
    use super::*;

    #[test]
    fn it_reads_as_plain_text_too() {
        insta::assert_snapshot!(render(&report()), @r"
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
}
