//! Confinement: a command that can write into some directories only.
//!
//! It takes a mount namespace, in which everything is read-only but these directories. `unshare` makes the namespace; this
//! executable, started in it as `vmptcp confine`, changes its mounts, gives up what it would take to change them back, and
//! becomes the command. Reading, and the network, stay as they are.

use super::namespace::{Identity, mount_namespace};
use super::{Cmd, Output};
use crate::error::{Error, IoContext, Result};
use nix::errno::Errno;
use nix::libc;
use nix::mount::{MsFlags, mount};
use std::ffi::{CString, OsString};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};

/// What confines commands on this system, if anything does.
#[derive(Debug, Clone, Default)]
pub struct Confinement {
    /// What gives a command a mount namespace, and the executable that changes its mounts.
    means: Option<(Cmd, PathBuf)>,
}

impl Confinement {
    /// Finds out whether this system grants what it takes, by confining a command that does nothing. `helper` is vmptcp, and
    /// `dir` a directory that exists.
    pub fn probe(helper: &Path, dir: &Path) -> Result<Self> {
        let Some(unshare) = mount_namespace(Identity::Ourselves)? else { return Ok(Self::default()) };
        let confinement = Self { means: Some((unshare, helper.to_owned())) };
        let works = |output: Output| output.status.success();
        let granted = confinement.wrap(&Cmd::new("true"), &[dir]).output().is_ok_and(works);
        Ok(if granted { confinement } else { Self::default() })
    }

    /// Whether commands are confined at all.
    pub fn holds(&self) -> bool {
        self.means.is_some()
    }

    /// The command, such that it can write below these directories only; as it is where this system cannot do that.
    #[must_use]
    pub fn wrap(&self, cmd: &Cmd, writable: &[&Path]) -> Cmd {
        let Some((unshare, helper)) = &self.means else { return cmd.clone() };
        let mut outer = unshare.clone().arg(helper).arg("confine");
        for dir in writable {
            outer = outer.arg("--write").arg(dir);
        }
        cmd.through(outer.arg("--"))
    }
}

/// In a mount namespace of our own: makes everything read-only but these directories, and becomes the command. Returns only
/// if that fails.
pub fn enter(writable: &[PathBuf], argv: &[OsString]) -> Result<std::convert::Infallible> {
    let here = std::env::current_dir().doing("find", "the current directory")?;
    let failed = |what: &str, error: Errno| Error::cannot_run(format!("cannot {what}: {}", error.desc()));
    let flags = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, flags, None::<&str>)
        .map_err(|error| failed("detach the mounts", error))?;
    set_read_only(Path::new("/"), true).map_err(|error| failed("make / read-only", error))?;
    for dir in writable {
        mount(Some(dir), dir, None::<&str>, MsFlags::MS_BIND, None::<&str>)
            .and_then(|()| set_read_only(dir, false))
            .map_err(|error| failed(&format!("make {} writable", dir.display()), error))?;
    }
    // Semaphores live there, and nobody outside shall see ours; who has no such directory needs none.
    let _ = mount(Some("tmpfs"), "/dev/shm", Some("tmpfs"), MsFlags::empty(), None::<&str>);
    give_up_privileges().map_err(|error| failed("give up privileges", error))?;
    // What we were in until now is below the new mounts.
    std::env::set_current_dir(&here).doing("change into", &here)?;
    let Some((program, args)) = argv.split_first() else {
        return Err(Error::usage("no command").hint("give one behind --"));
    };
    let cmd = Cmd::new(program).args(args);
    Err(cmd.spawn_error(&cmd.to_std().exec()))
}

/// `struct mount_attr` of `mount_setattr(2)`.
#[repr(C)]
struct MountAttributes {
    set: u64,
    clear: u64,
    propagation: u64,
    user_namespace: u64,
}

/// `MOUNT_ATTR_RDONLY` of `linux/mount.h`.
const READ_ONLY: u64 = 1;

/// Changes that flag of all mounts at and below a path. Fails with ENOSYS before Linux 5.12.
fn set_read_only(path: &Path, on: bool) -> nix::Result<()> {
    let path = CString::new(path.as_os_str().as_bytes()).map_err(|_| Errno::EINVAL)?;
    let attributes = MountAttributes {
        set: if on { READ_ONLY } else { 0 },
        clear: if on { 0 } else { READ_ONLY },
        propagation: 0,
        user_namespace: 0,
    };
    // SAFETY: both pointers are valid for the call, which only reads what they point to; the size is that of the structure.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            libc::AT_FDCWD,
            path.as_ptr(),
            libc::AT_RECURSIVE,
            &raw const attributes,
            size_of::<MountAttributes>(),
        )
    };
    Errno::result(result).map(drop)
}

/// Capabilities (capabilities(7)) by which a root could undo all this, or change the machine by other means than files:
/// `SYS_MODULE`, `SYS_RAWIO`, `SYS_PTRACE`, `SYS_ADMIN`, `SYS_BOOT`, `SYS_TIME`, `MKNOD`.
const GIVEN_UP: [libc::c_ulong; 7] = [16, 17, 19, 21, 22, 25, 27];

/// For us, and for all that we become or start.
fn give_up_privileges() -> nix::Result<()> {
    for capability in GIVEN_UP {
        // SAFETY: takes no pointers.
        Errno::result(unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) })?;
    }
    // SAFETY: takes no pointers.
    Errno::result(unsafe {
        libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL as libc::c_ulong, 0, 0, 0)
    })?;
    nix::sys::prctl::set_no_new_privs()
}
