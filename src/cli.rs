//! The command line: the commands, and who does them.

mod complete;
mod help;
mod incumbent;

use crate::commands::{self, Context, Global};
use crate::error::{ExitCode, Result};
use crate::guest::agent;
use crate::process::{self, Places, Terms};
use crate::report::console;
use crate::settings::Environment;
use clap::builder::styling::{AnsiColor, Styles};
use clap::{CommandFactory, Parser, Subcommand};
use std::ffi::OsString;
use std::path::PathBuf;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

const SHORT_HELP: &str = "Examples and exit codes: vmptcp --help. Of one command: vmptcp COMMAND --help.";

const AFTER_HELP: &str = "\
Examples:
  vmptcp run                           from a tree to the verdict of the default profile
  vmptcp test                          build what changed, then run that profile
  vmptcp test mptcp_join -- -f         one script, with an argument of its own
  vmptcp test mptcp_join:subflows      only these groups of its subtests
  vmptcp hunt simult_flows             a test that fails now and then: the seed with which it does
  vmptcp validate                      the patches on top of the tree, before they are sent
  vmptcp config -e NET_SCH_CAKE        configure, and report whether each symbol is set
  vmptcp sample c-echo                 a sample program, and the protocol that it used
  vmptcp module ~/src/my-modules       kernel modules: built, loaded, watched, unloaded
  vmptcp exec -- ip mptcp limits       one command in a guest
  vmptcp shell                         a terminal in a guest
  vmptcp ps                            which guests run; vmptcp attach, vmptcp stop
  vmptcp doctor --fix                  see what is missing, and install it

Exit codes:
    0  passed                          4  the kernel could not be configured or built
    1  a test failed or timed out      5  could not run: something is missing or broken
    2  usage: bad input                130  interrupted
    3  a guest crashed, or its kernel printed a splat
  `vmptcp exec` and `vmptcp shell` pass the guest's exit code through.

The modes of mptcp-upstream-virtme-docker work too: vmptcp help incumbent.";

/// From a kernel tree to an MPTCP verdict with one command
///
/// Merges the MPTCP kconfig fragments, builds the kernel, boots it with virtme-ng, and runs the MPTCP selftests inside.
#[derive(Debug, Parser)]
#[command(name = "vmptcp", version, styles = STYLES, after_help = SHORT_HELP, after_long_help = AFTER_HELP, max_term_width = 110)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub struct Cli {
    /// Flags that every command takes.
    #[command(flatten)]
    pub global: Global,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Build the kernel, boot it and run the tests
    Run(commands::run::Args),
    /// Run tests in a guest; builds first what changed
    Test(commands::test::Args),
    /// Build and run sample programs in a network, and show which protocol they used
    Sample(commands::sample::Args),
    /// Build kernel modules, load them, watch them, and unload them
    Module(commands::module::Args),
    /// List the networks that programs can run in, or draw one
    Topology(commands::topology::Args),
    /// Show MPTCP sysctls, limits and endpoints of a guest, or of a network's hosts
    Mptcp(commands::mptcp::Args),
    /// Validate a series of patches before it is sent
    Validate(commands::validate::Args),
    /// Validate what git send-email and b4 are about to send
    Hook(commands::hook::Args),
    /// Run tests as a CI system does, and tell others of the results
    Ci(commands::ci::Args),
    /// Find the seeds with which a test fails
    Hunt(commands::hunt::Args),
    /// List what fails at times: how often, since when
    Flakes(commands::flakes::Args),
    /// Compare two runs
    Compare(commands::compare::Args),
    /// Merge the runs of all shards into one run with one report
    Merge(commands::merge::Args),
    /// Add the public CI's results to the history, or rebuild it
    History(commands::history::Args),
    /// Find the commit that broke a test
    Bisect(commands::bisect::Args),
    /// Run the same tests on several kernels
    Matrix(commands::matrix::Args),
    /// Run a command in a guest
    Exec(commands::exec::Args),
    /// Open a terminal in a guest
    Shell(commands::shell::Args),
    /// List the guests that you are running
    Ps(commands::ps::Args),
    /// Open a terminal, or run a command, in a guest that is running
    Attach(commands::attach::Args),
    /// Attach gdb to the kernel of a guest that is running
    Gdb(commands::gdb::Args),
    /// Write the memory of a guest that is running into a file
    Dump(commands::dump::Args),
    /// Stop a guest, and the invocation that it runs for
    Stop(commands::stop::Args),
    /// Build the kernel, its modules, headers and the MPTCP selftests
    Build(commands::build::Args),
    /// Configure the kernel, and prove that each symbol is set
    Config(commands::config::Args),
    /// Pack a built kernel, to test it on other machines
    Pack(commands::pack::Args),
    /// Unpack a kernel that was built elsewhere
    Unpack(commands::unpack::Args),
    /// Print a definition that runs tests on several machines
    ShardTemplate(commands::shard_template::Args),
    /// Obtain a kernel tree
    Source(commands::source::Args),
    /// Check every tool and the machine, and say what is missing
    Doctor(commands::doctor::Args),
    /// Make, list and remove root filesystems for guests
    Image(commands::image::Args),
    /// Show every setting, and where its value comes from
    Settings(commands::settings::Args),
    /// Show an earlier run again
    Report(commands::report::Args),
    /// Print what makes a shell complete commands, flags and names
    Completions(commands::completions::Args),
    /// Write the manual pages
    Man(commands::man::Args),
    /// List the modes and variables of mptcp-upstream-virtme-docker, and how they are spelled here
    #[command(hide = true)]
    Incumbent,
    /// Serve the host from the inside of a guest
    #[command(hide = true)]
    Agent {
        /// Words of a kernel's command line that are none of ours: it hands them to its first process
        #[arg(hide = true)]
        passed_on: Vec<String>,
    },
    /// Run a command that can write into some directories only, in a mount namespace that was made for it
    #[command(hide = true)]
    Confine {
        /// A directory that it may write into
        #[arg(long)]
        write: Vec<PathBuf>,
        /// A directory that it finds below /dev/shm
        #[arg(long)]
        hand_over: Option<PathBuf>,
        /// A program that it finds below /proc
        #[arg(long)]
        agent: Option<PathBuf>,
        /// A directory that it finds below /dev/shm, too
        #[arg(long)]
        show: Vec<PathBuf>,
        /// It is a guest: it keeps no privilege
        #[arg(long)]
        guest: bool,
        /// Nothing about it is random
        #[arg(long)]
        repeatable: bool,
        /// The command starts only once a debugger is attached
        #[arg(long)]
        hold: bool,
        /// It is in no namespace: nothing is mounted
        #[arg(long)]
        bare: bool,
        /// The command
        #[arg(last = true, required = true)]
        command: Vec<OsString>,
    },
}

