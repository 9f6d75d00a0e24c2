//! A run of tests for a person.

use crate::event::{Outcome, StepStatus};
use crate::report::connections;
use crate::report::style::{clean, colour_of, duration, indented, paint, plural};
use crate::results::{Attempt, Splat, Step, Summary, Test, Verdict};
use crate::vm::console::splat;
use std::fmt::Write as _;

/// How many lines of a splat or a console's end are shown. The files have them all.
const MAX_EXCERPT_LINES: usize = 12;

/// How many failed subtests of one test are shown.
const MAX_SUBTESTS: usize = 20;

/// All outcomes but a pass, in the order in which a count names them.
const NOT_PASSED: [Outcome; 9] = [
    Outcome::Fail,
    Outcome::Timeout,
    Outcome::Crash,
    Outcome::Error,
    Outcome::Flaky,
    Outcome::Skip,
    Outcome::Xfail,
    Outcome::Xpass,
    Outcome::NotRun,
];

/// The summary as text that ends with the verdict.
pub(super) fn render(summary: &Summary, colour: bool) -> String {
    let mut text = String::new();
    for step in &summary.steps {
        line_of_step(&mut text, step);
    }
    for test in &summary.tests {
        block_of_test(&mut text, summary, test, colour);
    }
    for warning in &summary.warnings {
        let _ = writeln!(text, "\n{}: {}", paint(colour, "33", "warning"), indented(&warning.text));
        if let Some(hint) = &warning.hint {
            let _ = writeln!(text, "  {}", clean(hint));
        }
    }
    if let Some(error) = &summary.error {
        let _ = writeln!(text, "\n{}: {}", paint(colour, "1;31", "error"), indented(&error.text));
        if let Some(hint) = &error.hint {
            let _ = writeln!(text, "  {}", clean(hint));
        }
    }
    trouble(&mut text, summary);
    finish(text, summary, colour)
}

/// The end of a run whose progress was watched: what went wrong, in full, and the verdict.
pub(super) fn ending(summary: &Summary, colour: bool) -> String {
    let mut text = String::new();
    for test in summary.tests.iter().filter(|test| test.result.outcome > Outcome::Xpass) {
        block_of_test(&mut text, summary, test, colour);
    }
    trouble(&mut text, summary);
    finish(text, summary, colour)
}

fn finish(mut text: String, summary: &Summary, colour: bool) -> String {
    if !text.is_empty() {
        text.push('\n');
    }
    let _ = writeln!(text, "{}", verdict(summary, colour));
    text
}

/// Seeds with which tests failed, splats, and VMs that crashed.
fn trouble(text: &mut String, summary: &Summary) {
    for seeded in summary.seeded() {
        if let (Some(verdict), Some(seed)) = (seeded.verdict(), seeded.failed.first()) {
            let test = clean(&seeded.test);
            let _ = writeln!(text, "\n{test}: {verdict}");
            let _ = writeln!(text, "  the same run again: vmptcp test {test} --uml --seed {seed}");
        }
    }
    for splat in &summary.splats {
        let times = if splat.count > 1 { format!(", {} times", splat.count) } else { String::new() };
        let when = when(splat);
        let _ = writeln!(text, "\nsplat {when}, on VM {}{times}: {}", splat.vm, clean(&splat.title));
        excerpt(text, splat::excerpt(&splat.lines).iter());
    }
    for vm in summary.vms.iter().filter(|vm| vm.crashed) {
        let _ = writeln!(
            text,
            "\nVM {} ({}): {}",
            vm.vm,
            clean(&vm.console),
            clean(vm.end.as_deref().unwrap_or("gone"))
        );
        excerpt(text, vm.console_tail.iter().skip(vm.console_tail.len().saturating_sub(MAX_EXCERPT_LINES)));
    }
    for evidence in summary.evidence_of(None) {
        let _ = writeln!(text, "{}: {}", clean(&evidence.what), clean(&evidence.file));
    }
}

/// When a splat came: during which tests, or after which where any of them may be the cause.
fn when(splat: &Splat) -> String {
    let tests: Vec<String> = splat.tests.iter().map(|test| clean(&test.to_string())).collect();
    match (&tests[..], splat.notice) {
        (_, true) => "during boot (a notice)".to_owned(),
        ([], _) if splat.boot => "during boot".to_owned(),
        ([], _) => "outside of any test".to_owned(),
        (_, _) if splat.test.is_none() && !splat.boot => format!("after {}", tests.join(", ")),
        _ => format!("during {}", tests.join(", ")),
    }
}

/// The last line: the verdict and its numbers.
pub(super) fn verdict(summary: &Summary, colour: bool) -> String {
    let code = match summary.verdict {
        Verdict::Passed => "1;32",
        Verdict::Unfinished | Verdict::Interrupted => "1;33",
        _ => "1;31",
    };
    let mut line = paint(colour, code, summary.verdict.as_str());
    let counts = counts([Outcome::Pass].into_iter().chain(NOT_PASSED), |outcome| summary.count(outcome));
    if !counts.is_empty() {
        let subtests: usize = summary.tests.iter().map(|test| test.result.subtests.len()).sum();
        let _ = write!(line, ": {} ({})", counts.join(", "), plural(subtests, "subtest"));
    }
    let _ = write!(line, ", in {}", duration(summary.seconds));
    line
}

