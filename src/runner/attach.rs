//! One command in a guest, with its standard streams connected to ours.

use super::watch::Watch;
use crate::error::{Error, Kind, Result};
use crate::guest::protocol::{
    Bytes, Exit, FromGuest, Io, Job, JobId, MESSAGE_LIMIT, STDIN_WINDOW, Size, Stream, ToGuest, encode,
};
use crate::process::interrupt;
use crate::text::{Shown, decode};
use crate::vm::console::Splat;
use crate::vm::{Message, Remote, Session, Spec};
use nix::sys::termios::{SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};
use std::io::{ErrorKind, Read, Write, stderr, stdin, stdout};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

const TICK: Duration = Duration::from_millis(100);

/// How often this byte (Ctrl-]) must come in a row to leave a guest that hangs.
const ESCAPE: (u8, usize) = (0x1d, 3);

const JOB: JobId = 1;

mod ioctl {
    #![allow(missing_docs, reason = "the macro leaves no place for them")]
    nix::ioctl_read_bad!(window_size, nix::libc::TIOCGWINSZ, nix::pty::Winsize);
}

/// A command for a guest.
#[derive(Debug, Clone)]
pub struct Command {
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Where it runs.
    pub cwd: String,
    /// Variables that are added to the guest's.
    pub env: Vec<(String, String)>,
    /// It gets a terminal, and ours is passed through.
    pub terminal: bool,
}

/// What a caller wants to hear.
#[derive(Debug)]
pub enum News {
    /// The guest is up, with this kernel, after so many seconds.
    Up(String, f64),
    /// Its kernel printed a splat.
    Splat(Splat),
}

/// Boots a guest, runs `command` in it, and stops it.
///
/// It is an error if the guest does not come up, or goes away before the command ends; its last lines are then in the
/// message.
pub fn run(
    spec: &Spec,
    boot_timeout: Duration,
    console_log: &Path,
    command: &Command,
    mut tell: impl FnMut(News) -> Result<()>,
) -> Result<Exit> {
    let (sender, receiver) = mpsc::sync_channel(128);
    let mut session = Session::start(spec, &[], 1, console_log, sender)?;
    let mut link = Link::new(boot_timeout, spec.machine.root.binds());
    let outcome = link.serve(&mut session, &receiver, command, &mut tell);
    link.give_back_terminal();
    session.stop();
    if let Some(splat) = link.watch.flush() {
        tell(News::Splat(splat))?;
    }
    outcome.map_err(|error| match error.kind() {
        Kind::CannotRun => {
            let tail = link.watch.tail().fold(String::new(), |all, line| all + "\n  " + line);
            Error::cannot_run(format!("{error}{tail}")).hint(spec.backend.remedy(console_log))
        }
        _ => error,
    })
}

/// Runs `command` in a guest that another process started.
pub fn join(socket: &str, command: &Command, mut tell: impl FnMut(News) -> Result<()>) -> Result<Exit> {
    let (sender, receiver) = mpsc::sync_channel(128);
    let mut remote = Remote::connect(socket, 1, sender)?;
    // It may still be booting, and its owner knows how long that may take.
    let mut link = Link::new(Duration::from_secs(24 * 3600), Vec::new());
    link.serve(&mut remote, &receiver, command, &mut tell)
}

/// What leads to an agent.
trait Peer {
    /// Says something to it.
    fn send(&self, message: ToGuest);
    /// True once it is known to be gone.
    fn gone(&mut self) -> Result<bool>;
}

impl Peer for Session {
    fn send(&self, message: ToGuest) {
        Session::send(self, message);
    }

    fn gone(&mut self) -> Result<bool> {
        self.ended().map(|exit| exit.is_some())
    }
}

impl Peer for Remote {
    fn send(&self, message: ToGuest) {
        Remote::send(self, &message);
    }

    fn gone(&mut self) -> Result<bool> {
        // Its reader says so.
        Ok(false)
    }
}

struct Link {
    boot_until: Instant,
    booted: bool,
    started: Instant,
    raw: Option<Termios>,
    resized: Arc<AtomicBool>,
    taken: Option<mpsc::Sender<()>>,
    escaped: Arc<AtomicBool>,
    watch: Watch,
    binds: Vec<(String, String)>,
}

