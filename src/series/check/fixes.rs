//! `Fixes: 0123456789ab ("subject")`: `submitting-patches.rst`, "Describe your changes".

use crate::event::Finding;
use crate::series::judgement::Judgement;
use crate::series::model::{Lookup, Patch, Series};
use crate::series::subject::Prefix;

/// How many digits a hash has, so that it stays unique for years.
const HASH_DIGITS: usize = 12;

pub(super) fn check(series: &Series, patch: &Patch) -> Judgement {
    let trailers = patch.message.values("Fixes");
    let mut found = Vec::new();
    let mut unknown = 0;
    for (at, value) in trailers.iter().enumerate() {
        let Some((hash, subject)) = parse(value) else {
            found.push(Finding::error(format!(
                "\"Fixes: {value}\" is not of the form Fixes: <{HASH_DIGITS} digits> (\"<subject>\")"
            )));
            continue;
        };
        if hash.len() < HASH_DIGITS {
            found
                .push(Finding::error(format!("Fixes: {hash} has {} digits: give {HASH_DIGITS}", hash.len())));
        } else if hash.len() > HASH_DIGITS {
            found.push(Finding::warning(format!(
                "Fixes: {hash} has {} digits: {HASH_DIGITS} will do",
                hash.len()
            )));
        }
        match patch.fixes.get(at) {
            Some(Lookup::Found(real)) if *real != subject => found
                .push(Finding::error(format!("Fixes: {hash} has another subject in the tree: (\"{real}\")"))),
            Some(Lookup::Missing) => {
                found.push(Finding::error(format!("Fixes: {hash} is no commit that the base contains")));
            }
            Some(Lookup::Unknown) | None => unknown += 1,
            Some(Lookup::Found(_)) => {}
        }
    }
    let code = patch.files().any(|file| !file.starts_with("Documentation/") && file != "MAINTAINERS");
    let is_fix = series.prefix.as_ref().is_some_and(Prefix::is_fix);
    if trailers.is_empty() && is_fix && code && !is_preparation(patch) {
        let tree = series.tree().unwrap_or_default();
        found.push(Finding::warning(format!(
            "a patch for {tree} without Fixes: name the commit that it repairs"
        )));
    }
    if found.is_empty() && unknown > 0 {
        return Judgement::skip("the history here is not whole (a shallow clone?): git fetch --unshallow");
    }
    Judgement::Done(found)
}

/// Tests go with the fix before them.
fn is_preparation(patch: &Patch) -> bool {
    patch.files().all(|file| file.starts_with("tools/testing/"))
}

/// Reads `hash ("subject")`, behind which may stand what the message refers to, ` [1]`, or a remark, ` # v6.1`.
pub(crate) fn parse(value: &str) -> Option<(&str, &str)> {
    let (hash, rest) = value.split_once(' ')?;
    let (subject, behind) = rest.trim().strip_prefix("(\"")?.rsplit_once("\")")?;
    if !(behind.is_empty() || behind.starts_with([' ', '\t']) && behind.trim_start().starts_with(['[', '#']))
    {
        return None;
    }
    let hex = (4..=64).contains(&hash.len()) && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    (hex && !subject.is_empty()).then_some((hash, subject))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Status;
    use crate::series::model::tests::{patch, series};

    fn judge(fixes: &str, lookup: Lookup, tree: &str) -> Judgement {
        let text = "diff --git a/net/mptcp/pm.c b/net/mptcp/pm.c\nindex 1..2 100644\n";
        let mut one = patch("mptcp: x", fixes, text);
        one.fixes = vec![lookup];
        let mut all = series(vec![]);
        all.prefix = Some(Prefix::parse(tree));
        check(&all, &one)
    }

    #[test]
    fn the_form_the_commit_and_its_subject_are_checked() {
        let found = || Lookup::Found("mptcp: y".to_owned());
        let right = "Fixes: 0123456789ab (\"mptcp: y\")";
        assert_eq!(judge(right, found(), "net").status(), Status::Pass);
        assert_eq!(judge(right, Lookup::Missing, "net").status(), Status::Fail);
        assert_eq!(judge(right, Lookup::Unknown, "net").status(), Status::Skip);
        for wrong in [
            "Fixes: 01234567 (\"mptcp: y\")",
            "Fixes: 0123456789ab (\"z\")",
            "Fixes: 0123456789ab mptcp: y",
            "Fixes: bug",
            "Fixes: 0123456789ab (\"mptcp: y\") and more",
        ] {
            assert_eq!(judge(wrong, found(), "net").status(), Status::Fail, "{wrong}");
        }
        for remark in [" [1]", " # v6.1"] {
            assert_eq!(judge(&format!("{right}{remark}"), found(), "net").status(), Status::Pass, "{remark}");
        }
        assert_eq!(judge("Fixes: 0123456789abc (\"mptcp: y\")", found(), "net").status(), Status::Warn);
        assert_eq!(judge("none", Lookup::Missing, "mptcp-net").status(), Status::Warn);
        assert_eq!(judge("none", Lookup::Missing, "mptcp-next").status(), Status::Pass);
    }
}
