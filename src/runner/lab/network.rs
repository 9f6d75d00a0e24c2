//! A network on a guest set: made, watched, and taken away again.

use super::super::Journal;
use super::super::guest_set::{GuestSet, Task, Trouble};
use super::{COMMAND_TIMEOUT, ScenarioEnd};
use crate::connections::{Counters, Watch, read_listeners, read_sockets};
use crate::event::connections::Connections;
use crate::event::{Event, Outcome, TestId};
use crate::plan::lab::Scenario;
use crate::runner::guest_set::JobKey;
use crate::suite::sample::Expect;
use crate::topology::realise::{self, actions, interfaces, namespace};
use crate::topology::{Realisation, Topology};
use std::path::Path;
use std::time::{Duration, Instant};

/// What prints the connected TCP sockets: connections, and subflows.
const SOCKETS: [&str; 2] = ["ss", "-Htni"];

/// What prints the sockets that listen, TCP's and MPTCP's.
const LISTENERS: [&str; 2] = ["ss", "-HltnM"];

/// A scenario that runs, and for how long.
pub(super) struct LabRun<'a> {
    pub scenario: &'a Scenario,
    pub test: &'a TestId,
    pub time: Duration,
    pub pcap: bool,
    /// Where the guests may write.
    pub files: &'a Path,
    /// Where the tree's selftests are installed.
    pub selftests: String,
}

/// A network that is there.
pub(super) struct Network {
    hosts: Vec<LabHost>,
    removal: Option<String>,
    watch: Watch,
    captures: Vec<(String, JobKey)>,
    /// When the sockets were looked at last.
    looked: Option<Instant>,
}

/// Where a host is.
#[derive(Debug, Clone)]
pub(super) struct LabHost {
    pub host: String,
    pub guest: usize,
    namespace: Option<String>,
}

impl LabHost {
    /// A command on this host.
    pub fn task(&self, argv: Vec<String>) -> Task {
        let argv = match &self.namespace {
            Some(space) => {
                let enter = ["ip", "netns", "exec", space].map(str::to_owned);
                enter.into_iter().chain(argv).collect()
            }
            None => argv,
        };
        Task::new(self.guest, argv)
    }
}

fn words(text: &[&str]) -> Vec<String> {
    text.iter().map(|&word| word.to_owned()).collect()
}

impl Network {
    /// Makes the network of a topology.
    pub fn make(
        topology: &Topology,
        how: Realisation,
        guest_set: &mut GuestSet,
        journal: &mut Journal,
    ) -> Result<Result<Self, ScenarioEnd>, Trouble> {
        let namespaced = how == Realisation::Namespaces;
        let hosts: Vec<LabHost> = topology
            .host
            .keys()
            .enumerate()
            .map(|(index, host)| LabHost {
                host: host.clone(),
                guest: if namespaced { 0 } else { index },
                namespace: namespaced.then(|| namespace(host)),
            })
            .collect();
        let removal = namespaced.then(|| realise::removal(topology).join("\n") + "\n");
        if let Some(lines) = &removal {
            // What a test before this one left behind.
            let argv = words(&["ip", "-force", "-batch", "-"]);
            guest_set.run(Task::new(0, argv).reading(lines.clone()), COMMAND_TIMEOUT, journal)?;
        } else {
            for lab_host in &hosts {
                if let Err(verdict) = name_interfaces(topology, lab_host, guest_set, journal)? {
                    return Ok(Err(verdict));
                }
            }
        }
        for action in actions(topology, how) {
            let guest = match &action.place {
                realise::Place::Host(host) => {
                    hosts.iter().find(|lab_host| lab_host.host == *host).map_or(0, |lab_host| lab_host.guest)
                }
                _ => 0,
            };
            let (argv, input) = action.command(namespaced);
            let ended =
                guest_set.run(Task::new(guest, argv.clone()).reading(input), COMMAND_TIMEOUT, journal)?;
            if !ended.is_good() {
                return Ok(Err(refused(&argv, &action.lines, &ended.output)));
            }
        }
        Ok(Ok(Self { hosts, removal, watch: Watch::default(), captures: Vec::new(), looked: None }))
    }

    /// The guest itself, with all that is in it.
    pub fn of_guest() -> Self {
        let lab_host = LabHost { host: "guest".to_owned(), guest: 0, namespace: None };
        Self {
            hosts: vec![lab_host],
            removal: None,
            watch: Watch::default(),
            captures: Vec::new(),
            looked: None,
        }
    }

