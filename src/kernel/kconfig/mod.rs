//! The kernel's configuration: asked for in fragments, resolved by the tree's own kconfig, then proved.
//!
//! [`configure`] is the whole way; what of it needs no tool and no tree is in the crate `kconfig`:
//!
//! ```text
//! fragments -> requests -> merged -> (make) .config -> verify, against the tree's Kconfig files -> Proof -> render
//!                            ^          |                                                        ^
//!                            +- needs --+                          remedy (solve, then make) -----+
//! ```

mod configure;
mod needs;
mod remedy;
mod request;
mod stamp;
mod virtme;

pub use ::kconfig::lang;
pub use ::kconfig::{Asker, Fragment, Mismatch, Origin, Proof, Request, Severity, Value, render};
pub use configure::{Outcome, commands_of, configure, current};
pub use request::{Base, ConfigureRequest, Source};
pub use virtme::virtme_symbols;

use crate::error::{Error, Result};
use ::kconfig::Malformed;

/// Fails with a build error that names the symbols if there is an error among the mismatches.
pub fn verdict(proof: &Proof) -> Result<()> {
    let names = proof.errors();
    if names.is_empty() {
        return Ok(());
    }
    Err(Error::build(format!("the configuration lacks what was asked for: {}", names.join(", ")))
        .hint("see why, and what to do about each: vmptcp config"))
}

/// The usage error of a line or a flag that asks for nothing.
pub fn malformed(line: Malformed) -> Error {
    Error::usage(line.message).hint(line.remedy)
}
