//! Runs kernel modules: loaded in order, watched, and unloaded in reverse.

use super::super::Journal;
use super::super::guest_set::{GuestSet, Task, Trouble};
use super::super::leaks;
use super::network::{LabRun, Network, unmet};
use super::prepare::BuiltModule;
use super::{COMMAND_TIMEOUT, ScenarioEnd};
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

/// Runs them, and says how that ended.
pub(super) fn run(
    lab_run: &LabRun,
    modules: &[BuiltModule],
    guest_set: &mut GuestSet,
    journal: &mut Journal,
) -> Result<ScenarioEnd, Trouble> {
    let mut literals: Vec<IpAddr> = modules.iter().flat_map(|module| module.literals.clone()).collect();
    literals.sort_unstable();
    literals.dedup();
    literals.retain(|ip| !ip.is_loopback());
    let mut known = Vec::new();
    let made = match &lab_run.scenario.topology {
        Some((_, topology)) if lab_run.scenario.realisation == Realisation::Guests => {
            let mut topology = topology.clone();
            match adapt::give_server(&mut topology, &literals) {
                Ok(said) => {
                    said.iter()
                        .try_for_each(|text| journal.note(format!("{}: {text}", lab_run.test.label())))?;
                }
                Err(why) => return Ok(ScenarioEnd::new(Outcome::Error, why)),
            }
            let address =
                |host| topology.first_address(host, false).map(|ip| ip.to_string()).unwrap_or_default();
            known = vec![("server", address(SERVER)), ("client", address(CLIENT))];
            Network::make(&topology, Realisation::Guests, guest_set, journal)?
        }
        _ => {
            own(&literals, lab_run, guest_set, journal)?;
            known.push(("server", "127.0.0.1".to_owned()));
            Ok(Network::of_guest())
        }
    };
    let mut network = match made {
        Ok(network) => network,
        Err(verdict) => return Ok(verdict),
    };
    network.begin(lab_run, guest_set, journal)?;
    let mut loaded = Vec::new();
    let mut wrong = load_all(modules, &known, &network, &mut loaded, guest_set, journal)?;
    let until = guest_set.now() + lab_run.time;
    while wrong.is_none() && guest_set.now() < until {
        network.look(LOOK, guest_set, journal)?;
        guest_set.pump(Duration::from_millis(200), journal)?;
    }
    let unloaded = unload_all(loaded, guest_set, journal)?;
    let observed = network.finish(lab_run, guest_set, journal)?;
    wrong = wrong.or(unloaded);
    Ok(match wrong.or_else(|| unmet(&lab_run.scenario.expect, &observed).map(ScenarioEnd::fail)) {
        Some(verdict) => verdict,
        None => ScenarioEnd { outcome: Outcome::Pass, reason: None, exit_code: None, spoiled: false },
    })
}

/// Gives the guest the addresses that the modules have in them.
fn own(
    literals: &[IpAddr],
    lab_run: &LabRun,
    guest_set: &mut GuestSet,
    journal: &mut Journal,
) -> Result<(), Trouble> {
    for ip in literals {
        let length = if ip.is_ipv4() { 32 } else { 128 };
        let argv = ["ip", "addr", "add", &format!("{ip}/{length}"), "dev", "lo"].map(str::to_owned).to_vec();
        // It may have it already, from modules that were here before.
        guest_set.run(Task::new(0, argv), COMMAND_TIMEOUT, journal)?;
        journal.note(format!(
            "{}: {ip} is in the modules: it is the guest's own address",
            lab_run.test.label()
        ))?;
    }
    let argv = ["ip", "link", "set", "lo", "up"].map(str::to_owned).to_vec();
    guest_set.run(Task::new(0, argv), COMMAND_TIMEOUT, journal)?;
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
    guest_set: &mut GuestSet,
    journal: &mut Journal,
) -> Result<Option<ScenarioEnd>, Trouble> {
    for module in modules {
        let host = if module.name.to_lowercase().contains("client") { CLIENT } else { SERVER };
        let guest = network.host(host).guest;
        let mut argv = vec!["insmod".to_owned(), module.file.display().to_string()];
        argv.extend(fill(&module.params, known));
        guest_set.note(&argv.join(" "))?;
        let ended = guest_set.run(Task::new(guest, argv), COMMAND_TIMEOUT, journal)?;
        if !ended.is_good() {
            // What the kernel has to say about it comes on another way.
            guest_set.pump(BETWEEN, journal)?;
            let said = ended.output.lines().next().unwrap_or("insmod failed").trim();
            let why = format!("{} cannot be loaded: {}", module.name, explained(said, module));
            return Ok(Some(ScenarioEnd::fail(why)));
        }
        let name = in_kernel(&module.name);
        if guest_set.asks_for_leaks() {
            let asked = guest_set
                .run(Task::new(guest, leaks::ask_for_sections(&name)), COMMAND_TIMEOUT, journal)?
                .output;
            if let Err(why) = guest_set.remember_module(&name, &module.file, &asked) {
                journal.note(format!("a leak of {name} will have no name: {why}"))?;
            }
        }
        loaded.push(Loaded { name, guest });
        guest_set.pump(BETWEEN, journal)?;
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
    guest_set: &mut GuestSet,
    journal: &mut Journal,
) -> Result<Option<ScenarioEnd>, Trouble> {
    let mut wrong = None;
    while let Some(module) = loaded.pop() {
        let count =
            Task::new(module.guest, vec!["cat".to_owned(), format!("/sys/module/{}/refcnt", module.name)]);
        let users = guest_set.run(count, COMMAND_TIMEOUT, journal)?.output.trim().to_owned();
        let argv = vec!["rmmod".to_owned(), module.name.clone()];
        guest_set.note(&argv.join(" "))?;
        let ended = guest_set.run(Task::new(module.guest, argv), COMMAND_TIMEOUT, journal)?;
        if !ended.is_good() && wrong.is_none() {
            let said = ended.output.lines().next().unwrap_or("rmmod failed").trim();
            let leak = match users.as_str() {
                "0" | "" => String::new(),
                users => format!("; {users} references to it are left"),
            };
            let why = format!("{} cannot be unloaded: {said}{leak}", module.name);
            wrong = Some(ScenarioEnd { spoiled: true, ..ScenarioEnd::fail(why) });
        }
    }
    Ok(wrong)
}
