//! What holds of any fragments.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use kconfig::{Asker, DotConfig, Fragment, Request, Value, merge};
use proptest::prelude::*;
use std::collections::HashMap;

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::No),
        Just(Value::Module),
        Just(Value::Yes),
        (-5i64..5).prop_map(|number| Value::Num(number.to_string())),
        "[a-z ]{0,4}".prop_map(Value::Str),
    ]
}

fn fragment() -> impl Strategy<Value = Vec<(String, Value)>> {
    proptest::collection::vec(("[A-E]", value()), 0..8)
}

fn text(lines: &[(String, Value)]) -> String {
    lines.iter().map(|(symbol, value)| value.line(symbol) + "\n").collect()
}

fn requests(by: Asker, lines: &[(String, Value)]) -> Vec<Request> {
    Fragment { by, label: "x.config".into(), text: text(lines) }.parse().unwrap().requests
}

proptest! {
    /// Of the user's requests the last one for each symbol holds, and no symbol is lost or made up.
    #[test]
    fn the_last_request_of_a_symbol_holds(fragments in proptest::collection::vec(fragment(), 0..5)) {
        let all: Vec<Request> = fragments.iter().flat_map(|lines| requests(Asker::User, lines)).collect();
        let last: HashMap<&str, &Value> = all.iter().map(|request| (&*request.symbol, &request.value)).collect();
        let merged = merge(all.iter().cloned());
        let held: HashMap<&str, &Value> =
            merged.requests.iter().map(|request| (&*request.symbol, &request.value)).collect();
        prop_assert_eq!(merged.requests.len(), held.len());
        prop_assert_eq!(held, last);
    }

    /// What was merged reads as a fragment that asks for the same, and to merge it again changes nothing.
    #[test]
    fn merging_twice_is_merging_once(lines in fragment()) {
        let once = merge(requests(Asker::User, &lines));
        let again = Fragment { by: Asker::User, label: "x.config".into(), text: once.text() };
        let twice = merge(again.parse().unwrap().requests);
        prop_assert_eq!(once.text(), twice.text());
        prop_assert!(twice.overrides.is_empty());
    }

    /// The tool's own requests never leave a symbol with less than the tree asks for.
    #[test]
    fn the_tree_is_not_weakened_by_the_tool(tree in fragment(), tool in fragment()) {
        let demanded = merge(requests(Asker::Tree, &tree));
        let merged = merge(requests(Asker::Tree, &tree).into_iter().chain(requests(Asker::Tool, &tool)));
        for demand in demanded.requests.iter().filter(|demand| demand.value.rank().is_some()) {
            let held = merged.requests.iter().find(|request| request.symbol == demand.symbol).unwrap();
            prop_assert!(
                held.value.rank().is_none_or(|rank| Some(rank) >= demand.value.rank()),
                "{:?} became {:?}", demand.value, held.value
            );
        }
    }

    /// A `.config` says of each symbol what its line says.
    #[test]
    fn a_config_is_read_as_it_is_written(lines in fragment()) {
        let held: HashMap<&String, &Value> = lines.iter().map(|(symbol, value)| (symbol, value)).collect();
        let config = DotConfig::parse(&text(&lines));
        for (symbol, value) in held {
            prop_assert_eq!(config.get(symbol), Some(value));
        }
    }

    /// Whatever bytes a fragment has, it is read or refused with its place.
    #[test]
    fn no_text_panics(text in any::<String>()) {
        if let Err(malformed) = (Fragment { by: Asker::User, label: "x.config".into(), text }).parse() {
            prop_assert!(malformed.message.starts_with("x.config:"));
        }
    }
}
