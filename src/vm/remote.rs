//! A guest that another process started, as its client: the other end of `exchange`.

use super::hub::{LiveHub, Peer};
use super::message::{Message, VmId};
use super::session::control_of;
use super::socket::connect;
use crate::error::{Error, Result};
use crate::guest::protocol::{FromGuest, ToGuest, encode};
use crate::guest::stream::read_messages;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::thread;

/// A guest of another process.
#[derive(Debug)]
pub struct Remote {
    stream: UnixStream,
}

impl Remote {
    /// Connects to the guest of that socket. What its agent says comes from `hub`, under `id`.
    pub fn connect(socket: &str, id: VmId, hub: &LiveHub) -> Result<Self> {
        let failed = |error: std::io::Error| {
            Error::cannot_run(format!("cannot talk to the process that runs the guest: {error}"))
                .hint("see which guests there are: vmptcp ps")
        };
        let stream = connect(&control_of(socket)).map_err(failed)?;
        let reader = stream.try_clone().map_err(failed)?;
        let sender = hub.sender();
        thread::spawn(move || {
            read_messages(reader, |message: std::result::Result<FromGuest, _>| {
                sender.send((id, message.map_or_else(Message::Noise, Message::Agent))).is_ok()
            });
            // There is no console that could have more to say.
            let _ = sender.send((id, Message::AgentGone));
            let _ = sender.send((id, Message::ConsoleEnded));
        });
        Ok(Self { stream })
    }
}

impl Peer for Remote {
    fn send(&self, request: ToGuest) {
        // That the guest is gone is noticed by the reader.
        let _ = (&self.stream).write_all(&encode(&request));
    }

    fn has_ended(&mut self) -> Result<bool> {
        // Its reader says so.
        Ok(false)
    }

    fn examine(&self, _symbols: Option<&str>) -> Result<String> {
        Err(Error::cannot_run("only its owner can examine it"))
    }

    fn stop(self: Box<Self>) {
        // It is its owner's.
    }
}
