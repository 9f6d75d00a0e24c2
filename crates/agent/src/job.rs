//! One job of the agent: a process, and the threads that carry its streams.

use super::port::Voice;
use super::protocol::{Bytes, Exit, FromGuest, Io, Job, Size, Stream};
use error::{Error, Result};
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::pty::{OpenptyResult, Winsize, openpty};
use nix::sys::signal::Signal;
use process::{Child, Cmd, Process, Stdio, read_pieces};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How much of a job's output travels in one message, in bytes.
const CHUNK: usize = 16 * 1024;

/// How long after the end of a job its output may go on: somebody that left the job still holds the pipe.
const LINGER: Duration = Duration::from_secs(2);

nix::ioctl_write_ptr_bad!(set_window_size, nix::libc::TIOCSWINSZ, Winsize);

/// The host's handle on a job that runs.
pub(super) struct Running {
    supervisor: Option<Process>,
    stdin: Option<mpsc::Sender<Vec<u8>>>,
    terminal: Option<OwnedFd>,
}

impl Running {
    /// Hands bytes to the job's standard input; none ends it.
    pub fn feed(&mut self, data: Vec<u8>) {
        if data.is_empty() {
            self.stdin = None;
        } else if let Some(stdin) = &self.stdin {
            let _ = stdin.send(data);
        }
    }

    /// Tells the job's terminal its size.
    pub fn resize(&self, size: Size) {
        if let Some(terminal) = &self.terminal {
            let size = window(size);
            // SAFETY: the descriptor is ours and the pointer is valid for the call.
            let _ = unsafe { set_window_size(std::os::fd::AsRawFd::as_raw_fd(terminal), &raw const size) };
        }
    }

    /// Sends a signal to the job's process group.
    pub fn signal(&self, signal: i32) {
        let Ok(signal) = Signal::try_from(signal) else { return };
        // The supervisor passes on what can be caught, and takes everything along when it is told to kill.
        let signal = if signal == Signal::SIGKILL { Signal::SIGUSR1 } else { signal };
        // It may have ended meanwhile.
        let _ = self.supervisor.map(|supervisor| supervisor.signal(signal));
    }
}

/// Starts `job`. Its end is told to the host by a thread of its own.
pub(super) fn start(job: &Job, voice: &Voice, mut ended: impl FnMut() + Send + 'static) -> Result<Running> {
    let (program, args) = job.argv.split_first().ok_or_else(|| Error::usage("a job without a command"))?;
    let mut cmd = Cmd::new(program).args(args).cwd(&job.cwd);
    for (key, value) in &job.env {
        cmd = cmd.env(key, value);
    }
    if !std::path::Path::new(&job.cwd).is_dir() {
        return Err(Error::cannot_run(format!("no such directory in the guest: {}", job.cwd)));
    }
    let (mut child, wires) = connect(&cmd, job.io)?;
    voice.say(&FromGuest::Started { id: job.id });
    let supervisor = Process::of(child.id());
    let id = job.id;
    let readers: Vec<Reader> = wires
        .outputs
        .into_iter()
        .map(|(stream, source)| {
            let voice = voice.clone();
            Reader::start(source, move |data| voice.say(&FromGuest::Output { id, stream, data }))
        })
        .collect();
    let stdin = wires.stdin.map(|sink| {
        let (sender, receiver) = mpsc::channel();
        let voice = voice.clone();
        thread::spawn(move || carry_input(sink, &receiver, || voice.say(&FromGuest::StdinTaken { id })));
        sender
    });
    let voice = voice.clone();
    thread::spawn(move || {
        let exit = child.wait().map_or(Exit::Code(255), exit_of);
        wait_for_output(&readers);
        voice.say(&FromGuest::Ended { id, exit });
        ended();
    });
    Ok(Running { supervisor, stdin, terminal: wires.terminal })
}

/// The agent's ends of a job's streams.
struct Wires {
    stdin: Option<Box<dyn Write + Send>>,
    outputs: Vec<(Stream, Box<dyn Read + Send>)>,
    terminal: Option<OwnedFd>,
}

fn connect(cmd: &Cmd, io: Io) -> Result<(Child, Wires)> {
    let lost = || Error::cannot_run("a pipe is missing");
    let mut wires = Wires { stdin: None, outputs: Vec::new(), terminal: None };
    let child = match io {
        Io::Merged => {
            let mut child = cmd.spawn(Stdio::Merged)?;
            wires.outputs.push((Stream::Stdout, Box::new(child.take_output().ok_or_else(lost)?)));
            child
        }
        Io::Pipes => {
            let mut child = cmd.spawn(Stdio::Pipes)?;
            let pipes = child.take_pipes().ok_or_else(lost)?;
            wires.stdin = Some(Box::new(pipes.stdin));
            wires.outputs.push((Stream::Stdout, Box::new(pipes.stdout)));
            wires.outputs.push((Stream::Stderr, Box::new(pipes.stderr)));
            child
        }
        Io::Terminal(size) => {
            let no_terminal = |error| Error::cannot_run(format!("cannot open a terminal: {error}"));
            let again = |error: std::io::Error| Error::cannot_run(format!("cannot open a terminal: {error}"));
            let OpenptyResult { master, slave } = openpty(&window(size), None).map_err(no_terminal)?;
            for end in [&master, &slave] {
                fcntl(end, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).map_err(no_terminal)?;
            }
            let child = cmd.spawn(Stdio::Terminal(slave))?;
            wires.stdin = Some(Box::new(File::from(master.try_clone().map_err(again)?)));
            wires.outputs.push((Stream::Stdout, Box::new(File::from(master.try_clone().map_err(again)?))));
            wires.terminal = Some(master);
            child
        }
    };
    Ok((child, wires))
}

fn window(size: Size) -> Winsize {
    Winsize { ws_row: size.rows, ws_col: size.cols, ws_xpixel: 0, ws_ypixel: 0 }
}

/// A thread that carries one stream of a job's output to the host.
struct Reader {
    thread: JoinHandle<()>,
    /// It has something in its hands: the host takes its time.
    busy: Arc<AtomicBool>,
}

impl Reader {
    fn start(source: Box<dyn Read + Send>, mut say: impl FnMut(Bytes) + Send + 'static) -> Self {
        let busy = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&busy);
        let thread = thread::spawn(move || {
            read_pieces(source, CHUNK, |data| {
                flag.store(true, Ordering::SeqCst);
                say(Bytes(data.to_vec()));
                flag.store(false, Ordering::SeqCst);
                true
            });
        });
        Self { thread, busy }
    }
}

fn carry_input(mut sink: Box<dyn Write + Send>, source: &mpsc::Receiver<Vec<u8>>, taken: impl Fn()) {
    for data in source {
        let open = sink.write_all(&data).and_then(|()| sink.flush()).is_ok();
        // Also when nobody reads: the host would wait for ever, and it cannot know.
        taken();
        if !open {
            return;
        }
    }
}

/// Waits until all output is on its way, but not for somebody who only holds a pipe open and says nothing.
fn wait_for_output(readers: &[Reader]) {
    let mut deadline = Instant::now() + LINGER;
    while !readers.iter().all(|reader| reader.thread.is_finished()) && Instant::now() < deadline {
        if readers.iter().any(|reader| reader.busy.load(Ordering::SeqCst)) {
            deadline = Instant::now() + LINGER;
        }
        thread::sleep(Duration::from_millis(2));
    }
}

fn exit_of(status: ExitStatus) -> Exit {
    status.signal().map_or_else(|| Exit::Code(status.code().unwrap_or(255)), Exit::Signal)
}
