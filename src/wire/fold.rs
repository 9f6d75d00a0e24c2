//! What the hosts' counters and sockets say together.

use super::mib::{Counters, FALLBACKS};
use super::ss::Seen;
use crate::event::wire::{Connection, Fallback, Protocol, Subflow, Wire};
use std::collections::BTreeMap;

/// How many sockets of one test are remembered: enough for any table that a person reads.
const SOCKETS: usize = 1000;

/// Watches the hosts of a network while a test runs.
#[derive(Debug, Clone, Default)]
pub struct Watch {
    before: BTreeMap<String, Counters>,
    after: BTreeMap<String, Counters>,
    /// Host and socket, in the order in which they were first seen.
    sockets: Vec<(String, Seen)>,
}

impl Watch {
    /// A host's counters before the test.
    pub fn before(&mut self, host: &str, counters: Counters) {
        self.before.insert(host.to_owned(), counters);
    }

    /// The same after it.
    pub fn after(&mut self, host: &str, counters: Counters) {
        self.after.insert(host.to_owned(), counters);
    }

    /// A host's sockets at some moment of the test.
    pub fn sockets(&mut self, host: &str, sockets: Vec<Seen>) {
        for seen in sockets {
            let known = self.sockets.iter().position(|(name, known)| {
                name == host && known.local == seen.local && known.remote == seen.remote
            });
            match known {
                Some(at) => merge(&mut self.sockets[at].1, seen),
                None if self.sockets.len() < SOCKETS => self.sockets.push((host.to_owned(), seen)),
                None => {}
            }
        }
    }

    /// What was seen.
    pub fn finish(&self) -> Wire {
        let empty = Counters::default();
        let counters: BTreeMap<String, BTreeMap<String, u64>> = self
            .after
            .iter()
            .map(|(host, after)| (host.clone(), after.since(self.before.get(host).unwrap_or(&empty))))
            .collect();
        let sum = |name: &str| counters.values().filter_map(|host| host.get(name)).sum::<u64>();
        // Who accepts a connection knows best what became of it.
        let mptcp = sum("MPCapableACKRX");
        let joins = sum("MPJoinAckRx");
        Wire {
            mptcp,
            joins,
            tcp: sum("PassiveOpens").saturating_sub(mptcp + joins),
            fallbacks: fallbacks(&counters),
            connections: self.connections(),
            counters,
            captures: Vec::new(),
        }
    }

    fn connections(&self) -> Vec<Connection> {
        let mut connections: Vec<(Option<&str>, Connection)> = Vec::new();
        for (host, seen) in &self.sockets {
            // Each connection has two ends: it is told once, by the end that opened it if that was seen.
            if self.other_end_tells(host, seen) {
                continue;
            }
            let subflow = Subflow {
                local: seen.local.clone(),
                remote: seen.remote.clone(),
                sent: seen.sent,
                received: seen.received,
            };
            let known = connections.iter_mut().find(|(token, connection)| {
                token.is_some() && *token == seen.token.as_deref() && connection.host == *host
            });
            if let Some((_, connection)) = known {
                connection.protocol = connection.protocol.min(seen.protocol);
                if seen.joined {
                    connection.subflows.push(subflow);
                } else {
                    // A connection is called by its first subflow, in whatever order they were seen.
                    (connection.local, connection.remote) = (subflow.local.clone(), subflow.remote.clone());
                    connection.subflows.insert(0, subflow);
                }
            } else {
                let connection = Connection {
                    protocol: seen.protocol,
                    host: host.clone(),
                    local: seen.local.clone(),
                    remote: seen.remote.clone(),
                    subflows: vec![subflow],
                };
                connections.push((seen.token.as_deref(), connection));
            }
        }
        connections.into_iter().map(|(_, connection)| connection).collect()
    }

    /// Whether the socket at the other end of a connection was seen too, and is the one to be told.
    fn other_end_tells(&self, host: &str, seen: &Seen) -> bool {
        let here = self.sockets.iter().position(|(name, other)| name == host && other == seen);
        let there = self
            .sockets
            .iter()
            .position(|(_, other)| other.local == seen.remote && other.remote == seen.local);
        match (here, there) {
            (Some(here), Some(there)) => {
                let other = &self.sockets[there].1;
                // MPTCP says who opened it; of two TCP sockets the one with the higher port probably did.
                let rank = |seen: &Seen| {
                    (seen.protocol == Protocol::Tcp, seen.accepted, std::cmp::Reverse(port(seen)))
                };
                (rank(other), there) < (rank(seen), here)
            }
            _ => false,
        }
    }
}

