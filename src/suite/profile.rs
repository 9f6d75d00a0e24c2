//! Named choices of tests.

use super::filter::select;
use super::{Selection, TestCase};
use crate::error::{Error, Result};
use crate::text::nearest::most_like;

/// A choice of tests with a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Its name.
    pub name: String,
    /// Filters, as [`select`] takes them.
    pub filters: Vec<String>,
}

impl Profile {
    /// A profile of these filters.
    pub fn new(name: &str, filters: &[&str]) -> Self {
        Self { name: name.to_owned(), filters: filters.iter().map(|&filter| filter.to_owned()).collect() }
    }

    /// The profiles that are always there.
    pub fn built_in() -> Vec<Self> {
        vec![
            // The four that show within minutes, also without KVM, that MPTCP works.
            Self::new("smoke", &["pm_netlink", "mptcp_sockopt", "userspace_pm", "diag"]),
            Self::new("full", &["*"]),
        ]
    }

    /// The profile called `name`; of two, the later one.
    ///
    /// An unknown name is an error of usage, which lists the profiles that exist.
    pub fn find<'a>(name: &str, profiles: &'a [Self]) -> Result<&'a Self> {
        let found = profiles.iter().rev().find(|profile| profile.name == name);
        found.ok_or_else(|| {
            let mut names: Vec<&str> = profiles.iter().map(|profile| profile.name.as_str()).collect();
            names.sort_unstable();
            names.dedup();
            let nearest = most_like(name, names.iter().copied()).unwrap_or_default();
            Error::usage(format!("there is no profile {name:?}; there are: {}", names.join(", ")))
                .hint(format!("choose one of these: vmptcp test --profile {nearest}"))
        })
    }

    /// Its tests, and a note for each entry that this tree does not have.
    ///
    /// It is an error if no entry is left, or one is malformed.
    pub fn select(&self, tests: &[TestCase]) -> Result<(Vec<Selection>, Vec<String>)> {
        let (mut filters, mut notes) = (Vec::new(), Vec::new());
        for filter in &self.filters {
            // Malformed is an error in any tree; matching nothing is one in this tree only.
            super::filter::check(filter)
                .map_err(|wrong| wrong.context(format_args!("profile {}", self.name)))?;
            if select(&[filter], tests).is_ok() {
                filters.push(filter);
            } else {
                notes.push(format!("profile {}: this tree has no test {filter}: left out", self.name));
            }
        }
        if filters.is_empty() {
            let names: Vec<&str> = tests.iter().map(|test| test.name.as_str()).collect();
            return Err(Error::usage(format!(
                "profile {}: this tree has none of its tests ({}); there are: {}",
                self.name,
                self.filters.join(", "),
                names.join(", ")
            ))
            .hint("name the tests instead: vmptcp test TEST…"));
        }
        Ok((select(&filters, tests)?, notes))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::named;
    use super::*;

    fn chosen(profile: &str, tests: &[&str]) -> (Vec<String>, Vec<String>) {
        let profiles = Profile::built_in();
        let (selections, notes) = Profile::find(profile, &profiles).unwrap().select(&named(tests)).unwrap();
        (selections.into_iter().map(|selection| selection.test.name).collect(), notes)
    }

    fn text(wrong: &Error) -> String {
        format!("{wrong}\n{}", wrong.remedy().unwrap_or_default())
    }

    #[test]
    fn smoke_is_four_tests_and_full_is_all() {
        let tests = ["mptcp_connect", "pm_netlink", "mptcp_join", "diag", "mptcp_sockopt", "userspace_pm"];
        assert_eq!(chosen("smoke", &tests).0, ["pm_netlink", "diag", "mptcp_sockopt", "userspace_pm"]);
        assert_eq!(chosen("full", &tests).0, tests);
    }

    #[test]
    fn what_a_tree_lacks_is_left_out_with_a_note() {
        let (tests, notes) = chosen("smoke", &["pm_netlink", "diag", "mptcp_sockopt"]);
        assert_eq!(tests, ["pm_netlink", "diag", "mptcp_sockopt"]);
        assert_eq!(notes, ["profile smoke: this tree has no test userspace_pm: left out"]);
    }

    #[test]
    fn what_cannot_be_meant_is_an_error() {
        let wrong = Profile::find("somke", &Profile::built_in()).unwrap_err();
        insta::assert_snapshot!(text(&wrong), @r#"
        there is no profile "somke"; there are: full, smoke
        choose one of these: vmptcp test --profile smoke
        "#);
        let wrong = Profile::built_in()[0].select(&named(&["mptcp_join"])).unwrap_err();
        insta::assert_snapshot!(text(&wrong), @r#"
        profile smoke: this tree has none of its tests (pm_netlink, mptcp_sockopt, userspace_pm, diag); there are: mptcp_join
        name the tests instead: vmptcp test TEST…
        "#);
        let wrong = Profile::new("mine", &["diag", "[a"]).select(&named(&["diag"])).unwrap_err();
        insta::assert_snapshot!(text(&wrong), @r#"
        profile mine: filter "[a": the pattern "[a" is malformed: unclosed character class; missing ']'
        put a backslash before a `[`, `{`, `*` or `?` that stands for itself
        "#);
    }

    #[test]
    fn a_later_profile_replaces_an_earlier_one() {
        let mut profiles = Profile::built_in();
        profiles.push(Profile::new("smoke", &["diag"]));
        assert_eq!(Profile::find("smoke", &profiles).unwrap().filters, ["diag"]);
    }
}
