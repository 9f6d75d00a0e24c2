//! The symbols that virtme itself needs.

use crate::error::Result;
use crate::process::Cmd;
use kconfig::{Asker, Fragment};
use std::path::Path;

/// Asks `virtme-configkernel` (at `tool`) which symbols it needs, for a guest that is built from `tree`. It is a Python
/// program and takes a good part of a second: remember what it said as long as its version is the same.
pub fn virtme_symbols(tool: &Path, tree: &Path) -> Result<Fragment> {
    let text = Cmd::new(tool).arg("--dry-run").cwd(tree).read().map_err(|error| {
        let error = error.context("cannot ask virtme-ng which kernel symbols it needs");
        error.hint("see whether it is too old, and install another one privately: vmptcp doctor --fix")
    })?;
    Ok(Fragment { by: Asker::Tool, label: "virtme-ng".to_owned(), text })
}
