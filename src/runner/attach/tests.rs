use super::*;
use crate::error::ExitCode;
use crate::runner::fixture::{Bench, spec};
use crate::vm::simulated::{Action, JobScript, Script, Simulation, after};
use std::io::Cursor;
use std::sync::{Arc, Mutex};

/// Takes what is written to it.
#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Sink {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

/// Somebody who has enough.
struct Closed;

impl Write for Closed {
    fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
        Err(ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What came of a command.
struct Came {
    outcome: Result<Exit>,
    output: String,
    errors: String,
    greeted: bool,
    bench: Bench,
}

const BOOT_TIMEOUT: Duration = Duration::from_secs(60);

fn command(argv: &[&str]) -> Command {
    let argv = argv.iter().map(|&word| word.to_owned()).collect();
    Command { argv, cwd: "/".to_owned(), env: Vec::new(), terminal: false }
}

fn ran(guests: &Simulation) -> Came {
    let output = Sink::default();
    ran_into(guests, &command(&["demo"]), Box::new(output.clone()), &output)
}

fn ran_into(guests: &Simulation, command: &Command, into: Box<dyn Write>, output: &Sink) -> Came {
    let mut bench = Bench::new();
    let errors = Sink::default();
    let streams = Streams {
        input: Box::new(Cursor::new(b"input".to_vec())),
        output: into,
        errors: Box::new(errors.clone()),
    };
    let mut greeted = false;
    let outcome =
        run(&spec(), BOOT_TIMEOUT, command, &mut guests.clone(), streams, &mut bench.journal, || {
            greeted = true;
        });
    assert!(guests.is_over(), "the guest is left");
    Came { outcome, output: output.text(), errors: errors.text(), greeted, bench }
}

fn guest(job_script: impl FnMut() -> JobScript + Clone + 'static) -> Simulation {
    Simulation::new(move |_| {
        let mut job_script = job_script.clone();
        Script::of(move |_| job_script())
    })
}

#[test]
fn a_command_passes_its_output_and_its_exit_code_on() {
    let guests =
        guest(|| JobScript::of([after(10, Action::Print("hello".into())), after(20, Action::Exit(42))]));
    let came = ran(&guests);
    assert_eq!(came.outcome.unwrap(), Exit::Code(42));
    assert_eq!((came.output.as_str(), came.errors.as_str(), came.greeted), ("hello\n", "", true));
    assert_eq!(came.bench.ends(), [(1, false, "exit code 42".into())]);
    assert!(came.bench.journal.summary().vms[0].boot_seconds.is_some());
}

#[test]
fn what_we_read_is_sent_piece_by_piece() {
    // It ends long after our input did, however late the thread is that reads it.
    let guests = guest(|| JobScript::of([after(10, Action::Take), after(3_600_000, Action::Exit(0))]));
    assert_eq!(ran(&guests).outcome.unwrap(), Exit::Code(0));
    let scenarios: Vec<Vec<u8>> = guests
        .sent_to(1)
        .into_iter()
        .filter_map(|request| match request {
            ToGuest::Stdin { data, .. } => Some(data.0),
            _ => None,
        })
        .collect();
    assert_eq!(scenarios, [b"input".to_vec(), Vec::new()], "and its end");
}

#[test]
fn a_command_that_cannot_be_started_says_so() {
    let came = ran(&guest(|| JobScript::of([after(0, Action::Refuse)])));
    assert_eq!(came.outcome.unwrap(), Exit::Code(127));
    assert_eq!(came.errors, "vmptcp: no such command\n");
    let long = "x".repeat(MESSAGE_LIMIT);
    let guests = guest(JobScript::default);
    let output = Sink::default();
    let came = ran_into(&guests, &command(&["echo", &long]), Box::new(output.clone()), &output);
    let error = came.outcome.unwrap_err();
    assert_eq!(error.kind().exit_code() as u8, ExitCode::Usage as u8);
    assert!(error.to_string().starts_with("the command is too long for a guest: "), "{error}");
}

#[test]
fn a_reader_that_has_enough_ends_the_command() {
    let guests = guest(|| JobScript::of([after(10, Action::Print("line".into()))]));
    let came = ran_into(&guests, &command(&["yes"]), Box::new(Closed), &Sink::default());
    assert_eq!(came.outcome.unwrap(), Exit::Signal(nix::libc::SIGPIPE));
}

#[test]
fn a_guest_that_is_lost_is_an_error_with_its_last_words() {
    let lines = || vec![after(100, Action::Kernel("[    0.1] last words".into()))];
    let with = |end: Option<(Duration, Action)>| {
        Simulation::new(move |_| Script {
            acts: lines().into_iter().chain(end.clone()).collect(),
            ..Script::of(|_| JobScript::of([after(1000, Action::Freeze)]))
        })
    };
    for (end, why, hangs) in [
        (None, "the guest did not come up within 60 s", true),
        (Some(after(200, Action::Crash)), "the guest did not come up", false),
        (Some(after(200, Action::Up)), "the guest hangs: its agent has not answered for 180 s", true),
    ] {
        let guests = with(end);
        let came = ran(&guests);
        let error = came.outcome.unwrap_err();
        assert_eq!(error.to_string(), format!("{why}\n  [    0.1] last words"));
        assert!(error.remedy().unwrap().ends_with("console-1.log"), "{error:?}");
        assert_eq!(guests.log().examined.len(), usize::from(hangs));
        assert_eq!(came.bench.ends(), [(1, true, why.to_owned())]);
    }
}

#[test]
fn a_crash_under_a_command_is_an_error_and_its_splat_is_recorded() {
    let panic = "[    5.0] Kernel panic - not syncing: sysrq";
    let acts = [after(10, Action::Kernel(panic.into())), after(20, Action::Crash)];
    let came = ran(&guest(move || JobScript::of(acts.clone())));
    let error = came.outcome.unwrap_err().to_string();
    assert!(error.starts_with("the guest is gone\n"), "{error}");
    let splats = &came.bench.journal.summary().splats;
    assert_eq!((splats.len(), &splats[0].title[..]), (1, "Kernel panic - not syncing: sysrq"));
}

#[test]
fn an_interrupt_stops_the_guest() {
    let guests = guest(JobScript::default).interrupted_after(Duration::from_secs(30));
    let came = ran(&guests);
    assert_eq!(came.outcome.unwrap_err().kind(), Kind::Interrupted);
    assert_eq!(came.bench.ends().len(), 1);
}
