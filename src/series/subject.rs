//! The subject of a patch: `[PATCH mptcp-next v2 1/3] mptcp: pm: do this`. Pure.

/// What stands in the brackets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prefix {
    /// The words that are neither `PATCH`, nor a version, nor a count: `mptcp-next`, `RFC`.
    pub words: Vec<String>,
    /// `v2` is 2; 1 where none is stated.
    pub version: u32,
    /// The place of this mail in the series, and the number of patches, if stated. The cover letter has place 0.
    pub count: Option<(usize, usize)>,
}

/// The trees that a patch for MPTCP can be meant for.
pub const TREES: [&str; 4] = ["mptcp-next", "mptcp-net", "net", "net-next"];

impl Prefix {
    /// Reads the text between the brackets.
    pub fn parse(text: &str) -> Self {
        let mut prefix = Self { version: 1, ..Self::default() };
        for word in text.split([' ', ',', '\t']).filter(|word| !word.is_empty()) {
            let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty();
            let version = word.strip_prefix(['v', 'V']).filter(|rest| digits(rest));
            let count = word.split_once('/').filter(|(place, total)| digits(place) && digits(total));
            if let Some(version) = version.and_then(|text| text.parse().ok()) {
                prefix.version = version;
            } else if let Some((place, total)) = count {
                prefix.count = place.parse().ok().zip(total.parse().ok());
            } else if !word.eq_ignore_ascii_case("PATCH") {
                prefix.words.push(word.to_owned());
            }
        }
        prefix
    }

    /// The tree that it names, if it is one of [`TREES`].
    pub fn tree(&self) -> Option<&'static str> {
        TREES.into_iter().find(|tree| self.words.iter().any(|word| word == tree))
    }

    /// True if it names a tree of others that MPTCP's developers send patches for too: `6.12.y`, `bpf-next/net`.
    pub fn is_for_others(&self) -> bool {
        let is_stable = |word: &str| {
            let version: Option<Vec<u32>> = word
                .strip_suffix(".y")
                .map(|text| text.split('.').map_while(|part| part.parse().ok()).collect());
            version.is_some_and(|parts| parts.len() == 2)
        };
        let is_other = |word: &str| ["bpf", "bpf-next"].contains(&word) || is_stable(word);
        self.words.iter().any(|word| word.split('/').next().is_some_and(is_other))
    }

    /// True if the patch goes to the MPTCP list first.
    pub fn is_for_mptcp(&self) -> bool {
        self.tree().is_some_and(|tree| tree.starts_with("mptcp-"))
    }

    /// True if it is a fix for what is released.
    pub fn is_fix(&self) -> bool {
        matches!(self.tree(), Some("mptcp-net" | "net"))
    }
}

/// Splits a subject into its prefix, if it has one, and the rest. All brackets at the beginning are one prefix.
pub fn split(subject: &str) -> (Option<Prefix>, String) {
    let mut rest = subject.trim();
    while let Some(reply) = rest.strip_prefix("Re:") {
        rest = reply.trim_start();
    }
    let mut inner = String::new();
    while let Some((brackets, behind)) = rest.strip_prefix('[').and_then(|text| text.split_once(']')) {
        inner.push_str(brackets);
        inner.push(' ');
        rest = behind.trim_start();
    }
    let prefix = (!inner.is_empty()).then(|| Prefix::parse(&inner));
    (prefix, rest.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// What stands before the last colon that ends an area: `mptcp: pm` of `mptcp: pm: do this`.
pub fn area(subject: &str) -> Option<&str> {
    let is_area = |part: &str| {
        let part = part.trim();
        !part.is_empty() && part.split(' ').count() <= 3 && !part.contains(['(', '"', '`'])
    };
    let mut end = 0;
    for (at, _) in subject.match_indices(": ") {
        let begin = if end == 0 { 0 } else { end + 1 };
        if !is_area(&subject[begin..at]) {
            break;
        }
        end = at;
    }
    (end > 0).then(|| &subject[..end])
}

/// The places of MPTCP's files, for [`is_mptcp`].
const OWN: [&str; 7] = [
    "net/mptcp/",
    "include/net/mptcp.h",
    "include/trace/events/mptcp.h",
    "include/uapi/linux/mptcp",
    "tools/testing/selftests/net/mptcp/",
    "Documentation/networking/mptcp",
    "Documentation/netlink/specs/mptcp",
];

/// True if MPTCP's maintainers look after this file: `MAINTAINERS`, NETWORKING `[MPTCP]`.
pub fn is_mptcp(path: &str) -> bool {
    OWN.iter().any(|own| path.starts_with(own))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_taken_apart() {
        let (prefix, rest) = split("Re: [PATCH RFC mptcp-next,v3 02/14] mptcp: pm:  do\n this");
        let prefix = prefix.unwrap();
        assert_eq!((prefix.version, prefix.count, prefix.tree()), (3, Some((2, 14)), Some("mptcp-next")));
        assert_eq!(prefix.words, ["RFC", "mptcp-next"]);
        assert_eq!(rest, "mptcp: pm: do this");
        assert_eq!(split("mptcp: x [y]"), (None, "mptcp: x [y]".to_owned()));
        assert_eq!(split("[PATCH"), (None, "[PATCH".to_owned()));
        let (prefix, _) = split("[PATCH][net] x");
        assert!(prefix.unwrap().is_fix());
        for others in ["6.12.y", "bpf-next", "bpf-next/net v3"] {
            assert!(Prefix::parse(&format!("PATCH {others}")).is_for_others(), "{others}");
        }
        for nobody in ["net", "y", "6.12", ".y", "RFC"] {
            assert!(!Prefix::parse(nobody).is_for_others(), "{nobody}");
        }
    }

    #[test]
    fn an_area_is_short_words_before_colons() {
        assert_eq!(area("mptcp: pm: do this"), Some("mptcp: pm"));
        assert_eq!(area("selftests: mptcp: join: fix: it"), Some("selftests: mptcp: join: fix"));
        assert_eq!(area("Fix the bug: it was bad"), Some("Fix the bug"));
        assert_eq!(area("fix a bug that was really bad: it"), None);
        assert_eq!(area("no area"), None);
        assert_eq!(area(": x"), None);
    }
}
