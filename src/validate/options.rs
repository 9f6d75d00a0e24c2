//! What of a validation is wanted. Pure.

use crate::error::{Error, Result};
use crate::event::{CheckId, CheckOn};
use crate::kernel::Variant;
use crate::series::Series;
use crate::series::check::{CHECKS, Check, Needs};
use crate::series::make::Config;

/// What is to be done.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Only these patches, by number; all if empty.
    pub patches: Vec<usize>,
    /// Only these checks; all if empty.
    pub checks: Vec<CheckId>,
    /// Only these configurations; all that the files need if empty.
    pub configs: Vec<Config>,
    /// Nothing that builds or boots.
    pub quick: bool,
    /// Warnings count as failures.
    pub strict: bool,
    /// How many jobs make may run at once.
    pub jobs: usize,
    /// Compile through ccache.
    pub ccache: bool,
    /// Variables of the environment that make must not see when it builds patches.
    pub hidden: Vec<String>,
    /// The tests at the tip; none to boot nothing.
    pub tests: Option<TestOptions>,
}

/// Which tests run at the tip of a series.
#[derive(Debug, Clone, Default)]
pub struct TestOptions {
    /// On these kernels.
    pub variants: Vec<Variant>,
    /// All of them, and not only those of the profile or of what was touched.
    pub full: bool,
    /// The flags of the command line that their outcome depends on, each after a blank.
    pub flags: String,
}

impl Options {
    /// Fails if the series has no patch of one of these numbers.
    pub fn check(&self, patches: usize) -> Result<()> {
        match self.patches.iter().find(|&&number| number == 0 || number > patches) {
            Some(number) => {
                Err(Error::usage(format!("there is no patch {number}: the series has {patches}"))
                    .hint("patches are counted from 1"))
            }
            None => Ok(()),
        }
    }

    /// True if this check is wanted.
    fn wants(&self, check: &Check) -> bool {
        let named = self.checks.contains(&check.id);
        let all = self.checks.is_empty() && (!self.quick || check.is_quick());
        // Of single patches, only what looks at single patches.
        (named || all) && (self.patches.is_empty() || check.is_per_patch())
    }

    /// True if less is wanted than all that can be said of the series.
    pub fn is_partial(&self) -> bool {
        self.quick || !(self.patches.is_empty() && self.checks.is_empty() && self.configs.is_empty())
    }

    /// The checks that are wanted, on each patch or on the series, in their order.
    pub fn wanted(&self, series: &Series) -> Vec<CheckOn> {
        let mut wanted = Vec::new();
        for check in CHECKS.iter().filter(|check| self.wants(check)) {
            if check.is_per_patch() {
                let numbers = series.patches.iter().map(|patch| patch.number);
                let numbers =
                    numbers.filter(|number| self.patches.is_empty() || self.patches.contains(number));
                wanted.extend(numbers.map(|number| CheckOn::patch(check.id, number)));
            } else {
                wanted.push(CheckOn::series(check.id));
            }
        }
        wanted
    }

    /// The configurations that these files need, as far as they are wanted.
    pub fn configs_for<'f>(&self, files: impl IntoIterator<Item = &'f str>) -> Vec<Config> {
        let wanted = |config: &Config| self.configs.is_empty() || self.configs.contains(config);
        Config::needed(files).into_iter().filter(wanted).collect()
    }

    /// True if something has to be built.
    pub fn builds(&self) -> bool {
        self.steps().iter().any(|step| matches!(step, Step::Builds | Step::Tests))
    }

    /// The steps in which they are done.
    pub fn steps(&self) -> Vec<Step> {
        let wanted =
            |needs: fn(&Needs) -> bool| CHECKS.iter().any(|check| self.wants(check) && needs(&check.needs));
        let mut steps = vec![Step::Text];
        if wanted(|needs| matches!(needs, Needs::Tool)) {
            steps.push(Step::Tools);
        }
        if wanted(|needs| matches!(needs, Needs::Build | Needs::Tip)) {
            steps.push(Step::Builds);
        }
        if self.tests.is_some() && wanted(|needs| matches!(needs, Needs::Guest)) {
            steps.push(Step::Tests);
        }
        steps
    }
}

/// A step of a validation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// What the text says, and what git made of it.
    Text,
    /// External tools.
    Tools,
    /// Compilers.
    Builds,
    /// Guests.
    Tests,
}

impl Step {
    /// Its name in events and reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Tools => "tools",
            Self::Builds => "builds",
            Self::Tests => "tests",
        }
    }
}
