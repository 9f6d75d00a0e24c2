//! What makes a guest of a kernel: the part of a guest's life that differs from one backend to the other.
//!
//! A backend knows how a kernel becomes a process, where its console is read, and how the agent in it is reached. What is said
//! on that channel, and what silence on it means, is the same for all and is the business of [`link`](super::link).

pub mod uml;
pub mod virtme;

use super::machine::Machine;
use crate::error::Result;
use crate::guest::protocol::ToGuest;
use crate::process::{Child, Cmd};
use std::fmt;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::atomic::AtomicBool;

/// What makes a guest of a kernel.
pub trait Backend: fmt::Debug + Send + Sync {
    /// What its guests can do.
    fn capabilities(&self) -> Capabilities;

    /// What runs a guest's instructions, in events and reports: `kvm`.
    fn accelerator(&self) -> &'static str;

    /// How guests see the host's files, in reports: `9p`.
    fn filesystem(&self) -> &'static str;

    /// The command that starts a guest, for people. `name` names the guest among all of this machine.
    fn command(&self, machine: &Machine, name: &str) -> Cmd;

    /// All that the kernel is told when it starts, but for the seed, where a seed makes a guest do the same again; else none.
    fn repeatable(&self, machine: &Machine) -> Option<String> {
        let _ = machine;
        None
    }

    /// Starts a guest. `requests` are for the agent and known before it boots: only a backend whose guests take
    /// [no others](Requests::AtBoot) gets any.
    fn start(&self, machine: &Machine, name: &str, requests: &[ToGuest]) -> Result<Started>;

    /// What to do about a guest that does not come up, whose console is in the file `log`.
    fn remedy(&self, log: &Path) -> String;
}

/// What guests of a backend can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// When their agents take requests.
    pub requests: Requests,
}

/// When an agent takes requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requests {
    /// At any time.
    AnyTime,
    /// Only those that were written before the guest booted: its time is not the host's, and the agent only reports.
    AtBoot,
}

/// A guest that was started.
pub struct Started {
    /// Its processes. Dropping it stops them all.
    pub child: Child,
    /// The kernel's console.
    pub console: Box<dyn Read + Send>,
    /// What leads to the agent.
    pub channel: Channel,
    /// Its processes can be killed at once: none of them has anything to put in order.
    pub abrupt: bool,
    /// What can be asked about it when it says nothing any more; none if nobody knows.
    pub monitor: Option<Box<dyn Monitor>>,
}

/// Waits until the guest's end of the channel is there, and returns ours; none once the flag is set.
pub type Channel = Box<dyn FnOnce(&AtomicBool) -> Option<Ends> + Send>;

/// Our end of the channel to an agent.
pub struct Ends {
    /// What the agent says.
    pub reader: Box<dyn Read + Send>,
    /// What it hears; none where all was said at boot.
    pub writer: Option<Box<dyn Write + Send>>,
}

/// Looks at a guest from outside.
pub trait Monitor: fmt::Debug + Send {
    /// The state of its CPUs, as text. `symbols` is the kernel's `System.map`, if there is one.
    fn examine(&self, symbols: Option<&str>) -> Result<String>;
}
