//! A guest that another process started, as its client: the other end of `exchange`.

use super::session::{Message, VmId, control_of};
use super::socket::connect;
use crate::error::{Error, Result};
use crate::guest::protocol::{FromGuest, ToGuest, encode};
use crate::guest::stream::read_messages;
use std::io::Write;
use std::os::unix::net::UnixStream;
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
        let stream = connect(&control_of(socket)).map_err(failed)?;
        let reader = stream.try_clone().map_err(failed)?;
        thread::spawn(move || {
            read_messages(reader, |message: std::result::Result<FromGuest, _>| {
                sender.send((id, message.map_or_else(Message::Noise, Message::Agent))).is_ok()
            });
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
