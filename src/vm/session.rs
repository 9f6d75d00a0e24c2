//! One VM's life: its processes, its console, its agent.
//!
//! Three threads feed the one channel of the owner: the console's reader, the agent's reader, and nobody writes to the
//! guest but a third, so that the owner never waits for a guest that does not read.

use super::backend::{Channel, Ends, Monitor, Started};
use super::exchange::Exchange;
use super::message::{Message, VmId};
use super::registry::{self, Guest, Registration};
use super::socket::{Listener, unused_name};
use super::spec::Spec;
use crate::error::{Error, IoContext, Result};
use crate::guest::protocol::{ToGuest, encode};
use crate::guest::stream::read_messages;
use crate::process::{Child, Process, interrupt, read_lines};
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, SyncSender, TrySendError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How long a guest that powers off by itself may take for that.
const POWER_OFF_TIMEOUT: Duration = Duration::from_secs(2);

/// A running VM. Dropping it stops all of its processes.
#[derive(Debug)]
pub struct Session {
    child: Child,
    monitor: Option<Box<dyn Monitor>>,
    /// It is stopped by a kill.
    abrupt: bool,
    /// It knew all of its requests when it booted, and powers off after the last.
    ends_by_itself: bool,
    console_reader: Option<JoinHandle<()>>,
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
    /// file `console_log`, as it comes. `requests` are those of a guest that takes them at boot only.
    pub fn start(
        spec: &Spec,
        requests: &[ToGuest],
        id: VmId,
        console_log: &Path,
        sender: SyncSender<(VmId, Message)>,
    ) -> Result<Self> {
        let log = File::create(console_log).doing("create", console_log)?;
        let name = unused_name("vmptcp");
        let control = Listener::open(&control_of(&name))?;
        let muted = Arc::new(AtomicBool::new(false));
        let inbox = Inbox { id, sender, muted: Arc::clone(&muted) };
        let Started { child, console, channel, monitor, abrupt } =
            spec.backend.start(&spec.machine, &name, requests)?;
        let (outbox, letters) = mpsc::channel();
        let console_reader = Some(thread::spawn({
            let inbox = inbox.clone();
            move || follow_console(console, log, &inbox)
        }));
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
            command: spec.listing.purpose.clone(),
            kernel: spec.machine.kernel.clone(),
            console: console_log.to_owned(),
            since: jiff::Timestamp::now(),
            processes: supervisor.iter().flat_map(Process::family).collect(),
        };
        let listed = Arc::new(registry::register(&spec.listing.dir, guest)?);
        thread::spawn({
            let listed = Arc::downgrade(&listed);
            // Now all processes of the guest are there.
            let connected = move || {
                let processes = supervisor.iter().flat_map(Process::family);
                // Who is not listed is only not found when we, and the supervisor, were killed.
                let _ = listed.upgrade().map(|listed| listed.add(processes));
            };
            move || serve_agent(channel, letters, &inbox, &exchange, connected)
        });
        let ends_by_itself = !requests.is_empty();
        Ok(Self { child, monitor, abrupt, ends_by_itself, console_reader, _listed: listed, outbox, muted })
    }

    /// Says something to the agent. Never waits; a guest that is gone is noticed by the readers.
    pub fn send(&self, message: ToGuest) {
        let _ = self.outbox.send(message);
    }

    /// What is seen from outside of a guest that says nothing any more: the state of its CPUs. `symbols` is its `System.map`.
    pub fn examine(&self, symbols: Option<&str>) -> Result<String> {
        match &self.monitor {
            Some(monitor) => monitor.examine(symbols),
            None => Err(Error::cannot_run("this guest has no monitor")),
        }
    }

    /// How the backend's process ended, if it did. Its exit status says little: see the events before.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// How much of the host's processors its processes used.
    pub fn cpu_time(&self) -> Duration {
        let family = Process::of(self.child.id()).into_iter().flat_map(|supervisor| supervisor.family());
        family.map(|process| process.cpu_time()).sum()
    }

    /// Stops the VM at once. Nothing is lost: a guest's own files are in its memory, what it writes to a share of the
    /// host is there already.
    pub fn stop(mut self) {
        self.muted.store(true, Ordering::Relaxed);
        // Its console is then the same whenever it is stopped.
        let waits = self.ends_by_itself && !interrupt::requested();
        if waits && self.child.ended_within(POWER_OFF_TIMEOUT) {
            // Its end is in the pipe, and in the log once the reader has seen that it is.
            let _ = self.console_reader.take().map(JoinHandle::join);
        } else if self.abrupt {
            self.child.kill();
        } else {
            self.child.terminate();
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.muted.store(true, Ordering::Relaxed);
    }
}

/// The name of the socket for clients, from that of the agent's port.
pub(super) fn control_of(socket: &str) -> String {
    format!("{socket}-control")
}

fn follow_console(console: impl Read, mut log: File, inbox: &Inbox) {
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
    channel: Channel,
    letters: mpsc::Receiver<ToGuest>,
    inbox: &Inbox,
    exchange: &Exchange,
    connected: impl FnOnce(),
) {
    let Some(Ends { reader, writer }) = channel(&inbox.muted) else { return };
    connected();
    if let Some(writer) = writer {
        thread::spawn(move || write_letters(writer, letters));
    }
    read_messages(reader, |message| match message.map(|message| exchange.sort(message)) {
        Ok(None) => true,
        Ok(Some(message)) => inbox.put(Message::Agent(message)),
        Err(text) => inbox.put(Message::Noise(text)),
    });
    // Nobody hears it where nobody wanted to hear more.
    inbox.put(Message::AgentGone);
}

fn write_letters(mut stream: impl Write, letters: mpsc::Receiver<ToGuest>) {
    for letter in letters {
        if stream.write_all(&encode(&letter)).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests;
