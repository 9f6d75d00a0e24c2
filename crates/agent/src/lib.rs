//! The guest side: the protocol that both sides share, and the agent that runs inside.

pub mod agent;
mod cgroup;
mod init;
mod job;
mod jobs;
mod kmemleak;
mod port;
pub mod protocol;
mod script;
pub mod stream;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
