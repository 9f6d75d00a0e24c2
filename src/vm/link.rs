//! One conversation with a guest, from its boot to its end: what is heard from its console and its agent, what that means,
//! and what silence means. It does no I/O: it is told what came and what time it is.
//!
//! Console and agent are two channels without a common order. A **mark** gives them one: the agent writes a line into the
//! kernel's log, and all that the console showed before that line came before it.
//!
//! The **watchdog**: an agent that is up is asked now and then whether it is there. One that says nothing for long hangs;
//! its guest is there still and can be examined from outside. A guest whose channel or console ended is gone, as soon as
//! both did or had the time to.

mod ahead;
mod console;

use super::console::Splat;
use super::message::Message;
use crate::guest::protocol::{Exit, FromGuest, Job, JobId, Stream, ToGuest};
use crate::text::decode;
use ahead::Ahead;
use console::Follower;
use std::time::{Duration, Instant};

/// How often the agent is asked whether it is there.
const PING_INTERVAL: Duration = Duration::from_secs(10);

/// How long an agent may say nothing, though it was asked. Slow machines need their time, and the kernel's own watchdogs,
/// which know more, go first: on those they wait for up to 120 seconds.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(180);

/// The same while a guest is asked about something that hangs: it may be the guest.
const POST_MORTEM_TIMEOUT: Duration = Duration::from_secs(25);

/// How long the console may lag behind the agent, and one of the two live on when the other has ended.
pub const CONSOLE_LAG: Duration = Duration::from_secs(5);

/// If nobody looked at the clock for so long, we were stopped, or busy: that is not the guest's time.
const STALL_LIMIT: Duration = Duration::from_secs(10);

/// What an owner has to know.
#[derive(Debug, PartialEq, Eq)]
pub enum LinkEvent {
    /// The guest is up.
    Up {
        /// `uname -r`.
        kernel: String,
        /// Since it was started.
        took: Duration,
        /// Since when its kernel is asked for memory leaks, in jiffies; none if it cannot be asked.
        leaks_since: Option<u64>,
    },
    /// A line of the console, decoded.
    Console {
        /// The line.
        line: String,
        /// It belongs to what was asked for after a hang, and not to what runs.
        post_mortem: bool,
    },
    /// The kernel printed a splat.
    Splat(Splat),
    /// All that the console had to show before the last mark was heard, or had the time to be.
    Marked,
    /// Some of a job's output.
    Output {
        /// Which job.
        id: JobId,
        /// Which stream.
        stream: Stream,
        /// The bytes.
        data: Vec<u8>,
    },
    /// A job took all of its input that was on its way.
    StdinTaken,
    /// A job ended; all of its output came before.
    Ended {
        /// Which job.
        id: JobId,
        /// How.
        end: JobEnd,
    },
    /// A job took longer than it may by the guest's clock, and is stopped by the guest itself.
    Expired {
        /// Which job.
        id: JobId,
    },
    /// What the guest's clock says, which is not the host's: the time since its kernel started.
    Clock(Duration),
    /// Something is wrong that the guest can live with.
    Warning(String),
    /// Nobody looked at the clocks for so long: they are set back, and so must be the owner's.
    Stalled(Duration),
    /// The conversation is over: the last event.
    Lost(Loss),
}

/// How a job ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobEnd {
    /// It ran.
    Exit(Exit),
    /// It could not be started.
    Refused {
        /// Why.
        why: String,
        /// The exit code that a shell has for that.
        code: i32,
    },
}

impl JobEnd {
    /// Its exit code, where it has one.
    pub fn exit_code(&self) -> Option<i32> {
        match self {
            Self::Exit(Exit::Code(code)) | Self::Refused { code, .. } => Some(*code),
            Self::Exit(Exit::Signal(_)) => None,
        }
    }
}

/// Why a conversation is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// What is wrong with the guest.
    pub reason: String,
    /// It is there, and can be examined from outside.
    pub hangs: bool,
}

