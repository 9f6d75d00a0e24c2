//! At the tip: boots, runs the selftests, and compares with the base where something fails.

use super::compare::{Comparison, Outcomes, compare, script, settle};
use super::impact::{Tests, tests};
use super::keys;
use super::outcomes::{KERNEL_LOG, failed_scripts, outcomes, reruns, scripts_of, worst_of_both};
use super::seeded::{self, Failed};
use super::test_runner::TestRunner;
use super::validator::{Validator, settled};
use crate::error::{Kind, Result};
use crate::event::{CheckId, CheckOn, CheckResult, Event, Finding, Outcome};
use crate::kernel::Variant;
use crate::results::Summary;
use crate::series::Judgement;
use crate::text::hash::Key;
use std::time::Instant;

/// The check.
const ON: CheckOn = CheckOn { check: CheckId::Tests, patch: None };

impl Validator<'_> {
    /// Does the check `tests`, on each of the kernels that are wanted.
    pub(super) fn tests(&mut self, runner: &mut dyn TestRunner) -> Result<()> {
        let Some(options) = self.options.tests.as_ref().filter(|_| self.is_open(ON)) else { return Ok(()) };
        let began = Instant::now();
        let outcome = if let Some(why) = self.loaded.shortfall() {
            Ok(Judgement::skip(why))
        } else if self.state().failed().any(|result| is_build(result.on.check)) {
            Ok(Judgement::skip("it does not build"))
        } else {
            self.begins(ON, "")?;
            self.journal.hide_progress();
            on_each(&options.variants, |variant| {
                KernelTests { validator: self, runner, variant }.judge(options.full)
            })
        };
        let result = settled(ON, outcome, began.elapsed().as_secs_f64())?;
        self.record(CheckResult { flags: options.flags.clone(), ..result })
    }
}

/// What is found on all these kernels. With several, each finding says on which it shows.
fn on_each(variants: &[Variant], mut judge: impl FnMut(Variant) -> Result<Judgement>) -> Result<Judgement> {
    let several = variants.len() > 1;
    let mut all = Vec::new();
    for variant in variants {
        let found = match judge(*variant) {
            Ok(Judgement::Done(found)) => found,
            // That it cannot be configured, or built as a whole, is what the series does.
            Err(error) if error.kind() == Kind::Build => vec![Finding::error(error.to_string())],
            // What was found before does not get lost.
            Err(error) if error.kind() != Kind::Interrupted && !all.is_empty() => {
                vec![Finding::error(format!("the tests could not be run: {error}"))]
            }
            // There is nothing to test, on none of them.
            other => return other,
        };
        let on = |finding: Finding| if several { finding.in_config(variant.to_string()) } else { finding };
        all.extend(found.into_iter().map(on));
    }
    Ok(Judgement::Done(all))
}

fn is_build(check: CheckId) -> bool {
    matches!(check, CheckId::Build | CheckId::BuildAll)
}

/// The tests of a series on one kernel.
struct KernelTests<'l, 'v> {
    validator: &'l mut Validator<'v>,
    runner: &'l mut dyn TestRunner,
    variant: Variant,
}

impl KernelTests<'_, '_> {
    fn judge(&mut self, full: bool) -> Result<Judgement> {
        let loaded = self.validator.loaded;
        let scripts = self.runner.check_out(loaded.tip(), self.variant)?;
        let filters = match tests(loaded.series.files(), &scripts) {
            _ if full => vec!["*".to_owned()],
            Tests::None => {
                return Ok(Judgement::not_applicable("nothing that a guest would notice is touched"));
            }
            Tests::These(names) => names,
            Tests::Profile => Vec::new(),
        };
        let summary = self.run(&filters, None, "with the series")?;
        if summary.tests.iter().any(|test| test.result.seed.is_some()) {
            return self.judge_with_seeds(&summary);
        }
        // What only failed was run again already; a crash was not, and nothing is if the settings forbid it.
        let (first, mut again) = (outcomes(&summary), reruns(&summary));
        let once: Vec<String> =
            failed_scripts(&first).into_iter().filter(|script| !again.contains_key(script)).collect();
        again.extend(self.run_some(&once, "with the series, again")?);
        let tip = settle(first, &again);
        let failed = failed_scripts(&tip);
        let (base, untested) = if failed.is_empty() {
            (self.known(&self.key()?, &scripts_of(&tip)).0, Vec::new())
        } else {
            self.base(&failed)?
        };
        self.conclude(&compare(&base, &untested, &tip))
    }