fn port(seen: &Seen) -> u16 {
    seen.local.rsplit(':').next().and_then(|port| port.parse().ok()).unwrap_or(0)
}

fn merge(known: &mut Seen, seen: Seen) {
    let (sent, received) = (known.sent.max(seen.sent), known.received.max(seen.received));
    // A socket that is being closed has lost its details.
    if seen.token.is_some() || known.token.is_none() {
        *known = seen;
    }
    (known.sent, known.received) = (sent, received);
}

fn fallbacks(counters: &BTreeMap<String, BTreeMap<String, u64>>) -> Vec<Fallback> {
    let of_host = |(host, moved): (&String, &BTreeMap<String, u64>)| {
        let host = host.clone();
        let found = FALLBACKS.iter().filter_map(move |(counter, reason)| {
            let count = *moved.get(*counter)?;
            let (counter, reason) = ((*counter).to_owned(), (*reason).to_owned());
            Some(Fallback { host: host.clone(), counter, count, reason })
        });
        found.collect::<Vec<_>>()
    };
    counters.iter().flat_map(of_host).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::ss::read;
    use super::*;

    pub(crate) fn watched() -> Wire {
        let mut watch = Watch::default();
        watch.before("server", Counters::read("MPTcpExt: MPCapableACKRX\nMPTcpExt: 5\n"));
        watch.after(
            "server",
            Counters::read(
                "MPTcpExt: MPCapableACKRX MPJoinAckRx\nMPTcpExt: 6 1\nTcp: PassiveOpens\nTcp: 3\n",
            ),
        );
        watch.after("client", Counters::read("MPTcpExt: MPCapableFallbackSYNACK\nMPTcpExt: 1\n"));
        let ulp =
            |flags: &str, token: &str| format!("tcp-ulp-mptcp flags:{flags} token:0000(id:0)/{token}(id:0)");
        let client = |sent: u32| {
            format!(
                "ESTAB 0 0 10.0.1.1:4001 10.0.1.2:80\n\t bytes_sent:{sent} {}\n\
                 ESTAB 0 0 10.0.2.1:4002 10.0.1.2:80\n\t bytes_sent:{sent} {}\n\
                 ESTAB 0 0 10.0.1.1:4003 10.0.1.2:81\n\t bytes_sent:1 {}\n",
                ulp("Mmec", "aa"),
                ulp("Jjec", "aa"),
                ulp("mc", "bb"),
            )
        };
        watch.sockets("client", read(&client(10)));
        watch.sockets("client", read(&client(2_000_000)));
        let server = format!(
            "ESTAB 0 0 10.0.1.2:80 10.0.1.1:4001\n\t {}\nESTAB 0 0 10.0.1.2:80 10.0.2.1:4002\n\t {}\n\
             ESTAB 0 0 10.0.1.2:81 10.0.1.1:4003\n\t bytes_sent:5\n",
            ulp("Mec", "cc"),
            ulp("Jec", "cc")
        );
        watch.sockets("server", read(&server));
        watch.finish()
    }

    #[test]
    fn each_connection_is_told_once_with_its_subflows() {
        let wire = watched();
        assert_eq!((wire.mptcp, wire.joins, wire.tcp), (1, 1, 1));
        let found: Vec<(Protocol, &str, usize, u64)> = wire
            .connections
            .iter()
            .map(|c| (c.protocol, c.host.as_str(), c.subflows.len(), c.subflows[0].sent))
            .collect();
        assert_eq!(
            found,
            [(Protocol::Mptcp, "client", 2, 2_000_000), (Protocol::Fallback, "client", 1, 1)],
            "{wire:#?}"
        );
        assert_eq!(wire.fallbacks.len(), 1);
        assert_eq!(wire.counters["server"]["MPCapableACKRX"], 1);
    }
}
