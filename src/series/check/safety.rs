//! May the files of the patch be written?

use crate::series::model::{Patch, Series};
use crate::series::safety;
use crate::series::verdict::Judgement;

pub(super) fn check(_: &Series, patch: &Patch) -> Judgement {
    Judgement::Done(safety::examine(&patch.changes))
}
