//! Plays kernel modules: loaded in order, watched, and unloaded in reverse.

use super::super::Journal;
use super::super::leaks;
use super::super::stage::{Stage, Task, Trouble};
use super::network::{Network, Scene, unmet};
use super::prepare::BuiltModule;
use super::{PATIENCE, Verdict};
use crate::event::Outcome;
use crate::suite::module::in_kernel;
use crate::suite::sample::fill;
use crate::topology::{CLIENT, Realisation, SERVER, adapt};
use std::net::IpAddr;
use std::time::Duration;

/// How long a server's module has before a client's is loaded.
const BETWEEN: Duration = Duration::from_millis(500);

/// How often sockets are looked at.
const LOOK: Duration = Duration::from_millis(700);

/// Plays them, and says how that ended.
pub(super) fn play(
    scene: &Scene,
    modules: &[BuiltModule],
    stage: &mut Stage,
    journal: &mut Journal,
) -> Result<Verdict, Trouble> {
    let mut literals: Vec<IpAddr> = modules.iter().flat_map(|module| module.literals.clone()).collect();
    literals.sort_unstable();
    literals.dedup();
    literals.retain(|ip| !ip.is_loopback());
    let mut known = Vec::new();
    let made = match &scene.piece.topology {
        Some((_, topology)) if scene.piece.realisation == Realisation::Guests => {
            let mut topology = topology.clone();
            match adapt::give_server(&mut topology, &literals) {
                Ok(said) => {
                    said.iter()
                        .try_for_each(|text| journal.note(format!("{}: {text}", scene.test.label())))?;
                }
                Err(why) => return Ok(Verdict::new(Outcome::Error, why)),
            }
            let address =
                |host| topology.first_address(host, false).map(|ip| ip.to_string()).unwrap_or_default();
            known = vec![("server", address(SERVER)), ("client", address(CLIENT))];
            Network::make(&topology, Realisation::Guests, stage, journal)?
        }
        _ => {
            own(&literals, scene, stage, journal)?;
            known.push(("server", "127.0.0.1".to_owned()));
            Ok(Network::of_guest())
        }
    };
    let mut network = match made {
        Ok(network) => network,
        Err(verdict) => return Ok(verdict),
    };
    network.begin(scene, stage, journal)?;
    let mut loaded = Vec::new();
    let mut wrong = load_all(modules, &known, &network, &mut loaded, stage, journal)?;
    let until = stage.now() + scene.time;
    while wrong.is_none() && stage.now() < until {
        network.look(LOOK, stage, journal)?;
        stage.pump(Duration::from_millis(200), journal)?;
    }
    let unloaded = unload_all(loaded, stage, journal)?;
    let observed = network.finish(scene, stage, journal)?;
    wrong = wrong.or(unloaded);
    Ok(match wrong.or_else(|| unmet(&scene.piece.expect, &observed).map(Verdict::fail)) {
        Some(verdict) => verdict,
        None => Verdict { outcome: Outcome::Pass, reason: None, exit_code: None, spoiled: false },
    })
}

/// Gives the guest the addresses that the modules have in them.
fn own(literals: &[IpAddr], scene: &Scene, stage: &mut Stage, journal: &mut Journal) -> Result<(), Trouble> {
    for ip in literals {
        let length = if ip.is_ipv4() { 32 } else { 128 };
        let argv = ["ip", "addr", "add", &format!("{ip}/{length}"), "dev", "lo"].map(str::to_owned).to_vec();
        // It may have it already, from modules that were here before.
        stage.run(Task::new(0, argv), PATIENCE, journal)?;
        journal
            .note(format!("{}: {ip} is in the modules: it is the guest's own address", scene.test.label()))?;
    }
    let argv = ["ip", "link", "set", "lo", "up"].map(str::to_owned).to_vec();
    stage.run(Task::new(0, argv), PATIENCE, journal)?;
    Ok(())
}

/// A module that is loaded, and where.
struct Loaded {
    name: String,
    guest: usize,
}

fn load_all(
    modules: &[BuiltModule],
    known: &[(&str, String)],
    network: &Network,
    loaded: &mut Vec<Loaded>,
    stage: &mut Stage,
    journal: &mut Journal,
) -> Result<Option<Verdict>, Trouble> {
    for module in modules {
        let host = if module.name.to_lowercase().contains("client") { CLIENT } else { SERVER };
        let guest = network.spot(host).guest;
        let mut argv = vec!["insmod".to_owned(), module.file.display().to_string()];
        argv.extend(fill(&module.params, known));
        stage.note(&argv.join(" "))?;
        let ended = stage.run(Task::new(guest, argv), PATIENCE, journal)?;
        if !ended.is_good() {
            // What the kernel has to say about it comes on another way.
            stage.pump(BETWEEN, journal)?;
            let said = ended.output.lines().next().unwrap_or("insmod failed").trim();
            let why = format!("{} cannot be loaded: {}", module.name, explained(said, module));
            return Ok(Some(Verdict::fail(why)));
        }
        let name = in_kernel(&module.name);
        if stage.asks_for_leaks() {
            let asked =
                stage.run(Task::new(guest, leaks::ask_for_sections(&name)), PATIENCE, journal)?.output;
            if let Err(why) = stage.remember_module(&name, &module.file, &asked) {
                journal.note(format!("a leak of {name} will have no name: {why}"))?;
            }
        }
        loaded.push(Loaded { name, guest });
        stage.pump(BETWEEN, journal)?;
    }
    Ok(None)
}

/// What insmod says, and what it means.
fn explained(said: &str, module: &BuiltModule) -> String {
    let bytes = std::fs::read(&module.file).unwrap_or_default();
    let info = crate::suite::module::info(&bytes);
    let magic = info.iter().find(|(name, _)| name == "vermagic").map(|(_, value)| value.trim());
    match magic {
        Some(magic) if said.contains("Invalid module format") => {
            format!("{said}: it was built for another kernel: {magic}")
        }
        _ => said.to_owned(),
    }
}

/// Unloads in reverse order. Whatever happens with one, the others are unloaded as well.
fn unload_all(
    mut loaded: Vec<Loaded>,
    stage: &mut Stage,
    journal: &mut Journal,
) -> Result<Option<Verdict>, Trouble> {
    let mut wrong = None;
    while let Some(module) = loaded.pop() {
        let count =
            Task::new(module.guest, vec!["cat".to_owned(), format!("/sys/module/{}/refcnt", module.name)]);
        let users = stage.run(count, PATIENCE, journal)?.output.trim().to_owned();
        let argv = vec!["rmmod".to_owned(), module.name.clone()];
        stage.note(&argv.join(" "))?;
        let ended = stage.run(Task::new(module.guest, argv), PATIENCE, journal)?;
        if !ended.is_good() && wrong.is_none() {
            let said = ended.output.lines().next().unwrap_or("rmmod failed").trim();
            let leak = match users.as_str() {
                "0" | "" => String::new(),
                users => format!("; {users} references to it are left"),
            };
            let why = format!("{} cannot be unloaded: {said}{leak}", module.name);
            wrong = Some(Verdict { spoiled: true, ..Verdict::fail(why) });
        }
    }
    Ok(wrong)
}
