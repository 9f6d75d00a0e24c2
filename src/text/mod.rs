//! Text that others wrote, files that appear whole, keys that stand for what they were made of, and times.
//!
//! These are needed by every room and easy to get slightly wrong, so each has one home:
//!
//! * [`Shown`] is the only way from untrusted bytes to a terminal or a report, and [`decode`] the only way from bytes to
//!   a `String`.
//! * [`file`] replaces files that other processes read or write at the same time.
//! * [`hash`] makes keys of caches and names of directories.
//! * [`nearest`] finds what was probably meant, and [`duration`] reads times as people write them.

pub mod duration;
pub mod file;
pub mod hash;
pub mod nearest;

pub use ::shown::{Shown, decode, is_hidden, json};
