//! Plays a sample: the server, then the client, each in its place, while their connections are watched.

use super::super::Journal;
use super::super::stage::{JobKey, Stage, Task, Trouble};
use super::Verdict;
use super::judge::{Acted, how, judge, with_hint};
use super::network::{Network, Scene, Spot};
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

/// Plays it, and says how that ended.
pub(super) fn play(
    scene: &Scene,
    program: &Program,
    stage: &mut Stage,
    journal: &mut Journal,
) -> Result<Verdict, Trouble> {
    let Some((_, topology)) = &scene.piece.topology else {
        return Err(Error::cannot_run("a sample without a network").into());
    };
    let mut topology = topology.clone();
    let (loopback, literals): (Vec<IpAddr>, Vec<IpAddr>) =
        program.literals.iter().partition(|ip| ip.is_loopback());
    match adapt::give_server(&mut topology, &literals) {
        Ok(said) => {
            said.iter().try_for_each(|text| journal.note(format!("{}: {text}", scene.test.label())))?;
        }
        Err(why) => return Ok(Verdict::new(Outcome::Error, why)),
    }
    let mut network = match Network::make(&topology, scene.piece.realisation, stage, journal)? {
        Ok(network) => network,
        Err(verdict) => return Ok(verdict),
    };
    let together =
        !loopback.is_empty() && literals.is_empty() && program.server.is_some() && !program.is_told_addresses;
    if together {
        journal.note(format!(
            "{}: a loopback address is in the program ({}): both run on the {SERVER}'s host",
            scene.test.label(),
            loopback[0]
        ))?;
    }
    let spots = (network.spot(SERVER), network.spot(if together { SERVER } else { CLIENT }));
    network.begin(scene, stage, journal)?;
    let acted = act(scene, program, &topology, &spots, &mut network, stage, journal)?;
    let observed = network.finish(scene, stage, journal)?;
    Ok(match acted {
        Ok(acted) => judge(program, &scene.piece.expect, &acted, &observed),
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
    scene: &Scene,
    program: &Program,
    command: &[String],
    spot: &Spot,
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
    let more =
        [("VMPTCP_SELFTESTS", scene.selftests.as_str()), ("PYTHONUNBUFFERED", "1"), ("HOME", home.as_ref())];
    let more = more.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Task {
        cwd: program.dir.display().to_string(),
        label: Some(label.to_owned()),
        // A program that is started by another knows no terminal: what it says is to come at once all the same.
        env: env.chain(more).collect(),
        ..spot.task(argv)
    }
}

fn act(
    scene: &Scene,
    program: &Program,
    topology: &Topology,
    (server_spot, client_spot): &(Spot, Spot),
    network: &mut Network,
    stage: &mut Stage,
    journal: &mut Journal,
) -> Result<Result<Acted, Verdict>, Trouble> {
    let mut server = None;
    if let Some(command) = &program.server {
        let key = stage.start(task(scene, program, command, server_spot, "server", topology));
        let has_to = !scene.piece.expect.contains(&Expect::None);
        let never = wait_until_it_listens(key, server_spot, has_to, network, stage, journal)?;
        if let Some(verdict) = never {
            return Ok(Err(verdict));
        }
        server = Some(key);
    }
    let client = stage.start(task(scene, program, &program.client, client_spot, "client", topology));
    let until = stage.now() + scene.time;
    while stage.ended(client).is_none() && stage.now() < until {
        stage.pump(Duration::from_millis(200), journal)?;
        network.look(LOOK, stage, journal)?;
    }
    network.look(Duration::ZERO, stage, journal)?;
    let ended = stage.ended(client);
    if ended.is_none() {
        stage.stop(client, journal)?;
    }
    let mut acted =
        Acted { client: ended, server: None, client_said: stage.said(client), server_said: String::new() };
    if let Some(key) = server {
        let until = stage.now() + AFTER;
        while stage.ended(key).is_none() && stage.now() < until && acted.client.is_some() {
            stage.pump(Duration::from_millis(100), journal)?;
        }
        acted.server = stage.ended(key);
        if acted.server.is_none() {
            stage.stop(key, journal)?;
        }
        acted.server_said = stage.said(key);
    }
    Ok(Ok(acted))
}

/// Waits until the server listens; returns a verdict if it never does, and has to.
fn wait_until_it_listens(
    key: JobKey,
    spot: &Spot,
    has_to: bool,
    network: &mut Network,
    stage: &mut Stage,
    journal: &mut Journal,
) -> Result<Option<Verdict>, Trouble> {
    let until = stage.now() + if has_to { LISTEN } else { MAY_LISTEN };
    while !network.listens(spot, stage, journal)? {
        let ended = stage.ended(key);
        if !has_to && (ended.is_some() || stage.now() >= until) {
            return Ok(None);
        }
        if let Some(ended) = ended {
            let verdict = match ended.exit {
                None => Verdict::new(Outcome::Error, ended.output),
                Some(exit) => {
                    let why = format!("the server ended before it listened: {}", how(exit, &ended.output));
                    Verdict::fail(with_hint(why, &[&ended.output]))
                }
            };
            return Ok(Some(verdict));
        }
        if stage.now() >= until {
            stage.stop(key, journal)?;
            let why = format!("the server does not listen after {} s", LISTEN.as_secs());
            return Ok(Some(Verdict::fail(with_hint(why, &[&stage.said(key)]))));
        }
        stage.pump(Duration::from_millis(100), journal)?;
    }
    Ok(None)
}
