//! Does the checks, step after step, and records what they found.

use super::cache::Cache;
use super::keys;
use super::options::{Options, Step};
use super::test_runner::TestRunner;
use crate::error::{Error, Kind, Result};
use crate::event::{
    CheckId, CheckOn, CheckResult, Event, Finding, PatchInfo, SeriesInfo, Status, StepStatus,
};
use crate::process::interrupt;
use crate::results::Validation;
use crate::runner::Journal;
use crate::series::check::{CHECKS, Needs};
use crate::series::make::builder::Builder;
use crate::series::tool::Tools;
use crate::series::{Judgement, Loaded, Patch, Workspace};
use crate::text::hash::Key;
use serde::Serialize;
use std::borrow::Cow;
use std::time::Instant;

/// The checks whose answer is known when a series is loaded.
const JUDGED_ON_LOADING: [CheckId; 2] = [CheckId::Apply, CheckId::Safety];

/// The checks of one series under way.
pub(super) struct Validator<'a> {
    pub(super) workspace: &'a Workspace,
    pub(super) loaded: &'a Loaded,
    pub(super) options: &'a Options,
    pub(super) cache: Cache,
    pub(super) journal: &'a mut Journal,
}

/// Does all checks that are wanted. What they found is in the journal; an error means that not all could be done.
pub fn run(
    workspace: &Workspace,
    loaded: &Loaded,
    options: &Options,
    tests: &mut dyn TestRunner,
    journal: &mut Journal,
) -> Result<()> {
    let cache = Cache::open(workspace.dir("cache")?);
    let mut validator = Validator { workspace, loaded, options, cache, journal };
    validator.plan()?;
    for step in options.steps() {
        validator.step(step, tests)?;
    }
    Ok(())
}

