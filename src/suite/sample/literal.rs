//! Addresses that are compiled into a program.

use std::collections::BTreeSet;
use std::net::IpAddr;

/// The addresses in the texts of a program's sources: those in quotes, or in a shell script anywhere but in comments.
/// Loopback is included; what can be nobody's address is not.
pub fn in_source(name: &str, text: &str) -> BTreeSet<IpAddr> {
    let shell = super::layout::kind(name) == "sh";
    let mut found = BTreeSet::new();
    for line in text.lines() {
        let line = line.trim_start();
        if shell {
            if !line.starts_with('#') {
                found.extend(addresses(line));
            }
        } else if !line.starts_with("//") && !line.starts_with('*') {
            line.split(['"', '\'']).skip(1).step_by(2).for_each(|quoted| found.extend(addresses(quoted)));
        }
    }
    found
}

/// The addresses among the printable texts of a binary. Only what a text consists of as a whole: of what else looks like an
/// address in a binary, most are versions.
pub fn in_binary(bytes: &[u8]) -> BTreeSet<IpAddr> {
    let texts =
        bytes.split(|byte| !(b' '..=b'~').contains(byte)).filter(|text| (3..=45).contains(&text.len()));
    texts
        .filter_map(|text| std::str::from_utf8(text).ok()?.parse().ok())
        .filter(is_somebodys)
        .filter(|ip: &IpAddr| !matches!(ip, IpAddr::V6(ip) if ip.is_loopback()))
        .collect()
}

/// Whether a source asks for MPTCP by itself.
pub fn asks_for_mptcp(text: &str) -> bool {
    text.contains("IPPROTO_MPTCP")
}

fn addresses(text: &str) -> Vec<IpAddr> {
    let words = text.split(|c: char| !(c.is_ascii_hexdigit() || c == '.' || c == ':'));
    words
        .filter_map(|word| {
            let word = word.trim_end_matches('.');
            // With a port behind it, or a prefix: `10.0.0.1:80`.
            let bare = match word.split_once(':') {
                Some((address, _)) if address.contains('.') => address,
                _ => word,
            };
            bare.parse().ok()
        })
        .filter(is_somebodys)
        .collect()
}

fn is_somebodys(ip: &IpAddr) -> bool {
    let broadcast =
        matches!(ip, IpAddr::V4(ip) if ip.is_broadcast() || ip.octets()[0] == 0 || ip.octets()[0] == 255);
    !ip.is_unspecified() && !ip.is_multicast() && !broadcast
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(name: &str, text: &str) -> String {
        in_source(name, text).iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn addresses_in_quotes_are_found() {
        let text = "
            // connect(\"10.9.9.9\")
            /* see 10.8.8.8
             * and \"10.7.7.7\" */
            #define PEER \"192.168.56.10\"
            inet_pton(AF_INET, \"0.0.0.0\", &a); puts(\"version 1.2.3\"); f('10.0.0.5:80', \"fe80::1\");
            inet_pton(AF_INET, \"127.0.0.1\", &b); mask(\"255.255.255.0\"); g(\"224.0.0.1\", \"::\", \"a:b\");";
        assert_eq!(found("client.c", text), "10.0.0.5 127.0.0.1 192.168.56.10 fe80::1");
        assert_eq!(found("run.sh", "# 10.0.0.1\nping 10.0.0.2 | cat\n"), "10.0.0.2");
    }

    #[test]
    fn a_binary_has_its_addresses_as_texts_of_their_own() {
        let bytes = b"\x7fELF\x00192.168.3.156\x00GLIBC_2.2.5\x00at 10.0.0.1 now\x000.0.0.0\x00::1\x00";
        assert_eq!(in_binary(bytes), BTreeSet::from(["192.168.3.156".parse().unwrap()]));
    }
}
