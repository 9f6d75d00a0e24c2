//! The description of a network, as it stands in the settings.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// A network.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Topology {
    /// For people; may be empty.
    #[serde(default)]
    pub description: String,
    /// The hosts, by name.
    pub host: BTreeMap<String, Host>,
    /// What connects them, in the order in which their interfaces are numbered.
    pub link: Vec<Link>,
}

/// A host, and what its kernel is told.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Host {
    /// Endpoints of the in-kernel path manager.
    #[serde(default)]
    pub endpoint: Vec<Endpoint>,
    /// How many further subflows a connection may have; none: as the kernel has it.
    pub subflows: Option<u8>,
    /// How many addresses of the peer are accepted; none: as the kernel has it.
    pub add_addr_accepted: Option<u8>,
    /// Who manages paths; none: as the kernel has it.
    pub path_manager: Option<PathManager>,
    /// The packet scheduler; none: as the kernel has it.
    pub scheduler: Option<String>,
    /// Further sysctls.
    #[serde(default)]
    pub sysctl: BTreeMap<String, String>,
}

/// Who manages the paths of a host's connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PathManager {
    /// The kernel, by its endpoints.
    Kernel,
    /// A program, by netlink.
    Userspace,
}

/// An endpoint of the in-kernel path manager, see ip-mptcp(8).
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Endpoint {
    /// One of the host's own addresses.
    pub address: IpAddr,
    /// What it is for.
    pub flags: Vec<Flag>,
    /// Its number; none: the kernel's choice.
    pub id: Option<u8>,
    /// The port that is announced with it.
    pub port: Option<u16>,
}

/// What an endpoint is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Flag {
    /// It is announced to the peer.
    Signal,
    /// Subflows are opened from it.
    Subflow,
    /// Its subflows are used when no other can be.
    Backup,
    /// Subflows go from it to every address of the peer.
    Fullmesh,
}

impl Flag {
    /// The word, as ip(8) takes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Signal => "signal",
            Self::Subflow => "subflow",
            Self::Backup => "backup",
            Self::Fullmesh => "fullmesh",
        }
    }
}

/// Connects two interfaces; with more of them it is a switch.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Link {
    /// The interfaces that it connects.
    pub ends: Vec<LinkEnd>,
    /// How fast each interface sends, as tc(8) takes it: `10mbit`.
    pub rate: Option<String>,
    /// How long a packet takes in one direction, as tc(8) takes it: `20ms`.
    pub delay: Option<String>,
    /// How many packets are lost in one direction, in percent.
    pub loss: Option<f64>,
    /// The largest packet, in bytes.
    pub mtu: Option<u32>,
}

/// An interface of a host.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LinkEnd {
    /// The host.
    pub host: String,
    /// Its addresses there.
    pub address: Vec<Address>,
}

/// An address with the length of its network's prefix: `10.0.1.2/24`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Address {
    /// The address.
    pub ip: IpAddr,
    /// In bits.
    pub prefix: u8,
}

impl Address {
    /// The network that it is in, as ip(8) takes it.
    pub fn network(self) -> String {
        let ip: IpAddr = match self.ip {
            IpAddr::V4(ip) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0);
                (u32::from(ip) & mask).to_be_bytes().into()
            }
            IpAddr::V6(ip) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix)).unwrap_or(0);
                (u128::from(ip) & mask).to_be_bytes().into()
            }
        };
        format!("{ip}/{}", self.prefix)
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no address with a prefix, such as 10.0.1.2/24 or fd00:1::2/64");
        let (ip, prefix) = text.split_once('/').ok_or_else(wrong)?;
        let ip: IpAddr = ip.parse().map_err(|_| wrong())?;
        let prefix: u8 = prefix.parse().map_err(|_| wrong())?;
        let longest = if ip.is_ipv4() { 32 } else { 128 };
        if prefix == 0 || prefix > longest || ip.is_unspecified() || ip.is_loopback() || ip.is_multicast() {
            return Err(wrong());
        }
        Ok(Self { ip, prefix })
    }
}

