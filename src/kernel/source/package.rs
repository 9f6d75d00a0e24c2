//! What taking a kernel out of a package needs, whatever kind of package it is.

use super::Reporter;
use super::follow::{LastWords, Patience, Sign, follow};
use crate::error::{Error, Result};
use crate::event::{Progress, Unit};
use crate::process::Cmd;
use std::fs;
use std::path::{Path, PathBuf};

/// The largest file in a directory, and its size in bytes.
pub(super) fn largest_file(dir: &Path) -> Option<(PathBuf, u64)> {
    fs::read_dir(dir)
        .ok()?
        .flatten()
        .chain(fs::read_dir(dir.join("partial")).into_iter().flatten().flatten())
        .filter_map(|entry| Some((entry.path(), entry.metadata().ok().filter(fs::Metadata::is_file)?.len())))
        .max_by_key(|(_, size)| *size)
}

/// Runs a command that says little; what it says is its progress.
pub(super) fn say(cmd: &Cmd, reporter: &mut Reporter<'_>) -> Result<()> {
    let mut words = LastWords::default();
    let status = follow(cmd, Patience::default(), |sign| {
        if let Sign::Said(line) = sign {
            words.push(line);
            (reporter.progress)(Progress {
                done: 0,
                total: None,
                unit: Unit::Steps,
                detail: line.to_owned(),
            });
        }
    })?;
    if status.success() {
        return Ok(());
    }
    Err(Error::cannot_run(format!("{cmd} failed: {words}")).hint("run it by hand to see its output"))
}
