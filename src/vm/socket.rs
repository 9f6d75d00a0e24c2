//! Abstract Unix sockets: they have no file that could be left behind, and their names are free again when we are gone.
//! They have no permissions either, so nobody but our own user is let in.

use crate::error::{Error, Result};
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

/// How often somebody who waits for a connection looks for one.
const PACE: Duration = Duration::from_millis(20);

/// A name for a socket that nobody can guess; `kind` tells people what it is for.
pub(super) fn unused_name(kind: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let nonce = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), std::process::id());
    format!("{kind}-{}-{}-{nonce:x}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// The end that others connect to.
#[derive(Debug)]
pub(super) struct Listener(UnixListener);

impl Listener {
    /// Opens the socket of that name.
    pub fn open(name: &str) -> Result<Self> {
        let failed = |error| Error::cannot_run(format!("cannot open a socket for the guest: {error}"));
        let address = SocketAddr::from_abstract_name(name).map_err(failed)?;
        let listener = UnixListener::bind_addr(&address).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        Ok(Self(listener))
    }

    /// Somebody of our own user who has connected. Never waits.
    fn accept_now(&self) -> Option<UnixStream> {
        let us = nix::unistd::geteuid().as_raw();
        while let Ok((stream, _)) = self.0.accept() {
            if getsockopt(&stream, PeerCredentials).is_ok_and(|peer| peer.uid() == us) {
                return stream.set_nonblocking(false).is_ok().then_some(stream);
            }
        }
        None
    }

    /// Waits for somebody of our own user; nobody has come when `over` says that it is too late.
    pub fn accept(&self, mut over: impl FnMut() -> bool) -> Option<UnixStream> {
        while !over() {
            if let Some(stream) = self.accept_now() {
                return Some(stream);
            }
            thread::sleep(PACE);
        }
        None
    }

    /// The same, until `closed` is set.
    pub fn accept_until(&self, closed: &AtomicBool) -> Option<UnixStream> {
        self.accept(|| closed.load(Ordering::Relaxed))
    }
}

/// Connects to the socket of that name.
pub(super) fn connect(name: &str) -> io::Result<UnixStream> {
    UnixStream::connect_addr(&SocketAddr::from_abstract_name(name)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};

    #[test]
    fn who_connects_is_accepted_and_nobody_is_waited_for_in_vain() {
        let name = unused_name("vmptcp-test");
        assert_ne!(name, unused_name("vmptcp-test"));
        let listener = Listener::open(&name).unwrap();
        assert!(Listener::open(&name).is_err(), "a name has one owner");
        assert!(listener.accept_until(&AtomicBool::new(true)).is_none());
        connect(&name).unwrap().write_all(b"hello").unwrap();
        let mut text = String::new();
        listener.accept(|| false).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "hello");
        drop(listener);
        assert!(connect(&name).is_err(), "nothing is left of it");
    }
}
