//! The kernel's configuration: asked for in fragments, resolved by the tree's own kconfig, then proved.
//!
//! [`configure`] is the whole way; everything else is a pure step of it:
//!
//! ```text
//! fragments -> requests -> merged -> (make) .config -> verify, against the tree's Kconfig files -> Proof -> render
//!                            ^          |                                                        ^
//!                            +- needs --+                          remedy (solve, then make) -----+
//! ```

mod configure;
mod dotconfig;
mod explain;
mod fragment;
pub mod lang;
mod merge;
mod needs;
mod proof;
mod purpose;
mod remedy;
mod render;
mod solve;
mod stamp;
mod verify;
mod virtme;

pub use configure::{Base, ConfigureRequest, Outcome, Source, commands_of, configure, current};
pub use dotconfig::DotConfig;
pub use fragment::{Asker, Excuse, Fragment, Origin, Parsed, Request, Value};
pub use merge::{Merged, Override, merge};
pub use proof::{Mismatch, Proof, Reason, Remedy, Selector, Settable, Severity, SymbolState, Unmet};
pub use render::render;
pub use verify::{Expectations, verify};
pub use virtme::virtme_symbols;
