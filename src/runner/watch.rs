//! What a VM's console shows: splats, and its last lines.

use super::evidence;
use super::journal::Journal;
use crate::error::Result;
use crate::event::{Event, TestId};
use crate::vm::console::{Detector, Splat};
use crate::vm::session::VmId;
use std::collections::VecDeque;

/// How many splats of one VM are recorded. The console log has them all.
const SPLATS: u32 = 100;

/// How many of the console's last lines are kept for a report.
const TAIL: usize = 40;

/// Follows the console of one VM, line by line.
#[derive(Default)]
pub(super) struct Watch {
    detector: Detector,
    tail: VecDeque<String>,
    splats: u32,
    /// What the console shows was asked for.
    examined: bool,
}

impl Watch {
    /// Takes a line; returns a splat that it completes.
    pub fn line(&mut self, line: &str) -> Option<Splat> {
        if self.tail.len() == TAIL {
            self.tail.pop_front();
        }
        self.tail.push_back(line.to_owned());
        self.examined |= line.ends_with(evidence::BEGIN);
        let splat = if self.examined { None } else { self.detector.line(line) };
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

    fn count(&mut self) -> u32 {
        self.splats += 1;
        self.splats
    }

    /// Puts a splat of this console into the journal; of very many only the first.
    pub fn record(
        &mut self,
        vm: VmId,
        splat: Splat,
        test: Option<TestId>,
        journal: &mut Journal,
    ) -> Result<()> {
        let count = self.count();
        match count {
            ..=SPLATS => journal.add(Event::Splat {
                vm,
                test,
                candidates: Vec::new(),
                boot: false,
                notice: false,
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
