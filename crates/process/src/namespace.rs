//! Mount namespaces: a view of the file system that a command and its children alone have.

use super::{Cmd, find};
use error::Result;

/// Who the command is in its namespace, where it takes a user namespace to get one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identity {
    /// Root.
    Root,
    /// Who we are.
    Ourselves,
}

/// Mounts something, which nobody else sees.
const PROBE: [&str; 4] = ["mount", "--bind", "/dev/null", "/dev/zero"];

/// The command that runs another one, its further arguments, in a mount namespace of its own; none if this system grants
/// none. Fails if `unshare` is missing.
pub fn mount_namespace(identity: Identity) -> Result<Option<Cmd>> {
    let unshare = find("unshare")?.path;
    let user: &[&str] = match identity {
        Identity::Root => &["--user", "--map-root-user", "--mount"],
        // Nobody but root keeps what it takes to mount, across an exec.
        Identity::Ourselves => &["--user", "--map-current-user", "--keep-caps", "--mount"],
    };
    for options in [&["--mount"][..], user] {
        let cmd = Cmd::new(&unshare).args(options);
        // That there is a namespace does not mean that one may mount in it.
        if cmd.clone().args(PROBE).output()?.status.success() {
            return Ok(Some(cmd));
        }
    }
    Ok(None)
}

/// Further namespaces for a guest: its processes, its System V objects and its network are its own, and it ends with the
/// command that made them.
const OF_A_GUEST: [&str; 5] = ["--pid", "--fork", "--kill-child=KILL", "--ipc", "--net"];

/// The command that runs another one where nothing of this system is its own; none if this system grants no such place.
pub fn guest_namespace() -> Result<Option<Cmd>> {
    let Some(cmd) = mount_namespace(Identity::Ourselves)?.map(|cmd| cmd.args(OF_A_GUEST)) else {
        return Ok(None);
    };
    Ok(cmd.clone().arg("true").output()?.status.success().then_some(cmd))
}
