//! The live table of a series' checks.

use super::Verbosity;
use super::size::Room;
use crate::report::checks::text;
use crate::report::console;
use crate::series::Observer;
use crate::series::verdict::{CheckResult, Report, Status};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::Duration;

/// Shows the checks of a series as they go: on a terminal a table that fills; else a line for what is worth one.
pub struct Table {
    bar: ProgressBar,
    report: Report,
    now: Option<(String, Option<usize>)>,
    colour: bool,
    verbosity: Verbosity,
    live: bool,
}

impl Table {
    /// `live` is true where standard error is a terminal: only there something moves.
    pub fn new(verbosity: Verbosity, colour: bool, live: bool) -> Self {
        let live = live && verbosity > Verbosity::Quiet;
        let target = if live { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        bar.set_style(
            ProgressStyle::with_template("{prefix}\n{spinner} {elapsed:>4} {wide_msg}")
                .unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
        Self { bar, report: Report::default(), now: None, colour, verbosity, live }
    }

    /// Begins with what is to be done.
    pub fn begin(&mut self, report: &Report) {
        self.report = report.clone();
        if self.live {
            self.bar.enable_steady_tick(Duration::from_millis(200));
        }
        self.draw();
    }

    /// Takes the table away: what is printed next has it again.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn draw(&self) {
        if self.live {
            let now = self.now.as_ref().map(|(check, patch)| (check.as_str(), *patch));
            let Room { cols, rows } = Room::of_stderr();
            // One row is that of the moving line, and one stays free.
            let table =
                text::fitting(&self.report, now, self.colour, cols.saturating_sub(1), rows.saturating_sub(2));
            self.bar.set_prefix(table.join("\n"));
        }
    }
}

impl Observer for Table {
    fn begins(&mut self, check: &str, patch: Option<usize>, detail: &str) {
        self.now = Some((check.to_owned(), patch));
        let patch = patch.map(|number| format!("patch {number}: ")).unwrap_or_default();
        let detail = if detail.is_empty() { String::new() } else { format!(" ({detail})") };
        let line = format!("{patch}{check}{detail}");
        if !self.live && self.verbosity == Verbosity::Verbose {
            console::line(&line);
        }
        self.bar.set_message(line);
        self.draw();
    }

    fn give_way(&mut self) {
        self.finish();
    }

    fn ended(&mut self, result: &CheckResult) {
        let place = |known: &&mut CheckResult| known.check == result.check && known.patch == result.patch;
        if let Some(known) = self.report.results.iter_mut().find(place) {
            *known = result.clone();
        }
        self.now = None;
        self.draw();
        let bad = !matches!(result.status, Status::Pass | Status::Moot | Status::Skip);
        let long = result.seconds >= 1.0 && result.status != Status::Skip;
        let wanted = match self.verbosity {
            Verbosity::Quiet => false,
            Verbosity::Normal => bad || long,
            Verbosity::Verbose => true,
        };
        if !self.live && wanted {
            console::line(&text::progress(result, self.colour));
        }
    }
}
