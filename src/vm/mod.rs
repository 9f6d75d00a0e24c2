//! Virtual machines: how one is started, talked to, watched and stopped.

pub mod accel;
pub mod backend;
pub mod console;
mod exchange;
mod fingerprint;
mod guest;
mod hub;
pub mod link;
pub mod machine;
mod message;
pub mod monitor;
pub mod registry;
mod remote;
pub mod repeat;
pub mod root;
pub mod segment;
mod session;
#[cfg(test)]
pub(crate) mod simulated;
mod socket;
pub mod spec;

pub use guest::Guest;
pub use hub::{Hub, LiveHub, MESSAGES_LIMIT, Peer};
pub use message::{Message, VmId};
pub use remote::Remote;
pub use session::Session;
pub use spec::{Listing, Spec};
