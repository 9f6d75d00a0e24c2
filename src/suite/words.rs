//! The words of a command line or a profile: names of suites, and filters of tests behind the name of theirs.

use super::{SUITES, Suite, find};
use crate::error::{Error, Result};
use crate::event::DEFAULT_SUITE;

/// What is asked of one suite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    /// The suite.
    pub suite: &'static Suite,
    /// Filters of its tests, as [`select`](super::select) takes them; none for all of them.
    pub filters: Vec<String>,
}

/// The suites that `words` ask for, each once, in the order of [`SUITES`]. The name of a suite asks for all of it, or for
/// what the filters behind it choose; filters before any such name are for the default suite. `SUITE:FILTER` is the same in one
/// word, and so is `SUITE/FILTER`, as a test is called in reports.
///
/// The name of a suite that no tree lists is an error of usage, as is a suite without a row.
pub fn chosen(words: &[impl AsRef<str>]) -> Result<Vec<Words>> {
    let mut asked: Vec<Words> = Vec::new();
    let mut suite = DEFAULT_SUITE;
    for word in words.iter().flat_map(|word| apart(word.as_ref())) {
        let named = find(word.trim());
        let row = named.or_else(|| find(suite)).ok_or_else(|| Error::usage(format!("no suite {suite}")))?;
        if let Some(other) = named.filter(|named| !named.is_listed()) {
            return Err(Error::usage(format!("{other} are no tests of the tree: {}", other.about))
                .hint(format!("run them as such: vmptcp {}", other.id.trim_end_matches('s'))));
        }
        suite = row.id;
        let known = asked.iter_mut().find(|words| words.suite == row);
        let filter = named.is_none().then(|| word.to_owned());
        match (known, filter) {
            (Some(known), Some(filter)) => known.filters.push(filter),
            (Some(_), None) => {}
            (None, filter) => asked.push(Words { suite: row, filters: filter.into_iter().collect() }),
        }
    }
    asked.sort_by_key(|words| SUITES.iter().position(|suite| *suite == words.suite));
    Ok(asked)
}

/// The name of a suite and what stands behind it, or the word as it is.
fn apart(word: &str) -> impl Iterator<Item = &str> {
    let (first, second) = match word.split_once([':', '/']) {
        Some((name, filter)) if find(name.trim()).is_some() => (name, Some(filter)),
        _ => (word, None),
    };
    std::iter::once(first).chain(second)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(words: &[&str]) -> String {
        match chosen(words) {
            Ok(asked) => {
                let text = |words: &Words| format!("{}: {}", words.suite, words.filters.join(" "));
                asked.iter().map(text).collect::<Vec<_>>().join("; ")
            }
            Err(wrong) => format!("{wrong}\n{}", wrong.remedy().unwrap_or_default()),
        }
    }

    #[test]
    fn filters_are_for_the_suite_that_was_named_last() {
        assert_eq!(text(&["diag", "join"]), "selftests: diag join");
        assert_eq!(text(&["selftests"]), "selftests: ");
        assert_eq!(text(&["diag", "selftests", "join"]), "selftests: diag join");
        assert_eq!(text(&["packetdrill:dss", "kunit:token"]), "kunit: token; packetdrill: dss");
        assert_eq!(text(&["mptcp_join:subflows"]), "selftests: mptcp_join:subflows");
        assert_eq!(text(&["packetdrill/dss/a*"]), "packetdrill: dss/a*");
        assert_eq!(text(&[]), "");
    }

    #[test]
    fn a_lab_has_a_command_of_its_own() {
        insta::assert_snapshot!(text(&["samples"]), @"
        samples are no tests of the tree: sample programs in a network
        run them as such: vmptcp sample
        ");
    }
}
