//! What there is to run: the [`SUITES`], one row and one file each, and pure descriptions of their tests, made from the text of
//! a kernel tree's files.
//!
//! [`words`] tells which suites a command line names; [`filter`] and [`profile`] choose among the tests of one; [`known`] has
//! the subtests of earlier runs; [`timeout`] says how long each may take; [`shard`] what it can be divided into, and [`division`] which of several machines runs what; [`remarks`]
//! reads what a test says beside its results. [`kselftest`] is what all collections of the kernel's selftests share.

pub mod division;
pub mod filter;
mod flake;
pub mod known;
pub mod kselftest;
pub mod kunit;
pub mod makefile;
pub mod module;
pub mod packetdrill;
pub mod profile;
pub mod remarks;
pub mod row;
pub mod sample;
pub mod selftests;
pub mod shard;
pub mod timeout;
pub mod words;

mod pattern;
mod subtests;

pub use filter::{leave_out, select};
pub use flake::KnownFlake;
pub use pattern::Pattern;
pub use profile::Profile;
pub use remarks::{Marks, Remarks, not_allowed};
pub use row::{
    Conditions, Ended, Files, Lab, Limit, Listing, Needs, Output, ProgramFile, Repository, Selection, Site,
    Start, Suite, TestCase, Tests,
};
pub use shard::{Group, Shard};
pub use subtests::Subtests;
pub use timeout::Timeouts;
pub use words::{Words, chosen};

/// All suites, in the order in which they run.
pub const SUITES: &[&Suite] =
    &[&selftests::SUITE, &kunit::SUITE, &packetdrill::SUITE, &sample::SUITE, &module::SUITE];

/// The suite of this name.
pub fn find(id: &str) -> Option<&'static Suite> {
    SUITES.iter().copied().find(|suite| suite.id == id)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::event::DEFAULT_SUITE;

    /// Tests of these names, for the tests of this folder.
    pub(crate) fn named(names: &[&str]) -> Vec<TestCase> {
        names.iter().map(|name| TestCase::new(&selftests::SUITE, name, &format!("{name}.sh"))).collect()
    }

    #[test]
    fn suites_are_found_by_their_names_which_are_plain_words() {
        let word = |suite: &&Suite| suite.id.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
        assert!(SUITES.iter().all(word));
        let mut names: Vec<&str> = SUITES.iter().map(|suite| suite.id).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), SUITES.len());
        assert!(find(DEFAULT_SUITE).is_some_and(Suite::is_listed));
        assert!(find("nothing").is_none());
    }
}
