//! The step in which tests run that are commands: how large the fleet is, what each guest gets, and in which parts.

use super::fleet;
use super::history::{History, is_telling};
use super::hunt;
use super::job::{Alone, Job, Setup};
use super::without_kvm::{self, Emulated};
use super::{Host, Journal, determinants, guest, programs, provenance, remembered, replay, vary};
use crate::doctor;
use crate::error::{Error, IoContext, Result};
use crate::event::{StepStatus, TestId};
use crate::kernel::build::Built;
use crate::plan::{Capacity, Engine, GuestPlan, TestPlan, share_of_cores};
use crate::process::{Child, Cmd, Stdio};
use crate::suite::{Selection, Shard, Timeouts};
use crate::vm::accel::Accelerator;
use crate::vm::backend::uml::Time;
use crate::vm::root::{Share, has_program};
use crate::vm::{Hub, Spec};
use std::path::Path;
use std::time::Duration;

/// What runs tests with `--uml`, unless the user says otherwise.
const UML: Engine = Engine::Uml(Time::Virtual);

/// Carries out the test step, in guests of `hub`. Outcomes are in the journal; an error means that not all tests could be run.
pub(super) fn run(
    tests: &TestPlan,
    built: &Built,
    host: &Host,
    hub: &mut dyn Hub,
    journal: &mut Journal,
) -> Result<()> {
    journal.step("test", |journal| {
        installed(tests, built)?;
        for suite in tests.suites() {
            programs::warn_of_guest(suite, &tests.guest.root.dir, journal)?;
        }
        keep_config(built, journal)?;
        let engine = guest::engine(&tests.guest, &built.image, host, journal)?;
        let pace = tests.guest.pace(engine);
        let slowdown = pace.of_tests();
        let variant = built.out_dir.file_name().unwrap_or_default().display();
        let kind = format!("{variant} {engine}");
        let history = History::read(&tests.history, &kind, slowdown);
        let mut wanted = tests.guest.clone();
        // What can be split counts as many.
        let most = tests.selections.iter().map(|selection| selection.test.groups.len().max(1)).sum::<usize>();
        let most = most.saturating_mul(tests.attempts(engine) as usize);
        let (vms, cpus) = tests.fleet.size(engine, capacity(), wanted.memory_mib, most);
        wanted.cpus = cpus;
        let mut spec = guest::spec(&wanted, engine, &journal.tmp()?, host)?;
        if engine.is_virtual() {
            share_at_fixed_places(&mut spec, tests, built, journal)?;
        }
        provenance::record("test", &spec, vms, built, host, journal)?;
        let jobs = jobs(tests, engine, vms, slowdown, &history);
        if let Some(facts) = determinants::of(&spec, tests, built, host) {
            replay::record("test", facts, if tests.replays() { &jobs } else { &[] }, journal)?;
        }
        let setup = Setup {
            spec,
            alone: alone(tests, &wanted, engine, host, journal)?,
            vms: vms as usize,
            fresh: tests.fleet.fresh,
            confirm: tests.reruns(engine),
            until_fail: tests.fleet.until_fail,
            boot_timeout: pace.boot_timeout(wanted.boot_timeout),
            rules: wanted.rules,
            installed: built.selftests.clone(),
            repositories: tests.repositories.clone(),
            conditions: tests.conditions_at(pace),
            env: tests.env.clone(),
            vary: tests.vary.clone(),
            fail_fast: tests.fail_fast,
            hunt: tests.hunt,
        };
        let load = if tests.fleet.stress { stress()? } else { Vec::new() };
        let outcome = match tests.hunt {
            None => fleet::run(jobs, &setup, hub, journal),
            Some(_) => hunt::run(jobs, &setup, built, host, hub, journal),
        };
        drop(load);
        if let Some(captures) = setup.alone.as_ref().and_then(|alone| alone.captures.as_ref()) {
            // It goes unless something was captured.
            let _ = std::fs::remove_dir(captures);
        }
        learn(tests, &history, journal)?;
        outcome?;
        suggest_uml(engine, tests, &history.of(&format!("{variant}-uml {UML}")), journal)?;
        let summary = journal.summary();
        let passed = summary.tests.iter().filter(|test| test.result.outcome.is_ok()).count();
        Ok(((), StepStatus::Done, format!("{passed} of {} passed", summary.tests.len())))
    })
}

/// Keeps the configuration of the kernel with the run.
fn keep_config(built: &Built, journal: &Journal) -> Result<()> {
    let config = journal.path().join(".config");
    let copied = std::fs::copy(&built.config, &config);
    copied.map(drop).map_err(|error| Error::io("copy the configuration to", &config, &error))
}

/// Remembers what the next run can use of this one.
fn learn(tests: &TestPlan, history: &History, journal: &mut Journal) -> Result<()> {
    if let Err(error) = history.learn(journal.summary(), |name| is_whole(tests, name)) {
        journal.warn(format!("cannot remember how long the tests took: {error}"), None)?;
    }
    if let Err(error) = remembered::learn(&tests.known, &tests.selections, journal.summary()) {
        journal.warn(format!("cannot remember which subtests there are: {error}"), None)?;
    }
    Ok(())
}

