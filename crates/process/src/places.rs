//! Where a guest finds what it is given: at places that are the same wherever that is on the host.

use error::{Error, IoContext, Result};
use nix::errno::Errno;
use nix::libc;
use nix::mount::{MsFlags, mount};
use std::fs::File;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Where a program is found that is a guest's agent: not below `/dev`, on which a kernel mounts devices before it starts its
/// first process.
const AGENT: &str = "/proc/driver/vmptcp";

/// The directory of [`AGENT`]: every system has it, and no program of a guest looks for it among the host's files.
const AGENT_DIR: &str = "/proc/driver";

/// The first descriptor of [`Places::Descriptors`]: more than a program opens.
const FIRST: RawFd = 200;

/// The index of what is handed over, of the agent, and of the first of what else is shown, among all places.
const HANDED_OVER_INDEX: usize = 0;
const AGENT_INDEX: usize = 1;
const SHOWN_INDEX: usize = 2;

/// How a guest finds what it is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Places {
    /// It is mounted where only the guest sees it.
    Mounted,
    /// Its kernel inherits it, open: without a namespace nothing can be mounted.
    Descriptors,
}

impl Places {
    /// How this guest does: for its first process, before that mounts anything.
    pub fn here() -> Self {
        if Path::new(AGENT).exists() { Self::Mounted } else { Self::Descriptors }
    }

    /// Where the directory is found that was handed over.
    pub fn handed_over(self) -> String {
        match self {
            Self::Mounted => "/dev/shm/vmptcp".to_owned(),
            Self::Descriptors => descriptor(HANDED_OVER_INDEX) + "/.",
        }
    }

    /// Where the agent is found.
    pub fn agent(self) -> String {
        match self {
            Self::Mounted => AGENT.to_owned(),
            Self::Descriptors => descriptor(AGENT_INDEX),
        }
    }

    /// Where the directory with this index of those that are shown is found.
    pub fn shown(self, index: usize) -> String {
        match self {
            Self::Mounted => format!("/dev/shm/vmptcp-share-{index}"),
            Self::Descriptors => descriptor(SHOWN_INDEX + index) + "/.",
        }
    }

    /// Where a kernel may put its own files.
    pub fn own_files(self) -> String {
        match self {
            Self::Mounted => "/dev/shm/uml".to_owned(),
            Self::Descriptors => descriptor(HANDED_OVER_INDEX) + "/uml",
        }
    }
}

/// The path of the descriptor with this index, in the process that has it.
fn descriptor(index: usize) -> String {
    format!("/proc/self/fd/{}", number(index))
}

fn number(index: usize) -> RawFd {
    FIRST + RawFd::try_from(index).unwrap_or_default()
}

/// Something that is found where it is not.
pub(super) struct Place {
    /// What is found there. It is open, as a mount may cover it.
    what: File,
    path: PathBuf,
    at: String,
    index: usize,
}

/// The directory that is handed over, the agent, and what else is shown, to be found elsewhere.
pub(super) fn open(hand_over: Option<&Path>, agent: Option<&Path>, show: &[PathBuf]) -> Result<Vec<Place>> {
    let handed_over =
        hand_over.into_iter().map(|dir| (dir, Places::Mounted.handed_over(), HANDED_OVER_INDEX));
    let agent = agent.into_iter().map(|program| (program, Places::Mounted.agent(), AGENT_INDEX));
    let shown = show.iter().enumerate();
    let shown = shown.map(|(index, dir)| (dir.as_path(), Places::Mounted.shown(index), SHOWN_INDEX + index));
    let open = |(path, at, index): (&Path, String, usize)| {
        let what = File::options().read(true).custom_flags(libc::O_PATH).open(path).doing("open", path)?;
        Ok(Place { what, path: path.to_owned(), at, index })
    };
    handed_over.chain(agent).chain(shown).map(open).collect()
}

/// Makes them be found by mounts, in a mount namespace of our own.
pub(super) fn mount_all(places: &[Place]) -> Result<()> {
    // Semaphores live there, and nobody outside shall see ours; who has no such directory needs none.
    let shared = mount(Some("tmpfs"), "/dev/shm", Some("tmpfs"), MsFlags::empty(), None::<&str>);
    if !places.is_empty() {
        shared.map_err(|error| failed("mount a /dev/shm of its own", error))?;
    }
    if places.iter().any(|place| place.index == AGENT_INDEX) {
        mount(Some("tmpfs"), AGENT_DIR, Some("tmpfs"), MsFlags::empty(), None::<&str>)
            .map_err(|error| failed(&format!("mount a {AGENT_DIR} of its own"), error))?;
    }
    places.iter().try_for_each(Place::fill)
}

/// Makes them be found by descriptors, which what we become inherits.
pub(super) fn keep_all(places: &[Place]) -> Result<()> {
    places.iter().try_for_each(Place::keep)
}

impl Place {
    /// Mounts it there, as writable as it is.
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

    /// Keeps it open across an exec.
    fn keep(&self) -> Result<()> {
        // SAFETY: takes no pointers; nothing here has a descriptor of such a number.
        Errno::result(unsafe { libc::dup2(self.what.as_raw_fd(), number(self.index)) })
            .map(drop)
            .map_err(|error| failed(&format!("keep {} open", self.path.display()), error))
    }
}

/// What could not be done, and why.
pub(super) fn failed(what: &str, error: Errno) -> Error {
    Error::cannot_run(format!("cannot {what}: {}", error.desc()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_things_are_at_one_place() {
        for places in [Places::Mounted, Places::Descriptors] {
            let all =
                [places.handed_over(), places.agent(), places.shown(0), places.shown(1), places.own_files()];
            let mut distinct = all.to_vec();
            distinct.sort();
            distinct.dedup();
            assert_eq!(distinct.len(), all.len(), "{all:?}");
        }
        assert_eq!(Places::Descriptors.shown(3), "/proc/self/fd/205/.");
    }
}
