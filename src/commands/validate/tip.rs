//! At the tip: boots, runs the selftests, and compares with the base where something fails.

use super::outcomes::{KERNEL_LOG, failed_scripts, outcomes, reruns, scripts_of, worst_of_both};
use super::{Args, Place, run_tests};
use crate::commands::context::Context;
use crate::commands::pipeline::Target;
use crate::commands::suites;
use crate::error::{Kind, Result};
use crate::event::Outcome;
use crate::kernel::Variant;
use crate::process::identity_of;
use crate::series::check::names;
use crate::series::compare::{Comparison, Outcomes, compare, script, settle};
use crate::series::impact::{Tests, tests};
use crate::series::verdict::{Finding, Judgement};
use crate::series::{Engine, Loaded, load};
use crate::settings::Base;
use crate::text::hash::Key;
use std::time::Instant;

/// Does the check `tests`, on each of these kernels.
pub(super) fn test(
    engine: &mut Engine<'_>,
    context: &Context,
    place: &Place,
    loaded: &Loaded,
    variants: &[Variant],
    args: &Args,
) -> Result<()> {
    let began = Instant::now();
    let outcome = if let Some(why) = loaded.shortfall() {
        Ok(Judgement::skip(why))
    } else if engine.report().failed().any(|result| is_build(&result.check)) {
        Ok(Judgement::skip("it does not build"))
    } else {
        engine.begins(names::TESTS, "");
        engine.give_way();
        on_each(variants, |variant| (Lab { engine, context, place, loaded, variant }).judge(args.full))
    };
    engine.conclude(names::TESTS, &args.on_tests()?, outcome, began.elapsed().as_secs_f64())
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
        let scripts: Vec<String> =
            suites::of_default(&target)?.tests.into_iter().map(|test| test.name).collect();
        let filters = match tests(series.files(), &scripts) {
            _ if full => vec!["*".to_owned()],
            Tests::None => return Ok(Judgement::moot("nothing that a guest would notice is touched")),
            Tests::These(names) => names,
            Tests::Profile => Vec::new(),
        };
        let summary = run_tests(self.context, &target, &filters)?;
        // What only failed was run again already; a crash was not, and nothing is if the settings forbid it.
        let (first, mut again) = (outcomes(&summary), reruns(&summary));
        let once: Vec<String> =
            failed_scripts(&first).into_iter().filter(|script| !again.contains_key(script)).collect();
        again.extend(self.run_some(&target, &once)?);
        let tip = settle(first, &again);
        let failed = failed_scripts(&tip);
        let (base, untested) = if failed.is_empty() {
            (self.known(&self.key()?, &scripts_of(&tip)).0, Vec::new())
        } else {
            self.base(&failed)?
        };
        Ok(self.conclude(&compare(&base, &untested, &tip)))
    }

    fn conclude(&mut self, comparison: &Comparison) -> Judgement {
        if let Some(note) = comparison.note() {
            self.engine.note(format!("tests, {} kernel: {note}", self.variant));
        }
        Judgement::Done(comparison.findings())
    }

    fn run_some(&self, target: &Target, filters: &[String]) -> Result<Outcomes> {
        // Without filters it would be the profile.
        if filters.is_empty() {
            return Ok(Outcomes::new());
        }
        let summary = run_tests(self.context, target, filters)?;
        Ok(settle(outcomes(&summary), &reruns(&summary)))
    }

    /// What these scripts do without the series, known or found out now; and those that could not be run.
    fn base(&mut self, scripts: &[String]) -> Result<(Outcomes, Vec<String>)> {
        let key = self.key()?;
        let (mut all, unknown) = self.known(&key, scripts);
        if unknown.is_empty() {
            return Ok((all, unknown));
        }
        let base = self.loaded.series.base.clone();
        let target = self.place.check_out(self.context, &base, self.variant)?;
        let there: Vec<String> =
            suites::of_default(&target)?.tests.into_iter().map(|test| test.name).collect();
        // A test that the series brings has nothing to be compared with.
        let filters: Vec<String> = unknown.iter().filter(|name| there.contains(name)).cloned().collect();
        let mut outcomes = match self.run_some(&target, &filters) {
            Err(error) if error.kind() == Kind::Build => {
                self.engine.note("the base does not build: its tests cannot be compared".to_owned());
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
            self.engine.remember(&of_script(&key, name), &of_it);
        }
        worst_of_both(&mut all, outcomes);
        Ok((all, untested))
    }

    /// The outcomes of these scripts on the base, as far as they are known, and the scripts of which they are not.
    fn known(&self, key: &Key, scripts: &[String]) -> (Outcomes, Vec<String>) {
        let (mut all, mut unknown) = (Outcomes::new(), Vec::new());
        for script in scripts {
            match self.engine.cache().get::<Outcomes>(&of_script(key, script)) {
                Some(known) => worst_of_both(&mut all, known),
                None => unknown.push(script.clone()),
            }
        }
        (all, unknown)
    }

    /// What the outcomes of all scripts depend on: the content of the tree, the settings with the files that they name, the
    /// compilers.
    fn key(&self) -> Result<Key> {
        let tree = self.place.git.tree_of(&self.loaded.series.base)?;
        let loaded = &self.place.target.loaded;
        let matters = |key: &str| ["kernel.", "vm.", "test."].iter().any(|section| key.starts_with(section));
        let settings = loaded.leaves().iter().filter(|leaf| matters(&leaf.key));
        let kernel = &loaded.settings.kernel;
        let base = match &kernel.base {
            Base::File(path) => Some(path),
            _ => None,
        };
        let files = kernel.fragments.iter().chain(base);
        Ok(Key::new("tests")
            .list([tree, self.variant.to_string()])
            .list(settings.flat_map(|leaf| [leaf.key.clone(), leaf.value.to_string()]))
            .list(files.map(|file| std::fs::read(file).unwrap_or_default()))
            .list(["gcc", "clang"].map(identity_of)))
    }
}

fn of_script(key: &Key, script: &str) -> Key {
    key.clone().field(script)
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
