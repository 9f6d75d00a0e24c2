//! Lists of runs, of what fails in them at times, and of what differs between two.

use super::style::{clean, colour_of, duration, paint, plural};
use crate::history::{Failure, Flake, Listed, Streak};
use crate::results::{Case, Change, Comparison, Difference, Tally};
use std::fmt::Write as _;

/// The digits of a commit that are shown.
const COMMIT_DIGITS: usize = 12;

/// A line a run: its name, its verdict, its kernel, and what was run. With the tree, where they are of several.
pub fn runs(runs: &[Listed], with_tree: bool) -> String {
    let rows: Vec<[String; 3]> = runs
        .iter()
        .map(|run| {
            let kernel = [run.version.as_str(), short(&run.commit), run.configuration.as_str()];
            let kernel: Vec<&str> = kernel.into_iter().filter(|part| !part.is_empty()).collect();
            [clean(&run.name), verdict(run), clean(&kernel.join(" "))]
        })
        .collect();
    let widths = [0, 1, 2].map(|at| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or_default());
    let mut text = String::new();
    for (run, [name, verdict, kernel]) in runs.iter().zip(&rows) {
        let [wide_name, wide_verdict, wide_kernel] = widths;
        let _ = write!(text, "{name:wide_name$}  {verdict:wide_verdict$}  {kernel:wide_kernel$}  ");
        let tree = if with_tree { format!("{}  ", clean(&run.tree)) } else { String::new() };
        let _ = writeln!(text, "{tree}{}", clean(&command(run)));
    }
    text
}

fn verdict(run: &Listed) -> String {
    match (run.failed, run.tests) {
        (0, 0) => run.verdict.clone(),
        (0, tests) => format!("{}, {}", run.verdict, plural(tests as usize, "test")),
        (failed, 0) => format!("{}, {}", run.verdict, plural(failed as usize, "test")),
        (failed, tests) => format!("{}, {failed} of {}", run.verdict, plural(tests as usize, "test")),
    }
}

fn short(commit: &str) -> &str {
    let word = commit.split_whitespace().next().unwrap_or_default();
    word.get(..COMMIT_DIGITS).unwrap_or(word)
}

/// What was typed, with the kind of run where it has one.
fn command(run: &Listed) -> String {
    let parts = [run.kind.clone(), run.command()];
    format!("({})", parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": "))
}

/// A line for each test or subtest that failed, those first that fail most often.
pub fn flakes(flakes: &[Flake], colour: bool) -> String {
    let rate = |flake: &Flake| format!("{} of {} ({:.0} %)", flake.failed, flake.ran, flake.rate() * 100.0);
    let rows: Vec<[String; 5]> = flakes
        .iter()
        .map(|flake| {
            let case = clean(&flake.case.to_string());
            [case, clean(&flake.configuration), rate(flake), streak(flake.streak), sightings(flake)]
        })
        .collect();
    let head = ["test", "on", "failed", "since", "first and last failure"].map(str::to_owned);
    let all: Vec<&[String; 5]> = std::iter::once(&head).chain(&rows).collect();
    let width = |at: usize| all.iter().map(|row| row[at].chars().count()).max().unwrap_or_default();
    let widths = [width(0), width(1), width(2), width(3)];
    let mut text = String::new();
    for (number, [case, on, failed, since, seen]) in all.into_iter().enumerate() {
        let [wide_case, wide_on, wide_failed, wide_since] = widths;
        let line =
            format!("{case:wide_case$}  {on:wide_on$}  {failed:wide_failed$}  {since:wide_since$}  {seen}");
        let _ = writeln!(text, "{}", if number == 0 { paint(colour, "1", line.trim_end()) } else { line });
    }
    text
}

fn streak(streak: Streak) -> String {
    match streak {
        Streak::Passed(count) => format!("{count} passed"),
        Streak::Failed(count) => format!("{count} failed"),
    }
}

fn sightings(flake: &Flake) -> String {
    let sighting = |failure: &Failure| {
        let day = failure.started.strftime("%Y-%m-%d").to_string();
        match short(&failure.commit) {
            "" => format!("{day} {}", clean(&failure.run)),
            commit => format!("{day} {}", clean(commit)),
        }
    };
    let (first, last) = (sighting(&flake.first), sighting(&flake.last));
    if flake.failed == 1 { first } else { format!("{first} … {last}") }
}

/// The rows of a comparison, the worst first: the change, the case, and both outcomes.
pub(super) fn comparison_rows(comparison: &Comparison) -> Vec<[String; 3]> {
    let row = |difference: &Difference| {
        let Difference { case, change, before, after } = difference;
        [change.as_str().to_owned(), name(case), was_and_is(*change, before.as_ref(), after.as_ref(), false)]
    };
    comparison.differences.iter().map(row).collect()
}

