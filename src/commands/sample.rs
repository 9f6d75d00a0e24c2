//! `vmptcp sample`: sample programs in a network of their own, and which protocol they used.

use super::context::Context;
use super::flags::GuestFlags;
use super::overrides::Overrides;
use super::pipeline::Target;
use super::{own, test};
use crate::error::{Error, ExitCode, Result};
use crate::plan::lab::{Kind, LabPlan, Scenario};
use crate::plan::{Plan, Step};
use crate::report::clean;
use crate::report::console;
use crate::settings::{self, Loaded, SampleFile};
use crate::suite::sample;
use crate::suite::sample::{Declared, Expect, USUAL_SECONDS};
use crate::suite::{Pattern, Suite};
use crate::text::{duration, nearest::meant};
use crate::topology::{CLIENT, Realisation, SERVER, Topology};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

/// The network of a sample that names none.
const USUAL_TOPOLOGY: &str = "pair";

/// Build and run sample programs in a network, and show which protocol they used
///
/// WHAT is the name of a sample, or a path: a directory with a Makefile, with C files or scripts, or a single file. Without
/// one, all of the project's own samples run, and those of the settings ([[sample]]). Programs are built on the host in a
/// copy of their directory; those called *server* and *client* run on the hosts of that name. What never ends is ended after
/// its time, and judged by what it did. Addresses that are compiled in become the server's. A vmptcp.toml in the directory
/// may declare samples and topologies.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(after_help = "\
Examples:
  vmptcp sample                              all of the project's own
  vmptcp sample c-echo                       one of them
  vmptcp sample ~/src/my-mptcp-pair          a directory with a server and a client
  vmptcp sample echo_client.py --expect tcp
  vmptcp sample DIR --mptcpize --expect 'mptcp,subflows>=2' --pcap
  vmptcp sample DIR --topology lan --time 20
  vmptcp sample --guests c-echo              a guest for each host
  vmptcp sample --list")]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct Args {
    /// Names of samples, or paths
    #[arg(value_name = "WHAT")]
    what: Vec<String>,
    /// The network, see vmptcp topology [default: the sample's own, or pair]
    #[arg(long, value_name = "NAME")]
    topology: Option<String>,
    /// How long the client may run: seconds, 90s, 5m [default: the sample's own, or 5; twice that under emulation]
    #[arg(long, value_name = "TIME", value_parser = lab_time)]
    time: Option<u32>,
    /// What the connections shall be: mptcp, tcp, none, subflows>=N, subflows=N [default: mptcp, if a program asks the kernel for it]
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = expectation)]
    expect: Vec<Expect>,
    /// Run both programs through mptcpize
    #[arg(long)]
    mptcpize: bool,
    /// Boot a guest for each host, instead of one with a network namespace for each
    #[arg(long)]
    guests: bool,
    /// Capture the packets of each host
    #[arg(long)]
    pcap: bool,
    /// List the samples, and run none
    #[arg(long)]
    list: bool,
    /// Show what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    guest: GuestFlags,
}

/// Reads how long a scenario lasts, in seconds, for clap.
pub(super) fn lab_time(text: &str) -> Result<u32, String> {
    let plain = || text.parse().ok();
    let seconds: Option<u64> = duration::parse(text).map(|time| time.as_secs()).or_else(plain);
    let seconds =
        seconds.filter(|seconds| (1..=86400).contains(seconds)).and_then(|seconds| seconds.try_into().ok());
    seconds.ok_or_else(|| "give 1 to 86400 seconds, or a time with its unit: 90s, 5m".to_owned())
}

/// Reads an expectation, for clap.
pub(super) fn expectation(text: &str) -> Result<Expect, String> {
    text.parse()
}

/// Runs the command.
pub fn run(args: &Args, context: &Context) -> Result<u8> {
    if args.list {
        // Which samples there are, does not depend on a tree; but a tree may bring some.
        let tree = context.find_tree()?;
        let loaded = context.settings(tree.as_ref(), Overrides::default())?;
        console::out(&list(&all(Path::new("samples"), &loaded)?, args.json))?;
        return Ok(ExitCode::Passed as u8);
    }
    let target = Target::open(context, args.guest.overrides()?)?;
    let known = all(&own_dir(&target), &target.loaded)?;
    let mut chosen = choose(&args.what, &known, context)?;
    for Chosen { sample, .. } in &mut chosen {
        sample.mptcpize |= args.mptcpize;
        sample.topology = args.topology.clone().or(sample.topology.take());
        sample.seconds = args.time.or(sample.seconds);
    }
    let how = if args.guests { Realisation::Guests } else { Realisation::Namespaces };
    let scenarios = chosen
        .into_iter()
        .map(|chosen| scenario(chosen, &args.expect, how, &target.loaded))
        .collect::<Result<_>>()?;
    let mut plan = super::build::plan(context, &target, &[&sample::SUITE], args.guest.sources()?)?;
    plan.steps.push(Step::Lab(LabPlan {
        pcap: args.pcap,
        ..lab_plan(context, &target, &sample::SUITE, scenarios)?
    }));
    finish(context, &target, &plan, args.dry_run, args.json)
}

