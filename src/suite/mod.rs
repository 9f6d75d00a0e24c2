//! What there is to run: pure descriptions, made from the text of a kernel tree's files.
//!
//! [`selftests`] lists the tests of a tree; [`filter`] and [`profile`] choose among them; [`known`] has
//! the subtests of earlier runs; [`timeout`] says how long each
//! may take; [`shard`] splits one that is long; [`start`] says how one is started. [`sample`] and [`module`] read what is known of a sample program and of
//! kernel modules.

pub mod filter;
pub mod known;
pub mod module;
pub mod profile;
pub mod sample;
pub mod selftests;
pub mod shard;
pub mod start;
pub mod timeout;

mod pattern;

pub use filter::{Selection, Subtests, select};
pub use pattern::Pattern;
pub use profile::Profile;
pub use shard::{Group, Shard};
pub use timeout::{Limit, Timeouts};

use crate::event::label;
use std::fmt;

/// A kind of tests, each with its own way to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Suite {
    /// The scripts and programs of `tools/testing/selftests/net/mptcp`.
    Selftests,
    /// Sample programs.
    Samples,
    /// Kernel modules.
    Modules,
}

impl Suite {
    /// All of them, in the order in which they run.
    pub const ALL: [Self; 3] = [Self::Selftests, Self::Samples, Self::Modules];

    /// The word for a person, and for the files of a run.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Selftests => "selftests",
            Self::Samples => "samples",
            Self::Modules => "modules",
        }
    }
}

impl fmt::Display for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A test that can be run by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestCase {
    /// The suite that it belongs to.
    pub suite: Suite,
    /// Its name, unique in the suite: that of the program, without `.sh`.
    pub name: String,
    /// The program: a plain file name in the directory where the suite is installed.
    pub program: String,
    /// The program's arguments.
    pub args: Vec<String>,
    /// How long it may take, as its suite has it.
    pub limit: Limit,
    /// The groups of subtests that it can run alone; empty if it has none.
    pub groups: Vec<Group>,
    /// It captures packets if it is given `-c`.
    pub captures: bool,
}

impl TestCase {
    /// Its name for a person.
    pub fn label(&self) -> String {
        label(self.suite.as_str(), &self.name)
    }

    /// The name of a subtest, from the one in the TAP output: the MPTCP scripts put their own name and a colon in front.
    pub fn subtest_name<'a>(&self, printed: &'a str) -> &'a str {
        let inner = printed.strip_prefix(&self.name).and_then(|rest| rest.strip_prefix(':'));
        inner.unwrap_or(printed).trim()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Tests of these names, for the tests of this folder.
    pub(crate) fn named(names: &[&str]) -> Vec<TestCase> {
        let test = |name: &&str| TestCase {
            suite: Suite::Selftests,
            name: (*name).to_owned(),
            program: format!("{name}.sh"),
            args: Vec::new(),
            limit: Limit::Unspecified,
            groups: Vec::new(),
            captures: false,
        };
        names.iter().map(test).collect()
    }

    #[test]
    fn subtests_lose_the_name_of_their_test() {
        let test = &named(&["pm_netlink"])[0];
        assert_eq!(test.subtest_name("pm_netlink: defaults addr list"), "defaults addr list");
        assert_eq!(test.subtest_name("pm_netlink:           (nobackup)"), "(nobackup)");
        assert_eq!(test.subtest_name("pm_netlink_more: a"), "pm_netlink_more: a");
        assert_eq!(test.subtest_name("other"), "other");
        assert_eq!(test.subtest_name("pm_netlink"), "pm_netlink");
    }
}
