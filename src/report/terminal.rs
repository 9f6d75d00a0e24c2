//! The live view of a run on standard error. The only place that knows indicatif.

mod checks;
mod size;

use super::style::{clean, colour_of, duration, indented, paint};
use super::text::{subtest_counts, virtual_time};
use super::{connections, console};
use crate::event::{Event, GUEST_STEP, Outcome, Progress, Record, StepStatus, Subtest, TestId, Unit};
use crate::results::{Attempt, Observer, Summary};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use size::TerminalSize;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Where nothing moves, a sign of life is due so often.
const SIGN_OF_LIFE_INTERVAL: Duration = Duration::from_secs(60);

/// With fewer columns there is no room for a bar that fills.
const MIN_BAR_WIDTH: usize = 70;

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
    print: Box<dyn Fn(&str)>,
    size: Box<dyn Fn() -> TerminalSize>,
    colour: bool,
    verbosity: Verbosity,
    live: bool,
    said: Instant,
    /// What each VM does.
    vms: BTreeMap<u32, String>,
    /// The step that runs.
    step: String,
}

/// Where a run is shown.
struct Screen {
    /// Where the moving line is drawn.
    target: ProgressDrawTarget,
    /// Where lines that stay go.
    line: Box<dyn Fn(&str)>,
    /// How much room there is just now.
    size: Box<dyn Fn() -> TerminalSize>,
}

impl Screen {
    /// Standard error; `moves` if something is drawn there.
    fn stderr(moves: bool) -> Self {
        let target = if moves { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        Self { target, line: Box::new(console::line), size: Box::new(TerminalSize::of_stderr) }
    }
}

impl Terminal {
    /// `live` is true where standard error is a terminal: only there something moves.
    pub fn new(verbosity: Verbosity, colour: bool, live: bool) -> Self {
        let terminal =
            Self::on(Screen::stderr(live && verbosity > Verbosity::Quiet), verbosity, colour, live);
        if live {
            terminal.bar.enable_steady_tick(Duration::from_millis(200));
        }
        terminal
    }

    fn on(screen: Screen, verbosity: Verbosity, colour: bool, live: bool) -> Self {
        let Screen { target, line, size } = screen;
        let bar = ProgressBar::with_draw_target(None, target);
        bar.set_style(style("{spinner} {elapsed:>4} {wide_msg}"));
        let (vms, step) = (BTreeMap::new(), String::new());
        Self { bar, print: line, size, colour, verbosity, live, said: Instant::now(), vms, step }
    }

    /// Takes the moving line away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }

    /// Shows how far a piece of work is, outside of a run.
    pub fn show(&mut self, progress: &Progress) {
        Observer::progress(self, progress);
    }

    /// Shows a note, outside of a run.
    pub fn note(&mut self, text: &str) {
        for line in text.lines() {
            self.line(Verbosity::Normal, &format!("{} {}", paint(self.colour, "36", "note:"), clean(line)));
        }
    }

    fn line(&mut self, at_least: Verbosity, line: &str) {
        if self.verbosity >= at_least {
            self.said = Instant::now();
            self.bar.suspend(|| (self.print)(line));
        }
    }

    /// In a log, where nothing moves, long work must not look like a hang.
    fn sign_of_life(&mut self, what: &str) {
        if !self.live && self.said.elapsed() >= SIGN_OF_LIFE_INTERVAL {
            self.line(Verbosity::Normal, &format!("… {what}"));
        }
    }

    /// Shows what a VM does, beside what the others do.
    fn vm_does(&mut self, vm: u32, what: Option<String>) {
        match what {
            Some(what) => drop(self.vms.insert(vm, what)),
            None => drop(self.vms.remove(&vm)),
        }
        let all = (self.size)().shared(&self.vms);
        self.sign_of_life(&all);
        self.bar.set_message(all);
    }

    fn now(&self, what: String) {
        self.bar.reset();
        self.bar.unset_length();
        self.bar.set_style(style("{spinner} {elapsed:>4} {wide_msg}"));
        self.bar.set_message(what);
    }

