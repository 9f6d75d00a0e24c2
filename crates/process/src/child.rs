//! A supervised process in the background, and the ladder that stops it.

use super::{Cmd, Pid, interrupt, lines, supervise};
use error::{Error, Result};
use nix::sys::signal::{Signal, kill};
use shown::decode;
use std::fs::File;
use std::io::PipeReader;
use std::os::fd::OwnedFd;
use std::process::{self, ExitStatus};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// How long a process may take to end after each of interrupt and terminate.
const GRACE: Duration = Duration::from_secs(2);

/// What the standard streams of a background process are. Its input is empty unless told otherwise.
#[derive(Debug)]
pub enum Stdio {
    /// Both outputs into one pipe: [`Child::take_output`].
    Merged,
    /// Both outputs into this file.
    File(File),
    /// Three pipes: [`Child::take_pipes`].
    Pipes,
    /// This terminal, which becomes the controlling one of a new session.
    Terminal(OwnedFd),
}

/// The three pipes of a process that was started with [`Stdio::Pipes`].
#[derive(Debug)]
pub struct Pipes {
    /// Its standard input.
    pub stdin: process::ChildStdin,
    /// Its standard output.
    pub stdout: process::ChildStdout,
    /// Its standard error.
    pub stderr: process::ChildStderr,
}

/// A running process and its descendants. Dropping it stops them all.
#[derive(Debug)]
pub struct Child {
    process: process::Child,
    pid: Pid,
    output: Option<PipeReader>,
    name: String,
}

impl Child {
    pub(super) fn spawn(cmd: &Cmd, stdio: Stdio) -> Result<Self> {
        let name = cmd.program().to_string_lossy().into_owned();
        let plumbing = |error| Error::cannot_run(format!("cannot set up the output of {name}: {error}"));
        let mut command = cmd.to_std();
        command.stdin(process::Stdio::null());
        let session = matches!(stdio, Stdio::Terminal(_));
        let mut output = None;
        match stdio {
            Stdio::Merged => {
                let (reader, writer) = std::io::pipe().map_err(plumbing)?;
                command.stdout(writer.try_clone().map_err(plumbing)?).stderr(writer);
                output = Some(reader);
            }
            Stdio::File(file) => {
                command.stdout(file.try_clone().map_err(plumbing)?).stderr(file);
            }
            Stdio::Pipes => {
                command.stdin(process::Stdio::piped());
                command.stdout(process::Stdio::piped()).stderr(process::Stdio::piped());
            }
            Stdio::Terminal(terminal) => {
                command.stdin(terminal.try_clone().map_err(plumbing)?);
                command.stdout(terminal.try_clone().map_err(plumbing)?).stderr(terminal);
            }
        }
        supervise::under_supervision(&mut command, session);
        let process = command.spawn().map_err(|error| cmd.spawn_error(&error))?;
        let pid = Pid::new(process.id())
            .ok_or_else(|| Error::cannot_run(format!("{name} has no process id: {}", process.id())))?;
        Ok(Self { process, pid, output, name })
    }

    /// Its three pipes; once, and only after [`Stdio::Pipes`].
    pub fn take_pipes(&mut self) -> Option<Pipes> {
        let (stdin, stdout) = (self.process.stdin.take()?, self.process.stdout.take()?);
        Some(Pipes { stdin, stdout, stderr: self.process.stderr.take()? })
    }

    /// The read end of its merged output; once.
    pub fn take_output(&mut self) -> Option<PipeReader> {
        self.output.take()
    }

    /// The process id of its supervisor: alive as long as any of its processes is.
    pub fn id(&self) -> Pid {
        self.pid
    }

    /// How it ended, if it did.
    pub fn try_wait(&mut self) -> Result<Option<ExitStatus>> {
        self.process
            .try_wait()
            .map_err(|error| Error::cannot_run(format!("cannot wait for {}: {error}", self.name)))
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> Result<ExitStatus> {
        self.process
            .wait()
            .map_err(|error| Error::cannot_run(format!("cannot wait for {}: {error}", self.name)))
    }

    /// Stops it and all it started: interrupt, terminate, kill, with two seconds between them. Returns when they are gone.
    pub fn stop(&mut self) {
        for signal in [Signal::SIGINT, Signal::SIGTERM] {
            self.signal(signal);
            if self.ended_within(GRACE) {
                return;
            }
        }
        self.kill();
    }

    /// Stops it and all it started: terminate, then kill. For what would only print a stack trace on an interrupt.
    pub fn terminate(&mut self) {
        self.signal(Signal::SIGTERM);
        if !self.ended_within(GRACE) {
            self.kill();
        }
    }

    /// Kills it and all it started, at once. Returns when they are gone.
    pub fn kill(&mut self) {
        self.signal(supervise::KILL_ALL);
        let _ = self.process.wait();
    }

    /// Sends a signal to its process group.
    pub fn signal(&mut self, signal: Signal) {
        // Nobody but us collects it: as long as that has not happened, its id is no other's.
        if matches!(self.process.try_wait(), Ok(None)) {
            let _ = kill(nix::unistd::Pid::from_raw(self.pid.into()), signal);
        }
    }

    /// Waits for its end, at most so long; true if it ended.
    pub fn ended_within(&mut self, time: Duration) -> bool {
        let deadline = Instant::now() + time;
        let mut pause = Duration::from_millis(1);
        loop {
            if !matches!(self.process.try_wait(), Ok(None)) {
                return true;
            }
            if Instant::now() >= deadline {
                return false;
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(20));
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if matches!(self.process.try_wait(), Ok(None)) {
            self.stop();
        }
    }
}

/// See [`Cmd::stream`].
pub(super) fn stream(cmd: &Cmd, mut on_line: impl FnMut(&str)) -> Result<ExitStatus> {
    let mut child = cmd.spawn(Stdio::Merged)?;
    let (sender, receiver) = mpsc::sync_channel::<String>(256);
    let reader = child.take_output().map(|output| {
        std::thread::spawn(move || {
            lines::read_lines(output, |line| sender.send(decode(line).into_owned()).is_ok());
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
            return Err(interrupt::error());
        }
    }
    if let Some(reader) = reader {
        let _ = reader.join();
    }
    // It may close its output and go on: not for longer than anybody wants.
    while !child.ended_within(Duration::from_millis(100)) {
        if interrupt::requested() {
            child.stop();
            return Err(interrupt::error());
        }
    }
    child.wait()
}
