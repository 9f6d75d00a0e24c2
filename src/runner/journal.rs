//! Where all facts go: to disk, into the summary, and to whoever watches.

use crate::error::Result;
use crate::event::{Event, Progress, Record, StepStatus};
use crate::process::interrupt;
use crate::results::{Observer, Summary};
use crate::store::RunDir;
use std::path::Path;
use std::time::Instant;

/// The facts of a run as they happen.
pub struct Journal {
    dir: RunDir,
    summary: Summary,
    observer: Box<dyn Observer>,
}

impl Journal {
    /// Begins with an empty run.
    pub fn new(dir: RunDir, observer: Box<dyn Observer>) -> Self {
        Self { dir, summary: Summary::default(), observer }
    }

    /// Takes a fact: it is on disk when this returns.
    pub fn add(&mut self, event: Event) -> Result<()> {
        let record = self.dir.append(event)?;
        self.summary.add(&record);
        self.observer.record(&record, &self.summary);
        Ok(())
    }

    /// Takes a fact of another run, with the time at which it happened there.
    pub fn add_record(&mut self, record: &Record) -> Result<()> {
        self.dir.append_record(record)?;
        self.summary.add(record);
        self.observer.record(record, &self.summary);
        Ok(())
    }

    /// Something that the user should know.
    pub fn note(&mut self, text: impl Into<String>) -> Result<()> {
        self.add(Event::Note { text: text.into() })
    }

    /// Something that is probably wrong.
    pub fn warn(&mut self, text: impl Into<String>, hint: Option<String>) -> Result<()> {
        self.add(Event::Warning { text: text.into(), hint })
    }

    /// Shows how far the step that runs is.
    pub fn progress(&mut self, progress: &Progress) {
        self.observer.progress(progress);
    }

    /// Shows what a VM is doing just now.
    pub fn activity(&mut self, vm: u32, what: &str) {
        self.observer.activity(vm, what);
    }

    /// Takes the moving line away: somebody else needs the terminal.
    pub fn hide_progress(&mut self) {
        self.observer.hide();
    }

    /// Runs a step, and records its beginning and its end. `work` returns how it ended and what it did.
    pub fn step<T>(
        &mut self,
        name: &str,
        work: impl FnOnce(&mut Self) -> Result<(T, StepStatus, String)>,
    ) -> Result<T> {
        let began = self.step_begins(name)?;
        let outcome = work(self);
        let ended = match &outcome {
            Ok((_, status, detail)) => (*status, detail.clone()),
            Err(error) => (StepStatus::Failed, error.to_string()),
        };
        self.step_ends(name, began, ended)?;
        outcome.map(|(result, ..)| result)
    }

    /// Records the beginning of a step, and returns when that was.
    pub fn step_begins(&mut self, name: &str) -> Result<Instant> {
        interrupt::check()?;
        self.add(Event::StepStarted { step: name.to_owned() })?;
        Ok(Instant::now())
    }

    /// Records the end of a step: how it ended, and what it did or why it failed.
    pub fn step_ends(&mut self, name: &str, began: Instant, ended: (StepStatus, String)) -> Result<()> {
        let ((status, detail), seconds) = (ended, began.elapsed().as_secs_f64());
        self.add(Event::StepEnded { step: name.to_owned(), status, detail, seconds })
    }

    /// The state of the run.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// The run's directory.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// A directory for temporary files.
    pub fn tmp(&self) -> Result<std::path::PathBuf> {
        self.dir.tmp()
    }

    /// Ends the run.
    pub fn close(self) -> Summary {
        self.dir.close();
        self.summary
    }
}