    fn step_ended(&mut self, step: &str, status: StepStatus, detail: &str, seconds: f64) {
        let word = match status {
            StepStatus::Done => paint(self.colour, "32", "done"),
            StepStatus::UpToDate => paint(self.colour, "32", "up to date"),
            StepStatus::Failed => paint(self.colour, "1;31", "failed"),
        };
        let detail = if detail.is_empty() || status == StepStatus::Failed {
            String::new()
        } else {
            format!(": {}", clean(detail))
        };
        // A command in a guest speaks for itself, and what it said last may be a line without an end: nothing may be drawn
        // there, as it would be taken away again together with that line.
        let level = if step == GUEST_STEP {
            self.finish();
            Verbosity::Verbose
        } else {
            self.now(String::new());
            Verbosity::Normal
        };
        self.line(level, &format!("{step:<10} {word} in {}{detail}", duration(seconds)));
    }

    fn warning(&mut self, text: &str, hint: Option<&str>) {
        let line = format!("{} {}", paint(self.colour, "33", "warning:"), indented(text));
        self.line(Verbosity::Normal, &line);
        if let Some(hint) = hint {
            self.line(Verbosity::Normal, &format!("  {}", clean(hint)));
        }
    }

    fn record_vm(&mut self, event: &Event) {
        match event {
            Event::VmStarted { vm, accelerator, .. } => {
                self.now(String::new());
                self.vm_does(*vm, Some(format!("VM {vm} boots ({accelerator})")));
            }
            Event::VmReady { vm, kernel, seconds } => {
                let line = format!("VM {vm} is up in {} with {}", duration(*seconds), clean(kernel));
                self.line(Verbosity::Verbose, &line);
                self.vm_does(*vm, Some(line));
            }
            Event::VmEnded { vm, crashed: false, .. } => self.vm_does(*vm, None),
            Event::VmEnded { vm, crashed: true, reason, console_tail } => {
                self.vm_does(*vm, None);
                let line = format!("VM {vm}: {}", clean(reason));
                self.line(Verbosity::Quiet, &paint(self.colour, "1;31", &line));
                for line in console_tail {
                    self.line(Verbosity::Quiet, &format!("  {}", clean(line)));
                }
            }
            _ => {}
        }
    }

    fn subtest(&mut self, test: &TestId, result: &Subtest) {
        let bad = !result.outcome.is_ok() && !result.flaky;
        let word = paint(self.colour, colour_of(result.outcome), &format!("{:<8}", result.outcome));
        let line = format!("    {word} {}: {}", clean(&test.label()), clean(&result.name));
        self.line(if bad { Verbosity::Normal } else { Verbosity::Verbose }, &line);
    }