/// What a conversation depends on.
#[derive(Debug, Clone)]
pub struct Terms {
    /// How long the guest may take to come up.
    pub boot_timeout: Duration,
    /// What its agent binds, once it is up: pairs of where a share is and where it shall appear.
    pub binds: Vec<(String, String)>,
    /// Its agent can be asked whether it is there.
    pub answers: bool,
}

/// How far a conversation is.
#[derive(Debug)]
enum Phase {
    /// Nothing was heard of the agent.
    Booting { until: Instant },
    /// The agent answers.
    Up,
    /// The guest is gone; what it has still to say is waited for.
    Ending { until: Instant },
    /// The owner knows.
    Over,
}

/// One conversation.
#[derive(Debug)]
pub struct Link {
    phase: Phase,
    up: bool,
    started: Instant,
    /// When the agent was heard last, and asked.
    heard: Instant,
    asked: Instant,
    /// When the clocks were looked at last.
    looked: Instant,
    /// Until when the last mark is waited for.
    mark: Option<(String, Instant)>,
    /// Since when the guest is asked about something that hangs.
    post_mortem: Option<Instant>,
    console: Follower,
    channel_closed: bool,
    console_ended: bool,
    terms: Terms,
    requests: Vec<ToGuest>,
    /// What is kept back of a guest that takes no requests.
    ahead: Option<Ahead>,
}

impl Link {
    /// With a guest that was started `now`.
    pub fn new(terms: Terms, now: Instant) -> Self {
        Self {
            phase: Phase::Booting { until: now + terms.boot_timeout },
            up: false,
            started: now,
            heard: now,
            asked: now,
            looked: now,
            mark: None,
            post_mortem: None,
            console: Follower::default(),
            channel_closed: false,
            console_ended: false,
            ahead: (!terms.answers).then(Ahead::default),
            terms,
            requests: Vec::new(),
        }
    }

    /// True if the guest answers, as far as is known.
    pub fn answers(&self) -> bool {
        matches!(self.phase, Phase::Up)
    }

    /// True if it takes no requests: it was told everything before it booted.
    pub fn only_reports(&self) -> bool {
        self.ahead.is_some()
    }

    /// True if it came up, whatever became of it.
    pub fn came_up(&self) -> bool {
        self.up
    }

    /// The last lines of the console.
    pub fn console_tail(&self) -> Vec<String> {
        self.console.tail()
    }

    /// Takes what was left to be sent, in order.
    pub fn take_requests(&mut self) -> Vec<ToGuest> {
        std::mem::take(&mut self.requests)
    }

    /// Starts a job.
    pub fn run(&mut self, job: Job) {
        self.request(ToGuest::Run(job));
    }

    /// Sends something.
    pub fn request(&mut self, request: ToGuest) {
        if let Some(ahead) = &mut self.ahead {
            ahead.asked(&request);
        }
        self.requests.push(request);
    }

    /// Writes a line into the kernel's log. [`LinkEvent::Marked`] comes when the console shows it, or could have.
    pub fn mark(&mut self, text: &str, now: Instant) {
        self.request(ToGuest::Mark { text: text.to_owned() });
        self.mark = Some((text.to_owned(), now + CONSOLE_LAG));
    }

    /// True until the console has shown the last mark.
    pub fn is_marking(&self) -> bool {
        self.mark.is_some()
    }

    /// Something hangs, and the guest is about to be asked what it knows of it. What the console shows from here on was
    /// asked for, and is no splat. A guest that does not answer soon hangs itself.
    pub fn begin_post_mortem(&mut self, now: Instant) {
        self.request(ToGuest::Mark { text: console::POST_MORTEM_BEGIN.to_owned() });
        self.post_mortem = Some(now);
    }

    /// The guest told what it knows, or was asked for long enough.
    pub fn end_post_mortem(&mut self) {
        self.request(ToGuest::Mark { text: console::POST_MORTEM_END.to_owned() });
        self.post_mortem = None;
    }

    /// An open splat, as far as the console has shown it.
    pub fn flush(&mut self) -> Option<Splat> {
        self.console.flush()
    }

