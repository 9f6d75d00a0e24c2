//! Which selftests are worth a run for a change. Pure.

use crate::series::make::Config;

/// What to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tests {
    /// Nothing that a guest would notice was touched.
    None,
    /// These scripts.
    These(Vec<String>),
    /// The profile of the settings.
    Profile,
}

/// Where a file is tested by one script more than by others.
const OWN: [(&str, &str); 8] = [
    ("net/mptcp/sockopt.c", "mptcp_sockopt"),
    ("net/mptcp/mptcp_diag.c", "diag"),
    ("net/mptcp/diag.c", "diag"),
    ("net/mptcp/pm_userspace.c", "userspace_pm"),
    ("net/mptcp/pm_netlink.c", "pm_netlink"),
    ("tools/testing/selftests/net/mptcp/mptcp_sockopt.c", "mptcp_sockopt"),
    ("tools/testing/selftests/net/mptcp/mptcp_inq.c", "mptcp_sockopt"),
    ("tools/testing/selftests/net/mptcp/mptcp_diag.c", "diag"),
];

/// Where the scripts are.
const SCRIPTS: &str = "tools/testing/selftests/net/mptcp/";

/// What the scripts of all selftests of the network are made of.
const COMMON: [&str; 4] = ["net/lib", "lib.mk", "kselftest", "Makefile"];

/// True for what the scripts source, or are built by.
fn is_common(file: &str) -> bool {
    let below = file.strip_prefix("tools/testing/selftests/");
    below.is_some_and(|below| COMMON.iter().any(|prefix| below.starts_with(prefix)))
}

/// The tests for these files. `scripts` are the tests that the tree has.
pub fn tests<'a>(files: impl IntoIterator<Item = &'a str>, scripts: &[String]) -> Tests {
    let mut chosen: Vec<String> = Vec::new();
    for file in files {
        let script = file.strip_prefix(SCRIPTS).and_then(|name| name.strip_suffix(".sh"));
        let own = OWN.iter().find(|(path, _)| *path == file).map(|(_, test)| *test);
        if let Some(test) = own.or(script.filter(|name| scripts.iter().any(|known| known == name))) {
            chosen.push(test.to_owned());
        } else if file.starts_with(SCRIPTS) || is_common(file) || !Config::needed([file]).is_empty() {
            return Tests::Profile;
        }
    }
    chosen.sort();
    chosen.dedup();
    if chosen.is_empty() { Tests::None } else { Tests::These(chosen) }
}

#[cfg(test)]
mod tests_of_it {
    use super::*;

    #[test]
    fn what_is_touched_decides() {
        let scripts = ["diag", "mptcp_join"].map(str::to_owned);
        let of = |files: &[&str]| tests(files.iter().copied(), &scripts);
        assert_eq!(of(&["Documentation/networking/mptcp.rst", "MAINTAINERS"]), Tests::None);
        assert_eq!(of(&["net/mptcp/protocol.c"]), Tests::Profile);
        let these = |names: &[&str]| Tests::These(names.iter().map(|&name| name.to_owned()).collect());
        assert_eq!(
            of(&["net/mptcp/sockopt.c", "tools/testing/selftests/net/mptcp/diag.sh"]),
            these(&["diag", "mptcp_sockopt"])
        );
        for common in ["net/mptcp/mptcp_lib.sh", "net/lib.sh", "net/lib/sh/defer.sh", "lib.mk"] {
            assert_eq!(of(&[&format!("tools/testing/selftests/{common}")]), Tests::Profile, "{common}");
        }
        assert_eq!(of(&["tools/testing/selftests/mm/Makefile"]), Tests::None);
    }
}
