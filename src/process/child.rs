//! A supervised process in the background, and the ladder that stops it.

use super::{Cmd, interrupt, lines, supervise};
use crate::error::{Error, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::File;
use std::io::PipeReader;
use std::process::ExitStatus;
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// How long a process may take to end after each of interrupt and terminate.
const GRACE: Duration = Duration::from_secs(2);

/// Where the output of a background process goes. Its standard input is empty.
#[derive(Debug)]
pub enum Stdio {
    /// Both streams into one pipe, which [`Child::take_output`] returns.
    Piped,
    /// Both streams into this file.
    File(File),
}

impl Stdio {
    /// Both streams into one pipe.
    pub fn piped_output() -> Self {
        Self::Piped
    }
}

/// A running process and its descendants. Dropping it stops them all.
#[derive(Debug)]
pub struct Child {
    child: std::process::Child,
    output: Option<PipeReader>,
    name: String,
}

impl Child {
    pub(super) fn spawn(cmd: &Cmd, stdio: Stdio) -> Result<Self> {
        let name = cmd.program().to_string_lossy().into_owned();
        let plumbing = |error| Error::cannot_run(format!("cannot set up the output of {name}: {error}"));
        let mut command = cmd.to_std();
        command.stdin(std::process::Stdio::null());
        let output = match stdio {
            Stdio::Piped => {
                let (reader, writer) = std::io::pipe().map_err(plumbing)?;
                command.stdout(writer.try_clone().map_err(plumbing)?).stderr(writer);
                Some(reader)
            }
            Stdio::File(file) => {
                command.stdout(file.try_clone().map_err(plumbing)?).stderr(file);
                None
            }
        };
        supervise::under_supervision(&mut command);
        let child = command.spawn().map_err(|error| cmd.spawn_error(&error))?;
        Ok(Self { child, output, name })
    }

    /// The read end of its output; once.
    pub fn take_output(&mut self) -> Option<PipeReader> {
        self.output.take()
    }

    /// The process id of its supervisor: alive as long as any of its processes is.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it did.
    pub fn try_wait(&mut self) -> Result<Option<ExitStatus>> {
        self.child
            .try_wait()
            .map_err(|error| Error::cannot_run(format!("cannot wait for {}: {error}", self.name)))
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> Result<ExitStatus> {
        self.child
            .wait()
            .map_err(|error| Error::cannot_run(format!("cannot wait for {}: {error}", self.name)))
    }

    /// Stops it and all it started: interrupt, terminate, kill, with [`GRACE`] between them. Returns when they are gone.
    pub fn stop(&mut self) {
        for signal in [Signal::SIGINT, Signal::SIGTERM] {
            self.signal(signal);
            if self.ended_within(GRACE) {
                return;
            }
        }
        self.kill();
    }

    /// Kills it and all it started, at once. Returns when they are gone.
    pub fn kill(&mut self) {
        self.signal(supervise::KILL_ALL);
        let _ = self.child.wait();
    }

    fn signal(&self, signal: Signal) {
        if let Ok(pid) = i32::try_from(self.child.id()) {
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }

    fn ended_within(&mut self, time: Duration) -> bool {
        let deadline = Instant::now() + time;
        loop {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return true;
            }
            if Instant::now() >= deadline {
                return false;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.stop();
        }
    }
}

/// See [`Cmd::stream`].
pub(super) fn stream(cmd: &Cmd, mut on_line: impl FnMut(&str)) -> Result<ExitStatus> {
    let mut child = cmd.spawn(Stdio::Piped)?;
    let (sender, receiver) = mpsc::sync_channel::<String>(256);
    let reader = child.take_output().map(|output| {
        std::thread::spawn(move || {
            lines::read_lines(output, |line| sender.send(String::from_utf8_lossy(line).into_owned()).is_ok());
        })
    });
    loop {
        match receiver.recv_timeout(Duration::from_millis(100)) {
            Ok(line) => on_line(&line),
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
            Err(mpsc::RecvTimeoutError::Timeout) => {}
        }
        if interrupt::requested() {
            // Nobody reads any more: without this the reader would block on a full channel for ever.
            drop(receiver);
            child.stop();
            return Err(Error::interrupted());
        }
    }
    if let Some(reader) = reader {
        let _ = reader.join();
    }
    child.wait()
}
