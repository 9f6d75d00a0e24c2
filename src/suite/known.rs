//! The subtests that earlier runs had: a filter that matches nothing is refused before anything is built or booted.

use super::{Selection, Suite, TestCase};
use crate::error::{Error, Result};
use crate::text::nearest::likeness;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// How many names an error lists.
const MAX_LISTED: usize = 40;

/// The names of subtests, as the tests of one tree printed them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// By the test and its arguments.
    #[serde(default)]
    tests: BTreeMap<String, Names>,
}

/// The subtests of one test.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Names {
    /// What they depend on: the selftests' files and the variables that they are given.
    key: String,
    /// In the order in which they were first seen.
    names: Vec<String>,
}

impl Known {
    /// Remembers the subtests of a test that ran to its end. `key` is what they depend on: with another one what was known
    /// before is forgotten, with the same one names only become more, as a script may leave out what a kernel lacks.
    pub fn learn<'a>(&mut self, test: &TestCase, key: &str, names: impl IntoIterator<Item = &'a str>) {
        let known = self.tests.entry(entry(&test.label(), &test.args)).or_default();
        if known.key != key {
            *known = Names { key: key.to_owned(), names: Vec::new() };
        }
        let mut seen: BTreeSet<String> = known.names.iter().cloned().collect();
        known.names.extend(names.into_iter().map(str::to_owned).filter(|name| seen.insert(name.clone())));
    }

    /// The subtests of a test; none if it never ran like this. Of a script that is to run some of its groups only, those of
    /// all groups will do.
    fn of(&self, test: &TestCase, key: &str) -> Option<Vec<&str>> {
        let same =
            |args: &[String]| self.tests.get(&entry(&test.label(), args)).filter(|known| known.key == key);
        let known = same(&test.args).or_else(|| same(&[]))?;
        Some(known.names.iter().map(String::as_str).collect())
    }

    /// Fails where a filter is known to match no subtest: these files ran before, and had none of that name. `key` is what the
    /// names of a suite's subtests depend on.
    pub fn check<'k>(&self, selections: &[Selection], key: impl Fn(&Suite) -> &'k str) -> Result<()> {
        for selection in selections {
            let (Some(subtests), Some(names)) =
                (&selection.subtests, self.of(&selection.test, key(selection.test.suite)))
            else {
                continue;
            };
            let elsewhere = |pattern: &str| {
                let has = |other: &Selection| {
                    let asked = other.subtests.as_ref().is_some_and(|subtests| subtests.asks_for(pattern));
                    let known = self.of(&other.test, key(other.test.suite));
                    asked && known.is_none_or(|names| subtests.one_of(pattern, &names))
                };
                selections.iter().any(has)
            };
            if let Some(pattern) = subtests.unmatched(&names).into_iter().find(|pattern| !elsewhere(pattern))
            {
                return Err(in_vain(&selection.test, pattern, &names));
            }
        }
        Ok(())
    }
}

fn entry(test: &str, args: &[String]) -> String {
    std::iter::once(test).chain(args.iter().map(String::as_str)).collect::<Vec<_>>().join(" ")
}

fn in_vain(test: &TestCase, pattern: &str, names: &[&str]) -> Error {
    let (test, words) = (test.label(), test.words());
    if names.is_empty() {
        return Error::usage(format!(
            "no subtest of {test} matches {pattern:?}: the {test} of this tree has none"
        ))
        .hint(format!("run all of it: vmptcp test {words}"));
    }
    let names = nearest_first(pattern, names);
    let text = format!("no subtest of {test} matches {pattern:?}; it had these when it ran last:");
    let listed = names.iter().take(MAX_LISTED).map(|name| format!("\n  {name}"));
    let more = names.len().checked_sub(MAX_LISTED).filter(|&more| more > 0);
    let more = more.map(|more| format!("\n  … and {more} more"));
    Error::usage(std::iter::once(text).chain(listed).chain(more).collect::<String>()).hint(format!(
        "name one of these, a part of it or a glob after the slash, or run all of it: vmptcp test {words}"
    ))
}