/// True if this test runs without arguments, which could leave out parts of it.
fn is_whole(tests: &TestPlan, name: &str) -> bool {
    let mut tests = tests.selections.iter().map(|selection| &selection.test);
    tests.any(|test| test.label() == name && test.args.is_empty())
}

/// Says after a long run under emulation what its tests took in user-mode Linux, by the times of that.
fn suggest_uml(engine: Engine, tests: &TestPlan, uml: &History, journal: &mut Journal) -> Result<()> {
    if engine != Engine::Virtme(Accelerator::Tcg) {
        return Ok(());
    }
    let ended = journal.summary().tests.iter().filter(|test| is_telling(&test.result));
    let emulated = ended.map(|test| Emulated {
        uml_seconds: uml.whole(&test.label()).filter(|_| is_whole(tests, &test.label())),
        label: test.label(),
        seconds: test.result.seconds,
    });
    without_kvm::note(&emulated.collect::<Vec<_>>()).map_or(Ok(()), |note| journal.note(note))
}

/// Lets guests see what tests need at places that are the same wherever the work directory is: so is the run then.
fn share_at_fixed_places(spec: &mut Spec, tests: &TestPlan, built: &Built, journal: &Journal) -> Result<()> {
    let shares = &mut spec.machine.root.shares;
    shares.splice(..0, built.selftests.as_deref().map(selftests));
    if !tests.vary.is_empty() {
        shares.push(vary::share(&journal.tmp()?)?);
    }
    Ok(())
}

/// Installed selftests, at a place that is the same in all guests.
fn selftests(dir: &Path) -> Share {
    Share { host: dir.to_owned(), guest: "/run/kselftests".into(), writable: false }
}

/// Fails unless all collections that the suites need are installed.
fn installed(tests: &TestPlan, built: &Built) -> Result<()> {
    for collection in tests.suites().filter_map(|suite| suite.needs.collection) {
        if !built.selftests.as_ref().is_some_and(|dir| dir.join(collection).is_dir()) {
            return Err(Error::cannot_run(format!("the selftests of {collection} are not installed")));
        }
    }
    Ok(())
}

/// The guest in which a test is run again: it has all cores, and may write captures to the host if a test makes some.
fn alone(
    tests: &TestPlan,
    wanted: &GuestPlan,
    engine: Engine,
    host: &Host,
    journal: &Journal,
) -> Result<Option<Alone>> {
    if tests.reruns(engine) == 0 {
        return Ok(None);
    }
    let mut wanted = wanted.clone();
    wanted.cpus = tests.fleet.cpus.unwrap_or_else(|| share_of_cores(doctor::cores(), 1));
    let mut captures = None;
    if has_program(&wanted.root.dir, "tcpdump")
        && tests.selections.iter().any(|selection| selection.test.captures)
    {
        let place = journal.path().join("captures");
        std::fs::create_dir_all(&place).doing("create", &place)?;
        wanted.root.rw.push(place.clone());
        captures = Some(place);
    }
    Ok(Some(Alone { spec: guest::spec(&wanted, engine, &journal.tmp()?, host)?, captures }))
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

fn jobs(tests: &TestPlan, engine: Engine, vms: u32, slowdown: u32, history: &History) -> Vec<Job> {
    let timeouts = tests.timeouts.scaled(slowdown);
    let divide = vms > 1 && tests.fleet.shards;
    let target = divide.then(|| history.shard_target(&tests.selections, vms));
    let once: Vec<Job> =
        tests.selections.iter().flat_map(|selection| split(selection, target, &timeouts, history)).collect();
    let attempt = |attempt| {
        let seed = engine.is_virtual().then(|| tests.seeds.of_attempt(attempt));
        let numbered = move |job: &Job| Job { id: TestId { attempt, ..job.id.clone() }, seed, ..job.clone() };
        once.iter().map(numbered)
    };
    (1..=tests.attempts(engine)).flat_map(attempt).collect()
}

/// The parts of a test, each of about `target` if there is one, or the whole.
fn split(
    selection: &Selection,
    target: Option<Duration>,
    timeouts: &Timeouts,
    history: &History,
) -> Vec<Job> {
    let timeout = timeouts.for_test(&selection.test);
    let label = selection.test.label();
    let suite = selection.test.suite;
    let whole = TestId::new(suite.id, selection.test.name.clone(), 1);
    let known = |group: &str| history.group(&label, group);
    let parts = target.map_or_else(Vec::new, |target| (suite.divide)(selection, &known, target));
    if parts.is_empty() {
        let expected = history.test(selection);
        return vec![Job {
            id: whole,
            selection: selection.clone(),
            shard: None,
            timeout,
            expected,
            seed: None,
        }];
    }
    let part = |(number, shard): (u32, Shard)| {
        let mut selection = selection.clone();
        selection.test.args = shard.args;
        Job {
            id: TestId { shard: Some(number), ..whole.clone() },
            selection,
            shard: Some(shard.name),
            timeout,
            expected: shard.known.unwrap_or_else(|| history.unknown_group()),
            seed: None,
        }
    };
    (1..).zip(parts).map(part).collect()
}

#[cfg(test)]
mod tests;