impl Validator<'_> {
    /// Records what is to be done.
    fn plan(&mut self) -> Result<()> {
        let series = &self.loaded.series;
        let info = |patch: &Patch| PatchInfo {
            number: patch.number,
            subject: patch.subject.clone(),
            commit: patch.commit.as_ref().map(|commit| commit.hash.clone()),
        };
        let info = SeriesInfo {
            input: series.input.clone(),
            again: series.again.clone(),
            base: series.base.clone(),
            base_by: series.base_known.clone(),
            patches: series.patches.iter().map(info).collect(),
            strict: self.options.strict,
            partial: self.options.is_partial(),
        };
        self.journal.add(Event::Series { series: info })?;
        let mut checks = self.options.wanted(series);
        // That a patch is refused is shown whatever was asked for.
        let refusal = self.loaded.refused_patch().map(|number| CheckOn::patch(CheckId::Safety, number));
        if let Some(refusal) = refusal.filter(|refusal| !checks.contains(refusal)) {
            checks.insert(0, refusal);
        }
        self.journal.add(Event::ChecksPlanned { checks: checks.clone() })?;
        self.loaded.notes.iter().try_for_each(|note| self.note(note.clone()))?;
        let Some(why) = self.loaded.shortfall() else { return Ok(()) };
        let cut_off = |on: &CheckOn| on.patch.is_some_and(|number| number > self.loaded.applied);
        for on in checks.into_iter().filter(cut_off) {
            self.record(CheckResult { note: Some(why.clone()), ..CheckResult::not_run(on) })?;
        }
        Ok(())
    }

    fn step(&mut self, step: Step, tests: &mut dyn TestRunner) -> Result<()> {
        let began = self.journal.step_begins(step.as_str())?;
        let outcome = match step {
            Step::Text => self.texts(),
            Step::Tools => self.tools(),
            Step::Builds => self.builds(),
            Step::Tests => self.tests(tests),
        };
        let ended = match &outcome {
            Ok(()) => (StepStatus::Done, String::new()),
            Err(error) => (StepStatus::Failed, error.to_string()),
        };
        self.journal.step_ends(step.as_str(), began, ended)?;
        outcome
    }

    /// The state so far.
    pub(super) fn state(&self) -> Cow<'_, Validation> {
        self.journal.summary().validation.as_ref().map_or_else(Cow::default, Cow::Borrowed)
    }

    /// True if this check is wanted, and has not been done.
    pub(super) fn is_open(&self, on: CheckOn) -> bool {
        self.state().result(on).is_some_and(|result| result.status == Status::NotRun)
    }

    /// Shows that a check begins, or its next part.
    pub(super) fn begins(&mut self, on: CheckOn, detail: impl Into<String>) -> Result<()> {
        self.journal.add(Event::CheckStarted { on, detail: detail.into() })
    }

    /// Lets later runs know it. If they cannot, this one goes on.
    pub(super) fn remember<T: Serialize>(&mut self, key: &Key, value: &T) -> Result<()> {
        match self.cache.put(key, value) {
            Ok(()) => Ok(()),
            Err(error) => self.note(format!("what is found is not remembered: {error}")),
        }
    }

    /// Tells the user something, once.
    pub(super) fn note(&mut self, text: String) -> Result<()> {
        if self.journal.summary().notes.contains(&text) { Ok(()) } else { self.journal.note(text) }
    }

    /// Records how a check ended, if it is wanted.
    pub(super) fn record(&mut self, result: CheckResult) -> Result<()> {
        if self.state().result(result.on).is_none() {
            return Ok(());
        }
        self.journal.add(Event::CheckEnded { result })
    }

    pub(super) fn judge(
        &mut self,
        on: CheckOn,
        judgement: Judgement,
        seconds: f64,
        cached: bool,
    ) -> Result<()> {
        self.record(CheckResult { cached, ..judgement.result(on, seconds) })
    }

    /// Takes how a check ended. An error is a check that could not be done, and no end of the others, unless somebody asked
    /// us to stop.
    pub(super) fn outcome(&mut self, on: CheckOn, outcome: Result<Judgement>, seconds: f64) -> Result<()> {
        let result = settled(on, outcome, seconds)?;
        self.record(result)
    }

    fn texts(&mut self) -> Result<()> {
        let series = &self.loaded.series;
        let refused = self.loaded.refused_patch();
        for check in CHECKS {
            interrupt::check()?;
            match check.needs {
                Needs::Patch(judge) => {
                    for patch in series.patches.iter().filter(|patch| Some(patch.number) != refused) {
                        let on = CheckOn::patch(check.id, patch.number);
                        self.judge(on, judge(series, patch), 0.0, false)?;
                    }
                }
                Needs::Series(judge) => self.judge(CheckOn::series(check.id), judge(series), 0.0, false)?,
                _ => {}
            }
        }
        for number in 1..=series.patches.len() {
            let on = |check| CheckOn::patch(check, number);
            self.judge(on(CheckId::Safety), self.safety(number), 0.0, false)?;
            if Some(number) != refused {
                self.judge(on(CheckId::Apply), self.apply(number), 0.0, false)?;
            }
        }
        Ok(())
    }

    fn apply(&self, number: usize) -> Judgement {
        let trouble = (number == self.loaded.applied + 1).then_some(&self.loaded.trouble);
        self.on_loading(number, trouble, "not tried")
    }

    /// Only what was applied could be looked at.
    fn safety(&self, number: usize) -> Judgement {
        let refused = (Some(number) == self.loaded.refused_patch()).then_some(&self.loaded.refused);
        self.on_loading(number, refused, "not looked at")
    }

    fn on_loading(&self, number: usize, found: Option<&Vec<Finding>>, undone: &str) -> Judgement {
        match found {
            _ if number <= self.loaded.applied => Judgement::pass(),
            Some(found) => Judgement::Done(found.clone()),
            None => Judgement::skip(format!("{undone}: {}", self.loaded.shortfall().unwrap_or_default())),
        }
    }

    fn tools(&mut self) -> Result<()> {
        let series = &self.loaded.series;
        let mut tools = None;
        for check in CHECKS.iter().filter(|check| matches!(check.needs, Needs::Tool)) {
            for patch in self.loaded.applied_patches() {
                interrupt::check()?;
                let on = CheckOn::patch(check.id, patch.number);
                if JUDGED_ON_LOADING.contains(&check.id) || !self.is_open(on) {
                    continue;
                }
                let tools = match &tools {
                    Some(tools) => tools,
                    None => tools.insert(Tools::of(self.workspace, &series.base)?),
                };
                self.begins(on, "")?;
                let key = keys::tool(check.id, &tools.key(check.id), series.tree(), patch);
                if let Some(known) = self.cache.get(&key) {
                    self.judge(on, known, 0.0, true)?;
                    continue;
                }
                let began = Instant::now();
                let outcome = tools.check(check.id, series, patch);
                if let Ok(judgement @ Judgement::Done(_)) = &outcome {
                    self.remember(&key, judgement)?;
                }
                self.outcome(on, outcome, began.elapsed().as_secs_f64())?;
            }
        }
        Ok(())
    }

    pub(super) fn builder(&self) -> Result<Builder> {
        builder(self.workspace, self.options)
    }
}

/// The builder of a series in its workspace.
pub(super) fn builder(workspace: &Workspace, options: &Options) -> Result<Builder> {
    Ok(Builder {
        tree: workspace.tree(),
        builds: workspace.dir("build")?,
        jobs: options.jobs,
        ccache: options.ccache,
        hidden: options.hidden.clone(),
    })
}

/// The result of a check that ended so; an error of its own is one as well, but not that we were asked to stop.
pub(super) fn settled(on: CheckOn, outcome: Result<Judgement>, seconds: f64) -> Result<CheckResult> {
    match outcome {
        Ok(judgement) => Ok(judgement.result(on, seconds)),
        Err(error) if error.kind() == Kind::Interrupted => Err(error),
        Err(error) => Ok(failed(on, &error, seconds)),
    }
}

/// The result of a check that could not be done.
pub(super) fn failed(on: CheckOn, error: &Error, seconds: f64) -> CheckResult {
    let note = Some(error.to_string());
    CheckResult { status: Status::Error, note, seconds, ..CheckResult::not_run(on) }
}

#[cfg(test)]
mod tests;
