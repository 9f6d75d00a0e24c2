//! Disk space, looked at before it is needed.

use crate::error::{Error, Result};
use std::path::Path;

/// Fails unless the file system of `dir` has room for `bytes` more, which is what `what` needs.
pub(super) fn require(dir: &Path, bytes: u64, what: &str) -> Result<()> {
    // Where nobody can tell, the first write that fails will.
    let Ok(stat) = nix::sys::statvfs::statvfs(dir) else { return Ok(()) };
    let free = stat.blocks_available().saturating_mul(stat.fragment_size());
    if free >= bytes {
        return Ok(());
    }
    let mib = |bytes: u64| bytes.div_ceil(1 << 20);
    let dir = dir.display();
    Err(Error::cannot_run(format!(
        "not enough disk space in {dir}: {what} needs {} MiB, {} MiB are free",
        mib(bytes),
        mib(free)
    ))
    .hint("free some disk space, then run the same command again"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_little_is_said_in_numbers() {
        let dir = tempfile::tempdir().unwrap();
        let error = require(dir.path(), u64::MAX / 2, "a kernel tree").unwrap_err().to_string();
        assert!(error.contains("a kernel tree needs 8796093022208 MiB, "), "{error}");
        require(dir.path(), 1, "a kernel tree").unwrap();
    }
}
