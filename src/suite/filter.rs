//! Which tests were asked for: the FILTERs of a command line.

use super::{Group, Pattern, Selection, Subtests, Suite, TestCase};
use crate::error::{Error, Result};
use crate::text::nearest::meant;

/// Chooses the tests of one suite that any of the filters asks for, in the order of `tests`; without filters, all.
///
/// A filter is `test` or `test/subtest`, and both parts are a glob or a part of the name. A test of exactly that name is
/// preferred to those that contain it. `test:group` chooses a group of a script that has some. The name of
/// its program, and other spellings that its suite knows, are understood too.
///
/// A filter that chooses nothing is an error of usage, which lists the tests that exist.
pub fn select(filters: &[impl AsRef<str>], tests: &[TestCase]) -> Result<Vec<Selection>> {
    if filters.is_empty() {
        return Ok(tests.iter().cloned().map(Selection::whole).collect());
    }
    let spelling = tests.first().map_or(Suite::PLAIN.spelling, |test| test.suite.spelling);
    let filter = |given: &str| Filter::new(given, spelling(given.trim()));
    let filters = filters.iter().map(|given| filter(given.as_ref())).collect::<Result<Vec<_>>>()?;
    let mut chosen: Vec<Option<Selection>> = vec![None; tests.len()];
    for filter in filters {
        let matches = filter.matches(tests);
        if matches.is_empty() {
            return Err(nothing_matches(&filter, tests));
        }
        let alone = matches.len() == 1;
        for at in matches {
            let subtests = filter.subtest.clone().map(|pattern| Subtests::of(pattern, alone));
            let flags = filter.flags(&tests[at])?;
            if let Some(selection) = &mut chosen[at] {
                widen(selection, subtests);
                widen_groups(&mut selection.test, flags);
            } else {
                let test = TestCase { args: flags, ..tests[at].clone() };
                let mut selection = Selection::whole(test);
                selection.subtests = subtests;
                chosen[at] = Some(selection);
            }
        }
    }
    Ok(chosen.into_iter().flatten().collect())
}

/// Leaves out the tests of one suite, or the subtests, that any of the filters names; a filter that names none of the chosen
/// tests is an error of usage. A group of a script cannot be left out.
pub fn leave_out(selections: &mut Vec<Selection>, filters: &[impl AsRef<str>]) -> Result<()> {
    let spelling = selections.first().map_or(Suite::PLAIN.spelling, |first| first.test.suite.spelling);
    let tests: Vec<TestCase> = selections.iter().map(|selection| selection.test.clone()).collect();
    let mut gone = vec![false; tests.len()];
    for given in filters.iter().map(AsRef::as_ref) {
        let filter = Filter::new(given, spelling(given.trim()))?;
        if filter.group.is_some() {
            return Err(Error::usage(format!("a group cannot be left out: {given:?}")).hint(
                "name the groups to run instead, each after a colon: vmptcp test mptcp_join:subflows_tests",
            ));
        }
        let matches = filter.matches(&tests);
        if matches.is_empty() {
            return Err(nothing_matches(&filter, &tests));
        }
        for at in matches {
            match &filter.subtest {
                Some(pattern) => selections[at].exclude(pattern.clone()),
                None => gone[at] = true,
            }
        }
    }
    let mut gone = gone.into_iter();
    selections.retain(|_| !gone.next().unwrap_or_default());
    Ok(())
}

/// Whether a filter is well-formed, in any tree. If not, it is an error of usage.
pub fn check(filter: &str) -> Result<()> {
    Filter::new(filter, filter.trim()).map(drop)
}

/// Makes a selection include one more pattern of subtests, or all.
fn widen(selection: &mut Selection, more: Option<Subtests>) {
    match (&mut selection.subtests, more) {
        (Some(subtests), Some(more)) => subtests.extend(more),
        (all, None) => *all = None,
        (None, Some(_)) => {}
    }
}