impl Link {
    fn new(boot_timeout: Duration, binds: Vec<(String, String)>) -> Self {
        let now = Instant::now();
        Self {
            boot_until: now + boot_timeout,
            booted: false,
            started: now,
            raw: None,
            resized: Arc::default(),
            taken: None,
            escaped: Arc::default(),
            watch: Watch::default(),
            binds,
        }
    }

    fn serve(
        &mut self,
        session: &mut impl Peer,
        receiver: &mpsc::Receiver<(u32, Message)>,
        command: &Command,
        tell: &mut dyn FnMut(News) -> Result<()>,
    ) -> Result<Exit> {
        let (stdin_sender, stdin_pieces) = mpsc::channel::<Vec<u8>>();
        let mut gone: Option<Instant> = None;
        loop {
            interrupt::check()?;
            if self.escaped.load(Ordering::Relaxed) {
                return Err(Error::interrupted());
            }
            let mut quiet = false;
            match receiver.recv_timeout(TICK / if self.booted { 10 } else { 1 }) {
                Ok((_, Message::Agent(message))) => {
                    if let Some(exit) = self.agent(message, session, command, &stdin_sender, tell)? {
                        return Ok(exit);
                    }
                }
                Ok((_, Message::Console(line))) => {
                    if let Some(splat) = self.console(&line)
                        && self.watch.is_wanted()
                    {
                        tell(News::Splat(splat))?;
                    }
                }
                Ok((_, Message::AgentGone | Message::ConsoleEnded)) => {
                    gone.get_or_insert_with(|| Instant::now() + Duration::from_secs(1));
                }
                Ok((_, Message::ConsoleLost(why) | Message::Noise(why))) => {
                    self.console(why.as_bytes());
                }
                Err(_) => quiet = true,
            }
            for data in stdin_pieces.try_iter() {
                session.send(ToGuest::Stdin { id: JOB, data: Bytes(data) });
            }
            if self.resized.swap(false, Ordering::Relaxed) {
                session.send(ToGuest::Resize { id: JOB, size: terminal_size() });
            }
            if gone.is_none() && session.gone()? {
                gone = Some(Instant::now() + Duration::from_secs(1));
            }
            // What it said before waits in the channel, however slow our reader is.
            if quiet && gone.is_some_and(|at| Instant::now() >= at) {
                let what = if self.booted { "the guest went away" } else { "the guest did not come up" };
                return Err(Error::cannot_run(what));
            }
            if !self.booted && Instant::now() >= self.boot_until {
                let waited = self.started.elapsed().as_secs();
                return Err(Error::cannot_run(format!("the guest did not come up within {waited} s")));
            }
        }
    }