fn line_of_step(text: &mut String, step: &Step) {
    let status = match step.status {
        None => "not reached",
        Some(StepStatus::Done) => "done",
        Some(StepStatus::UpToDate) => "up to date",
        Some(StepStatus::Failed) => "failed",
    };
    let _ = write!(text, "{:<10} {status:<11} {:>12}", clean(&step.name), duration(step.seconds));
    let detail =
        if step.detail.is_empty() { String::new() } else { format!("   {}", indented(&step.detail)) };
    let _ = writeln!(text, "{detail}");
}

fn block_of_test(text: &mut String, summary: &Summary, test: &Test, colour: bool) {
    let name = clean(&test.title());
    let outcome = paint(colour, colour_of(test.result.outcome), &format!("{:<8}", test.result.outcome));
    let reason = test.result.reason.as_ref().map(|reason| format!("({})", clean(reason))).unwrap_or_default();
    let time = duration(test.result.seconds);
    let counts = subtest_counts(&test.result) + &virtual_time(&test.result);
    let line = format!("  {outcome} {name:<28} {time:>12}  {counts}  {reason}");
    let _ = writeln!(text, "{}", line.trim_end());
    let failed: Vec<_> = test.result.failed_subtests().collect();
    for subtest in failed.iter().take(MAX_SUBTESTS) {
        let number = subtest.number.map(|number| format!("{number} ")).unwrap_or_default();
        let _ = write!(text, "           {} {number}{}", subtest.outcome, clean(&subtest.name));
        let _ = writeln!(
            text,
            "{}",
            subtest.reason.as_ref().map(|why| format!("  # {}", clean(why))).unwrap_or_default()
        );
    }
    if failed.len() > MAX_SUBTESTS {
        let _ = writeln!(text, "           … and {} more", failed.len() - MAX_SUBTESTS);
    }
    if let Some(seen) = &test.result.connections {
        for line in connections::table(seen).lines() {
            let _ = writeln!(text, "           {line}");
        }
    }
    if !test.result.outcome.is_ok()
        && let Some(output) = &test.result.output
    {
        let _ = writeln!(text, "           output: {}", clean(output));
    }
    for evidence in summary.evidence_of(Some(test)) {
        let _ = writeln!(text, "           {}: {}", clean(&evidence.what), clean(&evidence.file));
    }
}

/// How long it took by its guest's clock, where that is another than the host's.
pub fn virtual_time(attempt: &Attempt) -> String {
    let seconds = attempt.virtual_seconds;
    seconds.map(|seconds| format!(" ({} of virtual time)", duration(seconds))).unwrap_or_default()
}

/// `12 subtests`, or `12 subtests: 1 fail, 2 skip` where not all passed.
pub fn subtest_counts(attempt: &Attempt) -> String {
    let count = |outcome| {
        attempt.subtests.iter().filter(|subtest| subtest.outcome == outcome && !subtest.flaky).count()
    };
    let mut odd = counts(NOT_PASSED, count);
    match attempt.subtests.iter().filter(|subtest| subtest.flaky).count() {
        0 => {}
        flaky => odd.push(format!("{flaky} flaky, ignored")),
    }
    match (attempt.subtests.len(), odd.is_empty()) {
        (0, _) => String::new(),
        (all, true) => plural(all, "subtest"),
        (all, false) => format!("{}: {}", plural(all, "subtest"), odd.join(", ")),
    }
}

/// `2 pass`, `1 fail`: the outcomes that there are, and how many of each.
fn counts(outcomes: impl IntoIterator<Item = Outcome>, count: impl Fn(Outcome) -> usize) -> Vec<String> {
    let counted = outcomes.into_iter().map(|outcome| (count(outcome), outcome));
    counted.filter(|(count, _)| *count > 0).map(|(count, outcome)| format!("{count} {outcome}")).collect()
}

fn excerpt<'a>(text: &mut String, lines: impl Iterator<Item = &'a String>) {
    for line in lines.take(MAX_EXCERPT_LINES) {
        let _ = writeln!(text, "  {}", clean(line));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::tests::eventful_run;

    #[test]
    fn a_run_for_a_person() {
        insta::assert_snapshot!(render(&Summary::of(&eventful_run()), false), @r"
        build      up to date         0.4 s   nothing changed
        test       not reached        0.0 s
          pass     good                                3.0 s  2 subtests: 1 skip
          fail     bad                                 2.5 s  1 subtest: 1 fail  (exit code 1)
                   fail 1 it  # got 1 <2>
                   output: tests/bad.1.log
          crash    ugly                                1.0 s    (the guest is gone)
                   output: tests/ugly.1.log
          not run  late                                0.0 s

        warning: CONFIG_X did not take
          vmptcp config

        splat during ugly, on VM 1: BUG: kernel NULL pointer dereference

        VM 1 (console-1.log): the guest is gone
          [    5.5] Kernel panic - not syncing: Fatal exception

        unfinished: 1 pass, 1 fail, 1 crash, 1 not run (3 subtests), in 18 s
        ");
    }
}
