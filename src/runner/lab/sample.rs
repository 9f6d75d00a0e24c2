//! Runs a sample: the server, then the client, each in its place, while their connections are watched.

use super::super::Journal;
use super::super::guest_set::{GuestSet, JobKey, Task, Trouble};
use super::ScenarioEnd;
use super::judge::{Ran, how, judge, with_hint};
use super::network::{LabHost, LabRun, Network};
use super::prepare::Program;
use crate::error::Error;
use crate::event::Outcome;
use crate::suite::sample::{Expect, fill};
use crate::topology::{CLIENT, SERVER, Topology, adapt};
use std::net::IpAddr;
use std::time::Duration;

/// How long a server may take until it listens.
const LISTEN: Duration = Duration::from_secs(20);

/// The same for one that shall be connected to by nobody: it need not listen.
const MAY_LISTEN: Duration = Duration::from_secs(1);

/// How long a server may take to end by itself after the client did.
const AFTER: Duration = Duration::from_millis(1500);

/// How often sockets are looked at.
const LOOK: Duration = Duration::from_millis(700);

/// Runs it, and says how that ended.
pub(super) fn run(
    lab_run: &LabRun,
    program: &Program,
    guest_set: &mut GuestSet,
    journal: &mut Journal,
) -> Result<ScenarioEnd, Trouble> {
    let Some((_, topology)) = &lab_run.scenario.topology else {
        return Err(Error::cannot_run("a sample without a network").into());
    };
    let mut topology = topology.clone();
    let (loopback, literals): (Vec<IpAddr>, Vec<IpAddr>) =
        program.literals.iter().partition(|ip| ip.is_loopback());
    match adapt::give_server(&mut topology, &literals) {
        Ok(said) => {
            said.iter().try_for_each(|text| journal.note(format!("{}: {text}", lab_run.test.label())))?;
        }
        Err(why) => return Ok(ScenarioEnd::new(Outcome::Error, why)),
    }
    let mut network = match Network::make(&topology, lab_run.scenario.realisation, guest_set, journal)? {
        Ok(network) => network,
        Err(verdict) => return Ok(verdict),
    };
    let together =
        !loopback.is_empty() && literals.is_empty() && program.server.is_some() && !program.is_told_addresses;
    if together {
        journal.note(format!(
            "{}: a loopback address is in the program ({}): both run on the {SERVER}'s host",
            lab_run.test.label(),
            loopback[0]
        ))?;
    }
    let hosts = (network.host(SERVER), network.host(if together { SERVER } else { CLIENT }));
    network.begin(lab_run, guest_set, journal)?;
    let ran = act(lab_run, program, &topology, &hosts, &mut network, guest_set, journal)?;
    let observed = network.finish(lab_run, guest_set, journal)?;
    Ok(match ran {
        Ok(ran) => judge(program, &lab_run.scenario.expect, &ran, &observed),
        Err(verdict) => verdict,
    })
}

/// The words that stand for addresses in commands, and the variables of the same meaning.
fn known(topology: &Topology) -> Vec<(&'static str, String)> {
    let address =
        |host: &str, v6| topology.first_address(host, v6).map(|ip| ip.to_string()).unwrap_or_default();
    vec![
        ("server", address(SERVER, false)),
        ("server6", address(SERVER, true)),
        ("client", address(CLIENT, false)),
        ("client6", address(CLIENT, true)),
    ]
}

fn task(
    lab_run: &LabRun,
    program: &Program,
    command: &[String],
    lab_host: &LabHost,
    label: &str,
    topology: &Topology,
) -> Task {
    let known = known(topology);
    let mut argv = fill(command, &known);
    if program.declared.mptcpize {
        argv.splice(0..0, ["mptcpize", "run"].map(str::to_owned));
    }
    let env = known.into_iter().map(|(name, value)| (format!("VMPTCP_{}", name.to_uppercase()), value));
    let home = program.home.to_string_lossy();
    let more = [
        ("VMPTCP_SELFTESTS", lab_run.selftests.as_str()),
        ("PYTHONUNBUFFERED", "1"),
        ("HOME", home.as_ref()),
    ];
    let more = more.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Task {
        cwd: program.dir.display().to_string(),
        label: Some(label.to_owned()),
        // A program that is started by another knows no terminal: what it says is to come at once all the same.
        env: env.chain(more).collect(),
        ..lab_host.task(argv)
    }
}

fn act(
    lab_run: &LabRun,
    program: &Program,
    topology: &Topology,
    (server_host, client_host): &(LabHost, LabHost),
    network: &mut Network,
    guest_set: &mut GuestSet,
    journal: &mut Journal,
) -> Result<Result<Ran, ScenarioEnd>, Trouble> {
    let mut server = None;
    if let Some(command) = &program.server {
        let key = guest_set.start(task(lab_run, program, command, server_host, "server", topology));
        let has_to = !lab_run.scenario.expect.contains(&Expect::None);
        let never = wait_until_it_listens(key, server_host, has_to, network, guest_set, journal)?;
        if let Some(verdict) = never {
            return Ok(Err(verdict));
        }
        server = Some(key);
    }
    let client = guest_set.start(task(lab_run, program, &program.client, client_host, "client", topology));
    let until = guest_set.now() + lab_run.time;
    while guest_set.ended(client).is_none() && guest_set.now() < until {
        guest_set.pump(Duration::from_millis(200), journal)?;
        network.look(LOOK, guest_set, journal)?;
    }
    network.look(Duration::ZERO, guest_set, journal)?;
    let ended = guest_set.ended(client);
    if ended.is_none() {
        guest_set.stop(client, journal)?;
    }
    let mut ran =
        Ran { client: ended, server: None, client_said: guest_set.said(client), server_said: String::new() };
    if let Some(key) = server {
        let until = guest_set.now() + AFTER;
        while guest_set.ended(key).is_none() && guest_set.now() < until && ran.client.is_some() {
            guest_set.pump(Duration::from_millis(100), journal)?;
        }
        ran.server = guest_set.ended(key);
        if ran.server.is_none() {
            guest_set.stop(key, journal)?;
        }
        ran.server_said = guest_set.said(key);
    }
    Ok(Ok(ran))
}

/// Waits until the server listens; returns a verdict if it never does, and has to.
fn wait_until_it_listens(
    key: JobKey,
    lab_host: &LabHost,
    has_to: bool,
    network: &mut Network,
    guest_set: &mut GuestSet,
    journal: &mut Journal,
) -> Result<Option<ScenarioEnd>, Trouble> {
    let until = guest_set.now() + if has_to { LISTEN } else { MAY_LISTEN };
    while !network.listens(lab_host, guest_set, journal)? {
        let ended = guest_set.ended(key);
        if !has_to && (ended.is_some() || guest_set.now() >= until) {
            return Ok(None);
        }
        if let Some(ended) = ended {
            let verdict = match ended.exit {
                None => ScenarioEnd::new(Outcome::Error, ended.output),
                Some(exit) => {
                    let why = format!("the server ended before it listened: {}", how(exit, &ended.output));
                    ScenarioEnd::fail(with_hint(why, &[&ended.output]))
                }
            };
            return Ok(Some(verdict));
        }
        if guest_set.now() >= until {
            guest_set.stop(key, journal)?;
            let why = format!("the server does not listen after {} s", LISTEN.as_secs());
            return Ok(Some(ScenarioEnd::fail(with_hint(why, &[&guest_set.said(key)]))));
        }
        guest_set.pump(Duration::from_millis(100), journal)?;
    }
    Ok(None)
}