impl TryFrom<String> for Address {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        address.to_string()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.ip, self.prefix)
    }
}

impl Topology {
    /// The interfaces of a host, in the order of the links: `eth0`, `eth1`, ….
    pub fn interfaces<'a>(&'a self, host: &'a str) -> impl Iterator<Item = (&'a Link, &'a LinkEnd)> {
        let link_ends =
            self.link.iter().flat_map(|link| link.ends.iter().map(move |link_end| (link, link_end)));
        link_ends.filter(move |(_, link_end)| link_end.host == host)
    }

    /// The addresses of a host, in the order of its interfaces.
    pub fn addresses(&self, host: &str) -> Vec<Address> {
        self.interfaces(host).flat_map(|(_, link_end)| link_end.address.iter().copied()).collect()
    }

    /// The first address of a host, of IPv6 where that is asked for.
    pub fn first_address(&self, host: &str, v6: bool) -> Option<IpAddr> {
        self.addresses(host).into_iter().map(|address| address.ip).find(|ip| ip.is_ipv6() == v6)
    }

    /// What is wrong with it though each value is right.
    pub fn check(&self) -> Result<(), String> {
        if self.host.is_empty() || self.link.is_empty() {
            return Err("a topology needs hosts and links".to_owned());
        }
        for name in self.host.keys() {
            if name.len() > 12 || !is_word(name) {
                return Err(format!("host {name:?}: a name is of up to 12 letters, digits and -"));
            }
        }
        for (number, link) in (1..).zip(&self.link) {
            link.check().map_err(|wrong| format!("link {number}: {wrong}"))?;
        }
        let mut seen: Vec<(IpAddr, &str)> = Vec::new();
        for link_end in self.link.iter().flat_map(|link| &link.ends) {
            if !self.host.contains_key(&link_end.host) {
                let known: Vec<&str> = self.host.keys().map(String::as_str).collect();
                return Err(format!(
                    "a link ends at host {:?}: there are {}",
                    link_end.host,
                    known.join(", ")
                ));
            }
            for address in &link_end.address {
                if let Some((_, other)) = seen.iter().find(|(ip, _)| *ip == address.ip) {
                    return Err(format!(
                        "{} is given twice: to {other} and to {}",
                        address.ip, link_end.host
                    ));
                }
                seen.push((address.ip, &link_end.host));
            }
        }
        self.host.iter().try_for_each(|(name, host)| {
            host.check(name, &seen).map_err(|wrong| format!("host {name}: {wrong}"))
        })
    }
}

impl Host {
    fn check(&self, name: &str, addresses: &[(IpAddr, &str)]) -> Result<(), String> {
        for endpoint in &self.endpoint {
            if !addresses.contains(&(endpoint.address, name)) {
                return Err(format!("endpoint {} is none of its addresses", endpoint.address));
            }
            if endpoint.flags.is_empty() {
                return Err(format!("endpoint {} has no flags: give it signal or subflow", endpoint.address));
            }
        }
        let odd = self.sysctl.keys().find(|key| {
            !key.starts_with("net.")
                || !key.bytes().all(|c| c.is_ascii_alphanumeric() || b"._-/".contains(&c))
        });
        if let Some(key) = odd {
            return Err(format!("sysctl {key:?}: only those of net. are a host's own"));
        }
        match &self.scheduler {
            Some(name) if !is_word(name) => {
                Err(format!("scheduler {name:?}: a name is of letters, digits, - and _"))
            }
            _ => Ok(()),
        }
    }
}

