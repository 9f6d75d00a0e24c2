//! Whom the mail goes to. Patches for the MPTCP trees go to its list alone: its maintainers pass them on. Whom the message
//! names, git send-email adds by itself: they may stay.

use crate::event::Finding;
use crate::series::judgement::Judgement;
use crate::series::model::{Patch, Series};
use crate::series::subject::is_mptcp;

/// The list of MPTCP's developers.
pub(crate) const LIST: &str = "mptcp@lists.linux.dev";

/// The list of the network's developers.
const NETDEV: &str = "netdev@vger.kernel.org";

pub(super) fn check(series: &Series, patch: &Patch) -> Judgement {
    let Some(envelope) = &patch.envelope else {
        return Judgement::skip("commits have no recipients: give it the mails");
    };
    let Some(tree) = series.tree() else {
        return Judgement::skip("which recipients are right depends on the prefix");
    };
    if envelope.recipients.is_empty() {
        return Judgement::skip("the mails name no recipients yet");
    }
    let has = |list: &str| envelope.recipients.iter().any(|address| address.eq_ignore_ascii_case(list));
    let mut found = Vec::new();
    if tree.starts_with("mptcp-") {
        if !has(LIST) {
            found.push(Finding::error(format!(
                "a patch for {tree} goes to {LIST}: it is not among the recipients"
            )));
        }
        let words = patch.message.text.split(|char: char| char.is_whitespace() || "<>(),;".contains(char));
        let named: Vec<&str> = words.filter(|word| word.contains('@')).collect();
        let may_stay = |address: &str| {
            let own = [LIST, &patch.author.email];
            own.iter().chain(&named).any(|known| address.eq_ignore_ascii_case(known))
        };
        for other in envelope.recipients.iter().filter(|address| !may_stay(address)) {
            let text = format!("a patch for {tree} goes to {LIST} only: remove {other}");
            found.push(if is_list(other) { Finding::error(text) } else { Finding::warning(text) });
        }
    } else {
        if !has(NETDEV) {
            found.push(Finding::error(format!(
                "a patch for {tree} goes to {NETDEV}: it is not among the recipients"
            )));
        }
        if patch.files().any(is_mptcp) && !has(LIST) {
            found.push(Finding::error(format!("a patch for MPTCP goes to {LIST} as well")));
        }
    }
    Judgement::Done(found)
}

/// True for a mailing list of the kernel's: a copy disturbs many.
fn is_list(address: &str) -> bool {
    let domain = address.rsplit('@').next().unwrap_or_default().to_lowercase();
    domain == "vger.kernel.org" || domain.starts_with("lists.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Status;
    use crate::series::model::Envelope;
    use crate::series::model::tests::{patch, series};
    use crate::series::subject::Prefix;

    #[test]
    fn the_prefix_says_who_gets_it() {
        let status = |tree: &str, to: &[&str]| {
            let message = "Why.\n\nSuggested-by: B <b@example.org>\nCc: stable@vger.kernel.org";
            let mut one = patch(
                "mptcp: x",
                message,
                "diff --git a/net/mptcp/pm.c b/net/mptcp/pm.c\nindex 1..2 100644\n",
            );
            let recipients = to.iter().map(|&address| address.to_owned()).collect();
            one.envelope = Some(Envelope { recipients });
            let mut all = series(vec![]);
            all.prefix = Some(Prefix::parse(tree));
            check(&all, &one).status()
        };
        assert_eq!(status("mptcp-next", &[LIST]), Status::Pass);
        assert_eq!(status("mptcp-next", &[LIST, "a@example.org"]), Status::Pass, "a copy to oneself");
        let named = [LIST, "b@example.org", "stable@vger.kernel.org"];
        assert_eq!(status("mptcp-net", &named), Status::Pass, "git adds them");
        assert_eq!(status("mptcp-next", &[LIST, "c@example.org"]), Status::Warn);
        assert_eq!(status("mptcp-next", &[LIST, "@example.org"]), Status::Warn);
        assert_eq!(status("mptcp-next", &[LIST, NETDEV]), Status::Fail);
        assert_eq!(status("mptcp-net", &[NETDEV]), Status::Fail);
        assert_eq!(status("net-next", &[NETDEV, LIST, "x@y.org"]), Status::Pass);
        assert_eq!(status("net", &[NETDEV]), Status::Fail);
        assert_eq!(status("", &[LIST]), Status::Skip);
        assert_eq!(status("net", &[]), Status::Skip);
    }
}
