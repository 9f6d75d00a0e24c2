//! The agent as a program of its own, for guests whose C library is not the host's: built with `+crt-static` it needs none.

use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    match agent::agent::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The guest's console is all that there is; if that is gone too, the exit code is.
            let _ = writeln!(std::io::stderr(), "vmptcp-agent: {error}");
            ExitCode::from(error.kind().exit_code() as u8)
        }
    }
}
