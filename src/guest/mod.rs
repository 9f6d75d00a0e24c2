//! The guest side: the protocol that both sides share, and the agent that runs inside.

pub mod agent;
mod cgroup;
mod job;
mod kmemleak;
mod port;
pub mod protocol;
pub mod stream;
