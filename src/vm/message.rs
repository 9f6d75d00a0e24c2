//! What a guest tells its owner. Pure.

use crate::guest::protocol::FromGuest;

/// Identifies one VM among those of an invocation.
pub type VmId = u32;

/// What a VM tells its owner.
#[derive(Debug, PartialEq, Eq)]
pub enum Message {
    /// A line of the console, without its line feed; at most [`process::LINE_LIMIT`] bytes.
    Console(Vec<u8>),
    /// The console log cannot be written any more: the reason.
    ConsoleLost(String),
    /// The agent says something.
    Agent(FromGuest),
    /// The agent, or the kernel below it, says something that is no message.
    Noise(String),
    /// The agent's end of the port is closed: the guest is gone, or going.
    AgentGone,
    /// All processes that could write to the console are gone.
    ConsoleEnded,
}
