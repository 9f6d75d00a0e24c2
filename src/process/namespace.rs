//! Mount namespaces: a view of the file system that a command and its children alone have.

use super::{Cmd, find};
use crate::error::Result;

/// Who the command is in its namespace, where it takes a user namespace to get one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identity {
    /// Root.
    Root,
    /// Who we are.
    Ourselves,
}

/// The command that runs another one, its further arguments, in a mount namespace of its own; none if this system grants
/// none. Fails if `unshare` is missing.
pub fn mount_namespace(identity: Identity) -> Result<Option<Cmd>> {
    let unshare = find("unshare")?.path;
    let user: &[&str] = match identity {
        Identity::Root => &["--user", "--map-root-user", "--mount"],
        Identity::Ourselves => &["--user", "--map-current-user", "--mount"],
    };
    for options in [&["--mount"][..], user] {
        let cmd = Cmd::new(&unshare).args(options);
        if cmd.clone().arg("true").output()?.status.success() {
            return Ok(Some(cmd));
        }
    }
    Ok(None)
}
