//! The table of checks: a line a check, a column a patch.

use crate::event::{CheckId, CheckOn, Status};
use crate::report::style::{colour_of_status, paint};
use crate::results::Validation;

/// The table: a line a check, a column a patch, and one for the series. `now` is what is being done.
pub fn table(validation: &Validation, now: Option<CheckOn>, colour: bool) -> Vec<String> {
    let numbers: Vec<usize> = validation.series.patches.iter().map(|patch| patch.number).collect();
    part(validation, &numbers, now, colour)
}

/// As much of the table as fits into so many columns and rows, around what is being done: the patches near it, and the
/// checks near it, with a line that says how many there are.
pub fn fitting(
    validation: &Validation,
    now: Option<CheckOn>,
    colour: bool,
    cols: usize,
    rows: usize,
) -> Vec<String> {
    let numbers: Vec<usize> = validation.series.patches.iter().map(|patch| patch.number).collect();
    let room = cols.saturating_sub(width_of_checks(validation) + "      series".len()) / 3;
    let at = now.and_then(|now| numbers.iter().position(|number| Some(*number) == now.patch));
    let lines = part(validation, &numbers[window(numbers.len(), at, room)], now, colour);
    if lines.len() <= rows {
        return lines;
    }
    let at = now.and_then(|now| validation.checks.iter().position(|known| *known == now.check));
    // One row is that of the heads, and one says what is left out.
    let shown = window(validation.checks.len(), at, rows.saturating_sub(2));
    let left_out = format!("… {} of {} checks", shown.len(), validation.checks.len());
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

fn width_of_checks(validation: &Validation) -> usize {
    validation.checks.iter().map(|check| check.as_str().len()).max().unwrap_or_default().max(5)
}

/// The table, with the columns of these patches.
fn part(validation: &Validation, numbers: &[usize], now: Option<CheckOn>, colour: bool) -> Vec<String> {
    let wide = width_of_checks(validation);
    let heads: Vec<String> = numbers.iter().map(|number| format!("{number:>3}")).collect();
    let mut lines = vec![format!("{:<wide$}{} series", "check", heads.concat())];
    let cell = |check: CheckId, patch: Option<usize>| {
        let on = CheckOn { check, patch };
        if now == Some(on) {
            return paint(colour, "36", "▸");
        }
        match validation.result(on) {
            Some(result) if result.status == Status::NotApplicable => " ".to_owned(),
            Some(result) => paint(colour, colour_of_status(result.status), &result.status.mark().to_string()),
            None => " ".to_owned(),
        }
    };
    for check in &validation.checks {
        let cells: Vec<String> = numbers.iter().map(|number| cell(*check, Some(*number))).collect();
        let cells = cells.join("  ");
        lines.push(format!("{check:<wide$}  {cells}      {}", cell(*check, None)).trim_end().to_owned());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::PatchInfo;
    use crate::report::findings::tests::validated;

    #[test]
    fn on_a_small_terminal_the_table_shows_what_is_near() {
        let small = validated().validation.unwrap();
        let mut large = small.clone();
        large.checks = vec![
            CheckId::Apply,
            CheckId::Safety,
            CheckId::Subject,
            CheckId::Message,
            CheckId::Checkpatch,
            CheckId::Yaml,
            CheckId::Build,
            CheckId::Sparse,
            CheckId::BuildAll,
            CheckId::Tests,
        ];
        let info = |number| PatchInfo { number, subject: String::new(), commit: None };
        large.series.patches = (1..=40).map(info).collect();
        let shown = fitting(&large, Some(CheckOn::patch(CheckId::Yaml, 30)), false, 36, 8);
        insta::assert_snapshot!(shown.join("\n"), @r"
        check      28 29 30 31 series
        subject
        message
        checkpatch
        yaml              ▸
        build
        sparse
        … 6 of 10 checks
        ");
        assert_eq!(fitting(&small, None, false, 80, 24), table(&small, None, false));
        for (cols, rows) in [(1, 1), (10, 2), (40, 3), (79, 100), (200, 5)] {
            let lines = fitting(&large, Some(CheckOn::series(CheckId::Apply)), false, cols, rows);
            assert!(lines.len() <= rows, "{cols} x {rows}: {lines:?}");
            // The names of the checks need their room.
            let widest = lines.iter().map(|line| line.chars().count()).max().unwrap_or_default();
            assert!(widest <= cols.max(30), "{cols} x {rows}: {lines:?}");
        }
        assert!(table(&small, Some(CheckOn::series(CheckId::Tests)), false)[5].ends_with('▸'));
    }
}