    fn agent(
        &mut self,
        message: FromGuest,
        session: &impl Peer,
        command: &Command,
        stdin_sender: &mpsc::Sender<Vec<u8>>,
        tell: &mut dyn FnMut(News) -> Result<()>,
    ) -> Result<Option<Exit>> {
        match message {
            FromGuest::Ready { kernel, .. } => {
                self.booted = true;
                tell(News::Up(kernel, self.started.elapsed().as_secs_f64()))?;
                if !self.binds.is_empty() {
                    session.send(ToGuest::Bind { mounts: std::mem::take(&mut self.binds) });
                }
                self.start(session, command, stdin_sender)?;
            }
            FromGuest::Output { stream, data, .. } => {
                let written = match stream {
                    Stream::Stdout => stdout().write_all(&data.0).and_then(|()| stdout().flush()),
                    Stream::Stderr => stderr().write_all(&data.0),
                };
                match written {
                    // Whoever reads us has enough, as in `vmptcp exec -- dmesg | head`.
                    Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                        return Ok(Some(Exit::Signal(nix::libc::SIGPIPE)));
                    }
                    Err(error) => return Err(Error::io("write", Path::new("standard output"), &error)),
                    Ok(()) => {}
                }
            }
            FromGuest::StdinTaken { .. } => {
                if let Some(taken) = &self.taken {
                    let _ = taken.send(());
                }
            }
            FromGuest::Ended { exit, .. } => return Ok(Some(exit)),
            FromGuest::Failed { why, code, .. } => {
                self.give_back_terminal();
                let _ = writeln!(stderr(), "vmptcp: {}", Shown::line(&why));
                return Ok(Some(Exit::Code(code)));
            }
            FromGuest::Trouble { text } => {
                let _ = writeln!(stderr(), "vmptcp: the guest says: {}\r", Shown::line(&text));
            }
            FromGuest::Started { .. } | FromGuest::Pong => {}
        }
        Ok(None)
    }

    fn start(
        &mut self,
        session: &impl Peer,
        command: &Command,
        stdin_sender: &mpsc::Sender<Vec<u8>>,
    ) -> Result<()> {
        let io = if command.terminal {
            self.raw = Some(make_raw()?);
            let _ = signal_hook::flag::register(signal_hook::consts::SIGWINCH, Arc::clone(&self.resized));
            Io::Terminal(terminal_size())
        } else {
            Io::Pipes
        };
        let message = ToGuest::Run(Job {
            id: JOB,
            argv: command.argv.clone(),
            cwd: command.cwd.clone(),
            env: command.env.clone(),
            io,
        });
        let length = encode(&message).len();
        if length > MESSAGE_LIMIT {
            return Err(Error::usage(format!("the command is too long for a guest: {length} bytes"))
                .hint("pass what is long by a file, or on standard input"));
        }
        session.send(message);
        let (taken_sender, taken) = mpsc::channel();
        self.taken = Some(taken_sender);
        let (pieces, escaped, terminal) = (stdin_sender.clone(), Arc::clone(&self.escaped), command.terminal);
        thread::spawn(move || read_stdin(&pieces, &taken, terminal.then_some(&*escaped)));
        Ok(())
    }

    fn console(&mut self, line: &[u8]) -> Option<Splat> {
        self.watch.line(decode(line).trim_end())
    }

    fn give_back_terminal(&mut self) {
        if let Some(before) = self.raw.take() {
            let _ = tcsetattr(stdin(), SetArg::TCSADRAIN, &before);
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.give_back_terminal();
    }
}

/// Sends our standard input piece by piece: the next only after the guest took the one before.
fn read_stdin(pieces: &mpsc::Sender<Vec<u8>>, taken: &mpsc::Receiver<()>, escaped: Option<&AtomicBool>) {
    let mut buffer = vec![0; STDIN_WINDOW];
    let mut escapes = 0;
    loop {
        let count = stdin().read(&mut buffer).unwrap_or(0);
        let data = buffer[..count].to_vec();
        for byte in &data {
            escapes = if *byte == ESCAPE.0 { escapes + 1 } else { 0 };
        }
        if let (Some(escaped), true) = (escaped, escapes >= ESCAPE.1) {
            escaped.store(true, Ordering::Relaxed);
        }
        if pieces.send(data).is_err() || count == 0 {
            return;
        }
        // A terminal is never ahead by much, and what is typed blindly must not wait for an answer.
        if escaped.is_none() && taken.recv().is_err() {
            return;
        }
    }
}

fn make_raw() -> Result<Termios> {
    let failed = |error| Error::cannot_run(format!("standard input is no terminal: {error}"));
    let before = tcgetattr(stdin()).map_err(failed)?;
    let mut raw = before.clone();
    cfmakeraw(&mut raw);
    tcsetattr(stdin(), SetArg::TCSADRAIN, &raw).map_err(failed)?;
    Ok(before)
}

fn terminal_size() -> Size {
    let mut size = nix::pty::Winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: the pointer is valid for the call; a descriptor that is no terminal is an error, which leaves it as it is.
    let known = unsafe { ioctl::window_size(nix::libc::STDIN_FILENO, &raw mut size) };
    match known {
        Ok(_) if size.ws_row > 0 && size.ws_col > 0 => Size { rows: size.ws_row, cols: size.ws_col },
        _ => Size { rows: 24, cols: 80 },
    }
}
