//! Plays sample programs and kernel modules on a stage, each in its own network, and says how that ended.

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
use super::stage::{End, Stage, Trouble};
use super::worker::AFTER_SPLAT;
use super::{Host, Journal, guest, programs, provenance};
use crate::doctor;
use crate::error::{Error, IoContext, Kind as ErrorKind, Result};
use crate::event::{Event, Outcome, StepStatus, TestId};
use crate::kernel::build::Built;
use crate::plan::play::{Kind, Piece, PlayPlan};
use crate::plan::{BackendPlan, Boots, Decision, Engine, GuestPlan, share_of_cores};
use crate::process::Confinement;
use crate::suite;
use crate::topology::Realisation;
use crate::topology::realise::interfaces;
use crate::vm::segment::Segments;
use crate::vm::{LiveHub, Spec};
use build::Builder;
use prepare::Prepared;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long a command of ours may take in a guest.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is said where builds are not confined.
const UNCONFINED: &str = "this system grants no mount namespaces: builds can write outside of their copies";

/// How a piece ended.
struct Verdict {
    outcome: Outcome,
    reason: Option<String>,
    exit_code: Option<i32>,
    /// What it left behind, nobody knows: the next piece gets a fresh guest.
    spoiled: bool,
}

impl Verdict {
    fn new(outcome: Outcome, reason: impl Into<String>) -> Self {
        Self { outcome, reason: Some(reason.into()), exit_code: None, spoiled: false }
    }

    fn fail(reason: impl Into<String>) -> Self {
        Self::new(Outcome::Fail, reason)
    }
}

/// What all pieces of a step share.
struct Theatre<'a> {
    plan: &'a PlayPlan,
    built: &'a Built,
    host: &'a Host,
    engine: Engine,
    /// Where each piece has its files, which the guests may write to.
    files: PathBuf,
    /// What keeps builds from writing elsewhere.
    confinement: Confinement,
}

/// A stage that is open, for pieces that need the same guests.
struct Open {
    stage: Stage,
    /// Why no further piece gets it; none if one may.
    spent: Option<&'static str>,
    /// What connects its guests.
    _segments: Option<Segments>,
}

/// The guests of a step: those that are up, and how often none came up.
struct Guests {
    open: Option<Open>,
    boots: Boots,
}

/// Plays all pieces. Their outcomes are in the journal; an error means that not all could be played.
pub fn run(plan: &PlayPlan, built: &Built, host: &Host, journal: &mut Journal) -> Result<()> {
    journal.step(plan.suite.id, |journal| {
        programs::warn_of_guest(plan.suite, &plan.guest.root.dir, journal)?;
        let engine = guest::engine(&plan.guest, &built.image, host, journal)?;
        let spec = guest::spec(&plan.guest, engine, &journal.tmp()?, host)?;
        let vms = plan.pieces.iter().map(Piece::guests).max().and_then(|most| u32::try_from(most).ok());
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
        let theatre = Theatre { plan, built, host, engine, files, confinement };
        let first = journal.summary().tests.len();
        theatre.play_all(journal)?;
        let tests = || journal.summary().tests.iter().skip(first);
        let passed = tests().filter(|test| test.result.outcome.is_ok()).count();
        Ok(((), StepStatus::Done, format!("{passed} of {} passed", tests().count())))
    })
}

