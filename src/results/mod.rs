//! What a run means: a fold over its events, valid after each of them. Pure.
//!
//! Runner, report and commands read the same state, which the journal keeps: nobody folds a second time.

mod attempt;
mod case;
mod compare;
pub mod ends;
pub mod fisher;
mod fold;
mod hunt;
mod items;
mod joint;
mod keyed;
mod merge;
mod observer;
mod seeds;
mod summary;
mod test;
mod validation;

pub use attempt::Attempt;
pub use case::{Case, CaseResult, cases};
pub use compare::{Change, Comparison, Difference, Tally, compare};
pub use hunt::{Stretch, stretches};
pub use items::{Evidence, Splat, Step, Vm, Warning};
pub use joint::Joint;
pub use keyed::Keyed;
pub use merge::{Merge, ShardRun};
pub use observer::Observer;
pub use seeds::Seeded;
pub use summary::{Summary, Verdict};
pub use test::{Shard, Test};
pub use validation::Validation;

#[cfg(test)]
mod properties;
#[cfg(test)]
pub(crate) mod tests;
