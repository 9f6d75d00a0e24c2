//! What MPTCP is told on each host of a network, as its kernel says.

use super::super::guest_set::{End, GuestSet, Task, Trouble};
use super::super::{Host, Journal, guest};
use super::COMMAND_TIMEOUT;
use super::network::Network;
use crate::error::{Error, Result};
use crate::kernel::build::Built;
use crate::plan::GuestPlan;
use crate::topology::{Realisation, Topology};
use crate::vm::Hub;
use serde::Serialize;
use std::collections::BTreeMap;

/// What MPTCP is told on one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HostState {
    /// The host.
    pub host: String,
    /// The sysctls below `net.mptcp`, without that.
    pub sysctls: BTreeMap<String, String>,
    /// The endpoints, as `ip mptcp endpoint show` prints them.
    pub endpoints: Vec<String>,
    /// The limits, as `ip mptcp limits show` prints them.
    pub limits: String,
}

/// Boots a guest, makes the network in it if one is given, sets `settings` (`net.mptcp.KEY=VALUE`) on all hosts, and asks.
pub fn show(
    wanted: &GuestPlan,
    built: &Built,
    topology: Option<&Topology>,
    settings: &[String],
    host: &Host,
    hub: Box<dyn Hub>,
    journal: &mut Journal,
) -> Result<Vec<HostState>> {
    let engine = guest::engine(wanted, &built.image, host, journal)?;
    let spec = guest::spec(wanted, engine, &journal.tmp()?, host)?;
    let boot_timeout = wanted.pace(engine).boot_timeout(wanted.boot_timeout);
    let in_the_end = |trouble: Trouble| match trouble {
        Trouble::Guest(why) | Trouble::Timeout(why) => {
            Error::cannot_run(format!("the guest does not answer: {why}"))
        }
        Trouble::Error(error) => error,
    };
    let mut guest_set =
        GuestSet::open(hub, &[spec], boot_timeout, wanted.rules, journal).map_err(in_the_end)?;
    let asked = ask(topology, settings, &mut guest_set, journal);
    let end = if asked.is_err() { End::Crash("it does not answer") } else { End::Done };
    guest_set.close(end, journal)?;
    asked.map_err(in_the_end)
}

fn ask(
    topology: Option<&Topology>,
    settings: &[String],
    guest_set: &mut GuestSet,
    journal: &mut Journal,
) -> Result<Vec<HostState>, Trouble> {
    let network = match topology {
        None => Network::of_guest(),
        Some(topology) => match Network::make(topology, Realisation::Namespaces, guest_set, journal)? {
            Ok(network) => network,
            Err(verdict) => return Err(Error::cannot_run(verdict.reason.unwrap_or_default()).into()),
        },
    };
    let mut states = Vec::new();
    for lab_host in network.hosts() {
        let mut said = |words: &[&str]| -> Result<String, Trouble> {
            let task: Task = lab_host.task(words.iter().map(|&word| word.to_owned()).collect());
            let ended = guest_set.run(task, COMMAND_TIMEOUT, journal)?;
            if ended.is_good() {
                return Ok(ended.output);
            }
            let first = ended.output.lines().next().unwrap_or("it failed").trim().to_owned();
            Err(Error::cannot_run(format!("on {}: {}: {first}", lab_host.host, words.join(" "))).into())
        };
        if !settings.is_empty() {
            let mut words = vec!["sysctl", "-qw"];
            words.extend(settings.iter().map(String::as_str));
            said(&words)?;
        }
        let sysctls = said(&["sysctl", "net.mptcp"])?;
        let pair = |line: &str| {
            let (name, value) = line.split_once('=')?;
            Some((name.trim().strip_prefix("net.mptcp.")?.to_owned(), value.trim().to_owned()))
        };
        states.push(HostState {
            host: lab_host.host.clone(),
            sysctls: sysctls.lines().filter_map(pair).collect(),
            endpoints: said(&["ip", "mptcp", "endpoint", "show"])?
                .lines()
                .map(|line| line.trim().to_owned())
                .collect(),
            limits: said(&["ip", "mptcp", "limits", "show"])?.trim().to_owned(),
        });
    }
    Ok(states)
}
