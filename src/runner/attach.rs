//! One command in a guest, with its standard streams connected to ours.

mod input;

use super::evidence;
use super::journal::Journal;
use super::watch::{About, SplatCount};
use crate::error::{Error, Kind, Result};
use crate::event::Event;
use crate::guest::protocol::{Exit, Io, Job, JobId, MESSAGE_LIMIT, Stream, ToGuest, encode};
use crate::text::Shown;
use crate::vm::link::{JobEnd, LinkEvent, Loss, Terms};
use crate::vm::{Guest, Hub, LiveHub, Message, Remote, Spec};
use input::{Input, Terminal, terminal_size};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often clocks, the terminal and our input are looked at.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// How long a guest of another process may take to come up: its owner knows better.
const FOREIGN_BOOT_TIMEOUT: Duration = Duration::from_secs(24 * 3600);

const JOB: JobId = 1;

/// The number of the guest: there is one.
const VM: u32 = 1;

/// A command for a guest.
#[derive(Debug, Clone)]
pub struct Command {
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Where it runs.
    pub cwd: String,
    /// Variables that are added to the guest's.
    pub env: Vec<(String, String)>,
    /// It gets a terminal, and ours is passed through.
    pub terminal: bool,
}

/// What a command's standard streams are connected to.
pub struct Streams {
    /// What it reads.
    pub input: Box<dyn Read + Send>,
    /// Where its output goes.
    pub output: Box<dyn Write>,
    /// Where its errors go, and what we have to say.
    pub errors: Box<dyn Write>,
}

impl Streams {
    /// Those of this process.
    pub fn own() -> Self {
        Self {
            input: Box::new(std::io::stdin()),
            output: Box::new(std::io::stdout()),
            errors: Box::new(std::io::stderr()),
        }
    }
}

/// Boots a guest, runs `command` in it, and stops it. What happens to the guest is in the journal; `on_up` is called when it
/// answers.
///
/// It is an error if the guest does not come up, or goes away or hangs before the command ends; its last lines are then in
/// the message.
pub fn run(
    spec: &Spec,
    boot_timeout: Duration,
    command: &Command,
    hub: &mut dyn Hub,
    streams: Streams,
    journal: &mut Journal,
    on_up: impl FnOnce(),
) -> Result<Exit> {
    let console = format!("console-{VM}.log");
    let log = journal.path().join(&console);
    let accelerator = spec.backend.accelerator().to_owned();
    journal.add(Event::VmStarted { vm: VM, accelerator, console })?;
    let guest = Guest::start(hub, spec, &[], VM, boot_timeout, &log)?;
    let mut witness = Recorded { journal, splats: SplatCount::default(), on_up: Some(on_up) };
    let mut attachment = Attachment::new(guest, command, streams);
    let outcome = attachment.serve(hub, &mut witness);
    let mut guest = attachment.guest;
    let flushed = guest.flush().map_or(Ok(()), |splat| witness.event(&LinkEvent::Splat(splat), &guest));
    let tail = guest.link().console_tail();
    guest.stop();
    flushed?;
    let reason = match &outcome {
        Ok(exit) => format!("exit code {}", exit.code()),
        Err(error) => error.to_string(),
    };
    // What the error says is shown with it: the console's end need not be shown twice.
    let crashed = outcome.as_ref().is_err_and(|error| error.kind() == Kind::CannotRun);
    journal.add(Event::VmEnded { vm: VM, crashed, reason, console_tail: Vec::new() })?;
    outcome.map_err(|error| match error.kind() {
        Kind::CannotRun => {
            let tail = tail.iter().fold(String::new(), |all, line| all + "\n  " + line);
            Error::cannot_run(format!("{error}{tail}")).hint(spec.backend.remedy(&log))
        }
        _ => error,
    })
}

/// Runs `command` in a guest that another process started.
pub fn join(socket: &str, command: &Command, streams: Streams, on_up: impl FnOnce()) -> Result<Exit> {
    let mut hub = LiveHub::default();
    let remote = Box::new(Remote::connect(socket, VM, &hub)?);
    let terms = Terms { boot_timeout: FOREIGN_BOOT_TIMEOUT, binds: Vec::new(), answers: true };
    let guest = Guest::new(VM, remote, terms, PathBuf::new(), hub.now());
    Attachment::new(guest, command, streams).serve(&mut hub, &mut Unrecorded { on_up: Some(on_up) })
}

/// What happens to a guest beside the command.
trait Witness {
    /// Takes note of it.
    fn event(&mut self, event: &LinkEvent, guest: &Guest) -> Result<()>;
}

/// A guest of ours.
struct Recorded<'a, F> {
    journal: &'a mut Journal,
    splats: SplatCount,
    on_up: Option<F>,
}

impl<F: FnOnce()> Witness for Recorded<'_, F> {
    fn event(&mut self, event: &LinkEvent, guest: &Guest) -> Result<()> {
        match event {
            LinkEvent::Up { kernel, took, .. } => {
                let (kernel, seconds) = (kernel.clone(), took.as_secs_f64());
                self.journal.add(Event::VmReady { vm: VM, kernel, seconds })?;
                self.journal.hide_progress();
                if let Some(on_up) = self.on_up.take() {
                    on_up();
                }
                Ok(())
            }
            LinkEvent::Splat(splat) => self.splats.record(VM, splat.clone(), About::default(), self.journal),
            LinkEvent::Lost(Loss { hangs: true, .. }) => evidence::registers(guest, None, self.journal),
            _ => Ok(()),
        }
    }
}

