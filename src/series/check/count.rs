//! How many patches: `Documentation/process/maintainer-netdev.rst`, "not more than 15".

use crate::event::Finding;
use crate::series::judgement::Judgement;
use crate::series::model::Series;

/// The most that netdev takes.
const MAX_PATCHES: usize = 15;

pub(super) fn check(series: &Series) -> Judgement {
    let count = series.patches.len();
    let mut found = Vec::new();
    if count > MAX_PATCHES {
        found.push(Finding::error(format!(
            "{count} patches: netdev takes {MAX_PATCHES} at most, split the series"
        )));
    }
    if let Some((_, total)) = series.prefix.as_ref().and_then(|prefix| prefix.count)
        && total != count
    {
        found.push(Finding::error(format!("the subjects count {total} patches, but there are {count}")));
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
    fn too_many_or_too_few_are_told() {
        let status = |count: usize, prefix: &str| {
            let mut all = series(vec![patch("a", "", ""); count]);
            all.prefix = Some(Prefix::parse(prefix));
            check(&all).status()
        };
        assert_eq!(status(15, "PATCH 0/15"), Status::Pass);
        assert_eq!(status(16, "PATCH"), Status::Fail);
        assert_eq!(status(2, "PATCH 1/3"), Status::Fail);
    }
}
