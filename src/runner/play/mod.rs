//! Plays sample programs and kernel modules on a stage, each in its own network, and says how that ended.

mod judge;
mod modules;
mod network;
mod prepare;
mod sample;
mod show;

pub use show::{HostState, show};

use super::stage::{Stage, Trouble};
use super::{Host, Journal, steps};
use crate::doctor;
use crate::error::{Error, IoContext, Kind as ErrorKind, Result};
use crate::event::{Event, Outcome, StepStatus, TestId};
use crate::kernel::build::Built;
use crate::plan::play::{Kind, Piece, PlayPlan};
use crate::plan::{GuestPlan, share_of_cores};
use crate::suite::selftests::COLLECTION;
use crate::topology::Realisation;
use crate::topology::realise::cards;
use crate::vm::Spec;
use crate::vm::accel::Accelerator;
use crate::vm::cable::Cables;
use prepare::Prepared;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long a command of ours may take in a guest.
const PATIENCE: Duration = Duration::from_secs(60);

/// After so many boots in a row that failed, no further one is tried.
const BOOT_ATTEMPTS: u32 = 2;

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
    accelerator: Accelerator,
    /// Where each piece has its files, which the guests may write to.
    files: PathBuf,
}

/// A stage that is open, for pieces that need the same guests.
struct Open {
    stage: Stage,
    /// Its hosts are guests: their network is that of one piece only.
    spent: bool,
    /// What connects them.
    _cables: Option<Cables>,
}

/// Plays all pieces. Their outcomes are in the journal; an error means that not all could be played.
pub fn run(plan: &PlayPlan, built: &Built, host: &Host, journal: &mut Journal) -> Result<()> {
    journal.step(plan.suite.as_str(), |journal| {
        let accelerator = steps::accelerator(&plan.guest, &built.image, host, journal)?;
        let spec = steps::spec(&plan.guest, accelerator, &journal.tmp()?, host)?;
        journal.add(Event::Provenance { facts: steps::facts(&spec, 1, accelerator, built, host)? })?;
        let config = journal.path().join(".config");
        std::fs::copy(&built.config, &config).doing("copy the configuration to", &config)?;
        let files = journal.path().join(plan.suite.as_str());
        std::fs::create_dir_all(&files).doing("create", &files)?;
        let theatre = Theatre { plan, built, host, accelerator, files };
        let first = journal.summary().tests.len();
        theatre.play_all(journal)?;
        let tests = &journal.summary().tests[first..];
        let passed = tests.iter().filter(|test| test.result.outcome.is_ok()).count();
        Ok(((), StepStatus::Done, format!("{passed} of {} passed", tests.len())))
    })
}

