//! Where an external tool is: looked up once.

use crate::error::{Error, Result};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Mutex, OnceLock};

/// An external program that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tool {
    /// The name that was looked for.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
}

/// Finds `name` in `PATH` and in the places that `PATH` of an ordinary user lacks (`/usr/sbin`, `/sbin`).
pub fn find(name: &str) -> Result<Tool> {
    static FOUND: OnceLock<Mutex<HashMap<String, Option<PathBuf>>>> = OnceLock::new();
    let mut found =
        FOUND.get_or_init(Mutex::default).lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let path = found.entry(name.to_owned()).or_insert_with(|| {
        which::which(name)
            .or_else(|_| which::which_in(name, Some("/usr/local/sbin:/usr/sbin:/sbin"), "/"))
            .ok()
    });
    match path {
        Some(path) => Ok(Tool { name: name.to_owned(), path: path.clone() }),
        None => Err(Error::cannot_run(format!("cannot find {name}: it is not installed"))
            .hint("see which package brings it: vmptcp doctor")),
    }
}
