//! Virtual machines: how one is started, talked to, watched and stopped.

pub mod accel;
pub mod cable;
pub mod console;
mod exchange;
mod fingerprint;
mod monitor;
pub mod registry;
mod remote;
pub mod session;
mod socket;
pub mod spec;
pub mod virtiofs;

pub use remote::Remote;
pub use session::{Message, Session};
pub use spec::{Filesystem, Share, Spec};
