//! What an event names, changed: where the events of several runs become those of one.

use super::{Event, TestId};

/// The names in another run.
pub trait Names {
    /// A run of a test.
    fn test(&self, id: &TestId) -> TestId;
    /// A guest.
    fn vm(&self, vm: u32) -> u32;
    /// A file, relative to the directory of the run.
    fn file(&self, path: &str) -> String;
}

impl Event {
    /// The same event with the names of another run. Steps keep theirs.
    #[must_use]
    pub fn renamed(&self, names: &dyn Names) -> Self {
        let mut event = self.clone();
        match &mut event {
            Self::VmStarted { vm, console, .. } => (*vm, *console) = (names.vm(*vm), names.file(console)),
            Self::VmReady { vm, .. } | Self::VmEnded { vm, .. } => *vm = names.vm(*vm),
            Self::TestStarted { test, vm, output, .. } => {
                (*test, *vm, *output) = (names.test(test), names.vm(*vm), names.file(output));
            }
            Self::Evidence { test, file, .. } => {
                (*test, *file) = (test.as_ref().map(|test| names.test(test)), names.file(file));
            }
            Self::Splat { vm, test, candidates, .. } => {
                (*vm, *test) = (names.vm(*vm), test.as_ref().map(|test| names.test(test)));
                *candidates = candidates.iter().map(|test| names.test(test)).collect();
            }
            Self::TestsPlanned { tests, .. } => *tests = tests.iter().map(|test| names.test(test)).collect(),
            Self::TestSharded { test, .. }
            | Self::Seed { test, .. }
            | Self::VirtualTime { test, .. }
            | Self::Subtest { test, .. }
            | Self::LeftOut { test, .. }
            | Self::Connections { test, .. }
            | Self::TestEnded { test, .. } => *test = names.test(test),
            Self::RunStarted { .. }
            | Self::Provenance { .. }
            | Self::Note { .. }
            | Self::Warning { .. }
            | Self::StepStarted { .. }
            | Self::StepEnded { .. }
            | Self::RunSharded { .. }
            | Self::Series { .. }
            | Self::ChecksPlanned { .. }
            | Self::CheckStarted { .. }
            | Self::CheckEnded { .. }
            | Self::RunEnded { .. } => {}
        }
        event
    }
}
