//! How the tests of a run are divided among several machines: the same on each of them, every test once.

use super::{Selection, Shard};
use crate::error::{Error, Result};
use crate::event::{Portion, RunShard};
use std::cmp::Reverse;
use std::time::Duration;

/// How long a group of subtests takes that nothing is known of.
const GROUP_GUESS: Duration = Duration::from_secs(45);

/// How long tests took somewhere, which has to be the same on all machines.
pub trait Times {
    /// A whole test, by its label.
    fn test(&self, label: &str) -> Option<Duration>;
    /// A group of its subtests.
    fn group(&self, label: &str, group: &str) -> Option<Duration>;
}

/// Nothing is known: what the suites guess counts.
pub struct Guesses;

impl Times for Guesses {
    fn test(&self, _: &str) -> Option<Duration> {
        None
    }

    fn group(&self, _: &str, _: &str) -> Option<Duration> {
        None
    }
}

/// What is not divided further: a test, or a group of its subtests.
struct Unit {
    /// Where its selection is.
    at: usize,
    part: Option<Shard>,
    time: Duration,
    shard: u32,
}

/// What this shard runs of the selections, and the whole division, in order. The longest unit goes first, to the shard that
/// has least to do. Fails if there are more shards than units.
pub fn divide(
    selections: &[Selection],
    shard: RunShard,
    times: &dyn Times,
) -> Result<(Vec<Selection>, Vec<Portion>)> {
    let mut units: Vec<Unit> =
        selections.iter().enumerate().flat_map(|(at, selection)| units_of(at, selection, times)).collect();
    if (shard.of as usize) > units.len() {
        let (of, count) = (shard.of, units.len());
        return Err(Error::usage(format!(
            "{of} shards are too many: there are {count} tests and groups to divide"
        ))
        .hint(format!(
            "ask for at most {count}: --shard {}/{count}",
            shard.number.min(u32::try_from(count).unwrap_or(1))
        )));
    }
    assign(&mut units, shard.of);
    let portion = |unit: &Unit| {
        let test = &selections[unit.at].test;
        Portion {
            suite: test.suite.id.to_owned(),
            name: test.name.clone(),
            group: unit.part.as_ref().map(|part| part.group.clone()),
            shard: unit.shard,
        }
    };
    let division = units.iter().map(portion).collect();
    let own = selections
        .iter()
        .enumerate()
        .filter_map(|(at, selection)| own_part(at, selection, shard.number, &units));
    Ok((own.collect(), division))
}

fn units_of(at: usize, selection: &Selection, times: &dyn Times) -> Vec<Unit> {
    let (test, label) = (&selection.test, selection.test.label());
    let parts = (test.suite.divide)(selection, &|_| Vec::new(), Duration::MAX);
    if parts.is_empty() {
        let time = times.test(&label).filter(|_| test.args.is_empty()).unwrap_or(test.guess);
        return vec![Unit { at, part: None, time, shard: 0 }];
    }
    let unit = |part: Shard| {
        let time = times.group(&label, &part.group).unwrap_or(GROUP_GUESS);
        Unit { at, part: Some(part), time, shard: 0 }
    };
    parts.into_iter().map(unit).collect()
}

fn assign(units: &mut [Unit], of: u32) {
    let mut order: Vec<usize> = (0..units.len()).collect();
    order.sort_by_key(|&at| Reverse(units[at].time));
    let mut loads: Vec<(Duration, u32)> = (1..=of).map(|number| (Duration::ZERO, number)).collect();
    for at in order {
        let Some(least) = loads.iter_mut().min() else { return };
        // A unit of no time counts too, or one shard would get all of them.
        least.0 += units[at].time.max(Duration::from_millis(1));
        units[at].shard = least.1;
    }
}

/// What of a selection the shard runs; none if that is nothing.
fn own_part(at: usize, selection: &Selection, shard: u32, units: &[Unit]) -> Option<Selection> {
    let of_test = units.iter().filter(|unit| unit.at == at);
    let (own, others): (Vec<&Unit>, Vec<&Unit>) = of_test.partition(|unit| unit.shard == shard);
    if own.is_empty() || others.is_empty() {
        return (!own.is_empty()).then(|| selection.clone());
    }
    let mut part = selection.clone();
    part.test.args =
        own.iter().filter_map(|unit| unit.part.as_ref()).flat_map(|part| part.args.clone()).collect();
    Some(part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::Group;
    use crate::suite::tests::named;
    use proptest::prelude::*;

    fn selections(groups: &str) -> Vec<Selection> {
        let mut tests = named(&["mptcp_connect", "mptcp_join", "diag", "pm_netlink"]);
        tests[1].groups = groups.chars().map(|flag| Group { flag, name: format!("{flag}_tests") }).collect();
        tests.into_iter().map(Selection::whole).collect()
    }

    fn words(selections: &[Selection]) -> String {
        let one = |selection: &Selection| format!("{}{}", selection.test.name, selection.test.args.concat());
        selections.iter().map(one).collect::<Vec<_>>().join(" ")
    }

    fn of(groups: &str, shard: &str) -> (Vec<Selection>, Vec<Portion>) {
        divide(&selections(groups), shard.parse().unwrap(), &Guesses).unwrap()
    }

    #[test]
    fn groups_go_to_different_shards_and_the_whole_division_is_known_to_each() {
        let (first, division) = of("fseb", "1/2");
        let (second, same) = of("fseb", "2/2");
        assert_eq!(division, same);
        insta::assert_snapshot!(format!("{}\n{}", words(&first), words(&second)), @"
        mptcp_connect mptcp_join-f-e pm_netlink
        mptcp_join-s-b diag
        ");
        assert_eq!(words(&of("fseb", "1/1").0), "mptcp_connect mptcp_join diag pm_netlink");
    }

    #[test]
    fn more_shards_than_tests_are_refused() {
        let error = divide(&selections(""), "2/5".parse().unwrap(), &Guesses).unwrap_err();
        assert_eq!(error.to_string(), "5 shards are too many: there are 4 tests and groups to divide");
        assert_eq!(error.remedy(), Some("ask for at most 4: --shard 2/4"));
    }

    struct Known(Vec<u64>);

    impl Times for Known {
        fn test(&self, label: &str) -> Option<Duration> {
            self.0.get(label.len() % self.0.len().max(1)).map(|seconds| Duration::from_secs(*seconds))
        }

        fn group(&self, _: &str, group: &str) -> Option<Duration> {
            self.test(&group[..1])
        }
    }

    proptest! {
        #[test]
        fn every_test_and_group_is_run_by_one_shard(of in 1_u32..8, times in prop::collection::vec(0_u64..900, 1..9)) {
            let all = selections("abcdefgh");
            let mut seen = Vec::new();
            for number in 1..=of {
                let (own, division) = divide(&all, RunShard { number, of }, &Known(times.clone())).unwrap();
                prop_assert_eq!(division.len(), 11);
                prop_assert!(!own.is_empty());
                for selection in own {
                    let test = &selection.test;
                    if test.groups.is_empty() || test.args.is_empty() {
                        let groups = test.groups.iter().map(|group| format!("{}-{}", test.name, group.flag));
                        seen.extend(if test.groups.is_empty() { vec![test.name.clone()] } else { groups.collect() });
                    } else {
                        seen.extend(test.args.iter().map(|arg| format!("{}{arg}", test.name)));
                    }
                }
            }
            let count = seen.len();
            seen.sort();
            seen.dedup();
            prop_assert_eq!((count, seen.len()), (11, 11));
        }
    }
}
