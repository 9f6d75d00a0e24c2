//! One file a verb: its arguments, and what it does.

pub mod attach;
pub mod bisect;
pub mod build;
pub mod compare;
pub mod config;
mod context;
pub mod doctor;
pub mod exec;
mod flags;
pub mod flakes;
mod format;
mod fragments;
pub mod history;
pub mod hook;
pub mod hunt;
mod inputs;
pub mod module;
pub mod mptcp;
mod overrides;
mod own;
mod pipeline;
pub mod ps;
pub mod report;
pub mod run;
pub mod sample;
pub mod settings;
pub mod shell;
pub mod source;
pub mod stop;
mod suites;
pub mod test;
pub mod topology;
pub mod validate;
mod workspace;

pub use context::{Color, Context, Global};
