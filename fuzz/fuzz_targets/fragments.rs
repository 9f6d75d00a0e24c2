//! Any fragment: read, or refused with its place; merged, it reads as the same.
#![no_main]

use kconfig::{Asker, DotConfig, Fragment, merge};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let fragment = |text: &str| Fragment { by: Asker::User, label: "x.config".into(), text: text.into() };
    match fragment(text).parse() {
        Ok(parsed) => {
            let merged = merge(parsed.requests);
            let again = fragment(&merged.text()).parse().map(|parsed| merge(parsed.requests).text());
            assert_eq!(again, Ok(merged.text()));
            let config = DotConfig::parse(&merged.text());
            for request in &merged.requests {
                assert_eq!(config.get(&request.symbol), Some(&request.value));
            }
        }
        Err(malformed) => assert!(malformed.message.starts_with("x.config:")),
    }
});