impl Theatre<'_> {
    fn play_all(&self, journal: &mut Journal) -> Result<()> {
        let id = |piece: &Piece| TestId::new(self.plan.suite.id, &*piece.name, 1);
        journal.add(Event::TestsPlanned { tests: self.plan.pieces.iter().map(id).collect() })?;
        let mut guests = Guests { open: None, boots: Boots::new(self.plan.guest.rules) };
        for piece in &self.plan.pieces {
            let test = id(piece);
            journal.activity(0, &format!("{}: building", test.label()));
            let began = Instant::now();
            let mut notes = Vec::new();
            let prepared = self.prepare(piece, &mut notes);
            notes.iter().try_for_each(|note| journal.note(format!("{}: {note}", test.label())))?;
            let verdict = match prepared {
                Ok(prepared) => self.play(piece, &test, &prepared, &mut guests, journal)?,
                Err(verdict) => verdict,
            };
            let Verdict { mut outcome, mut reason, exit_code, .. } = verdict;
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

    /// Builds a piece on the host. What cannot be built, or cannot run on this kernel, has its verdict already.
    fn prepare(&self, piece: &Piece, notes: &mut Vec<String>) -> Result<Prepared, Verdict> {
        let dir = self.files.join(&piece.name);
        let home = self.files.join(".home").join(&piece.name);
        let real = self.plan.home.as_deref();
        let builder = Builder::new(&dir, &home, real, &self.built.config, &self.confinement)?;
        let prepared = match &piece.kind {
            Kind::Sample(declared) => prepare::sample(declared, &builder, notes),
            Kind::Modules(modules) => prepare::modules(modules, &builder, notes),
        };
        builder.tidy();
        prepared
    }

    /// Plays a piece that is built.
    fn play(
        &self,
        piece: &Piece,
        test: &TestId,
        prepared: &Prepared,
        guests: &mut Guests,
        journal: &mut Journal,
    ) -> Result<Verdict> {
        let mut open = self.guests_for(piece, test, guests, journal)?;
        match self.act(piece, test, prepared, &mut open.stage, journal) {
            Ok(verdict) => {
                let reason = self.why_spent(piece, &verdict, &open.stage);
                open.spent = open.spent.or(reason);
                guests.open = Some(open);
                Ok(verdict)
            }
            Err(Trouble::Guest(reason) | Trouble::Timeout(reason)) => {
                let splat = open.stage.splats().first().cloned();
                let reason = splat.map_or(reason.clone(), |splat| format!("{reason}: {splat}"));
                open.stage.close(End::Crash(&reason), journal)?;
                Ok(Verdict::new(Outcome::Crash, reason))
            }
            Err(Trouble::Error(error)) => {
                if error.kind() != ErrorKind::Interrupted {
                    open.stage.close(End::Done, journal)?;
                }
                Err(error)
            }
        }
    }

    /// Why the guests of a piece are not for another one.
    fn why_spent(&self, piece: &Piece, verdict: &Verdict, stage: &Stage) -> Option<&'static str> {
        if verdict.outcome == Outcome::Timeout {
            return Some("replaced after a timeout");
        }
        if self.plan.guest.rules.replace_after_splat && stage.splatted() {
            return Some(AFTER_SPLAT);
        }
        if verdict.spoiled {
            return Some("replaced: a module cannot be unloaded");
        }
        // The next module may get the addresses of this one, and its leaks the names of this one's functions.
        let module = matches!(piece.kind, Kind::Modules(_)) && stage.asks_for_leaks();
        module.then_some("asked for memory leaks")
    }

    /// Guests in which a piece can begin: those that are up, if they are well, or others.
    fn guests_for(
        &self,
        piece: &Piece,
        test: &TestId,
        guests: &mut Guests,
        journal: &mut Journal,
    ) -> Result<Open> {
        if let Some(other) = guests.open.take_if(|open| open.spent.is_some() || piece.guests() > 1) {
            other.close(journal)?;
        }
        loop {
            let opened = match guests.open.take() {
                Some(open) => Ok(open),
                None => self.open(piece, journal),
            };
            let mut open = match opened {
                Ok(open) => open,
                Err(Trouble::Error(error)) => return Err(error),
                Err(Trouble::Guest(why) | Trouble::Timeout(why)) => {
                    self.boot_failed(&why, guests, journal)?;
                    continue;
                }
            };
            let fresh = open.stage.is_fresh();
            let splat = match open.stage.splatted_before(test, journal) {
                Ok(splat) => splat,
                Err(Trouble::Error(error)) => return Err(error),
                Err(Trouble::Guest(why) | Trouble::Timeout(why)) => {
                    open.stage.close(End::Crash(&why), journal)?;
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
                    open.stage.close(End::Replaced(reason), journal)?;
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
        piece: &Piece,
        test: &TestId,
        prepared: &Prepared,
        stage: &mut Stage,
        journal: &mut Journal,
    ) -> Result<Verdict, Trouble> {
        let output = format!("tests/{}.log", test.stem());
        let time = piece.time(self.plan.guest.pace(self.engine));
        let vm = stage.vm(0);
        let log = journal.path().join(&output);
        journal.add(Event::TestStarted { test: test.clone(), vm, timeout: time.as_secs(), output })?;
        stage.begin(test, &log)?;
        let installed = self.built.selftests.as_ref().zip(self.plan.suite.needs.collection);
        let selftests = installed.map(|(dir, collection)| dir.join(collection).display().to_string());
        let selftests = selftests.unwrap_or_default();
        let scene = network::Scene { piece, test, time, pcap: self.plan.pcap, files: &self.files, selftests };
        let verdict = match prepared {
            Prepared::Sample(program) => sample::play(&scene, program, stage, journal),
            Prepared::Modules(built) => modules::play(&scene, built, stage, journal),
        };
        // Also where it failed: what its kernel says belongs to it.
        let splats = stage.end(journal);
        let verdict = match verdict {
            Err(Trouble::Timeout(why)) => Verdict::new(Outcome::Timeout, why),
            verdict => verdict?,
        };
        Ok(match splats?.first() {
            Some(title) if verdict.outcome == Outcome::Timeout => {
                let reason = verdict.reason.map(|why| format!("{why}; kernel splat: {title}"));
                Verdict { reason, ..verdict }
            }
            Some(title) => {
                Verdict { outcome: Outcome::Fail, reason: Some(format!("kernel splat: {title}")), ..verdict }
            }
            None => verdict,
        })
    }

    /// Boots the guests that a piece needs, all at the same time.
    fn open(&self, piece: &Piece, journal: &mut Journal) -> Result<Open, Trouble> {
        let mut wanted = self.plan.guest.clone();
        wanted.root.rw.push(self.files.clone());
        let boot_timeout = wanted.pace(self.engine).boot_timeout(wanted.boot_timeout);
        let tmp = journal.tmp()?;
        let spec = |wanted: &GuestPlan| -> Result<Spec> { guest::spec(wanted, self.engine, &tmp, self.host) };
        let (mut specs, mut segments) = (Vec::new(), None);
        match (&piece.topology, piece.realisation) {
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
        let stage =
            Stage::open(Box::new(LiveHub::default()), &specs, boot_timeout, self.plan.guest.rules, journal)?;
        // Where hosts are guests, their network is that of one piece only.
        let spent = (specs.len() > 1).then_some("done");
        Ok(Open { stage, spent, _segments: segments })
    }
}

impl Open {
    fn close(self, journal: &mut Journal) -> Result<()> {
        self.stage.close(self.spent.map_or(End::Done, End::Replaced), journal)
    }
}
