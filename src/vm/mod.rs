//! Virtual machines: how one is started, talked to, watched and stopped.

pub mod accel;
pub mod backend;
pub mod cable;
pub mod console;
mod exchange;
mod fingerprint;
pub mod machine;
pub mod registry;
mod remote;
pub mod root;
pub mod session;
mod socket;
pub mod spec;

pub use remote::Remote;
pub use session::{Message, Session};
pub use spec::{Listing, Spec};
