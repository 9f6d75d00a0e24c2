//! A guest that was started: its processes, and the conversation with it.

use super::backend::Requests;
use super::hub::{Hub, Peer};
use super::link::{Link, LinkEvent, Terms};
use super::message::{Message, VmId};
use super::spec::Spec;
use crate::error::Result;
use crate::guest::protocol::{Bytes, Job, JobId, Size, ToGuest};
use crate::vm::console::Splat;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A guest that was started. What is said to it goes out at once.
pub struct Guest {
    id: VmId,
    link: Link,
    peer: Box<dyn Peer>,
    /// The `System.map` of its kernel.
    symbols: PathBuf,
}

impl Guest {
    /// Starts the guest that `spec` describes: see [`Hub::start`].
    pub fn start(
        hub: &mut dyn Hub,
        spec: &Spec,
        requests: &[ToGuest],
        id: VmId,
        boot_timeout: Duration,
        console_log: &Path,
    ) -> Result<Self> {
        let peer = hub.start(spec, requests, id, console_log)?;
        let terms = Terms {
            boot_timeout,
            binds: spec.machine.root.binds(),
            answers: spec.backend.capabilities().requests == Requests::AnyTime,
        };
        Ok(Self::new(id, peer, terms, spec.machine.kernel.join("System.map"), hub.now()))
    }

    /// A guest that runs, on these terms.
    pub fn new(id: VmId, peer: Box<dyn Peer>, terms: Terms, symbols: PathBuf, now: Instant) -> Self {
        Self { id, link: Link::new(terms, now), peer, symbols }
    }

    /// Its number.
    pub fn id(&self) -> VmId {
        self.id
    }

    /// The conversation with it.
    pub fn link(&self) -> &Link {
        &self.link
    }

    /// Takes what it says.
    pub fn hear(&mut self, message: Message, now: Instant) -> Vec<LinkEvent> {
        let events = self.link.hear(message, now);
        self.send_requests();
        events
    }

    /// Looks at the clocks, and at its processes.
    pub fn tick(&mut self, now: Instant) -> Result<Vec<LinkEvent>> {
        if self.peer.has_ended()? {
            self.link.has_ended(now);
        }
        let events = self.link.tick(now);
        self.send_requests();
        Ok(events)
    }

    /// Starts a job.
    pub fn run(&mut self, job: Job) {
        self.request(ToGuest::Run(job));
    }

    /// Sends more of a job's input; nothing is its end.
    pub fn feed(&mut self, id: JobId, data: Vec<u8>) {
        self.request(ToGuest::Stdin { id, data: Bytes(data) });
    }

    /// Sends a signal to a job.
    pub fn signal(&mut self, id: JobId, signal: i32) {
        self.request(ToGuest::Signal { id, signal });
    }

    /// Tells a job that its terminal has another size.
    pub fn resize(&mut self, id: JobId, size: Size) {
        self.request(ToGuest::Resize { id, size });
    }

    /// See [`Link::mark`].
    pub fn mark(&mut self, text: &str, now: Instant) {
        self.link.mark(text, now);
        self.send_requests();
    }

    /// Asks the guest about something that hangs, by this job: see [`Link::begin_post_mortem`].
    pub fn begin_post_mortem(&mut self, job: Job, now: Instant) {
        self.link.begin_post_mortem(now);
        self.run(job);
    }

    /// See [`Link::end_post_mortem`].
    pub fn end_post_mortem(&mut self) {
        self.link.end_post_mortem();
        self.send_requests();
    }

    /// An open splat, as far as the console has shown it.
    pub fn flush(&mut self) -> Option<Splat> {
        self.link.flush()
    }

    /// See [`Link::give_up`].
    pub fn give_up(&mut self, reason: &str) -> Vec<LinkEvent> {
        self.link.give_up(reason)
    }

    /// The state of its CPUs, seen from outside.
    pub fn examine(&self) -> Result<String> {
        let symbols = std::fs::read_to_string(&self.symbols).ok();
        self.peer.examine(symbols.as_deref())
    }

    /// How much of the host's processors its processes used.
    pub fn cpu_time(&self) -> Duration {
        self.peer.cpu_time()
    }

    /// Stops it at once.
    pub fn stop(self) {
        self.peer.stop();
    }

    fn request(&mut self, request: ToGuest) {
        self.link.request(request);
        self.send_requests();
    }

    fn send_requests(&mut self) {
        self.link.take_requests().into_iter().for_each(|request| self.peer.send(request));
    }
}
