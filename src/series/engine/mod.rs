//! Does the checks, one after the other, and tells whoever watches.

mod builds;
mod effects;
mod merge;
mod tip;

use super::cache::Cache;
use super::check::{CHECKS, Check, Needs, names};
use super::load::Loaded;
use super::make::Config;
use super::make::builder::Builder;
use super::model::Patch;
use super::tool::Tools;
use super::verdict::{CheckResult, Judgement, PatchInfo, Report, SCHEMA, Status};
use super::workspace::Workspace;
use crate::error::{Error, Kind, Result};
use crate::process::interrupt;
use crate::text::hash::Key;
use serde::Serialize;
use std::time::Instant;

/// Somebody who wants to see how far it is.
pub trait Observer {
    /// A check begins, or its next part does.
    fn begins(&mut self, check: &str, patch: Option<usize>, detail: &str);
    /// A check is over.
    fn ended(&mut self, result: &CheckResult);
    /// Others are about to use the terminal.
    fn give_way(&mut self) {}
}

/// What is to be done.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Only these patches, by number; all if empty.
    pub patches: Vec<usize>,
    /// Only these checks, by name; all if empty.
    pub checks: Vec<String>,
    /// Only these configurations, by name; all that the files need if empty.
    pub configs: Vec<String>,
    /// Nothing that builds or boots.
    pub quick: bool,
    /// Warnings count as failures.
    pub strict: bool,
    /// How many jobs make may run at once.
    pub jobs: usize,
    /// Compile through ccache.
    pub ccache: bool,
}

impl Options {
    /// Fails if a name is unknown, or a number too high.
    pub fn check(&self, patches: usize) -> Result<()> {
        for name in &self.checks {
            if super::check::find(name).is_none() {
                let names: Vec<&str> = CHECKS.iter().map(|check| check.name).collect();
                return Err(Error::usage(format!(
                    "there is no check {name:?}; there are: {}",
                    names.join(", ")
                ))
                .hint("see what each is about: vmptcp validate --list"));
            }
        }
        for name in &self.configs {
            if Config::all().iter().all(|config| config.to_string() != *name) {
                let names: Vec<String> = Config::all().iter().map(ToString::to_string).collect();
                return Err(Error::usage(format!("there is no configuration {name:?}"))
                    .hint(format!("choose from: {}", names.join(", "))));
            }
        }
        match self.patches.iter().find(|&&number| number == 0 || number > patches) {
            Some(number) => {
                Err(Error::usage(format!("there is no patch {number}: the series has {patches}"))
                    .hint("patches are counted from 1"))
            }
            None => Ok(()),
        }
    }

    /// True if this check is wanted.
    pub fn wants(&self, check: &Check) -> bool {
        let named = self.checks.iter().any(|name| name == check.name);
        named || self.checks.is_empty() && (!self.quick || check.is_quick())
    }

    /// True if less is wanted than all that can be said of the series.
    fn is_partial(&self) -> bool {
        self.quick || !(self.patches.is_empty() && self.checks.is_empty() && self.configs.is_empty())
    }

    fn wants_patch(&self, number: usize) -> bool {
        self.patches.is_empty() || self.patches.contains(&number)
    }
}

/// The checks of one series under way.
pub struct Engine<'a> {
    workspace: &'a Workspace,
    loaded: &'a Loaded,
    options: &'a Options,
    cache: Cache,
    observer: &'a mut dyn Observer,
    report: Report,
    began: Instant,
}

