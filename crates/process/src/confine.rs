//! Confinement: a command that can write into some directories only.
//!
//! It takes a mount namespace, in which everything is read-only but these directories. `unshare` makes the namespace; this
//! executable, started in it as `vmptcp confine`, changes its mounts, gives up what it would take to change them back, and
//! becomes the command. Reading, and the network, stay as they are.

use super::first;
use super::landlock;
use super::namespace::{Identity, mount_namespace};
use super::places::{self, Places, failed};
use super::{Cmd, Output};
use error::{Error, IoContext, Result};
use nix::errno::Errno;
use nix::libc;
use nix::mount::{MsFlags, mount};
use std::ffi::{CString, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

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

/// What a command may do that is started as `vmptcp confine`.
#[derive(Debug, Clone, Default)]
pub struct Terms {
    /// Directories that it may write into.
    pub write: Vec<PathBuf>,
    /// A directory that it finds at a place that is the same everywhere: see [`Places`].
    pub hand_over: Option<PathBuf>,
    /// A program that it finds so.
    pub agent: Option<PathBuf>,
    /// Directories that it finds so.
    pub show: Vec<PathBuf>,
    /// It is a guest, which finds what it is given so: it has no capability at all, and Landlock holds it, too, where the system has
    /// that. With descriptors there is no namespace and nothing is mounted: Landlock alone holds it.
    pub guest: Option<Places>,
    /// Two runs are the same: its addresses are not random, and the system gives it no random numbers.
    pub repeatable: bool,
    /// The command starts only once a debugger is attached.
    pub hold: bool,
}

/// Confines this process by the terms, and becomes the command. Returns only if that fails; or, in the first process of a
/// namespace, the exit code of the command.
pub fn enter(terms: &Terms, argv: &[OsString]) -> Result<u8> {
    let places = places::open(terms.hand_over.as_deref(), terms.agent.as_deref(), &terms.show)?;
    if terms.guest == Some(Places::Descriptors) {
        places::keep_all(&places)?;
    } else {
        mount_what_it_sees(terms, &places)?;
    }
    give_up_privileges(terms).map_err(|error| failed("give up privileges", error))?;
    if let Some(code) = first::wait_as_first()? {
        return Ok(code);
    }
    if terms.hold {
        wait_for_debugger()?;
    }
    let Some((program, args)) = argv.split_first() else {
        return Err(Error::usage("no command").hint("give one behind --"));
    };
    Err(Cmd::new(program).args(args).exec())
}

/// In a mount namespace of our own: makes everything read-only but what the terms say.
fn mount_what_it_sees(terms: &Terms, places: &[places::Place]) -> Result<()> {
    let here = std::env::current_dir().doing("find", "the current directory")?;
    let flags = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, flags, None::<&str>)
        .map_err(|error| failed("detach the mounts", error))?;
    set_read_only(Path::new("/"), true).map_err(|error| failed("make / read-only", error))?;
    for dir in &terms.write {
        mount(Some(dir), dir, None::<&str>, MsFlags::MS_BIND, None::<&str>)
            .and_then(|()| set_read_only(dir, false))
            .map_err(|error| failed(&format!("make {} writable", dir.display()), error))?;
    }
    places::mount_all(places)?;
    // What we were in until now is below the new mounts.
    std::env::set_current_dir(&here).doing("change into", &here)
}

/// How often it is looked whether a debugger is there.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Returns when a debugger traces this process. The first of a process namespace cannot stop itself by a signal.
fn wait_for_debugger() -> Result<()> {
    let status = Path::new("/proc/self/status");
    while !is_traced(&std::fs::read_to_string(status).doing("read", status)?) {
        std::thread::sleep(POLL_INTERVAL);
    }
    Ok(())
}

