//! Where an external tool is: looked up once.

use error::{Error, Result};
use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};
use std::time::UNIX_EPOCH;

/// An external program that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tool {
    /// The name that was looked for.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
}

/// `PATH`: an external tool's affair, and so this room's.
#[allow(clippy::disallowed_methods, reason = "the search path of programs is no setting")]
pub(super) fn search_path() -> OsString {
    std::env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin".into())
}

/// Finds `name` in `PATH` and in the places that `PATH` of an ordinary user lacks (`/usr/sbin`, `/sbin`). Only what was
/// found is remembered: what was not may be installed meanwhile.
pub fn find(name: &str) -> Result<Tool> {
    static FOUND: OnceLock<Mutex<HashMap<String, PathBuf>>> = OnceLock::new();
    let mut found =
        FOUND.get_or_init(Mutex::default).lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let path = match found.get(name) {
        Some(path) => path.clone(),
        None => which::which(name)
            .or_else(|_| which::which_in(name, Some("/usr/local/sbin:/usr/sbin:/sbin"), "/"))
            .map_err(|_| {
                Error::cannot_run(format!("cannot find {name}: it is not installed"))
                    .hint("see which package brings it: vmptcp doctor")
            })?,
    };
    found.insert(name.to_owned(), path.clone());
    Ok(Tool { name: name.to_owned(), path })
}

/// A text that changes when the program, or any other file, does: its path, its size and when it was written.
pub fn identity(program: &Path) -> String {
    let path = program.canonicalize().unwrap_or_else(|_| program.to_owned());
    let data = path.metadata().ok();
    let size = data.as_ref().map_or(0, std::fs::Metadata::len);
    let time = data.and_then(|data| data.modified().ok()?.duration_since(UNIX_EPOCH).ok());
    format!("{} {size} {}", path.display(), time.map_or(0, |time| time.as_nanos()))
}

/// The same of the program of this name; `none` if there is none.
pub fn identity_of(name: &str) -> String {
    find(name).map_or_else(|_| "none".to_owned(), |tool| identity(&tool.path))
}
