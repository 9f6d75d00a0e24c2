//! Parse, run, exit.

use clap::FromArgMatches;
use clap_complete::CompleteEnv;
use std::process::ExitCode;
use vmptcp::cli::{self, Cli};
use vmptcp::commands::Context;
use vmptcp::{process, report};

fn main() -> ExitCode {
    // A shell that completes a line asks by a variable of the environment, and wants nothing else.
    CompleteEnv::with_factory(cli::command).complete();
    let parsed = Cli::from_arg_matches(&cli::command().get_matches());
    let Cli { global, command } = parsed.unwrap_or_else(|error| error.exit());
    let context = Context::new(global);
    match process::interrupt::install().and_then(|()| command.run(&context)) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            report::console::error(&error, context.colour_on_stderr());
            ExitCode::from(error.kind().exit_code() as u8)
        }
    }
}
