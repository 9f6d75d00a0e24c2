//! Runs sample programs and kernel modules on a guest set, each in its own network, and says how that ended.

mod build;
mod copy;
mod judge;
mod kbuild;
mod modules;
mod network;
mod prepare;
mod sample;
mod show;

pub use show::{HostState, show};

use super::fleet::{BOOT_SPLAT_HINT, did_not_come_up, splats_at_every_boot};
use super::guest_set::{End, GuestSet, Trouble};
use super::worker::AFTER_SPLAT;
use super::{Host, Journal, guest, programs, provenance};
use crate::doctor;
use crate::error::{Error, IoContext, Kind as ErrorKind, Result};
use crate::event::{Event, Outcome, StepStatus, TestId};
use crate::kernel::build::Built;
use crate::plan::lab::{Kind, LabPlan, Scenario};
use crate::plan::{BackendPlan, Boots, Decision, Engine, GuestPlan, share_of_cores};
use crate::process::Confinement;
use crate::suite;
use crate::topology::Realisation;
use crate::topology::realise::interfaces;
use crate::vm::segment::Segments;
use crate::vm::{Hub, Spec};
use build::Builder;
use prepare::Prepared;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long a command of ours may take in a guest.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(60);

/// What is said where builds are not confined.
const UNCONFINED: &str = "this system grants no mount namespaces: builds can write outside of their copies";

/// How a scenario ended.
struct ScenarioEnd {
    outcome: Outcome,
    reason: Option<String>,
    exit_code: Option<i32>,
    /// What it left behind, nobody knows: the next scenario gets a fresh guest.
    spoiled: bool,
}

impl ScenarioEnd {
    fn new(outcome: Outcome, reason: impl Into<String>) -> Self {
        Self { outcome, reason: Some(reason.into()), exit_code: None, spoiled: false }
    }

    fn fail(reason: impl Into<String>) -> Self {
        Self::new(Outcome::Fail, reason)
    }
}

/// What all scenarios of a step share.
struct Lab<'a> {
    plan: &'a LabPlan,
    built: &'a Built,
    host: &'a Host,
    hubs: &'a dyn Fn() -> Box<dyn Hub>,
    engine: Engine,
    /// Where each scenario has its files, which the guests may write to.
    files: PathBuf,
    /// What keeps builds from writing elsewhere.
    confinement: Confinement,
}

/// A guest set that is open, for scenarios that need the same guests.
struct OpenSet {
    guest_set: GuestSet,
    /// Why no further scenario gets it; none if one may.
    spent: Option<&'static str>,
    /// What connects its guests.
    _segments: Option<Segments>,
}

/// The guests of a step: those that are up, and how often none came up.
struct Guests {
    open: Option<OpenSet>,
    boots: Boots,
}

/// Runs all scenarios, in guests that `hubs` start. Their outcomes are in the journal; an error means that not all could be
/// run.
pub fn run(
    plan: &LabPlan,
    built: &Built,
    host: &Host,
    hubs: &dyn Fn() -> Box<dyn Hub>,
    journal: &mut Journal,
) -> Result<()> {
    journal.step(plan.suite.id, |journal| {
        programs::warn_of_guest(plan.suite, &plan.guest.root.dir, journal)?;
        let engine = guest::engine(&plan.guest, &built.image, host, journal)?;
        let spec = guest::spec(&plan.guest, engine, &journal.tmp()?, host)?;
        let vms = plan.scenarios.iter().map(Scenario::guests).max().and_then(|most| u32::try_from(most).ok());
        provenance::record(plan.suite.id, &spec, vms.unwrap_or(1), built, host, journal)?;
        let config = journal.path().join(".config");
        std::fs::copy(&built.config, &config).doing("copy the configuration to", &config)?;
        let files = journal.path().join(plan.suite.id);
        std::fs::create_dir_all(&files).doing("create", &files)?;
        let confinement = Confinement::probe(&plan.guest.root.agent, &files).unwrap_or_default();
        if !confinement.holds() && !journal.summary().warnings.iter().any(|said| said.text == UNCONFINED) {
            let hint = "see that what you build is to be trusted, or allow user namespaces: sysctl \
                        kernel.unprivileged_userns_clone=1, or kernel.apparmor_restrict_unprivileged_userns=0";
            journal.warn(UNCONFINED, Some(hint.to_owned()))?;
        }
        let lab = Lab { plan, built, host, hubs, engine, files, confinement };
        let first = journal.summary().tests.len();
        lab.run_all(journal)?;
        let tests = || journal.summary().tests.iter().skip(first);
        let passed = tests().filter(|test| test.result.outcome.is_ok()).count();
        Ok(((), StepStatus::Done, format!("{passed} of {} passed", tests().count())))
    })
}