    fn conclude(&mut self, comparison: &Comparison) -> Result<Judgement> {
        if let Some(note) = comparison.note() {
            self.validator.note(format!("tests, {} kernel: {note}", self.variant))?;
        }
        Ok(Judgement::Done(comparison.findings()))
    }

    /// In virtual time the same seed makes the same run: what failed runs with more seeds, unless they are enough, and with the
    /// same without the series.
    fn judge_with_seeds(&mut self, first: &Summary) -> Result<Judgement> {
        let failed = failed_scripts(&outcomes(first));
        if failed.is_empty() {
            return Ok(Judgement::Done(Vec::new()));
        }
        let wanted = self.runner.settings().settings.test.confirm_seeds.get();
        let seeds = (seeded::count(first) < wanted as usize).then_some(wanted);
        let tip = match seeds {
            Some(_) => seeded::failures(&self.run(&failed, seeds, "with the series, with more seeds")?),
            None => seeded::failures(first),
        };
        let base = match self.base_with_seeds(&failed, seeds) {
            Err(error) if error.kind() == Kind::Build => {
                self.validator.note("the base does not build: its tests cannot be compared".to_owned())?;
                return Ok(Judgement::Done(seeded::compare(&tip, None)));
            }
            base => base?,
        };
        Ok(Judgement::Done(seeded::compare(&tip, Some(&base))))
    }

    /// How often these scripts fail without the series, with as many seeds or those of the settings: known, or found out now.
    fn base_with_seeds(&mut self, scripts: &[String], seeds: Option<u32>) -> Result<Failed> {
        let key = keys::seeded(&self.key()?, seeds);
        let (mut all, mut unknown) = (Failed::new(), Vec::new());
        for name in scripts {
            match self.validator.cache.get::<Failed>(&keys::script(&key, name)) {
                Some(known) => seeded::add(&mut all, known),
                None => unknown.push(name.clone()),
            }
        }
        if unknown.is_empty() {
            self.validator.note("the base was tested with these seeds before".to_owned())?;
            return Ok(all);
        }
        let there = self.runner.check_out(&self.validator.loaded.series.base, self.variant)?;
        unknown.retain(|name| there.contains(name));
        // Without filters it would be the profile.
        if unknown.is_empty() {
            return Ok(all);
        }
        let summary = self.run(&unknown, seeds, "without the series, with the same seeds")?;
        for name in &unknown {
            let of_it = seeded::failures_of(&summary, name);
            // A guest that did not come up says nothing of the test.
            if seeded::is_whole(&summary, name) {
                self.validator.remember(&keys::script(&key, name), &of_it)?;
            }
            seeded::add(&mut all, of_it);
        }
        Ok(all)
    }

    /// Runs these tests of what is checked out, as a run of its own in the directory of the validation.
    fn run(&mut self, filters: &[String], seeds: Option<u32>, what: &str) -> Result<Summary> {
        let journal = &mut *self.validator.journal;
        let run = self.runner.run(filters, seeds, &journal.path().join("runs"))?;
        let file = run.path.strip_prefix(journal.path()).unwrap_or(&run.path).display().to_string();
        let what = format!("tests {what}, {} kernel", self.variant);
        journal.add(Event::Evidence { test: None, what, file })?;
        Ok(run.summary)
    }

    fn run_some(&mut self, filters: &[String], what: &str) -> Result<Outcomes> {
        // Without filters it would be the profile.
        if filters.is_empty() {
            return Ok(Outcomes::new());
        }
        let summary = self.run(filters, None, what)?;
        Ok(settle(outcomes(&summary), &reruns(&summary)))
    }

