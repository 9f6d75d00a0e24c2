//! At the tip: boots, runs the selftests, and compares with the base where something fails.

use super::{Place, run_tests};
use crate::commands::context::Context;
use crate::commands::pipeline::Target;
use crate::commands::test;
use crate::error::{Kind, Result};
use crate::event::Outcome;
use crate::kernel::Variant;
use crate::process::find;
use crate::report::Summary;
use crate::series::cache::identity;
use crate::series::check::names;
use crate::series::compare::{Comparison, Outcomes, compare, is_bad};
use crate::series::impact::{Tests, tests};
use crate::series::verdict::{Finding, Judgement};
use crate::series::{Engine, Loaded, load};
use std::time::Instant;

/// The name under which what a kernel's log shows counts as a test.
const KERNEL_LOG: &str = "kernel log";

/// Does the check `tests`, on each of these kernels.
pub(super) fn test(
    engine: &mut Engine<'_>,
    context: &Context,
    place: &Place,
    loaded: &Loaded,
    variants: &[Variant],
    full: bool,
) -> Result<()> {
    let began = Instant::now();
    let outcome = if loaded.applied < loaded.series.patches.len() {
        Ok(Judgement::skip("not all patches apply"))
    } else if engine.report().failed().any(|result| is_build(&result.check)) {
        Ok(Judgement::skip("it does not build"))
    } else {
        engine.begins(names::TESTS, "");
        engine.give_way();
        on_each(variants, |variant| (Lab { engine, context, place, loaded, variant }).judge(full))
    };
    engine.conclude(names::TESTS, outcome, began.elapsed().as_secs_f64())
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

fn is_build(check: &str) -> bool {
    check == names::BUILD || check == names::BUILD_ALL
}

struct Lab<'l, 'e> {
    engine: &'l mut Engine<'e>,
    context: &'l Context,
    place: &'l Place,
    loaded: &'l Loaded,
    variant: Variant,
}

impl Lab<'_, '_> {
    fn judge(&mut self, full: bool) -> Result<Judgement> {
        let series = &self.loaded.series;
        let tip = load::tip(series, self.loaded.applied);
        let target = self.place.check_out(self.context, &tip, self.variant)?;
        let scripts: Vec<String> = test::listing(&target)?.tests.into_iter().map(|test| test.name).collect();
        let filters = match tests(series.files(), &scripts) {
            _ if full => vec!["*".to_owned()],
            Tests::None => return Ok(Judgement::moot("nothing that a guest would notice is touched")),
            Tests::These(names) => names,
            Tests::Profile => Vec::new(),
        };
        let outcomes = self.run(&target, &filters)?;
        let failed = failed_scripts(&outcomes);
        if failed.is_empty() {
            let base = self.known(&scripts)?.unwrap_or_default();
            return Ok(self.conclude(&compare(&base, &outcomes, None)));
        }
        // What only failed was run once more already, unless the settings forbid it.
        let confirmed = target.loaded.settings.test.confirm > 0
            && !outcomes.values().any(|outcome| *outcome == Outcome::Crash);
        let again = if confirmed { None } else { Some(self.run(&target, &failed)?) };
        let base = self.base(&failed)?;
        Ok(self.conclude(&compare(&base, &outcomes, again.as_ref())))
    }

    fn conclude(&mut self, comparison: &Comparison) -> Judgement {
        if let Some(note) = comparison.note() {
            self.engine.note(format!("tests, {} kernel: {note}", self.variant));
        }
        Judgement::Done(comparison.findings())
    }

    fn run(&self, target: &Target, filters: &[String]) -> Result<Outcomes> {
        Ok(outcomes(&run_tests(self.context, target, filters)?))
    }

    fn run_some(&self, target: &Target, filters: &[String]) -> Result<Outcomes> {
        // Without filters it would be the profile.
        if filters.is_empty() { Ok(Outcomes::new()) } else { self.run(target, filters) }
    }

    /// What these scripts do without the series: known, or found out now.
    fn base(&mut self, scripts: &[String]) -> Result<Outcomes> {
        if let Some(known) = self.known(scripts)? {
            return Ok(known);
        }
        let base = self.loaded.series.base.clone();
        let target = self.place.check_out(self.context, &base, self.variant)?;
        let there: Vec<String> = test::listing(&target)?.tests.into_iter().map(|test| test.name).collect();
        // A test that the series brings has nothing to be compared with.
        let filters: Vec<String> = scripts.iter().filter(|name| there.contains(name)).cloned().collect();
        let mut outcomes = match self.run_some(&target, &filters) {
            // What it would do nobody can tell: all that fails is the series' doing.
            Err(error) if error.kind() == Kind::Build => {
                self.engine.note("the base does not build: its tests cannot be compared".to_owned());
                return Ok(Outcomes::new());
            }
            outcomes => outcomes?,
        };
        // A guest that does not come up says nothing of the tests.
        outcomes.retain(|_, outcome| !matches!(outcome, Outcome::NotRun | Outcome::Error));
        for script in scripts {
            if filters.contains(script) && !outcomes.contains_key(script) {
                let variant = self.variant;
                self.engine
                    .note(format!("{script}: it could not be run on the base's {variant} kernel to compare"));
                continue;
            }
            let of_it = outcomes.iter().filter(|(name, _)| is_of(name, script));
            let of_it: Outcomes = of_it.map(|(name, outcome)| (name.clone(), *outcome)).collect();
            let key = self.key(script)?;
            self.engine.remember(&key, &of_it);
        }
        Ok(outcomes)
    }

    /// The outcomes of these scripts on the base, if all of them are known.
    fn known(&self, scripts: &[String]) -> Result<Option<Outcomes>> {
        let mut all = Outcomes::new();
        for script in scripts {
            match self.engine.cache().get::<Outcomes>(&self.key(script)?) {
                Some(known) => worst_of_both(&mut all, known),
                None => return Ok(None),
            }
        }
        Ok(Some(all))
    }

    /// What the outcomes of a script depend on: the content of the tree, the configuration that is asked for, the compilers,
    /// the guest.
    fn key(&self, script: &str) -> Result<Vec<String>> {
        let base = &self.loaded.series.base;
        let tree = self.place.git.read(["rev-parse", &format!("{base}^{{tree}}")])?;
        let settings = &self.place.target.loaded.settings;
        let kernel = &settings.kernel;
        let fragments: Vec<_> =
            kernel.fragments.iter().map(|name| (name, std::fs::read_to_string(name).ok())).collect();
        let kernel = format!("{:?} {} {fragments:?} {:?}", kernel.base, self.variant, kernel.symbols);
        let compilers = ["gcc", "clang"].map(|name| find(name).map(|tool| identity(&tool.path)).ok());
        let guest = format!("{:?} {:?}", settings.vm, settings.test.env);
        let mut key = ["tests", &tree, &kernel, &guest, script].map(str::to_owned).to_vec();
        key.extend(compilers.into_iter().flatten());
        Ok(key)
    }
}

/// Each script brings its own view of the kernel's log.
fn worst_of_both(all: &mut Outcomes, more: Outcomes) {
    for (name, outcome) in more {
        let known = all.entry(name).or_insert(outcome);
        *known = (*known).max(outcome);
    }
}

/// True if an outcome's name is that of this script, or of one of its subtests.
fn is_of(name: &str, script: &str) -> bool {
    name.strip_prefix(script).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        || name == KERNEL_LOG
}

fn failed_scripts(outcomes: &Outcomes) -> Vec<String> {
    let mut failed: Vec<String> = Vec::new();
    let all: Vec<&String> =
        outcomes.keys().filter(|name| !name.contains('/') && *name != KERNEL_LOG).collect();
    for name in outcomes.iter().filter(|(_, outcome)| is_bad(**outcome)).map(|(name, _)| name) {
        if name == KERNEL_LOG {
            // Whichever script it was: a splat outside of all of them may come again in any.
            return all.into_iter().cloned().collect();
        }
        let script = name.split('/').next().unwrap_or(name).to_owned();
        if !failed.contains(&script) {
            failed.push(script);
        }
    }
    failed
}

/// The outcomes of a run. A failure that a test itself asks to ignore is left out.
fn outcomes(summary: &Summary) -> Outcomes {
    let mut outcomes = Outcomes::new();
    for test in &summary.tests {
        outcomes.insert(test.name.clone(), test.result.outcome);
        for subtest in test.result.subtests.iter().filter(|subtest| !subtest.flaky) {
            outcomes.insert(format!("{}/{}", test.name, subtest.name), subtest.outcome);
        }
    }
    let log = if summary.splats.is_empty() { Outcome::Pass } else { Outcome::Crash };
    outcomes.insert(KERNEL_LOG.to_owned(), log);
    outcomes
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
        let moot = on_each(&variants, |_| Ok(Judgement::moot("nothing")));
        assert!(matches!(moot, Ok(Judgement::Moot(_))), "{moot:?}");
        let broken = on_each(&variants, |_| Err(Error::cannot_run("no QEMU")));
        assert!(broken.is_err(), "what could not be done is no finding");
    }
}
