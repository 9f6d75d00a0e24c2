//! From a kernel tree to an MPTCP verdict with one command.
//!
//! The modules, in the order in which they depend on each other; imports go up this list only. `docs/architecture.md`
//! says what each may not touch, and `tests/house.rs` checks it.

pub mod error;
pub mod event;
pub mod process;
