//! Findings of several configurations as one list. Pure.

use crate::event::Finding;
use crate::series::make::Config;

/// Each finding once, with the configurations that it shows in: all of them is not worth a word.
pub fn merge(found: Vec<(Config, Finding)>, all: &[Config]) -> Vec<Finding> {
    let mut merged: Vec<(Finding, Vec<Config>)> = Vec::new();
    for (config, finding) in found {
        match merged.iter_mut().find(|(known, _)| *known == finding) {
            Some((_, configs)) if configs.contains(&config) => {}
            Some((_, configs)) => configs.push(config),
            None => merged.push((finding, vec![config])),
        }
    }
    merged
        .into_iter()
        .map(|(finding, configs)| match configs.as_slice() {
            // One of one: the name is needed to see it again.
            [only] => finding.in_config(only.to_string()),
            [first, rest @ ..] if configs.len() < all.len() => {
                finding.in_config(format!("{first} and {} more", rest.len()))
            }
            [first, ..] => finding.in_config(format!("{first} and all others")),
            [] => finding,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_finding_is_told_once() {
        let all = Config::all();
        let finding = || Finding::error("bad").at("x.c", 3);
        let everywhere = all.iter().map(|config| (*config, finding())).collect();
        assert_eq!(merge(everywhere, &all)[0].config.as_deref(), Some("x86_64-ipv6-mptcp and all others"));
        let some = vec![(all[2], finding()), (all[4], finding()), (all[4], Finding::error("worse"))];
        let merged = merge(some, &all);
        let configs: Vec<&str> = merged.iter().filter_map(|one| one.config.as_deref()).collect();
        assert_eq!(configs, ["i386-ipv6-mptcp and 1 more", "i386-noipv6-mptcp"]);
    }
}
