//! Builds of a series: which objects a patch can affect, in which configurations, and what the compilers say of them.

pub mod builder;
mod config;
mod output;
mod targets;

pub use config::{Config, is_selftest};
pub use targets::{Targets, targets, users};