    /// Where all hosts are.
    pub fn hosts(&self) -> &[LabHost] {
        &self.hosts
    }

    /// Where a host is: by its name, or the only one.
    pub fn host(&self, host: &str) -> LabHost {
        self.hosts.iter().find(|lab_host| lab_host.host == host).unwrap_or(&self.hosts[0]).clone()
    }

    /// Begins to watch: counters, and packets if they are wanted.
    pub fn begin(
        &mut self,
        lab_run: &LabRun,
        guest_set: &mut GuestSet,
        journal: &mut Journal,
    ) -> Result<(), Trouble> {
        for lab_host in &self.hosts {
            let counters = counters(lab_host, guest_set, journal)?;
            let sockets = guest_set.run(lab_host.task(words(&SOCKETS)), COMMAND_TIMEOUT, journal)?.output;
            let listeners = guest_set.run(lab_host.task(words(&LISTENERS)), COMMAND_TIMEOUT, journal)?.output;
            self.watch.before(&lab_host.host, counters, read_sockets(&sockets), read_listeners(&listeners));
        }
        if lab_run.pcap {
            for lab_host in &self.hosts {
                let file = lab_run.files.join(format!("{}.{}.pcap", lab_run.scenario.name, lab_host.host));
                let argv = words(&[
                    "tcpdump",
                    "-i",
                    "any",
                    "-s",
                    "200",
                    "-U",
                    "-Z",
                    "root",
                    "-w",
                    &file.to_string_lossy(),
                    "tcp",
                ]);
                self.captures.push((lab_host.host.clone(), guest_set.start(lab_host.task(argv))));
            }
            guest_set.pump(Duration::from_secs(1), journal)?;
        }
        Ok(())
    }

    /// Looks at the sockets, if that was not done a moment ago.
    pub fn look(
        &mut self,
        every: Duration,
        guest_set: &mut GuestSet,
        journal: &mut Journal,
    ) -> Result<(), Trouble> {
        if self.looked.is_some_and(|last| guest_set.now() - last < every) {
            return Ok(());
        }
        for lab_host in &self.hosts {
            let ended = guest_set.run(lab_host.task(words(&SOCKETS)), COMMAND_TIMEOUT, journal)?;
            self.watch.sockets(&lab_host.host, read_sockets(&ended.output));
            let ended = guest_set.run(lab_host.task(words(&LISTENERS)), COMMAND_TIMEOUT, journal)?;
            self.watch.listeners(&lab_host.host, read_listeners(&ended.output));
        }
        self.looked = Some(guest_set.now());
        Ok(())
    }

    /// Whether a program listens on a host.
    pub fn listens(
        &mut self,
        lab_host: &LabHost,
        guest_set: &mut GuestSet,
        journal: &mut Journal,
    ) -> Result<bool, Trouble> {
        let ended = guest_set.run(lab_host.task(words(&LISTENERS)), COMMAND_TIMEOUT, journal)?;
        let listeners = read_listeners(&ended.output);
        let some = !listeners.is_empty();
        self.watch.listeners(&lab_host.host, listeners);
        Ok(some)
    }

    /// What was seen. Takes the network away.
    pub fn finish(
        mut self,
        lab_run: &LabRun,
        guest_set: &mut GuestSet,
        journal: &mut Journal,
    ) -> Result<Connections, Trouble> {
        for lab_host in &self.hosts {
            let counters = counters(lab_host, guest_set, journal)?;
            self.watch.after(&lab_host.host, counters);
        }
        let mut captures = Vec::new();
        let below = Path::new(lab_run.files.file_name().unwrap_or_default());
        for (host, key) in std::mem::take(&mut self.captures) {
            match guest_set.stop(key, journal)? {
                Some(ended) if ended.exit.is_none() => {
                    journal.warn(format!("no packets were captured: {}", ended.output), None)?;
                }
                _ => captures.push(format!("{}/{}.{host}.pcap", below.display(), lab_run.scenario.name)),
            }
        }
        if let Some(lines) = &self.removal {
            let argv = words(&["ip", "-force", "-batch", "-"]);
            guest_set.run(Task::new(0, argv).reading(lines.clone()), COMMAND_TIMEOUT, journal)?;
        }
        let mut observed = self.watch.finish();
        observed.captures = captures;
        journal.add(Event::Connections { test: lab_run.test.clone(), observed: observed.clone() })?;
        Ok(observed)
    }
}

