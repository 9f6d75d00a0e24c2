//! Version numbers as programs print them.

use std::cmp::Ordering;
use std::fmt;

/// A version number: what was printed, and its numeric parts for comparison.
#[derive(Debug, Clone)]
pub struct Version {
    text: String,
    parts: Vec<u64>,
}

impl Version {
    /// A bare version number: "2.40", "252", "1.07.1-rc2" (what follows the numbers does not count).
    pub fn parse(text: &str) -> Option<Self> {
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let text = text[..end].trim_end_matches('.');
        let parts: Option<Vec<u64>> = text.split('.').map(|part| part.parse().ok()).collect();
        Some(Self { text: text.to_owned(), parts: parts? })
    }

    /// The version in what a program prints when asked for it: the first dotted number, else the first number, of the
    /// first line that has one. What is in parentheses does not count: distributions put their own versions there.
    pub fn find(output: &str) -> Option<Self> {
        output.lines().find_map(|line| {
            let line = without_parentheses(line);
            let candidates = || {
                line.split(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | ':' | '-' | '_'))
                    .map(|word| word.strip_prefix('v').unwrap_or(word))
                    .filter(|word| word.starts_with(|c: char| c.is_ascii_digit()))
                    .filter_map(Self::parse)
            };
            candidates().find(|version| version.parts.len() > 1).or_else(|| candidates().next())
        })
    }
}

fn without_parentheses(line: &str) -> String {
    let mut depth = 0usize;
    line.chars()
        .filter(|c| {
            match c {
                '(' => depth += 1,
                ')' => depth = depth.saturating_sub(1),
                _ => return depth == 0,
            }
            false
        })
        .collect()
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        let length = self.parts.len().max(other.parts.len());
        let padded = |version: &Self| {
            let mut parts = version.parts.clone();
            parts.resize(length, 0);
            parts
        };
        padded(self).cmp(&padded(other))
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Version {}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(output: &str) -> String {
        Version::find(output).map_or_else(|| "none".to_owned(), |version| version.to_string())
    }

    #[test]
    fn versions_are_found_in_what_real_programs_print() {
        for (output, version) in [
            ("gcc (Debian 12.2.0-14+deb12u1) 12.2.0\nCopyright (C) 2022", "12.2.0"),
            ("gcc (SUSE Linux) 13.2.1 20230912 [revision b96e66fd4ef3]", "13.2.1"),
            ("GNU ld (GNU Binutils; openSUSE Leap 15.5) 2.41.0.20230908-150100.7.46", "2.41.0.20230908"),
            ("GNU ld version 2.41-34.fc40", "2.41"),
            ("GNU Make 4.3", "4.3"),
            ("bc 1.07.1", "1.07.1"),
            ("v1.24", "1.24"),
            ("kmod version 30\n+ZSTD +XZ", "30"),
            ("255 (255.4-1ubuntu8.4)", "255"),
            ("ip utility, iproute2-6.1.0, libbpf 1.1.2", "6.1.0"),
            ("ip utility, iproute2-ss200127", "none"),
            ("QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18+b3)", "7.2.22"),
            ("virtme-ng 1.42", "1.42"),
            ("rsync  version 3.2.7  protocol version 31", "3.2.7"),
            ("GNU Awk 5.2.1, API 3.2", "5.2.1"),
            ("mawk 1.3.4 20200120", "1.3.4"),
            ("iptables v1.8.9 (nf_tables)", "1.8.9"),
            ("BusyBox v1.35.0 (Debian 1:1.35.0-4) multi-call binary.", "1.35.0"),
            ("ping from iputils 20221126\nlibcap: yes", "20221126"),
            ("", "none"),
        ] {
            assert_eq!(found(output), version, "{output}");
        }
    }

    #[test]
    fn versions_compare_by_number_and_missing_parts_are_zero() {
        let version = |text| Version::parse(text).unwrap();
        assert!(version("6.10") > version("6.9.3"));
        assert!(version("1.06.95") < version("1.07"));
        assert_eq!(version("4"), version("4.0.0"));
        assert!(version("5.10.0-rc1") >= version("5.10"));
        assert!(Version::parse("v5").is_none());
    }

    #[test]
    fn a_number_too_big_is_no_version() {
        assert!(Version::parse("99999999999999999999999").is_none());
    }
}
