//! What the command says and how it exits, from outside: the real binary in a sandbox of its own. Nothing boots here, and
//! no kernel is built: the tree is a tiny fake, and `make` and `vng` are stand-ins where they are needed to fail.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly, its helpers too")]
#![allow(clippy::disallowed_methods, reason = "vmptcp is run from outside, as a user does")]
#![allow(clippy::too_many_lines, reason = "a snapshot is as long as what it shows")]

mod ci;
mod completions;
mod examples;
mod help;
mod history;
mod image;
mod incumbent;
mod input;
mod matrix;
mod plan;
mod report;
mod samples;
mod sandbox;
mod settings;
mod stop;
mod streams;
mod together;
mod translation;
mod voice;