/// Prints the plan, or carries it out.
pub(super) fn finish(
    context: &Context,
    target: &Target,
    plan: &Plan,
    dry_run: bool,
    json: bool,
) -> Result<u8> {
    if dry_run {
        console::out(&plan.render())?;
        return Ok(ExitCode::Passed as u8);
    }
    unpack_own(target)?;
    test::carry_out(context, target, plan, json)
}

/// Writes the project's own samples to where the plan has them.
pub(super) fn unpack_own(target: &Target) -> Result<()> {
    target.work.create()?;
    own::unpack(&own_dir(target))
}

/// Where the project's own samples are.
pub(super) fn own_dir(target: &Target) -> std::path::PathBuf {
    target.work.root().join("samples")
}

/// The step for all samples that have a name.
pub(super) fn step(context: &Context, target: &Target) -> Result<Step> {
    let known = all(&own_dir(target), &target.loaded)?;
    let scenario = |sample| scenario(Chosen::known(sample), &[], Realisation::Namespaces, &target.loaded);
    let scenarios = known.into_iter().map(scenario).collect::<Result<_>>()?;
    lab_plan(context, target, &sample::SUITE, scenarios).map(Step::Lab)
}

/// The lab of these scenarios, with the guests of the settings.
pub(super) fn lab_plan(
    context: &Context,
    target: &Target,
    suite: &'static Suite,
    scenarios: Vec<Scenario>,
) -> Result<LabPlan> {
    let guest = target.guest(context)?.with_steady_files();
    let cpus = target.loaded.settings.vm.cpus.map(std::num::NonZero::get).into();
    let test = &target.loaded.settings.test;
    let (fail_fast, all_features) = (test.fail_fast, test.all_features);
    let home = context.environment.home().map(Path::to_owned);
    Ok(LabPlan { suite, scenarios, guest, cpus, fail_fast, all_features, pcap: false, home })
}

/// All samples that have a name: the project's own, and those of the settings, which may replace them.
pub(super) fn all(own_dir: &Path, loaded: &Loaded) -> Result<Vec<Declared>> {
    let mut samples = own::samples(own_dir)?;
    for sample in &loaded.settings.sample {
        check_name(sample)?;
        samples.retain(|other| other.name != sample.name);
        samples.push(sample.clone());
    }
    Ok(samples)
}

fn check_name(sample: &Declared) -> Result<()> {
    let good = !sample.name.is_empty()
        && !sample.name.starts_with(['.', '-'])
        && sample.name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    if good {
        return Ok(());
    }
    Err(Error::usage(format!("the sample {:?} has no usable name", sample.name))
        .hint("a name is of letters, digits, dots, - and _"))
}

/// A sample that was asked for.
struct Chosen {
    sample: Declared,
    /// The networks that its own directory declares.
    networks: BTreeMap<String, Topology>,
}

impl Chosen {
    /// One of those that have a name: its networks are those of the settings.
    fn known(sample: Declared) -> Self {
        Self { sample, networks: BTreeMap::new() }
    }
}

/// The samples that were asked for: by name, by glob, or by path.
fn choose(what: &[String], known: &[Declared], context: &Context) -> Result<Vec<Chosen>> {
    let mut chosen: Vec<Chosen> = Vec::new();
    if what.is_empty() {
        chosen.extend(known.iter().cloned().map(Chosen::known));
    }
    for word in what {
        let pattern = Pattern::new(word)?;
        let named: Vec<&Declared> = match known.iter().find(|sample| sample.name == *word) {
            Some(exact) => vec![exact],
            None if pattern.is_glob() => {
                known.iter().filter(|sample| pattern.matches(&sample.name)).collect()
            }
            None => Vec::new(),
        };
        if named.is_empty() {
            for mut found in at_path(word, known, context)? {
                found.sample.name =
                    unused(found.sample.name, |name| chosen.iter().any(|other| other.sample.name == name));
                chosen.push(found);
            }
        }
        for sample in named {
            if !chosen.iter().any(|other| other.sample == *sample) {
                chosen.push(Chosen::known(sample.clone()));
            }
        }
    }
    Ok(chosen)
}

