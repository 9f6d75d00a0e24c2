//! Any Kconfig file: it is read in bounded time and memory, and what it says of its symbols can be evaluated.
#![no_main]

use kconfig::lang::{Architecture, read_from};
use kconfig::{Asker, DotConfig, Expectations, Fragment, merge, render, verify};
use libfuzzer_sys::fuzz_target;
use std::io;

fuzz_target!(|bytes: &[u8]| {
    // A file that sources others, among them itself.
    let content = |name: &std::path::Path| match name.to_str() {
        Some("Kconfig" | "net/Kconfig") => Ok(bytes.to_vec()),
        _ => Err(io::Error::from(io::ErrorKind::NotFound)),
    };
    let kconfig = read_from(&content, &Architecture::of_build(["ARCH=x86_64"]));
    let text = "CONFIG_A=y\nCONFIG_B=m\nCONFIG_C=\"text\"\nCONFIG_D=7\nCONFIG_MPTCP=y\n# CONFIG_E is not set\n";
    let fragment = Fragment { by: Asker::User, label: "x".into(), text: text.into() };
    let Ok(parsed) = fragment.parse() else { unreachable!("it is well-formed") };
    let merged = merge(parsed.requests);
    let config = DotConfig::parse("CONFIG_B=y\nCONFIG_E=y\nCONFIG_D=9\n");
    let proof = verify(&merged, &config, &kconfig, &Expectations::default());
    assert!(proof.granted <= proof.requested);
    assert!(!render(&proof.mismatches).contains('\u{1b}'));
});
