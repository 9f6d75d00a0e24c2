//! Kernel trees: where they come from, what they are, how they are configured and built.

pub mod alias;
pub mod build;
pub mod environment;
pub mod kconfig;
pub mod lock;
pub mod pack;
pub mod program;
mod slug;
pub mod source;
mod space;
pub mod tree;
pub mod variant;
mod version;
pub mod workdir;

pub use environment::MakeEnvironment;
pub use lock::Lock;
pub use tree::Tree;
pub use variant::{Flavour, Variant};
pub use workdir::WorkDir;
