//! One judgement of how many connections were what, from the counters of both ends and the sockets that were seen.
//!
//! No counter says it alone. `MPCapableACKRX` counts in accept(2): a connection that no program accepts is not in it. The
//! client's `MPCapableSYNACKRX` counts handshakes: what fell back later is still in it. TCP's `PassiveOpens` has joins in it.
//! Names and meanings: `net/mptcp/mib.h`.

use crate::event::connections::Connections;
use std::collections::BTreeMap;

/// Counters of a client whose SYN went without MPTCP, or whose SYN/ACK came without it, though its socket is MPTCP.
const EARLY: [&str; 5] = [
    "MPCapableFallbackSYNACK",
    "MPCapableSYNTXDisabled",
    "MPFallbackTokenInit",
    "MD5SigFallback",
    "SimultConnectFallback",
];

/// Counters of a connection that fell back after its handshake. Each end may count it.
const LATER: [&str; 5] =
    ["MPCapableDataFallback", "DssFallback", "DSSCorruptionFallback", "InfiniteMapTx", "InfiniteMapRx"];

/// How much the counters of each host moved.
pub(super) type Moved = BTreeMap<String, BTreeMap<String, u64>>;

/// How many connections were seen by their sockets, each counted once, as they were when seen last.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub mptcp: u64,
    pub fallback: u64,
    pub tcp: u64,
}

/// The numbers of a [`Connections`], and where its sources disagree.
pub(super) fn judge(counters: &Moved, seen: Tally) -> Connections {
    let sum = |name: &str| counters.values().filter_map(|host| host.get(name)).sum::<u64>();
    let of_host = |host: &BTreeMap<String, u64>| LATER.iter().filter_map(|name| host.get(*name)).sum::<u64>();
    let (answered, accepted, joins) = (sum("MPCapableSYNACKRX"), sum("MPCapableACKRX"), sum("MPJoinAckRx"));
    let early = EARLY.iter().map(|name| sum(name)).sum::<u64>();
    let handshakes = answered.max(accepted);
    let later_counted = counters.values().map(of_host).max().unwrap_or(0);
    // Not every kernel counts why a connection falls back. Its socket shows that it did, and none ever comes back from it.
    let later = later_counted.max(seen.fallback.saturating_sub(early)).min(handshakes);
    let mptcp = handshakes - later;
    let opened = sum("PassiveOpens").saturating_sub(joins);
    let made = opened.max(handshakes).max(seen.mptcp + seen.fallback + seen.tcp);
    let tcp = made - mptcp;
    let plain = made.saturating_sub((answered + early).max(handshakes));
    // Older kernels count here the TCP clients of a listener for MPTCP as well.
    let fell_at_ack = sum("MPCapableFallbackACK").min(sum("MPCapableSYNRX").saturating_sub(accepted));
    // Not every kernel counts the SYN of a join; all count its SYN/ACK.
    let joins_tried = sum("MPJoinSynTx").max(sum("MPJoinSynAckRx"));
    let mut doubts = Vec::new();
    if accepted > answered {
        doubts.push(format!(
            "MPCapableACKRX of the servers is {accepted}, MPCapableSYNACKRX of the clients {answered}"
        ));
    }
    if seen.mptcp > handshakes {
        doubts.push(format!(
            "ss showed {} by MPTCP, the counters have {handshakes} (MPCapableSYNACKRX)",
            connections(seen.mptcp)
        ));
    }
    if seen.tcp + seen.fallback > tcp {
        doubts.push(format!(
            "ss showed {} by TCP, the counters have {tcp} (PassiveOpens without MPJoinAckRx and MPCapableSYNACKRX)",
            connections(seen.tcp + seen.fallback)
        ));
    }
    Connections {
        mptcp,
        tcp,
        plain,
        unaccepted: handshakes.saturating_sub(accepted + fell_at_ack),
        joins,
        attempts: sum("ActiveOpens").saturating_sub(joins_tried),
        asked: sum("MPCapableSYNTX") + sum("MPCapableSYNTXDisabled") + sum("MD5SigFallback"),
        doubts,
        ..Connections::default()
    }
}

