//! Small series against a kernel tree: a clean one, and others that have one defect each, which its check finds and no other.
//!
//! What takes no compiler runs against a tree of a few files, with the quick tests. All of it runs against a real tree with
//!
//! ```sh
//! cargo test --release --test series -- --ignored --test-threads 1
//! ```
//!
//! The tree is the one that `SERIES_TEST_TREE` names, else the one that `vmptcp source distro` obtains. What is needed of it
//! becomes a git repository of the tests' own, once.

#![allow(clippy::disallowed_methods, reason = "vmptcp is run from outside, as a user does")]
#![allow(clippy::unwrap_used, reason = "a test may fail loudly, its helpers too")]
#![allow(clippy::too_many_lines, reason = "a table of cases is as long as it has cases")]

mod am;
mod corpus;
mod forms;
mod hooks;
mod lab;
mod mails;
mod real;
mod resume;
mod runs;
mod text;
mod untrusted;
