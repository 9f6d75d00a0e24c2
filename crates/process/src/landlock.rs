//! Landlock: a process gives up, for itself and all that it starts, to write anywhere but below some directories, and to
//! signal who is not of its kind. Source: `Documentation/userspace-api/landlock.rst` of Linux.

use nix::errno::Errno;
use nix::libc;
use std::fs::{File, OpenOptions};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// The rights by which files are changed or made, by the version that brought them: `LANDLOCK_ACCESS_FS_*`.
const CHANGES: [(libc::c_long, u64); 3] = [
    // WRITE_FILE, REMOVE_DIR, REMOVE_FILE, MAKE_CHAR, _DIR, _REG, _SOCK, _FIFO, _BLOCK, _SYM
    (1, 1 << 1 | 0b1_1111_1111 << 4),
    // REFER
    (2, 1 << 13),
    // TRUNCATE
    (3, 1 << 14),
];

/// `LANDLOCK_ACCESS_FS_WRITE_FILE` and `_TRUNCATE`: what a file, which is no directory, can be opened to.
const OF_A_FILE: u64 = 1 << 1 | 1 << 14;

/// `LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET` and `LANDLOCK_SCOPE_SIGNAL`, and the version that brought them.
const SCOPES: (libc::c_long, u64) = (6, 0b11);

const CREATE: libc::c_long = 444;
const ADD: libc::c_long = 445;
const RESTRICT: libc::c_long = 446;

/// `LANDLOCK_CREATE_RULESET_VERSION`
const ASK_FOR_VERSION: libc::c_long = 1;

/// `LANDLOCK_RULE_PATH_BENEATH`
const PATH_BENEATH: libc::c_long = 1;

#[repr(C)]
struct Ruleset {
    files: u64,
    network: u64,
    scopes: u64,
}

#[repr(C, packed)]
struct PathBeneath {
    allowed: u64,
    parent: i32,
}

/// Restricts this process to changes at and below these paths. Does nothing where the kernel has no Landlock.
pub(super) fn restrict(writable: &[&Path]) -> nix::Result<()> {
    // SAFETY: asks for the version, and takes no pointer then.
    let version = unsafe { libc::syscall(CREATE, std::ptr::null::<Ruleset>(), 0usize, ASK_FOR_VERSION) };
    if version < 1 {
        return Ok(());
    }
    let files =
        CHANGES.iter().filter(|(since, _)| *since <= version).fold(0, |all, (_, rights)| all | rights);
    let scopes = if SCOPES.0 <= version { SCOPES.1 } else { 0 };
    let ruleset = Ruleset { files, network: 0, scopes };
    // What an older kernel does not know of it is zero, and it says how much that may be by refusing the rest.
    let size = if version < 4 {
        8
    } else if version < 6 {
        16
    } else {
        size_of::<Ruleset>()
    };
    // SAFETY: the structure is valid for the call and at least of this size.
    let handle = Errno::result(unsafe { libc::syscall(CREATE, &raw const ruleset, size, 0) })?;
    // SAFETY: a new descriptor, which nobody else has.
    let handle = unsafe { OwnedFd::from_raw_fd(i32::try_from(handle).map_err(|_| Errno::EBADF)?) };
    for path in writable {
        let Ok(place) = open(path) else { continue };
        let is_dir = place.metadata().is_ok_and(|data| data.is_dir());
        let allowed = if is_dir { files } else { files & OF_A_FILE };
        let rule = PathBeneath { allowed, parent: place.as_raw_fd() };
        // SAFETY: the structure and both descriptors are valid for the call.
        let added = unsafe { libc::syscall(ADD, handle.as_raw_fd(), PATH_BENEATH, &raw const rule, 0) };
        Errno::result(added)?;
    }
    // SAFETY: takes no pointer.
    Errno::result(unsafe { libc::syscall(RESTRICT, handle.as_raw_fd(), 0) }).map(drop)
}

fn open(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().read(true).custom_flags(libc::O_PATH).open(path)
}
