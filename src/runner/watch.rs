//! The splats of one guest, as they go into the journal.

use super::journal::Journal;
use crate::error::Result;
use crate::event::{Event, TestId};
use crate::plan::GuestRules;
use crate::vm::VmId;
use crate::vm::console::Splat;

/// How many splats of one guest are recorded. The console log has them all.
const SPLATS_LIMIT: u32 = 100;

/// Counts the splats of one guest, and records them.
#[derive(Debug, Default)]
pub(super) struct SplatCount(u32);

impl SplatCount {
    /// How many there were.
    pub fn get(&self) -> u32 {
        self.0
    }

    /// Counts one; true as long as they are not too many.
    pub fn is_wanted(&mut self) -> bool {
        self.0 += 1;
        self.0 <= SPLATS_LIMIT
    }

    /// Puts a splat into the journal; of very many only the first.
    pub fn record(&mut self, vm: VmId, splat: Splat, about: About, journal: &mut Journal) -> Result<()> {
        let About { mut tests, boot, notice } = about;
        let test = if tests.len() == 1 { tests.pop() } else { None };
        if self.is_wanted() {
            return journal.add(Event::Splat {
                vm,
                test,
                candidates: tests,
                boot,
                notice,
                fingerprint: splat.fingerprint(),
                title: splat.title,
                lines: splat.lines,
            });
        }
        // Each more would cost memory, and says nothing new.
        if self.0 == SPLATS_LIMIT + 1 {
            journal
                .warn(format!("VM {vm} had more than {SPLATS_LIMIT} splats: see its console log"), None)?;
        }
        Ok(())
    }
}

/// What a splat is about.
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
