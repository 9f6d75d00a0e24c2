//! From a kernel tree to an MPTCP verdict with one command.
//!
//! The rooms of the house, in the order in which they depend on each other: each imports only those that stand above it
//! in this file. `docs/architecture.md` says what each may not touch, and `tests/house.rs` reads the order from here and
//! checks it all. The empty lines keep rustfmt from sorting the list.

#![cfg_attr(test, allow(clippy::too_many_lines, reason = "a snapshot is as long as what it shows"))]

// Failure kinds, hints and exit codes.
pub use ::error;

// Untrusted text, files that appear whole, keys of caches.
pub mod text;

// What depends on the architecture of a machine; pure.
pub mod arch;

// What happens during a run: facts.
pub mod event;

// The only room that spawns a process.
pub use ::process;

// What the host and the agent in the guest say to each other, and the agent.
pub use ::agent as guest;

// Which protocol connections used, by counters and sockets; pure.
pub mod connections;

// Networks to run programs in, and how they come into being; pure.
pub mod topology;

// What can be run in a guest, and what of it was asked for; pure.
pub mod suite;

// Kernel trees: where they come from, how they are configured and built.
pub mod kernel;

// A patch series: its input, its checks, what they found.
pub mod series;

// Virtual machines: virtme-ng's argv, the accelerator, the session, the console.
pub mod vm;

// Is all there that the job needs, and which package brings it?
pub mod doctor;

// Root filesystems of vmptcp's own for guests.
pub mod image;

// Where a run's files live.
pub mod store;

// What a run means: a fold over its events; pure.
pub mod results;

// Runs over time: an index of all of them.
pub mod history;

// Layers of settings; the only room that reads the environment.
pub mod settings;

// What will be done, as data; pure.
pub mod plan;

// Does it, and keeps the journal.
pub mod runner;

// A patch series judged: its builds, tools and tests against its base.
pub mod validate;

// How results are shown; the only room that prints.
pub mod report;

// One file a verb.
pub mod commands;

// The command line as a whole.
pub mod cli;
