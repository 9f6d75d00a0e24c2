//! `Cc: stable@vger.kernel.org # v6.1+`: `Documentation/process/stable-kernel-rules.rst`.

use crate::event::Finding;
use crate::series::judgement::Judgement;
use crate::series::model::{Patch, Series};

/// The address in a trailer.
const STABLE: &str = "stable@vger.kernel.org";

/// The address for what stable must not take on its own.
const NOT_STABLE: &str = "stable+noautosel@kernel.org";

pub(super) fn check(series: &Series, patch: &Patch) -> Judgement {
    let mut found = Vec::new();
    let mut any = false;
    for value in patch.message.values("Cc") {
        let lower = value.to_lowercase();
        if !lower.contains("stable") || !lower.contains('@') {
            continue;
        }
        any = true;
        let address = value.split('#').next().unwrap_or_default().trim();
        let bare = address.trim_start_matches(|char| char != '<').trim_matches(['<', '>']);
        let bare = if bare.is_empty() { address } else { bare };
        if bare == NOT_STABLE {
            continue;
        }
        if bare != STABLE {
            found.push(Finding::error(format!("Cc: {value}: the address of stable is {STABLE}")));
        } else if address != STABLE && address != format!("<{STABLE}>") {
            found.push(Finding::warning(format!("Cc: {value}: write Cc: {STABLE}, without a name")));
        } else if let Some((_, versions)) = value.split_once('#')
            && !versions.trim().starts_with(|char: char| char.is_ascii_digit() || char == 'v')
            && !versions.contains(|char: char| char.is_ascii_digit())
        {
            found
                .push(Finding::warning(format!("Cc: {value}: after # goes the first version, as in # v6.1")));
        }
    }
    if any && series.tree().is_some_and(|tree| tree.ends_with("-next")) {
        found.push(Finding::warning("Cc: stable on a patch that is no fix: should it go to net?"));
    }
    Judgement::Done(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Status;
    use crate::series::model::tests::{patch, series};
    use crate::series::subject::Prefix;

    #[test]
    fn the_address_of_stable_has_one_form() {
        let status = |cc: &str, tree: &str| {
            let mut all = series(vec![]);
            all.prefix = Some(Prefix::parse(tree));
            check(&all, &patch("mptcp: x", cc, "")).status()
        };
        for right in [
            "Cc: stable@vger.kernel.org",
            "Cc: stable@vger.kernel.org # v6.1+",
            "Cc: <stable@vger.kernel.org> # 5.10.x",
            "Cc: B <b@c.org>",
        ] {
            assert_eq!(status(right, "mptcp-net"), Status::Pass, "{right}");
        }
        assert_eq!(status("Cc: stable@kernel.org", "net"), Status::Fail);
        assert_eq!(status("Cc: Stable <stable@vger.kernel.org>", "net"), Status::Warn);
        assert_eq!(status("Cc: stable@vger.kernel.org # all of them", "net"), Status::Warn);
        assert_eq!(status("Cc: stable@vger.kernel.org", "mptcp-next"), Status::Warn);
    }
}
