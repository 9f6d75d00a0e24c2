//! Runs over time: an index of all runs of a user, in SQLite, and what it says of each test.
//!
//! The directories of runs are the truth. The index lies in the user's cache and is brought up to date whenever it is asked, so
//! that it can be removed at any time. Two things in it come from nowhere else: the results of runs whose directory was pruned
//! since, and those that were imported.

mod entry;
mod flakes;
mod index;
mod places;
pub mod public;
mod refresh;

pub use entry::{Entry, Observed, Origin};
pub use flakes::{Failure, Flake, Seen, Streak, flakes, is_failure};
pub use index::{Filter, Index, Listed};
pub use places::Places;
pub use refresh::{Refreshed, refresh};
