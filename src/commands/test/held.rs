//! `vmptcp test --gdb`: a guest whose kernel waits for a debugger.

use super::only_test;
use crate::error::{Error, Result};
use crate::plan::Plan;
use crate::settings::Auto;
use std::time::Duration;

/// How long a person may look at a kernel that does not boot.
const BOOT_TIMEOUT: Duration = Duration::from_secs(7 * 24 * 3600);

/// Lets the one guest of this plan wait for gdb before its kernel starts. Fails unless it is one, in virtual time: there a guest
/// that gdb stops does the same as one that nobody looks at.
pub(super) fn hold(plan: &mut Plan) -> Result<()> {
    let tests = only_test(plan, "--gdb", "vmptcp test NAME --uml --gdb")?;
    if !tests.guest.has_virtual_time() {
        return Err(Error::usage("only a test in virtual time is the same run with gdb and without")
            .hint("add --uml; or attach to any guest that runs: vmptcp gdb"));
    }
    if tests.seeds.count() > 1 || tests.repeat > 1 {
        return Err(Error::usage("--gdb is for one run of a test").hint("choose one seed: --seed N"));
    }
    tests.guest.hold = true;
    tests.guest.boot_timeout = Auto::Given(BOOT_TIMEOUT);
    tests.fleet.shards = false;
    if tests.can_be_divided() {
        plan.notes.push("with --gdb a test runs whole, as with --no-shards".to_owned());
    }
    plan.notes.push("its kernel waits for gdb; in another terminal: vmptcp gdb".to_owned());
    Ok(())
}
