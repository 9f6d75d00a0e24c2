//! Plays a sample: the server, then the client, each in its place, while their connections are watched.

use super::super::Journal;
use super::super::stage::{Ended, JobKey, Stage, Task, Trouble};
use super::Verdict;
use super::network::{Network, Scene, Spot, listens, unmet};
use super::prepare::Program;
use crate::error::Error;
use crate::event::Outcome;
use crate::event::wire::Wire;
use crate::guest::protocol::Exit;
use crate::suite::Pattern;
use crate::suite::sample::{Expect, fill};
use crate::topology::{CLIENT, SERVER, Topology, adapt};
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// How long a server may take until it listens.
const LISTEN: Duration = Duration::from_secs(20);

/// How long a server may take to end by itself after the client did.
const AFTER: Duration = Duration::from_millis(1500);

/// How often sockets are looked at.
const LOOK: Duration = Duration::from_millis(700);

/// What the programs did.
struct Acted {
    /// How the client ended by itself, if it did.
    client: Option<Ended>,
    /// The same for the server.
    server: Option<Ended>,
    /// What they said.
    client_said: String,
    server_said: String,
}

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
        Ok(said) => said.iter().try_for_each(|text| journal.note(format!("{}: {text}", scene.test.name)))?,
        Err(why) => return Ok(Verdict::new(Outcome::Error, why)),
    }
    let mut network = match Network::make(&topology, scene.piece.realisation, stage, journal)? {
        Ok(network) => network,
        Err(verdict) => return Ok(verdict),
    };
    let together = !loopback.is_empty() && literals.is_empty() && program.server.is_some();
    if together {
        journal.note(format!(
            "{}: {} is in the program: both run on the {SERVER}'s host",
            scene.test.name, loopback[0]
        ))?;
    }
    let spots = (network.spot(SERVER), network.spot(if together { SERVER } else { CLIENT }));
    network.begin(scene, stage, journal)?;
    let acted = act(scene, program, &topology, &spots, &mut network, stage, journal)?;
    let wire = network.finish(scene, stage, journal)?;
    Ok(match acted {
        Ok(acted) => judge(program, &scene.piece.expect, &acted, &wire),
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
    let more = [("VMPTCP_SELFTESTS", scene.selftests.as_str()), ("PYTHONUNBUFFERED", "1")];
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
        if let Some(verdict) = wait_until_it_listens(key, server_spot, stage, journal)? {
            return Ok(Err(verdict));
        }
        server = Some(key);
    }
    let client = stage.start(task(scene, program, &program.client, client_spot, "client", topology));
    let until = Instant::now() + scene.time;
    while stage.ended(client).is_none() && Instant::now() < until {
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
        let until = Instant::now() + AFTER;
        while stage.ended(key).is_none() && Instant::now() < until && acted.client.is_some() {
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

/// Waits until the server listens; returns a verdict if it never does.
fn wait_until_it_listens(
    key: JobKey,
    spot: &Spot,
    stage: &mut Stage,
    journal: &mut Journal,
) -> Result<Option<Verdict>, Trouble> {
    let until = Instant::now() + LISTEN;
    while !listens(spot, stage, journal)? {
        if let Some(ended) = stage.ended(key) {
            let verdict = match ended.exit {
                None => Verdict::new(Outcome::Error, ended.output),
                Some(exit) => Verdict::fail(format!(
                    "the server ended before it listened: {}",
                    how(exit, &ended.output)
                )),
            };
            return Ok(Some(verdict));
        }
        if Instant::now() >= until {
            stage.stop(key, journal)?;
            let why = format!("the server does not listen after {} s", LISTEN.as_secs());
            return Ok(Some(Verdict::fail(why)));
        }
        stage.pump(Duration::from_millis(100), journal)?;
    }
    Ok(None)
}

/// What the programs did, and what their connections were, against what they should.
fn judge(program: &Program, expect: &[Expect], acted: &Acted, wire: &Wire) -> Verdict {
    let declared = &program.declared;
    let exit_code = match acted.client.as_ref().and_then(|ended| ended.exit) {
        Some(Exit::Code(code)) => Some(code),
        _ => None,
    };
    let verdict = |reason: Option<String>| Verdict {
        outcome: if reason.is_some() { Outcome::Fail } else { Outcome::Pass },
        reason,
        exit_code,
        spoiled: false,
    };
    match &acted.client {
        Some(Ended { exit: None, output }) => return Verdict::new(Outcome::Error, output.clone()),
        Some(Ended { exit: Some(Exit::Code(4)), output }) if declared.exit.is_none() => {
            let why = last_line(output).unwrap_or("it says so").to_owned();
            return Verdict { outcome: Outcome::Skip, reason: Some(why), exit_code, spoiled: false };
        }
        Some(Ended { exit: Some(exit), output }) if *exit != Exit::Code(declared.exit.unwrap_or(0)) => {
            return verdict(Some(format!("the client: {}", how(*exit, output))));
        }
        None if declared.exit.is_some() => {
            return verdict(Some("the client did not end in its time".to_owned()));
        }
        _ => {}
    }
    if let Some(Ended { exit: Some(exit), output }) = acted.server.as_ref().filter(|ended| !ended.is_good()) {
        return verdict(Some(format!("the server: {}", how(*exit, output))));
    }
    if let Some(output) = &declared.output
        && let Ok(pattern) = Pattern::new(output)
        && !acted.client_said.lines().any(|line| pattern.matches(line.trim()))
    {
        return verdict(Some(format!("no line of the client's output matches {output:?}")));
    }
    let asked = if expect.is_empty() && program.asks_for_mptcp { &[Expect::Mptcp][..] } else { expect };
    let nothing = wire.mptcp + wire.tcp == 0 && program.server.is_some();
    let why = unmet(asked, wire).or_else(|| nothing.then(|| "no connection was made".to_owned()));
    if why.is_none() && acted.client.is_none() && acted.client_said.is_empty() && acted.server_said.is_empty()
    {
        return verdict(Some("neither program said anything in its time".to_owned()));
    }
    verdict(why)
}

/// How a program ended, with the last that it said.
fn how(exit: Exit, output: &str) -> String {
    let how = match exit {
        Exit::Code(code) => format!("exit code {code}"),
        Exit::Signal(signal) => format!("signal {signal}"),
    };
    last_line(output).map_or(how.clone(), |line| format!("{how}: {line}"))
}

fn last_line(output: &str) -> Option<&str> {
    output.lines().rev().map(str::trim).find(|line| !line.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::sample::Declared;

    fn judged(client: Option<(i32, &str)>, wire: &Wire, change: fn(&mut Program)) -> String {
        let mut program = Program {
            declared: Declared::default(),
            dir: "/".into(),
            server: Some(vec!["./server".to_owned()]),
            client: vec!["./client".to_owned()],
            literals: Vec::new(),
            asks_for_mptcp: true,
        };
        change(&mut program);
        let ended =
            client.map(|(code, said)| Ended { exit: Some(Exit::Code(code)), output: said.to_owned() });
        let said = client.map_or("tick\n", |(_, said)| said).to_owned();
        let acted = Acted { client: ended, server: None, client_said: said, server_said: String::new() };
        let Verdict { outcome, reason, .. } = judge(&program, &[], &acted, wire);
        format!("{outcome}: {}", reason.unwrap_or_default())
    }

    #[test]
    fn programs_are_judged_by_what_they_did() {
        let mptcp = Wire { mptcp: 1, ..Wire::default() };
        let tcp = Wire { tcp: 1, ..Wire::default() };
        let none = |_: &mut Program| ();
        insta::assert_snapshot!(
            [
                judged(Some((0, "done")), &mptcp, none),
                judged(None, &mptcp, none),
                judged(Some((1, "connect: refused\n\n")), &mptcp, none),
                judged(Some((4, "no clang")), &mptcp, none),
                judged(Some((0, "")), &tcp, none),
                judged(Some((0, "")), &tcp, |program| program.asks_for_mptcp = false),
                judged(Some((0, "")), &Wire::default(), |program| program.asks_for_mptcp = false),
                judged(None, &mptcp, |program| program.declared.exit = Some(0)),
                judged(Some((0, "a b c")), &mptcp, |program| program.declared.output = Some("x*".to_owned())),
                judged(Some((0, "a b c")), &mptcp, |program| program.declared.output = Some("a*c".to_owned())),
            ]
            .join("\n"),
            @r#"
        pass: 
        pass: 
        fail: the client: exit code 1: connect: refused
        skip: no clang
        fail: expected mptcp, but it was plain TCP from the beginning: nobody asked for MPTCP
        pass: 
        fail: no connection was made
        fail: the client did not end in its time
        fail: no line of the client's output matches "x*"
        pass:
        "#);
    }
}
