//! Links that a seed varies: a `tc` of our own comes first in the guest's PATH, and adds to what a test asks of netem.

use crate::error::{IoContext, Result};
use crate::guest::protocol::boot::PATH;
use crate::text::file;
use crate::vm::root::Share;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// The program.
const TC: &str = include_str!("vary/tc");

/// Where a guest finds it.
const DIR: &str = "/run/vmptcp-vary";

/// The directory with the program, made in `tmp`, as a guest sees it.
pub(super) fn share(tmp: &Path) -> Result<Share> {
    let dir = tmp.join("vary");
    fs::create_dir_all(&dir).doing("create", &dir)?;
    let program = dir.join("tc");
    file::replace(&program, TC.as_bytes())?;
    fs::set_permissions(&program, Permissions::from_mode(0o755)).doing("make executable", &program)?;
    Ok(Share { host: dir, guest: DIR.into(), writable: false })
}

/// The variables by which the program knows what to vary; none if nothing is.
pub(super) fn variables(vary: &[&str], seed: Option<u64>) -> Vec<(String, String)> {
    let (Some(seed), false) = (seed, vary.is_empty()) else { return Vec::new() };
    [("PATH", format!("{DIR}:{PATH}")), ("VMPTCP_VARY", vary.join(" ")), ("VMPTCP_SEED", seed.to_string())]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::Cmd;

    /// What `tc` is given in the end, with what the program says.
    fn varied(vary: &[&str], seed: u64, words: &str) -> (String, String) {
        let dir = tempfile::tempdir().unwrap();
        let ours = share(dir.path()).unwrap().host;
        let theirs = dir.path().join("theirs");
        fs::create_dir(&theirs).unwrap();
        std::os::unix::fs::symlink("/bin/echo", theirs.join("tc")).unwrap();
        let path = format!("{}:{}:/usr/bin:/bin", ours.display(), theirs.display());
        let cmd = Cmd::new("sh").arg(ours.join("tc")).args(words.split(' '));
        let cmd =
            variables(vary, Some(seed)).into_iter().fold(cmd, |cmd, (name, value)| cmd.env(name, value));
        let output = cmd.env("PATH", path).output().unwrap();
        assert!(output.status.success(), "{}", output.stderr);
        (output.stdout.trim_end().to_owned(), output.stderr)
    }

    #[test]
    fn a_seed_draws_more_delay_and_loss_for_an_emulated_link_and_says_so() {
        let link = "-net ns1 qdisc add dev ns1eth1 root netem rate 10mbit delay 1ms limit 50";
        let all = ["delay", "rtt", "loss", "order"];
        let (first, said) = varied(&all, 4, link);
        assert_eq!((first.clone(), said.clone()), varied(&all, 4, link), "the same seed, the same link");
        assert_ne!(first, varied(&all, 5, link).0, "another seed");
        insta::assert_snapshot!(first.strip_prefix(link).unwrap(), @" delay 47ms loss 0.9% reorder 24%");
        assert!(said.starts_with("# varied by seed 4: ns1eth1: delay "), "{said}");
    }

    #[test]
    fn what_a_test_sets_itself_stays_and_so_does_what_is_no_link_of_netem() {
        let lossy = "qdisc add dev a root netem loss random 10 reorder 25% 50% delay 1ms";
        assert_eq!(varied(&["loss", "order"], 4, lossy).0, format!("{lossy} delay 1ms"));
        for other in ["qdisc add dev a clsact", "qdisc del dev a root netem", "-s qdisc show dev a"] {
            assert_eq!(varied(&["loss"], 4, other), (other.to_owned(), String::new()));
        }
        assert_eq!(variables(&[], Some(4)), []);
    }
}