    /// Takes what came from the guest.
    pub fn hear(&mut self, message: Message, now: Instant) -> Vec<LinkEvent> {
        let mut events = Vec::new();
        self.look(now, &mut events);
        if matches!(self.phase, Phase::Over) {
            return events;
        }
        match &mut self.ahead {
            Some(ahead) => ahead.keep(message),
            None => self.take(message, now, &mut events),
        }
        self.catch_up(now, &mut events);
        self.check_end(now, &mut events);
        events
    }

    fn take(&mut self, message: Message, now: Instant, events: &mut Vec<LinkEvent>) {
        match message {
            Message::Console(line) => self.console(&line, events),
            Message::ConsoleLost(why) => {
                events.push(LinkEvent::Warning(format!("the console log cannot be written: {why}")));
            }
            Message::Noise(text) => {
                events.push(LinkEvent::Warning(format!(
                    "the channel carries something that is no message: {text}"
                )));
            }
            Message::Agent(message) => self.agent(message, now, events),
            Message::AgentGone => {
                self.channel_closed = true;
                self.is_gone(now);
            }
            Message::ConsoleEnded => {
                self.console_ended = true;
                self.is_gone(now);
            }
        }
    }

    /// Takes what was kept back and is asked for by now.
    fn catch_up(&mut self, now: Instant, events: &mut Vec<LinkEvent>) {
        while let Some(message) = self.ahead.as_mut().and_then(|ahead| ahead.next(now)) {
            self.take(message, now, events);
        }
    }

    /// Looks at the clocks.
    pub fn tick(&mut self, now: Instant) -> Vec<LinkEvent> {
        let mut events = Vec::new();
        self.look(now, &mut events);
        self.catch_up(now, &mut events);
        match &self.phase {
            Phase::Booting { until } if now >= *until => {
                let waited = (now - self.started).as_secs();
                self.hang(format!("the guest did not come up within {waited} s"), &mut events);
            }
            Phase::Up => self.watch(now, &mut events),
            Phase::Booting { .. } | Phase::Ending { .. } | Phase::Over => {}
        }
        self.check_end(now, &mut events);
        events
    }

    /// The backend's process has ended. Of a guest that takes no requests the channels say the same, after all else.
    pub fn has_ended(&mut self, now: Instant) {
        if self.ahead.is_none() {
            self.is_gone(now);
        }
    }

    fn is_gone(&mut self, now: Instant) {
        if matches!(self.phase, Phase::Booting { .. } | Phase::Up) {
            self.phase = Phase::Ending { until: now + CONSOLE_LAG };
        }
        // Whichever ends first: the other may have something to say still. One that never came up has no agent.
        if let Phase::Ending { until } = &mut self.phase
            && self.console_ended
            && (self.channel_closed || !self.up)
        {
            *until = now;
        }
    }

    /// The guest is of no use any more, for this reason, and is there still.
    pub fn give_up(&mut self, reason: &str) -> Vec<LinkEvent> {
        let mut events = Vec::new();
        if !matches!(self.phase, Phase::Over) {
            self.hang(reason.to_owned(), &mut events);
        }
        events
    }

    /// The agent is up: is it there, and has the console shown the mark?
    fn watch(&mut self, now: Instant, events: &mut Vec<LinkEvent>) {
        if self.mark.as_ref().is_some_and(|(_, until)| now >= *until) {
            self.marked(events);
        }
        if !self.terms.answers {
            return;
        }
        let (since, limit) = match self.post_mortem {
            Some(since) => (since.max(self.heard), POST_MORTEM_TIMEOUT),
            None => (self.heard, SILENCE_TIMEOUT),
        };
        if now - since > limit {
            let limit = limit.as_secs();
            self.hang(format!("the guest hangs: its agent has not answered for {limit} s"), events);
        } else if now - self.asked > PING_INTERVAL {
            self.asked = now;
            self.request(ToGuest::Ping);
        }
    }

