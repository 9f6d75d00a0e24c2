//! A backend whose kernel is a shell and whose agent is a thread: all that a guest is but a guest.

use super::*;
use crate::guest::protocol::{Bytes, Exit, FromGuest, Io, Job, Stream, VERSION};
use crate::process::{Cmd, Stdio};
use crate::vm::backend::{Backend, Capabilities, Requests};
use crate::vm::link::{JobEnd, LinkEvent, Terms};
use crate::vm::machine::Machine;
use crate::vm::registry;
use crate::vm::root::Root;
use crate::vm::{Guest, Hub, Listing, LiveHub, Remote};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Instant;

/// What the kernel of a guest is.
#[derive(Debug)]
struct Shell {
    script: &'static str,
    requests: Requests,
    /// What it was given before the boot.
    given: Mutex<Vec<ToGuest>>,
}

impl Backend for Shell {
    fn capabilities(&self) -> Capabilities {
        Capabilities { requests: self.requests }
    }

    fn accelerator(&self) -> &'static str {
        "shell"
    }

    fn filesystem(&self) -> &'static str {
        "none"
    }

    fn command(&self, _: &Machine, name: &str) -> Cmd {
        Cmd::new("sh").args(["-c", self.script, name])
    }

    fn start(&self, machine: &Machine, name: &str, requests: &[ToGuest]) -> Result<Started> {
        *self.given.lock().unwrap() = requests.to_vec();
        let mut child = self.command(machine, name).spawn(Stdio::Merged)?;
        let console = Box::new(child.take_output().unwrap());
        let (ours, theirs) = UnixStream::pair().unwrap();
        thread::spawn(move || agent(&theirs));
        let two_way = self.requests == Requests::AnyTime;
        let channel: Channel = Box::new(move |_| {
            let writer = ours.try_clone().ok().map(|writer| Box::new(writer) as Box<dyn Write + Send>);
            Some(Ends { reader: Box::new(ours), writer: writer.filter(|_| two_way) })
        });
        Ok(Started { child, console, channel, monitor: None, abrupt: false })
    }

    fn remedy(&self, _: &Path) -> String {
        String::new()
    }
}

/// Runs every job at once: it prints its first word, and ends with the number of its words.
fn agent(channel: &UnixStream) {
    let say = |message: &FromGuest| {
        let mut channel = channel;
        channel.write_all(&encode(message)).is_ok()
    };
    let kernel = "6.12.0".to_owned();
    say(&FromGuest::Ready { version: VERSION, kernel, cpus: 1, uptime_ms: 1, leaks_since: None });
    let mut noise = channel;
    noise.write_all(b"noise\n").unwrap();
    read_messages(channel, |message: Result<ToGuest, _>| match message {
        Ok(ToGuest::Run(job)) => {
            let data = Bytes(job.argv[0].clone().into_bytes());
            let code = i32::try_from(job.argv.len()).unwrap();
            say(&FromGuest::Output { id: job.id, stream: Stream::Stdout, data })
                && say(&FromGuest::Ended { id: job.id, exit: Exit::Code(code) })
        }
        Ok(ToGuest::Ping) => say(&FromGuest::Pong),
        _ => true,
    });
}

/// A guest of that backend, its listing below `dir`.
fn spec(script: &'static str, requests: Requests, dir: &Path) -> (Spec, Arc<Shell>) {
    let shell = Arc::new(Shell { script, requests, given: Mutex::default() });
    let machine = Machine {
        kernel: "/build".into(),
        cpus: 1,
        memory_mib: 1,
        append: Vec::new(),
        root: Root { dir: "/".into(), shares: Vec::new(), agent: "/vmptcp".into() },
        tmp: "/tmp".into(),
        seed: None,
    };
    let listing = Listing { dir: dir.join("guests"), purpose: "a test".to_owned() };
    let backend: Arc<dyn Backend> = shell.clone();
    (Spec { backend, machine, listing }, shell)
}

