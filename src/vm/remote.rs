//! A guest that another process started, as its client: the other end of `exchange`.

use super::session::{Message, VmId, control_of};
use crate::error::{Error, Result};
use crate::guest::protocol::{Decoder, FromGuest, ToGuest, encode};
use std::io::{Read, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::sync::mpsc::SyncSender;
use std::thread;

/// A guest of another process.
#[derive(Debug)]
pub struct Remote {
    stream: UnixStream,
}

impl Remote {
    /// Connects to the guest of that socket. What its agent says goes to `sender`, under `id`.
    pub fn connect(socket: &str, id: VmId, sender: SyncSender<(VmId, Message)>) -> Result<Self> {
        let failed = |error: std::io::Error| {
            Error::cannot_run(format!("cannot talk to the process that runs the guest: {error}"))
                .hint("see which guests there are: vmptcp ps")
        };
        let address = SocketAddr::from_abstract_name(control_of(socket)).map_err(failed)?;
        let stream = UnixStream::connect_addr(&address).map_err(failed)?;
        let mut reader = stream.try_clone().map_err(failed)?;
        thread::spawn(move || {
            let mut decoder = Decoder::default();
            let mut buffer = vec![0; 64 * 1024];
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                for message in decoder.feed::<FromGuest>(&buffer[..count]) {
                    if sender.send((id, message.map_or_else(Message::Noise, Message::Agent))).is_err() {
                        return;
                    }
                }
            }
            let _ = sender.send((id, Message::AgentGone));
        });
        Ok(Self { stream })
    }

    /// Says something to the agent.
    pub fn send(&self, message: &ToGuest) {
        // That the guest is gone is noticed by the reader.
        let _ = (&self.stream).write_all(&encode(message));
    }
}