/// Whether `/proc/PID/status` names a tracer.
fn is_traced(status: &str) -> bool {
    status.lines().any(|line| line.strip_prefix("TracerPid:").is_some_and(|pid| pid.trim() != "0"))
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

/// The last capability there may be: more than any system has, and fewer than a set has bits.
const LAST_CAPABILITY: libc::c_ulong = 63;

/// For us, and for all that we become or start.
fn give_up_privileges(terms: &Terms) -> nix::Result<()> {
    let all: Vec<libc::c_ulong> = (0..=LAST_CAPABILITY).collect();
    for capability in if terms.guest.is_some() { &all } else { &GIVEN_UP[..] } {
        // SAFETY: takes no pointers.
        match Errno::result(unsafe { libc::prctl(libc::PR_CAPBSET_DROP, *capability, 0, 0, 0) }) {
            // There is none of this number.
            Err(Errno::EINVAL) if terms.guest.is_some() => break,
            dropped => dropped?,
        };
    }
    // SAFETY: takes no pointers.
    Errno::result(unsafe {
        libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL as libc::c_ulong, 0, 0, 0)
    })?;
    nix::sys::prctl::set_no_new_privs()?;
    if let Some(places) = terms.guest {
        let shared = [Path::new("/dev/shm"), Path::new("/dev/null")];
        // Without a mount of its own for them, a kernel's own files are in what was handed over.
        let own = terms.hand_over.iter().filter(|_| places == Places::Descriptors).map(PathBuf::as_path);
        let writable: Vec<&Path> =
            terms.write.iter().map(PathBuf::as_path).chain(shared).chain(own).collect();
        landlock::restrict(&writable)?;
    }
    if terms.repeatable {
        // SAFETY: takes no pointers.
        Errno::result(unsafe { libc::personality(libc::ADDR_NO_RANDOMIZE as libc::c_ulong) })?;
        // Who asks for random numbers is to have another source.
        refuse([(libc::SYS_getrandom, libc::ENOSYS)])?;
    }
    if terms.guest == Some(Places::Descriptors) {
        refuse_attributes()?;
    }
    Ok(())
}

/// System calls that change what is none of Landlock's of a file: its mode, its owner, its times, its attributes.
const OF_ATTRIBUTES: &[libc::c_long] = &[
    libc::SYS_fchmodat,
    libc::SYS_fchmodat2,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_utimensat,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_fremovexattr,
];

/// Older ones, which newer architectures never had.
#[cfg(target_arch = "x86_64")]
const OLD_OF_ATTRIBUTES: &[libc::c_long] = &[
    libc::SYS_chmod,
    libc::SYS_chown,
    libc::SYS_lchown,
    libc::SYS_utime,
    libc::SYS_utimes,
    libc::SYS_futimesat,
];
#[cfg(not(target_arch = "x86_64"))]
const OLD_OF_ATTRIBUTES: &[libc::c_long] = &[];

/// Refuses to change attributes of files.
fn refuse_attributes() -> nix::Result<()> {
    let refused = OF_ATTRIBUTES.iter().chain(OLD_OF_ATTRIBUTES).map(|call| (*call, libc::EPERM));
    // A kernel sets the mode of a file of its own, which must not fail.
    refuse(std::iter::once((libc::SYS_fchmod, 0)).chain(refused))
}

/// Lets system calls do nothing, and fail with that error; 0 is none.
fn refuse(calls: impl IntoIterator<Item = (libc::c_long, libc::c_int)>) -> nix::Result<()> {
    let statement =
        |code: u32, jf, k| libc::sock_filter { code: u16::try_from(code).unwrap_or_default(), jt: 0, jf, k };
    // The number of the system call is the first field of `struct seccomp_data`.
    let mut program = vec![statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0)];
    for (number, error) in calls {
        let number = u32::try_from(number).unwrap_or_default();
        // The next statement, or the one behind it.
        program.push(statement(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 1, number));
        let refusal = libc::SECCOMP_RET_ERRNO | error.unsigned_abs();
        program.push(statement(libc::BPF_RET | libc::BPF_K, 0, refusal));
    }
    program.push(statement(libc::BPF_RET | libc::BPF_K, 0, libc::SECCOMP_RET_ALLOW));
    let length = u16::try_from(program.len()).unwrap_or_default();
    let filter = libc::sock_fprog { len: length, filter: program.as_mut_ptr() };
    // SAFETY: the program is valid for the call, which copies it.
    let result = unsafe {
        libc::prctl(
            libc::PR_SET_SECCOMP,
            libc::c_ulong::from(libc::SECCOMP_MODE_FILTER),
            &raw const filter,
            0,
            0,
        )
    };
    Errno::result(result).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tracer_is_found_in_the_status_of_a_process() {
        assert!(!is_traced("Name:\tcat\nTracerPid:\t0\nUid:\t0\n"));
        assert!(is_traced("Name:\tcat\nTracerPid:\t4711\nUid:\t0\n"));
        assert!(!is_traced("Name:\tTracerPid: 4\n"));
    }
}
