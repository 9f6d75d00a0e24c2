//! Proves that a seed makes the same run here: two guests of user-mode Linux in virtual time do the same, and what they say is
//! compared to the byte.

use super::backend::uml::{self, Time, Uml};
use super::backend::{Backend, Started};
use super::machine::Machine;
use super::root::Root;
use crate::error::{Error, IoContext, Result};
use crate::guest::protocol::{Decoder, Exit, FromGuest, Io, Job, JobId, ToGuest};
use crate::process::{Child, interrupt};
use crate::text::{Shown, decode};
use std::io::Read;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long both guests may take: one is up in a second, and no load makes that a minute.
const LIMIT: Duration = Duration::from_secs(60);

const POLL_INTERVAL: Duration = Duration::from_millis(20);

const JOB: JobId = 1;

/// Draws random numbers, waits, looks at clocks, and lets several processes compete.
const SCRIPT: &str = "head -c 64 /dev/urandom | od -An -tx1; cat /proc/sys/kernel/random/uuid; date +%s.%N
for i in 1 2 3 4; do (sleep 0.$i; echo $i; date +%s.%N) & done; wait; sleep 5; cat /proc/uptime; echo $$";

/// What a guest said.
#[derive(Debug, Default, PartialEq, Eq)]
struct Said {
    /// Its agent.
    agent: Vec<u8>,
    /// Its kernel.
    console: Vec<u8>,
}

/// What differs between two runs of the kernel in this build directory with one seed; none if they are the same to the byte.
/// `helper` is this executable, `cache` the user's. An error if such a guest cannot run here.
pub fn twice(kernel: &Path, helper: &Path, cache: &Path) -> Result<Option<String>> {
    let namespace = Some(uml::namespace()?);
    let tmp = tempfile::tempdir().doing("create a directory in", Path::new("the temporary directory"))?;
    let tracing = uml::Tracing::of(kernel, cache)?;
    let uml = Uml { namespace, helper: helper.to_owned(), time: Time::Virtual, tracing, hold: false };
    let machine = machine(kernel, helper, tmp.path());
    let deadline = Instant::now() + LIMIT;
    // Side by side: they differ in all that the host does meanwhile.
    let guests = [Guest::start(&uml, &machine, "one")?, Guest::start(&uml, &machine, "two")?];
    let [first, second] = guests.map(|guest| guest.said(deadline));
    let (first, second) = (first?, second?);
    first.is_whole()?;
    Ok(difference(&first, &second))
}

fn machine(kernel: &Path, helper: &Path, tmp: &Path) -> Machine {
    Machine {
        kernel: kernel.to_owned(),
        cpus: 1,
        memory_mib: 256,
        append: Vec::new(),
        seed: Some(1),
        root: Root { dir: "/".into(), shares: Vec::new(), agent: helper.to_owned() },
        tmp: tmp.to_owned(),
    }
}

fn requests(machine: &Machine) -> Vec<ToGuest> {
    let argv = ["sh", "-c", SCRIPT].map(str::to_owned).to_vec();
    let job = Job { id: JOB, argv, cwd: "/".to_owned(), env: Vec::new(), io: Io::Merged };
    vec![
        ToGuest::Bind { mounts: machine.root.binds() },
        ToGuest::Run(job),
        ToGuest::Await { id: JOB, seconds: 60 },
    ]
}

/// A guest that runs, and who listens to it.
struct Guest {
    processes: Child,
    agent: JoinHandle<Vec<u8>>,
    console: JoinHandle<Vec<u8>>,
}

impl Guest {
    fn start(uml: &Uml, machine: &Machine, name: &str) -> Result<Self> {
        let Started { child, console, channel, .. } = uml.start(machine, name, &requests(machine))?;
        let ends = channel(&AtomicBool::new(false));
        let ends = ends.ok_or_else(|| Error::cannot_run("the guest has no line to its agent"))?;
        Ok(Self { processes: child, agent: all_of(ends.reader), console: all_of(console) })
    }

    /// All that it says until it ends, which it does by itself; an error if it has not at the deadline.
    fn said(mut self, deadline: Instant) -> Result<Said> {
        while self.processes.try_wait()?.is_none() {
            interrupt::check()?;
            if Instant::now() > deadline {
                self.processes.kill();
                return Err(Error::cannot_run(format!("a guest timed out after {} s", LIMIT.as_secs())));
            }
            std::thread::sleep(POLL_INTERVAL);
        }
        let text = |reader: JoinHandle<Vec<u8>>| reader.join().unwrap_or_default();
        Ok(Said { agent: text(self.agent), console: text(self.console) })
    }
}

fn all_of(mut from: Box<dyn Read + Send>) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut all = Vec::new();
        // What came before an error counts.
        let _ = from.read_to_end(&mut all);
        all
    })
}

impl Said {
    /// Fails unless the guest did what it was told.
    fn is_whole(&self) -> Result<()> {
        let messages = Decoder::default().feed::<FromGuest>(&self.agent);
        let done = |message: &Result<FromGuest, String>| {
            matches!(message, Ok(FromGuest::Ended { id: JOB, exit: Exit::Code(0) }))
        };
        if messages.iter().any(done) {
            return Ok(());
        }
        let console = decode(&self.console).into_owned();
        let last = console.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("nothing");
        Err(Error::cannot_run(format!(
            "a guest did not do its job; its kernel last said: {}",
            Shown::line(last)
        )))
    }
}

fn difference(first: &Said, second: &Said) -> Option<String> {
    differing_line("output", &first.agent, &second.agent)
        .or_else(|| differing_line("console", &first.console, &second.console))
}

/// `console, line 12: "a" and "b"`
fn differing_line(what: &str, first: &[u8], second: &[u8]) -> Option<String> {
    const LONGEST: usize = 100;
    let lines = |bytes: &[u8]| decode(bytes).split('\n').map(str::to_owned).collect::<Vec<_>>();
    if first == second {
        return None;
    }
    let (first, second) = (lines(first), lines(second));
    let at = (0..first.len().max(second.len())).find(|at| first.get(*at) != second.get(*at))?;
    let shown = |lines: &[String]| {
        let line = lines.get(at).map_or("", String::as_str);
        Shown::line(line).to_string().chars().take(LONGEST).collect::<String>()
    };
    Some(format!("{what}, line {}: {:?} and {:?}", at + 1, shown(&first), shown(&second)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guest::protocol::encode;

    fn said(agent: &str, console: &str) -> Said {
        Said { agent: agent.into(), console: console.into() }
    }

    #[test]
    fn the_first_line_that_differs_is_named() {
        let one = said("a\nb\n", "boot\nup\n");
        assert_eq!(difference(&one, &said("a\nb\n", "boot\nup\n")), None);
        let of = |other: Said| difference(&one, &other).unwrap();
        assert_eq!(of(said("a\nc\n", "x")), r#"output, line 2: "b" and "c""#);
        assert_eq!(of(said("a\nb\n", "boot\nup\nmore\n")), r#"console, line 3: "" and "more""#);
    }

    #[test]
    fn two_guests_that_did_nothing_are_no_proof() {
        let ended = |code| encode(&FromGuest::Ended { id: JOB, exit: Exit::Code(code) });
        let whole = |agent: Vec<u8>| Said { agent, console: b"boot\npanic\n\n".to_vec() }.is_whole();
        assert!(whole(ended(0)).is_ok());
        let error = whole(ended(1)).unwrap_err().to_string();
        assert!(error.ends_with("its kernel last said: panic"), "{error}");
        assert!(whole(Vec::new()).is_err());
    }
}