const BOOT_TIMEOUT: Duration = Duration::from_secs(60);

/// Takes what the guest says until `wanted` finds what it looks for.
fn until<T>(
    hub: &mut LiveHub,
    guest: &mut Guest,
    mut wanted: impl FnMut(&LinkEvent) -> Option<T>,
) -> (T, Vec<LinkEvent>) {
    let limit = Instant::now() + Duration::from_secs(60);
    let mut seen = Vec::new();
    while Instant::now() < limit {
        let heard = hub.next(Duration::from_millis(20)).unwrap();
        let mut events = heard.map_or_else(Vec::new, |(_, message)| guest.hear(message, hub.now()));
        events.extend(guest.tick(hub.now()).unwrap());
        for event in events {
            let found = wanted(&event);
            seen.push(event);
            if let Some(found) = found {
                return (found, seen);
            }
        }
    }
    panic!("it never came: {seen:?}");
}

fn is_up(event: &LinkEvent) -> Option<()> {
    matches!(event, LinkEvent::Up { .. }).then_some(())
}

fn job(id: u32, words: &[&str]) -> Job {
    let argv = words.iter().map(|&word| word.to_owned()).collect();
    Job { id, argv, cwd: "/".into(), env: Vec::new(), io: Io::Merged }
}

fn code_of(id: u32) -> impl FnMut(&LinkEvent) -> Option<i32> {
    move |event| match event {
        LinkEvent::Ended { id: ended, end: JobEnd::Exit(Exit::Code(code)) } if *ended == id => Some(*code),
        _ => None,
    }
}

#[test]
fn a_guest_is_listed_talked_to_and_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let (spec, _) = spec("echo booting; exec sleep 600", Requests::AnyTime, dir.path());
    let log = dir.path().join("console.log");
    let mut hub = LiveHub::default();
    let mut guest = Guest::start(&mut hub, &spec, &[], 3, BOOT_TIMEOUT, &log).unwrap();
    let ((), mut seen) = until(&mut hub, &mut guest, is_up);
    guest.run(job(1, &["one", "two"]));
    let (code, more) = until(&mut hub, &mut guest, code_of(1));
    seen.extend(more);
    assert_eq!(code, 2);
    let output = LinkEvent::Output { id: 1, stream: Stream::Stdout, data: b"one".to_vec() };
    assert!(seen.contains(&output), "{seen:?}");
    let noise = |event: &LinkEvent| matches!(event, LinkEvent::Warning(text) if text.contains("noise"));
    assert!(seen.iter().any(noise), "{seen:?}");
    let listed = registry::list(&spec.listing.dir);
    assert_eq!((listed.len(), listed[0].guest.vm, listed[0].orphan), (1, 3, false));
    let processes = listed[0].processes();
    assert!(!processes.is_empty());
    assert_eq!(guest.examine().unwrap_err().to_string(), "this guest has no monitor");
    guest.stop();
    assert_eq!(registry::list(&spec.listing.dir), []);
    assert!(processes.iter().all(|process| !process.is_alive()), "{processes:?}");
    assert_eq!(std::fs::read_to_string(log).unwrap(), "booting\n");
}

