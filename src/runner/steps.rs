//! Carries out the steps of a plan, one after the other.

use super::building::{self, Current};
use super::guest::require_root;
use super::{Host, Journal, decode, lab, programs, testing};
use crate::error::{Error, Kind, Result};
use crate::event::Event;
use crate::kernel::Lock;
use crate::kernel::build::Built;
use crate::plan::{Plan, Step};
use crate::vm::LiveHub;

/// Carries out all steps. What came of them is in the journal. Nobody else may change the build as long as tests run on it,
/// but they may test it as well. With a `current` the lock may be a shared one from the beginning.
pub fn carry_out(
    plan: &Plan,
    host: &Host,
    lock: &Lock,
    current: Option<Current>,
    journal: &mut Journal,
) -> Result<()> {
    for note in &plan.notes {
        journal.note(note)?;
    }
    if let Some((shard, division)) = &plan.shard {
        journal.add(Event::RunSharded { shard: *shard, division: division.clone() })?;
    }
    let mut built = None;
    let outcome = one_after_the_other(plan, host, lock, current, &mut built, journal);
    if matches!(&outcome, Err(error) if error.kind() == Kind::Interrupted) {
        return outcome;
    }
    let tree = plan.steps.iter().find_map(|step| match step {
        Step::Build(request) => Some(&request.tree),
        Step::Unpacked(request) => Some(&request.tree),
        _ => None,
    });
    // Also those of the steps before one that failed.
    let decoded = match (tree, built) {
        (Some(tree), Some(built)) => decode::splats(tree, &built, journal),
        _ => Ok(()),
    };
    outcome.and(decoded)
}

/// The steps, up to the first that fails. `built` is what came of the build, if it came to that.
fn one_after_the_other(
    plan: &Plan,
    host: &Host,
    lock: &Lock,
    mut current: Option<Current>,
    built: &mut Option<Built>,
    journal: &mut Journal,
) -> Result<()> {
    if !plan.steps.iter().any(|step| matches!(step, Step::Unpacked(_))) {
        programs::require_host(plan.suites())?;
    }
    // Before something is built for guests that cannot be.
    for step in &plan.steps {
        match step {
            Step::Test(tests) => require_root(&tests.guest.root.dir)?,
            Step::Lab(plan) => require_root(&plan.guest.root.dir)?,
            Step::Configure(_) | Step::Build(_) | Step::Unpacked(_) | Step::Program(_) => {}
        }
    }
    if current.is_none() {
        host.turn.begin_build()?;
    }
    for step in &plan.steps {
        match (step, &mut current) {
            (Step::Configure(_), Some(current)) => current.configured(journal)?,
            (Step::Configure(request), None) => building::configure(request, journal)?,
            (Step::Build(_), Some(current)) => *built = Some(current.built(journal)?),
            (Step::Build(request), None) => *built = Some(building::build(request, journal)?),
            (Step::Unpacked(request), _) => *built = Some(building::unpacked(request, journal)?),
            (Step::Program(request), _) => building::program(request, journal)?,
            (Step::Test(tests), _) => {
                let built = built.as_ref().ok_or_else(|| Error::cannot_run("nothing was built to test"))?;
                lock.relax()?;
                host.turn.begin_tests(!tests.guest.has_virtual_time())?;
                testing::run(tests, built, host, &mut LiveHub::default(), journal)?;
            }
            (Step::Lab(plan), _) => {
                let built = built.as_ref().ok_or_else(|| Error::cannot_run("nothing was built to run on"))?;
                lock.relax()?;
                host.turn.begin_tests(true)?;
                lab::run(plan, built, host, &|| Box::new(LiveHub::default()), journal)?;
            }
        }
    }
    Ok(())
}
