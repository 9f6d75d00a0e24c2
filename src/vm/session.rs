//! One VM's life: its processes, its console, its agent.
//!
//! Three threads feed the one channel of the owner: the console's reader, the agent's reader, and nobody writes to the
//! guest but a third, so that the owner never waits for a guest that does not read.

use super::exchange::Exchange;
use super::monitor::Monitor;
use super::registry::{self, Guest, Registration};
use super::socket::{Listener, unused_name};
use super::spec::{self, Spec};
use crate::error::{Error, IoContext, Result};
use crate::guest::protocol::{FromGuest, ToGuest, encode};
use crate::guest::stream::read_messages;
use crate::process::{Child, Process, Stdio, read_lines};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::fs::File;
use std::io::{PipeReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, SyncSender, TrySendError};
use std::thread;
use std::time::Duration;

/// Identifies one VM among those of an invocation.
pub type VmId = u32;

/// What a VM tells its owner.
#[derive(Debug)]
pub enum Message {
    /// A line of the console, without its line feed; at most [`crate::process::LINE_LIMIT`] bytes.
    Console(Vec<u8>),
    /// The console log cannot be written any more: the reason.
    ConsoleLost(String),
    /// The agent says something.
    Agent(FromGuest),
    /// The agent, or the kernel below it, says something that is no message.
    Noise(String),
    /// The agent's end of the port is closed: the guest is gone, or going.
    AgentGone,
    /// All processes that could write to the console are gone.
    ConsoleEnded,
}

/// A running VM. Dropping it stops all of its processes.
#[derive(Debug)]
pub struct Session {
    child: Child,
    monitor: Monitor,
    _listed: Arc<Registration>,
    outbox: mpsc::Sender<ToGuest>,
    muted: Arc<AtomicBool>,
}

/// Where the readers put what they read.
#[derive(Clone)]
struct Inbox {
    id: VmId,
    sender: SyncSender<(VmId, Message)>,
    muted: Arc<AtomicBool>,
}

impl Inbox {
    /// False once nobody wants to hear of this VM any more. Waits while the owner is busy: the guest waits with us, so
    /// that memory stays bounded whatever it prints.
    fn put(&self, message: Message) -> bool {
        let mut letter = (self.id, message);
        loop {
            if self.muted.load(Ordering::Relaxed) {
                return false;
            }
            match self.sender.try_send(letter) {
                Ok(()) => return true,
                Err(TrySendError::Disconnected(_)) => return false,
                Err(TrySendError::Full(back)) => letter = back,
            }
            thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Session {
    /// Starts the VM that `spec` describes. Whatever it tells goes to `sender`, under `id`; its console also into the
    /// file `console_log`, as it comes.
    pub fn start(
        spec: &Spec,
        id: VmId,
        console_log: &Path,
        sender: SyncSender<(VmId, Message)>,
    ) -> Result<Self> {
        let log = File::create(console_log).doing("create", console_log)?;
        let name = unused_name("vmptcp");
        let listener = Listener::open(&name)?;
        let monitor = Monitor::new(Listener::open(&spec::monitor_of(&name))?);
        let control = Listener::open(&control_of(&name))?;
        let muted = Arc::new(AtomicBool::new(false));
        let inbox = Inbox { id, sender, muted: Arc::clone(&muted) };
        raise_limit_of_files();
        let mut child = spec.command(&name).spawn(Stdio::Merged)?;
        let console = child.take_output().ok_or_else(|| Error::cannot_run("the guest has no console"))?;
        let (outbox, letters) = mpsc::channel();
        thread::spawn({
            let inbox = inbox.clone();
            move || follow_console(console, log, &inbox)
        });
        let exchange = Arc::new(Exchange::default());
        thread::spawn({
            let (exchange, outbox, muted) = (Arc::clone(&exchange), outbox.clone(), Arc::clone(&muted));
            move || exchange.serve(&control, &outbox, &muted)
        });
        let supervisor = Process::of(child.id());
        let guest = Guest {
            owner: Process::own()?,
            vm: id,
            socket: name,
            command: spec.purpose.clone(),
            kernel: spec.kernel.clone(),
            console: console_log.to_owned(),
            since: jiff::Timestamp::now(),
            processes: supervisor.iter().flat_map(Process::family).collect(),
        };
        let listed = Arc::new(registry::register(&spec.guests, guest)?);
        thread::spawn({
            let listed = Arc::downgrade(&listed);
            // QEMU is what connects, when it starts: all processes of the guest are there.
            let connected = move || {
                let processes = supervisor.iter().flat_map(Process::family);
                // Who is not listed is only not found when we, and the supervisor, were killed.
                let _ = listed.upgrade().map(|listed| listed.add(processes));
            };
            move || serve_agent(&listener, letters, &inbox, &exchange, connected)
        });
        Ok(Self { child, monitor, _listed: listed, outbox, muted })
    }

    /// Says something to the agent. Never waits; a guest that is gone is noticed by the readers.
    pub fn send(&self, message: ToGuest) {
        let _ = self.outbox.send(message);
    }

    /// What QEMU knows of a guest that says nothing any more: the registers of its CPUs. `symbols` is its `System.map`.
    pub fn examine(&self, symbols: Option<&str>) -> Result<String> {
        self.monitor.examine(symbols)
    }

    /// How virtme-ng ended, if it did. Its exit status says little: see the events before.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Stops the VM at once. Nothing is lost: a guest's own files are in its memory, what it writes to a share of the
    /// host is there already.
    pub fn stop(mut self) {
        self.muted.store(true, Ordering::Relaxed);
        self.child.terminate();
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.muted.store(true, Ordering::Relaxed);
    }
}

/// QEMU holds every file open that a guest has open below its root: the usual limit of 1024 is soon reached.
fn raise_limit_of_files() {
    if let Ok((_, most)) = getrlimit(Resource::RLIMIT_NOFILE) {
        // Where that is refused, a guest has what there is.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, most, most);
    }
}

/// The name of the socket for clients, from that of the agent's port.
pub(super) fn control_of(socket: &str) -> String {
    format!("{socket}-control")
}

fn follow_console(console: PipeReader, mut log: File, inbox: &Inbox) {
    let mut log_is_good = true;
    read_lines(console, |line| {
        if log_is_good && let Err(error) = log.write_all(line).and_then(|()| log.write_all(b"\n")) {
            log_is_good = false;
            inbox.put(Message::ConsoleLost(error.to_string()));
        }
        inbox.put(Message::Console(line.to_vec()));
        // Read on even if nobody listens any more: the last lines of a guest that is being stopped go to the log.
        true
    });
    inbox.put(Message::ConsoleEnded);
}

fn serve_agent(
    listener: &Listener,
    letters: mpsc::Receiver<ToGuest>,
    inbox: &Inbox,
    exchange: &Exchange,
    connected: impl FnOnce(),
) {
    let Some(stream) = listener.accept_until(&inbox.muted) else { return };
    connected();
    let Ok(writer) = stream.try_clone() else { return };
    thread::spawn(move || write_letters(writer, letters));
    read_messages(stream, |message| match message.map(|message| exchange.sort(message)) {
        Ok(None) => true,
        Ok(Some(message)) => inbox.put(Message::Agent(message)),
        Err(text) => inbox.put(Message::Noise(text)),
    });
    // Nobody hears it where nobody wanted to hear more.
    inbox.put(Message::AgentGone);
}

fn write_letters(mut stream: UnixStream, letters: mpsc::Receiver<ToGuest>) {
    for letter in letters {
        if stream.write_all(&encode(&letter)).is_err() {
            return;
        }
    }
}
