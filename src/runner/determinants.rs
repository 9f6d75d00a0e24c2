//! What a run in virtual time depends on besides its seed: where all of it is the same, the run is.

use super::Host;
use super::digests::Digests;
use crate::kernel::build::Built;
use crate::plan::TestPlan;
use crate::text::hash::{Digest, Key};
use crate::vm::Spec;
use crate::vm::root;
use std::collections::{BTreeMap, BTreeSet};

/// Names and values, as they stand in the provenance of a step.
pub(super) type Facts = BTreeMap<String, String>;

/// How the name of a fact begins whose value is a SHA-256 value.
const DIGEST: &str = "sha256 of ";

/// The fact that is no digest.
const PARAMETERS: &str = "kernel parameters";

/// The value of what is not there.
const NONE: &str = "none";

/// The programs that the selftests of MPTCP stand on, each with a fact of its own.
const PROGRAMS: [&str; 9] = ["bash", "ip", "ss", "tc", "nstat", "nft", "iptables", "tcpdump", "python3"];

/// Small ones that scripts use, with one fact for all.
const TOOLS: [&str; 24] = [
    "sh", "awk", "sed", "grep", "cat", "cmp", "cut", "date", "dd", "diff", "ethtool", "head", "ls", "mktemp",
    "od", "rm", "seq", "sleep", "sort", "sysctl", "tail", "timeout", "tr", "wc",
];

/// The libraries of those, with one fact for all.
const LIBRARIES: [&str; 14] = [
    "libm.so.6",
    "libmnl.so.0",
    "libelf.so.1",
    "libcap.so.2",
    "libbpf.so.1",
    "libtinfo.so.6",
    "libnftables.so.1",
    "libnftnl.so.11",
    "libxtables.so.12",
    "libjansson.so.4",
    "libpcap.so.0.8",
    "libcrypto.so.3",
    "libz.so.1",
    "libselinux.so.1",
];

/// All of it for guests like `spec` with these tests; none where a seed does not make the same run again.
pub(super) fn of(spec: &Spec, tests: &TestPlan, built: &Built, host: &Host) -> Option<Facts> {
    let parameters = spec.backend.repeatable(&spec.machine)?;
    let dir = &spec.machine.root.dir;
    let mut digests = Digests::read(&host.cache);
    let mut facts = Facts::new();
    let mut add = |name: &str, digest: Option<Digest>| {
        let value = digest.map_or_else(|| NONE.to_owned(), |digest| digest.to_string());
        facts.insert(format!("{DIGEST}{name}"), value);
    };
    add("kernel", digests.of(&built.image));
    add("vmptcp", digests.of(&tests.guest.root.agent));
    add("selftests", built.selftests.as_deref().map(|dir| digests.of_dir(dir)));
    for (suite, place) in &tests.repositories {
        add(&format!("{suite}'s program"), digests.of(&place.program));
        add(&format!("{suite}'s scripts"), Some(digests.of_dir(&place.tests)));
    }
    let needed = tests.suites().flat_map(|suite| suite.needs.guest_programs).copied();
    for name in PROGRAMS.into_iter().chain(needed).collect::<BTreeSet<_>>() {
        add(name, root::program(dir, name).and_then(|path| digests.of(&path)));
    }
    add("tools", Some(digests.of_all(TOOLS.iter().filter_map(|name| root::program(dir, name)))));
    add("libc", root::library(dir, "libc.so.6").and_then(|path| digests.of(&path)));
    add("libraries", Some(digests.of_all(LIBRARIES.iter().filter_map(|name| root::library(dir, name)))));
    add("variables", Some(variables(&tests.env)));
    facts.insert(PARAMETERS.to_owned(), parameters);
    digests.keep(&host.cache);
    Some(facts)
}

/// The variables that the user gives to tests. Their values may be nobody's business.
fn variables(env: &[(String, String)]) -> Digest {
    env.iter().fold(Key::new("variables"), |key, (name, value)| key.field(name).field(value)).digest()
}

/// True if runs say with these facts what they depend on.
pub(super) fn are_in(facts: &Facts) -> bool {
    facts.contains_key(PARAMETERS)
}

/// What differs, for a person: "another kernel", "other selftests". What only one of them has is no difference: versions of
/// this program differ in what they record, and then their own digest does too.
pub(super) fn differences(before: &Facts, now: &Facts) -> Vec<String> {
    let differs = |(name, value): (&String, &String)| {
        let label = name.strip_prefix(DIGEST).or_else(|| (name == PARAMETERS).then_some(PARAMETERS))?;
        let before = before.get(name).filter(|before| *before != value)?;
        let many = label.ends_with('s') && !["ss", "iptables"].contains(&label);
        Some(match (before == NONE, value == NONE) {
            (true, _) => format!("no {label}"),
            (_, true) => format!("{label}, which is gone"),
            _ if many => format!("other {label}"),
            _ => format!("another {label}"),
        })
    };
    now.iter().filter_map(differs).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(pairs: &[(&str, &str)]) -> Facts {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn what_differs_is_named() {
        let before = facts(&[
            ("sha256 of kernel", "1"),
            ("sha256 of ss", "1"),
            ("sha256 of selftests", "1"),
            ("sha256 of nft", "none"),
            ("sha256 of tcpdump", "1"),
            ("sha256 of ip", "1"),
            ("kernel parameters", "mem=1024M"),
            ("host load", "0.1"),
        ]);
        assert_eq!(differences(&before, &before), [""; 0]);
        let now = facts(&[
            ("sha256 of kernel", "2"),
            ("sha256 of ss", "2"),
            ("sha256 of selftests", "2"),
            ("sha256 of nft", "2"),
            ("sha256 of tcpdump", "none"),
            ("sha256 of ip", "1"),
            ("sha256 of libc", "2"),
            ("kernel parameters", "mem=2048M"),
            ("host load", "7.0"),
        ]);
        let expected = [
            "other kernel parameters",
            "another kernel",
            "no nft",
            "other selftests",
            "another ss",
            "tcpdump, which is gone",
        ];
        assert_eq!(differences(&before, &now), expected);
    }

    #[test]
    fn variables_do_not_run_into_each_other() {
        let of = |name: &str, value: &str| variables(&[(name.to_owned(), value.to_owned())]);
        assert_ne!(of("A", "BC"), of("AB", "C"));
        assert_eq!(of("A", "B"), of("A", "B"));
    }
}
