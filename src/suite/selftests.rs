//! The MPTCP selftests: the scripts and programs of `tools/testing/selftests/net/mptcp`.

mod groups;

use super::kselftest::{self, command};
use super::{Conditions, Files, Listing, Marks, Needs, Output, Site, Start, Suite, TestCase, Tests};
use crate::error::Result;
use std::time::Duration;

/// Their directory below `tools/testing/selftests`, as kselftest names it.
const COLLECTION: &str = "net/mptcp";

/// Their directory in a tree.
const SOURCES: &str = "tools/testing/selftests/net/mptcp";

/// How long those take that are known to be long, on a machine of normal speed.
const GUESSES: [(&str, Duration); 3] = [
    ("mptcp_connect", Duration::from_secs(300)),
    ("simult_flows", Duration::from_secs(200)),
    ("userspace_pm", Duration::from_secs(30)),
];

/// The row.
pub const SUITE: Suite = Suite {
    id: "selftests",
    about: "the scripts and programs of tools/testing/selftests/net/mptcp",
    needs: Needs {
        fragments: &[],
        collection: Some(COLLECTION),
        repository: None,
        host_programs: &["rsync"],
        guest_programs: &["bash", "ip", "ss", "tc"],
    },
    tests: Tests::Listed { sources: SOURCES, list },
    spelling,
    environment,
    start,
    output: Output {
        subtest,
        marks: Marks {
            // `mptcp_lib_pr_skip`, `ktap_helpers.sh`, and what the older scripts print.
            skipped: &["[SKIP]", "[ SKIP ]", "[skip]", "SKIP: "],
            failed: &["[FAIL]", "[ FAIL ]", "[fail]"],
            // `mptcp_lib_fail_if_expected_feature`
            missing: "missing feature: ",
        },
    },
    judge: kselftest::judge,
    divide: groups::shards,
};

fn list(files: &dyn Files) -> Result<Listing> {
    let text = |name: &str| files.text(&format!("{SOURCES}/{name}"));
    let makefile = text("Makefile")?;
    let settings = text("settings").ok();
    let mut listing =
        kselftest::list(&SUITE, COLLECTION, &makefile, settings.as_deref(), &files.names(SOURCES)?)?;
    for test in &mut listing.tests {
        // A program that is no script has no source of its name here; then it has no groups either.
        let script = text(&test.program).unwrap_or_default();
        test.groups = groups::groups(&script);
        test.captures = captures(&script, |other| text(other).ok());
        let guess = GUESSES.iter().find(|(known, _)| test.name.starts_with(known));
        test.guess = guess.map_or(test.guess, |(_, guess)| *guess);
    }
    Ok(listing)
}

/// True if a script says that it captures packets when it is given `-c`, or hands its arguments to one that does. `other`
/// gives the text of another script of the suite.
fn captures(script: &str, other: impl Fn(&str) -> Option<String>) -> bool {
    let offers = |text: &str| text.lines().any(|line| line.contains("-c") && line.contains("capture p"));
    let handed_to = |line: &str| {
        let call =
            line.trim().strip_prefix("\"$(dirname \"${0}\")/").filter(|call| call.contains("\"${@}\""))?;
        other(call.split('"').next()?)
    };
    offers(script) || script.lines().filter_map(handed_to).any(|text| offers(&text))
}

/// Takes off how kselftest and the tree spell where a test is.
fn spelling(filter: &str) -> &str {
    let filter = filter.strip_prefix("./").unwrap_or(filter);
    let filter = filter.strip_prefix("selftests: ").unwrap_or(filter);
    // As mptcp-upstream-virtme-docker and its results call them.
    let filter = filter.strip_prefix("selftest_").unwrap_or(filter);
    match filter.split_once(COLLECTION) {
        Some((before, after)) if before.is_empty() || before.ends_with("selftests/") => {
            let rest = after.strip_prefix([':', '/']);
            rest.map_or(filter, str::trim_start)
        }
        _ => filter,
    }
}

