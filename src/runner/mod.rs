//! Carries out what was planned.

mod assemble;
pub mod attach;
pub mod building;
mod capture;
mod decode;
mod determinants;
mod digests;
mod evidence;
#[cfg(test)]
mod fixture;
pub mod fleet;
pub mod guest;
pub mod guest_set;
pub mod history;
mod hunt;
pub mod job;
pub mod journal;
pub mod lab;
mod leaks;
mod links;
mod log;
pub mod merging;
mod packets;
mod programs;
mod provenance;
pub mod remembered;
mod replay;
mod running;
mod start;
pub mod steps;
mod testing;
pub mod turns;
mod vary;
mod watch;
mod without_kvm;
mod worker;

pub use journal::Journal;

use std::path::PathBuf;

/// The places on this machine that the steps need, and when they may use it.
#[derive(Debug, Clone)]
pub struct Host {
    /// The user's cache.
    pub cache: PathBuf,
    /// virtme-ng's private virtual environment.
    pub venv: PathBuf,
    /// When this may be used for a build, or for tests.
    pub turn: turns::Turn,
}
