//! Requests of many fragments, merged: the last one for a symbol wins.

use crate::fragment::{Asker, Request, Value};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// A request that a later one replaced by another value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Override {
    /// The request that lost.
    pub earlier: Request,
    /// The request that holds for its symbol in the end.
    pub by: Request,
}

/// One request per symbol.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Merged {
    /// In the order in which they were made: kconfig, too, lets the last one of a choice win.
    pub requests: Vec<Request>,
    /// Every request whose value is not the one that holds, in the order in which they were made.
    pub overrides: Vec<Override>,
}

/// Merges requests in the order in which they were made. What the tool asks for never weakens what the tree asked for
/// before.
pub fn merge(requests: impl IntoIterator<Item = Request>) -> Merged {
    let mut held: HashMap<String, (usize, Request)> = HashMap::new();
    let mut replaced = Vec::new();
    // What the tree asks for, as long as the user does not ask for something else.
    let mut demands: HashMap<String, Value> = HashMap::new();
    for (now, request) in requests.into_iter().enumerate() {
        match request.origin.by {
            Asker::Tree => drop(demands.insert(request.symbol.clone(), request.value.clone())),
            Asker::User => drop(demands.remove(&request.symbol)),
            Asker::Tool => {}
        }
        if demands.get(&request.symbol).is_some_and(|demand| !request.value.meets(demand)) {
            replaced.push((now, request));
        } else if let Some(earlier) = held.insert(request.symbol.clone(), (now, request)) {
            replaced.push(earlier);
        }
    }
    replaced.sort_by_key(|(when, _)| *when);
    let overrides = replaced
        .into_iter()
        .filter_map(|(_, earlier)| Some(Override { by: held.get(&earlier.symbol)?.1.clone(), earlier }))
        .filter(|pair| !pair.earlier.value.same(&pair.by.value))
        .collect();
    let mut finals: Vec<(usize, Request)> = held.into_values().collect();
    finals.sort_by_key(|(when, _)| *when);
    Merged { requests: finals.into_iter().map(|(_, request)| request).collect(), overrides }
}

impl Merged {
    /// The text of one fragment that asks for the same.
    pub fn text(&self) -> String {
        self.requests.iter().map(|request| request.value.line(&request.symbol) + "\n").collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fragment::Fragment;

    fn merged(texts: &[&str]) -> Merged {
        merged_from('a', texts)
    }

    /// Fragments called `first` and so on; `t` is the tree's, `v` vmptcp's.
    fn merged_from(first: char, texts: &[&str]) -> Merged {
        merge(texts.iter().zip(first..).flat_map(|(text, name)| {
            let by = match name {
                't' => Asker::Tree,
                'v' => Asker::Tool,
                _ => Asker::User,
            };
            Fragment { by, label: name.to_string(), text: (*text).to_owned() }.parse().unwrap().requests
        }))
    }

    #[test]
    fn the_last_one_wins_and_stands_last() {
        let merged = merged(&["CONFIG_X=y\nCONFIG_Y=m", "CONFIG_Z=1\n# CONFIG_X is not set"]);
        assert_eq!(merged.text(), "CONFIG_Y=m\nCONFIG_Z=1\n# CONFIG_X is not set\n");
    }

    #[test]
    fn an_override_names_the_request_that_holds_in_the_end() {
        let merged = merged(&["CONFIG_X=y", "CONFIG_X=m", "CONFIG_X=n\nCONFIG_Y=y", "CONFIG_Y=y"]);
        let pairs: Vec<_> =
            merged.overrides.iter().map(|o| format!("{} by {}", o.earlier.origin, o.by.origin)).collect();
        assert_eq!(pairs, ["a:1 by c:1", "b:1 by c:1"]);
    }

    #[test]
    fn a_request_that_was_taken_back_and_made_again_holds() {
        let merged = merged(&["CONFIG_X=y", "CONFIG_X=n", "CONFIG_X=y"]);
        assert_eq!(merged.overrides.len(), 1);
        assert_eq!(merged.overrides[0].earlier.origin.label, "b");
    }
    #[test]
    fn what_the_tree_asks_for_is_not_weakened_by_vmptcp_but_by_the_user() {
        let texts =
            ["CONFIG_X=m\nCONFIG_Y=y\nCONFIG_Z=m", "", "CONFIG_X=n\nCONFIG_Y=m\nCONFIG_Z=y", "CONFIG_Y=n"];
        let merged = merged_from('t', &texts);
        assert_eq!(merged.text(), "CONFIG_X=m\nCONFIG_Z=y\n# CONFIG_Y is not set\n");
        let pairs: Vec<_> =
            merged.overrides.iter().map(|o| format!("{} by {}", o.earlier.origin, o.by.origin)).collect();
        assert_eq!(pairs, ["t:2 by w:1", "t:3 by v:3", "v:1 by t:1", "v:2 by w:1"]);
    }
}