/// Makes a script run more of its groups, or all.
fn widen_groups(test: &mut TestCase, flags: Vec<String>) {
    if test.args.is_empty() || flags.is_empty() {
        test.args.clear();
        return;
    }
    test.args.extend(flags);
    let place = |arg: &String| test.groups.iter().position(|group| arg.ends_with(group.flag));
    test.args.sort_by_key(place);
    test.args.dedup();
}

/// One filter, taken apart.
struct Filter {
    given: String,
    test: Pattern,
    group: Option<Pattern>,
    subtest: Option<Pattern>,
}

impl Filter {
    /// From what was given, and what is left of that without other ways to spell it.
    fn new(given: &str, plain: &str) -> Result<Self> {
        if given.trim().is_empty() {
            return Err(Error::usage("a filter is empty").hint("leave it out to run all tests"));
        }
        let (test, subtest) = split(plain);
        let subtest = subtest.filter(|subtest| !subtest.is_empty());
        let (test, group) = test.split_once(':').map_or((test, None), |(test, group)| (test, Some(group)));
        let in_filter = |wrong: Error| wrong.context(format_args!("filter {given:?}"));
        Ok(Self {
            given: given.to_owned(),
            test: Pattern::new(if test.is_empty() { "*" } else { test }).map_err(in_filter)?,
            group: group.map(Pattern::new).transpose().map_err(in_filter)?,
            subtest: subtest.map(Pattern::new).transpose().map_err(in_filter)?,
        })
    }

    /// The arguments that let a script run the groups that are asked for; none for all.
    fn flags(&self, test: &TestCase) -> Result<Vec<String>> {
        let Some(wanted) = &self.group else { return Ok(Vec::new()) };
        let matches =
            |group: &&Group| wanted.as_str() == group.flag.to_string() || wanted.matches(&group.name);
        let flags: Vec<String> =
            test.groups.iter().filter(matches).map(|group| format!("-{}", group.flag)).collect();
        if flags.is_empty() {
            let names: Vec<&str> = test.groups.iter().map(|group| &group.name[..]).collect();
            let has = if names.is_empty() { "no groups".to_owned() } else { names.join(", ") };
            return Err(Error::usage(format!(
                "{} has no group {}; it has: {has}",
                test.name,
                wanted.as_str()
            ))
            .hint("name a group after a colon: vmptcp test mptcp_join:subflows_tests"));
        }
        Ok(flags)
    }

    /// The indices of the tests that it chooses.
    fn matches(&self, tests: &[TestCase]) -> Vec<usize> {
        let indices = |wanted: &dyn Fn(&str) -> bool| -> Vec<usize> {
            (0..tests.len()).filter(|&at| wanted(&tests[at].name) || wanted(&tests[at].program)).collect()
        };
        let exact = indices(&|name| name == self.test.as_str());
        if exact.is_empty() { indices(&|name| self.test.matches(name)) } else { exact }
    }
}

/// Splits at the first `/` that is not inside `[…]` or `{…}`.
fn split(filter: &str) -> (&str, Option<&str>) {
    let mut depth = 0_usize;
    for (at, c) in filter.char_indices() {
        match c {
            '[' | '{' => depth += 1,
            ']' | '}' => depth = depth.saturating_sub(1),
            '/' if depth == 0 => return (&filter[..at], Some(&filter[at + 1..])),
            _ => {}
        }
    }
    (filter, None)
}

