//! Sockets, as `ss -Htni` and `ss -HMni` print them.

use crate::event::connections::Protocol;

/// A TCP socket that was seen: a plain connection, or a subflow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Its own address and port.
    pub local: String,
    /// The peer's.
    pub remote: String,
    /// What it speaks.
    pub protocol: Protocol,
    /// What its MPTCP connection is called on this host.
    pub token: Option<String>,
    /// The peer opened the connection.
    pub accepted: bool,
    /// It joined a connection that was there before.
    pub joined: bool,
    /// It was seen open. A socket that is being closed may have lost what says that it is MPTCP.
    pub open: bool,
    /// Bytes that were sent.
    pub sent: u64,
    /// Bytes that were received.
    pub received: u64,
}

/// The states of a socket that is connected, or was.
const CONNECTED: [&str; 7] =
    ["ESTAB", "FIN-WAIT-1", "FIN-WAIT-2", "CLOSE-WAIT", "CLOSING", "LAST-ACK", "TIME-WAIT"];

/// Those of them in which a socket still has all of its details.
const OPEN: [&str; 2] = ["ESTAB", "CLOSE-WAIT"];

/// The sockets that listen, in the output of `ss -HltnM`: address and port, and what they are made for. The kernel lists an
/// MPTCP socket as such and, below it, as the TCP socket that does the listening.
pub fn read_listeners(text: &str) -> Vec<(String, Protocol)> {
    let mut found: Vec<(String, Protocol)> = Vec::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [kind @ ("tcp" | "mptcp"), "LISTEN", _, _, local, ..] = &words[..] else { continue };
        let protocol = if *kind == "mptcp" { Protocol::Mptcp } else { Protocol::Tcp };
        let local = plain(local);
        match found.iter_mut().find(|(known, _)| *known == local) {
            Some((_, known)) => *known = protocol.min(*known),
            None => found.push((local, protocol)),
        }
    }
    found
}

/// All connected TCP sockets in the output of `ss -Htni`. What is no such line is passed over.
pub fn read(text: &str) -> Vec<Seen> {
    let mut found: Vec<Seen> = Vec::new();
    for line in text.lines() {
        if line.starts_with(char::is_whitespace) {
            if let Some(seen) = found.last_mut() {
                details(seen, line);
            }
        } else if let Some(seen) = socket(line) {
            found.push(seen);
        }
    }
    // One of MPTCP's own sockets has the addresses of its first subflow, and none of its details.
    found.retain(|seen| !(seen.protocol == Protocol::Tcp && seen.token.is_some()));
    found
}

fn socket(line: &str) -> Option<Seen> {
    let words: Vec<&str> = line.split_whitespace().collect();
    // As is, or with the kind of socket in front, where several were asked for.
    let words = if CONNECTED.contains(words.first()?) { &words[..] } else { &words[1..] };
    let [state, _, _, local, remote, ..] = words else { return None };
    if !CONNECTED.contains(state) {
        return None;
    }
    Some(Seen {
        local: plain(local),
        remote: plain(remote),
        protocol: Protocol::Tcp,
        token: None,
        accepted: false,
        joined: false,
        open: OPEN.contains(state),
        sent: 0,
        received: 0,
    })
}

/// Without the interface that a link-local or bound address carries, and without the mark of an IPv4 address in IPv6.
fn plain(endpoint: &str) -> String {
    let (address, port) = endpoint.rsplit_once(':').unwrap_or((endpoint, ""));
    let bare = address.split_once('%').map_or(address, |(bare, _)| bare);
    let bare = bare.trim_start_matches('[').trim_end_matches(']');
    let bare = bare.strip_prefix("::ffff:").unwrap_or(bare);
    if bare.contains(':') { format!("[{bare}]:{port}") } else { format!("{bare}:{port}") }
}

fn details(seen: &mut Seen, line: &str) {
    let mut words = line.split_whitespace();
    while let Some(word) = words.next() {
        let (name, value) = word.split_once(':').unwrap_or((word, ""));
        match name {
            "bytes_sent" => seen.sent = value.parse().unwrap_or(0),
            "bytes_received" => seen.received = value.parse().unwrap_or(0),
            "tcp-ulp-mptcp" => {
                // Upper case: established; lower case: only asked for, see `tools/…/iproute2/misc/ss.c`.
                let flags = words.next().and_then(|word| word.strip_prefix("flags:")).unwrap_or_default();
                let established = flags.contains(['M', 'J']);
                seen.protocol = if established { Protocol::Mptcp } else { Protocol::Fallback };
                seen.accepted = !flags.contains(['m', 'j']);
                seen.joined = flags.contains(['J', 'j']);
            }
            "token" if value.contains('/') => {
                let own = value.rsplit('/').next().unwrap_or_default();
                seen.token = own.split('(').next().map(str::to_owned);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
LISTEN 0      4096   0.0.0.0:5000 0.0.0.0:*
\t cubic cwnd:10
ESTAB 0      0      10.0.1.1:44414 10.0.1.2:5001
\t ts sack cubic bytes_sent:20000 bytes_acked:20001 bytes_received:20000 tcp-ulp-mptcp flags:mc token:0000(id:0)/c33db58b(id:0) seq:3890
ESTAB 0      0      [::ffff:10.0.2.1]%eth1:33883 [::ffff:10.0.1.2]:5000
\t ts sack cubic bytes_sent:7 tcp-ulp-mptcp flags:Jjec token:add0b84c(id:2)/f7a2fffe(id:0) seq:42 maplen:4e20
ESTAB 0      0      [fd00:1::1]:1 [fd00:1::2]:2
\t ts bytes_sent:1 bytes_received:3
SYN-SENT 0   1      10.0.1.1:44415 10.0.1.2:5001
\t bytes_sent:99";

    #[test]
    fn sockets_are_told_apart_by_what_they_speak() {
        let text: Vec<String> = read(TEXT)
            .iter()
            .map(|s| {
                format!(
                    "{} {} {} {} {} {} {}",
                    s.local,
                    s.remote,
                    s.protocol.as_str(),
                    s.token.as_deref().unwrap_or("-"),
                    s.accepted,
                    s.sent,
                    s.received
                )
            })
            .collect();
        insta::assert_snapshot!(text.join("\n"), @"
        10.0.1.1:44414 10.0.1.2:5001 TCP (fell back) c33db58b false 20000 20000
        10.0.2.1:33883 10.0.1.2:5000 MPTCP f7a2fffe false 7 0
        [fd00:1::1]:1 [fd00:1::2]:2 TCP - false 99 3
        ");
    }

    #[test]
    fn a_listener_is_what_it_was_made_for() {
        let text = "\
tcp   LISTEN 0 4096 0.0.0.0:5000 0.0.0.0:*
tcp   LISTEN 0 5 *:80 *:*
mptcp LISTEN 0 4096 0.0.0.0:5000 0.0.0.0:*
tcp   ESTAB 0 0 10.0.1.2:5000 10.0.1.1:4001
nonsense
";
        assert_eq!(
            read_listeners(text),
            [("0.0.0.0:5000".to_owned(), Protocol::Mptcp), ("*:80".to_owned(), Protocol::Tcp)]
        );
    }
}