/// The names of subtests, those first that are most like a pattern.
pub fn nearest_first<'a>(pattern: &str, names: &[&'a str]) -> Vec<&'a str> {
    let letters = |text: &str| -> String {
        text.chars().filter(|char| char.is_alphanumeric()).flat_map(char::to_lowercase).collect()
    };
    let wanted = letters(pattern);
    let likeness = |name: &str| {
        let name = letters(name);
        if !wanted.is_empty() && name.contains(&wanted) { 2.0 } else { likeness(&wanted, &name) }
    };
    let mut names: Vec<(f64, &str)> = names.iter().map(|name| (likeness(name), *name)).collect();
    // Names that are equally like it stay in the order of the test.
    names.sort_by(|a, b| b.0.total_cmp(&a.0));
    names.into_iter().map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::super::select;
    use super::super::tests::named;
    use super::*;

    const DIAG: [&str; 4] =
        ["no msk on netns creation", "....chk 2 msk in use", "....chk 2 cestab", "check fallback"];

    fn checked(known: &Known, key: &str, filters: &[&str]) -> String {
        let tests = named(&["diag", "pm_netlink", "mptcp_sockopt"]);
        match known.check(&select(filters, &tests).unwrap(), |_| key) {
            Ok(()) => "passes".to_owned(),
            Err(wrong) => format!("{wrong}\n{}", wrong.remedy().unwrap_or_default()),
        }
    }

    fn known() -> Known {
        let tests = named(&["diag", "pm_netlink", "mptcp_sockopt"]);
        let mut known = Known::default();
        known.learn(&tests[0], "6.12", DIAG);
        known.learn(&tests[1], "6.12", ["flush addrs", "set limits"]);
        known
    }

    #[test]
    fn a_filter_that_is_known_to_match_nothing_is_refused_with_the_names_that_exist() {
        insta::assert_snapshot!(checked(&known(), "6.12", &["diag/*inuse*"]), @r#"
        no subtest of diag matches "*inuse*"; it had these when it ran last:
          ....chk 2 msk in use
          no msk on netns creation
          check fallback
          ....chk 2 cestab
        name one of these, a part of it or a glob after the slash, or run all of it: vmptcp test diag
        "#);
        assert_eq!(checked(&known(), "6.12", &["diag/*in use*"]), "passes");
        assert!(checked(&known(), "6.12", &["diag/*in use*", "diag/none"]).contains("\"none\""));
    }

    #[test]
    fn what_never_ran_like_this_may_have_any_name() {
        assert_eq!(checked(&known(), "6.13", &["diag/*inuse*"]), "passes");
        assert_eq!(checked(&known(), "6.12", &["mptcp_sockopt/x"]), "passes");
        assert_eq!(checked(&Known::default(), "6.12", &["diag/x"]), "passes");
    }

    #[test]
    fn a_filter_on_several_tests_is_refused_only_if_it_matches_in_none() {
        assert_eq!(checked(&known(), "6.12", &["{diag,pm_netlink}/flush"]), "passes");
        assert_eq!(checked(&known(), "6.12", &["/unheard of"]), "passes", "one never ran");
        assert!(checked(&known(), "6.12", &["{diag,pm_netlink}/unheard of"]).contains("unheard of"));
    }

    #[test]
    fn a_test_that_prints_no_results_has_no_subtests() {
        let mut known = Known::default();
        known.learn(&named(&["diag"])[0], "6.1", []);
        insta::assert_snapshot!(checked(&known, "6.1", &["diag/x"]), @r#"
        no subtest of diag matches "x": the diag of this tree has none
        run all of it: vmptcp test diag
        "#);
    }

    #[test]
    fn names_become_more_until_the_files_change() {
        let mut known = known();
        let diag = &named(&["diag"])[0];
        known.learn(diag, "6.12", ["check fallback", "new"]);
        assert_eq!(known.of(diag, "6.12").unwrap(), [&DIAG[..], &["new"]].concat());
        known.learn(diag, "6.13", ["other"]);
        assert_eq!((known.of(diag, "6.12"), known.of(diag, "6.13").unwrap()), (None, vec!["other"]));
    }

    #[test]
    fn all_groups_of_a_script_tell_of_each() {
        let mut known = known();
        let mut part = named(&["diag"]).remove(0);
        part.args = vec!["-f".to_owned()];
        assert_eq!(known.of(&part, "6.12").unwrap(), DIAG);
        known.learn(&part, "6.12", ["of this group"]);
        assert_eq!(known.of(&part, "6.12").unwrap(), ["of this group"]);
        let mut other = part.clone();
        other.args = vec!["-s".to_owned()];
        other.name = "mptcp_join".to_owned();
        assert_eq!(known.of(&other, "6.12"), None);
    }
}
