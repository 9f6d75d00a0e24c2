//! What a guest of user-mode Linux is told before it boots: a file in a directory that it mounts.

use super::ToGuest;
use serde::{Deserialize, Serialize};

/// The file, in the directory that was handed over to the guest's kernel.
pub const FILE: &str = "boot.json";

/// Where programs of the guest find others.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What the agent needs to know when it starts as the first process of a guest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Boot {
    /// The guest's root filesystem, a directory of the host.
    pub root: String,
    /// Directories of the host to mount beside it.
    pub shares: Vec<Mount>,
    /// What all random numbers of the guest come from; none for the host's.
    pub seed: Option<u64>,
    /// All that it will ever be asked, in order; none if it is asked over a line while it runs.
    pub requests: Option<Vec<ToGuest>>,
}

/// A directory of the host to mount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// The directory.
    pub host: String,
    /// Where it is mounted in the guest.
    pub point: String,
    /// What the guest writes reaches the host; else it is in memory, and gone with the guest.
    pub writable: bool,
}
