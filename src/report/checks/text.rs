//! The checks of a series for a person: a table, then what went wrong.

use super::{line, reasons, reproduce, title, verdict};
use crate::report::text::{clean, duration, paint};
use crate::series::verdict::{CheckResult, GIVEN, Report, Severity, Status};
use std::fmt::Write as _;

/// How many findings of one result are shown.
const MOST: usize = 12;

/// The colour of a status.
fn colour_of(status: Status) -> &'static str {
    match status {
        Status::Pass => "32",
        Status::Moot | Status::Skip | Status::NotRun => "2",
        Status::Warn => "33",
        Status::Fail | Status::Error => "1;31",
    }
}

/// The table: a line a check, a column a patch, and one for the series. `now` is what is being done.
pub fn table(report: &Report, now: Option<(&str, Option<usize>)>, colour: bool) -> Vec<String> {
    let numbers: Vec<usize> = report.patches.iter().map(|patch| patch.number).collect();
    part(report, &numbers, now, colour)
}

/// As much of the table as fits into so many columns and rows, around what is being done: the patches near it, and the
/// checks near it, with a line that says how many there are.
pub fn fitting(
    report: &Report,
    now: Option<(&str, Option<usize>)>,
    colour: bool,
    cols: usize,
    rows: usize,
) -> Vec<String> {
    let numbers: Vec<usize> = report.patches.iter().map(|patch| patch.number).collect();
    let room = cols.saturating_sub(width_of_checks(report) + "      series".len()) / 3;
    let at = now.and_then(|(_, patch)| numbers.iter().position(|number| Some(*number) == patch));
    let lines = part(report, &numbers[window(numbers.len(), at, room)], now, colour);
    if lines.len() <= rows {
        return lines;
    }
    let at = now.and_then(|(check, _)| report.checks.iter().position(|known| known == check));
    // One row is that of the heads, and one says what is left out.
    let shown = window(report.checks.len(), at, rows.saturating_sub(2));
    let left_out = format!("… {} of {} checks", shown.len(), report.checks.len());
    let head = lines.first().cloned();
    let body = lines.into_iter().skip(1).skip(shown.start).take(shown.len());
    head.into_iter().chain(body).chain([left_out]).take(rows.max(1)).collect()
}

/// Which of `count` things are shown where there is room for so many, if that one is in the middle.
fn window(count: usize, middle: Option<usize>, room: usize) -> std::ops::Range<usize> {
    let shown = room.clamp(count.min(1), count.max(1)).min(count);
    let begin = middle.unwrap_or(0).saturating_sub(shown / 2).min(count - shown);
    begin..begin + shown
}

fn width_of_checks(report: &Report) -> usize {
    report.checks.iter().map(String::len).max().unwrap_or_default().max(5)
}

/// The table, with the columns of these patches.
fn part(report: &Report, numbers: &[usize], now: Option<(&str, Option<usize>)>, colour: bool) -> Vec<String> {
    let wide = width_of_checks(report);
    let heads: Vec<String> = numbers.iter().map(|number| format!("{number:>3}")).collect();
    let mut lines = vec![format!("{:<wide$}{} series", "check", heads.concat())];
    let cell = |check: &str, patch: Option<usize>| {
        if now == Some((check, patch)) {
            return paint(colour, "36", "▸");
        }
        match report.result(check, patch) {
            Some(result) if result.status == Status::Moot => " ".to_owned(),
            Some(result) => paint(colour, colour_of(result.status), &result.status.mark().to_string()),
            None => " ".to_owned(),
        }
    };
    for check in &report.checks {
        let cells: Vec<String> = numbers.iter().map(|number| cell(check, Some(*number))).collect();
        let cells = cells.join("  ");
        lines.push(format!("{check:<wide$}  {cells}      {}", cell(check, None)).trim_end().to_owned());
    }
    lines
}

/// All of it.
pub fn render(report: &Report, colour: bool) -> String {
    let mut text = String::new();
    let base = &report.base;
    let count = report.patches.len();
    // What was given needs no saying.
    let found = report.base_by.as_ref().filter(|how| *how != GIVEN);
    let found = found.map(|how| format!(", {how}")).unwrap_or_default();
    let _ = writeln!(text, "{count} {} on {base:.12}{found}", if count == 1 { "patch" } else { "patches" });
    for patch in &report.patches {
        let _ = writeln!(text, "{:>3}  {}", patch.number, clean(&patch.subject));
    }
    let _ = writeln!(text, "\n{}\n", table(report, None, colour).join("\n"));
    text.push_str(&ending(report, colour));
    text
}

