//! The checks of a series for a person: a table, then what went wrong.

use super::table::table;
use crate::event::{CheckResult, GIVEN, SeriesInfo, Severity, Status};
use crate::report::findings::{line, reasons, reproduce, title, verdict};
use crate::report::style::{clean, colour_of_status, duration, indented, paint};
use crate::results::{Summary, Validation, Verdict};
use std::fmt::Write as _;

/// How many findings of one result are shown.
const MAX_FINDINGS: usize = 12;

/// All of it.
pub(super) fn render(summary: &Summary, validation: &Validation, colour: bool) -> String {
    let mut text = String::new();
    let SeriesInfo { base, patches, base_by, .. } = &validation.series;
    let count = patches.len();
    // What was given needs no saying.
    let found = base_by.as_ref().filter(|how| *how != GIVEN);
    let found = found.map(|how| format!(", {how}")).unwrap_or_default();
    let _ = writeln!(text, "{count} {} on {base:.12}{found}", if count == 1 { "patch" } else { "patches" });
    for patch in patches {
        let _ = writeln!(text, "{:>3}  {}", patch.number, clean(&patch.subject));
    }
    let _ = writeln!(text, "\n{}\n", table(validation, None, colour).join("\n"));
    text.push_str(&ending(summary, validation, colour));
    text
}

/// What went wrong, and the verdict.
fn ending(summary: &Summary, validation: &Validation, colour: bool) -> String {
    let mut text = String::new();
    let worth = |result: &&CheckResult| matches!(result.status, Status::Fail | Status::Error | Status::Warn);
    for result in validation.results.iter().filter(worth) {
        let word = paint(colour, colour_of_status(result.status), result.status.as_str());
        let _ = writeln!(text, "{word} {}", title(result));
        if let Some(note) = &result.note {
            for part in note.lines() {
                let _ = writeln!(text, "  {}", clean(part));
            }
        }
        for finding in result.findings.iter().take(MAX_FINDINGS) {
            let mark = if finding.severity == Severity::Error { "✗" } else { "!" };
            let _ = writeln!(text, "  {mark} {}", line(finding));
        }
        if let Some(more) = result.findings.len().checked_sub(MAX_FINDINGS).filter(|&more| more > 0) {
            let _ = writeln!(text, "  … and {more} more");
        }
        let _ = writeln!(text, "  alone: {}\n", reproduce(validation, result));
    }
    for note in &summary.notes {
        let _ = writeln!(text, "note: {}", clean(note));
    }
    for (status, word) in [(Status::Skip, "skipped"), (Status::NotRun, "not run")] {
        for (reason, checks) in reasons(validation, status) {
            let _ = writeln!(text, "{word}: {}: {reason}", checks.join(", "));
        }
    }
    for run in summary.evidence_of(None) {
        let _ = writeln!(text, "{}: {}", clean(&run.what), clean(&run.file));
    }
    if let Some(error) = &summary.error {
        let _ = writeln!(text, "{}: {}", paint(colour, "1;31", "error"), indented(&error.text));
    }
    let _ = writeln!(text, "{}", line_of_verdict(summary, validation, colour));
    text
}

/// The last line: the verdict, and how long it took.
pub(super) fn line_of_verdict(summary: &Summary, validation: &Validation, colour: bool) -> String {
    let code = if validation.passed() { "32" } else { "1;31" };
    // One that did not come to its end says so first.
    let ended = match summary.verdict {
        Verdict::Passed | Verdict::Failed => String::new(),
        other => format!("{}: ", other.as_str()),
    };
    let verdict = format!("{ended}{}", verdict(validation));
    format!("{} ({})", paint(colour, code, &verdict), duration(summary.seconds))
}

/// A result on a line of its own, as it comes.
pub fn progress(result: &CheckResult, colour: bool) -> String {
    let word = paint(colour, colour_of_status(result.status), &format!("{:<7}", result.status));
    let time = match (result.cached, result.seconds) {
        (true, _) => "  (known)".to_owned(),
        (false, seconds) if seconds < 0.05 => String::new(),
        (false, seconds) => format!("  in {}", duration(seconds)),
    };
    format!("{word} {}{time}", title(result))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::findings::tests::validated;

    #[test]
    fn a_person_sees_what_failed_where_and_how_to_see_it_again() {
        let summary = validated();
        let validation = summary.validation.as_ref().unwrap();
        insta::assert_snapshot!(render(&summary, validation, false), @r"
        2 patches on bbbbbbbbbbbb
          1  mptcp: one
          2  mptcp: two

        check   1  2 series
        apply   ✓  ✓
        sparse  !  ✗
        cover             ✓
        yaml    -
        tests             ·

        warn patch 1 · sparse
          ! a long word
          alone: vmptcp validate --patch 1 --check sparse base..

        fail patch 2 · sparse
          ✗ net/mptcp/pm.c:12: context imbalance in 'f'  [i386-ipv6-mptcp]
          alone: vmptcp validate --patch 2 --check sparse base..

        skipped: yaml: yamllint is not installed
        not ready to be sent: 1 failure, 1 warning, 1 check not done (8.0 s)
        ");
        assert_eq!(progress(&validation.results[3], false), "fail    patch 2 · sparse  in 1.5 s");
    }
}
