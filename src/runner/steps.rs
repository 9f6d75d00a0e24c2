//! Carries out the steps of a plan, one after the other.

use super::{Host, Journal, decode, programs, testing};
use crate::doctor;
use crate::error::{Error, Kind, Result};
use crate::event::{Event, StepStatus};
use crate::kernel::Lock;
use crate::kernel::build::{self, BuildRequest, Built};
use crate::kernel::kconfig::{self, ConfigureRequest, Severity};
use crate::plan::{Plan, Step};
use crate::text::hash;
use crate::vm::{LiveHub, Spec};

/// What a plan would configure and build, where it is there already.
#[derive(Debug)]
pub struct Current {
    configured: kconfig::Outcome,
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
                return Ok(build::current(request)?.map(|built| Current { configured, built }));
            }
            Step::Test(_) | Step::Play(_) => {}
        }
    }
    Ok(None)
}

/// Carries out all steps. What came of them is in the journal. Nobody else may change the build as long as tests run on it,
/// but they may test it as well. With a `current` the lock may be a shared one from the beginning.
pub fn carry_out(
    plan: &Plan,
    host: &Host,
    lock: &Lock,
    current: Option<Current>,
    journal: &mut Journal,
) -> Result<()> {
    for note in &plan.notes {
        journal.note(note)?;
    }
    let mut built = None;
    let outcome = one_after_the_other(plan, host, lock, current, &mut built, journal);
    if matches!(&outcome, Err(error) if error.kind() == Kind::Interrupted) {
        return outcome;
    }
    let tree = plan.steps.iter().find_map(|step| match step {
        Step::Build(request) => Some(&request.tree),
        _ => None,
    });
    // Also those of the steps before one that failed.
    let decoded = match (tree, built) {
        (Some(tree), Some(built)) => decode::splats(tree, &built, journal),
        _ => Ok(()),
    };
    outcome.and(decoded)
}

/// The steps, up to the first that fails. `built` is what came of the build, if it came to that.
fn one_after_the_other(
    plan: &Plan,
    host: &Host,
    lock: &Lock,
    mut current: Option<Current>,
    built: &mut Option<Built>,
    journal: &mut Journal,
) -> Result<()> {
    programs::require_host(plan.suites())?;
    for step in &plan.steps {
        match (step, &mut current) {
            (Step::Configure(_), Some(current)) => {
                journal.step("configure", |journal| proved(&current.configured, journal))?;
            }
            (Step::Configure(request), None) => configure(request, journal)?,
            (Step::Build(_), Some(current)) => {
                *built = Some(journal.step("build", |_| Ok(finished(current.built.clone())))?);
            }
            (Step::Build(request), None) => *built = Some(build(request, journal)?),
            (Step::Test(tests), _) => {
                let built = built.as_ref().ok_or_else(|| Error::cannot_run("nothing was built to test"))?;
                lock.relax()?;
                testing::run(tests, built, host, &mut LiveHub::default(), journal)?;
            }
            (Step::Play(plan), _) => {
                let built =
                    built.as_ref().ok_or_else(|| Error::cannot_run("nothing was built to play on"))?;
                lock.relax()?;
                super::play::run(plan, built, host, journal)?;
            }
        }
    }
    Ok(())
}

/// Carries out the steps up to the built kernel.
pub fn prepare(plan: &Plan, journal: &mut Journal) -> Result<Built> {
    let mut built = None;
    for step in &plan.steps {
        match step {
            Step::Configure(request) => configure(request, journal)?,
            Step::Build(request) => built = Some(build(request, journal)?),
            Step::Test(_) | Step::Play(_) => {}
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
    let detail = format!("{} of {} symbols took, {notes} settled otherwise", proof.granted, proof.requested);
    let status = if outcome.changed { StepStatus::Done } else { StepStatus::UpToDate };
    Ok(((), status, detail))
}

/// Builds the kernel and the selftests.
pub fn build(request: &BuildRequest, journal: &mut Journal) -> Result<Built> {
    journal.step("build", |journal| {
        build::build(request, &mut |progress| journal.progress(&progress)).map(finished)
    })
}

fn finished(built: Built) -> (Built, StepStatus, String) {
    let status = if built.up_to_date { StepStatus::UpToDate } else { StepStatus::Done };
    let detail = format!("Linux {}, {} build steps", built.kernel_release, built.steps);
    (built, status, detail)
}

/// Records what the results depend on and is known only now: for all steps, and for this one, of which up to `vms` guests
/// like `spec` are at work.
pub(super) fn provenance(
    step: &str,
    spec: &Spec,
    vms: u32,
    built: &Built,
    host: &Host,
    journal: &mut Journal,
) -> Result<()> {
    let mut facts = doctor::versions(&["virtme-ng", "QEMU", "gcc", "clang", "iproute2"], &host.venv)?;
    let config = std::fs::read(&built.config).map_err(|error| Error::io("read", &built.config, &error))?;
    let host_kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let known = [
        ("kernel", built.kernel_release.clone()),
        ("config hash", hash::of(&config).to_string()),
        ("host kernel", host_kernel.trim().to_owned()),
    ];
    facts.extend(known.map(|(name, value)| (name.to_owned(), value)));
    journal.add(Event::Provenance { step: None, facts })?;
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let Spec { backend, machine, .. } = spec;
    let of_the_step = [
        ("accelerator", backend.accelerator().to_owned()),
        ("vms", vms.to_string()),
        ("vcpus", machine.cpus.to_string()),
        ("memory", format!("{} MiB", machine.memory_mib)),
        ("root", machine.root.to_string()),
        ("filesystem", backend.filesystem().to_owned()),
        ("host load", load.split_whitespace().take(3).collect::<Vec<_>>().join(" ")),
    ];
    let facts = of_the_step.map(|(name, value)| (name.to_owned(), value)).into();
    journal.add(Event::Provenance { step: Some(step.to_owned()), facts })
}