fn nothing_matches(filter: &Filter, tests: &[TestCase]) -> Error {
    let names: Vec<&str> = tests.iter().map(|test| test.name.as_str()).collect();
    let list = names.join(", ");
    let wrong = Error::usage(format!("no test matches the filter {:?}; there are: {list}", filter.given));
    let wanted = filter.test.as_str();
    match meant(wanted.strip_suffix(".sh").unwrap_or(wanted), names) {
        Some(name) if !filter.test.is_glob() => {
            let near = tests.iter().find(|test| test.name == name);
            let words = near.map_or_else(|| name.to_owned(), TestCase::words);
            wrong.hint(format!("did you mean {name}? vmptcp test {words}"))
        }
        _ => {
            wrong.hint("give the name of a test, a part of it or a glob, and that of a subtest after a slash")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::named;
    use super::*;

    const NAMES: [&str; 6] =
        ["mptcp_connect", "mptcp_connect_mmap", "pm_netlink", "mptcp_join", "diag", "userspace_pm"];

    fn selected(filters: &[&str]) -> String {
        let selections = match select(filters, &named(&NAMES)) {
            Ok(selections) => selections,
            Err(wrong) => return format!("{wrong}\n{}", wrong.remedy().unwrap_or_default()),
        };
        let text = |selection: &Selection| match &selection.subtests {
            None => selection.test.name.clone(),
            Some(subtests) => {
                let patterns: Vec<_> = subtests.patterns().collect();
                format!("{}/{}", selection.test.name, patterns.join("|"))
            }
        };
        selections.iter().map(text).collect::<Vec<_>>().join(" ")
    }

    fn with_groups(filters: &[&str]) -> String {
        let mut tests = named(&NAMES);
        let group = |(flag, name): (char, &str)| Group { flag, name: name.to_owned() };
        tests[3].groups =
            [('f', "subflows_tests"), ('e', "subflows_error_tests"), ('s', "signal_address_tests")]
                .map(group)
                .to_vec();
        match select(filters, &tests) {
            Ok(selections) => {
                let line = |selection: &Selection| {
                    format!("{} {}", selection.test.name, selection.test.args.join(" "))
                };
                selections.iter().map(line).collect::<Vec<_>>().join("; ")
            }
            Err(wrong) => wrong.to_string(),
        }
    }

    fn left(filters: &[&str]) -> String {
        let mut selections = select(&[] as &[&str], &named(&NAMES)).unwrap();
        match leave_out(&mut selections, filters) {
            Ok(()) => {
                let text = |selection: &Selection| {
                    let partial = if selection.is_partial() { "(in part)" } else { "" };
                    format!("{}{partial}", selection.test.name)
                };
                selections.iter().map(text).collect::<Vec<_>>().join(" ")
            }
            Err(wrong) => format!("{wrong}\n{}", wrong.remedy().unwrap_or_default()),
        }
    }

    #[test]
    fn tests_and_subtests_are_left_out_by_the_same_filters() {
        assert_eq!(left(&["mptcp_connect", "pm"]), "mptcp_connect_mmap mptcp_join diag");
        assert_eq!(
            left(&["*connect*", "diag/msk*"]),
            "pm_netlink mptcp_join diag(in part) userspace_pm",
            "a glob names all that it matches"
        );
        assert!(left(&["nothing"]).starts_with("no test matches the filter \"nothing\"; there are: "));
        assert!(left(&["mptcp_join:s"]).starts_with("a group cannot be left out"));
        let mut selections = select(&["diag/*in use*"], &named(&NAMES)).unwrap();
        leave_out(&mut selections, &["diag/msk*"]).unwrap();
        let counts = ["msk in use", "many in use", "other"].map(|name| selections[0].counts(name));
        assert_eq!(counts, [false, true, false]);
    }

    #[test]
    fn a_colon_chooses_groups_of_a_script() {
        assert_eq!(with_groups(&["mptcp_join:s", "mptcp_join:subflows*"]), "mptcp_join -f -e -s");
        assert_eq!(with_groups(&["mptcp_join:signal", "diag"]), "mptcp_join -s; diag ");
        assert_eq!(with_groups(&["mptcp_join:s", "mptcp_join"]), "mptcp_join ");
        let wrong = with_groups(&["mptcp_join:nothing"]);
        assert!(wrong.starts_with("mptcp_join has no group nothing; it has: subflows_tests,"), "{wrong}");
        assert_eq!(with_groups(&["diag:x"]), "diag has no group x; it has: no groups");
    }

    #[test]
    fn no_filter_is_all() {
        assert_eq!(selected(&[]), NAMES.join(" "));
    }

    #[test]
    fn an_exact_name_is_preferred_to_a_part() {
        assert_eq!(selected(&["mptcp_connect"]), "mptcp_connect");
        assert_eq!(selected(&["connect"]), "mptcp_connect mptcp_connect_mmap");
        assert_eq!(selected(&["mptcp_connect*"]), "mptcp_connect mptcp_connect_mmap");
        assert_eq!(selected(&["pm"]), "pm_netlink userspace_pm");
        assert_eq!(selected(&["join.sh"]), "mptcp_join");
    }

    #[test]
    fn other_spellings_of_a_test() {
        for filter in [
            "mptcp_join.sh",
            "./mptcp_join.sh",
            "net/mptcp:mptcp_join.sh",
            "net/mptcp/mptcp_join.sh",
            "tools/testing/selftests/net/mptcp/mptcp_join.sh",
            "selftests: net/mptcp: mptcp_join.sh",
            " mptcp_join ",
            "mptcp_join/",
        ] {
            assert_eq!(selected(&[filter]), "mptcp_join", "{filter}");
        }
        assert_eq!(selected(&["net/mptcp:mptcp_join.sh/signal*"]), "mptcp_join/signal*");
    }

    #[test]
    fn filters_add_up_in_the_order_of_the_suite() {
        assert_eq!(selected(&["diag", "pm_netlink"]), "pm_netlink diag");
        assert_eq!(selected(&["diag/a", "d*/b c"]), "diag/a|b c");
        assert_eq!(selected(&["diag/a", "diag", "diag/b"]), "diag");
        assert_eq!(selected(&["/flush"]), NAMES.map(|name| format!("{name}/flush")).join(" "));
        assert_eq!(selected(&["{diag,mptcp_j[a-z/]*}/x/y"]), "mptcp_join/x/y diag/x/y");
    }

    #[test]
    fn subtests_are_chosen_afterwards() {
        let selection = &select(&["pm_netlink/flush", "pm_netlink/set*"], &named(&NAMES)).unwrap()[0];
        assert!(selection.counts("flush addrs") && selection.counts("set limits"));
        assert!(!selection.counts("dump addrs") && !selection.counts("no set"));
        let subtests = selection.subtests.as_ref().unwrap();
        assert_eq!(subtests.unmatched(&["dump addrs", "set limits"]), ["flush"]);
        assert_eq!(subtests.missing(&["dump addrs", "set limits"]), ["flush"]);
        let several = &select(&["pm/flush"], &named(&NAMES)).unwrap()[0].subtests;
        assert_eq!(several.as_ref().unwrap().missing(&["dump addrs"]), [""; 0], "it was not asked alone");
        assert!(Selection::whole(named(&NAMES).remove(0)).counts("any"));
    }

    #[test]
    fn a_filter_in_vain_says_what_there_is() {
        insta::assert_snapshot!(selected(&["diag", "pm_netlnk.sh"]), @r#"
        no test matches the filter "pm_netlnk.sh"; there are: mptcp_connect, mptcp_connect_mmap, pm_netlink, mptcp_join, diag, userspace_pm
        did you mean pm_netlink? vmptcp test pm_netlink
        "#);
        insta::assert_snapshot!(selected(&["x*"]), @r#"
        no test matches the filter "x*"; there are: mptcp_connect, mptcp_connect_mmap, pm_netlink, mptcp_join, diag, userspace_pm
        give the name of a test, a part of it or a glob, and that of a subtest after a slash
        "#);
        insta::assert_snapshot!(selected(&[""]), @r#"
        a filter is empty
        leave it out to run all tests
        "#);
        insta::assert_snapshot!(selected(&["diag/{a"]), @r#"
        filter "diag/{a": the pattern "{a" is malformed: unclosed alternate group; missing '}' (maybe escape '{' with '[{]'?)
        put a backslash before a `[`, `{`, `*` or `?` that stands for itself
        "#);
    }
}
