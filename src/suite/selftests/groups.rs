//! Parts of a script that can run side by side: the groups that it offers, and runs of subtests within a long one.

use crate::suite::row::Known;
use crate::suite::{Group, Selection, Shard, TestCase};
use std::time::Duration;

/// How many subtests more than are known the last part of a group asks for: a group that grew loses nothing.
const SPARE_IDS: usize = 100;

/// The groups that a script offers: the table `all_tests_sorted` of `mptcp_join.sh`, as `FLAG@NAME` each, which becomes its
/// options. Empty if it has no such table, or one that this does not understand: such a script runs as a whole.
pub fn groups(script: &str) -> Vec<Group> {
    let Some((_, rest)) = script.split_once("\nall_tests_sorted=(") else { return Vec::new() };
    let Some((table, rest)) = rest.split_once(')') else { return Vec::new() };
    // That the table is what options are made of, and that each of them asks for a group.
    if !rest.contains("getopts \"${all_tests_args}") || !rest.contains("tests+=(\"${all_tests[${opt}]}\")") {
        return Vec::new();
    }
    let group = |word: &str| {
        let (flag, name) = word.split_once('@')?;
        let mut flags = flag.chars();
        let flag = flags.next().filter(char::is_ascii_alphanumeric)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        (flags.next().is_none() && !name.is_empty() && name.chars().all(plain))
            .then(|| Group { flag, name: name.to_owned() })
    };
    let lines = table.lines().map(|line| line.split('#').next().unwrap_or_default());
    let groups: Option<Vec<Group>> = lines.flat_map(str::split_whitespace).map(group).collect();
    let distinct = |groups: &Vec<Group>| {
        let mut flags: Vec<char> = groups.iter().map(|group| group.flag).collect();
        flags.sort_unstable();
        flags.windows(2).all(|pair| pair[0] != pair[1])
    };
    groups.filter(distinct).unwrap_or_default()
}

/// The groups that a test will run, in its order: all, or those that its arguments name. None if it has no groups, if its
/// arguments say more than that, or if only some of its subtests count: then it is not to be split.
fn chosen(selection: &Selection) -> Option<Vec<&Group>> {
    let TestCase { groups, args, .. } = &selection.test;
    if groups.is_empty() || selection.is_partial() {
        return None;
    }
    if args.is_empty() {
        return Some(groups.iter().collect());
    }
    let flags: Option<Vec<&str>> = args.iter().map(|arg| arg.strip_prefix('-')).collect();
    let wanted = flags?.concat();
    let chosen: Option<Vec<&Group>> =
        wanted.chars().map(|flag| groups.iter().find(|group| group.flag == flag)).collect();
    chosen.filter(|chosen| !chosen.is_empty())
}

/// Splits a test into parts that together run what it runs. `known` has the times of a group's subtests, in milliseconds, as
/// far as an earlier run told; a group that took longer than `target` is split as well. Less than two parts are none.
pub fn shards(selection: &Selection, known: &Known<'_>, target: Duration) -> Vec<Shard> {
    let Some(groups) = chosen(selection) else { return Vec::new() };
    let parts: Vec<Shard> =
        groups.into_iter().flat_map(|group| parts_of(group, &known(&group.name), target)).collect();
    if parts.len() < 2 { Vec::new() } else { parts }
}