    fn test_ended(&mut self, record: &Record, summary: &Summary) {
        let Event::TestEnded { test, outcome, reason, seconds, .. } = &record.event else { return };
        let Some(known) = summary.test(test) else { return };
        let over = summary.tests.iter().filter(|test| test.result.ended()).count();
        let counter = format!("[{over}/{}]", summary.tests.len());
        let line = |counter: &str, name: String, attempt: &Attempt| {
            let reason = attempt.reason.as_ref().map(|why| format!("  ({})", clean(why))).unwrap_or_default();
            let word = paint(self.colour, colour_of(attempt.outcome), &format!("{:<8}", attempt.outcome));
            let time = duration(attempt.seconds);
            format!(
                "  {word} {counter} {:<26} {time:>12}  {}{}{reason}",
                clean(&name),
                subtest_counts(attempt),
                virtual_time(attempt)
            )
        };
        let mut lines = Vec::new();
        if test.shard.is_some() || test.rerun > 0 {
            let part = test.shard.and_then(|number| known.shards.get(number as usize - 1));
            let part = part.map(|part| format!(" {}", part.shard)).unwrap_or_default();
            let again = if test.rerun > 0 { " again" } else { "" };
            let attempt = Attempt {
                outcome: *outcome,
                reason: reason.clone(),
                seconds: *seconds,
                ..known.attempt(test).cloned().unwrap_or_default()
            };
            lines.push((*outcome, line("     ", format!("{}{part}{again}", test.label()), &attempt)));
        }
        let news = test.rerun == 0 || known.result.outcome == Outcome::Flaky;
        if lines.is_empty() || (known.result.ended() && news) {
            let name = if known.result.seed.is_some() { known.title() } else { test.label() };
            lines.push((known.result.outcome, line(&counter, name, &known.result)));
        }
        for (outcome, line) in lines {
            self.line(if outcome.is_ok() { Verbosity::Normal } else { Verbosity::Quiet }, &line);
        }
    }
}

impl Observer for Terminal {
    fn record(&mut self, record: &Record, summary: &Summary) {
        if summary.validation.as_ref().is_some_and(|validation| self.record_check(&record.event, validation))
        {
            return;
        }
        match &record.event {
            Event::StepStarted { step } => {
                step.clone_into(&mut self.step);
                self.now(format!("{step} …"));
            }
            Event::StepEnded { step, status, detail, seconds } => {
                self.step_ended(step, *status, detail, *seconds);
            }
            Event::Note { text } => self.note(text),
            Event::Warning { text, hint } => self.warning(text, hint.as_deref()),
            Event::VmStarted { .. } | Event::VmReady { .. } | Event::VmEnded { .. } => {
                self.record_vm(&record.event);
            }
            Event::TestStarted { test, vm, .. } => {
                self.now(String::new());
                self.vm_does(*vm, Some(clean(&test.to_string())));
            }
            Event::Subtest { test, result } => self.subtest(test, result),
            Event::Splat { vm, title, notice: true, .. } => {
                self.note(&format!("splat while VM {vm} booted: {title}"));
            }
            Event::Splat { vm, title, .. } => {
                let line = format!("splat on VM {vm}: {}", clean(title));
                self.line(Verbosity::Quiet, &paint(self.colour, "1;31", &line));
            }
            Event::TestEnded { .. } => self.test_ended(record, summary),
            Event::Connections { observed, .. } => {
                for line in connections::table(observed).lines() {
                    self.line(Verbosity::Normal, &format!("    {line}"));
                }
            }
            Event::RunEnded { .. } => self.finish(),
            Event::RunSharded { shard, .. } => self.note(&format!("shard {shard} of the tests")),
            Event::RunStarted { .. }
            | Event::Provenance { .. }
            | Event::TestsPlanned { .. }
            | Event::Series { .. }
            | Event::ChecksPlanned { .. }
            | Event::CheckStarted { .. }
            | Event::CheckEnded { .. }
            | Event::Evidence { .. }
            | Event::LeftOut { .. }
            | Event::Seed { .. }
            | Event::VirtualTime { .. }
            | Event::TestSharded { .. } => {}
        }
    }

    fn activity(&mut self, vm: u32, what: &str) {
        self.vm_does(vm, Some(clean(what)));
    }

    fn hide(&mut self) {
        self.finish();
    }

    fn progress(&mut self, progress: &Progress) {
        let of = progress.total.map(|total| format!(" of {}", total.max(progress.done))).unwrap_or_default();
        let unit = match progress.unit {
            Unit::Bytes => "bytes",
            Unit::Steps => "steps",
            Unit::Runs => "runs",
        };
        let text = format!("{} {}{of} {unit}", self.step, progress.done);
        self.sign_of_life(text.trim_start());
        if let Some(total) = progress.total {
            if self.bar.length().is_none() {
                let narrow = (self.size)().cols < MIN_BAR_WIDTH;
                self.bar.set_style(style(match (progress.unit, narrow) {
                    (Unit::Bytes, false) => {
                        "{spinner} {elapsed:>4} {wide_bar} {bytes}/{total_bytes} {eta:>4} left"
                    }
                    (Unit::Bytes, true) => "{spinner} {percent}% of {total_bytes} {wide_msg}",
                    (Unit::Steps | Unit::Runs, false) => {
                        "{spinner} {elapsed:>4} {wide_bar} {pos}/{len} {eta:>4} left"
                    }
                    (Unit::Steps | Unit::Runs, true) => "{spinner} {pos}/{len} {wide_msg}",
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

#[cfg(test)]
mod tests;
