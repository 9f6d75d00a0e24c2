//! The guest's memory control group: the kernel charges a socket's memory, subflows' included, only to one that is not the
//! root.

use std::fs;
use std::io;
use std::path::Path;

/// Where virtme-ng's init mounts the control groups.
pub(super) const ROOT: &str = "/sys/fs/cgroup";

/// Moves this process, and so all that it starts, into a memory control group of its own below `root`. Fails where the
/// kernel has none: then no socket is charged.
pub(super) fn join(root: &Path) -> io::Result<()> {
    fs::write(root.join("cgroup.subtree_control"), "+memory")?;
    let group = root.join("vmptcp");
    fs::create_dir(&group)?;
    fs::write(group.join("cgroup.procs"), std::process::id().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_controller_is_on_before_the_group_is_there() {
        let root = tempfile::tempdir().unwrap();
        join(root.path()).unwrap();
        let read = |name: &str| fs::read_to_string(root.path().join(name)).unwrap();
        assert_eq!(read("cgroup.subtree_control"), "+memory");
        assert_eq!(read("vmptcp/cgroup.procs"), std::process::id().to_string());
        assert!(join(&root.path().join("nowhere")).is_err());
    }
}
