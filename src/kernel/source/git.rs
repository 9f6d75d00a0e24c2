//! A shallow clone of one branch.

use super::follow::{LastWords, Patience, Sign, follow};
use super::{Reporter, Store, distinct_name};
use crate::error::{Error, Kind, Result};
use crate::event::{Progress, Unit};
use crate::kernel::space;
use crate::kernel::tree::Tree;
use crate::process::Cmd;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long the server may take to say which commit the branch is at: a machine without network is found out by then.
const FIRST_ANSWER: Duration = Duration::from_secs(20);

/// How long git may be silent. A server that counts a kernel's objects says so every few seconds.
const SILENCE: Duration = Duration::from_secs(120);

/// What a shallow clone of a kernel takes: the pack and the work tree, in bytes.
const SPACE: u64 = 2 << 30;

/// Clones `branch` of `url`, or takes the clone that is there; with `store.update` that is brought up to date.
pub(super) fn obtain(
    url: &str,
    branch: Option<&str>,
    store: &Store<'_>,
    reporter: &mut Reporter<'_>,
) -> Result<PathBuf> {
    let key = format!("{url}\n{}", branch.unwrap_or_default());
    let short = url.rsplit("://").next().unwrap_or(url).trim_end_matches('/').trim_end_matches(".git");
    let name = distinct_name("git", &format!("{short}-{}", branch.unwrap_or("default")), key.as_bytes());
    if let Some(tree) = store.find(&name) {
        if store.update {
            let _lock = store.lock(reporter)?;
            update(&tree, branch, reporter)?;
        }
        return Ok(tree);
    }
    let asked = branch.map_or_else(|| url.to_owned(), |branch| format!("branch {branch} of {url}"));
    probe(url, branch).map_err(|error| error.context(format!("cannot clone {asked}")))?;
    (reporter.note)(format!("cloning {asked}"));
    let tree = store.make(&name, reporter, |partial, reporter| {
        space::require(partial, SPACE, "a kernel tree")?;
        let clone = partial.join("tree");
        let cmd = git().args(["clone", "--progress", "--depth=1", "--single-branch", "--no-tags"]);
        let cmd = cmd.args(branch.map(|branch| format!("--branch={branch}"))).arg("--").arg(url).arg(&clone);
        run(&cmd, reporter).map_err(|error| error.context(format!("cannot clone {asked}")))?;
        Tree::open(&clone).map_err(|_| {
            Error::usage(format!("{asked} is not a kernel: no Makefile with a VERSION, or no Kconfig, there"))
                .hint("vmptcp source git URL --branch B")
        })?;
        Ok(clone)
    })?;
    Ok(tree)
}

/// Asks the server for the branch, which costs next to nothing, before anything long is begun.
fn probe(url: &str, branch: Option<&str>) -> Result<()> {
    let wanted = branch.map_or_else(|| "HEAD".to_owned(), |branch| format!("refs/heads/{branch}"));
    let cmd = git().args(["ls-remote", "--exit-code", "--quiet", "--"]).arg(url).arg(&wanted);
    let mut words = LastWords::default();
    let status = follow(&cmd, Patience { total: Some(FIRST_ANSWER), silence: None }, |sign| {
        if let Sign::Said(line) = sign {
            words.push(line);
        }
    })?;
    match status.code() {
        Some(0) => Ok(()),
        // With --exit-code, 2 means: it answered, and has no such ref.
        Some(2) => Err(Error::usage(format!("it has no {wanted}"))
            .hint(format!("see which branches there are: git ls-remote --heads {url}"))),
        _ => {
            Err(Error::cannot_run(words.to_string()).hint("check the URL and the network: git ls-remote URL"))
        }
    }
}