#[test]
fn others_talk_to_the_same_agent_and_cannot_take_the_owners_jobs() {
    let dir = tempfile::tempdir().unwrap();
    let (spec, _) = spec("exec sleep 600", Requests::AnyTime, dir.path());
    let mut hub = LiveHub::default();
    let mut guest = Guest::start(&mut hub, &spec, &[], 1, BOOT_TIMEOUT, &dir.path().join("log")).unwrap();
    until(&mut hub, &mut guest, is_up);
    let socket = registry::list(&spec.listing.dir).remove(0).guest.socket;
    let mut their_hub = LiveHub::default();
    let remote = Box::new(Remote::connect(&socket, 1, &their_hub).unwrap());
    let terms = Terms { boot_timeout: BOOT_TIMEOUT, binds: Vec::new(), answers: true };
    let mut client = Guest::new(1, remote, terms, PathBuf::new(), their_hub.now());
    until(&mut their_hub, &mut client, is_up);
    client.run(job(1, &["theirs", "b", "c"]));
    assert_eq!(until(&mut their_hub, &mut client, code_of(1)).0, 3);
    guest.run(job(1, &["ours"]));
    let (code, seen) = until(&mut hub, &mut guest, code_of(1));
    assert_eq!(code, 1);
    let theirs = |event: &LinkEvent| matches!(event, LinkEvent::Output { data, .. } if data == b"theirs");
    assert!(!seen.iter().any(theirs), "{seen:?}");
    assert!(client.examine().is_err());
    client.stop();
    guest.run(job(2, &["still", "here"]));
    assert_eq!(until(&mut hub, &mut guest, code_of(2)).0, 2);
    guest.stop();
    let refused = || {
        thread::sleep(Duration::from_millis(20));
        Remote::connect(&socket, 1, &their_hub).is_err()
    };
    assert!((0..500).any(|_| refused()), "nobody leads there any more");
}

#[test]
fn a_guest_whose_process_ends_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let (spec, _) = spec("echo last words; exit 3", Requests::AnyTime, dir.path());
    let mut hub = LiveHub::default();
    let mut guest = Guest::start(&mut hub, &spec, &[], 1, BOOT_TIMEOUT, &dir.path().join("log")).unwrap();
    let lost = |event: &LinkEvent| match event {
        LinkEvent::Lost(loss) => Some(loss.clone()),
        _ => None,
    };
    let (loss, _) = until(&mut hub, &mut guest, lost);
    assert!(!loss.hangs, "{loss:?}");
    assert_eq!(guest.link().console_tail(), ["last words"]);
}

#[test]
fn a_guest_that_takes_requests_at_boot_only_gets_none_later() {
    let dir = tempfile::tempdir().unwrap();
    let (spec, shell) = spec("exec sleep 600", Requests::AtBoot, dir.path());
    let mut hub = LiveHub::default();
    let ahead = [ToGuest::Run(job(1, &["one"]))];
    let peer = hub.start(&spec, &ahead, 1, &dir.path().join("log")).unwrap();
    assert_eq!(*shell.given.lock().unwrap(), ahead);
    let terms = Terms { boot_timeout: BOOT_TIMEOUT, binds: Vec::new(), answers: false };
    let mut guest = Guest::new(1, peer, terms, PathBuf::new(), hub.now());
    until(&mut hub, &mut guest, is_up);
    guest.run(job(2, &["never"]));
    for _ in 0..10 {
        let heard = hub.next(Duration::from_millis(20)).unwrap();
        let events = heard.map_or_else(Vec::new, |(_, message)| guest.hear(message, hub.now()));
        assert!(!events.iter().any(|event| matches!(event, LinkEvent::Ended { .. })), "{events:?}");
    }
    guest.stop();
}

#[test]
fn a_console_log_that_cannot_be_written_is_reported_once() {
    let dir = tempfile::tempdir().unwrap();
    let (spec, _) = spec("echo one; echo two; exec sleep 600", Requests::AnyTime, dir.path());
    let mut hub = LiveHub::default();
    let mut guest = Guest::start(&mut hub, &spec, &[], 1, BOOT_TIMEOUT, Path::new("/dev/full")).unwrap();
    let second = |event: &LinkEvent| match event {
        LinkEvent::Console { line, .. } if line == "two" => Some(()),
        _ => None,
    };
    let ((), seen) = until(&mut hub, &mut guest, second);
    let warnings: Vec<&LinkEvent> = seen
        .iter()
        .filter(|event| matches!(event, LinkEvent::Warning(text) if text.contains("console log")))
        .collect();
    assert_eq!(warnings.len(), 1, "{seen:?}");
    let missing = Path::new("/no/such/directory/console.log");
    assert!(Guest::start(&mut hub, &spec, &[], 2, BOOT_TIMEOUT, missing).is_err());
}
