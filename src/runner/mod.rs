//! Carries out what was planned.

pub mod attach;
mod capture;
pub mod fleet;
pub mod journal;
mod links;
mod log;
pub mod steps;
mod worker;

pub use journal::Journal;

use std::path::PathBuf;

/// The places on this machine that the steps need.
#[derive(Debug, Clone)]
pub struct Host {
    /// The user's cache.
    pub cache: PathBuf,
    /// virtme-ng's private virtual environment.
    pub venv: PathBuf,
}
