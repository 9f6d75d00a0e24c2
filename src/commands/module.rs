//! `vmptcp module`: kernel modules, built out of the tree, loaded, watched and unloaded.

use super::context::Context;
use super::flags::GuestFlags;
use super::pipeline::{FinishedRun, Target};
use super::sample::{expectation, lab_plan, lab_time, name_of, own_dir, topology, unpack_own, unused};
use super::{inputs, own, test};
use crate::error::{Error, ExitCode, Result};
use crate::plan::Step;
use crate::plan::lab::{Kind, Modules, Scenario};
use crate::report::clean;
use crate::report::console;
use crate::suite::module;
use crate::suite::module::Param;
use crate::suite::sample::{Expect, USUAL_SECONDS};
use crate::text::decode;
use crate::topology::Realisation;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The network of modules on several guests, unless another is named.
const USUAL_TOPOLOGY: &str = "pair";

/// Build kernel modules against the kernel, load them, watch them, and unload them
///
/// PATH is a directory with a Makefile of kernel modules, or a module that is built already. Without one, the project's own
/// pair of modules runs, by MPTCP and by TCP. They are built in a copy of the directory, whatever kernel its Makefile names;
/// loaded in order, the server's before the client's; and unloaded in reverse. A splat, a module that cannot be unloaded, or one that
/// takes its guest down, is a failure. The kernel's log is shown.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(after_help = "\
Examples:
  vmptcp module                              the project's own
  vmptcp module ~/src/kernel-sockets
  vmptcp module DIR --param kernel-socket-server.server_port=5555
  vmptcp module DIR --guests --param client.peer={server}
  vmptcp module DIR --time 10 --expect tcp
  vmptcp module DIR --uml                    built for user-mode Linux, and loaded there: no KVM, no QEMU
  vmptcp module ./hello.ko                   built elsewhere, for this kernel")]
pub struct Args {
    /// Directories with a Makefile, or built modules
    #[arg(value_name = "PATH")]
    what: Vec<String>,
    /// A parameter of a module
    #[arg(long, value_name = "MODULE.NAME=VALUE")]
    param: Vec<String>,
    /// Boot a guest for the server's module and one for the client's
    #[arg(long)]
    guests: bool,
    /// The network between the guests, see vmptcp topology [default: pair]
    #[arg(long, value_name = "NAME", requires = "guests")]
    topology: Option<String>,
    /// How long they are watched: seconds, 90s, 5m [default: 5 s; twice that under emulation]
    #[arg(long, value_name = "TIME", value_parser = lab_time)]
    time: Option<u32>,
    /// What the connections shall be: mptcp, tcp, none, subflows>=N, subflows=N
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = expectation)]
    expect: Vec<Expect>,
    /// Show what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    guest: GuestFlags,
}

/// Runs the command.
pub fn run(args: &Args, context: &Context) -> Result<u8> {
    let params = args.param.iter().map(|text| parameter(text)).collect::<Result<Vec<_>>>()?;
    let target = Target::open(context, args.guest.overrides()?)?;
    let mut scenarios = if args.what.is_empty() { own_scenarios(context, &target)? } else { Vec::new() };
    for word in &args.what {
        let path = context.absolute(Path::new(word));
        if !path.exists() {
            return Err(Error::usage(format!("{word} does not exist"))
                .hint("give the directory of the modules, the one with their Makefile"));
        }
        let name = unused(name_of(&path), |name| scenarios.iter().any(|other| other.name == name));
        scenarios.push(scenario(name, path, Vec::new(), context, &target)?);
    }
    let network = match (args.guests, &args.topology) {
        (false, _) => None,
        (true, name) => {
            let name = name.clone().unwrap_or_else(|| USUAL_TOPOLOGY.to_owned());
            Some((name.clone(), topology(&name, &target.loaded)?))
        }
    };
    for scenario in &mut scenarios {
        if network.is_some() {
            (scenario.topology, scenario.realisation) = (network.clone(), Realisation::Guests);
        }
        if let Some(seconds) = args.time {
            scenario.time = Duration::from_secs(seconds.into());
        }
        if !args.expect.is_empty() {
            scenario.expect.clone_from(&args.expect);
        }
        if let Kind::Modules(modules) = &mut scenario.kind {
            modules.params.extend(params.clone());
        }
    }
    let mut plan = super::build::plan(context, &target, &[&module::SUITE], args.guest.sources()?)?;
    plan.steps.push(Step::Lab(lab_plan(context, &target, &module::SUITE, scenarios)?));
    if args.dry_run {
        console::out(&plan.render())?;
        return Ok(ExitCode::Passed as u8);
    }
    unpack_own(&target)?;
    let ended = target.carry_out(&plan, &target.runs(), context)?;
    test::show(context, &ended, args.json)?;
    if !args.json {
        show_log(&ended)?;
    }
    ended.into_result()
}

/// The step for the project's own modules.
pub(super) fn step(context: &Context, target: &Target) -> Result<Step> {
    lab_plan(context, target, &module::SUITE, own_scenarios(context, target)?).map(Step::Lab)
}

fn own_scenarios(context: &Context, target: &Target) -> Result<Vec<Scenario>> {
    let path = own_dir(target).join(own::MODULES);
    let tcp = ["kernel_echo_server.protocol=tcp", "kernel_echo_client.protocol=tcp"];
    let tcp = tcp.iter().map(|text| parameter(text)).collect::<Result<Vec<_>>>()?;
    let mut mptcp = scenario(own::MODULES.to_owned(), path.clone(), Vec::new(), context, target)?;
    mptcp.expect = vec![Expect::Mptcp];
    let mut plain = scenario(format!("{}-tcp", own::MODULES), path, tcp, context, target)?;
    plain.expect = vec![Expect::Tcp];
    Ok(vec![mptcp, plain])
}

fn parameter(text: &str) -> Result<Param> {
    Param::parse(text).ok_or_else(|| {
        Error::usage(format!("--param {text}: not of the form MODULE.NAME=VALUE"))
            .hint("for example: --param kernel-socket-server.server_port=5555")
    })
}

fn scenario(
    name: String,
    path: PathBuf,
    params: Vec<Param>,
    context: &Context,
    target: &Target,
) -> Result<Scenario> {
    target.tree.require_sources("build kernel modules")?;
    let out = target.out();
    Ok(Scenario {
        name,
        realisation: Realisation::Namespaces,
        topology: None,
        time: Duration::from_secs(USUAL_SECONDS.into()),
        expect: Vec::new(),
        kind: Kind::Modules(Box::new(Modules {
            path,
            params,
            tree: target.tree.root().to_owned(),
            alias: inputs::alias(context, &target.tree, None, &out)?,
            make_variables: target.variant.make_variables().into_iter().map(str::to_owned).collect(),
            environment: context.make_environment()?,
            out,
        })),
    })
}

/// The log of each scenario: what was done, and what the kernel said.
fn show_log(ended: &FinishedRun) -> Result<()> {
    for test in &ended.summary.tests {
        let Some(output) = &test.result.output else { continue };
        let bytes = std::fs::read(ended.path.join(output)).unwrap_or_default();
        let text = decode(&bytes);
        let lines = text.lines().fold(String::new(), |all, line| all + "  " + &clean(line) + "\n");
        console::out(&format!("\n{}:\n{lines}", clean(&test.label())))?;
    }
    Ok(())
}
