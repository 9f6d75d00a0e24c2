//! For net and net-next: those whom the tree's `get_maintainer.pl` names are among the recipients.

use super::Tools;
use crate::error::Result;
use crate::event::Finding;
use crate::series::judgement::Judgement;
use crate::series::mail::addresses;
use crate::series::model::{Patch, Series};

pub(super) fn check(tools: &Tools<'_>, series: &Series, patch: &Patch) -> Result<Judgement> {
    let Some(tree) = series.tree().filter(|tree| !tree.starts_with("mptcp-")) else {
        return Ok(Judgement::not_applicable("only for net and net-next"));
    };
    let recipients = match &patch.envelope {
        Some(envelope) if !envelope.recipients.is_empty() => &envelope.recipients,
        _ => return Ok(Judgement::skip("no recipients are known: give it the mails")),
    };
    let options =
        ["--no-git", "--no-git-fallback", "--norolestats", "--noroles", "--nokeywords", "--no-fixes"];
    let named = match tools.run_perl("get_maintainer.pl", patch, |perl| perl.args(options))? {
        Ok(named) => named,
        Err(judgement) => return Ok(judgement),
    };
    if !named.status.success() {
        let why = named.stderr.lines().next().unwrap_or("no reason").to_owned();
        return Ok(Judgement::skip(format!("get_maintainer.pl says: {why}")));
    }
    Ok(Judgement::Done(missing(&named.stdout, recipients, &patch.author.email, tree)))
}

/// Those who are named and are no recipients. Everybody reads the list of all kernel developers, so nobody has to send there.
fn missing(named: &str, recipients: &[String], author: &str, tree: &str) -> Vec<Finding> {
    let there = |address: &String| {
        recipients.iter().any(|other| other.eq_ignore_ascii_case(address))
            || address.eq_ignore_ascii_case(author)
    };
    let named = named.lines().flat_map(addresses).filter(|address| address != "linux-kernel@vger.kernel.org");
    named
        .filter(|address| !there(address))
        .map(|address| {
            Finding::warning(format!(
                "get_maintainer names {address} for a patch to {tree}: not among the recipients"
            ))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_named_and_not_written_to_is_told() {
        let named =
            "A B <a@b.org>\nC <c@d.org>\nmptcp@lists.linux.dev\nlinux-kernel@vger.kernel.org\nme@x.org\n";
        let to = ["A@b.org".to_owned(), "mptcp@lists.linux.dev".to_owned()];
        let said: Vec<String> =
            missing(named, &to, "me@x.org", "net").into_iter().map(|one| one.text).collect();
        assert_eq!(said, ["get_maintainer names c@d.org for a patch to net: not among the recipients"]);
    }
}
