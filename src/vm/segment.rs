//! Ethernet segments between guests: what one interface sends, all others on the same segment get.
//!
//! QEMU's interfaces connect to us by Unix sockets (`-netdev stream`, QEMU 7.2 and later), and we pass their packets on. So there
//! is no order in which guests have to start, no port that could be taken, no file that could be left behind, and a segment may
//! have any number of ends.

use super::socket::{Listener, unused_name};
use crate::error::Result;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, SyncSender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

/// How many packets may wait for a guest that does not take them. More are lost, as a switch would lose them.
const MAX_QUEUED: usize = 1024;

/// No packet is longer: TCP segmentation offload makes up to 64 KiB, with headers.
const MAX_PACKET: usize = 128 * 1024;

/// Some segments. Dropping them closes them.
#[derive(Debug)]
pub struct Segments {
    names: Vec<String>,
    closed: Arc<AtomicBool>,
}

/// The queues of the ends of one segment, each with its number.
type Queues = Vec<(u32, SyncSender<Arc<[u8]>>)>;

/// The same, for all threads that carry its packets.
type Ends = Arc<Mutex<Queues>>;

impl Segments {
    /// Opens so many segments.
    pub fn new(count: usize) -> Result<Self> {
        let closed = Arc::new(AtomicBool::new(false));
        let mut names = Vec::new();
        for _ in 0..count {
            let name = unused_name("vmptcp-net");
            let listener = Listener::open(&name)?;
            let closed = Arc::clone(&closed);
            thread::spawn(move || accept(&listener, &closed));
            names.push(name);
        }
        Ok(Self { names, closed })
    }

    /// QEMU's arguments for an interface on a segment.
    pub fn interface(&self, segment: usize, name: &str, mac: &str) -> Vec<String> {
        let socket = self.names.get(segment).map_or("", String::as_str);
        vec![
            "-netdev".to_owned(),
            format!("stream,id={name},server=off,addr.type=unix,addr.path={socket},addr.abstract=on"),
            "-device".to_owned(),
            format!("virtio-net-pci,netdev={name},mac={mac}"),
        ]
    }
}

impl Drop for Segments {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::Relaxed);
    }
}

/// Connects every interface that comes, until the segment is closed.
fn accept(listener: &Listener, closed: &AtomicBool) {
    let ends = Ends::default();
    let mut count = 0;
    while let Some(stream) = listener.accept_until(closed) {
        count += 1;
        connect(stream, count, &ends);
    }
}

/// Connects an interface: one thread takes what it sends, one gives it what the others send.
fn connect(stream: UnixStream, id: u32, ends: &Ends) {
    let Ok(mut sink) = stream.try_clone() else { return };
    let (sender, packets) = mpsc::sync_channel::<Arc<[u8]>>(MAX_QUEUED);
    lock(ends).push((id, sender));
    thread::spawn(move || {
        for packet in packets {
            if sink.write_all(&packet).is_err() {
                return;
            }
        }
    });
    let ends = Arc::clone(ends);
    thread::spawn(move || {
        carry(stream, |packet| {
            for (other, queue) in lock(&ends).iter() {
                // A full queue loses the packet, one whose reader is gone too.
                if *other != id {
                    let _ = queue.try_send(Arc::clone(packet));
                }
            }
        });
        lock(&ends).retain(|(other, _)| *other != id);
    });
}

fn lock(ends: &Ends) -> MutexGuard<'_, Queues> {
    ends.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads packets, each with its length in front (four bytes, the most significant first), as QEMU writes them.
fn carry(mut source: impl Read, mut pass: impl FnMut(&Arc<[u8]>)) {
    let mut head = [0; 4];
    while read_whole(&mut source, &mut head) {
        let length = usize::try_from(u32::from_be_bytes(head)).unwrap_or(usize::MAX);
        if length > MAX_PACKET {
            return;
        }
        let mut packet = vec![0; 4 + length];
        packet[..4].copy_from_slice(&head);
        if !read_whole(&mut source, &mut packet[4..]) {
            return;
        }
        pass(&packet.into());
    }
}

fn read_whole(source: &mut impl Read, buffer: &mut [u8]) -> bool {
    loop {
        match source.read_exact(buffer) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            read => return read.is_ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn connect(segments: &Segments, segment: usize) -> UnixStream {
        let stream = crate::vm::socket::connect(&segments.names[segment]).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream
    }

    fn framed(text: &str) -> Vec<u8> {
        let length = u32::try_from(text.len()).unwrap().to_be_bytes();
        [&length[..], text.as_bytes()].concat()
    }

    #[test]
    fn what_one_end_sends_all_others_get_and_nobody_on_another_segment() {
        let segments = Segments::new(2).unwrap();
        let (mut a, mut b, mut c) = (connect(&segments, 0), connect(&segments, 0), connect(&segments, 0));
        let mut stranger = connect(&segments, 1);
        // Until an end is connected, packets for it are lost.
        let mut got = [0; 9];
        for end in [&mut b, &mut c] {
            end.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
            while end.read_exact(&mut got).is_err() {
                a.write_all(&framed("hello")).unwrap();
            }
            assert_eq!(got[..], framed("hello"));
        }
        stranger.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        assert!(stranger.read_exact(&mut got).is_err());
    }

    #[test]
    fn nonsense_ends_an_interface_and_no_more() {
        let mut seen = 0;
        carry(&[framed("one"), framed("two"), vec![0xff; 100]].concat()[..], |_| seen += 1);
        assert_eq!(seen, 2);
    }

    #[test]
    fn qemu_is_given_an_interface() {
        let segments = Segments::new(1).unwrap();
        let args = segments.interface(0, "eth0", "02:00:00:00:00:01");
        assert!(
            args[1].starts_with("stream,id=eth0,server=off,addr.type=unix,addr.path=vmptcp-net-"),
            "{args:?}"
        );
        assert_eq!(args[3], "virtio-net-pci,netdev=eth0,mac=02:00:00:00:00:01");
    }
}
