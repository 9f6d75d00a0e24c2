//! Lets others talk to a guest's agent beside its owner: `vmptcp attach`.
//!
//! A client connects to a socket of the owner and speaks the agent's own protocol. Its jobs get numbers of their own, which
//! nobody else uses, and when it is gone they are ended.

use super::socket::Listener;
use crate::guest::protocol::{FromGuest, JobId, ToGuest, encode};
use crate::guest::stream::read_messages;
use std::collections::HashMap;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

/// How many jobs one client can number, and so the first number that is not the owner's.
const BLOCK: JobId = 0x1_0000;

/// The numbers above are the owner's again.
const LAST: JobId = 0x7000_0000;

/// How long a client that does not read is waited for: the owner waits with it.
const READ_TIMEOUT: Duration = Duration::from_secs(2);

/// Those who talk to the agent beside the owner.
#[derive(Debug, Default)]
pub(super) struct Exchange {
    clients: Mutex<HashMap<JobId, UnixStream>>,
    ready: Mutex<Option<FromGuest>>,
}

impl Exchange {
    fn clients(&self) -> MutexGuard<'_, HashMap<JobId, UnixStream>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what the agent says to a client; what is for the owner comes back.
    pub fn sort(&self, message: FromGuest) -> Option<FromGuest> {
        if matches!(message, FromGuest::Ready { .. }) {
            *self.ready.lock().unwrap_or_else(PoisonError::into_inner) = Some(message.clone());
        }
        if message == FromGuest::Pong {
            // Whoever asked: it is good news for all.
            self.clients().retain(|_, client| client.write_all(&encode(&message)).is_ok());
        }
        let Some(base) = message.job().filter(|id| (BLOCK..LAST).contains(id)).map(|id| id / BLOCK * BLOCK)
        else {
            return Some(message);
        };
        let mut clients = self.clients();
        if let Some(client) = clients.get_mut(&base)
            && client.write_all(&encode(&message.renumbered(|id| id - base))).is_err()
        {
            clients.remove(&base);
        }
        None
    }

    /// Lets clients in until `closed`; `outbox` leads to the agent.
    pub fn serve(self: &Arc<Self>, listener: &Listener, outbox: &mpsc::Sender<ToGuest>, closed: &AtomicBool) {
        let mut base = 0;
        while let Some(stream) = listener.accept_until(closed) {
            base = if base + BLOCK < LAST { base + BLOCK } else { BLOCK };
            let (exchange, outbox, base) = (Arc::clone(self), outbox.clone(), base);
            thread::spawn(move || exchange.client(stream, base, &outbox));
        }
        self.clients().clear();
    }

    fn client(&self, stream: UnixStream, base: JobId, outbox: &mpsc::Sender<ToGuest>) {
        let ready = || self.ready.lock().unwrap_or_else(PoisonError::into_inner).clone();
        while ready().is_none() {
            thread::sleep(Duration::from_millis(50));
        }
        let Ok(mut writer) = stream.try_clone() else { return };
        let greeted = writer.set_write_timeout(Some(READ_TIMEOUT)).is_ok()
            && ready().is_some_and(|ready| writer.write_all(&encode(&ready)).is_ok());
        if !greeted {
            return;
        }
        self.clients().insert(base, writer);
        let mut jobs = Vec::new();
        read_messages(stream, |message: Result<ToGuest, _>| {
            let Ok(message) = message else { return true };
            // A client has jobs of its own, and may ask whether the guest is there.
            if message == ToGuest::Ping {
                let _ = outbox.send(message);
            } else if message.job().is_some_and(|id| id < BLOCK) {
                let message = message.renumbered(|id| id + base);
                if let ToGuest::Run(job) = &message {
                    jobs.push(job.id);
                }
                let _ = outbox.send(message);
            }
            true
        });
        self.clients().remove(&base);
        for id in jobs {
            let _ = outbox.send(ToGuest::Signal { id, signal: nix::libc::SIGKILL });
        }
    }
}
