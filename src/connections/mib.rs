//! The kernel's counters, as `/proc/net/netstat` and `/proc/net/snmp` have them.

use std::collections::BTreeMap;

/// The counters of a host that say something about its connections.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counters(BTreeMap<String, u64>);

/// Of TCP's own, those that count connections.
const TCP: [&str; 2] = ["ActiveOpens", "PassiveOpens"];

/// What says how many there are now, not how many there were.
const GAUGES: [&str; 1] = ["MPCurrEstab"];

/// Counters of the kernel that mean that a connection fell back to TCP, and why: `net/mptcp/mib.h`.
pub const FALLBACKS: [(&str, &str); 13] = [
    (
        "MPCapableFallbackSYNACK",
        "the server answered without MPTCP: it does not support MPTCP, or a middlebox removed the option",
    ),
    ("MPCapableFallbackACK", "the third packet of the handshake came without MPTCP"),
    (
        "MPCapableSYNTXDrop",
        "the first packet was lost again and again, and was sent without MPTCP in the end",
    ),
    ("MPCapableSYNTXDisabled", "MPTCP to this destination is suspended after it was lost before"),
    ("MPFallbackTokenInit", "no token was free"),
    ("MPCapableDataFallback", "the first data came without MPTCP"),
    ("MD5SigFallback", "TCP's MD5 signatures leave no room for MPTCP"),
    ("DssFallback", "data came without a mapping"),
    ("SimultConnectFallback", "both sides opened the connection at the same time"),
    ("DSSCorruptionFallback", "the mapping of some data was broken"),
    ("InfiniteMapTx", "the checksum was wrong on the only subflow, which goes on as TCP"),
    ("InfiniteMapRx", "the other end goes on as TCP, as the checksum was wrong on the only subflow"),
    ("MPFailTx", "the checksum of some data was wrong"),
];

impl Counters {
    /// Reads the two files, one after the other or either: pairs of lines, names and values.
    pub fn read(text: &str) -> Self {
        let mut counters = BTreeMap::new();
        let mut lines = text.lines();
        while let (Some(names), Some(values)) = (lines.next(), lines.next()) {
            let (Some((group, names)), Some((_, values))) = (names.split_once(':'), values.split_once(':'))
            else {
                continue;
            };
            for (name, value) in names.split_whitespace().zip(values.split_whitespace()) {
                let wanted = group == "MPTcpExt" || group == "Tcp" && TCP.contains(&name);
                if let (true, Ok(value)) = (wanted, value.parse()) {
                    counters.insert(name.to_owned(), value);
                }
            }
        }
        Self(counters)
    }

    /// What moved since `before`.
    #[must_use]
    pub fn since(&self, before: &Self) -> BTreeMap<String, u64> {
        let moved = |(name, value): (&String, &u64)| {
            let by = value.saturating_sub(before.0.get(name).copied().unwrap_or(0));
            (by > 0 && !GAUGES.contains(&name.as_str())).then(|| (name.clone(), by))
        };
        self.0.iter().filter_map(moved).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_moved_is_told() {
        let text = |syn: u32, opens: u32| {
            format!(
                "TcpExt: SyncookiesSent X\nTcpExt: 9 9\nMPTcpExt: MPCapableSYNRX MPCurrEstab\nMPTcpExt: {syn} {syn}\n\
                 Tcp: RtoAlgorithm ActiveOpens MaxConn\nTcp: 1 {opens} -1\n"
            )
        };
        let moved = Counters::read(&text(3, 5)).since(&Counters::read(&text(1, 5)));
        assert_eq!(moved, BTreeMap::from([("MPCapableSYNRX".to_owned(), 2)]));
        assert_eq!(Counters::read("nonsense\n\nTcp: a\n"), Counters::default());
    }
}
