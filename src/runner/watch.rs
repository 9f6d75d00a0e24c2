//! What a VM's console shows: splats, and its last lines.

use super::evidence;
use super::journal::Journal;
use crate::error::Result;
use crate::event::{Event, TestId};
use crate::plan::GuestRules;
use crate::vm::console::{Detector, Splat};
use crate::vm::session::VmId;
use std::collections::VecDeque;

/// How many splats of one VM are recorded. The console log has them all.
const SPLATS: u32 = 100;

/// How many of the console's last lines are kept for a report.
const TAIL: usize = 40;

/// What the kernel prints after a scan of its memory that found something.
const FOUND_LEAKS: &str = " new suspected memory leaks (see ";

/// Follows the console of one VM, line by line.
#[derive(Default)]
pub(super) struct Watch {
    detector: Detector,
    tail: VecDeque<String>,
    splats: u32,
    /// What the console shows was asked for.
    examined: bool,
    leaks_are_asked_for: bool,
}

impl Watch {
    /// Takes a line; returns a splat that it completes.
    pub fn line(&mut self, line: &str) -> Option<Splat> {
        if self.tail.len() == TAIL {
            self.tail.pop_front();
        }
        self.tail.push_back(line.to_owned());
        self.examined |= line.ends_with(evidence::BEGIN);
        let asked_for = self.examined || (self.leaks_are_asked_for && line.contains(FOUND_LEAKS));
        let splat = if asked_for { None } else { self.detector.line(line) };
        self.examined &= !line.ends_with(evidence::END);
        splat
    }

    /// Nothing more of an open splat is to be expected: returns what there is of it.
    pub fn flush(&mut self) -> Option<Splat> {
        self.detector.flush()
    }

    /// The last lines.
    pub fn tail(&self) -> impl Iterator<Item = &String> {
        self.tail.iter()
    }

    /// Takes note of a splat; true as long as they are not too many.
    pub fn is_wanted(&mut self) -> bool {
        self.count() <= SPLATS
    }

    /// How many splats there were.
    pub fn splats(&self) -> u32 {
        self.splats
    }

    /// What the console shows was asked for.
    pub fn is_examined(&self) -> bool {
        self.examined
    }

    /// Leaks are asked for: that the kernel found some says less than its answer.
    pub fn expect_leaks(&mut self) {
        self.leaks_are_asked_for = true;
    }

    fn count(&mut self) -> u32 {
        self.splats += 1;
        self.splats
    }

    /// Puts a splat of this console into the journal; of very many only the first.
    pub fn record(&mut self, vm: VmId, splat: Splat, about: About, journal: &mut Journal) -> Result<()> {
        let About { mut tests, boot, notice } = about;
        let test = if tests.len() == 1 { tests.pop() } else { None };
        let count = self.count();
        match count {
            ..=SPLATS => journal.add(Event::Splat {
                vm,
                test,
                candidates: tests,
                boot,
                notice,
                fingerprint: splat.fingerprint(),
                title: splat.title,
                lines: splat.lines,
            }),
            // Each more would cost memory, and says nothing new.
            _ if count == SPLATS + 1 => {
                journal.warn(format!("VM {vm} had more than {SPLATS} splats: see its console log"), None)
            }
            _ => Ok(()),
        }
    }
}

/// Whom a splat is about.
#[derive(Debug, Default)]
pub(super) struct About {
    /// The tests of which each may be the cause.
    pub tests: Vec<TestId>,
    /// It came during boot.
    pub boot: bool,
    /// It does not stand against the run.
    pub notice: bool,
}

impl About {
    /// One that came while a guest booted.
    pub fn boot(rules: GuestRules) -> Self {
        Self { tests: Vec::new(), boot: true, notice: !rules.boot_splat_counts }
    }

    /// One that came while this test ran, or between tests.
    pub fn test(test: Option<TestId>) -> Self {
        Self { tests: test.into_iter().collect(), ..Self::default() }
    }
}
