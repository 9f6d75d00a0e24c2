//! What is remembered of a build directory: `OUT/.vmptcp-build.json`.

use crate::error::Result;
use crate::text::file;
use crate::text::hash::Digest;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// The file's name in the build directory.
const NAME: &str = ".vmptcp-build.json";

/// The last builds in a directory.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Stamp {
    /// What the last build was made from, and what it made; `None` while a build is under way, or failed.
    pub(super) done: Option<Done>,
    /// The most steps that a build in this directory took: the first one, from nothing.
    pub(super) full_steps: Option<u64>,
    /// Whether the objects were compiled through ccache. Another answer would compile all of them again.
    pub(super) ccache: Option<bool>,
    /// The collections of selftests that are installed, by name.
    #[serde(default)]
    pub(super) collections: BTreeMap<String, Installed>,
}

/// A build that succeeded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Done {
    /// Over the commands, the environment and the tools.
    pub(super) request: Digest,
    /// Over every file of the source tree, from before the build began.
    pub(super) tree: Digest,
    /// Over the `.config`, from after the build.
    pub(super) config: Digest,
    /// Over the files that it made.
    pub(super) products: Digest,
    /// The kernel's image, relative to the build directory.
    pub(super) image: String,
    /// What `uname -r` will say.
    pub(super) release: String,
    /// How many steps it took.
    pub(super) steps: u64,
    /// How long it took.
    pub(super) seconds: f64,
}

/// A collection of selftests that was built and installed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Installed {
    /// Over the command, the environment and the tools.
    pub(super) request: Digest,
    /// Over every file of the source tree, from before the build began.
    pub(super) tree: Digest,
    /// Over the files that were installed.
    pub(super) files: Digest,
}

impl Stamp {
    /// Reads the one in `out`. One that is missing or damaged costs a run of make, nothing else.
    pub(super) fn read(out: &Path) -> Self {
        let text = std::fs::read_to_string(out.join(NAME)).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// Writes it, atomically.
    pub(super) fn write(&self, out: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).unwrap_or_default();
        file::replace(&out.join(NAME), text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::hash::of;

    #[test]
    fn a_stamp_survives_and_a_damaged_one_is_none() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Stamp::read(dir.path()), Stamp::default());
        let done = Done {
            request: of(b"1"),
            tree: of(b"2"),
            config: of(b"3"),
            products: of(b"4"),
            image: "arch/x86/boot/bzImage".to_owned(),
            release: "6.12.7".to_owned(),
            steps: 4,
            seconds: 1.5,
        };
        let stamp =
            Stamp { done: Some(done), full_steps: Some(3200), ccache: Some(true), ..Stamp::default() };
        stamp.write(dir.path()).unwrap();
        assert_eq!(Stamp::read(dir.path()), stamp);
        let text = std::fs::read_to_string(dir.path().join(NAME)).unwrap();
        std::fs::write(dir.path().join(NAME), &text[..text.len() / 2]).unwrap();
        assert_eq!(Stamp::read(dir.path()), Stamp::default());
    }
}
