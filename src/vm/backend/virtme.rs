//! virtme-ng: QEMU with the host's own files as the root.

mod command;
mod monitor;
pub mod virtiofs;

pub use command::{BOOT_PROGRAMS, Filesystem, Hiding, Virtme, is_plain};

use super::{Backend, Capabilities, Channel, Ends, Requests, Started};
use crate::error::{Error, Result};
use crate::guest::protocol::ToGuest;
use crate::process::{Cmd, Stdio};
use crate::vm::machine::Machine;
use crate::vm::socket::Listener;
use monitor::Qmp;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::path::Path;

impl Backend for Virtme {
    fn capabilities(&self) -> Capabilities {
        Capabilities { requests: Requests::AnyTime }
    }

    fn accelerator(&self) -> &'static str {
        self.accelerator.as_str()
    }

    fn filesystem(&self) -> &'static str {
        self.filesystem.as_str()
    }

    fn command(&self, machine: &Machine, name: &str) -> Cmd {
        self.command_line(machine, name)
    }

    fn start(&self, machine: &Machine, name: &str, _requests: &[ToGuest]) -> Result<Started> {
        let listener = Listener::open(name)?;
        let monitor = Qmp::new(Listener::open(&command::monitor_of(name))?);
        raise_limit_of_files();
        let mut child = self.command_line(machine, name).spawn(Stdio::Merged)?;
        let console = child.take_output().ok_or_else(|| Error::cannot_run("the guest has no console"))?;
        // QEMU is what connects, when it starts.
        let channel: Channel = Box::new(move |closed| {
            let reader = listener.accept_until(closed)?;
            let writer = reader.try_clone().ok()?;
            Some(Ends { reader: Box::new(reader), writer: Some(Box::new(writer)) })
        });
        Ok(Started { child, console: Box::new(console), channel, monitor: Some(Box::new(monitor)) })
    }

    fn remedy(&self, log: &Path) -> String {
        self.what_to_do(log)
    }
}

/// QEMU holds every file open that a guest has open below its root: the usual limit of 1024 is soon reached.
fn raise_limit_of_files() {
    if let Ok((_, most)) = getrlimit(Resource::RLIMIT_NOFILE) {
        // Where that is refused, a guest has what there is.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, most, most);
    }
}
