//! What has to be run, and where, so that a network comes into being.

use super::model::{Address, Host, Link, PathManager, Topology};
use std::fmt::Write as _;

/// How a network is realised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Realisation {
    /// Each host is a network namespace of one guest.
    Namespaces,
    /// Each host is a guest, and its interfaces are QEMU's.
    Guests,
}

/// An interface of a guest, as QEMU is to make it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Which link it is on.
    pub link: usize,
    /// Its hardware address.
    pub mac: String,
    /// The name that it gets in the guest.
    pub name: String,
}

/// Where something is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In the guest itself.
    Guest,
    /// On a host: its namespace, or its guest.
    Host(String),
    /// In the namespace of the switches.
    Switch,
}

/// Something to be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    /// Where.
    pub place: Place,
    /// The program: `ip`, `tc` or `sysctl`.
    pub program: &'static str,
    /// Its options, before all else.
    pub options: Vec<&'static str>,
    /// What one process of it is to do: batch lines of `ip` and `tc`, arguments of `sysctl`.
    pub lines: Vec<String>,
}

impl Action {
    fn new(
        place: Place,
        program: &'static str,
        options: &[&'static str],
        lines: Vec<String>,
    ) -> Option<Self> {
        (!lines.is_empty()).then(|| Self { place, program, options: options.to_vec(), lines })
    }

    /// The program's arguments where it runs, and what it reads from its standard input.
    pub fn command(&self, namespaced: bool) -> (Vec<String>, String) {
        let space = match &self.place {
            Place::Host(host) if namespaced => Some(namespace(host)),
            Place::Switch => Some(SWITCH.to_owned()),
            Place::Guest | Place::Host(_) => None,
        };
        let words = |text: &[&str]| text.iter().map(|&word| word.to_owned()).collect::<Vec<String>>();
        if self.program == "sysctl" {
            let mut argv = space.map_or_else(Vec::new, |space| words(&["ip", "netns", "exec", &space]));
            argv.extend(words(&["sysctl", "-qw"]));
            argv.extend(self.lines.iter().cloned());
            return (argv, String::new());
        }
        let mut argv = words(&[self.program]);
        if let Some(space) = space {
            argv.extend(words(&["-n", &space]));
        }
        argv.extend(words(&self.options));
        argv.extend(words(&["-batch", "-"]));
        (argv, self.lines.join("\n") + "\n")
    }
}

/// The namespace that holds the switches.
const SWITCH: &str = "vmptcp-switch";

/// The network namespace of a host.
pub fn namespace(host: &str) -> String {
    format!("vmptcp-{host}")
}

/// The interfaces of a host that is a guest of its own.
pub fn interfaces(topology: &Topology, host: &str) -> Vec<Interface> {
    let mut interfaces = Vec::new();
    for (index, link) in topology.link.iter().enumerate() {
        for (end, _) in link.ends.iter().enumerate().filter(|(_, link_end)| link_end.host == host) {
            interfaces.push(Interface {
                link: index,
                mac: mac(index, end),
                name: format!("eth{}", interfaces.len()),
            });
        }
    }
    interfaces
}

/// Locally administered, and different for each interface of the network.
fn mac(link: usize, end: usize) -> String {
    format!("02:76:6d:00:{:02x}:{:02x}", link % 256, end % 256)
}

/// Everything that makes the network, in order. Guests have their interfaces already, by their names.
pub fn actions(topology: &Topology, how: Realisation) -> Vec<Action> {
    let mut actions = Vec::new();
    if how == Realisation::Namespaces {
        actions.extend(Action::new(Place::Guest, "ip", &[], wiring(topology)));
        actions.extend(Action::new(Place::Switch, "ip", &[], switching(topology)));
    }
    for (name, host) in &topology.host {
        let mut add = |program, options: &[&'static str], lines| {
            actions.extend(Action::new(Place::Host(name.clone()), program, options, lines));
        };
        add("sysctl", &[], sysctls(host));
        add("ip", &[], set_up(topology, name));
        add("ip", &["-4"], rules(topology, name, false));
        add("ip", &["-6"], rules(topology, name, true));
        add("tc", &[], shaping(topology, name));
        add("ip", &[], path_manager(topology, name, host));
    }
    actions
}

/// The batch lines that give a guest's interfaces their names. `found` are the names that they have, with hardware addresses.
pub fn renames(interfaces: &[Interface], found: &[(String, String)]) -> Result<Vec<String>, String> {
    interfaces
        .iter()
        .map(|interface| {
            let (name, _) = found.iter().find(|(_, mac)| *mac == interface.mac).ok_or_else(|| {
                format!("the guest has no interface {}: its kernel needs CONFIG_VIRTIO_NET", interface.mac)
            })?;
            Ok((name, interface))
        })
        .filter(|found| !matches!(found, Ok((name, interface)) if **name == interface.name))
        .map(|found| {
            found.map(|(name, interface)| format!("link set dev {name} down name {}", interface.name))
        })
        .collect()
}

/// What takes the namespaces away again.
pub fn removal(topology: &Topology) -> Vec<String> {
    let mut lines: Vec<String> =
        topology.host.keys().map(|host| format!("netns del {}", namespace(host))).collect();
    if topology.link.iter().any(|link| link.ends.len() > 2) {
        lines.push(format!("netns del {SWITCH}"));
    }
    lines
}

/// Namespaces, and the links between them.
fn wiring(topology: &Topology) -> Vec<String> {
    let mut lines: Vec<String> =
        topology.host.keys().map(|host| format!("netns add {}", namespace(host))).collect();
    if topology.link.iter().any(|link| link.ends.len() > 2) {
        lines.push(format!("netns add {SWITCH}"));
    }
    let mut count: std::collections::BTreeMap<&str, usize> = std::collections::BTreeMap::new();
    for (number, link) in topology.link.iter().enumerate() {
        let mut ends = Vec::new();
        for link_end in &link.ends {
            let interface = count.entry(&link_end.host).or_default();
            ends.push((format!("eth{interface}"), namespace(&link_end.host)));
            *interface += 1;
        }
        if let [(interface, space), (peer, other)] = &ends[..] {
            lines
                .push(format!("link add {interface} netns {space} type veth peer name {peer} netns {other}"));
            continue;
        }
        lines.push(format!("link add br{number} netns {SWITCH} type bridge"));
        for (port, (interface, space)) in ends.iter().enumerate() {
            let port = format!("port{number}-{port}");
            lines.push(format!(
                "link add {interface} netns {space} type veth peer name {port} netns {SWITCH}"
            ));
        }
    }
    lines
}

/// What connects the switches' ports.
fn switching(topology: &Topology) -> Vec<String> {
    let mut lines = Vec::new();
    for (number, link) in topology.link.iter().enumerate().filter(|(_, link)| link.ends.len() > 2) {
        let ports = 0..link.ends.len();
        lines.extend(ports.map(|port| format!("link set port{number}-{port} master br{number} up")));
        lines.push(format!("link set br{number} up"));
    }
    lines
}

fn sysctls(host: &Host) -> Vec<String> {
    // A host with two interfaces in one network must not answer on one for the address of the other.
    let quiet = ["rp_filter=0", "arp_ignore=1", "arp_announce=2"];
    let scopes = ["all", "default"].iter();
    let mut lines: Vec<String> =
        scopes.flat_map(|scope| quiet.map(|setting| format!("net.ipv4.conf.{scope}.{setting}"))).collect();
    lines.push("net.mptcp.enabled=1".to_owned());
    lines.extend(host.path_manager.map(|manager| {
        let kind = u8::from(manager == PathManager::Userspace);
        // Newer kernels call it path_manager, and know this name as well.
        format!("net.mptcp.pm_type={kind}")
    }));
    lines.extend(host.scheduler.as_ref().map(|name| format!("net.mptcp.scheduler={name}")));
    lines.extend(host.sysctl.iter().map(|(key, value)| format!("{key}={value}")));
    lines
}

fn set_up(topology: &Topology, name: &str) -> Vec<String> {
    let mut lines = vec!["link set lo up".to_owned()];
    for (number, (link, link_end)) in topology.interfaces(name).enumerate() {
        for address in &link_end.address {
            // Nobody else has it: no need to wait until that is found out.
            let nodad = if address.ip.is_ipv6() { " nodad" } else { "" };
            lines.push(format!("addr add {address} dev eth{number}{nodad}"));
        }
        let mtu = link.mtu.map(|mtu| format!(" mtu {mtu}")).unwrap_or_default();
        lines.push(format!("link set eth{number}{mtu} up"));
    }
    lines
}

/// On a host with several interfaces, what comes from an interface's address leaves by that interface.
///
/// Where two interfaces are in one network this comes before the ordinary routes, which know only one of them. Otherwise it
/// comes after them, for the peer's addresses on other links: a subflow from the second interface to the peer's first address
/// takes the second link.
fn rules(topology: &Topology, name: &str, v6: bool) -> Vec<String> {
    let interfaces: Vec<(usize, &Link, Address)> = topology
        .interfaces(name)
        .enumerate()
        .flat_map(|(number, (link, link_end))| {
            link_end.address.iter().map(move |address| (number, link, *address))
        })
        .filter(|(.., address)| address.ip.is_ipv6() == v6)
        .collect();
    let mut lines = Vec::new();
    for (number, link, address) in &interfaces {
        let others: Vec<_> = interfaces.iter().filter(|(other, ..)| other != number).collect();
        let ip = address.ip;
        if others.iter().any(|(.., other)| other.network() == address.network()) {
            let table = 100 + number;
            lines.push(format!("route add {} dev eth{number} src {ip} table {table}", address.network()));
            lines.push(format!("rule add from {ip} lookup {table} pref 100"));
        } else if let (false, Some(peer)) = (others.is_empty(), peer(link, name, v6)) {
            let table = 200 + number;
            lines.push(format!("route add default via {peer} dev eth{number} table {table}"));
            lines.push(format!("rule add from {ip} lookup {table} pref 33000"));
        }
    }
    lines
}

/// The address of another host on a link.
fn peer(link: &Link, name: &str, v6: bool) -> Option<std::net::IpAddr> {
    let others =
        link.ends.iter().filter(|link_end| link_end.host != name).flat_map(|link_end| &link_end.address);
    others.map(|address| address.ip).find(|ip| ip.is_ipv6() == v6)
}

fn shaping(topology: &Topology, name: &str) -> Vec<String> {
    let line = |(number, (link, _)): (usize, (&Link, _))| {
        let mut line = format!("qdisc add dev eth{number} root netem");
        let bare = line.len();
        for (word, value) in [("rate", &link.rate), ("delay", &link.delay)] {
            if let Some(value) = value {
                let _ = write!(line, " {word} {value}");
            }
        }
        if let Some(loss) = link.loss {
            let _ = write!(line, " loss {loss}%");
        }
        (line.len() > bare).then_some(line)
    };
    topology.interfaces(name).enumerate().filter_map(line).collect()
}

fn path_manager(topology: &Topology, name: &str, host: &Host) -> Vec<String> {
    let mut lines = Vec::new();
    let mut limits = String::new();
    for (word, value) in [("subflows", host.subflows), ("add_addr_accepted", host.add_addr_accepted)] {
        if let Some(value) = value {
            let _ = write!(limits, " {word} {value}");
        }
    }
    if !limits.is_empty() {
        lines.push(format!("mptcp limits set{limits}"));
    }
    for endpoint in &host.endpoint {
        let interface = topology
            .interfaces(name)
            .position(|(_, link_end)| link_end.address.iter().any(|address| address.ip == endpoint.address));
        let mut line = format!("mptcp endpoint add {}", endpoint.address);
        if let Some(interface) = interface {
            let _ = write!(line, " dev eth{interface}");
        }
        if let Some(id) = endpoint.id {
            let _ = write!(line, " id {id}");
        }
        if let Some(port) = endpoint.port {
            let _ = write!(line, " port {port}");
        }
        for flag in &endpoint.flags {
            let _ = write!(line, " {}", flag.as_str());
        }
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::super::model::tests::pair;
    use super::*;

    fn text(topology: &Topology, how: Realisation) -> String {
        let command = |action: &Action| {
            let (argv, input) = action.command(how == Realisation::Namespaces);
            let input = input.lines().fold(String::new(), |all, line| all + "    " + line + "\n");
            format!("{}\n{input}", argv.join(" "))
        };
        actions(topology, how).iter().map(command).collect()
    }

    #[test]
    fn a_pair_in_namespaces() {
        insta::assert_snapshot!(text(&pair(), Realisation::Namespaces), @"
        ip -batch -
            netns add vmptcp-client
            netns add vmptcp-server
            link add eth0 netns vmptcp-client type veth peer name eth0 netns vmptcp-server
            link add eth1 netns vmptcp-client type veth peer name eth1 netns vmptcp-server
        ip netns exec vmptcp-client sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2 net.ipv4.conf.default.rp_filter=0 net.ipv4.conf.default.arp_ignore=1 net.ipv4.conf.default.arp_announce=2 net.mptcp.enabled=1
        ip -n vmptcp-client -batch -
            link set lo up
            addr add 10.0.1.1/24 dev eth0
            addr add fd00:1::1/64 dev eth0 nodad
            link set eth0 up
            addr add 10.0.2.1/24 dev eth1
            addr add fd00:2::1/64 dev eth1 nodad
            link set eth1 up
        ip -n vmptcp-client -4 -batch -
            route add default via 10.0.1.2 dev eth0 table 200
            rule add from 10.0.1.1 lookup 200 pref 33000
            route add default via 10.0.2.2 dev eth1 table 201
            rule add from 10.0.2.1 lookup 201 pref 33000
        ip -n vmptcp-client -6 -batch -
            route add default via fd00:1::2 dev eth0 table 200
            rule add from fd00:1::1 lookup 200 pref 33000
            route add default via fd00:2::2 dev eth1 table 201
            rule add from fd00:2::1 lookup 201 pref 33000
        tc -n vmptcp-client -batch -
            qdisc add dev eth0 root netem rate 10mbit
            qdisc add dev eth1 root netem rate 10mbit
        ip -n vmptcp-client -batch -
            mptcp limits set subflows 2 add_addr_accepted 2
        ip netns exec vmptcp-server sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2 net.ipv4.conf.default.rp_filter=0 net.ipv4.conf.default.arp_ignore=1 net.ipv4.conf.default.arp_announce=2 net.mptcp.enabled=1
        ip -n vmptcp-server -batch -
            link set lo up
            addr add 10.0.1.2/24 dev eth0
            addr add fd00:1::2/64 dev eth0 nodad
            link set eth0 up
            addr add 10.0.2.2/24 dev eth1
            addr add fd00:2::2/64 dev eth1 nodad
            link set eth1 up
        ip -n vmptcp-server -4 -batch -
            route add default via 10.0.1.1 dev eth0 table 200
            rule add from 10.0.1.2 lookup 200 pref 33000
            route add default via 10.0.2.1 dev eth1 table 201
            rule add from 10.0.2.2 lookup 201 pref 33000
        ip -n vmptcp-server -6 -batch -
            route add default via fd00:1::1 dev eth0 table 200
            rule add from fd00:1::2 lookup 200 pref 33000
            route add default via fd00:2::1 dev eth1 table 201
            rule add from fd00:2::2 lookup 201 pref 33000
        tc -n vmptcp-server -batch -
            qdisc add dev eth0 root netem rate 10mbit
            qdisc add dev eth1 root netem rate 10mbit
        ip -n vmptcp-server -batch -
            mptcp limits set subflows 2 add_addr_accepted 2
            mptcp endpoint add 10.0.2.2 dev eth1 signal
        ");
    }

    #[test]
    fn guests_need_no_wiring_but_names() {
        let topology = pair();
        let text = text(&topology, Realisation::Guests);
        assert!(!text.contains("netns") && text.contains("addr add 10.0.2.2/24 dev eth1"), "{text}");
        let interfaces = interfaces(&topology, "server");
        let found =
            [("lo", "00:00:00:00:00:00"), ("enp0s4", &interfaces[1].mac), ("eth0", &interfaces[0].mac)]
                .map(|(name, mac)| (name.to_owned(), mac.to_owned()));
        assert_eq!(renames(&interfaces, &found).unwrap(), ["link set dev enp0s4 down name eth1"]);
        assert!(renames(&interfaces, &found[..1]).unwrap_err().contains("CONFIG_VIRTIO_NET"));
    }

    #[test]
    fn cards_in_one_network_get_rules_and_a_switch() {
        let mut topology = pair();
        let second = topology.link.remove(1);
        topology.link[0].ends.extend(second.ends);
        topology.link[0].ends[2].address = vec!["10.0.1.11/24".parse().unwrap()];
        let text = text(&topology, Realisation::Namespaces);
        for line in [
            "link add br0 netns vmptcp-switch type bridge",
            "link add eth1 netns vmptcp-server type veth peer name port0-3 netns vmptcp-switch",
            "link set port0-2 master br0 up",
            "rule add from 10.0.1.1 lookup 100 pref 100",
            "route add 10.0.1.0/24 dev eth1 src 10.0.1.11 table 101",
        ] {
            assert!(text.contains(line), "{line} is missing:\n{text}");
        }
    }
}