impl<'a> Engine<'a> {
    /// Begins; nothing is done yet.
    pub fn new(
        workspace: &'a Workspace,
        loaded: &'a Loaded,
        options: &'a Options,
        observer: &'a mut dyn Observer,
    ) -> Result<Self> {
        let series = &loaded.series;
        options.check(series.patches.len())?;
        let info = |patch: &Patch| PatchInfo {
            number: patch.number,
            subject: patch.subject.clone(),
            commit: patch.commit.clone(),
        };
        let of_series = options.patches.is_empty();
        let wanted = |check: &&Check| options.wants(check) && (of_series || check.is_per_patch());
        let wanted: Vec<&Check> = CHECKS.iter().filter(wanted).collect();
        let mut report = Report {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            input: series.input.clone(),
            again: series.again.clone(),
            base: series.base.clone(),
            base_by: series.base_known.clone(),
            patches: series.patches.iter().map(info).collect(),
            checks: wanted.iter().map(|check| check.name.to_owned()).collect(),
            notes: loaded.notes.clone(),
            strict: options.strict,
            partial: options.is_partial(),
            ..Report::default()
        };
        for check in wanted {
            if check.is_per_patch() {
                let numbers = series.patches.iter().map(|patch| patch.number);
                let numbers = numbers.filter(|&number| options.wants_patch(number));
                report.results.extend(numbers.map(|number| CheckResult::not_run(check.name, Some(number))));
            } else {
                report.results.push(CheckResult::not_run(check.name, None));
            }
        }
        show_refusal(&mut report, loaded);
        let cache = Cache::open(workspace.dir("cache")?);
        Ok(Self { workspace, loaded, options, cache, observer, report, began: Instant::now() })
    }

    /// Does all checks but those that need a guest.
    pub fn run(&mut self) -> Result<()> {
        self.texts()?;
        self.tools()?;
        self.builds()
    }

    /// The state so far.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// True if this check is wanted on the series, and has not been done.
    pub fn is_open(&self, check: &str, patch: Option<usize>) -> bool {
        self.report.result(check, patch).is_some_and(|result| result.status == Status::NotRun)
    }

    /// Shows that a check begins.
    pub fn begins(&mut self, check: &str, detail: &str) {
        self.observer.begins(check, None, detail);
    }

    /// Lets others use the terminal.
    pub fn give_way(&mut self) {
        self.observer.give_way();
    }

    /// What earlier runs found.
    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    /// Lets later runs know it. If they cannot, this one goes on.
    pub fn remember<T: Serialize>(&mut self, key: &Key, value: &T) {
        if let Err(error) = self.cache.put(key, value) {
            self.note(format!("what is found is not remembered: {error}"));
        }
    }

    /// Takes the end of a check that others have done. An error is a check that could not be done, and no end of the others,
    /// unless it is that somebody asked us to stop. `flags` are those that it depends on.
    pub fn conclude(
        &mut self,
        check: &str,
        flags: &str,
        outcome: Result<Judgement>,
        seconds: f64,
    ) -> Result<()> {
        self.outcome(check, None, outcome, seconds)?;
        if let Some(result) = self.report.results.iter_mut().find(|result| result.check == check) {
            flags.clone_into(&mut result.flags);
        }
        Ok(())
    }

    /// Says something to the user.
    pub fn note(&mut self, text: String) {
        if !self.report.notes.contains(&text) {
            self.report.notes.push(text);
        }
    }

    /// Ends.
    pub fn finish(mut self) -> Report {
        self.report.seconds = self.began.elapsed().as_secs_f64();
        self.report
    }

    fn judge(&mut self, check: &str, patch: Option<usize>, judgement: Judgement, seconds: f64, cached: bool) {
        let result = CheckResult { cached, ..CheckResult::not_run(check, patch).judged(judgement, seconds) };
        self.settle(result);
    }

    fn settle(&mut self, result: CheckResult) {
        let place = |known: &&mut CheckResult| known.check == result.check && known.patch == result.patch;
        if let Some(known) = self.report.results.iter_mut().find(place) {
            *known = result;
            self.observer.ended(known);
        }
    }

    /// Takes how a check ended; an error of its own is told as such, and the others go on.
    fn outcome(
        &mut self,
        check: &str,
        patch: Option<usize>,
        outcome: Result<Judgement>,
        seconds: f64,
    ) -> Result<()> {
        match outcome {
            Ok(judgement) => self.judge(check, patch, judgement, seconds, false),
            Err(error) if error.kind() == Kind::Interrupted => return Err(error),
            Err(error) => {
                let mut result = CheckResult::not_run(check, patch);
                (result.status, result.note, result.seconds) =
                    (Status::Error, Some(error.to_string()), seconds);
                self.settle(result);
            }
        }
        Ok(())
    }

