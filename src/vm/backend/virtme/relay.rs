//! QEMU's second monitor, for other processes of the same user: `vmptcp gdb` and `vmptcp dump`.
//!
//! QEMU connects to us, as with the first: an abstract socket of its own would let everybody in. One client after the other is
//! connected to it, and only those of our own user are.

use crate::error::Result;
use crate::vm::monitor::{hello, tools_of};
use crate::vm::socket::Listener;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How long QEMU may take to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(120);

/// Listens for QEMU at the name `qemu`, and connects clients of the guest of that `socket` to it, until QEMU is gone.
pub(super) fn serve(socket: &str, qemu: &str) -> Result<()> {
    let (from_qemu, clients) = (Listener::open(qemu)?, Listener::open(&tools_of(socket))?);
    thread::spawn(move || {
        let deadline = Instant::now() + CONNECT_TIMEOUT;
        let Some(mut monitor) = from_qemu.accept(|| Instant::now() >= deadline) else { return };
        // Nobody else can have it any more.
        drop(from_qemu);
        if hello(&mut monitor).is_ok() {
            let _ = relay(&monitor, &clients);
        }
    });
    Ok(())
}

fn relay(monitor: &UnixStream, clients: &Listener) -> std::io::Result<()> {
    let client: Arc<Mutex<Option<UnixStream>>> = Arc::default();
    let gone = Arc::new(AtomicBool::new(false));
    thread::spawn({
        let (mut monitor, client, gone) = (monitor.try_clone()?, Arc::clone(&client), Arc::clone(&gone));
        move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = monitor.read(&mut buffer) {
                // What nobody asked for is lost.
                if let Some(client) = &mut *client.lock().unwrap_or_else(PoisonError::into_inner) {
                    let _ = client.write_all(&buffer[..count]);
                }
            }
            gone.store(true, Ordering::Relaxed);
            if let Some(client) = &*client.lock().unwrap_or_else(PoisonError::into_inner) {
                let _ = client.shutdown(Shutdown::Both);
            }
        }
    });
    while let Some(mut stream) = clients.accept_until(&gone) {
        *client.lock().unwrap_or_else(PoisonError::into_inner) = Some(stream.try_clone()?);
        let copied = std::io::copy(&mut stream, &mut &*monitor);
        *client.lock().unwrap_or_else(PoisonError::into_inner) = None;
        copied?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vm::monitor::Tools;
    use crate::vm::socket::{connect, unused_name};
    use std::io::{BufRead, BufReader};

    #[test]
    fn one_client_after_the_other_asks_qemu() {
        let (socket, qemu) = (unused_name("vmptcp-test"), unused_name("vmptcp-test"));
        serve(&socket, &qemu).unwrap();
        let mut stream = connect(&qemu).unwrap();
        writeln!(stream, "{{\"QMP\": {{}}}}").unwrap();
        let served = thread::spawn(move || {
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let mut asked = Vec::new();
            for _ in 0..3 {
                asked.push(lines.next().unwrap().unwrap());
                writeln!(stream, "{{\"event\": \"X\"}}\n{{\"return\": \"done {}\"}}", asked.len()).unwrap();
            }
            asked
        });
        for number in [2, 3] {
            let answer = Tools::connect(&socket).unwrap().command("info status").unwrap();
            assert_eq!(answer, format!("done {number}"));
        }
        let asked = served.join().unwrap();
        assert!(asked[0].contains("qmp_capabilities") && asked[2].contains("info status"), "{asked:?}");
        // QEMU is gone, and with it what could answer.
        thread::sleep(Duration::from_millis(200));
        assert!(Tools::connect(&socket).and_then(|mut tools| tools.command("x")).is_err());
    }
}
