//! Ctrl-C, SIGTERM and SIGHUP as one question: has somebody asked us to stop?

use crate::error::{Error, Result};
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

static REQUESTED: OnceLock<Arc<AtomicBool>> = OnceLock::new();

fn flag() -> &'static Arc<AtomicBool> {
    REQUESTED.get_or_init(|| Arc::new(AtomicBool::new(false)))
}

/// From here on the first signal asks us to stop, and a second one ends us at once (the supervisors of our children
/// notice, and take them along).
pub fn install() -> Result<()> {
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM, signal_hook::consts::SIGHUP] {
        signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(flag()))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(flag())))
            .map_err(|error| Error::cannot_run(format!("cannot watch for signal {signal}: {error}")))?;
    }
    Ok(())
}

/// True once somebody asked us to stop.
pub fn requested() -> bool {
    flag().load(Ordering::Relaxed)
}

/// Fails with [`Error::interrupted`] once somebody asked us to stop.
pub fn check() -> Result<()> {
    if requested() { Err(Error::interrupted()) } else { Ok(()) }
}
