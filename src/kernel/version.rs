//! Which version of the kernel a tree has, and which commit.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The version that a kernel's top-level Makefile states.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Version {
    /// `VERSION`.
    pub major: u32,
    /// `PATCHLEVEL`.
    pub minor: u32,
    /// `SUBLEVEL`, 0 if there is none.
    pub sublevel: u32,
    /// `EXTRAVERSION`, as in `-rc3`; often empty.
    pub extra: String,
}

impl Version {
    /// Reads the version from the text of a top-level Makefile; `None` if that states none.
    pub fn parse(makefile: &str) -> Option<Self> {
        // The assignments are at the very top; the same names appear further down in recipes.
        let value = |name: &str| {
            makefile.lines().take(40).find_map(|line| {
                let (key, value) = line.split_once('=')?;
                (key.trim_end() == name).then(|| value.trim())
            })
        };
        Some(Self {
            major: value("VERSION")?.parse().ok()?,
            minor: value("PATCHLEVEL")?.parse().ok()?,
            sublevel: value("SUBLEVEL").and_then(|text| text.parse().ok()).unwrap_or(0),
            extra: value("EXTRAVERSION").unwrap_or_default().to_owned(),
        })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}{}", self.major, self.minor, self.sublevel, self.extra)
    }
}

/// The commit that a tree is at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commit {
    /// The full hash.
    pub hash: String,
    /// What `git describe --always` says.
    pub describe: String,
    /// True if a tracked file differs from the commit.
    pub dirty: bool,
}
