//! The steps before the tests: configuring a kernel, and building it with what the suites need.

use super::Journal;
use crate::error::{Error, Result};
use crate::event::StepStatus;
use crate::kernel::build::{self, BuildRequest, Built};
use crate::kernel::kconfig::{self, ConfigureRequest, Severity};
use crate::kernel::pack::{self, PackedRequest};
use crate::kernel::program::{self, ProgramRequest};
use crate::plan::{Plan, Step};

/// What a plan would configure and build, where it is there already.
#[derive(Debug)]
pub struct Current {
    /// None of what was built elsewhere.
    configured: Option<kconfig::Outcome>,
    built: Built,
}

/// Whether the steps before the tests have nothing to do. Changes nothing.
pub fn current(plan: &Plan) -> Result<Option<Current>> {
    let mut configured = None;
    for step in &plan.steps {
        match step {
            Step::Configure(request) => configured = kconfig::current(request)?,
            Step::Build(request) => {
                let Some(configured) = configured.take() else { return Ok(None) };
                let configured = Some(configured);
                return Ok(build::current(request)?.map(|built| Current { configured, built }));
            }
            Step::Unpacked(request) => {
                return pack::find(request).map(|built| Some(Current { configured: None, built }));
            }
            Step::Program(_) | Step::Test(_) | Step::Lab(_) => {}
        }
    }
    Ok(None)
}

impl Current {
    /// Records the configuration as a step that has nothing to do.
    pub(super) fn configured(&self, journal: &mut Journal) -> Result<()> {
        let Some(configured) = &self.configured else { return Ok(()) };
        journal.step("configure", |journal| proved(configured, journal))
    }

    /// Records the build as a step that has nothing to do.
    pub(super) fn built(&self, journal: &mut Journal) -> Result<Built> {
        journal.step("build", |_| Ok(finished(self.built.clone())))
    }
}

/// Carries out the steps up to the built kernel.
pub fn prepare(plan: &Plan, journal: &mut Journal) -> Result<Built> {
    let mut built = None;
    for step in &plan.steps {
        match step {
            Step::Configure(request) => configure(request, journal)?,
            Step::Build(request) => built = Some(build(request, journal)?),
            Step::Unpacked(request) => built = Some(unpacked(request, journal)?),
            Step::Program(_) | Step::Test(_) | Step::Lab(_) => {}
        }
    }
    built.ok_or_else(|| Error::cannot_run("nothing was built"))
}

/// Configures the kernel; fails if what is essential did not take.
pub fn configure(request: &ConfigureRequest, journal: &mut Journal) -> Result<()> {
    journal.step("configure", |journal| {
        let outcome = kconfig::configure(request, &mut |_| ())?;
        proved(&outcome, journal)
    })
}

/// Tells what a configuration proved; an error if what is essential did not take.
fn proved(outcome: &kconfig::Outcome, journal: &mut Journal) -> Result<((), StepStatus, String)> {
    let proof = &outcome.proof;
    let warnings: Vec<_> = proof.of(Severity::Warning).collect();
    if !warnings.is_empty() {
        let text = format!("{} symbols did not take\n{}", warnings.len(), kconfig::render(warnings));
        journal.warn(text.trim_end(), None)?;
    }
    if let Err(error) = kconfig::verdict(proof) {
        let reasons = kconfig::render(proof.of(Severity::Error));
        let hint = error.remedy().unwrap_or_default().to_owned();
        return Err(Error::build(format!("{error}\n{}", reasons.trim_end())).hint(hint));
    }
    let notes = proof.of(Severity::Note).count();
    let detail =
        format!("{} of {} requested symbols set, {notes} differ as expected", proof.granted, proof.requested);
    let status = if outcome.changed { StepStatus::Done } else { StepStatus::UpToDate };
    Ok(((), status, detail))
}

/// Builds the kernel, and what the suites need.
pub fn build(request: &BuildRequest, journal: &mut Journal) -> Result<Built> {
    journal.step("build", |journal| {
        build::build(request, &mut |progress| journal.progress(&progress)).map(finished)
    })
}

/// Takes a kernel that was built elsewhere.
pub fn unpacked(request: &PackedRequest, journal: &mut Journal) -> Result<Built> {
    journal.step("unpacked", |_| {
        let built = pack::find(request)?;
        let detail = format!("Linux {}, {} of a pack", built.kernel_release, request.variant);
        Ok((built, StepStatus::UpToDate, detail))
    })
}

/// Builds the program that runs the tests of a suite.
pub(super) fn program(request: &ProgramRequest, journal: &mut Journal) -> Result<()> {
    journal.step(request.recipe.name, |_| {
        let status = if program::build(request)? { StepStatus::Done } else { StepStatus::UpToDate };
        Ok(((), status, format!("of {}", request.sources.display())))
    })
}

fn finished(built: Built) -> (Built, StepStatus, String) {
    let status = if built.up_to_date { StepStatus::UpToDate } else { StepStatus::Done };
    let detail = format!("Linux {}, {} build steps", built.kernel_release, built.steps);
    (built, status, detail)
}