/// Brings a clone up to date, unless somebody worked in it.
fn update(tree: &Path, branch: Option<&str>, reporter: &mut Reporter<'_>) -> Result<()> {
    let read = |args: &[&str]| git().arg("-C").arg(tree).args(args).read().map(|text| text.trim().to_owned());
    let place = tree.display();
    let upstream = branch.map_or_else(|| "HEAD".to_owned(), |branch| format!("refs/heads/{branch}"));
    let ours = read(&["rev-parse", "HEAD"])?;
    let theirs = read(&["rev-parse", "--verify", "@{upstream}"]).unwrap_or_default();
    if ours != theirs || !read(&["status", "--porcelain", "--untracked-files=no"])?.is_empty() {
        return Err(Error::new(Kind::Usage, format!("cannot update {place}: it has changes of your own"))
            .hint(format!("keep them and use it as it is (without --update), or drop them: git -C {place} reset --hard @{{upstream}}")));
    }
    let fetch = git().arg("-C").arg(tree).args(["fetch", "--progress", "--depth=1", "--no-tags", "origin"]);
    let refspec = if branch.is_some() {
        let tracking = read(&["rev-parse", "--symbolic-full-name", "@{upstream}"])?;
        format!("+{upstream}:{tracking}")
    } else {
        let tracking = read(&["rev-parse", "--symbolic-full-name", "@{upstream}"])?;
        let head = tracking.rsplit('/').next().unwrap_or_default();
        format!("+refs/heads/{head}:{tracking}")
    };
    let cannot = |error: Error| error.context(format!("cannot update {place}"));
    run(&fetch.arg(refspec), reporter).map_err(cannot)?;
    // --keep writes only the files that differ, so that a build after it is incremental, and loses no change.
    read(&["reset", "--quiet", "--keep", "@{upstream}"]).map_err(cannot)?;
    let now = read(&["rev-parse", "--short=12", "HEAD"])?;
    (reporter.note)(format!("{place} is at {now}"));
    Ok(())
}

pub(super) fn git() -> Cmd {
    // No question for a password in the middle of a progress bar, and messages that `parse` understands.
    Cmd::new("git").env("GIT_TERMINAL_PROMPT", "0").env("LC_ALL", "C").args([
        "-c",
        "http.lowSpeedLimit=1",
        "-c",
        "http.lowSpeedTime=60",
        "-c",
        "advice.detachedHead=false",
    ])
}

pub(super) fn run(cmd: &Cmd, reporter: &mut Reporter<'_>) -> Result<()> {
    let mut words = LastWords::default();
    let status = follow(cmd, Patience { total: None, silence: Some(SILENCE) }, |sign| {
        if let Sign::Said(line) = sign {
            match parse(line) {
                Some(progress) => (reporter.progress)(progress),
                None => words.push(line),
            }
        }
    })?;
    if status.success() {
        return Ok(());
    }
    Err(Error::cannot_run(format!("git says: {words}")).hint("check the URL and the network, then try again"))
}

/// Reads a line such as `Receiving objects:  42% (37/88), 1.20 MiB | 3.00 MiB/s`.
fn parse(line: &str) -> Option<Progress> {
    let (what, rest) = line.trim_start_matches("remote: ").split_once(": ")?;
    let (_, rest) = rest.split_once("% (")?;
    let (counts, rest) = rest.split_once(')')?;
    let (done, total) = counts.split_once('/')?;
    let amount = rest.trim_start_matches(',').split('|').next().unwrap_or_default().trim();
    let amount = amount.strip_suffix("done.").unwrap_or(amount).trim_end_matches([',', ' ']);
    let detail =
        if amount.is_empty() { what.to_lowercase() } else { format!("{}, {amount}", what.to_lowercase()) };
    Some(Progress { done: done.parse().ok()?, total: Some(total.parse().ok()?), unit: Unit::Steps, detail })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_read_from_what_git_says() {
        let read = |line| parse(line).map(|p| (p.done, p.total, p.detail));
        assert_eq!(
            read("Receiving objects:  42% (37/88), 1.20 MiB | 3.00 MiB/s"),
            Some((37, Some(88), "receiving objects, 1.20 MiB".to_owned()))
        );
        assert_eq!(
            read("Receiving objects: 100% (88/88), 2.40 MiB | 3.00 MiB/s, done."),
            Some((88, Some(88), "receiving objects, 2.40 MiB".to_owned()))
        );
        assert_eq!(read("Updating files:  50% (4/8)"), Some((4, Some(8), "updating files".to_owned())));
        assert_eq!(
            read("remote: Compressing objects:   1% (1/100)"),
            Some((1, Some(100), "compressing objects".to_owned()))
        );
        assert_eq!(read("fatal: unable to access 'https://x/': Could not resolve host: x"), None);
        assert_eq!(read("Resolving deltas: x% (1/y)"), None);
    }
}
