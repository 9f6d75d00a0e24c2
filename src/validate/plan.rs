//! What a validation would do, for a person. Nothing is built, booted, or asked of a tool.

use super::builds::affected;
use super::impact::{Tests, tests};
use super::options::{Options, Step, TestOptions};
use super::validator::builder;
use crate::error::Result;
use crate::event::{CheckId, CheckOn};
use crate::series::check::{CHECKS, Needs};
use crate::series::make::is_selftest;
use crate::series::{Loaded, Workspace};
use crate::text::Shown;
use std::fmt::Write as _;

/// What kind of run it makes: one in part does not push out a whole one.
pub fn kind(options: &Options) -> &'static str {
    if options.is_partial() { "validation in part" } else { "validation" }
}

/// The plan: every step with its checks, and what make would be asked. `scripts` are the selftests that there are.
pub fn plan(workspace: &Workspace, loaded: &Loaded, options: &Options, scripts: &[String]) -> Result<String> {
    let series = &loaded.series;
    let mut text = format!("series: {} patches on {:.12}\n", series.patches.len(), series.base);
    for patch in &series.patches {
        let _ = writeln!(text, "{:>3}  {}", patch.number, Shown::line(&patch.subject));
    }
    for note in loaded.notes.iter().cloned().chain(loaded.shortfall()) {
        let _ = writeln!(text, "note: {}", Shown::line(&note));
    }
    let wanted = options.wanted(series);
    for (number, step) in (1..).zip(options.steps()) {
        let _ = writeln!(text, "{number}. {}", step.as_str());
        let mut lines = checks_of(step, &wanted);
        match (step, &options.tests) {
            (Step::Builds, _) => lines.extend(builds(workspace, loaded, options, &wanted)?),
            (Step::Tests, Some(tests)) => lines.extend(guests(loaded, tests, scripts)),
            _ => {}
        }
        for line in lines {
            let _ = writeln!(text, "   {line}");
        }
    }
    Ok(text)
}

/// The checks of a step, each with the patches that it is done on.
fn checks_of(step: Step, wanted: &[CheckOn]) -> Vec<String> {
    let is_of = |needs: &Needs| match needs {
        Needs::Patch(_) | Needs::Series(_) => step == Step::Text,
        Needs::Tool => step == Step::Tools,
        Needs::Build | Needs::Tip => step == Step::Builds,
        Needs::Guest => step == Step::Tests,
    };
    let checks = CHECKS.iter().filter(|check| is_of(&check.needs));
    let line = |check: CheckId| {
        let on: Vec<&CheckOn> = wanted.iter().filter(|on| on.check == check).collect();
        let numbers: Vec<String> = on.iter().filter_map(|on| Some(on.patch?.to_string())).collect();
        let place =
            if numbers.is_empty() { "series".to_owned() } else { format!("patch {}", numbers.join(", ")) };
        (!on.is_empty()).then(|| format!("# {check}: {place}"))
    };
    checks.filter_map(|check| line(check.id)).collect()
}

/// What make is asked for, patch by patch and at the tip. What is known from an earlier run is not asked again.
fn builds(
    workspace: &Workspace,
    loaded: &Loaded,
    options: &Options,
    wanted: &[CheckOn],
) -> Result<Vec<String>> {
    let builder = builder(workspace, options)?;
    let mut lines = vec!["# known results of the same content are used again".to_owned()];
    for patch in loaded.applied_patches() {
        let is_wanted = |check| wanted.contains(&CheckOn::patch(check, patch.number));
        let targets = affected(&patch);
        let compiles = [CheckId::Build, CheckId::Warnings, CheckId::Sparse].into_iter().any(is_wanted);
        if compiles && !targets.is_empty() {
            let configs = options.configs_for(patch.files());
            lines.push(format!("# patch {}, in {} configurations:", patch.number, configs.len()));
            lines.extend(configs.iter().map(|config| builder.compile_command(*config, &targets).to_string()));
        }
        if is_wanted(CheckId::Selftests) && patch.files().any(is_selftest) {
            lines.push(format!("# patch {}: the selftests", patch.number));
        }
    }
    if wanted.contains(&CheckOn::series(CheckId::BuildAll)) {
        lines.push("# all of the tip:".to_owned());
        let configs = options.configs_for(loaded.series.files());
        lines.extend(configs.iter().map(|config| builder.all_command(*config).to_string()));
    }
    Ok(lines)
}

/// Which tests run, on which kernels.
fn guests(loaded: &Loaded, options: &TestOptions, scripts: &[String]) -> Vec<String> {
    let which = match tests(loaded.series.files(), scripts) {
        _ if options.full => "all selftests".to_owned(),
        Tests::None => return vec!["# nothing that a guest would notice is touched".to_owned()],
        Tests::These(names) => names.join(", "),
        Tests::Profile => "the profile of the settings".to_owned(),
    };
    let line =
        |variant| format!("# configure, build and boot the {variant} kernel at the tip, and run: {which}");
    let again = "# what fails is run again, and without the series".to_owned();
    options.variants.iter().map(line).chain([again]).collect()
}
