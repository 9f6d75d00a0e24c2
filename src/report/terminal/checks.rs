//! The checks of a series as they go: on a terminal a table that fills; else a line for what is worth one.

use super::size::TerminalSize;
use super::{Terminal, Verbosity, style};
use crate::event::{CheckOn, CheckResult, Event, Status};
use crate::report::console;
use crate::report::style::{clean, duration};
use crate::report::text;
use crate::results::Validation;

impl Terminal {
    /// Shows an event of a validation; false if it is none that is shown in a way of its own.
    pub(super) fn record_check(&mut self, event: &Event, validation: &Validation) -> bool {
        match event {
            Event::Series { .. } => self.bar.set_style(style("{prefix}\n{spinner} {elapsed:>4} {wide_msg}")),
            Event::CheckStarted { on, detail } => self.check_begins(*on, detail),
            Event::CheckEnded { result } => self.check_ended(result),
            Event::StepEnded { step, seconds, .. } => {
                self.line(Verbosity::Verbose, &format!("{step:<10} ended after {}", duration(*seconds)));
            }
            // The end of the output has all notes.
            Event::ChecksPlanned { .. } | Event::StepStarted { .. } | Event::Note { .. } => {}
            _ => return false,
        }
        self.draw(validation);
        true
    }

    fn check_begins(&mut self, CheckOn { check, patch }: CheckOn, detail: &str) {
        let patch = patch.map(|number| format!("patch {number}: ")).unwrap_or_default();
        let detail = if detail.is_empty() { String::new() } else { format!(" ({})", clean(detail)) };
        let line = format!("{patch}{check}{detail}");
        if !self.live && self.verbosity == Verbosity::Verbose {
            console::line(&line);
        }
        self.bar.set_message(line);
    }

    fn check_ended(&mut self, result: &CheckResult) {
        let bad = matches!(result.status, Status::Warn | Status::Fail | Status::Error);
        let long = result.seconds >= 1.0 && !matches!(result.status, Status::Skip | Status::NotRun);
        let wanted = match self.verbosity {
            Verbosity::Quiet => false,
            Verbosity::Normal => bad || long,
            Verbosity::Verbose => true,
        };
        if !self.live && wanted {
            console::line(&text::progress(result, self.colour));
        }
    }

    fn draw(&self, validation: &Validation) {
        if self.live {
            let TerminalSize { cols, rows } = TerminalSize::of_stderr();
            let now = validation.now.as_ref().map(|(on, _)| *on);
            // One row is that of the moving line, and one stays free.
            let table =
                text::fitting(validation, now, self.colour, cols.saturating_sub(1), rows.saturating_sub(2));
            self.bar.set_prefix(table.join("\n"));
        }
    }
}
