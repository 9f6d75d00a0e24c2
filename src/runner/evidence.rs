//! What can be found out about a test that hangs or failed, as long as its guest is there.

use super::journal::Journal;
use super::log::CappedLog;
use crate::error::Result;
use crate::event::{Event, TestId};
use crate::guest::protocol::{self, Io, JobId};
use crate::text::file;
use crate::vm::Guest;
use std::time::Duration;

/// How long a guest that answers may take to tell what it knows; under emulation that takes its time.
pub(super) const TIMEOUT: Duration = Duration::from_secs(60);

/// The number of the agent's job that looks at a hang.
pub(super) const JOB: JobId = JobId::MAX;

/// The number of the one that watches a rerun: its end is not that of the other.
pub(super) const WATCH_JOB: JobId = JobId::MAX - 1;

/// State of every network namespace: what MPTCP counted, its sockets, its endpoints. Each command is given little time, as
/// what hangs may be what it asks for.
const NETWORK: &str = r#"
state() {
    echo "== $1: MPTCP's counters"; $2 timeout 5 nstat -asz 2>/dev/null | grep -i mptcp | grep -v ' 0  '
    echo "== $1: MPTCP's sockets"; $2 timeout 5 ss -OMni
    echo "== $1: TCP's sockets"; $2 timeout 5 ss -Otni
    echo "== $1: endpoints and limits"; $2 timeout 5 ip mptcp endpoint show; $2 timeout 5 ip mptcp limits show
}
network() {
    state "initial network namespace" ""
    for ns in $(timeout 5 ip netns list | cut -d' ' -f1); do
        state "network namespace $ns" "ip netns exec $ns"
    done
}
"#;

/// All that a guest can tell about a hang. `sysrq` prints to the console: blocked tasks, CPUs, all tasks, locks.
const HANG: &str = r#"
exec 2>&1
for key in w l t d; do echo $key > /proc/sysrq-trigger; done
echo "sysrq w, l, t and d: see the console log"
echo "== processes, and where they are in the kernel"
for proc in /proc/[0-9]*; do
    command=$(tr '\0' ' ' < $proc/cmdline 2>/dev/null)
    [ -n "$command" ] || continue
    echo "-- ${proc#/proc/}: $command"
    grep -E '^(State|PPid):' $proc/status
    cat $proc/stack
done
network
"#;

/// The same look at the network again and again, as long as a test runs, which goes first.
const WATCH: &str = r#"
exec 2>&1
renice -n 19 -p $$ > /dev/null
while :; do
    echo "==== $(cut -d' ' -f1 /proc/uptime) s after the boot"
    network
    sleep 5
done
"#;

/// What is being collected, and where to.
pub(super) struct Evidence {
    log: CappedLog,
    file: String,
    what: &'static str,
}

impl Evidence {
    /// Begins to collect about a test that hangs. The job is for the agent.
    pub fn of_a_hang(test: &TestId, journal: &Journal) -> Result<(Self, protocol::Job)> {
        Self::begin(test, journal, "post-mortem", JOB, HANG)
    }

    /// Begins to watch a test that failed before.
    pub fn of_a_rerun(test: &TestId, journal: &Journal) -> Result<(Self, protocol::Job)> {
        Self::begin(test, journal, "network", WATCH_JOB, WATCH)
    }

    fn begin(
        test: &TestId,
        journal: &Journal,
        what: &'static str,
        id: JobId,
        script: &str,
    ) -> Result<(Self, protocol::Job)> {
        let file = format!("tests/{}.{what}.txt", test.stem());
        let log = CappedLog::create(&journal.path().join(&file))?;
        let job = protocol::Job {
            id,
            argv: vec!["sh".to_owned(), "-c".to_owned(), format!("{NETWORK}{script}")],
            cwd: "/".to_owned(),
            env: Vec::new(),
            io: Io::Merged,
        };
        Ok((Self { log, file, what }, job))
    }

    /// Takes more of what the guest tells.
    pub fn take(&mut self, bytes: &[u8]) -> Result<()> {
        self.log.write(bytes)
    }

    /// There is no more.
    pub fn close(mut self, test: &TestId, journal: &mut Journal) -> Result<()> {
        self.log.close()?;
        journal.add(Event::Evidence { test: Some(test.clone()), what: self.what.to_owned(), file: self.file })
    }
}

/// A guest that says nothing any more is looked at from outside: what its CPUs do.
pub(super) fn registers(guest: &Guest, test: Option<TestId>, journal: &mut Journal) -> Result<()> {
    let text = guest.examine().unwrap_or_else(|error| format!("{error}\n"));
    let name = format!("vm-{}.registers.txt", guest.id());
    file::replace(&journal.path().join(&name), text.as_bytes())?;
    journal.add(Event::Evidence { test, what: "CPUs".to_owned(), file: name })
}
