//! A guest to be started, as data.

use super::backend::Backend;
use super::machine::Machine;
use std::path::PathBuf;
use std::sync::Arc;

/// A guest to be started.
#[derive(Debug, Clone)]
pub struct Spec {
    /// What makes a guest of the kernel.
    pub backend: Arc<dyn Backend>,
    /// The machine.
    pub machine: Machine,
    /// How others find it.
    pub listing: Listing,
}

/// How others find a guest that runs: `vmptcp ps`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// The directory in which guests are listed.
    pub dir: PathBuf,
    /// What it runs for: a command line.
    pub purpose: String,
}
