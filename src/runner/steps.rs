//! Carries out the steps of a plan, one after the other.

use super::{Host, Journal, decode, links, testing};
use crate::doctor::{self, Scope};
use crate::error::{Error, Kind, Result};
use crate::event::{Event, StepStatus};
use crate::kernel::Lock;
use crate::kernel::build::{self, BuildRequest, Built};
use crate::kernel::kconfig::{self, ConfigureRequest, Severity};
use crate::plan::{GuestPlan, Plan, Step};
use crate::process::{Cmd, Identity, mount_namespace};
use crate::text::hash;
use crate::vm::accel::Accelerator;
use crate::vm::spec::BOOT_PROGRAMS;
use crate::vm::{Filesystem, Spec, virtiofs};
use std::path::{Path, PathBuf};

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
                testing::run(tests, built, host, journal)?;
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
    if let Err(error) = proof.verdict() {
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

/// The accelerator for a guest with this kernel: what was asked for, or what works.
pub fn accelerator(
    guest: &GuestPlan,
    image: &Path,
    host: &Host,
    journal: &mut Journal,
) -> Result<Accelerator> {
    if let Some(accelerator) = guest.accelerator {
        return Ok(accelerator);
    }
    let scope = Scope {
        cache: &host.cache,
        venv: &host.venv,
        work: None,
        image: Some(image),
        reprobe: false,
        with: &[],
    };
    if let Some(answer) = doctor::accelerator(&scope)? {
        return Ok(answer.accelerator);
    }
    journal.warn(
        "the kernel comes up neither with KVM nor without within the probe's time",
        Some("going on without KVM; choose with --accelerator".to_owned()),
    )?;
    Ok(Accelerator::Tcg)
}

/// The guest as virtme-ng is told of it.
pub fn spec(guest: &GuestPlan, accelerator: Accelerator, tmp: &Path, host: &Host) -> Result<Spec> {
    let mut failed = None;
    let spec = guest.spec(accelerator, tmp, |path| match links::plain(path, &host.cache) {
        Ok(path) => path,
        Err(error) => {
            failed = Some(error);
            path.to_owned()
        }
    });
    let without = if guest.lean { boot_programs(guest.root.as_deref())? } else { None };
    let filesystem = filesystem(guest, tmp)?;
    let mut append = checkers(&guest.kernel);
    append.extend(spec.append);
    failed.map_or(Ok(Spec { append, without, filesystem, ..spec }), Err)
}

/// Parameters of the kernel in this build directory without which a checker of it is silent after its first report.
fn checkers(kernel: &Path) -> Vec<String> {
    let config = std::fs::read_to_string(kernel.join(".config")).unwrap_or_default();
    let kasan = config.lines().any(|line| line == "CONFIG_KASAN=y");
    kasan.then(|| "kasan_multi_shot".to_owned()).into_iter().collect()
}

/// How the guest is to see the host's files.
fn filesystem(guest: &GuestPlan, tmp: &Path) -> Result<Filesystem> {
    let by_9p = Filesystem::NineP { cached: guest.cached_root };
    if !guest.wants_virtiofs() {
        return Ok(by_9p);
    }
    match virtiofs::obstacle(&guest.kernel, tmp) {
        None => Ok(Filesystem::Virtiofs),
        Some(_) if guest.virtiofs.is_none() => Ok(by_9p),
        Some(why) => Err(Error::cannot_run(format!("guests cannot have virtiofs: {why}"))
            .hint("see what is missing: vmptcp doctor; or let vmptcp choose: vm.filesystem = \"auto\"")),
    }
}

/// What a guest with this root would run while it boots and can do without, and how that is kept from it; none where
/// that is not possible, and it boots with all of it.
fn boot_programs(root: Option<&Path>) -> Result<Option<(Cmd, Vec<PathBuf>)>> {
    let root = root.unwrap_or(Path::new("/"));
    let mut files: Vec<PathBuf> =
        BOOT_PROGRAMS.iter().filter_map(|program| root.join(program).canonicalize().ok()).collect();
    files.sort();
    files.dedup();
    if files.is_empty() {
        return Ok(None);
    }
    Ok(mount_namespace(Identity::Ourselves)?.map(|unshare| (unshare, files)))
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
    let root =
        spec.root.as_ref().map_or_else(|| "/ (the host's)".to_owned(), |root| root.display().to_string());
    let accelerator = if spec.kvm { Accelerator::Kvm } else { Accelerator::Tcg };
    let of_the_step = [
        ("accelerator", accelerator.to_string()),
        ("vms", vms.to_string()),
        ("vcpus", spec.cpus.to_string()),
        ("memory", format!("{} MiB", spec.memory_mib)),
        ("root", root),
        ("filesystem", spec.filesystem.to_string()),
        ("host load", load.split_whitespace().take(3).collect::<Vec<_>>().join(" ")),
    ];
    let facts = of_the_step.map(|(name, value)| (name.to_owned(), value)).into();
    journal.add(Event::Provenance { step: Some(step.to_owned()), facts })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kasan_is_told_to_report_more_than_once_where_the_kernel_has_it() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(checkers(dir.path()), [""; 0]);
        let config = dir.path().join(".config");
        std::fs::write(&config, "# CONFIG_KASAN is not set\nCONFIG_KASAN_GENERIC=y\n").unwrap();
        assert_eq!(checkers(dir.path()), [""; 0]);
        std::fs::write(&config, "CONFIG_HAVE_ARCH_KASAN=y\nCONFIG_KASAN=y\n").unwrap();
        assert_eq!(checkers(dir.path()), ["kasan_multi_shot"]);
    }
}
