//! Where guests are started, what they say arrives, and time passes. Whoever waits for guests gets it as an argument, so that
//! all waiting can be tested without guests and without waiting.

use super::message::{Message, VmId};
use super::session::Session;
use super::spec::Spec;
use crate::error::Result;
use crate::guest::protocol::ToGuest;
use crate::process::interrupt;
use std::path::Path;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::time::{Duration, Instant};

/// How many messages may wait: what bounds our memory, whatever the guests print.
pub const MESSAGES_LIMIT: usize = 128;

/// Starts guests, hands over what they say, and tells the time.
pub trait Hub {
    /// What time it is.
    fn now(&self) -> Instant;

    /// Starts a guest; what it says comes under `id`, and its console goes into the file `console_log` as well. `requests`
    /// are those of a guest that takes them at boot only.
    fn start(
        &mut self,
        spec: &Spec,
        requests: &[ToGuest],
        id: VmId,
        console_log: &Path,
    ) -> Result<Box<dyn Peer>>;

    /// What any guest says within `wait`; the error *interrupted* if the user wants an end.
    fn next(&mut self, wait: Duration) -> Result<Option<(VmId, Message)>>;

    /// What a guest has said already. Never waits.
    fn pending(&mut self) -> Option<(VmId, Message)>;
}

/// A guest that runs, as its owner or a client of its owner has it.
pub trait Peer {
    /// Sends something to its agent. Never waits; that a guest is gone is noticed by what comes from it.
    fn send(&self, request: ToGuest);

    /// True once its processes have ended.
    fn has_ended(&mut self) -> Result<bool>;

    /// The state of its CPUs, seen from outside. `symbols` is the kernel's `System.map`.
    fn examine(&self, symbols: Option<&str>) -> Result<String>;

    /// How much of the host's processors its processes used; nothing where that is not known.
    fn cpu_time(&self) -> Duration {
        Duration::ZERO
    }

    /// Stops it at once. Nothing is lost: its own files are in its memory, and what it writes to a share of the host is there
    /// already.
    fn stop(self: Box<Self>);
}

/// Guests on this machine, in real time.
#[derive(Debug)]
pub struct LiveHub {
    sender: SyncSender<(VmId, Message)>,
    receiver: Receiver<(VmId, Message)>,
}

impl Default for LiveHub {
    fn default() -> Self {
        let (sender, receiver) = mpsc::sync_channel(MESSAGES_LIMIT);
        Self { sender, receiver }
    }
}

impl LiveHub {
    /// What leads here, for who has guests otherwise.
    pub(super) fn sender(&self) -> SyncSender<(VmId, Message)> {
        self.sender.clone()
    }
}

impl Hub for LiveHub {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn start(
        &mut self,
        spec: &Spec,
        requests: &[ToGuest],
        id: VmId,
        console_log: &Path,
    ) -> Result<Box<dyn Peer>> {
        Ok(Box::new(Session::start(spec, requests, id, console_log, self.sender())?))
    }

    fn next(&mut self, wait: Duration) -> Result<Option<(VmId, Message)>> {
        interrupt::check()?;
        Ok(self.receiver.recv_timeout(wait).ok())
    }

    fn pending(&mut self) -> Option<(VmId, Message)> {
        self.receiver.try_recv().ok()
    }
}

impl Peer for Session {
    fn send(&self, request: ToGuest) {
        Session::send(self, request);
    }

    fn has_ended(&mut self) -> Result<bool> {
        self.ended().map(|status| status.is_some())
    }

    fn examine(&self, symbols: Option<&str>) -> Result<String> {
        Session::examine(self, symbols)
    }

    fn cpu_time(&self) -> Duration {
        Session::cpu_time(self)
    }

    fn stop(self: Box<Self>) {
        Session::stop(*self);
    }
}
