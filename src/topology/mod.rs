//! Networks to run programs in: which hosts there are, how they are linked, and what MPTCP is told on each. Pure.
//!
//! One description, two ways to realise it: network namespaces of one guest, or a guest for each host. [`realise`] says
//! what has to be run where; [`draw`] shows it to a person; [`adapt`] gives a host an address that a program expects.

pub mod adapt;
pub mod draw;
pub mod model;
pub mod realise;

pub use model::{Address, Endpoint, Flag, Host, Link, LinkEnd, PathManager, Topology};
pub use realise::{Action, Interface, Realisation};

/// The name of the host on which servers run.
pub const SERVER: &str = "server";

/// The name of the host on which clients run.
pub const CLIENT: &str = "client";
