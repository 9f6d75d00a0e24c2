//! `vmptcp exec`: one command in a guest.

use super::context::Context;
use super::flags::GuestFlags;
use super::overrides::variable_of;
use super::pipeline::Target;
use crate::error::{Error, ExitCode, IoContext, Result};
use crate::event::{Event, GUEST_STEP, StepStatus};
use crate::kernel::Lock;
use crate::kernel::build::{self, Built};
use crate::plan::GuestPlan;
use crate::report::console;
use crate::runner::attach::{self, Command, Streams};
use crate::runner::turns::Turn;
use crate::runner::{Host, Journal, building, guest};
use crate::vm::LiveHub;
use std::io::IsTerminal;
use std::path::Path;

/// Run a command in a guest
///
/// Standard input, output and error, and the exit code pass through. Takes the kernel that was built last, and builds one if
/// there is none. What the guest writes is gone with it, except below $VMPTCP_RUN_DIR and what --rw opens.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(after_help = "\
Examples:
  vmptcp exec -- uname -r
  vmptcp exec -- sh -c 'ip mptcp limits show; ss -Mni'
  vmptcp exec --rw . -- tcpdump -c 10 -w trace.pcap
  tar c tests | vmptcp exec -- tar t
  vmptcp exec --build -- true          bring the kernel up to date first")]
pub struct Args {
    /// Configure and build first what changed
    #[arg(long)]
    build: bool,
    /// Give the command a terminal
    #[arg(long, short)]
    tty: bool,
    /// A variable for the command
    #[arg(long, value_name = "NAME=VALUE")]
    env: Vec<String>,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "CMD", allow_hyphen_values = true)]
    command: Vec<String>,
    #[command(flatten)]
    guest: GuestFlags,
}

/// Runs the command.
pub fn run(args: &Args, context: &Context) -> Result<u8> {
    let env = args.env.iter().map(|variable| variable_of(variable)).collect::<Result<_>>()?;
    if args.tty && !std::io::stdin().is_terminal() {
        return Err(Error::usage("--tty needs a terminal as its standard input").hint("leave --tty out"));
    }
    let target = Target::open(context, args.guest.overrides()?)?;
    let request =
        Request { argv: args.command.clone(), env, terminal: args.tty, build: args.build, greeting: None };
    attach(context, &target, &args.guest, request)
}

/// What opens a shell in a guest, whatever root file system it has.
pub(super) const SHELL: &str = "exec \"$(command -v bash || command -v sh)\" -i";

/// A command for a guest, from the command line.
pub(super) struct Request {
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Variables for it.
    pub env: Vec<(String, String)>,
    /// It gets a terminal.
    pub terminal: bool,
    /// Bring the kernel up to date first.
    pub build: bool,
    /// What to say when the guest is up.
    pub greeting: Option<&'static str>,
}

/// Runs a command in a guest of the target, and returns its exit code.
pub(super) fn attach(context: &Context, target: &Target, flags: &GuestFlags, request: Request) -> Result<u8> {
    let host = context.host(Turn::alone())?;
    // What is wrong with the request is found before a kernel is built for it.
    let guest = target.guest(context)?;
    let mut ended = None;
    let outcome = target.journaled(
        vec![GUEST_STEP.to_owned()],
        GUEST_STEP.to_owned(),
        &target.sessions(),
        context,
        |journal| {
            // Held until the guest is gone: nobody changes its kernel meanwhile.
            let (_lock, built) = kernel(context, target, flags, request.build, journal)?;
            ended = Some(enter(context, guest, request, &built, &host, journal)?);
            Ok(())
        },
    )?;
    match ended {
        Some(code) => Ok(code),
        None => outcome.into_result(),
    }
}

/// The kernel that was built last, or one that is built now, and the lock under which it stays as it is.
pub(super) fn kernel(
    context: &Context,
    target: &Target,
    flags: &GuestFlags,
    build: bool,
    journal: &mut Journal,
) -> Result<(Lock, Built)> {
    match (target.share()?, build::last(&target.out())) {
        (Some(lock), Some(built)) if !build => lock.sign().map(|()| (lock, built)),
        (shared, _) => {
            drop(shared);
            let lock = target.lock(journal)?;
            let built = match build::last(&target.out()) {
                Some(built) if !build => built,
                _ => build_it(context, target, flags, journal)?,
            };
            lock.relax()?;
            Ok((lock, built))
        }
    }
}

fn build_it(context: &Context, target: &Target, flags: &GuestFlags, journal: &mut Journal) -> Result<Built> {
    let plan = super::build::plan(context, target, &[], flags.sources()?)?;
    building::prepare(&plan, journal)
}

fn enter(
    context: &Context,
    mut plan: GuestPlan,
    request: Request,
    built: &Built,
    host: &Host,
    journal: &mut Journal,
) -> Result<u8> {
    let own = journal.path().join("guest");
    std::fs::create_dir_all(&own).doing("create", &own)?;
    plan.root.rw.push(own.clone());
    let engine = guest::engine(&plan, &built.image, host, journal)?;
    let spec = guest::spec(&plan, engine, &journal.tmp()?, host)?;
    let mut env = vec![("VMPTCP_RUN_DIR".to_owned(), own.display().to_string())];
    if let (true, Some(term)) = (request.terminal, context.environment.term()) {
        env.push(("TERM".to_owned(), term.to_string_lossy().into_owned()));
    }
    env.extend(request.env);
    let cwd = context.environment.current_dir();
    let cwd = if spec.machine.root.shows(cwd) { cwd } else { Path::new("/") };
    let command =
        Command { argv: request.argv, cwd: cwd.display().to_string(), env, terminal: request.terminal };
    let timeout = plan.pace(engine).boot_timeout(plan.boot_timeout);
    let began = std::time::Instant::now();
    journal.add(Event::StepStarted { step: GUEST_STEP.to_owned() })?;
    let greet = || request.greeting.into_iter().for_each(console::note);
    let mut hub = LiveHub::default();
    let outcome = attach::run(&spec, timeout, &command, &mut hub, Streams::own(), journal, greet);
    let (status, detail) = match &outcome {
        Ok(exit) => (StepStatus::Done, format!("exit code {}", exit.code())),
        Err(error) => (StepStatus::Failed, error.to_string().lines().next().unwrap_or_default().to_owned()),
    };
    let seconds = began.elapsed().as_secs_f64();
    journal.add(Event::StepEnded { step: GUEST_STEP.to_owned(), status, detail, seconds })?;
    Ok(u8::try_from(outcome?.code()).unwrap_or(ExitCode::CannotRun as u8))
}
