//! A series judged: the checks of its text, tools, builds and tests, as a run with a journal.
//!
//! What a check says is compared with what it says without the patch, or without the series; what is known already is not
//! done again. How a kernel is configured and booted for the tests is the affair of whoever calls: [`TestRunner`].

mod blame;
mod build_all;
mod builds;
mod cache;
mod compare;
mod effects;
mod impact;
mod keys;
mod merge;
mod options;
mod outcomes;
mod plan;
mod seeded;
mod selftests;
mod site;
mod source;
mod test_runner;
mod validator;

pub use options::{Options, Step, TestOptions};
pub use plan::{kind, plan};
pub use source::{Input, load};
pub use test_runner::{TestRun, TestRunner};
pub use validator::run;
