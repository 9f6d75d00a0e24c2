//! What a lab runs on a set of guests: sample programs, or kernel modules. Pure.

use super::{GuestPlan, Pace};
use crate::kernel::MakeEnvironment;
use crate::kernel::alias::Alias;
use crate::process::Cmd;
use crate::settings::Auto;
use crate::suite::Suite;
use crate::suite::module::Param;
use crate::suite::sample::{Declared, Expect};
use crate::topology::{Realisation, Topology};
use std::path::PathBuf;
use std::time::Duration;

/// Samples or modules, and the guests for them.
#[derive(Debug, Clone)]
pub struct LabPlan {
    /// What they are.
    pub suite: &'static Suite,
    /// In order.
    pub scenarios: Vec<Scenario>,
    /// The guests.
    pub guest: GuestPlan,
    /// How many virtual CPUs each has: what suits their number, or this number.
    pub cpus: Auto<u32>,
    /// Start nothing more after the first that fails.
    pub fail_fast: bool,
    /// What is skipped fails.
    pub all_features: bool,
    /// Capture the packets of each host.
    pub pcap: bool,
    /// The user's home, of which builds read what their tools have there.
    pub home: Option<PathBuf>,
}

/// One of them.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Where its hosts are.
    pub realisation: Realisation,
    /// The network, with its name; none where a single guest is enough.
    pub topology: Option<(String, Topology)>,
    /// How long it may run, on a machine of normal speed.
    pub time: Duration,
    /// What its connections shall be; empty for what its sources ask for.
    pub expect: Vec<Expect>,
}

/// What a scenario runs.
#[derive(Debug, Clone)]
pub enum Kind {
    /// A sample program.
    Sample(Box<Declared>),
    /// Kernel modules.
    Modules(Box<Modules>),
}

/// Kernel modules that belong together.
#[derive(Debug, Clone)]
pub struct Modules {
    /// Their directory, with a Makefile; or one that is built already.
    pub path: PathBuf,
    /// Values of their parameters.
    pub params: Vec<Param>,
    /// The kernel's tree, its build directory, and the paths under which make can take them.
    pub tree: PathBuf,
    /// See there.
    pub out: PathBuf,
    /// See there.
    pub alias: Alias,
    /// Variables for make that the kernel was built with.
    pub make_variables: Vec<String>,
    /// What make gets of the environment.
    pub environment: MakeEnvironment,
}

impl Scenario {
    /// How long it may run at this pace.
    pub fn time(&self, pace: Pace) -> Duration {
        self.time * pace.of_programs()
    }

    /// How many guests it needs.
    pub fn guests(&self) -> usize {
        match (&self.topology, self.realisation) {
            (Some((_, topology)), Realisation::Guests) => topology.host.len(),
            _ => 1,
        }
    }
}

impl LabPlan {
    /// For a person: what is done, with the command that starts the guests.
    pub(super) fn lines(&self) -> Vec<String> {
        let spec = self.guest.outline();
        let mut lines = vec![spec.backend.command(&spec.machine, "SOCKET").to_string()];
        for scenario in &self.scenarios {
            let path = match &scenario.kind {
                Kind::Sample(declared) => &declared.path,
                Kind::Modules(modules) => &modules.path,
            };
            let network =
                scenario.topology.as_ref().map_or_else(String::new, |(name, _)| format!(", in {name}"));
            let guests = if scenario.guests() > 1 {
                format!(", a guest for each of {} hosts", scenario.guests())
            } else {
                String::new()
            };
            // As a shell would have it, so that no odd character acts on a terminal.
            lines.push(format!("# {}: {}{network}{guests}", scenario.name, Cmd::new(path)));
        }
        lines
    }
}