    /// What these scripts do without the series, known or found out now; and those that could not be run.
    fn base(&mut self, scripts: &[String]) -> Result<(Outcomes, Vec<String>)> {
        let key = self.key()?;
        let (mut all, unknown) = self.known(&key, scripts);
        if unknown.is_empty() {
            return Ok((all, unknown));
        }
        let there = self.runner.check_out(&self.validator.loaded.series.base, self.variant)?;
        // A test that the series brings has nothing to be compared with.
        let filters: Vec<String> = unknown.iter().filter(|name| there.contains(name)).cloned().collect();
        let mut outcomes = match self.run_some(&filters, "without the series") {
            Err(error) if error.kind() == Kind::Build => {
                self.validator.note("the base does not build: its tests cannot be compared".to_owned())?;
                return Ok((all, filters));
            }
            outcomes => outcomes?,
        };
        // A guest that does not come up says nothing of the tests.
        outcomes.retain(|_, outcome| *outcome != Outcome::NotRun);
        // Whose a splat is nobody can tell, if there were several.
        let clear = filters.len() == 1 || outcomes.get(KERNEL_LOG) != Some(&Outcome::Crash);
        let (tested, untested): (Vec<_>, Vec<_>) =
            filters.into_iter().partition(|script| outcomes.contains_key(script));
        for name in tested.iter().filter(|_| clear) {
            let of_it = outcomes.iter().filter(|(of, _)| script(of) == name || *of == KERNEL_LOG);
            let of_it: Outcomes = of_it.map(|(name, outcome)| (name.clone(), *outcome)).collect();
            self.validator.remember(&keys::script(&key, name), &of_it)?;
        }
        worst_of_both(&mut all, outcomes);
        Ok((all, untested))
    }

    /// The outcomes of these scripts on the base, as far as they are known, and the scripts of which they are not.
    fn known(&self, key: &Key, scripts: &[String]) -> (Outcomes, Vec<String>) {
        let (mut all, mut unknown) = (Outcomes::new(), Vec::new());
        for script in scripts {
            match self.validator.cache.get::<Outcomes>(&keys::script(key, script)) {
                Some(known) => worst_of_both(&mut all, known),
                None => unknown.push(script.clone()),
            }
        }
        (all, unknown)
    }

    /// What the outcomes of all scripts on the base depend on.
    fn key(&self) -> Result<Key> {
        let tree = self.validator.workspace.git().tree_of(&self.validator.loaded.series.base)?;
        Ok(keys::tests(&tree, self.variant, self.runner.settings()))
    }
}

#[cfg(test)]
mod tests_of_it {
    use super::*;
    use crate::error::Error;

    #[test]
    fn with_several_kernels_each_finding_says_on_which() {
        let variants = ["normal", "debug-clang"].map(|name| Variant::parse(name).unwrap());
        let judged = |variants: &[Variant]| {
            let found = on_each(variants, |variant| {
                if variant.clang {
                    return Err(Error::build("pm.c: no such function"));
                }
                Ok(Judgement::Done(vec![Finding::error("regression: diag")]))
            });
            let Ok(Judgement::Done(found)) = found else { panic!("{found:?}") };
            found.into_iter().map(|one| (one.config.unwrap_or_default(), one.text)).collect::<Vec<_>>()
        };
        let own = |list: &[(&str, &str)]| -> Vec<(String, String)> {
            list.iter().map(|(config, text)| ((*config).to_owned(), (*text).to_owned())).collect()
        };
        assert_eq!(judged(&variants[..1]), own(&[("", "regression: diag")]));
        let both = own(&[("normal", "regression: diag"), ("debug-clang", "pm.c: no such function")]);
        assert_eq!(judged(&variants), both);
        let lost = on_each(&variants, |variant| {
            let found = Judgement::Done(vec![Finding::error("regression: diag")]);
            if variant.clang { Err(Error::cannot_run("it does not boot")) } else { Ok(found) }
        });
        assert!(matches!(lost, Ok(Judgement::Done(found)) if found.len() == 2), "what was found stays");
        let nothing = on_each(&variants, |_| Ok(Judgement::not_applicable("nothing")));
        assert!(matches!(nothing, Ok(Judgement::NotApplicable(_))), "{nothing:?}");
        let broken = on_each(&variants, |_| Err(Error::cannot_run("no QEMU")));
        assert!(broken.is_err(), "what could not be done is no finding");
    }
}

#[cfg(test)]
mod seeds;