/// What the connections were to be, and were not. Where nothing is expected of them, they are to be what a program asked its
/// kernel for: that is seen of its sockets, not of its text.
pub(super) fn unmet(expect: &[Expect], observed: &Connections) -> Option<String> {
    let asked = if expect.is_empty() && observed.asks_for_mptcp() && observed.made() > 0 {
        &[Expect::Mptcp][..]
    } else {
        expect
    };
    asked.iter().find_map(|expect| expect.unmet(observed))
}

/// Gives a guest's interfaces the names that the network has for them.
fn name_interfaces(
    topology: &Topology,
    lab_host: &LabHost,
    guest_set: &mut GuestSet,
    journal: &mut Journal,
) -> Result<Result<(), ScenarioEnd>, Trouble> {
    let argv = words(&["ip", "-o", "link", "show"]);
    let ended = guest_set.run(Task::new(lab_host.guest, argv.clone()), COMMAND_TIMEOUT, journal)?;
    if !ended.is_good() {
        return Ok(Err(refused(&argv, &[], &ended.output)));
    }
    let lines = match realise::renames(&interfaces(topology, &lab_host.host), &links(&ended.output)) {
        Ok(lines) => lines,
        Err(why) => return Ok(Err(ScenarioEnd::new(Outcome::Error, why))),
    };
    for line in lines {
        let argv: Vec<String> = std::iter::once("ip").chain(line.split(' ')).map(str::to_owned).collect();
        let ended = guest_set.run(Task::new(lab_host.guest, argv.clone()), COMMAND_TIMEOUT, journal)?;
        if !ended.is_good() {
            return Ok(Err(refused(&argv, &[], &ended.output)));
        }
    }
    Ok(Ok(()))
}

/// Names and hardware addresses, as `ip -o link show` prints them.
fn links(text: &str) -> Vec<(String, String)> {
    let link = |line: &str| {
        let name = line.split(": ").nth(1)?.split('@').next()?.to_owned();
        let mut words = line.split_whitespace().skip_while(|word| *word != "link/ether");
        Some((name, words.nth(1)?.to_owned()))
    };
    text.lines().filter_map(link).collect()
}

/// Why a network could not be made.
fn refused(argv: &[String], lines: &[String], output: &str) -> ScenarioEnd {
    let said = output.lines().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing").trim();
    // A batch says which of its lines failed: `Command failed -:3`.
    let number =
        output.lines().find_map(|line| line.strip_prefix("Command failed -:")?.trim().parse::<usize>().ok());
    let what = number.and_then(|number| lines.get(number.checked_sub(1)?)).cloned();
    let program = argv.iter().find(|word| ["ip", "tc", "sysctl"].contains(&word.as_str()));
    let what =
        what.map_or_else(|| argv.join(" "), |line| format!("{} {line}", program.map_or("", String::as_str)));
    ScenarioEnd::new(Outcome::Error, format!("the network could not be made: {what}: {said}"))
}

fn counters(
    lab_host: &LabHost,
    guest_set: &mut GuestSet,
    journal: &mut Journal,
) -> Result<Counters, Trouble> {
    let argv = words(&["cat", "/proc/net/netstat", "/proc/net/snmp"]);
    let ended = guest_set.run(lab_host.task(argv), COMMAND_TIMEOUT, journal)?;
    Ok(Counters::read(&ended.output))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cards_are_found_by_their_hardware_address() {
        let text = "1: lo: <LOOPBACK> mtu 65536 \\    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00\n\
                    2: enp0s3: <BROADCAST> mtu 1500 \\    link/ether 02:76:6d:00:00:01 brd ff:ff:ff:ff:ff:ff\n";
        assert_eq!(links(text), [("enp0s3".to_owned(), "02:76:6d:00:00:01".to_owned())]);
    }

    #[test]
    fn the_line_that_failed_is_named() {
        let argv = words(&["ip", "-n", "x", "-batch", "-"]);
        let lines = words(&["link set lo up", "mptcp limits set subflows 9"]);
        let reason = |output: &str| refused(&argv, &lines, output).reason.unwrap_or_default();
        assert_eq!(
            reason("Error: argument is wrong.\nCommand failed -:2\n"),
            "the network could not be made: ip mptcp limits set subflows 9: Error: argument is wrong."
        );
        assert_eq!(
            reason("no such command in the guest: ip"),
            "the network could not be made: ip -n x -batch -: no such command in the guest: ip"
        );
    }
}
