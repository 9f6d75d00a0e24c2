//! Requests of many fragments, merged: the last one for a symbol wins.

use super::fragment::Request;
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
    /// In the order in which the symbols were first asked for.
    pub requests: Vec<Request>,
    /// For each of `requests`, its place among all that were made: the larger one was made later.
    pub order: Vec<usize>,
    /// Every request whose value is not the one that holds, in the order in which they were made.
    pub overrides: Vec<Override>,
}

/// Merges requests in the order in which they were made.
pub fn merge(requests: impl IntoIterator<Item = Request>) -> Merged {
    let mut finals: Vec<Request> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut order = Vec::new();
    let mut replaced = Vec::new();
    for (now, request) in requests.into_iter().enumerate() {
        if let Some(&place) = places.get(&request.symbol) {
            order[place] = now;
            replaced.push(std::mem::replace(&mut finals[place], request));
        } else {
            places.insert(request.symbol.clone(), finals.len());
            finals.push(request);
            order.push(now);
        }
    }
    let overrides = replaced
        .into_iter()
        .map(|earlier| Override { by: finals[places[&earlier.symbol]].clone(), earlier })
        .filter(|pair| !pair.earlier.value.same(&pair.by.value))
        .collect();
    Merged { requests: finals, order, overrides }
}

impl Merged {
    /// The text of one fragment that asks for the same.
    pub fn text(&self) -> String {
        self.requests.iter().map(|request| request.value.line(&request.symbol) + "\n").collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::fragment::Fragment;
    use super::*;

    fn merged(texts: &[&str]) -> Merged {
        merge(texts.iter().zip('a'..).flat_map(|(text, name)| {
            Fragment { label: name.to_string(), text: (*text).to_owned() }.parse().unwrap().requests
        }))
    }

    #[test]
    fn the_last_one_wins_and_the_order_is_kept() {
        let merged = merged(&["CONFIG_X=y\nCONFIG_Y=m", "CONFIG_Z=1\n# CONFIG_X is not set"]);
        assert_eq!(merged.text(), "# CONFIG_X is not set\nCONFIG_Y=m\nCONFIG_Z=1\n");
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
}
