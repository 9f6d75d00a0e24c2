//! What a fleet has to do, as data: tests, and what holds for all of them.

use crate::event::TestId;
use crate::plan::{GuestRules, Hunt, RepositoryPlace};
use crate::suite::{Conditions, Selection, Suite};
use crate::vm::Spec;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// A test to run, or a part of one.
#[derive(Debug, Clone)]
pub struct Job {
    /// Which run of which test.
    pub id: TestId,
    /// The test, with the arguments for this part of it, and which of its subtests count.
    pub selection: Selection,
    /// The name of the part, where it is one.
    pub shard: Option<String>,
    /// How long it may take.
    pub timeout: Duration,
    /// How long it will take, as far as one can tell.
    pub expected: Duration,
    /// What the random numbers of its guest come from; none for the host's.
    pub seed: Option<u64>,
}

/// What holds for all tests.
#[derive(Debug, Clone)]
#[allow(clippy::struct_excessive_bools, reason = "they are independent of each other")]
pub struct Setup {
    /// The guests.
    pub spec: Spec,
    /// The one in which a test is run again; none for one like the others.
    pub alone: Option<Alone>,
    /// How many there may be at the same time.
    pub vms: usize,
    /// Every test gets one of its own.
    pub fresh: bool,
    /// How many more times a failed test is run, alone, to tell a flake from a failure.
    pub confirm: u32,
    /// Run all tests again and again, until one fails.
    pub until_fail: bool,
    /// How long one may take to come up.
    pub boot_timeout: Duration,
    /// What becomes of one whose kernel is not well.
    pub rules: GuestRules,
    /// Where the tree's selftests are installed, as the guest sees it; none if no suite needs them.
    pub installed: Option<PathBuf>,
    /// Where the tests are of suites that have a repository, by suite.
    pub repositories: BTreeMap<&'static str, RepositoryPlace>,
    /// Under which conditions the tests run.
    pub conditions: Conditions,
    /// Variables for the tests, which the user set.
    pub env: Vec<(String, String)>,
    /// What of emulated links is drawn by the seed: words of the setting.
    pub vary: Vec<&'static str>,
    /// Start nothing more after the first test that fails.
    pub fail_fast: bool,
    /// Plan each test only when there is room for it: what a hunt does not come to is no part of the run.
    pub hunt: Option<Hunt>,
}

impl Setup {
    /// Where the tests of a suite are started.
    pub fn directory_of(&self, suite: &Suite) -> PathBuf {
        let installed = self.installed.as_ref().zip(suite.needs.collection);
        let installed = installed.map(|(dir, collection)| dir.join(collection));
        let cloned = || self.repositories.get(suite.id).map(|place| place.tests.clone());
        installed.or_else(cloned).unwrap_or_else(|| PathBuf::from("/"))
    }
}

/// A guest that has the host for itself.
#[derive(Debug, Clone)]
pub struct Alone {
    /// The guest.
    pub spec: Spec,
    /// A directory of the host that it may write to, for tests that capture packets.
    pub captures: Option<PathBuf>,
}
