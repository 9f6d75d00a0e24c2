use super::super::fixture::{Bench, told_spec};
use super::super::leaks;
use super::*;
use crate::plan::{GuestRules, Hunt};
use crate::runner::turns::Turn;
use crate::suite::tests::named;
use crate::suite::{Conditions, Selection};
use crate::vm::VmId;
use crate::vm::simulated::{Action, JobScript, Script, Simulation, after};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

/// A kernel and selftests, and where hunts on them are run.
struct Place {
    dir: tempfile::TempDir,
    runs: tempfile::TempDir,
    cache: tempfile::TempDir,
    setup: Setup,
    built: Built,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str| {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, name).unwrap();
            path
        };
        write("installed/net/mptcp/diag.sh");
        let mut spec = told_spec();
        (spec.machine.root.agent, spec.machine.root.dir) = (write("vmptcp"), dir.path().to_owned());
        let installed = Some(dir.path().join("installed"));
        let setup = Setup {
            spec,
            alone: None,
            vms: 1,
            fresh: false,
            confirm: 0,
            until_fail: false,
            boot_timeout: Duration::from_secs(60),
            rules: GuestRules::default(),
            installed: installed.clone(),
            repositories: BTreeMap::new(),
            conditions: Conditions::default(),
            env: Vec::new(),
            vary: Vec::new(),
            fail_fast: true,
            hunt: Some(Hunt { budget: None }),
        };
        let built = Built {
            image: write("linux"),
            out_dir: dir.path().to_owned(),
            selftests: installed,
            kernel_release: "6.12.0".to_owned(),
            config: write(".config"),
            steps: 1,
            seconds: 1.0,
            up_to_date: true,
            elsewhere: false,
        };
        Self { dir, runs: tempfile::tempdir().unwrap(), cache: tempfile::tempdir().unwrap(), setup, built }
    }

    /// Hunts over these seeds; the test fails in those guests. Returns the seeds that were tried, and all failures that the run
    /// has, by seed, after how many outcomes.
    fn hunt(&self, seeds: RangeInclusive<u64>, fails: &'static [VmId]) -> (Vec<u64>, Vec<u64>, usize) {
        let test = named(&["diag"]).remove(0);
        let job = |(attempt, seed): (u32, u64)| Job {
            id: TestId::new("selftests", "diag", attempt),
            selection: Selection::whole(test.clone()),
            shard: None,
            seed: Some(seed),
            timeout: Duration::from_secs(300),
            expected: Duration::ZERO,
        };
        let guests = Simulation::new(|vm| guest(fails.contains(&vm)));
        let mut bench = Bench::below(self.runs.path());
        let jobs = (1..).zip(seeds).map(job).collect();
        let host = Host {
            cache: self.cache.path().to_owned(),
            venv: self.cache.path().to_owned(),
            turn: Turn::alone(),
        };
        run(jobs, &self.setup, &self.built, &host, &mut guests.clone(), &mut bench.journal).unwrap();
        assert!(guests.is_over());
        let tried = guests.log().started.iter().filter_map(|(_, spec)| spec.machine.seed).collect();
        let tests = &bench.journal.summary().tests;
        let failed = tests.iter().filter(|test| test.failed()).filter_map(|test| test.result.seed);
        (tried, failed.collect(), tests.len())
    }
}

/// A guest whose test takes a minute.
fn guest(fails: bool) -> Script {
    let job = move |job: &crate::guest::protocol::Job| match job.id {
        leaks::JOB => JobScript::of([after(60_500, Action::Exit(1))]),
        _ => JobScript::of([after(60_000, Action::Exit(i32::from(fails)))]),
    };
    Script {
        acts: vec![after(0, Action::Up), after(61_000, Action::Crash)],
        leaks_since: None,
        job: Box::new(job),
    }
}

#[test]
fn it_stops_at_the_first_failure_and_what_it_did_not_come_to_is_no_part_of_the_run() {
    let mut place = Place::new();
    assert_eq!(place.hunt(11..=50, &[3]), (vec![11, 12, 13], vec![13], 3));
    place.setup.fail_fast = false;
    assert_eq!(place.hunt(11..=15, &[]), (vec![14, 15], vec![13], 5), "the others are known");
}

#[test]
fn guests_side_by_side_all_come_to_their_end_so_the_smallest_seed_is_found() {
    let mut place = Place::new();
    place.setup.vms = 3;
    // The first ends at the same moment, and another takes its place.
    assert_eq!(place.hunt(1..=50, &[2, 3]), (vec![1, 2, 3, 4], vec![2, 3], 4));
    assert_eq!(place.hunt(1..=50, &[]), (vec![], vec![2, 3], 4), "all that is known is shown");
}

#[test]
fn it_goes_on_where_another_was() {
    let place = Place::new();
    assert_eq!(place.hunt(1..=3, &[]), (vec![1, 2, 3], vec![], 3));
    assert_eq!(place.hunt(1..=6, &[2]), (vec![4, 5], vec![5], 5));
    assert_eq!(place.hunt(1..=9, &[]), (vec![], vec![5], 5), "the first failure is known");
    assert_eq!(place.hunt(0..=9, &[]), (vec![0], vec![5], 6), "what is before it is not");
    assert_eq!(place.hunt(6..=7, &[]), (vec![6, 7], vec![], 2));
}

#[test]
fn another_kernel_test_or_program_is_another_hunt() {
    let mut place = Place::new();
    let mut tried = |change: &dyn Fn(&mut Place)| {
        change(&mut place);
        let first = place.hunt(1..=2, &[]).0.len();
        assert_eq!(place.hunt(1..=2, &[]).0, [0_u64; 0], "the same again is known");
        first
    };
    let write = |place: &Place, name: &str| fs::write(place.dir.path().join(name), "changed").unwrap();
    assert_eq!(tried(&|_| ()), 2);
    assert_eq!(tried(&|place| write(place, "linux")), 2);
    assert_eq!(tried(&|place| write(place, "installed/net/mptcp/lib.sh")), 2);
    assert_eq!(tried(&|place| write(place, "vmptcp")), 2);
    assert_eq!(tried(&|place| place.setup.env.push(("MINE".into(), "1".into()))), 2);
    assert_eq!(tried(&|place| fs::create_dir_all(place.dir.path().join("usr/bin")).unwrap()), 2);
    assert_eq!(tried(&|place| write(place, "usr/bin/ss")), 2);
    assert_eq!(tried(&|place| place.setup.vms = 2), 0, "how many guests there are makes no difference");
}

#[test]
fn a_guest_that_is_lost_is_tried_again() {
    let place = Place::new();
    let mut bench = Bench::below(place.runs.path());
    let test = TestId::new("selftests", "diag", 1);
    let attempt = |outcome| Attempt { outcome, seed: Some(1), seconds: 1.0, ..Attempt::default() };
    remember(test, attempt(Outcome::Crash), &mut bench.journal).unwrap();
    let job = || place.hunt(1..=1, &[]).0;
    assert_eq!(job(), [1]);
    assert!(
        is_repeatable(Outcome::Fail) && is_repeatable(Outcome::Timeout) && !is_repeatable(Outcome::Crash)
    );
}

#[test]
fn it_starts_nothing_more_when_its_time_is_over() {
    let mut place = Place::new();
    place.setup.hunt = Some(Hunt { budget: Some(Duration::from_secs(150)) });
    assert_eq!(place.hunt(1..=50, &[]), (vec![1, 2, 3], vec![], 3));
}
