//! The live view of a run on standard error. The only place that knows indicatif.

mod table;

pub use table::Table;

use super::text::{clean, colour_of, duration, paint, subtest_counts};
use super::{Reporter, Summary, console};
use crate::event::{Event, GUEST_STEP, Outcome, Progress, Record, StepStatus, Unit};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::Duration;

/// How much is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verbosity {
    /// Only what went wrong.
    Quiet,
    /// Steps and tests.
    Normal,
    /// Every subtest, every VM.
    Verbose,
}

/// Shows a run as it goes: a line for each thing that is over, and one that moves for what is going on.
pub struct Terminal {
    bar: ProgressBar,
    summary: Summary,
    colour: bool,
    verbosity: Verbosity,
}

impl Terminal {
    /// `live` is true where standard error is a terminal: only there something moves.
    pub fn new(verbosity: Verbosity, colour: bool, live: bool) -> Self {
        let target = if live && verbosity > Verbosity::Quiet {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(None, target);
        bar.set_style(style("{spinner} {elapsed:>4} {wide_msg}"));
        if live {
            bar.enable_steady_tick(Duration::from_millis(200));
        }
        Self { bar, summary: Summary::default(), colour, verbosity }
    }

    /// Takes the moving line away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }

    /// Shows how far a piece of work is, outside of a run.
    pub fn show(&mut self, progress: &Progress) {
        Reporter::progress(self, progress);
    }

    /// Shows a note, outside of a run.
    pub fn note(&self, text: &str) {
        for line in text.lines() {
            self.line(Verbosity::Normal, &format!("{} {}", paint(self.colour, "36", "note:"), clean(line)));
        }
    }

    fn line(&self, at_least: Verbosity, line: &str) {
        if self.verbosity >= at_least {
            self.bar.suspend(|| console::line(line));
        }
    }

    fn now(&self, what: String) {
        self.bar.reset();
        self.bar.unset_length();
        self.bar.set_style(style("{spinner} {elapsed:>4} {wide_msg}"));
        self.bar.set_message(what);
    }

    fn test_ended(&self, record: &Record) {
        let Event::TestEnded { test, outcome, reason, seconds, .. } = &record.event else { return };
        let Some(known) =
            self.summary.tests.iter().find(|known| known.name == test.name && known.attempt == test.attempt)
        else {
            return;
        };
        let over = self.summary.tests.iter().filter(|test| test.outcome != Outcome::NotRun).count();
        let reason = reason.as_ref().map(|why| format!("  ({})", clean(why))).unwrap_or_default();
        let word = paint(self.colour, colour_of(*outcome), &format!("{outcome:<8}"));
        let name = clean(&test.name);
        let line = format!(
            "  {word} [{over}/{}] {name:<26} {:>12}  {}{reason}",
            self.summary.tests.len(),
            duration(*seconds),
            subtest_counts(known),
        );
        self.line(if outcome.is_ok() { Verbosity::Normal } else { Verbosity::Quiet }, &line);
    }
}

impl Reporter for Terminal {
    fn record(&mut self, record: &Record) {
        self.summary.add(record);
        match &record.event {
            Event::StepStarted { step } => self.now(format!("{step} …")),
            Event::StepEnded { step, status, detail, seconds } => {
                let word = match status {
                    StepStatus::Done => paint(self.colour, "32", "done"),
                    StepStatus::UpToDate => paint(self.colour, "32", "up to date"),
                    StepStatus::Failed => paint(self.colour, "1;31", "failed"),
                };
                let detail = if detail.is_empty() || *status == StepStatus::Failed {
                    String::new()
                } else {
                    format!(": {}", clean(detail))
                };
                // A command in a guest speaks for itself, and what it said last may be a line without an end: nothing may
                // be drawn there, as it would be taken away again together with that line.
                let level = if step == GUEST_STEP {
                    self.finish();
                    Verbosity::Verbose
                } else {
                    self.now(String::new());
                    Verbosity::Normal
                };
                self.line(level, &format!("{step:<10} {word} in {}{detail}", duration(*seconds)));
            }
            Event::Note { text } => self.note(text),
            Event::Warning { text, hint } => {
                let text: Vec<String> = text.lines().map(clean).collect();
                self.line(
                    Verbosity::Normal,
                    &format!("{} {}", paint(self.colour, "33", "warning:"), text.join("\n  ")),
                );
                if let Some(hint) = hint {
                    self.line(Verbosity::Normal, &format!("  {}", clean(hint)));
                }
            }
            Event::VmStarted { vm, accelerator, .. } => self.now(format!("VM {vm} boots ({accelerator})")),
            Event::VmReady { vm, kernel, seconds } => {
                let line = format!("VM {vm} is up in {} with {}", duration(*seconds), clean(kernel));
                self.line(Verbosity::Verbose, &line);
                self.now(line);
            }
            Event::VmEnded { vm, crashed: true, reason, console_tail } => {
                let line = format!("VM {vm}: {}", clean(reason));
                self.line(Verbosity::Quiet, &paint(self.colour, "1;31", &line));
                for line in console_tail {
                    self.line(Verbosity::Quiet, &format!("  {}", clean(line)));
                }
            }
            Event::TestStarted { test, .. } => self.now(clean(&test.name)),
            Event::Subtest { test, result } => {
                let line = format!("{}: {}", clean(&test.name), clean(&result.name));
                let bad = !result.outcome.is_ok() && !result.flaky;
                let word = paint(self.colour, colour_of(result.outcome), &format!("{:<8}", result.outcome));
                self.line(
                    if bad { Verbosity::Normal } else { Verbosity::Verbose },
                    &format!("    {word} {line}"),
                );
                self.bar.set_message(line);
            }
            Event::Splat { vm, title, .. } => {
                let line = format!("splat on VM {vm}: {}", clean(title));
                self.line(Verbosity::Quiet, &paint(self.colour, "1;31", &line));
            }
            Event::TestEnded { .. } => self.test_ended(record),
            Event::RunStarted { .. }
            | Event::Provenance { .. }
            | Event::TestsPlanned { .. }
            | Event::VmEnded { .. } => {}
            Event::RunEnded { .. } => self.finish(),
        }
    }

    fn activity(&mut self, what: Option<&str>) {
        match what {
            // The clock of the step, or of the test, goes on.
            Some(what) => self.bar.set_message(clean(what)),
            None => self.finish(),
        }
    }

    fn progress(&mut self, progress: &Progress) {
        if let Some(total) = progress.total {
            if self.bar.length().is_none() {
                self.bar.set_style(style(match progress.unit {
                    Unit::Bytes => {
                        "{spinner} {elapsed:>4} {wide_bar} {bytes}/{total_bytes} {eta:>4} left {msg}"
                    }
                    Unit::Steps => "{spinner} {elapsed:>4} {wide_bar} {pos}/{len} {eta:>4} left",
                }));
            }
            self.bar.set_length(total.max(progress.done));
            self.bar.set_position(progress.done);
            self.bar.set_message(clean(&progress.detail));
        } else {
            self.bar.set_message(format!("{} {}", progress.done, clean(&progress.detail)));
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
