//! A patch series, before it is sent: where it comes from, and what there is to say against it.

mod apply;
pub mod bisect;
pub mod cache;
pub mod check;
pub mod compare;
mod diagnose;
pub mod diff;
pub mod engine;
pub mod git;
pub mod impact;
pub mod import;
pub mod input;
pub mod load;
pub mod mail;
mod mailbox;
pub mod make;
pub mod message;
mod model;
mod news;
mod partial;
mod raw;
pub mod safety;
pub mod subject;
pub mod thread;
mod tool;
pub mod verdict;
pub mod workspace;

pub use engine::{Engine, Observer, Options};
pub use load::Loaded;
pub use model::{Origin, Patch, Series};
pub use workspace::Workspace;