/// What differs between two runs: a line a case, the worst first, and a count of each kind.
pub fn comparison(comparison: &Comparison, colour: bool) -> String {
    let width = Change::ALL.iter().map(|change| change.as_str().len()).max().unwrap_or_default();
    let mut text = String::new();
    for difference in &comparison.differences {
        let Difference { case, change, before, after } = difference;
        let word = paint(colour, colour_of_change(*change), &format!("{:width$}", change.as_str()));
        let change = was_and_is(*change, before.as_ref(), after.as_ref(), colour);
        let _ = writeln!(text, "{word}  {}  {change}", name(case));
    }
    let counts = Change::ALL.map(|change| (comparison.count(change), change.as_str()));
    let counts = counts.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}"));
    let unchanged = format!("{} unchanged", comparison.unchanged);
    let _ = writeln!(text, "{}", counts.chain([unchanged]).collect::<Vec<_>>().join(", "));
    text
}

fn name(case: &Case) -> String {
    clean(&case.to_string())
}

fn colour_of_change(change: Change) -> &'static str {
    match change {
        Change::Regression => "1;31",
        Change::StillFailing => "31",
        Change::Flaky | Change::Missing | Change::Slower => "33",
        Change::New => "36",
        Change::Fixed => "32",
    }
}

fn was_and_is(change: Change, before: Option<&Tally>, after: Option<&Tally>, colour: bool) -> String {
    let shown = |tally: Option<&Tally>| match (tally, change) {
        (None, _) => "not there".to_owned(),
        (Some(tally), Change::Slower) => tally.seconds.map_or_else(String::new, duration),
        (Some(tally), _) if tally.ran > 1 => {
            format!("{} of {} failed", tally.failed + tally.flaky, tally.ran)
        }
        (Some(tally), _) => paint(colour, colour_of(tally.outcome), tally.outcome.as_str()),
    };
    format!("{} → {}", shown(before), shown(after))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Outcome;
    use crate::history::Origin;

    fn failure(run: &str, commit: &str) -> Failure {
        let started = "2026-06-03T09:56:44Z".parse().unwrap();
        Failure { run: run.into(), started, commit: commit.into() }
    }

    #[test]
    fn flakes_are_a_table() {
        let flake = |failed, streak, case: Case| Flake {
            case,
            configuration: "normal, tcg".into(),
            ran: 50,
            failed,
            streak,
            first: failure("20260603-095644-1", "0123456789abcdef (v6.12)"),
            last: failure("export/20260603T095644", ""),
        };
        let diag = Case::test("selftests", "diag");
        let all =
            [flake(25, Streak::Failed(2), diag.subtest("inuse\u{1b}")), flake(1, Streak::Passed(9), diag)];
        insta::assert_snapshot!(flakes(&all, false), @r"
        test               on           failed           since     first and last failure
        diag: inuse\u{1b}  normal, tcg  25 of 50 (50 %)  2 failed  2026-06-03 0123456789ab … 2026-06-03 export/20260603T095644
        diag               normal, tcg  1 of 50 (2 %)    9 passed  2026-06-03 0123456789ab
        ");
    }

    #[test]
    fn runs_are_lines() {
        let run = |name: &str, failed, kind: &str| Listed {
            origin: Origin::Public(name.into()),
            name: name.into(),
            kind: kind.into(),
            started: "2026-06-03T09:56:44Z".parse().unwrap(),
            seconds: 1.0,
            verdict: "failed".into(),
            tests: 10,
            failed,
            tree: "/src/linux".into(),
            commit: "0123456789abcdef (v6.12)".into(),
            version: "6.12.1".into(),
            configuration: "normal, tcg".into(),
            argv: vec!["/bin/vmptcp".into(), "test".into(), "a b".into()],
        };
        let all = [run("20260603-095644-1", 2, "tests"), run("20260603-095644-77", 0, "")];
        insta::assert_snapshot!(runs(&all, false), @r"
        20260603-095644-1   failed, 2 of 10 tests  6.12.1 0123456789ab normal, tcg  (tests: vmptcp test 'a b')
        20260603-095644-77  failed, 10 tests       6.12.1 0123456789ab normal, tcg  (vmptcp test 'a b')
        ");
        assert!(runs(&all, true).contains("  /src/linux  (vmptcp test 'a b')"));
    }

    #[test]
    fn a_comparison_shows_the_worst_first_and_counts() {
        let tally = |ran, failed, outcome| Tally { ran, failed, flaky: 0, outcome, seconds: Some(2.0) };
        let (pass, fail) = (tally(1, 0, Outcome::Pass), tally(1, 1, Outcome::Fail));
        let difference = |change, before, after| Difference {
            case: Case::test("selftests", "diag").subtest("inuse"),
            change,
            before,
            after,
        };
        let all = Comparison {
            differences: vec![
                difference(Change::Regression, Some(pass), Some(fail)),
                difference(
                    Change::Flaky,
                    Some(tally(50, 7, Outcome::Fail)),
                    Some(tally(50, 9, Outcome::Fail)),
                ),
                difference(Change::New, None, Some(pass)),
                difference(Change::Slower, Some(pass), Some(Tally { seconds: Some(9.0), ..pass })),
            ],
            unchanged: 7,
        };
        insta::assert_snapshot!(comparison(&all, false), @r"
        regression     diag: inuse  pass → fail
        flaky          diag: inuse  7 of 50 failed → 9 of 50 failed
        new            diag: inuse  not there → pass
        slower         diag: inuse  2.0 s → 9.0 s
        1 regression, 1 flaky, 1 new, 1 slower, 7 unchanged
        ");
    }
}