/// The samples at a path: those that the directory's own file declares, else the directory or file itself.
fn at_path(word: &str, known: &[Declared], context: &Context) -> Result<Vec<Chosen>> {
    let path = context.absolute(Path::new(word));
    if !path.exists() {
        let names: Vec<&str> = known.iter().map(|sample| sample.name.as_str()).collect();
        return Err(Error::usage(format!("{word} is neither the name of a sample nor a path")).hint(
            match meant(word, names.iter().copied()) {
                Some(name) => format!("did you mean {name}? Else give the path of a directory or a file"),
                None => format!("give the path of its directory, or one of {}", names.join(", ")),
            },
        ));
    }
    let own = if path.is_dir() {
        settings::sample_file(&path, &context.environment)?
    } else {
        SampleFile::default()
    };
    own.samples.iter().try_for_each(check_name)?;
    let samples = if own.samples.is_empty() {
        vec![Declared { name: name_of(&path), path, ..Declared::default() }]
    } else {
        own.samples
    };
    Ok(samples.into_iter().map(|sample| Chosen { sample, networks: own.topologies.clone() }).collect())
}

/// The name, with a number behind it where others have it already: directories of several people may be called alike.
pub(super) fn unused(name: String, taken: impl Fn(&str) -> bool) -> String {
    if !taken(&name) {
        return name;
    }
    (2..1000).map(|number| format!("{name}-{number}")).find(|numbered| !taken(numbered)).unwrap_or(name)
}

/// A name for what is at a path.
pub(super) fn name_of(path: &Path) -> String {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let plain: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() || ".-_".contains(c) { c } else { '-' }).collect();
    let plain = plain.trim_start_matches(['.', '-']).to_owned();
    if plain.is_empty() { "sample".to_owned() } else { plain }
}

fn scenario(chosen: Chosen, expect: &[Expect], how: Realisation, loaded: &Loaded) -> Result<Scenario> {
    let Chosen { sample, networks } = chosen;
    let name = sample.topology.clone().unwrap_or_else(|| USUAL_TOPOLOGY.to_owned());
    let topology = match networks.get(&name) {
        Some(own) => with_both_hosts(&name, own)?,
        None => topology(&name, loaded)?,
    };
    let expect = if expect.is_empty() { sample.expect.clone() } else { expect.to_vec() };
    if expect.len() > 1 && expect.contains(&Expect::None) {
        return Err(Error::usage(format!(
            "the sample {}: none excludes every other expectation",
            sample.name
        ))
        .hint("expect none alone, or leave it out"));
    }
    Ok(Scenario {
        name: sample.name.clone(),
        realisation: how,
        topology: Some((name, topology)),
        time: Duration::from_secs(sample.seconds.unwrap_or(USUAL_SECONDS).into()),
        expect,
        kind: Kind::Sample(Box::new(sample)),
    })
}

/// The topology of this name, which programs can run in.
pub(super) fn topology(name: &str, loaded: &Loaded) -> Result<Topology> {
    let all = &loaded.settings.topology;
    let found = all.get(name).ok_or_else(|| no_topology(name, all.keys()))?;
    with_both_hosts(name, found)
}

/// The error that says that there is no topology of this name.
pub(super) fn no_topology<'a>(name: &str, all: impl Iterator<Item = &'a String>) -> Error {
    let names: Vec<&str> = all.map(String::as_str).collect();
    let add = format!("add a section [topology.{name}] to vmptcp.toml");
    Error::usage(format!("there is no topology {name}")).hint(match meant(name, names.iter().copied()) {
        Some(near) => format!("did you mean {near}? Else {add}"),
        None => format!("use one of {}, or {add}", names.join(", ")),
    })
}

/// The topology, if it has the hosts that programs run on.
fn with_both_hosts(name: &str, found: &Topology) -> Result<Topology> {
    for host in [SERVER, CLIENT] {
        if !found.host.contains_key(host) {
            return Err(Error::usage(format!("the topology {name} has no host {host}"))
                .hint("programs run on the hosts server and client: give two of its hosts these names"));
        }
    }
    Ok(found.clone())
}

fn list(samples: &[Declared], as_json: bool) -> String {
    if as_json {
        let one =
            |sample: &Declared| serde_json::json!({ "name": sample.name, "description": sample.description });
        let all = serde_json::Value::from(samples.iter().map(one).collect::<Vec<_>>());
        return crate::text::json(&all.to_string()) + "\n";
    }
    let mut text = String::new();
    for sample in samples {
        let _ = writeln!(text, "{:<24} {}", sample.name, clean(&sample.description));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_that_are_called_alike_keep_apart() {
        let taken = ["echo", "echo-2"];
        assert_eq!(unused("echo".to_owned(), |name| taken.contains(&name)), "echo-3");
        assert_eq!(unused("other".to_owned(), |name| taken.contains(&name)), "other");
        assert_eq!(name_of(Path::new("/nowhere/my Pair (1)")), "my-Pair--1-");
        assert_eq!(name_of(Path::new("/nowhere/.hidden")), "hidden");
    }
}