/// What went wrong, and the verdict.
pub fn ending(report: &Report, colour: bool) -> String {
    let mut text = String::new();
    let worth = |result: &&CheckResult| matches!(result.status, Status::Fail | Status::Error | Status::Warn);
    for result in report.results.iter().filter(worth) {
        let word = paint(colour, colour_of(result.status), result.status.as_str());
        let _ = writeln!(text, "{word} {}", title(result));
        if let Some(note) = &result.note {
            for part in note.lines() {
                let _ = writeln!(text, "  {}", clean(part));
            }
        }
        for finding in result.findings.iter().take(MOST) {
            let mark = if finding.severity == Severity::Error { "✗" } else { "!" };
            let _ = writeln!(text, "  {mark} {}", line(finding));
        }
        if let Some(more) = result.findings.len().checked_sub(MOST).filter(|&more| more > 0) {
            let _ = writeln!(text, "  … and {more} more");
        }
        let _ = writeln!(text, "  alone: {}\n", reproduce(report, result));
    }
    for note in &report.notes {
        let _ = writeln!(text, "note: {}", clean(note));
    }
    for (status, word) in [(Status::Skip, "skipped"), (Status::NotRun, "not run")] {
        for (reason, checks) in reasons(report, status) {
            let _ = writeln!(text, "{word}: {}: {reason}", checks.join(", "));
        }
    }
    let code = if report.passed() { "32" } else { "1;31" };
    let _ = writeln!(text, "{} ({})", paint(colour, code, &verdict(report)), duration(report.seconds));
    text
}

/// A result on a line of its own, as it comes.
pub fn progress(result: &CheckResult, colour: bool) -> String {
    let word = paint(colour, colour_of(result.status), &format!("{:<7}", result.status));
    let time = match (result.cached, result.seconds) {
        (true, _) => "  (known)".to_owned(),
        (false, seconds) if seconds < 0.05 => String::new(),
        (false, seconds) => format!("  in {}", duration(seconds)),
    };
    format!("{word} {}{time}", title(result))
}

#[cfg(test)]
mod tests {
    use super::super::tests::report;
    use super::*;

    #[test]
    fn on_a_small_terminal_the_table_shows_what_is_near() {
        let mut large = report();
        large.checks = (1..=30).map(|check| format!("check{check}")).collect();
        let info = |number| crate::series::verdict::PatchInfo {
            number,
            subject: String::new(),
            commit: String::new(),
        };
        large.patches = (1..=40).map(info).collect();
        let shown = fitting(&large, Some(("check20", Some(30))), false, 34, 8);
        insta::assert_snapshot!(shown.join("\n"), @r"
        check   28 29 30 31 32 series
        check17
        check18
        check19
        check20        ▸
        check21
        check22
        … 6 of 30 checks
        ");
        assert_eq!(fitting(&report(), None, false, 80, 24), table(&report(), None, false));
        for (cols, rows) in [(1, 1), (10, 2), (40, 3), (79, 100), (200, 5)] {
            let lines = fitting(&large, Some(("check1", None)), false, cols, rows);
            assert!(lines.len() <= rows, "{cols} x {rows}: {lines:?}");
            // The names of the checks need their room.
            let widest = lines.iter().map(|line| line.chars().count()).max().unwrap_or_default();
            assert!(widest <= cols.max(24), "{cols} x {rows}: {lines:?}");
        }
    }

    #[test]
    fn a_person_sees_what_failed_where_and_how_to_see_it_again() {
        insta::assert_snapshot!(render(&report(), false), @r"
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
        not ready to be sent: 1 failure, 1 warning, 1 check not done (0.0 s)
        ");
        assert!(table(&report(), Some(("tests", None)), false)[5].ends_with('▸'));
        assert_eq!(progress(&report().results[3], false), "fail    patch 2 · sparse  in 1.5 s");
    }
}
