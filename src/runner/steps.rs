//! Carries out the steps of a plan, one after the other.

use super::decode;
use super::fleet::{self, Job, Orders};
use super::history::History;
use super::links;
use super::{Host, Journal};
use crate::doctor::{self, Scope};
use crate::error::{Error, Result};
use crate::event::{Event, StepStatus, TestId};
use crate::kernel::build::{self, BuildRequest, Built};
use crate::kernel::kconfig::{self, ConfigureRequest, Severity};
use crate::kernel::{Lock, hash};
use crate::plan::{self, Capacity, GuestPlan, Plan, Step, TestPlan};
use crate::process::{Child, Cmd, Identity, Stdio, mount_namespace};
use crate::suite::selftests::COLLECTION;
use crate::suite::{Selection, Timeouts, shard};
use crate::vm::Spec;
use crate::vm::accel::Accelerator;
use crate::vm::spec::BOOT_PROGRAMS;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

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
    mut current: Option<Current>,
    journal: &mut Journal,
) -> Result<()> {
    for note in &plan.notes {
        journal.note(note)?;
    }
    let mut built = None;
    for step in &plan.steps {
        match (step, &mut current) {
            (Step::Configure(_), Some(current)) => {
                journal.step("configure", |journal| proved(&current.configured, journal))?;
            }
            (Step::Configure(request), None) => configure(request, journal)?,
            (Step::Build(_), Some(current)) => {
                built = Some(journal.step("build", |_| Ok(finished(current.built.clone())))?);
            }
            (Step::Build(request), None) => built = Some(build(request, journal)?),
            (Step::Test(tests), _) => {
                let built = built.as_ref().ok_or_else(|| Error::cannot_run("nothing was built to test"))?;
                lock.relax()?;
                test(tests, built, host, journal)?;
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
    failed.map_or(Ok(Spec { without, ..spec }), Err)
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

fn test(tests: &TestPlan, built: &Built, host: &Host, journal: &mut Journal) -> Result<()> {
    journal.step("test", |journal| {
        let installed =
            built.kselftest_dir.as_ref().map(|dir| dir.join(COLLECTION)).filter(|dir| dir.is_dir());
        let Some(directory) = installed else {
            return Err(Error::cannot_run(format!("the selftests of {COLLECTION} are not installed")));
        };
        let config = journal.path().join(".config");
        std::fs::copy(&built.config, &config)
            .map_err(|error| Error::io("copy the configuration to", &config, &error))?;
        let accelerator = accelerator(&tests.guest, &built.image, host, journal)?;
        let slow = tests.slow.unwrap_or(accelerator == Accelerator::Tcg || tests.guest.slow_kernel);
        let mut env = tests.env.clone();
        if slow && !env.iter().any(|(name, _)| name == "KSFT_MACHINE_SLOW") {
            env.push(("KSFT_MACHINE_SLOW".to_owned(), "yes".to_owned()));
        }
        let slowdown = plan::slowdown(accelerator) * tests.guest.slowness();
        let kind = format!("{} {accelerator}", built.out_dir.file_name().unwrap_or_default().display());
        let mut history = History::read(&tests.history, &kind, slowdown);
        let mut guest = tests.guest.clone();
        // What can be split counts as many.
        let most = tests.selections.iter().map(|selection| selection.test.groups.len().max(1)).sum::<usize>();
        let most = most.saturating_mul(tests.repeat as usize);
        let (vms, cpus) = tests.fleet.size(accelerator, capacity(), guest.memory_mib, most);
        guest.cpus = cpus;
        journal.add(Event::Provenance { facts: facts(&guest, vms, accelerator, built, host)? })?;
        let orders = Orders {
            spec: spec(&guest, accelerator, &journal.tmp()?, host)?,
            vms: vms as usize,
            fresh: tests.fleet.fresh,
            confirm: tests.fleet.confirm,
            until_fail: tests.fleet.until_fail,
            boot_timeout: guest.boot_timeout(accelerator),
            directory: directory.display().to_string(),
            env,
            fail_fast: tests.fail_fast,
        };
        let load = if tests.fleet.stress { stress()? } else { Vec::new() };
        let outcome = fleet::run(jobs(tests, vms, slowdown, &history), &orders, journal);
        drop(load);
        let plain = |name: &str| {
            let mut tests = tests.selections.iter().map(|selection| &selection.test);
            tests.any(|test| test.name == name && test.args.is_empty())
        };
        if let Err(error) = history.learn(journal.summary(), plain) {
            journal.warn(format!("cannot remember how long the tests took: {error}"), None)?;
        }
        outcome?;
        decode::splats(&tests.tree, built, journal)?;
        let summary = journal.summary();
        let passed = summary.tests.iter().filter(|test| test.result.outcome.is_ok()).count();
        Ok(((), StepStatus::Done, format!("{passed} of {} passed", summary.tests.len())))
    })
}

/// What this host has to offer just now.
fn capacity() -> Capacity {
    Capacity {
        cores: doctor::cores(),
        // Where that is not told, nothing is to be said against any number.
        memory_mib: doctor::available_memory().map_or(u64::MAX / 100, |bytes| bytes / 1024 / 1024),
    }
}

/// Something that keeps each core of the host busy until it is dropped.
fn stress() -> Result<Vec<Child>> {
    let burn = || Cmd::new("sh").args(["-c", "while :; do :; done"]).spawn(Stdio::Merged);
    (0..doctor::cores()).map(|_| burn()).collect()
}

fn jobs(tests: &TestPlan, vms: u32, slowdown: u32, history: &History) -> Vec<Job> {
    let timeouts = tests.timeouts.scaled(slowdown);
    let target = history.shard_target(&tests.selections, vms);
    let divide = vms > 1 && tests.fleet.shards;
    let once: Vec<Job> = tests
        .selections
        .iter()
        .flat_map(|selection| split(selection, divide.then_some(target), &timeouts, history))
        .collect();
    let attempt = |attempt| {
        let numbered = move |job: &Job| Job { id: TestId { attempt, ..job.id.clone() }, ..job.clone() };
        once.iter().map(numbered)
    };
    (1..=tests.repeat).flat_map(attempt).collect()
}

/// The parts of a test, each of about `target` if there is one, or the whole.
fn split(
    selection: &Selection,
    target: Option<Duration>,
    timeouts: &Timeouts,
    history: &History,
) -> Vec<Job> {
    let timeout = timeouts.for_test(&selection.test);
    let name = &selection.test.name;
    let whole = TestId::new(name.clone(), 1);
    let parts = target
        .map_or_else(Vec::new, |target| shard::shards(selection, |group| history.group(name, group), target));
    if parts.is_empty() {
        let expected = history.test(selection);
        return vec![Job { id: whole, selection: selection.clone(), shard: None, timeout, expected }];
    }
    let part = |(number, shard): (u32, shard::Shard)| {
        let mut selection = selection.clone();
        selection.test.args = shard.args;
        Job {
            id: TestId { shard: Some(number), ..whole.clone() },
            selection,
            shard: Some(shard.name),
            timeout,
            expected: shard.known.unwrap_or_else(|| history.unknown_group()),
        }
    };
    (1..).zip(parts).map(part).collect()
}

/// What the results depend on and is known only now.
pub(super) fn facts(
    guest: &GuestPlan,
    vms: u32,
    accelerator: Accelerator,
    built: &Built,
    host: &Host,
) -> Result<BTreeMap<String, String>> {
    let mut facts = doctor::versions(&["virtme-ng", "QEMU", "gcc", "clang", "iproute2"], &host.venv)?;
    let config = std::fs::read(&built.config).map_err(|error| Error::io("read", &built.config, &error))?;
    let host_kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let root =
        guest.root.as_ref().map_or_else(|| "/ (the host's)".to_owned(), |root| root.display().to_string());
    let known = [
        ("kernel", built.kernel_release.clone()),
        ("config hash", format!("{:016x}", hash::stable(&config))),
        ("accelerator", accelerator.to_string()),
        ("vms", vms.to_string()),
        ("vcpus", guest.cpus.to_string()),
        ("memory", format!("{} MiB", guest.memory_mib)),
        ("root", root),
        ("host kernel", host_kernel.trim().to_owned()),
        ("host load", load.split_whitespace().take(3).collect::<Vec<_>>().join(" ")),
    ];
    facts.extend(known.map(|(name, value)| (name.to_owned(), value)));
    Ok(facts)
}