fn connections(count: u64) -> String {
    if count == 1 { "1 connection".to_owned() } else { format!("{count} connections") }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `client: A=1 B=2` lines.
    fn judged(counters: &[(&str, &str)], seen: Tally) -> String {
        let host = |text: &str| {
            text.split_whitespace()
                .map(|word| {
                    let (name, value) = word.split_once('=').unwrap();
                    (name.to_owned(), value.parse().unwrap())
                })
                .collect()
        };
        let moved = counters.iter().map(|(name, text)| ((*name).to_owned(), host(text))).collect();
        let observed = judge(&moved, seen);
        format!(
            "mptcp {} tcp {} plain {} unaccepted {} joins {} attempts {} asked {} {}",
            observed.mptcp,
            observed.tcp,
            observed.plain,
            observed.unaccepted,
            observed.joins,
            observed.attempts,
            observed.asked,
            observed.doubts.join("; ")
        )
    }

    const NOTHING: Tally = Tally { mptcp: 0, fallback: 0, tcp: 0 };

    #[test]
    fn counters_of_both_ends_make_one_judgement() {
        let mptcp = Tally { mptcp: 1, ..NOTHING };
        let fallback = Tally { fallback: 1, ..NOTHING };
        let tcp = Tally { tcp: 1, ..NOTHING };
        let opened = "ActiveOpens=2 MPCapableSYNTX=1 MPCapableSYNACKRX=1 MPJoinSynAckRx=1";
        insta::assert_snapshot!(
            [
                // Accepted, with a join.
                judged(
                    &[
                        ("client", opened),
                        ("server", "PassiveOpens=2 MPCapableSYNRX=1 MPCapableACKRX=1 MPJoinAckRx=1"),
                    ],
                    mptcp,
                ),
                // The same, and no program accepts it.
                judged(
                    &[("client", opened), ("server", "PassiveOpens=2 MPCapableSYNRX=1 MPJoinAckRx=1")],
                    mptcp,
                ),
                // The server's accept queue is full: it has no socket at all.
                judged(
                    &[("client", "ActiveOpens=1 MPCapableSYNTX=1 MPCapableSYNACKRX=1"), ("server", "MPCapableSYNRX=1")],
                    NOTHING,
                ),
                // The server listens for TCP.
                judged(
                    &[
                        ("client", "ActiveOpens=1 MPCapableSYNTX=1 MPCapableFallbackSYNACK=1"),
                        ("server", "PassiveOpens=1"),
                    ],
                    fallback,
                ),
                // The client asks for TCP, the server listens for MPTCP.
                judged(
                    &[("client", "ActiveOpens=1"), ("server", "PassiveOpens=1 MPCapableFallbackACK=1")],
                    tcp,
                ),
                // Fell back after the handshake: counted, and on a kernel that has no counter for it.
                judged(
                    &[
                        ("client", "ActiveOpens=1 MPCapableSYNTX=1 MPCapableSYNACKRX=1 MPCapableDataFallback=1"),
                        ("server", "PassiveOpens=1 MPCapableACKRX=1 MPCapableDataFallback=1"),
                    ],
                    NOTHING,
                ),
                judged(
                    &[
                        ("client", "ActiveOpens=1 MPCapableSYNTX=1 MPCapableSYNACKRX=1"),
                        ("server", "PassiveOpens=1 MPCapableACKRX=1"),
                    ],
                    fallback,
                ),
                // Refused.
                judged(&[("client", "ActiveOpens=1 MPCapableSYNTX=1"), ("server", "MPCapableSYNRX=0")], NOTHING),
                judged(&[], NOTHING),
            ]
            .join("\n"),
            @"
        mptcp 1 tcp 0 plain 0 unaccepted 0 joins 1 attempts 1 asked 1 
        mptcp 1 tcp 0 plain 0 unaccepted 1 joins 1 attempts 1 asked 1 
        mptcp 1 tcp 0 plain 0 unaccepted 1 joins 0 attempts 1 asked 1 
        mptcp 0 tcp 1 plain 0 unaccepted 0 joins 0 attempts 1 asked 1 
        mptcp 0 tcp 1 plain 1 unaccepted 0 joins 0 attempts 1 asked 0 
        mptcp 0 tcp 1 plain 0 unaccepted 0 joins 0 attempts 1 asked 1 
        mptcp 0 tcp 1 plain 0 unaccepted 0 joins 0 attempts 1 asked 1 
        mptcp 0 tcp 0 plain 0 unaccepted 0 joins 0 attempts 1 asked 1 
        mptcp 0 tcp 0 plain 0 unaccepted 0 joins 0 attempts 0 asked 0
        ");
    }

    #[test]
    fn where_the_sources_disagree_that_is_said() {
        insta::assert_snapshot!(
            [
                judged(&[("one", "PassiveOpens=1")], Tally { mptcp: 1, ..NOTHING }),
                judged(
                    &[("one", "PassiveOpens=1 MPCapableSYNTX=1 MPCapableSYNACKRX=1 MPCapableACKRX=1")],
                    Tally { tcp: 1, ..NOTHING },
                ),
                judged(&[("one", "PassiveOpens=1 MPCapableACKRX=1")], NOTHING),
            ]
            .join("\n"),
            @"
        mptcp 0 tcp 1 plain 1 unaccepted 0 joins 0 attempts 0 asked 0 ss showed 1 connection by MPTCP, the counters have 0 (MPCapableSYNACKRX)
        mptcp 1 tcp 0 plain 0 unaccepted 0 joins 0 attempts 0 asked 1 ss showed 1 connection by TCP, the counters have 0 (PassiveOpens without MPJoinAckRx and MPCapableSYNACKRX)
        mptcp 1 tcp 0 plain 0 unaccepted 0 joins 0 attempts 0 asked 0 MPCapableACKRX of the servers is 1, MPCapableSYNACKRX of the clients 0
        ");
    }
}
