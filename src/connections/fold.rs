//! What the hosts' counters and sockets say together.

use super::judge::{Moved, Tally, judge};
use super::mib::{Counters, FALLBACKS};
use super::ss::Seen;
use crate::event::connections::{Connection, Connections, Fallback, Listener, Protocol, Subflow};
use std::collections::{BTreeMap, BTreeSet};

/// How many sockets of one test are remembered: enough for any table that a person reads.
const SOCKETS: usize = 1000;

/// Watches the hosts of a network while a test runs.
#[derive(Debug, Clone, Default)]
pub struct Watch {
    before: BTreeMap<String, Counters>,
    after: BTreeMap<String, Counters>,
    /// Host and socket, in the order in which they were first seen.
    sockets: Vec<(String, Seen)>,
    listeners: Vec<Listener>,
    /// What was there before the test: host, address, and peer or nothing.
    old: BTreeSet<(String, String, String)>,
}

impl Watch {
    /// A host's counters and sockets before the test: these sockets are none of the test's.
    pub fn before(
        &mut self,
        host: &str,
        counters: Counters,
        sockets: Vec<Seen>,
        listeners: Vec<(String, Protocol)>,
    ) {
        self.before.insert(host.to_owned(), counters);
        let sockets = sockets.into_iter().map(|seen| (seen.local, seen.remote));
        let listeners = listeners.into_iter().map(|(local, _)| (local, String::new()));
        self.old.extend(sockets.chain(listeners).map(|(local, remote)| (host.to_owned(), local, remote)));
    }

    /// The counters after it.
    pub fn after(&mut self, host: &str, counters: Counters) {
        self.after.insert(host.to_owned(), counters);
    }

