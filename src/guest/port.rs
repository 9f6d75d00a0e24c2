//! The guest's end of the virtio-serial port: found by its name, without udev.

use super::protocol::{FromGuest, PORT_NAME, encode};
use crate::error::{Error, IoContext, Result};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long the device may take to appear, and the host to open its end.
const PATIENCE: Duration = Duration::from_secs(20);

/// The writing side, shared by all threads of the agent. One message is one write.
#[derive(Clone)]
pub(super) struct Voice(Arc<Mutex<File>>);

impl Voice {
    /// Says something to the host. Whether the host still listens is found out by the thread that reads.
    pub fn say(&self, message: &FromGuest) {
        let line = encode(message);
        let mut port = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = port.write_all(&line);
    }
}

/// Opens the port: the reading side, and the writing one.
pub(super) fn open() -> Result<(File, Voice)> {
    let deadline = Instant::now() + PATIENCE;
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
    Ok((port, Voice(Arc::new(Mutex::new(writer)))))
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