impl Link {
    fn check(&self) -> Result<(), String> {
        if self.ends.len() < 2 {
            return Err("it needs at least two ends".to_owned());
        }
        let quantity = |text: &Option<String>, what: &str, units: &[&str]| match text {
            Some(text) if !is_quantity(text, units) => {
                Err(format!("{what} = {text:?}: expected a number and one of {}", units.join(", ")))
            }
            _ => Ok(()),
        };
        quantity(&self.rate, "rate", &["kbit", "mbit", "gbit"])?;
        quantity(&self.delay, "delay", &["us", "ms", "s"])?;
        if self.loss.is_some_and(|loss| !(0.0..=100.0).contains(&loss)) {
            return Err("loss is in percent, from 0 to 100".to_owned());
        }
        if self.mtu.is_some_and(|mtu| !(576..=65535).contains(&mtu)) {
            return Err("mtu is in bytes, from 576 to 65535".to_owned());
        }
        Ok(())
    }
}

fn is_quantity(text: &str, units: &[&str]) -> bool {
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    units.contains(&&text[number.len()..]) && number.parse::<f64>().is_ok_and(|number| number >= 0.0)
}

fn is_word(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with('-')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The network `pair`, much as it is built in.
    pub(crate) fn pair() -> Topology {
        let link_end = |host: &str, address: &[&str]| LinkEnd {
            host: host.to_owned(),
            address: address.iter().map(|text| text.parse().unwrap()).collect(),
        };
        let link = |net: u8| Link {
            ends: vec![
                link_end("client", &[&format!("10.0.{net}.1/24"), &format!("fd00:{net}::1/64")]),
                link_end("server", &[&format!("10.0.{net}.2/24"), &format!("fd00:{net}::2/64")]),
            ],
            rate: Some("10mbit".to_owned()),
            delay: None,
            loss: None,
            mtu: None,
        };
        let endpoint = Endpoint {
            address: "10.0.2.2".parse().unwrap(),
            flags: vec![Flag::Signal],
            id: None,
            port: None,
        };
        let limits = Host { subflows: Some(2), add_addr_accepted: Some(2), ..Host::default() };
        let server = Host { endpoint: vec![endpoint], ..limits.clone() };
        let host = [("client".to_owned(), limits), ("server".to_owned(), server)];
        Topology { description: String::new(), host: host.into(), link: vec![link(1), link(2)] }
    }

    #[test]
    fn an_address_knows_its_network() {
        let network = |text: &str| text.parse::<Address>().map(Address::network);
        assert_eq!(network("10.1.2.3/16").unwrap(), "10.1.0.0/16");
        assert_eq!(network("fd00:1::abcd/64").unwrap(), "fd00:1::/64");
        assert_eq!(network("10.1.2.3/32").unwrap(), "10.1.2.3/32");
        for bad in ["10.0.0.1", "10.0.0.1/33", "10.0.0.1/0", "127.0.0.1/8", "::/64", "x/1", "fd00::1/129"] {
            assert!(network(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_cannot_be_is_named() {
        let wrong = |change: fn(&mut Topology)| {
            let mut topology = pair();
            change(&mut topology);
            topology.check().unwrap_err()
        };
        assert!(pair().check().is_ok());
        let all = [
            wrong(|t| t.link[1].ends[0].address[0] = "10.0.1.2/24".parse().unwrap()),
            wrong(|t| t.link[0].ends[0].host = "clinet".to_owned()),
            wrong(|t| t.link[0].ends.truncate(1)),
            wrong(|t| t.link[0].rate = Some("fast".to_owned())),
            wrong(|t| t.link[0].loss = Some(f64::NAN)),
            wrong(|t| t.host.get_mut("server").unwrap().endpoint[0].address = "10.0.2.1".parse().unwrap()),
            wrong(|t| drop(t.host.get_mut("server").unwrap().sysctl.insert("kernel.x".into(), "1".into()))),
            wrong(|t| t.host.clear()),
        ];
        insta::assert_snapshot!(all.join("\n"), @r#"
        10.0.1.2 is given twice: to server and to client
        a link ends at host "clinet": there are client, server
        link 1: it needs at least two ends
        link 1: rate = "fast": expected a number and one of kbit, mbit, gbit
        link 1: loss is in percent, from 0 to 100
        host server: endpoint 10.0.2.1 is none of its addresses
        host server: sysctl "kernel.x": only those of net. are a host's own
        a topology needs hosts and links
        "#);
    }
}
