//! Which protocol connections used: counters and sockets of each host, from the texts that the kernel and `ss` print. Pure.

mod fold;
mod judge;
mod mib;
mod ss;

pub use fold::Watch;
pub use mib::Counters;
pub use ss::{Seen, read as read_sockets, read_listeners};
