//! What the results of a step depend on, as far as it is known only when its guests are.

use super::{Host, Journal};
use crate::doctor;
use crate::error::{Error, Result};
use crate::event::Event;
use crate::kernel::build::Built;
use crate::text::{decode, hash};
use crate::vm::Spec;

/// Records it: for all steps, and for this one, of which up to `vms` guests like `spec` are at work.
pub(super) fn record(
    step: &str,
    spec: &Spec,
    vms: u32,
    built: &Built,
    host: &Host,
    journal: &mut Journal,
) -> Result<()> {
    let tools: &[&str] =
        if built.elsewhere { &["virtme-ng", "QEMU"] } else { &["virtme-ng", "QEMU", "gcc", "clang"] };
    let mut facts = doctor::versions(tools, &host.venv)?;
    let of_guests = ["iproute2", "iptables", "nftables"];
    facts.extend(doctor::versions_of_guests(&of_guests, &spec.machine.root.dir, &host.venv)?);
    let config = std::fs::read(&built.config).map_err(|error| Error::io("read", &built.config, &error))?;
    let config_hash = hash::of(&config).to_string();
    // The tools of this machine had no part in it; the configuration says which one had.
    let config = decode(&config);
    let compiler = config.lines().find_map(|line| line.strip_prefix("CONFIG_CC_VERSION_TEXT="));
    if let Some(compiler) = compiler.filter(|_| built.elsewhere) {
        facts.insert("compiler".to_owned(), compiler.trim_matches('"').to_owned());
    }
    let host_kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let known = [
        ("kernel", built.kernel_release.clone()),
        ("config hash", config_hash),
        ("host kernel", host_kernel.trim().to_owned()),
    ];
    facts.extend(known.map(|(name, value)| (name.to_owned(), value)));
    journal.add(Event::Provenance { step: None, facts })?;
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let Spec { backend, machine, .. } = spec;
    let of_the_step = [
        ("accelerator", backend.accelerator().to_owned()),
        ("vms", vms.to_string()),
        ("vcpus", machine.cpus.to_string()),
        ("memory", format!("{} MiB", machine.memory_mib)),
        ("root", machine.root.to_string()),
        ("filesystem", backend.filesystem().to_owned()),
        ("host load", load.split_whitespace().take(3).collect::<Vec<_>>().join(" ")),
    ];
    let facts = of_the_step.map(|(name, value)| (name.to_owned(), value)).into();
    journal.add(Event::Provenance { step: Some(step.to_owned()), facts })
}
