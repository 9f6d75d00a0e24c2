//! What was to be squashed before sending.

use super::subject::is_fixup;
use crate::event::Finding;
use crate::series::judgement::Judgement;
use crate::series::model::Series;

pub(super) fn check(series: &Series) -> Judgement {
    let left = series.patches.iter().filter(|patch| is_fixup(&patch.subject));
    Judgement::Done(
        left.map(|patch| {
            Finding::error(format!(
                "patch {} is still to be squashed (\"{}\"): git rebase -i --autosquash",
                patch.number, patch.subject
            ))
        })
        .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::model::tests::{patch, series};

    #[test]
    fn what_is_left_is_named() {
        let all = series(vec![patch("mptcp: a", "", ""), patch("squash! mptcp: a", "", "")]);
        let Judgement::Done(found) = check(&all) else { panic!("skipped") };
        assert_eq!(found.len(), 1);
        assert!(found[0].text.starts_with("patch 2 "));
    }
}