    fn texts(&mut self) -> Result<()> {
        let series = &self.loaded.series;
        let refused = self.loaded.refused_patch();
        for check in CHECKS {
            interrupt::check()?;
            match check.needs {
                Needs::Patch(judge) => {
                    for patch in series.patches.iter().filter(|patch| Some(patch.number) != refused) {
                        self.judge(check.name, Some(patch.number), judge(series, patch), 0.0, false);
                    }
                }
                Needs::Series(judge) => self.judge(check.name, None, judge(series), 0.0, false),
                _ => {}
            }
        }
        for number in 1..=series.patches.len() {
            self.judge(names::SAFETY, Some(number), self.safety(number), 0.0, false);
            if Some(number) != refused {
                self.judge(names::APPLY, Some(number), self.apply(number), 0.0, false);
            }
        }
        Ok(())
    }

    fn apply(&self, number: usize) -> Judgement {
        if number <= self.loaded.applied {
            Judgement::pass()
        } else if number == self.loaded.applied + 1 {
            Judgement::Done(self.loaded.trouble.clone())
        } else {
            Judgement::skip(format!("not tried: {}", self.loaded.shortfall().unwrap_or_default()))
        }
    }

    /// Only what was applied could be looked at.
    fn safety(&self, number: usize) -> Judgement {
        if number <= self.loaded.applied {
            Judgement::pass()
        } else if Some(number) == self.loaded.refused_patch() {
            Judgement::Done(self.loaded.refused.clone())
        } else {
            Judgement::skip(format!("not looked at: {}", self.loaded.shortfall().unwrap_or_default()))
        }
    }

    /// The patches that may be looked at in their tree.
    fn applied(&self) -> impl Iterator<Item = &'a Patch> + use<'a> {
        self.loaded.series.patches.iter().take(self.loaded.applied)
    }

    fn tools(&mut self) -> Result<()> {
        let series = &self.loaded.series;
        let mut tools = None;
        for check in CHECKS.iter().filter(|check| matches!(check.needs, Needs::Tool)) {
            for patch in self.applied() {
                interrupt::check()?;
                if JUDGED_ON_LOADING.contains(&check.name) || !self.is_open(check.name, Some(patch.number)) {
                    continue;
                }
                let tools = match &tools {
                    Some(tools) => tools,
                    None => tools.insert(Tools::of(self.workspace, &series.base)?),
                };
                self.observer.begins(check.name, Some(patch.number), "");
                let key = self.tool_key(check.name, &tools.key(check.name), patch);
                if let Some(known) = self.cache.get(&key) {
                    self.judge(check.name, Some(patch.number), known, 0.0, true);
                    continue;
                }
                let began = Instant::now();
                let outcome = tools.check(check.name, series, patch);
                if let Ok(judgement @ Judgement::Done(_)) = &outcome {
                    self.remember(&key, judgement);
                }
                self.outcome(check.name, Some(patch.number), outcome, began.elapsed().as_secs_f64())?;
            }
        }
        Ok(())
    }

    /// The hashes in the text of a patch name its files before and after it.
    fn tool_key(&self, name: &str, tool: &str, patch: &Patch) -> Key {
        let recipients = patch.envelope.iter().flat_map(|envelope| &envelope.recipients);
        let tree = self.loaded.series.tree().unwrap_or_default();
        let text = patch.text.lines().skip(1).collect::<Vec<_>>().join("\n");
        Key::new("tool").list([name, tool, tree, &text]).list(recipients)
    }

    fn builder(&self) -> Result<Builder> {
        Ok(Builder {
            tree: self.workspace.tree(),
            builds: self.workspace.dir("build")?,
            jobs: self.options.jobs,
            ccache: self.options.ccache,
        })
    }
}

/// The checks whose answer is known when a series is loaded.
const JUDGED_ON_LOADING: [&str; 2] = [names::APPLY, names::SAFETY];

/// That a patch is refused is shown whatever was asked for; and of what is therefore not done, why.
fn show_refusal(report: &mut Report, loaded: &Loaded) {
    if let Some(refused) = loaded.refused_patch() {
        if !report.checks.iter().any(|check| check == names::SAFETY) {
            report.checks.insert(0, names::SAFETY.to_owned());
        }
        if report.result(names::SAFETY, Some(refused)).is_none() {
            report.results.insert(0, CheckResult::not_run(names::SAFETY, Some(refused)));
        }
    }
    let Some(why) = loaded.shortfall() else { return };
    for result in &mut report.results {
        if result.patch.is_some_and(|number| number > loaded.applied) {
            result.note = Some(why.clone());
        }
    }
}

#[cfg(test)]
mod tests;
