//! Addresses that are compiled into a program.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The addresses in the texts of a program's sources: those in quotes, or in a shell script anywhere but in comments; and what
/// languages call the loopback address. Loopback is included; what can be nobody's address is not.
pub fn in_source(name: &str, text: &str) -> BTreeSet<IpAddr> {
    let kind = super::layout::kind(name);
    let comments: &[&str] = if ["sh", "py", "pl"].contains(&kind) { &["#"] } else { &["//", "*"] };
    let mut found = BTreeSet::new();
    for line in text.lines() {
        let line = line.trim_start();
        if comments.iter().any(|mark| line.starts_with(mark)) {
            continue;
        }
        if kind == "sh" {
            found.extend(addresses(line));
            line.split(|c: char| c.is_whitespace() || "\"'=".contains(c))
                .for_each(|word| found.extend(local_name(word)));
        } else {
            for quoted in line.split(['"', '\'']).skip(1).step_by(2) {
                found.extend(addresses(quoted));
                found.extend(local_name(quoted));
            }
            found.extend(loopback_constants(line));
        }
    }
    found
}

/// The address of a name that every machine knows, with or without a port or a path: `localhost:80`, `http://localhost/`.
fn local_name(text: &str) -> Option<IpAddr> {
    let host = text.rsplit_once("://").map_or(text, |(_, rest)| rest);
    match host.split([':', '/']).next()? {
        "localhost" | "localhost.localdomain" | "ip4-localhost" => Some(Ipv4Addr::LOCALHOST.into()),
        "ip6-localhost" | "localhost6" | "ip6-loopback" => Some(Ipv6Addr::LOCALHOST.into()),
        _ => None,
    }
}

/// The loopback addresses for which this line has a constant: of C, Rust, Go, Java, or the number itself.
fn loopback_constants(line: &str) -> Vec<IpAddr> {
    let word = |c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':');
    let known = |word: &str| match word.trim_end_matches(['u', 'U', 'l', 'L']) {
        "INADDR_LOOPBACK" | "0x7f000001" | "0x7F000001" | "2130706433" | "getLoopbackAddress" => {
            Some(Ipv4Addr::LOCALHOST.into())
        }
        "in6addr_loopback" | "IN6ADDR_LOOPBACK_INIT" | "IPv6loopback" => Some(Ipv6Addr::LOCALHOST.into()),
        rust if rust.ends_with("Ipv4Addr::LOCALHOST") => Some(Ipv4Addr::LOCALHOST.into()),
        rust if rust.ends_with("Ipv6Addr::LOCALHOST") => Some(Ipv6Addr::LOCALHOST.into()),
        _ => None,
    };
    line.split(word).filter_map(known).collect()
}

/// Whether a source takes its peer's address from where it is given one: then no other in it counts for more.
pub fn is_told(text: &str) -> bool {
    text.contains("VMPTCP_SERVER")
}

/// The addresses among the printable texts of a binary. Only what a text consists of as a whole: of what else looks like an
/// address in a binary, most are versions. The loopback addresses that a statically linked one has are its libraries'.
pub fn in_binary(bytes: &[u8]) -> BTreeSet<IpAddr> {
    let texts: Vec<&str> = bytes
        .split(|byte| !(b' '..=b'~').contains(byte))
        .filter(|text| (3..=45).contains(&text.len()))
        .filter_map(|text| std::str::from_utf8(text).ok())
        .collect();
    let dynamic = texts.iter().any(|text| text.starts_with('/') && text.contains("/ld-"));
    let parsed = texts.iter().filter_map(|text| text.parse().ok().or_else(|| local_name(text)));
    parsed.filter(is_somebodys).filter(|ip: &IpAddr| dynamic || !ip.is_loopback()).collect()
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
    fn every_way_to_say_loopback_is_one() {
        for (name, text, address) in [
            ("client.c", "addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);", "127.0.0.1"),
            ("client.c", "addr.sin6_addr = in6addr_loopback;", "::1"),
            ("client.c", "struct in6_addr a = IN6ADDR_LOOPBACK_INIT;", "::1"),
            ("client.c", "sa.sin_addr.s_addr = htonl(0x7F000001UL);", "127.0.0.1"),
            ("client.c", "inet_pton(AF_INET6, \"::1\", &a);", "::1"),
            ("client.c", "getaddrinfo(\"localhost\", \"80\", &hints, &res);", "127.0.0.1"),
            ("client.py", "s.connect(('localhost', 80))", "127.0.0.1"),
            ("client.py", "urlopen('http://localhost:8080/x')", "127.0.0.1"),
            ("client.sh", "nc localhost 80", "127.0.0.1"),
            ("client.sh", "exec ./client --host=ip6-localhost", "::1"),
            ("main.rs", "let a = SocketAddr::from((std::net::Ipv4Addr::LOCALHOST, 80));", "127.0.0.1"),
            ("main.go", "net.Dial(\"tcp\", \"localhost:80\")", "127.0.0.1"),
            ("main.go", "net.TCPAddr{IP: net.IPv6loopback}", "::1"),
            ("client.c", "// INADDR_LOOPBACK", ""),
            ("client.py", "# connect('localhost')", ""),
            ("client.c", "puts(\"not localhost at all\"); int localhosts = 0;", ""),
        ] {
            assert_eq!(found(name, text), address, "{text}");
        }
    }

    #[test]
    fn a_binary_has_its_addresses_as_texts_of_their_own() {
        let bytes = b"\x7fELF\x00192.168.3.156\x00GLIBC_2.2.5\x00at 10.0.0.1 now\x000.0.0.0\x00::1\x00";
        assert_eq!(in_binary(bytes), BTreeSet::from(["192.168.3.156".parse().unwrap()]));
        let dynamic = b"\x7fELF\x00/lib64/ld-linux-x86-64.so.2\x00localhost\x00::1\x00";
        assert_eq!(in_binary(dynamic).len(), 2);
        assert!(in_binary(b"\x7fELF\x00127.0.0.1\x00localhost\x00").is_empty(), "its C library's");
    }
}