    /// A host's sockets at some moment of the test.
    pub fn sockets(&mut self, host: &str, sockets: Vec<Seen>) {
        for seen in sockets {
            if self.old.contains(&(host.to_owned(), seen.local.clone(), seen.remote.clone())) {
                continue;
            }
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

    /// A host's listening sockets at some moment of the test.
    pub fn listeners(&mut self, host: &str, listeners: Vec<(String, Protocol)>) {
        for (local, protocol) in listeners {
            let known = self.listeners.iter().position(|known| known.host == host && known.local == local);
            match known {
                Some(at) => self.listeners[at].protocol = self.listeners[at].protocol.min(protocol),
                None if self.old.contains(&(host.to_owned(), local.clone(), String::new())) => {}
                None if self.listeners.len() < SOCKETS => {
                    self.listeners.push(Listener { host: host.to_owned(), local, protocol });
                }
                None => {}
            }
        }
    }

    /// What was seen.
    pub fn finish(&self) -> Connections {
        let empty = Counters::default();
        let counters: Moved = self
            .after
            .iter()
            .map(|(host, after)| (host.clone(), after.since(self.before.get(host).unwrap_or(&empty))))
            .collect();
        let seen = self.connections(|seen| seen.open);
        let count =
            |protocol| seen.iter().filter(|connection| connection.protocol == protocol).count() as u64;
        let tally = Tally {
            mptcp: count(Protocol::Mptcp),
            fallback: count(Protocol::Fallback),
            tcp: count(Protocol::Tcp),
        };
        let mut observed = judge(&counters, tally);
        observed.doubts.extend(self.torn());
        // Of a socket that was seen only while it closed, the counters alone can say that it was TCP.
        observed.connections =
            self.connections(|seen| seen.open || seen.token.is_some() || observed.mptcp == 0);
        if observed.mptcp == 0 && observed.doubts.is_empty() {
            // It was MPTCP when it was seen last, and fell back after that.
            let fell =
                observed.connections.iter_mut().filter(|connection| connection.protocol == Protocol::Mptcp);
            fell.for_each(|connection| connection.protocol = Protocol::Fallback);
        }
        observed.fallbacks = fallbacks(&counters, &self.listeners);
        observed.listeners.clone_from(&self.listeners);
        observed.counters = counters;
        observed
    }

    /// The connections whose two ends are not of one mind.
    fn torn(&self) -> Vec<String> {
        let pair = |(host, seen): &(String, Seen)| {
            let (other_host, _) = self.sockets.iter().find(|(_, other)| {
                other.local == seen.remote
                    && other.remote == seen.local
                    && other.open
                    && other.protocol == Protocol::Tcp
            })?;
            (seen.open && seen.protocol == Protocol::Mptcp).then(|| {
                format!(
                    "ss showed {} → {} as MPTCP on {host}, and as TCP on {other_host}",
                    seen.local, seen.remote
                )
            })
        };
        self.sockets.iter().filter_map(pair).collect()
    }

    /// The connections to which these sockets belong.
    fn connections(&self, wanted: impl Fn(&Seen) -> bool) -> Vec<Connection> {
        let mut connections: Vec<(Option<&str>, Connection)> = Vec::new();
        for (host, seen) in self.sockets.iter().filter(|(_, seen)| wanted(seen)) {
            // Each connection has two ends: it is told once, by the end that opened it if that was seen.
            if self.other_end_tells(host, seen, &wanted) {
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
        self.with_strays(connections)
    }

    /// Puts a further subflow that was seen at its accepting end only into its connection, of which the other end is told.
    fn with_strays(&self, connections: Vec<(Option<&str>, Connection)>) -> Vec<Connection> {
        let is_stray = |(token, connection): &(Option<&str>, Connection)| {
            let ends = (&connection.local, &connection.remote);
            let mut own = self.sockets.iter().filter(|(host, _)| *host == connection.host);
            let own = own.find(|(_, seen)| (&seen.local, &seen.remote) == ends);
            token.is_some() && own.is_some_and(|(_, seen)| seen.joined && seen.accepted)
        };
        let (strays, connections): (Vec<_>, Vec<_>) = connections.into_iter().partition(is_stray);
        let mut told: Vec<Connection> = connections.into_iter().map(|(_, connection)| connection).collect();
        for (token, stray) in strays {
            // The same connection's first subflow, as this host calls it.
            let first = self
                .sockets
                .iter()
                .find(|(host, seen)| *host == stray.host && seen.token.as_deref() == token && !seen.joined);
            let home = first.and_then(|(_, first)| {
                told.iter_mut().find(|known| known.local == first.remote && known.remote == first.local)
            });
            match home {
                Some(home) => home.subflows.extend(stray.subflows.into_iter().map(turned)),
                None => told.push(stray),
            }
        }
        told
    }

    /// Whether the socket at the other end of a connection was seen too, and is the one to be told.
    fn other_end_tells(&self, host: &str, seen: &Seen, wanted: impl Fn(&Seen) -> bool) -> bool {
        let here = self.sockets.iter().position(|(name, other)| name == host && other == seen);
        let there = self
            .sockets
            .iter()
            .position(|(_, other)| other.local == seen.remote && other.remote == seen.local && wanted(other));
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

/// A subflow as its other end has it.
fn turned(subflow: Subflow) -> Subflow {
    let Subflow { local, remote, sent, received } = subflow;
    Subflow { local: remote, remote: local, sent: received, received: sent }
}

fn port(seen: &Seen) -> u16 {
    seen.local.rsplit(':').next().and_then(|port| port.parse().ok()).unwrap_or(0)
}

fn merge(known: &mut Seen, seen: Seen) {
    let (sent, received) = (known.sent.max(seen.sent), known.received.max(seen.received));
    let open = known.open || seen.open;
    // A socket that is being closed has lost its details.
    if seen.token.is_some() || known.token.is_none() {
        *known = seen;
    }
    (known.sent, known.received, known.open) = (sent, received, open);
}

fn fallbacks(counters: &Moved, listeners: &[Listener]) -> Vec<Fallback> {
    let of_host = |(host, moved): (&String, &BTreeMap<String, u64>)| {
        let host = host.clone();
        let found = FALLBACKS.iter().filter_map(move |(counter, usual)| {
            let count = *moved.get(*counter)?;
            let reason = match *counter {
                // Older kernels count here the TCP clients of a listener for MPTCP as well.
                "MPCapableFallbackACK" if !moved.contains_key("MPCapableSYNRX") => {
                    "the client asked for TCP, and the server listens for MPTCP"
                }
                "MPCapableFallbackSYNACK"
                    if !listeners.is_empty()
                        && listeners.iter().all(|known| known.protocol == Protocol::Tcp) =>
                {
                    "the server listens for TCP"
                }
                _ => usual,
            };
            let (counter, reason) = ((*counter).to_owned(), reason.to_owned());
            Some(Fallback { host: host.clone(), counter, count, reason })
        });
        found.collect::<Vec<_>>()
    };
    counters.iter().flat_map(of_host).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::ss::{read, read_listeners};
    use super::*;

    pub(crate) fn watched() -> Connections {
        let mut watch = Watch::default();
        let before = Counters::read("MPTcpExt: MPCapableACKRX\nMPTcpExt: 5\n");
        watch.before("server", before, Vec::new(), Vec::new());
        watch.after(
            "server",
            Counters::read(
                "MPTcpExt: MPCapableACKRX MPJoinAckRx\nMPTcpExt: 6 1\nTcp: PassiveOpens\nTcp: 3\n",
            ),
        );
        watch.after(
            "client",
            Counters::read("MPTcpExt: MPCapableFallbackSYNACK MPCapableSYNACKRX\nMPTcpExt: 1 1\n"),
        );
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
        let observed = watched();
        assert_eq!((observed.mptcp, observed.joins, observed.tcp), (1, 1, 1));
        let found: Vec<(Protocol, &str, usize, u64)> = observed
            .connections
            .iter()
            .map(|c| (c.protocol, c.host.as_str(), c.subflows.len(), c.subflows[0].sent))
            .collect();
        assert_eq!(
            found,
            [(Protocol::Mptcp, "client", 2, 2_000_000), (Protocol::Fallback, "client", 1, 1)],
            "{observed:#?}"
        );
        assert_eq!(observed.fallbacks.len(), 1);
        assert_eq!(observed.counters["server"]["MPCapableACKRX"], 1);
    }

    #[test]
    fn a_further_subflow_that_only_its_accepting_end_shows_is_no_connection_of_its_own() {
        let ulp =
            |flags: &str, token: &str| format!("tcp-ulp-mptcp flags:{flags} token:0000(id:0)/{token}(id:0)");
        let mut watch = Watch::default();
        watch.after("client", Counters::read("MPTcpExt: MPCapableSYNTX MPCapableSYNACKRX\nMPTcpExt: 1 1\n"));
        watch.sockets(
            "client",
            read(&format!("ESTAB 0 0 10.0.1.1:4001 10.0.1.2:80\n\t {}\n", ulp("Mmec", "aa"))),
        );
        let server = format!(
            "ESTAB 0 0 10.0.1.2:80 10.0.1.1:4001\n\t {}\nESTAB 0 0 10.0.1.2:80 10.0.2.1:4002\n\t bytes_sent:7 {}\n",
            ulp("Mec", "cc"),
            ulp("Jec", "cc")
        );
        watch.sockets("server", read(&server));
        let observed = watch.finish();
        assert_eq!(observed.connections.len(), 1, "{observed:#?}");
        let further = &observed.connections[0].subflows[1];
        assert_eq!(
            (&further.local[..], &further.remote[..], further.received),
            ("10.0.2.1:4002", "10.0.1.2:80", 7)
        );
    }

    /// A test on one host, whose counters moved from nothing to these, and whose sockets were these.
    fn seen(counters: &str, sockets: &str, listeners: &str) -> Connections {
        let mut watch = Watch::default();
        watch.after("guest", Counters::read(counters));
        watch.listeners("guest", read_listeners(listeners));
        watch.sockets("guest", read(sockets));
        watch.finish()
    }

    #[test]
    fn a_connection_that_nobody_accepts_is_mptcp_all_the_same() {
        let ulp = "tcp-ulp-mptcp flags:Mmec token:1(id:0)/2(id:0)";
        let observed = seen(
            "MPTcpExt: MPCapableSYNTX MPCapableSYNRX MPCapableSYNACKRX\nMPTcpExt: 1 1 1\n\
             Tcp: ActiveOpens PassiveOpens\nTcp: 1 1\n",
            &format!("ESTAB 0 0 127.0.0.1:4001 127.0.0.1:80\n\t {ulp}\n"),
            "tcp LISTEN 0 5 127.0.0.1:80 0.0.0.0:*\nmptcp LISTEN 0 5 127.0.0.1:80 0.0.0.0:*\n",
        );
        assert_eq!((observed.mptcp, observed.tcp, observed.unaccepted), (1, 0, 1), "{observed:#?}");
        assert!(observed.doubts.is_empty() && observed.asks_for_mptcp(), "{observed:#?}");
        assert_eq!(observed.connections[0].protocol, Protocol::Mptcp);
    }

    #[test]
    fn two_ends_that_differ_are_a_doubt() {
        let observed = seen(
            "Tcp: ActiveOpens PassiveOpens\nTcp: 1 1\nMPTcpExt: MPCapableSYNACKRX\nMPTcpExt: 1\n",
            "ESTAB 0 0 10.0.1.1:4001 10.0.1.2:80\n\t tcp-ulp-mptcp flags:Mmec token:1(id:0)/2(id:0)\n\
             ESTAB 0 0 10.0.1.2:80 10.0.1.1:4001\n\t cubic\n",
            "",
        );
        assert_eq!(
            observed.doubts,
            ["ss showed 10.0.1.1:4001 → 10.0.1.2:80 as MPTCP on guest, and as TCP on guest"]
        );
    }

    #[test]
    fn a_socket_that_closes_and_lost_its_details_is_no_tcp_connection() {
        let observed = seen(
            "Tcp: PassiveOpens\nTcp: 1\nMPTcpExt: MPCapableSYNACKRX MPCapableACKRX\nMPTcpExt: 1 1\n",
            "FIN-WAIT-2 0 0 10.0.1.1:4001 10.0.1.2:80\n\t cubic\n",
            "",
        );
        assert_eq!(
            (observed.mptcp, observed.tcp, observed.connections.len(), observed.doubts.len()),
            (1, 0, 0, 0)
        );
    }

    #[test]
    fn what_was_there_before_the_test_is_none_of_it() {
        let mut watch = Watch::default();
        let old = "ESTAB 0 0 10.0.1.1:4001 10.0.1.2:80\n\t cubic\n";
        let listens = "tcp LISTEN 0 5 *:22 *:*\n";
        watch.before("guest", Counters::default(), read(old), read_listeners(listens));
        watch.sockets("guest", read(old));
        watch.listeners("guest", read_listeners(listens));
        assert_eq!(watch.finish(), Connections::default());
    }

    #[test]
    fn why_a_connection_is_tcp_follows_from_who_asked_for_what() {
        let reason =
            |counters: &str, listeners: &str| seen(counters, "", listeners).fallbacks[0].reason.clone();
        let ack = "MPTcpExt: MPCapableFallbackACK\nMPTcpExt: 1\n";
        assert_eq!(reason(ack, ""), "the client asked for TCP, and the server listens for MPTCP");
        let syn = "MPTcpExt: MPCapableFallbackACK MPCapableSYNRX\nMPTcpExt: 1 1\n";
        assert!(reason(syn, "").contains("third packet"));
        let answer = "MPTcpExt: MPCapableFallbackSYNACK\nMPTcpExt: 1\n";
        assert_eq!(reason(answer, "tcp LISTEN 0 5 *:80 *:*\n"), "the server listens for TCP");
        assert!(reason(answer, "mptcp LISTEN 0 5 *:80 *:*\n").contains("a middlebox removed"));
    }
}
