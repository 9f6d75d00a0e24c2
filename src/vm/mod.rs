//! Virtual machines: how one is started, talked to, watched and stopped.

pub mod accel;
pub mod console;
pub mod session;
pub mod spec;

pub use session::{Message, Session};
pub use spec::{Share, Spec};
