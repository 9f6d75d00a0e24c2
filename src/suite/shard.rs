//! How a test is divided: the groups of subtests that it can run alone, and the parts that are made of them.

use std::time::Duration;

/// A group of subtests that a script runs alone when it is asked to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The option that asks for it.
    pub flag: char,
    /// Its name, as the script has it.
    pub name: String,
}

/// A part of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shard {
    /// The group, and the numbers of its subtests within it where it is not whole: `subflows_tests 1-3`.
    pub name: String,
    /// The name of the group.
    pub group: String,
    /// The script's arguments.
    pub args: Vec<String>,
    /// How long it took before, if that is known.
    pub known: Option<Duration>,
}
