//! A guest that was told everything before it booted does not wait for its owner, and may be done before that has asked for
//! anything. What it says is kept back until its owner has: then the conversation is the same as with any other guest. Pure.

use super::super::message::Message;
use super::CONSOLE_LAG;
use crate::guest::protocol::{JobId, ToGuest};
use crate::text::decode;
use std::collections::{HashSet, VecDeque};
use std::time::Instant;

/// How a mark begins on the console, behind the time.
const MARK: &str = "] vmptcp: ";

/// What a guest said that its owner has not asked for yet.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    /// The console, from the first mark that was not asked for.
    console: VecDeque<Message>,
    /// The agent, from the first message about a job that was not asked for.
    agent: VecDeque<Message>,
    console_ended: bool,
    channel_closed: bool,
    marks: HashSet<String>,
    jobs: HashSet<JobId>,
    /// Until when somebody may still ask for what an ended guest said.
    until: Option<Instant>,
}

impl Ahead {
    /// The owner asks for something.
    pub fn asked(&mut self, request: &ToGuest) {
        match request {
            ToGuest::Run(job) => _ = self.jobs.insert(job.id),
            ToGuest::Mark { text } => _ = self.marks.insert(text.clone()),
            _ => {}
        }
    }

    /// Keeps what was said.
    pub fn keep(&mut self, message: Message) {
        match message {
            Message::AgentGone => self.channel_closed = true,
            Message::ConsoleEnded => self.console_ended = true,
            Message::Console(_) => self.console.push_back(message),
            Message::Agent(_) | Message::Noise(_) | Message::ConsoleLost(_) => self.agent.push_back(message),
        }
    }

    /// The next thing that the owner can understand now, if there is one. That the guest is gone comes last.
    pub fn next(&mut self, now: Instant) -> Option<Message> {
        if self.console.front().is_some_and(|line| !self.is_early_line(line)) {
            return self.console.pop_front();
        }
        if self.agent.front().is_some_and(|message| !self.is_early(message)) {
            return self.agent.pop_front();
        }
        if !self.console_ended || !self.channel_closed {
            return None;
        }
        let until = *self.until.get_or_insert(now + CONSOLE_LAG);
        if self.console.is_empty() && self.agent.is_empty() {
            // Each once.
            self.console_ended = false;
            self.agent.push_back(Message::AgentGone);
            return Some(Message::ConsoleEnded);
        }
        // A test may have written such a line itself.
        if now >= until { self.console.pop_front().or_else(|| self.agent.pop_front()) } else { None }
    }

    fn is_early_line(&self, message: &Message) -> bool {
        let Message::Console(line) = message else { return false };
        let line = decode(line);
        let mark = line.trim_end().split_once(MARK).map(|(_, mark)| format!("vmptcp: {mark}"));
        mark.is_some_and(|mark| !self.marks.contains(&mark))
    }

    fn is_early(&self, message: &Message) -> bool {
        let Message::Agent(message) = message else { return false };
        message.job().is_some_and(|id| !self.jobs.contains(&id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guest::protocol::{Exit, FromGuest, Io, Job};

    fn line(text: &str) -> Message {
        Message::Console(text.as_bytes().to_vec())
    }

    fn ended() -> Message {
        Message::Agent(FromGuest::Ended { id: 1, exit: Exit::Code(0) })
    }

    fn said(ahead: &mut Ahead, now: Instant) -> Vec<String> {
        let show = |message: Message| match message {
            Message::Console(line) => decode(&line).into_owned(),
            Message::Agent(FromGuest::Ended { .. }) => "ended".to_owned(),
            other => format!("{other:?}"),
        };
        std::iter::from_fn(|| ahead.next(now)).map(show).collect()
    }

    #[test]
    fn a_guest_that_is_done_already_is_heard_step_by_step() {
        let (mut ahead, now) = (Ahead::default(), Instant::now());
        for text in ["[ 0.0] boot", "[ 0.1] vmptcp: begin of x", "[ 0.2] BUG: y", "[ 0.3] vmptcp: end of x"] {
            ahead.keep(line(text));
        }
        ahead.keep(Message::Agent(FromGuest::Pong));
        ahead.keep(ended());
        ahead.keep(Message::ConsoleEnded);
        ahead.keep(Message::AgentGone);
        assert_eq!(said(&mut ahead, now), ["[ 0.0] boot", "Agent(Pong)"]);
        ahead.asked(&ToGuest::Mark { text: "vmptcp: begin of x".to_owned() });
        assert_eq!(said(&mut ahead, now), ["[ 0.1] vmptcp: begin of x", "[ 0.2] BUG: y"]);
        let (cwd, argv) = ("/".to_owned(), vec!["x".to_owned()]);
        ahead.asked(&ToGuest::Run(Job { id: 1, argv, cwd, env: Vec::new(), io: Io::Merged }));
        assert_eq!(said(&mut ahead, now), ["ended"]);
        ahead.asked(&ToGuest::Mark { text: "vmptcp: end of x".to_owned() });
        assert_eq!(said(&mut ahead, now), ["[ 0.3] vmptcp: end of x", "ConsoleEnded", "AgentGone"]);
        assert_eq!(said(&mut ahead, now), [""; 0], "that was all");
    }

    #[test]
    fn a_mark_that_nobody_ever_asks_for_keeps_nothing_back_for_long() {
        let (mut ahead, now) = (Ahead::default(), Instant::now());
        ahead.keep(line("[ 0.1] vmptcp: a test wrote this"));
        ahead.keep(Message::ConsoleEnded);
        ahead.keep(Message::AgentGone);
        assert_eq!(said(&mut ahead, now), [""; 0]);
        let late = said(&mut ahead, now + CONSOLE_LAG);
        assert_eq!(late, ["[ 0.1] vmptcp: a test wrote this", "ConsoleEnded", "AgentGone"]);
    }
}
