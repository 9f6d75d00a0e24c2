//! Confinement: a command that can write into some directories only.
//!
//! It takes a mount namespace, in which everything is read-only but these directories. `unshare` makes the namespace; this
//! executable, started in it as `vmptcp confine`, changes its mounts, gives up what it would take to change them back, and
//! becomes the command. Reading, and the network, stay as they are.

use super::landlock;
use super::namespace::{Identity, mount_namespace};
use super::{Cmd, Output};
use error::{Error, IoContext, Result};
use nix::errno::Errno;
use nix::libc;
use nix::mount::{MsFlags, mount};
use std::ffi::{CString, OsString};
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
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

/// What a command may do that is started as `vmptcp confine`.
#[derive(Debug, Clone, Default)]
pub struct Terms {
    /// Directories that it may write into.
    pub write: Vec<PathBuf>,
    /// A directory that it finds as [`HANDED_OVER`], whatever its name is.
    pub hand_over: Option<PathBuf>,
    /// A program that it finds as [`AGENT`], wherever it is.
    pub agent: Option<PathBuf>,
    /// Directories that it finds at places that are the same everywhere: see [`shown_at`].
    pub show: Vec<PathBuf>,
    /// It is a guest: it has no capability at all, and Landlock holds it, too, where the system has that.
    pub guest: bool,
    /// Two runs are the same: its addresses are not random, and the system gives it no random numbers.
    pub repeatable: bool,
}

/// Where a directory is found that was handed over.
pub const HANDED_OVER: &str = "/dev/shm/vmptcp";

/// Where the program is found that is a guest's agent: not below `/dev`, on which a kernel mounts devices before it starts its
/// first process.
pub const AGENT: &str = "/proc/driver/vmptcp";

/// The directory of [`AGENT`]: every system has it, and no program of a guest looks for it among the host's files.
const AGENT_DIR: &str = "/proc/driver";

/// Where the directory with this index of those that are shown is found.
pub fn shown_at(index: usize) -> String {
    format!("/dev/shm/vmptcp-share-{index}")
}

/// In a mount namespace of our own: makes everything read-only but what the terms say, and becomes the command. Returns only
/// if that fails.
pub fn enter(terms: &Terms, argv: &[OsString]) -> Result<std::convert::Infallible> {
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
    let places = places(terms)?;
    // Semaphores live there, and nobody outside shall see ours; who has no such directory needs none.
    let shared = mount(Some("tmpfs"), "/dev/shm", Some("tmpfs"), MsFlags::empty(), None::<&str>);
    if !places.is_empty() {
        shared.map_err(|error| failed("mount a /dev/shm of its own", error))?;
    }
    if terms.agent.is_some() {
        mount(Some("tmpfs"), AGENT_DIR, Some("tmpfs"), MsFlags::empty(), None::<&str>)
            .map_err(|error| failed(&format!("mount a {AGENT_DIR} of its own"), error))?;
    }
    places.iter().try_for_each(Place::fill)?;
    // What we were in until now is below the new mounts.
    std::env::set_current_dir(&here).doing("change into", &here)?;
    give_up_privileges(terms).map_err(|error| failed("give up privileges", error))?;
    let Some((program, args)) = argv.split_first() else {
        return Err(Error::usage("no command").hint("give one behind --"));
    };
    Err(Cmd::new(program).args(args).exec())
}

/// Something that is found where it is not.
struct Place {
    /// What is found there. It is open, as a /dev/shm of its own may cover it.
    what: File,
    path: PathBuf,
    at: String,
}

/// All that the terms want to be found elsewhere.
fn places(terms: &Terms) -> Result<Vec<Place>> {
    let shown = terms.show.iter().enumerate().map(|(index, dir)| (dir, shown_at(index)));
    let handed_over = terms.hand_over.iter().map(|dir| (dir, HANDED_OVER.to_owned()));
    let agent = terms.agent.iter().map(|program| (program, AGENT.to_owned()));
    let open = |(path, at): (&PathBuf, String)| {
        let what = File::options().read(true).custom_flags(libc::O_PATH).open(path).doing("open", path)?;
        Ok(Place { what, path: path.clone(), at })
    };
    handed_over.chain(agent).chain(shown).map(open).collect()
}

impl Place {
    /// Makes it be found there, as writable as it is.
    fn fill(&self) -> Result<()> {
        let at = Path::new(&self.at);
        if self.what.metadata().doing("look at", &self.path)?.is_dir() {
            std::fs::create_dir(at).doing("create", at)?;
        } else {
            File::create(at).doing("create", at)?;
        }
        let from = format!("/proc/self/fd/{}", self.what.as_raw_fd());
        mount(Some(&*from), at, None::<&str>, MsFlags::MS_BIND | MsFlags::MS_REC, None::<&str>)
            .map_err(|error| failed(&format!("show {} at {}", self.path.display(), self.at), error))
    }
}

fn failed(what: &str, error: Errno) -> Error {
    Error::cannot_run(format!("cannot {what}: {}", error.desc()))
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
    for capability in if terms.guest { &all } else { &GIVEN_UP[..] } {
        // SAFETY: takes no pointers.
        match Errno::result(unsafe { libc::prctl(libc::PR_CAPBSET_DROP, *capability, 0, 0, 0) }) {
            // There is none of this number.
            Err(Errno::EINVAL) if terms.guest => break,
            dropped => dropped?,
        };
    }
    // SAFETY: takes no pointers.
    Errno::result(unsafe {
        libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL as libc::c_ulong, 0, 0, 0)
    })?;
    nix::sys::prctl::set_no_new_privs()?;
    if terms.guest {
        let shared = [Path::new("/dev/shm"), Path::new("/dev/null")];
        let writable: Vec<&Path> = terms.write.iter().map(PathBuf::as_path).chain(shared).collect();
        landlock::restrict(&writable)?;
    }
    if terms.repeatable {
        // SAFETY: takes no pointers.
        Errno::result(unsafe { libc::personality(libc::ADDR_NO_RANDOMIZE as libc::c_ulong) })?;
        refuse_random_numbers()?;
    }
    Ok(())
}

/// Makes getrandom(2) fail with ENOSYS: who asks for random numbers is to have another source.
fn refuse_random_numbers() -> nix::Result<()> {
    let statement =
        |code: u32, jt, k| libc::sock_filter { code: u16::try_from(code).unwrap_or_default(), jt, jf: 0, k };
    let number = u32::try_from(libc::SYS_getrandom).unwrap_or_default();
    let mut program = [
        // The number of the system call is the first field of `struct seccomp_data`.
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0),
        statement(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 1, number),
        statement(libc::BPF_RET | libc::BPF_K, 0, libc::SECCOMP_RET_ALLOW),
        statement(libc::BPF_RET | libc::BPF_K, 0, libc::SECCOMP_RET_ERRNO | libc::ENOSYS.unsigned_abs()),
    ];
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