impl Lab<'_> {
    fn run_all(&self, journal: &mut Journal) -> Result<()> {
        let id = |scenario: &Scenario| TestId::new(self.plan.suite.id, &*scenario.name, 1);
        journal
            .add(Event::TestsPlanned { tests: self.plan.scenarios.iter().map(id).collect(), step: None })?;
        let mut guests = Guests { open: None, boots: Boots::new(self.plan.guest.rules) };
        for scenario in &self.plan.scenarios {
            let test = id(scenario);
            journal.activity(0, &format!("{}: building", test.label()));
            let began = Instant::now();
            let mut notes = Vec::new();
            let prepared = self.prepare(scenario, &mut notes);
            notes.iter().try_for_each(|note| journal.note(format!("{}: {note}", test.label())))?;
            let verdict = match prepared {
                Ok(prepared) => self.run_scenario(scenario, &test, &prepared, &mut guests, journal)?,
                Err(verdict) => verdict,
            };
            let ScenarioEnd { mut outcome, mut reason, exit_code, .. } = verdict;
            if self.plan.all_features {
                (outcome, reason) = suite::not_allowed(outcome, reason);
            }
            let failed = !outcome.is_ok();
            let seconds = began.elapsed().as_secs_f64();
            journal.add(Event::TestEnded { test, outcome, reason, exit_code, seconds })?;
            if failed && self.plan.fail_fast {
                break;
            }
        }
        guests.open.map_or(Ok(()), |open| open.close(journal))
    }

    /// Builds a scenario on the host. What cannot be built, or cannot run on this kernel, has its verdict already.
    fn prepare(&self, scenario: &Scenario, notes: &mut Vec<String>) -> Result<Prepared, ScenarioEnd> {
        let dir = self.files.join(&scenario.name);
        let home = self.files.join(".home").join(&scenario.name);
        let real = self.plan.home.as_deref();
        let builder = Builder::new(&dir, &home, real, &self.built.config, &self.confinement)?;
        let prepared = match &scenario.kind {
            Kind::Sample(declared) => prepare::sample(declared, &builder, notes),
            Kind::Modules(modules) => prepare::modules(modules, &builder, notes),
        };
        builder.tidy();
        prepared
    }

    /// Runs a scenario that is built.
    fn run_scenario(
        &self,
        scenario: &Scenario,
        test: &TestId,
        prepared: &Prepared,
        guests: &mut Guests,
        journal: &mut Journal,
    ) -> Result<ScenarioEnd> {
        let mut open = self.guests_for(scenario, test, guests, journal)?;
        match self.act(scenario, test, prepared, &mut open.guest_set, journal) {
            Ok(verdict) => {
                let reason = self.why_spent(scenario, &verdict, &open.guest_set);
                open.spent = open.spent.or(reason);
                guests.open = Some(open);
                Ok(verdict)
            }
            Err(Trouble::Guest(reason) | Trouble::Timeout(reason)) => {
                let splat = open.guest_set.splats().first().cloned();
                let reason = splat.map_or(reason.clone(), |splat| format!("{reason}: {splat}"));
                open.guest_set.close(End::Crash(&reason), journal)?;
                Ok(ScenarioEnd::new(Outcome::Crash, reason))
            }
            Err(Trouble::Error(error)) => {
                if error.kind() != ErrorKind::Interrupted {
                    open.guest_set.close(End::Done, journal)?;
                }
                Err(error)
            }
        }
    }

    /// Why the guests of a scenario are not for another one.
    fn why_spent(
        &self,
        scenario: &Scenario,
        verdict: &ScenarioEnd,
        guest_set: &GuestSet,
    ) -> Option<&'static str> {
        if verdict.outcome == Outcome::Timeout {
            return Some("replaced after a timeout");
        }
        if self.plan.guest.rules.replace_after_splat && guest_set.splatted() {
            return Some(AFTER_SPLAT);
        }
        if verdict.spoiled {
            return Some("replaced: a module cannot be unloaded");
        }
        // The next module may get the addresses of this one, and its leaks the names of this one's functions.
        let module = matches!(scenario.kind, Kind::Modules(_)) && guest_set.asks_for_leaks();
        module.then_some("asked for memory leaks")
    }

    /// Guests in which a scenario can begin: those that are up, if they are well, or others.
    fn guests_for(
        &self,
        scenario: &Scenario,
        test: &TestId,
        guests: &mut Guests,
        journal: &mut Journal,
    ) -> Result<OpenSet> {
        if let Some(other) = guests.open.take_if(|open| open.spent.is_some() || scenario.guests() > 1) {
            other.close(journal)?;
        }
        loop {
            let opened = match guests.open.take() {
                Some(open) => Ok(open),
                None => self.open(scenario, journal),
            };
            let mut open = match opened {
                Ok(open) => open,
                Err(Trouble::Error(error)) => return Err(error),
                Err(Trouble::Guest(why) | Trouble::Timeout(why)) => {
                    self.boot_failed(&why, guests, journal)?;
                    continue;
                }
            };
            let fresh = open.guest_set.is_fresh();
            let splat = match open.guest_set.splatted_before(test, journal) {
                Ok(splat) => splat,
                Err(Trouble::Error(error)) => return Err(error),
                Err(Trouble::Guest(why) | Trouble::Timeout(why)) => {
                    open.guest_set.close(End::Crash(&why), journal)?;
                    if fresh {
                        self.boot_failed(&why, guests, journal)?;
                    }
                    continue;
                }
            };
            match guests.boots.judge(fresh, splat) {
                Decision::Use => return Ok(open),
                Decision::UseAnyway => {
                    let boots = self.plan.guest.rules.boots;
                    journal.warn(splats_at_every_boot(boots), Some(BOOT_SPLAT_HINT.to_owned()))?;
                    return Ok(open);
                }
                Decision::Replace | Decision::GiveUp => {
                    let reason = if fresh { "replaced after a splat during boot" } else { AFTER_SPLAT };
                    open.guest_set.close(End::Replaced(reason), journal)?;
                }
            }
        }
    }

    fn boot_failed(&self, why: &str, guests: &mut Guests, journal: &mut Journal) -> Result<()> {
        match guests.boots.failed() {
            Decision::GiveUp => Err(did_not_come_up(self.plan.guest.rules.boots)
                .hint("see why: the console logs are in the run's directory")),
            _ => journal.note(format!("a guest is replaced: {why}")),
        }
    }

    fn act(
        &self,
        scenario: &Scenario,
        test: &TestId,
        prepared: &Prepared,
        guest_set: &mut GuestSet,
        journal: &mut Journal,
    ) -> Result<ScenarioEnd, Trouble> {
        let output = format!("tests/{}.log", test.stem());
        let time = scenario.time(self.plan.guest.pace(self.engine));
        let vm = guest_set.vm(0);
        let log = journal.path().join(&output);
        journal.add(Event::TestStarted { test: test.clone(), vm, timeout: time.as_secs(), output })?;
        guest_set.begin(test, &log)?;
        let installed = self.built.selftests.as_ref().zip(self.plan.suite.needs.collection);
        let selftests = installed.map(|(dir, collection)| dir.join(collection).display().to_string());
        let selftests = selftests.unwrap_or_default();
        let lab_run =
            network::LabRun { scenario, test, time, pcap: self.plan.pcap, files: &self.files, selftests };
        let verdict = match prepared {
            Prepared::Sample(program) => sample::run(&lab_run, program, guest_set, journal),
            Prepared::Modules(built) => modules::run(&lab_run, built, guest_set, journal),
        };
        // Also where it failed: what its kernel says belongs to it.
        let splats = guest_set.end(journal);
        let verdict = match verdict {
            Err(Trouble::Timeout(why)) => ScenarioEnd::new(Outcome::Timeout, why),
            verdict => verdict?,
        };
        Ok(match splats?.first() {
            Some(title) if verdict.outcome == Outcome::Timeout => {
                let reason = verdict.reason.map(|why| format!("{why}; kernel splat: {title}"));
                ScenarioEnd { reason, ..verdict }
            }
            Some(title) => ScenarioEnd {
                outcome: Outcome::Fail,
                reason: Some(format!("kernel splat: {title}")),
                ..verdict
            },
            None => verdict,
        })
    }

    /// Boots the guests that a scenario needs, all at the same time.
    fn open(&self, scenario: &Scenario, journal: &mut Journal) -> Result<OpenSet, Trouble> {
        let mut wanted = self.plan.guest.clone();
        wanted.root.rw.push(self.files.clone());
        let boot_timeout = wanted.pace(self.engine).boot_timeout(wanted.boot_timeout);
        let tmp = journal.tmp()?;
        let spec = |wanted: &GuestPlan| -> Result<Spec> { guest::spec(wanted, self.engine, &tmp, self.host) };
        let (mut specs, mut segments) = (Vec::new(), None);
        match (&scenario.topology, scenario.realisation) {
            (Some((_, topology)), Realisation::Guests) => {
                let laid = Segments::new(topology.link.len())?;
                wanted.cpus = self.plan.cpus.unwrap_or_else(|| {
                    share_of_cores(doctor::cores(), u32::try_from(topology.host.len()).unwrap_or(1))
                });
                for host in topology.host.keys() {
                    let mut wanted = wanted.clone();
                    let BackendPlan::Virtme(virtme) = &mut wanted.backend else {
                        return Err(Error::usage("guests of user-mode Linux have no network between them")
                            .hint("let the hosts be namespaces of one guest: leave out --guests, or --uml")
                            .into());
                    };
                    for interface in interfaces(topology, host) {
                        virtme.qemu_args.extend(laid.interface(
                            interface.link,
                            &interface.name,
                            &interface.mac,
                        ));
                    }
                    specs.push(spec(&wanted)?);
                }
                segments = Some(laid);
            }
            _ => specs.push(spec(&wanted)?),
        }
        let guest_set = GuestSet::open((self.hubs)(), &specs, boot_timeout, self.plan.guest.rules, journal)?;
        // Where hosts are guests, their network is that of one scenario only.
        let spent = (specs.len() > 1).then_some("done");
        Ok(OpenSet { guest_set, spent, _segments: segments })
    }
}

impl OpenSet {
    fn close(self, journal: &mut Journal) -> Result<()> {
        self.guest_set.close(self.spent.map_or(End::Done, End::Replaced), journal)
    }
}

#[cfg(test)]
mod tests;
