//! The guest's end of the channel to the host: a virtio-serial port, found by its name, without udev; or the first serial line
//! of user-mode Linux.

use super::protocol::{FromGuest, PORT_NAME, encode};
use error::{Error, IoContext, Result};
use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::termios::{SetArg, cfmakeraw, tcdrain, tcgetattr, tcsetattr};
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long the device may take to appear, and the host to open its end.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);

/// The writing side, shared by all threads of the agent. One message is one write.
#[derive(Clone)]
pub(super) struct Voice {
    port: Arc<Mutex<File>>,
    /// The host's clock is another than the guest's, and so it is told what this one says.
    clock: bool,
}

impl Voice {
    /// Says something to the host. Whether the host still listens is found out by the thread that reads.
    pub fn say(&self, message: &FromGuest) {
        let mut lines = Vec::new();
        let timed = matches!(message, FromGuest::Started { .. } | FromGuest::Ended { .. });
        if self.clock && timed {
            lines = encode(&FromGuest::Clock { uptime_ms: uptime_ms() });
        }
        lines.extend(encode(message));
        let mut port = self.port.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = port.write_all(&lines);
    }

    /// Waits until the host has all that was said.
    pub fn drain(&self) {
        let port = self.port.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = tcdrain(&*port);
    }
}

/// Since the kernel started, in milliseconds.
pub(super) fn uptime_ms() -> u64 {
    let uptime = fs::read_to_string("/proc/uptime").unwrap_or_default();
    let seconds = uptime.split_whitespace().next().and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
    Duration::try_from_secs_f64(seconds)
        .map_or(0, |uptime| u64::try_from(uptime.as_millis()).unwrap_or(u64::MAX))
}

/// The first serial line of user-mode Linux. `clock` is for a guest whose time is its own.
pub(super) fn serial_line(clock: bool) -> Result<(File, Voice)> {
    let path = Path::new("/dev/ttyS0");
    let line = OpenOptions::new().read(true).write(true).custom_flags(libc::O_NOCTTY).open(path);
    let line = line.doing("open", path)?;
    let failed = |error: Errno| Error::cannot_run(format!("cannot set {} up: {error}", path.display()));
    let mut terminal = tcgetattr(&line).map_err(failed)?;
    cfmakeraw(&mut terminal);
    tcsetattr(&line, SetArg::TCSANOW, &terminal).map_err(failed)?;
    let writer = line.try_clone().doing("open", path)?;
    Ok((line, Voice { port: Arc::new(Mutex::new(writer)), clock }))
}

/// What the host says to a guest of user-mode Linux: a file for each message, in a directory that the host writes to. On the
/// serial line only a byte comes for each: once as much as the terminal holds is on its way there, the kernel switches the
/// line off and, up to 7.3, never on again.
pub(super) struct Letters<Line> {
    bell: Line,
    dir: PathBuf,
    next: u64,
    open: Option<File>,
}

impl<Line: Read> Letters<Line> {
    /// Those in `dir`, of which `bell` tells.
    pub fn new(bell: Line, dir: &Path) -> Self {
        Self { bell, dir: dir.to_owned(), next: 0, open: None }
    }
}

impl<Line: Read> Read for Letters<Line> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        loop {
            if let Some(letter) = &mut self.open {
                match letter.read(buffer)? {
                    0 => self.open = None,
                    count => return Ok(count),
                }
            } else if let Ok(letter) = File::open(self.dir.join(self.next.to_string())) {
                self.open = Some(letter);
                self.next += 1;
            } else if self.bell.read(&mut [0; 64])? == 0 {
                return Ok(0);
            }
        }
    }
}

/// Opens the port: the reading side, and the writing one.
pub(super) fn open() -> Result<(File, Voice)> {
    let deadline = Instant::now() + CONNECT_TIMEOUT;
    let path = loop {
        if let Some(path) = find(Path::new("/sys/class/virtio-ports")) {
            break path;
        }
        if Instant::now() > deadline {
            return Err(Error::cannot_run(format!("no virtio-serial port is named {PORT_NAME}"))
                .hint("this command is for the inside of a guest that vmptcp booted"));
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    let port = OpenOptions::new().read(true).write(true).open(&path).doing("open", &path)?;
    while hung_up(&port) && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(20));
    }
    let writer = port.try_clone().doing("open", &path)?;
    Ok((port, Voice { port: Arc::new(Mutex::new(writer)), clock: false }))
}

fn find(ports: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(ports).ok()?;
    let port = entries.flatten().find(|entry| {
        fs::read_to_string(entry.path().join("name")).is_ok_and(|name| name.trim() == PORT_NAME)
    })?;
    Some(Path::new("/dev").join(port.file_name()))
}

fn hung_up(port: &File) -> bool {
    let mut fds = [PollFd::new(port.as_fd(), PollFlags::POLLIN)];
    poll(&mut fds, PollTimeout::ZERO).is_ok()
        && fds[0].revents().is_some_and(|events| events.contains(PollFlags::POLLHUP))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_read_in_their_order_and_end_with_the_line() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("0"), "one\n").unwrap();
        fs::write(dir.path().join("1"), "two").unwrap();
        fs::write(dir.path().join("3"), "too early").unwrap();
        let mut text = String::new();
        Letters::new(&b"..."[..], dir.path()).read_to_string(&mut text).unwrap();
        assert_eq!(text, "one\ntwo");
    }
}
