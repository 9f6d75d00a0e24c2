//! Kernels of several variants in one run: each is built and tested as a run of its own, and all are told as one.

use super::context::Context;
use super::pipeline::{FinishedRun, NewRun, Target};
use crate::error::{Error, Kind, Result};
use crate::event::{Event, Progress, Record};
use crate::plan::Plan;
use crate::results::{Joint, Observer, Summary};
use crate::runner::Journal;
use crate::runner::turns::Turn;
use crate::store::RunDir;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

/// A kernel and what is to be done with it.
pub struct Part {
    /// The kernel.
    pub target: Target,
    /// What is to be done.
    pub plan: Plan,
}

impl Part {
    fn name(&self) -> String {
        self.target.variant.to_string()
    }

    /// Carries it out, in a directory of its own in that of the whole run.
    fn carry_out(&self, whole: &Path, teller: Teller, turn: &Turn, context: &Context) -> Result<FinishedRun> {
        let dir = RunDir::create_part(whole, &self.name())?;
        let ended = self.target.carry_out_part(&self.plan, (dir, Box::new(teller)), turn.clone(), context);
        turn.end();
        ended
    }
}

/// The plans of all parts, for a person.
pub fn render(parts: &[Part]) -> String {
    let text = |part: &Part| format!("{}:\n{}", part.name(), part.plan.render());
    parts.iter().map(text).collect::<Vec<_>>().join("\n")
}

/// Carries out all parts, which are of one tree: builds and tests go on together where tests do not mind. The run has the
/// events of all, and a directory for each. The first error of one does not keep the others from being tested.
pub fn carry_out(parts: &[Part], observer: Box<dyn Observer>, context: &Context) -> Result<FinishedRun> {
    let first = parts.first().ok_or_else(|| Error::usage("no kernel to test"))?;
    refuse_twins(parts)?;
    let steps = |part: &Part| -> Vec<String> {
        part.plan.names().iter().map(|step| Joint::step(&part.name(), step)).collect()
    };
    let names: Vec<String> = parts.iter().map(Part::name).collect();
    let kind = format!("{}, on {}", first.plan.kind(), names.join(" and "));
    let runs = first.target.runs();
    let run = NewRun { steps: parts.iter().flat_map(steps).collect(), kind, runs: &runs, observer };
    first.target.observed(run, context, |journal| {
        let facts = BTreeMap::from([("variant".to_owned(), names.join(", "))]);
        journal.add(Event::Provenance { step: None, facts })?;
        let (sender, receiver) = mpsc::channel();
        let whole = journal.path().to_owned();
        thread::scope(|scope| {
            let mut threads = Vec::new();
            for (part, turn) in parts.iter().zip(Turn::of(parts.len())) {
                let teller = Teller { variant: part.name(), sender: sender.clone() };
                let whole = &whole;
                threads.push(scope.spawn(move || part.carry_out(whole, teller, &turn, context)));
            }
            drop(sender);
            let told = listen(&receiver, journal);
            let abrupt = || Err(Error::cannot_run("a part of the run came to an abrupt end"));
            let ended = threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| abrupt()));
            let ended: Vec<Result<FinishedRun>> = ended.collect();
            told.and(conclude(&names, ended, journal))
        })
    })
}

fn refuse_twins(parts: &[Part]) -> Result<()> {
    let mut seen = BTreeSet::new();
    match parts.iter().map(Part::name).find(|name| !seen.insert(name.clone())) {
        None => Ok(()),
        Some(twice) => Err(Error::usage(format!("the variant {twice} is named twice")).hint("name it once")),
    }
}

/// The error of the first part that had one; the others are warnings.
fn conclude(names: &[String], ended: Vec<Result<FinishedRun>>, journal: &mut Journal) -> Result<()> {
    let mut first: Option<Error> = None;
    for (name, part) in names.iter().zip(ended) {
        let Some(error) = part.map_or_else(Some, |part| part.error) else { continue };
        let interrupted = error.kind() == Kind::Interrupted;
        let error = if interrupted { error } else { error.context(name) };
        match &first {
            None => first = Some(error),
            Some(_) if interrupted => {}
            Some(_) => journal.warn(error.to_string(), error.remedy().map(str::to_owned))?,
        }
    }
    first.map_or(Ok(()), Err)
}

/// What a part tells the whole.
struct Told {
    variant: String,
    what: What,
}

enum What {
    Record(Box<Record>),
    Progress(Progress),
    Activity(u32, String),
    Hide,
}

/// Watches a part, and passes on what it sees.
struct Teller {
    variant: String,
    sender: Sender<Told>,
}

impl Teller {
    fn tell(&self, what: What) {
        // The whole listens as long as there is a part.
        let _ = self.sender.send(Told { variant: self.variant.clone(), what });
    }
}

impl Observer for Teller {
    fn record(&mut self, record: &Record, _: &Summary) {
        self.tell(What::Record(Box::new(record.clone())));
    }

    fn activity(&mut self, vm: u32, what: &str) {
        self.tell(What::Activity(vm, what.to_owned()));
    }

    fn hide(&mut self) {
        self.tell(What::Hide);
    }

    fn progress(&mut self, progress: &Progress) {
        self.tell(What::Progress(progress.clone()));
    }
}

/// Writes what the parts tell into the journal of the whole, until all have ended.
fn listen(receiver: &Receiver<Told>, journal: &mut Journal) -> Result<()> {
    let mut joint = Joint::default();
    for Told { variant, what } in receiver {
        match what {
            What::Record(record) => {
                joint.events(&variant, &record.event).into_iter().try_for_each(|event| journal.add(event))?;
            }
            // The line that moves shows the guests, where there are some.
            What::Progress(progress) if !goes_on(journal) => journal.progress(&progress),
            What::Progress(_) => {}
            What::Activity(vm, what) => {
                let vm = joint.vm(&variant, vm);
                journal.activity(vm, &format!("{variant}: {what}"));
            }
            What::Hide => journal.hide_progress(),
        }
    }
    Ok(())
}

/// True if a guest runs.
fn goes_on(journal: &Journal) -> bool {
    journal.summary().vms.iter().any(|vm| vm.end.is_none())
}