impl Theatre<'_> {
    fn play_all(&self, journal: &mut Journal) -> Result<()> {
        let id = |piece: &Piece| TestId::new(piece.test_name(self.plan.suite), 1);
        journal.add(Event::TestsPlanned { tests: self.plan.pieces.iter().map(id).collect() })?;
        let mut open: Option<Open> = None;
        let mut failed_boots = 0;
        for piece in &self.plan.pieces {
            let test = id(piece);
            journal.activity(0, &format!("{}: building", test.name));
            let began = Instant::now();
            let verdict = match self.prepare(piece) {
                Ok(prepared) => self.play(piece, &test, &prepared, &mut open, journal)?,
                Err(verdict) => Ok(verdict),
            };
            let verdict = match verdict {
                Ok(verdict) => {
                    failed_boots = 0;
                    verdict
                }
                Err(reason) => {
                    failed_boots = if open.is_none() { failed_boots + 1 } else { 0 };
                    if let Some(open) = open.take() {
                        open.stage.close(Some(&reason), journal)?;
                    }
                    Verdict::new(Outcome::Crash, reason)
                }
            };
            let failed = !verdict.outcome.is_ok();
            let Verdict { outcome, reason, exit_code, .. } = verdict;
            let seconds = began.elapsed().as_secs_f64();
            journal.add(Event::TestEnded { test, outcome, reason, exit_code, seconds })?;
            if failed_boots >= BOOT_ATTEMPTS {
                return Err(Error::cannot_run(format!("{BOOT_ATTEMPTS} guests in a row did not come up"))
                    .hint("see why: the console logs are in the run's directory"));
            }
            if failed && self.plan.fail_fast {
                break;
            }
        }
        open.map_or(Ok(()), |open| open.stage.close(None, journal))
    }

    /// Builds a piece on the host. What cannot be built, or cannot run on this kernel, has its verdict already.
    fn prepare(&self, piece: &Piece) -> Result<Prepared, Verdict> {
        let dir = self.files.join(&piece.name);
        match &piece.kind {
            Kind::Sample(declared) => prepare::sample(declared, &dir, &self.built.config),
            Kind::Modules(modules) => prepare::modules(modules, &dir),
        }
    }

    /// Plays a piece that is built. The inner error says what was wrong with a guest.
    fn play(
        &self,
        piece: &Piece,
        test: &TestId,
        prepared: &Prepared,
        open: &mut Option<Open>,
        journal: &mut Journal,
    ) -> Result<Result<Verdict, String>> {
        if let Some(other) = open.take_if(|open| open.spent || piece.guests() > 1) {
            other.stage.close(None, journal)?;
        }
        let played = match open {
            Some(open) => self.act(piece, test, prepared, &mut open.stage, journal),
            None => match self.open(piece, journal) {
                Ok(opened) => {
                    let opened = open.insert(opened);
                    self.act(piece, test, prepared, &mut opened.stage, journal)
                }
                Err(trouble) => Err(trouble),
            },
        };
        match played {
            Ok(verdict) => {
                if let Some(open) = open.as_mut().filter(|_| verdict.spoiled) {
                    open.spent = true;
                }
                Ok(Ok(verdict))
            }
            Err(Trouble::Guest(reason)) => {
                let splat = open.as_ref().and_then(|open| open.stage.splats().first().cloned());
                Ok(Err(splat.map_or(reason.clone(), |splat| format!("{reason}: {splat}"))))
            }
            Err(Trouble::Error(error)) => {
                if let Some(open) = open.take().filter(|_| error.kind() != ErrorKind::Interrupted) {
                    open.stage.close(None, journal)?;
                }
                Err(error)
            }
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
        let output = format!("tests/{}.log", test.stem().replace('/', "."));
        let time = piece.time(self.accelerator, self.plan.guest.slowness());
        let vm = stage.vm(0);
        let log = journal.path().join(&output);
        journal.add(Event::TestStarted { test: test.clone(), vm, timeout: time.as_secs(), output })?;
        stage.begin(test, &log, journal)?;
        let selftests =
            self.built.kselftest_dir.as_ref().map(|dir| dir.join(COLLECTION).display().to_string());
        let selftests = selftests.unwrap_or_default();
        let scene = network::Scene { piece, test, time, pcap: self.plan.pcap, files: &self.files, selftests };
        let verdict = match prepared {
            Prepared::Sample(program) => sample::play(&scene, program, stage, journal),
            Prepared::Modules(built) => modules::play(&scene, built, stage, journal),
        };
        // Also where it failed: what its kernel says belongs to it.
        let splats = stage.end(journal);
        let verdict = verdict?;
        Ok(match splats?.first() {
            Some(title) => {
                Verdict { outcome: Outcome::Fail, reason: Some(format!("kernel splat: {title}")), ..verdict }
            }
            None => verdict,
        })
    }

    /// Boots the guests that a piece needs, all at the same time.
    fn open(&self, piece: &Piece, journal: &mut Journal) -> Result<Open, Trouble> {
        let mut guest = self.plan.guest.clone();
        guest.rw.push(self.files.clone());
        let patience = guest.boot_timeout(self.accelerator);
        let tmp = journal.tmp()?;
        let spec =
            |guest: &GuestPlan| -> Result<Spec> { steps::spec(guest, self.accelerator, &tmp, self.host) };
        let (mut specs, mut cables) = (Vec::new(), None);
        match (&piece.topology, piece.realisation) {
            (Some((_, topology)), Realisation::Guests) => {
                let laid = Cables::lay(topology.link.len())?;
                guest.cpus = self.plan.cpus.unwrap_or_else(|| {
                    share_of_cores(doctor::cores(), u32::try_from(topology.host.len()).unwrap_or(1))
                });
                for host in topology.host.keys() {
                    let mut guest = guest.clone();
                    for card in cards(topology, host) {
                        guest.qemu_args.extend(laid.card(card.link, &card.name, &card.mac));
                    }
                    specs.push(spec(&guest)?);
                }
                cables = Some(laid);
            }
            _ => specs.push(spec(&guest)?),
        }
        let stage = Stage::open(&specs, patience, journal)?;
        Ok(Open { stage, spent: specs.len() > 1, _cables: cables })
    }
}
