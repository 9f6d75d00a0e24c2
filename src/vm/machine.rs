//! A machine for a kernel, as data.

use super::root::Root;
use std::path::PathBuf;

/// A machine for a kernel, whatever backend makes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// The build directory of the kernel. For virtme-ng a path of plain characters only.
    pub kernel: PathBuf,
    /// Virtual CPUs.
    pub cpus: u32,
    /// Memory, in MiB.
    pub memory_mib: u64,
    /// Further parameters of the kernel.
    pub append: Vec<String>,
    /// What all of its random numbers come from, where its backend can do that; none for the host's.
    pub seed: Option<u64>,
    /// What it sees of the host.
    pub root: Root,
    /// A directory for the backend's own temporary files.
    pub tmp: PathBuf,
}
