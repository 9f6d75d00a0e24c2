//! `why TREE CONFIG FRAGMENT`: explains each symbol of a fragment that a resolved `.config` does not have as requested.

#![allow(clippy::print_stdout, reason = "it is an example")]

use kconfig::lang::{Architecture, read};
use kconfig::{Asker, DotConfig, Expectations, Fragment, merge, render, verify};
use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let [tree, config, fragment] = std::env::args()
        .skip(1)
        .collect::<Vec<_>>()
        .try_into()
        .map_err(|_| "usage: why TREE CONFIG FRAGMENT")?;
    let text = std::fs::read_to_string(&fragment)?;
    let parsed = Fragment { by: Asker::User, label: fragment, text }.parse()?;
    let merged = merge(parsed.requests);
    let kconfig = read(Path::new(&tree), &Architecture::of_build([]));
    let resolved = DotConfig::parse(&std::fs::read_to_string(config)?);
    let expect = Expectations { waivers: &parsed.waivers, ..Expectations::default() };
    let proof = verify(&merged, &resolved, &kconfig, &expect);
    print!("{}", render(&proof.mismatches));
    println!("{} of {} requested symbols set", proof.granted, proof.requested);
    Ok(())
}