fn environment(conditions: Conditions) -> Vec<(&'static str, String)> {
    let all = [
        ("SELFTESTS_MPTCP_LIB_OVERRIDE_FLAKY", "1", conditions.flaky_counts),
        ("SELFTESTS_MPTCP_LIB_EXPECT_ALL_FEATURES", "1", conditions.all_features),
        ("KSFT_MACHINE_SLOW", "yes", conditions.slow),
    ];
    all.into_iter().filter(|(.., set)| *set).map(|(name, value, _)| (name, value.to_owned())).collect()
}

fn start(test: &TestCase, site: Site<'_>) -> Start {
    let (mut argv, note) = command(&test.program, site.file);
    let mut env = Vec::new();
    if site.capture {
        argv.push("-c".to_owned());
        // The scripts let tcpdump write as this user; without it, it may not write here.
        env.push(("SUDO_USER", "root"));
    }
    argv.extend(test.args.iter().cloned());
    Start { argv, env, note }
}

/// The scripts put their own name and a colon in front.
fn subtest<'a>(test: &TestCase, printed: &'a str) -> &'a str {
    let inner = printed.strip_prefix(&test.name).and_then(|rest| rest.strip_prefix(':'));
    inner.unwrap_or(printed).trim()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::ProgramFile;
    use crate::suite::tests::named;

    #[test]
    fn a_script_offers_to_capture_packets_or_hands_its_arguments_on() {
        let connect = "usage() {\n\techo -e \"\\t-c: capture packets for each test using tcpdump\"\n}\n";
        let other = |name: &str| (name == "mptcp_connect.sh").then(|| connect.to_owned());
        assert!(captures(connect, other));
        assert!(captures("  echo \"  -c capture pcap files\"\n", other));
        let wrapper =
            "MPTCP_LIB_KSFT_TEST=x \\\n\t\"$(dirname \"${0}\")/mptcp_connect.sh\" -m mmap \"${@}\"\n";
        assert!(captures(wrapper, other));
        assert!(!captures(wrapper, |_| None));
        assert!(!captures("cond=\"grep -c token:\"\n", other));
    }

    #[test]
    fn subtests_lose_the_name_of_their_test() {
        let test = &named(&["pm_netlink"])[0];
        assert_eq!(subtest(test, "pm_netlink: defaults addr list"), "defaults addr list");
        assert_eq!(subtest(test, "pm_netlink:           (nobackup)"), "(nobackup)");
        assert_eq!(subtest(test, "pm_netlink_more: a"), "pm_netlink_more: a");
        assert_eq!(subtest(test, "other"), "other");
        assert_eq!(subtest(test, "pm_netlink"), "pm_netlink");
    }

    #[test]
    fn a_script_that_captures_is_told_so_before_its_own_arguments() {
        let test = TestCase { args: vec!["-f".to_owned()], ..named(&["mptcp_join"]).remove(0) };
        let file = ProgramFile { executable: true, ..ProgramFile::default() };
        let started = |capture| start(&test, Site { file, capture, ..Site::default() });
        assert_eq!(started(false).argv, ["./mptcp_join.sh", "-f"]);
        assert_eq!(started(true).argv, ["./mptcp_join.sh", "-c", "-f"]);
        assert_eq!(started(true).env, [("SUDO_USER", "root")]);
    }

    #[test]
    fn what_the_user_sets_wins() {
        let users = [("KSFT_MACHINE_SLOW".to_owned(), "no".to_owned())];
        let conditions = Conditions { flaky_counts: true, slow: true, ..Conditions::default() };
        let env = SUITE.variables(conditions, &users);
        let env: Vec<String> = env.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(env, ["KSFT_MACHINE_SLOW=no", "SELFTESTS_MPTCP_LIB_OVERRIDE_FLAKY=1"]);
    }
}
