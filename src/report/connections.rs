//! The connections of a test for a person: one table.

use super::style::clean;
use crate::event::connections::{Connection, Connections, Subflow};
use std::fmt::Write as _;

/// How many connections are shown. `results.json` has them all.
const MAX_CONNECTIONS: usize = 12;

/// The table: each connection with its subflows, what the counters say, and why any fell back.
///
/// It is clean: addresses come from the guest's kernel by way of `ss`.
pub fn table(observed: &Connections) -> String {
    plain(observed).lines().map(|line| clean(line.trim_end()) + "\n").collect()
}

fn plain(observed: &Connections) -> String {
    let mut text = String::new();
    if !observed.connections.is_empty() {
        let _ = writeln!(
            text,
            "{:<48} {:<16} {:>9} {:>10} {:>10}",
            "connection", "protocol", "subflows", "sent", "received"
        );
    }
    for connection in observed.connections.iter().take(MAX_CONNECTIONS) {
        rows(&mut text, connection);
    }
    if observed.connections.len() > MAX_CONNECTIONS {
        let _ = writeln!(text, "… and {} more", observed.connections.len() - MAX_CONNECTIONS);
    }
    text.push_str(&verdict(observed));
    for fallback in &observed.fallbacks {
        let _ = writeln!(
            text,
            "{} on {} ({}): {}",
            fallback.counter, fallback.host, fallback.count, fallback.reason
        );
    }
    text
}

/// How many connections there were of which kind, what no program accepted, and where the sources disagree.
fn verdict(observed: &Connections) -> String {
    let plural = |count: u64, word: &str| match count {
        1 => format!("1 {word}"),
        _ => format!("{count} {word}s"),
    };
    let mut text = match (observed.mptcp, observed.tcp) {
        (0, 0) if observed.attempts > 0 => {
            format!("no connection was made: {} failed\n", plural(observed.attempts, "connect"))
        }
        (0, 0) => "no connection was made\n".to_owned(),
        (0, tcp) => format!("{} by plain TCP, none by MPTCP\n", plural(tcp, "connection")),
        (mptcp, tcp) => {
            let further = plural(observed.joins, "further subflow");
            let plain = if tcp > 0 { format!("; {tcp} by plain TCP") } else { String::new() };
            format!("{} by MPTCP, with {further}{plain}\n", plural(mptcp, "connection"))
        }
    };
    if observed.unaccepted > 0 {
        let _ = writeln!(text, "{} of them by MPTCP: no program accepted it", observed.unaccepted);
    }
    for doubt in &observed.doubts {
        let _ = writeln!(text, "the counters and the sockets disagree: {doubt}");
    }
    text
}

fn rows(text: &mut String, connection: &Connection) {
    let sum = |what: fn(&Subflow) -> u64| connection.subflows.iter().map(what).sum::<u64>();
    let (sent, received) = (sum(|subflow| subflow.sent), sum(|subflow| subflow.received));
    let ends = format!("{} → {}", connection.local, connection.remote);
    let protocol = connection.protocol.as_str();
    let count = connection.subflows.len();
    let _ =
        writeln!(text, "{ends:<48} {protocol:<16} {count:>9} {:>10} {:>10}", bytes(sent), bytes(received));
    if count > 1 {
        for subflow in &connection.subflows {
            let ends = format!("  {} → {}", subflow.local, subflow.remote);
            let (sent, received) = (bytes(subflow.sent), bytes(subflow.received));
            let _ = writeln!(text, "{ends:<48} {:<16} {:>9} {sent:>10} {received:>10}", "", "");
        }
    }
}

/// A number of bytes as a person says it.
#[allow(clippy::cast_precision_loss, reason = "one digit behind the point is shown")]
fn bytes(count: u64) -> String {
    match count {
        0..10_000 => format!("{count} B"),
        10_000..10_000_000 => format!("{:.1} kB", count as f64 / 1e3),
        _ => format!("{:.1} MB", count as f64 / 1e6),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::event::connections::{Fallback, Protocol};

    /// One connection of each kind.
    pub(crate) fn mixed() -> Connections {
        let subflow = |local: &str, remote: &str, sent| Subflow {
            local: local.to_owned(),
            remote: remote.to_owned(),
            sent,
            received: 7,
        };
        let connection = |protocol, subflows: Vec<Subflow>| Connection {
            protocol,
            host: "client".to_owned(),
            local: subflows[0].local.clone(),
            remote: subflows[0].remote.clone(),
            subflows,
        };
        let two = vec![
            subflow("10.0.1.1:4001", "10.0.1.2:80", 12_345_678),
            subflow("10.0.2.1:4002", "10.0.1.2:80", 43_210),
        ];
        Connections {
            mptcp: 1,
            tcp: 1,
            joins: 1,
            fallbacks: vec![Fallback {
                host: "client".to_owned(),
                counter: "MPCapableFallbackSYNACK".to_owned(),
                count: 1,
                reason: "the server answered without MPTCP".to_owned(),
            }],
            connections: vec![
                connection(Protocol::Mptcp, two),
                connection(Protocol::Fallback, vec![subflow("[fd00:1::1]:4003", "[fd00:1::2]:81", 1)]),
            ],
            ..Connections::default()
        }
    }

    #[test]
    fn a_table_a_person_understands() {
        insta::assert_snapshot!(table(&mixed()), @"
        connection                                       protocol          subflows       sent   received
        10.0.1.1:4001 → 10.0.1.2:80                      MPTCP                    2    12.4 MB       14 B
          10.0.1.1:4001 → 10.0.1.2:80                                                  12.3 MB        7 B
          10.0.2.1:4002 → 10.0.1.2:80                                                  43.2 kB        7 B
        [fd00:1::1]:4003 → [fd00:1::2]:81                TCP (fell back)          1        1 B        7 B
        1 connection by MPTCP, with 1 further subflow; 1 by plain TCP
        MPCapableFallbackSYNACK on client (1): the server answered without MPTCP
        ");
        insta::assert_snapshot!(table(&Connections { tcp: 2, ..Connections::default() }), @"2 connections by plain TCP, none by MPTCP");
        insta::assert_snapshot!(table(&Connections::default()), @"no connection was made");
        let odd = Connections {
            mptcp: 1,
            unaccepted: 1,
            doubts: vec!["ss showed 2 connections by MPTCP".to_owned()],
            ..Connections::default()
        };
        insta::assert_snapshot!(table(&odd), @"
        1 connection by MPTCP, with 0 further subflows
        1 of them by MPTCP: no program accepted it
        the counters and the sockets disagree: ss showed 2 connections by MPTCP
        ");
        insta::assert_snapshot!(table(&Connections { attempts: 1, ..Connections::default() }), @"no connection was made: 1 connect failed");
    }
}
