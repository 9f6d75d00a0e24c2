//! Gives a network the addresses that a program was compiled with.

use super::model::{Address, Topology};
use super::{CLIENT, SERVER};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Gives the server each of `wanted` that no host of the network has, on its interfaces in turn, and moves all others on that
/// link into the same network. Returns what was done, a line each.
pub fn give_server(topology: &mut Topology, wanted: &[IpAddr]) -> Result<Vec<String>, String> {
    let mut said = Vec::new();
    let mut taken: Vec<usize> = Vec::new();
    for ip in wanted {
        let on = |host: &str| topology.addresses(host).iter().any(|address| address.ip == *ip);
        if topology.host.keys().any(|host| on(host)) {
            continue;
        }
        let links = topology.link.iter().enumerate().filter(|(number, link)| {
            !taken.contains(number)
                && link.ends.iter().any(|link_end| link_end.host == SERVER)
                && link.ends.iter().any(|link_end| link_end.host == CLIENT)
        });
        let Some(number) = links.map(|(number, _)| number).next() else {
            return Err(format!(
                "the program has the address {ip} in it, and every link between {CLIENT} and {SERVER} has another \
                 of its addresses already"
            ));
        };
        taken.push(number);
        move_link(topology, number, *ip);
        said.push(format!("{ip} is in the program: it is the {SERVER}'s address on link {}", number + 1));
    }
    topology.check()?;
    Ok(said)
}

/// Gives the link's first interface of the server this address, and every other interface one in the same network.
fn move_link(topology: &mut Topology, number: usize, ip: IpAddr) {
    let prefix = if ip.is_ipv4() { 24 } else { 64 };
    let mut free = neighbours(ip);
    let mut moved: Vec<(IpAddr, IpAddr)> = Vec::new();
    let mut server_has_it = false;
    for link_end in &mut topology.link[number].ends {
        let new = if link_end.host == SERVER && !server_has_it {
            server_has_it = true;
            Some(ip)
        } else {
            free.next()
        };
        let Some(new) = new else { continue };
        let place = link_end.address.iter_mut().find(|address| address.ip.is_ipv4() == ip.is_ipv4());
        match place {
            Some(address) => {
                moved.push((address.ip, new));
                *address = Address { ip: new, prefix };
            }
            None => link_end.address.push(Address { ip: new, prefix }),
        }
    }
    for endpoint in topology.host.values_mut().flat_map(|host| &mut host.endpoint) {
        if let Some((_, new)) = moved.iter().find(|(old, _)| *old == endpoint.address) {
            endpoint.address = *new;
        }
    }
}

/// Other addresses of the same network.
fn neighbours(ip: IpAddr) -> Box<dyn Iterator<Item = IpAddr>> {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, c, last] = ip.octets();
            Box::new((1..255).filter(move |d| *d != last).map(move |d| Ipv4Addr::new(a, b, c, d).into()))
        }
        IpAddr::V6(ip) => {
            let base = u128::from(ip) & !0xffff;
            let all = (1..=0xffff_u128).map(move |low| Ipv6Addr::from(base | low));
            Box::new(all.filter(move |other| *other != ip).map(Into::into))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::model::tests::pair;
    use super::*;

    fn given(wanted: &[&str]) -> (Topology, Result<Vec<String>, String>) {
        let mut topology = pair();
        let wanted: Vec<IpAddr> = wanted.iter().map(|text| text.parse().unwrap()).collect();
        let said = give_server(&mut topology, &wanted);
        (topology, said)
    }

    #[test]
    fn a_compiled_in_address_becomes_the_servers_and_the_client_follows() {
        let (topology, said) = given(&["192.168.7.1", "10.0.2.2"]);
        assert_eq!(said.unwrap(), ["192.168.7.1 is in the program: it is the server's address on link 1"]);
        let addresses = |host| topology.addresses(host).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(addresses("server")[0], "192.168.7.1/24");
        assert_eq!(addresses("client")[0], "192.168.7.2/24");
        assert_eq!(addresses("server")[2], "10.0.2.2/24", "what the topology has already stays");
    }

    #[test]
    fn endpoints_move_with_their_address() {
        let (topology, said) = given(&["192.168.7.1", "192.168.8.1"]);
        assert_eq!(said.unwrap().len(), 2);
        assert_eq!(topology.host["server"].endpoint[0].address.to_string(), "192.168.8.1");
    }

    #[test]
    fn more_addresses_than_links_are_an_error() {
        let (_, said) = given(&["192.168.7.1", "192.168.8.1", "192.168.9.1"]);
        assert!(said.unwrap_err().contains("192.168.9.1"));
        let (topology, said) = given(&["2001:db8::5"]);
        assert_eq!(said.unwrap().len(), 1);
        assert!(topology.addresses("client").iter().any(|address| address.to_string() == "2001:db8::1/64"));
    }
}