/// A guest of another process, which takes note itself.
struct Unrecorded<F> {
    on_up: Option<F>,
}

impl<F: FnOnce()> Witness for Unrecorded<F> {
    fn event(&mut self, event: &LinkEvent, _guest: &Guest) -> Result<()> {
        if let (LinkEvent::Up { .. }, Some(on_up)) = (event, self.on_up.take()) {
            on_up();
        }
        Ok(())
    }
}

/// A guest with a command in it, and what the command is connected to.
struct Attachment<'a> {
    guest: Guest,
    command: &'a Command,
    /// Taken when the command begins.
    source: Option<Box<dyn Read + Send>>,
    input: Option<Input>,
    output: Box<dyn Write>,
    errors: Box<dyn Write>,
    terminal: Option<Terminal>,
}

impl<'a> Attachment<'a> {
    fn new(guest: Guest, command: &'a Command, streams: Streams) -> Self {
        let Streams { input, output, errors } = streams;
        Self { guest, command, source: Some(input), input: None, output, errors, terminal: None }
    }

    /// Serves the command to its end. Our terminal is as it was before when this returns.
    fn serve(&mut self, hub: &mut dyn Hub, witness: &mut dyn Witness) -> Result<Exit> {
        let outcome = self.loop_until_end(hub, witness);
        self.terminal = None;
        outcome
    }

    fn loop_until_end(&mut self, hub: &mut dyn Hub, witness: &mut dyn Witness) -> Result<Exit> {
        loop {
            let heard = hub.next(POLL_INTERVAL)?;
            let now = hub.now();
            let mut events =
                heard.map_or_else(Vec::new, |(_, message): (_, Message)| self.guest.hear(message, now));
            events.extend(self.guest.tick(now)?);
            for event in events {
                witness.event(&event, &self.guest)?;
                if let Some(exit) = self.event(event)? {
                    return Ok(exit);
                }
            }
            if self.input.as_ref().is_some_and(Input::escaped) {
                return Err(Error::interrupted());
            }
            for data in self.input.iter().flat_map(Input::scenarios).collect::<Vec<_>>() {
                self.guest.feed(JOB, data);
            }
            if let Some(size) = self.terminal.as_ref().and_then(Terminal::new_size) {
                self.guest.resize(JOB, size);
            }
        }
    }

    /// Returns how the command ended, if it did.
    fn event(&mut self, event: LinkEvent) -> Result<Option<Exit>> {
        match event {
            LinkEvent::Up { .. } => self.start()?,
            LinkEvent::Output { stream, data, .. } => return self.write(stream, &data),
            LinkEvent::StdinTaken => self.input.iter().for_each(Input::taken),
            LinkEvent::Ended { id: JOB, end: JobEnd::Exit(exit) } => return Ok(Some(exit)),
            LinkEvent::Ended { id: JOB, end: JobEnd::Refused { why, code } } => {
                self.terminal = None;
                let _ = writeln!(self.errors, "vmptcp: {}", Shown::line(&why));
                return Ok(Some(Exit::Code(code)));
            }
            LinkEvent::Warning(text) => {
                let _ = writeln!(self.errors, "vmptcp: the guest reports: {}\r", Shown::line(&text));
            }
            LinkEvent::Lost(loss) => return Err(Error::cannot_run(loss.reason)),
            LinkEvent::Ended { .. }
            | LinkEvent::Console { .. }
            | LinkEvent::Splat(_)
            | LinkEvent::Marked
            | LinkEvent::Expired { .. }
            | LinkEvent::Clock(_)
            | LinkEvent::Stalled(_) => {}
        }
        Ok(None)
    }

    fn write(&mut self, stream: Stream, data: &[u8]) -> Result<Option<Exit>> {
        let written = match stream {
            Stream::Stdout => self.output.write_all(data).and_then(|()| self.output.flush()),
            Stream::Stderr => self.errors.write_all(data),
        };
        match written {
            // Whoever reads us has enough, as in `vmptcp exec -- dmesg | head`.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(Some(Exit::Signal(nix::libc::SIGPIPE))),
            Err(error) => Err(Error::io("write", Path::new("standard output"), &error)),
            Ok(()) => Ok(None),
        }
    }

    fn start(&mut self) -> Result<()> {
        let Command { argv, cwd, env, terminal } = self.command.clone();
        let io = if terminal {
            self.terminal = Some(Terminal::take_over()?);
            Io::Terminal(terminal_size())
        } else {
            Io::Pipes
        };
        let job = Job { id: JOB, argv, cwd, env, io };
        let length = encode(&ToGuest::Run(job.clone())).len();
        if length > MESSAGE_LIMIT {
            return Err(Error::usage(format!("the command is too long for a guest: {length} bytes"))
                .hint("pass what is long by a file, or on standard input"));
        }
        self.guest.run(job);
        self.input = self.source.take().map(|source| Input::read(source, terminal));
        Ok(())
    }
}

#[cfg(test)]
mod tests;
