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
    let command = cli::command();
    let words = match cli::words(std::env::args_os().collect(), &command) {
        Ok(words) => words,
        Err(error) => {
            report::console::error(&error, false);
            return ExitCode::from(error.kind().exit_code() as u8);
        }
    };
    let parsed = Cli::from_arg_matches(&command.get_matches_from(words));
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
