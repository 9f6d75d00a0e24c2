//! Parse, run, exit.

use clap::Parser;
use std::process::ExitCode;
use vmptcp::cli::Cli;
use vmptcp::commands::Context;
use vmptcp::{process, report};

fn main() -> ExitCode {
    let Cli { global, command } = Cli::parse();
    let context = Context::new(global);
    match process::interrupt::install().and_then(|()| command.run(&context)) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            report::console::error(&error, context.colour_on_stderr());
            ExitCode::from(error.kind().exit_code() as u8)
        }
    }
}
