//! virtme-ng: QEMU with the host's own files as the root.

mod command;
mod monitor;
mod relay;
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
        relay::serve(name, &command::relay_of(name))?;
        raise_limit_of_files();
        let mut child = self.command_line(machine, name).spawn(Stdio::Merged)?;
        let console = child.take_output().ok_or_else(|| Error::cannot_run("the guest has no console"))?;
        // QEMU is what connects, when it starts.
        let channel: Channel = Box::new(move |closed| {
            let reader = listener.accept_until(closed)?;
            let writer = reader.try_clone().ok()?;
            Some(Ends { reader: Box::new(reader), writer: Some(Box::new(writer)) })
        });
        Ok(Started {
            child,
            console: Box::new(console),
            channel,
            monitor: Some(Box::new(monitor)),
            abrupt: false,
        })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vm::accel::Accelerator;
    use crate::vm::root::Root;
    use std::io::Read;
    use std::path::PathBuf;
    use std::sync::atomic::AtomicBool;

    /// A program in virtme-ng's place.
    fn virtme(program: PathBuf) -> (Virtme, Machine) {
        let virtme = Virtme {
            program,
            accelerator: Accelerator::Tcg,
            filesystem: Filesystem::Virtiofs,
            hiding: None,
            qemu_args: vec!["-device".into(), "a b".into()],
        };
        let machine = Machine {
            kernel: "/build".into(),
            cpus: 1,
            memory_mib: 512,
            append: Vec::new(),
            root: Root { dir: "/srv/root".into(), shares: Vec::new(), agent: "/vmptcp".into() },
            tmp: "/tmp".into(),
            seed: None,
        };
        (virtme, machine)
    }

    #[test]
    fn a_guest_is_a_process_with_a_console_a_channel_and_a_monitor() {
        let (virtme, machine) = virtme("/bin/echo".into());
        let name = crate::vm::socket::unused_name("vmptcp-test");
        let Started { child: _child, mut console, channel, monitor, .. } =
            virtme.start(&machine, &name, &[]).unwrap();
        let mut text = String::new();
        console.read_to_string(&mut text).unwrap();
        assert!(text.starts_with("--run /build ") && text.contains(" --root /srv/root "), "{text}");
        assert!(!text.contains("--force-9p") && text.contains("-device 'a b'"), "{text}");
        let mut agent = crate::vm::socket::connect(&name).unwrap();
        let Some(Ends { mut reader, .. }) = channel(&AtomicBool::new(false)) else { panic!("no channel") };
        std::io::Write::write_all(&mut agent, b"hello").unwrap();
        drop(agent);
        let mut heard = String::new();
        reader.read_to_string(&mut heard).unwrap();
        assert_eq!(heard, "hello");
        assert_eq!(
            monitor.unwrap().examine(None).unwrap_err().to_string(),
            "QEMU did not connect its monitor"
        );
        let facts = (virtme.accelerator(), Backend::filesystem(&virtme), virtme.capabilities().requests);
        assert_eq!(facts, ("tcg", "virtiofs", Requests::AnyTime));
    }

    #[test]
    fn a_virtme_ng_that_is_not_there_is_an_error() {
        let (virtme, machine) = virtme("/no/such/vng".into());
        assert!(virtme.start(&machine, &crate::vm::socket::unused_name("vmptcp-test"), &[]).is_err());
    }
}