    /// Sets all clocks back if nobody looked at them, or listened to the guest, for long.
    fn look(&mut self, now: Instant, events: &mut Vec<LinkEvent>) {
        let stall = now.saturating_duration_since(self.looked);
        self.looked = now;
        if stall <= STALL_LIMIT {
            return;
        }
        self.heard += stall;
        self.asked += stall;
        if let Phase::Booting { until } | Phase::Ending { until } = &mut self.phase {
            *until += stall;
        }
        let deadlines = self.mark.iter_mut().map(|(_, until)| until).chain(&mut self.post_mortem);
        deadlines.for_each(|deadline| *deadline += stall);
        events.push(LinkEvent::Stalled(stall));
    }

    fn console(&mut self, line: &[u8], events: &mut Vec<LinkEvent>) {
        let line = decode(line).trim_end().to_owned();
        let is_mark = |(mark, _): &(String, Instant)| line.ends_with(mark);
        let marked = self.answers() && self.mark.as_ref().is_some_and(is_mark);
        if marked {
            // What is open when the mark comes, is of what was before it.
            events.extend(self.flush().map(LinkEvent::Splat));
        }
        let (splat, post_mortem) = self.console.line(&line);
        events.extend(splat.map(LinkEvent::Splat));
        events.push(LinkEvent::Console { line, post_mortem });
        if marked {
            self.marked(events);
        }
    }

    fn marked(&mut self, events: &mut Vec<LinkEvent>) {
        self.mark = None;
        events.extend(self.flush().map(LinkEvent::Splat));
        events.push(LinkEvent::Marked);
    }

    fn agent(&mut self, message: FromGuest, now: Instant, events: &mut Vec<LinkEvent>) {
        self.heard = now;
        if let Phase::Ending { until } = &mut self.phase {
            // It had more to say than the time that its owner took to listen.
            *until = (*until).max(now + CONSOLE_LAG);
        }
        events.push(match message {
            FromGuest::Ready { kernel, leaks_since, .. } => {
                if self.up {
                    return;
                }
                self.up = true;
                if matches!(self.phase, Phase::Booting { .. }) {
                    self.phase = Phase::Up;
                }
                if leaks_since.is_some() {
                    self.console.expect_leaks();
                }
                if !self.terms.binds.is_empty() {
                    let mounts = std::mem::take(&mut self.terms.binds);
                    self.request(ToGuest::Bind { mounts });
                }
                LinkEvent::Up { kernel, took: now - self.started, leaks_since }
            }
            FromGuest::Output { id, stream, data } => LinkEvent::Output { id, stream, data: data.0 },
            FromGuest::StdinTaken { .. } => LinkEvent::StdinTaken,
            FromGuest::Ended { id, exit } => LinkEvent::Ended { id, end: JobEnd::Exit(exit) },
            FromGuest::Failed { id, why, code } => {
                LinkEvent::Ended { id, end: JobEnd::Refused { why, code } }
            }
            FromGuest::Trouble { text } => LinkEvent::Warning(text),
            FromGuest::Expired { id } => LinkEvent::Expired { id },
            FromGuest::Clock { uptime_ms } => LinkEvent::Clock(Duration::from_millis(uptime_ms)),
            FromGuest::Started { .. } | FromGuest::Pong => return,
        });
    }

    fn hang(&mut self, reason: String, events: &mut Vec<LinkEvent>) {
        self.lose(Loss { reason, hangs: true }, events);
    }

    fn check_end(&mut self, now: Instant, events: &mut Vec<LinkEvent>) {
        if matches!(self.phase, Phase::Ending { until } if now >= until) {
            let reason = if self.up { "the guest is gone" } else { "the guest did not come up" };
            self.lose(Loss { reason: reason.to_owned(), hangs: false }, events);
        }
    }

    fn lose(&mut self, loss: Loss, events: &mut Vec<LinkEvent>) {
        events.extend(self.console.flush().map(LinkEvent::Splat));
        self.phase = Phase::Over;
        events.push(LinkEvent::Lost(loss));
    }
}

#[cfg(test)]
mod tests;
