//! A new option of MPTCP is tested only if the selftests' fragment asks for it.

use crate::event::Finding;
use crate::series::judgement::Judgement;
use crate::series::model::Series;

pub(super) fn check(series: &Series) -> Judgement {
    let mut found = Vec::new();
    let mut any = false;
    for patch in &series.patches {
        let kconfig = |path: &str| path.rsplit('/').next().is_some_and(|name| name.starts_with("Kconfig"));
        for change in patch.changes.iter().filter(|change| kconfig(&change.path)) {
            let option = |text: &str| {
                let name = text.strip_prefix("config ").or(text.strip_prefix("menuconfig "))?;
                Some(name.trim().to_owned())
            };
            let old: Vec<String> = change.removed.iter().filter_map(|line| option(&line.text)).collect();
            for line in &change.added {
                let Some(name) = option(&line.text).filter(|name| !old.contains(name)) else { continue };
                any = true;
                let explained = series.patches.iter().any(|patch| patch.message.body().contains(&name))
                    || series.cover.as_ref().is_some_and(|cover| cover.message.text.contains(&name));
                if !in_fragment(&series.selftests_config, &name) && !explained {
                    let text = format!(
                        "the new option {name} is not in the selftests' config, and no commit message has the reason: add CONFIG_{name}=y to tools/testing/selftests/net/mptcp/config"
                    );
                    found.push(Finding::error(text).at(&change.path, line.number));
                }
            }
        }
    }
    if any { Judgement::Done(found) } else { Judgement::not_applicable("no new option") }
}

fn in_fragment(fragment: &str, name: &str) -> bool {
    fragment.lines().any(|line| {
        line.trim().strip_prefix("CONFIG_").and_then(|rest| rest.split('=').next()) == Some(name)
            || line.contains(&format!("CONFIG_{name} is not set"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Status;
    use crate::series::model::tests::{patch, series};

    #[test]
    fn a_new_option_is_tested_or_explained() {
        let text = "diff --git a/net/mptcp/Kconfig b/net/mptcp/Kconfig\n--- a/net/mptcp/Kconfig\n+++ b/net/mptcp/Kconfig\n@@ -1,0 +2,2 @@\n+config MPTCP_NEW\n+\tbool\n";
        let mut all = series(vec![patch("mptcp: x", "Why.", text)]);
        assert_eq!(check(&all).status(), Status::Fail);
        all.selftests_config = "CONFIG_MPTCP=y\nCONFIG_MPTCP_NEW=y\n".to_owned();
        assert_eq!(check(&all).status(), Status::Pass);
        all.selftests_config = "CONFIG_MPTCP_NEWER=y\n".to_owned();
        assert_eq!(check(&all).status(), Status::Fail);
        all.patches[0].message.text = "MPTCP_NEW cannot be tested.".to_owned();
        assert_eq!(check(&all).status(), Status::Pass);
        assert_eq!(check(&series(vec![])).status(), Status::NotApplicable);
    }
}
