//! The kernel's configuration as data: fragments, the Kconfig language, and why a symbol did not get the value that was
//! requested.
//!
//! [`merge`] makes one request per symbol of many fragments; whoever uses this crate lets the tree's own kconfig resolve
//! them; [`verify`] compares the `.config` that came of it with the requests, and explains each difference from the tree's
//! Kconfig files, which [`lang::read`] reads: dependencies that are not met, a selector, a choice, a range.
//! [`solve::Solver`] proposes what to request so that a symbol is set. Only `lang::read` looks at the disk.
//!
//! ```
//! use kconfig::{Asker, Fragment, merge};
//!
//! let fragment = |label: &str, text: &str| {
//!     Fragment { by: Asker::User, label: label.into(), text: text.into() }.parse().unwrap().requests
//! };
//! let base = fragment("base.config", "CONFIG_MPTCP=y\nCONFIG_NR_CPUS=8\n");
//! let mine = fragment("my.config", "# CONFIG_MPTCP is not set\n");
//! let merged = merge(base.into_iter().chain(mine));
//! assert_eq!(merged.text(), "CONFIG_NR_CPUS=8\n# CONFIG_MPTCP is not set\n");
//! // The request that lost is remembered, with its place.
//! assert_eq!(merged.overrides[0].earlier.origin.to_string(), "base.config:1");
//! ```

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may fail loudly"))]

pub mod dotconfig;
pub mod explain;
pub mod fragment;
pub mod lang;
mod merge;
mod proof;
mod purpose;
mod render;
pub mod solve;
mod verify;

pub use dotconfig::DotConfig;
pub use fragment::{Asker, Fragment, Malformed, Origin, Parsed, Request, Value, Waiver};
pub use merge::{Merged, Override, merge};
pub use proof::{Mismatch, Proof, Reason, Remedy, Selector, Settable, Severity, SymbolState, Unmet};
pub use render::render;
pub use verify::{Expectations, is_granted, is_met, verify};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
