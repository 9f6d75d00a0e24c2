//! Programs that suites need: on the host to build them, in the guest to run them.

use super::Journal;
use crate::error::Result;
use crate::process::find;
use crate::suite::Suite;
use crate::vm::root::has_program;
use std::path::Path;

/// Fails if the host lacks a program that building a suite needs.
pub(super) fn require_host<'s>(suites: impl IntoIterator<Item = &'s Suite>) -> Result<()> {
    for suite in suites {
        for program in suite.needs.host_programs {
            find(program).map_err(|error| error.context(format_args!("{suite}")))?;
        }
    }
    Ok(())
}

/// Warns of programs that tests of a suite need and their guests lack: what depends on them will skip or fail.
pub(super) fn warn_of_guest(suite: &Suite, root: &Path, journal: &mut Journal) -> Result<()> {
    let lacks = |program: &&&str| !has_program(root, program);
    let missing: Vec<&str> = suite.needs.guest_programs.iter().filter(lacks).copied().collect();
    if missing.is_empty() {
        return Ok(());
    }
    let text = format!("{suite}: the guests have no {}: what needs it will skip or fail", missing.join(", "));
    journal.warn(text, Some("see what is missing: vmptcp doctor".to_owned()))
}
