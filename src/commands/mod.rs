//! One file a verb: its arguments, and what it does.

pub mod bisect;
pub mod build;
pub mod config;
mod context;
pub mod doctor;
pub mod exec;
mod flags;
pub mod hook;
mod inputs;
mod pipeline;
pub mod report;
pub mod run;
pub mod settings;
pub mod shell;
pub mod source;
pub mod test;
pub mod validate;

pub use context::{Color, Context, Global};