/// The command line, with its help and with what shells complete.
pub fn command() -> clap::Command {
    let habits = |command: clap::Command| command.after_help(incumbent::page());
    complete::with_names(help::grouped(Cli::command())).mut_subcommand(incumbent::NAME, habits)
}

/// The words for `command` to parse, with the name of the program: a mode of mptcp-upstream-virtme-docker becomes a command
/// of ours, and its new spelling is reported. Fails for a mode that has none.
pub fn words(mut words: Vec<OsString>, command: &clap::Command) -> Result<Vec<OsString>> {
    let given = words.get(1..).unwrap_or_default();
    if let Some(new) = incumbent::rewrite(given, &Environment::from_process(), command)? {
        new.notes.iter().for_each(|note| console::note(note));
        words.truncate(1);
        words.extend(new.words);
    }
    Ok(words)
}

impl Command {
    /// Does what it says, and returns the exit code.
    pub fn run(self, context: &Context) -> Result<u8> {
        match self {
            Self::Run(args) => commands::run::run(&args, context),
            Self::Test(args) => commands::test::run(&args, context),
            Self::Sample(args) => commands::sample::run(&args, context),
            Self::Module(args) => commands::module::run(&args, context),
            Self::Topology(args) => commands::topology::run(&args, context),
            Self::Mptcp(args) => commands::mptcp::run(&args, context),
            Self::Validate(args) => commands::validate::run(&args, context),
            Self::Hook(args) => commands::hook::run(&args, context),
            Self::Ci(args) => commands::ci::run(&args, context),
            Self::Hunt(args) => commands::hunt::run(&args, context),
            Self::Flakes(args) => commands::flakes::run(&args, context),
            Self::Compare(args) => commands::compare::run(&args, context),
            Self::Merge(args) => commands::merge::run(&args, context),
            Self::History(args) => commands::history::run(&args, context),
            Self::Bisect(args) => commands::bisect::run(&args, context),
            Self::Matrix(args) => commands::matrix::run(&args, context),
            Self::Exec(args) => commands::exec::run(&args, context),
            Self::Shell(args) => commands::shell::run(&args, context),
            Self::Ps(args) => commands::ps::run(&args, context),
            Self::Attach(args) => commands::attach::run(&args, context),
            Self::Gdb(args) => commands::gdb::run(&args, context),
            Self::Dump(args) => commands::dump::run(&args, context),
            Self::Stop(args) => commands::stop::run(&args, context),
            Self::Build(args) => commands::build::run(&args, context),
            Self::Config(args) => commands::config::run(&args, context),
            Self::Pack(args) => commands::pack::run(&args, context),
            Self::Unpack(args) => commands::unpack::run(&args, context),
            Self::ShardTemplate(args) => commands::shard_template::run(&args, context),
            Self::Source(args) => commands::source::run(&args, context),
            Self::Doctor(args) => commands::doctor::run(&args, context),
            Self::Image(args) => commands::image::run(&args, context),
            Self::Settings(args) => commands::settings::run(&args, context),
            Self::Report(args) => commands::report::run(&args, context),
            Self::Completions(args) => commands::completions::run(&args),
            Self::Man(args) => commands::man::run(&args, context, command()),
            Self::Confine { write, hand_over, agent, show, guest, repeatable, hold, bare, command } => {
                let places = if bare { Places::Descriptors } else { Places::Mounted };
                let guest = guest.then_some(places);
                let terms = Terms { write, hand_over, agent, show, guest, repeatable, hold };
                process::enter_confinement(&terms, &command)
            }
            Self::Incumbent => {
                console::out(&format!("{}\n", incumbent::page())).map(|()| ExitCode::Passed as u8)
            }
            Self::Agent { .. } => agent::run().map(|()| ExitCode::Passed as u8),
        }
    }
}
