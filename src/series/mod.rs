//! A patch series, before it is sent: where it comes from, and what there is to say against it.

mod apply;
pub mod bisect;
pub mod check;
mod diagnose;
pub mod diff;
pub mod git;
pub mod import;
pub mod input;
pub mod judgement;
pub mod load;
pub mod mail;
mod mailbox;
pub mod make;
pub mod message;
pub mod model;
pub mod news;
mod partial;
mod raw;
pub mod safety;
pub mod subject;
pub mod thread;
pub mod tool;
pub mod workspace;

pub use judgement::Judgement;
pub use load::Loaded;
pub use model::{AppliedPatch, Origin, Patch, Series};
pub use workspace::Workspace;
