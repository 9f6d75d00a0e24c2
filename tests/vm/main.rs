//! The real thing: a real kernel is built and booted, and its selftests run. Nothing here is a stand-in.
//!
//! These tests need a kernel tree, the tools that `vmptcp doctor` names, mmdebstrap, and time, so `cargo test` leaves them out:
//!
//! ```sh
//! cargo test --release --test vm -- --ignored --test-threads 1
//! ```
//!
//! The tree is the one that `VM_TEST_TREE` names, else the one that `vmptcp source distro` obtains. What is built stays in its
//! work directory: the second time only what changed is built.

#![allow(clippy::disallowed_methods, reason = "vmptcp is run from outside, as a user does")]

mod fleet;
mod guests;
mod image;
mod job;
mod lab;
mod scenarios;
mod scripts;
mod splats;
mod uml;
