//! `vmptcp mptcp`: what MPTCP is told, on a guest or on the hosts of a network.

use super::context::Context;
use super::exec;
use super::flags::GuestFlags;
use super::pipeline::Target;
use super::sample::topology;
use crate::error::{Error, ExitCode, Result};
use crate::event::{GUEST_STEP, StepStatus};
use crate::report::clean;
use crate::report::console;
use crate::runner::lab::{HostState, show};
use crate::runner::turns::Turn;
use crate::vm::LiveHub;
use std::fmt::Write as _;

/// What the sysctls mean, in the order in which they are shown; the others come behind.
const KNOWN: [(&str, &str); 6] = [
    ("enabled", "sockets may ask for MPTCP"),
    ("pm_type", "path manager: 0 in the kernel, 1 in user space"),
    ("path_manager", "the same by its name"),
    ("scheduler", "packet scheduler"),
    ("available_schedulers", "packet schedulers there are"),
    ("checksum_enabled", "data have a checksum"),
];

/// Show MPTCP sysctls, limits and endpoints of a guest, or of a network's hosts
///
/// Boots the kernel that was built last, and builds one if there is none: its sysctls, endpoints and limits, as the kernel
/// itself says.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(after_help = "\
Examples:
  vmptcp mptcp                                     a fresh guest
  vmptcp mptcp --topology pair                     the hosts of a network
  vmptcp mptcp --sysctl checksum_enabled=1         does this kernel take it?
  vmptcp mptcp --json")]
pub struct Args {
    /// The network whose hosts are shown
    #[arg(long, value_name = "NAME")]
    topology: Option<String>,
    /// Set a sysctl of net.mptcp on every host first
    #[arg(long, value_name = "KEY=VALUE")]
    sysctl: Vec<String>,
    /// Configure and build first what changed
    #[arg(long)]
    build: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    guest: GuestFlags,
}

/// Runs the command.
pub fn run(args: &Args, context: &Context) -> Result<u8> {
    let settings = args.sysctl.iter().map(|text| setting(text)).collect::<Result<Vec<_>>>()?;
    let target = Target::open(context, args.guest.overrides()?)?;
    let network = args.topology.as_ref().map(|name| topology(name, &target.loaded)).transpose()?;
    let guest = target.guest(context)?.with_steady_files();
    let host = context.host(Turn::alone())?;
    let mut states = None;
    let ended = target.journaled(
        vec![GUEST_STEP.to_owned()],
        GUEST_STEP.to_owned(),
        &target.sessions(),
        context,
        |journal| {
            let (_lock, built) = exec::kernel(context, &target, &args.guest, args.build, journal)?;
            states = Some(journal.step(GUEST_STEP, |journal| {
                let states = show(
                    &guest,
                    &built,
                    network.as_ref(),
                    &settings,
                    &host,
                    Box::new(LiveHub::default()),
                    journal,
                )?;
                let count = states.len();
                Ok((states, StepStatus::Done, format!("{count} hosts")))
            })?);
            Ok(())
        },
    )?;
    let Some(states) = states else { return ended.into_result() };
    let text = if args.json {
        crate::text::json(&serde_json::to_string_pretty(&states).unwrap_or_default()) + "\n"
    } else {
        states.iter().map(render).collect()
    };
    console::out(&text)?;
    Ok(ExitCode::Passed as u8)
}

/// `KEY=VALUE` with the whole name of the sysctl.
fn setting(text: &str) -> Result<String> {
    let bare = text.strip_prefix("net.mptcp.").unwrap_or(text);
    match bare.split_once('=') {
        Some((key, value))
            if !key.is_empty()
                && key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
                && !value.contains(crate::text::is_hidden) =>
        {
            Ok(format!("net.mptcp.{bare}"))
        }
        _ => Err(Error::usage(format!("--sysctl {text}: not of the form KEY=VALUE"))
            .hint("for example: --sysctl checksum_enabled=1")),
    }
}

fn render(state: &HostState) -> String {
    let mut text = format!("{}\n", clean(&state.host));
    let mut row = |name: &str, value: &str, what: &str| {
        let row = format!("  {name:<28} {value:<16} {what}");
        let _ = writeln!(text, "{}", clean(row.trim_end()));
    };
    for (name, what) in KNOWN {
        if let Some(value) = state.sysctls.get(name) {
            row(name, value, what);
        }
    }
    for (name, value) in state.sysctls.iter().filter(|(name, _)| KNOWN.iter().all(|(known, _)| known != name))
    {
        row(name, value, "");
    }
    row("limits", &state.limits, "");
    for endpoint in &state.endpoints {
        row("endpoint", endpoint, "");
    }
    if state.endpoints.is_empty() {
        row("endpoint", "none", "");
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_for_a_person() {
        let sysctls = [("stale_loss_cnt", "4"), ("enabled", "1"), ("scheduler", "default")];
        let state = HostState {
            host: "client".to_owned(),
            sysctls: sysctls.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            endpoints: vec!["10.0.2.1 id 1 subflow dev eth1".to_owned()],
            limits: "add_addr_accepted 2 subflows 2".to_owned(),
        };
        insta::assert_snapshot!(render(&state), @"
        client
          enabled                      1                sockets may ask for MPTCP
          scheduler                    default          packet scheduler
          stale_loss_cnt               4
          limits                       add_addr_accepted 2 subflows 2
          endpoint                     10.0.2.1 id 1 subflow dev eth1
        ");
    }

    #[test]
    fn only_mptcps_own_sysctls_can_be_set() {
        assert_eq!(setting("enabled=0").unwrap(), "net.mptcp.enabled=0");
        assert_eq!(setting("net.mptcp.scheduler=bpf_rr").unwrap(), "net.mptcp.scheduler=bpf_rr");
        for bad in ["enabled", "=1", "net.ipv4.ip_forward=1", "-w=1", "a=\n"] {
            assert!(setting(bad).is_err(), "{bad}");
        }
    }
}