fn parts_of(group: &Group, times: &[u64], target: Duration) -> Vec<Shard> {
    let flag = format!("-{}", group.flag);
    let time = |times: &[u64]| Duration::from_millis(times.iter().sum());
    let whole = Shard {
        name: group.name.clone(),
        group: group.name.clone(),
        args: vec![flag.clone()],
        known: (!times.is_empty()).then(|| time(times)),
    };
    if time(times) <= target {
        return vec![whole];
    }
    let mut ends = Vec::new();
    let mut begin = 0;
    for at in 0..times.len() {
        if time(&times[begin..=at]) >= target {
            ends.push(at + 1);
            begin = at + 1;
        }
    }
    // What is left over goes with the last part: it alone asks for more than is known.
    if ends.last() != Some(&times.len()) && ends.pop().is_none() {
        return vec![whole];
    }
    if ends.last() != Some(&times.len()) {
        ends.push(times.len());
    }
    if ends.len() < 2 {
        return vec![whole];
    }
    let mut begin = 0;
    let last = ends.len() - 1;
    let part = |(index, end): (usize, usize)| {
        let ids = begin + 1..=if index == last { end + SPARE_IDS } else { end };
        let shard = Shard {
            name: format!("{} {}-{end}", group.name, begin + 1),
            group: group.name.clone(),
            args: std::iter::once(flag.clone()).chain(ids.map(|id| id.to_string())).collect(),
            known: Some(time(&times[begin..end])),
        };
        begin = end;
        shard
    };
    ends.into_iter().enumerate().map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::tests::named;

    const SCRIPT: &str = "#!/bin/bash\nall_tests_sorted=(\n\tf@subflows_tests\n\te@subflows_error_tests # new\n)\n\
        while getopts \"${all_tests_args}cCih\" opt; do\n\ttests+=(\"${all_tests[${opt}]}\")\ndone\n";

    fn selection(args: &[&str]) -> Selection {
        let mut test = named(&["mptcp_join"]).remove(0);
        test.groups = groups(SCRIPT);
        test.args = args.iter().map(|arg| (*arg).to_owned()).collect();
        Selection::whole(test)
    }

    fn split(args: &[&str], known: &[u64], target: u64) -> Vec<String> {
        let known = |group: &str| if group == "subflows_tests" { known.to_vec() } else { Vec::new() };
        shards(&selection(args), &known, Duration::from_secs(target))
            .iter()
            .map(|shard| format!("{}: {}", shard.name, shard.args.join(" ")))
            .collect()
    }

    proptest::proptest! {
        /// Whatever is known of the times, the parts of a group together run each of its subtests once.
        #[test]
        fn parts_cover_all_subtests_and_none_twice(
            times in proptest::collection::vec(0u64..100_000, 1..60),
            target in 1u64..200_000,
        ) {
            let group = Group { flag: 'f', name: "subflows_tests".to_owned() };
            let parts = parts_of(&group, &times, Duration::from_millis(target));
            let all = 1..=times.len();
            let ids = |part: &Shard| match &part.args[1..] {
                [] => all.clone().collect::<Vec<usize>>(),
                ids => ids.iter().map(|id| id.parse().unwrap()).filter(|id| all.contains(id)).collect(),
            };
            let run: Vec<usize> = parts.iter().flat_map(ids).collect();
            proptest::prop_assert_eq!(run, all.clone().collect::<Vec<usize>>());
            proptest::prop_assert!(parts.iter().all(|part| part.args[0] == "-f"));
        }
    }

    #[test]
    fn the_groups_are_those_of_the_script() {
        let found: Vec<String> =
            groups(SCRIPT).iter().map(|group| format!("{}{}", group.flag, group.name)).collect();
        assert_eq!(found, ["fsubflows_tests", "esubflows_error_tests"]);
    }

    #[test]
    fn a_script_that_is_not_understood_has_no_groups() {
        for (from, to) in [
            ("f@subflows_tests", "ff@subflows_tests"),
            ("f@subflows_tests", "f@$(reboot)"),
            ("e@sub", "f@sub"),
            ("getopts \"${all", "getopts \"f${all"),
            ("all_tests_sorted=(", "all_tests=("),
            ("tests+=(\"${all_tests[${opt}]}\")", ""),
        ] {
            assert_eq!(groups(&SCRIPT.replacen(from, to, 1)), [], "{to}");
        }
    }

    #[test]
    fn a_script_is_split_at_its_groups_and_a_long_one_at_its_subtests() {
        assert_eq!(split(&[], &[], 60), ["subflows_tests: -f", "subflows_error_tests: -e"]);
        let parts = split(&[], &[30_000, 40_000, 20_000, 50_000, 10_000], 60);
        assert_eq!(parts.len(), 3);
        assert_eq!(parts[0], "subflows_tests 1-2: -f 1 2");
        assert!(
            parts[1].starts_with("subflows_tests 3-5: -f 3 4 5 6 7 ") && parts[1].ends_with(" 105"),
            "{}",
            parts[1]
        );
        assert_eq!(parts[2], "subflows_error_tests: -e");
    }

    #[test]
    fn every_subtest_is_in_exactly_one_part() {
        for target in 1..200 {
            let known: Vec<u64> = (1..=17).map(|number| number * 1000).collect();
            let group = &groups(SCRIPT)[0];
            let parts = parts_of(group, &known, Duration::from_secs(target));
            let ids: Vec<usize> =
                parts.iter().flat_map(|part| &part.args[1..]).map(|id| id.parse().unwrap()).collect();
            if parts.len() > 1 {
                assert_eq!(ids, (1..=17 + SPARE_IDS).collect::<Vec<_>>(), "{target}");
            } else {
                assert_eq!(parts[0].args, ["-f"]);
            }
            let total: Duration = parts.iter().filter_map(|part| part.known).sum();
            assert_eq!(total, Duration::from_secs(153));
        }
    }

    #[test]
    fn arguments_that_only_name_groups_choose_among_them_and_others_keep_a_test_whole() {
        assert_eq!(split(&["-ef"], &[], 60), ["subflows_error_tests: -e", "subflows_tests: -f"]);
        assert_eq!(split(&["-f"], &[40_000, 40_000], 30).len(), 2);
        for args in [&["-f"][..], &["-c"], &["-f", "3"], &["--help"], &["-"]] {
            assert_eq!(split(args, &[], 60), [""; 0], "{args:?}");
        }
    }

    #[test]
    fn a_choice_of_subtests_keeps_a_test_whole() {
        let tests = [selection(&[]).test];
        let selection = crate::suite::select(&["mptcp_join/x"], &tests).unwrap().remove(0);
        assert_eq!(shards(&selection, &|_| Vec::new(), Duration::ZERO), []);
    }
}
