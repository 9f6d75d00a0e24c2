//! A network for a person.

use super::model::{Host, Link, PathManager, Topology};
use std::fmt::Write as _;

/// A drawing: each link with its ends, then what each host's MPTCP is told.
pub fn draw(name: &str, topology: &Topology) -> String {
    let mut text = name.to_owned();
    if !topology.description.is_empty() {
        let _ = write!(text, ": {}", topology.description);
    }
    text.push('\n');
    let mut interfaces = std::collections::BTreeMap::<&str, usize>::new();
    for (number, link) in (1..).zip(&topology.link) {
        let kind = if link.ends.len() > 2 { "switch" } else { "link" };
        let _ = writeln!(text, "\n  {kind} {number}{}", qualities(link));
        for (end, link_end) in link.ends.iter().enumerate() {
            let interface = interfaces.entry(&link_end.host).or_default();
            let bough = if end + 1 == link.ends.len() { "└──" } else { "├──" };
            let addresses: Vec<String> = link_end.address.iter().map(ToString::to_string).collect();
            let end = format!("{} eth{interface}", link_end.host);
            let _ = writeln!(text, "  {bough} {end:<14} {}", addresses.join("  "));
            *interface += 1;
        }
    }
    text.push('\n');
    for (name, host) in &topology.host {
        let _ = writeln!(text, "  {name:<8} {}", told(host));
    }
    text
}

fn qualities(link: &Link) -> String {
    let mut all = Vec::new();
    all.extend(link.rate.clone());
    all.extend(link.delay.as_ref().map(|delay| format!("delay {delay}")));
    all.extend(link.loss.map(|loss| format!("loss {loss}%")));
    all.extend(link.mtu.map(|mtu| format!("mtu {mtu}")));
    if all.is_empty() { String::new() } else { format!(" ({})", all.join(", ")) }
}

fn told(host: &Host) -> String {
    let mut all = Vec::new();
    all.extend(host.path_manager.map(|manager| match manager {
        PathManager::Kernel => "path manager in the kernel".to_owned(),
        PathManager::Userspace => "path manager in user space".to_owned(),
    }));
    all.extend(host.scheduler.as_ref().map(|name| format!("scheduler {name}")));
    all.extend(host.subflows.map(|count| format!("up to {count} more subflows")));
    all.extend(host.add_addr_accepted.map(|count| format!("accepts {count} addresses")));
    all.extend(host.endpoint.iter().map(|endpoint| {
        let flags: Vec<&str> = endpoint.flags.iter().map(|flag| flag.as_str()).collect();
        format!("endpoint {} ({})", endpoint.address, flags.join(", "))
    }));
    all.extend(host.sysctl.iter().map(|(key, value)| format!("{key}={value}")));
    if all.is_empty() { "as the kernel has it".to_owned() } else { all.join("; ") }
}

#[cfg(test)]
mod tests {
    use super::super::model::tests::pair;
    use super::*;

    #[test]
    fn a_pair_as_a_drawing() {
        insta::assert_snapshot!(draw("pair", &pair()), @"
        pair

          link 1 (10mbit)
          ├── client eth0    10.0.1.1/24  fd00:1::1/64
          └── server eth0    10.0.1.2/24  fd00:1::2/64

          link 2 (10mbit)
          ├── client eth1    10.0.2.1/24  fd00:2::1/64
          └── server eth1    10.0.2.2/24  fd00:2::2/64

          client   up to 2 more subflows; accepts 2 addresses
          server   up to 2 more subflows; accepts 2 addresses; endpoint 10.0.2.2 (signal)
        ");
    }
}
