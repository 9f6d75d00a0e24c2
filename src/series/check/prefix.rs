//! The tree that the series is for, in the brackets of the subjects.

use crate::event::Finding;
use crate::series::judgement::Judgement;
use crate::series::model::Series;
use crate::series::subject::TREES;

pub(super) fn check(series: &Series) -> Judgement {
    let Some(prefix) = &series.prefix else {
        return Judgement::skip(
            "commits have no prefix: say which one you will send them with (--subject-prefix 'PATCH mptcp-next')",
        );
    };
    if prefix.tree().is_some() || prefix.is_for_others() {
        return Judgement::pass();
    }
    let given =
        if prefix.words.is_empty() { "no tree".to_owned() } else { format!("{:?}", prefix.words.join(" ")) };
    let text = format!(
        "the prefix names {given}: say which tree the series is for ({}), as in git format-patch --subject-prefix='PATCH mptcp-next'",
        TREES.join(", ")
    );
    Judgement::Done(vec![Finding::error(text)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Status;
    use crate::series::model::tests::series;
    use crate::series::subject::Prefix;

    #[test]
    fn a_tree_has_to_be_named() {
        let status = |prefix: Option<&str>| {
            let mut all = series(vec![]);
            all.prefix = prefix.map(Prefix::parse);
            check(&all).status()
        };
        assert_eq!(status(Some("PATCH net v2")), Status::Pass);
        assert_eq!(status(Some("PATCH 6.12.y")), Status::Pass);
        assert_eq!(status(Some("PATCH")), Status::Fail);
        assert_eq!(status(Some("PATCH nex-next")), Status::Fail);
        assert_eq!(status(None), Status::Skip);
    }
}
