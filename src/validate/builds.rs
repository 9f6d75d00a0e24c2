//! The checks that build a patch: in what it can affect.

use super::blame::{blame, is_changed};
use super::effects::judge;
use super::keys;
use super::site::Site;
use super::validator::{Validator, failed};
use crate::error::{Kind, Result};
use crate::event::{CheckId, CheckOn};
use crate::process::find;
use crate::series::diff::Kind as Change;
use crate::series::make::{Config, Targets, is_selftest, targets, users};
use crate::series::{AppliedPatch, Judgement, Patch};
use std::time::Instant;

/// The checks on one patch that build.
const PER_PATCH: [CheckId; 4] = [CheckId::Build, CheckId::Warnings, CheckId::Sparse, CheckId::Selftests];

/// Why nothing is built.
pub(super) const NO_CONFIGURATION: &str =
    "none of the configurations that it needs can be built here, or was asked for";

/// What the four checks say of a patch, and why some could not.
type Answers = Vec<(CheckId, Judgement)>;

impl Validator<'_> {
    pub(super) fn builds(&mut self) -> Result<()> {
        let builder = self.builder()?;
        let mut site = Site::new(&builder);
        let loaded = self.loaded;
        for patch in loaded.applied_patches() {
            let open = |check: &CheckId| self.is_open(CheckOn::patch(*check, patch.number));
            let open: Vec<CheckId> = PER_PATCH.into_iter().filter(open).collect();
            if !open.is_empty() {
                self.build_patch(patch, &open, &mut site)?;
            }
        }
        if self.is_open(CheckOn::series(CheckId::BuildAll)) {
            self.build_all(&mut site)?;
        }
        site.gaps().try_for_each(|gap| self.note(gap))
    }

    fn build_patch(&mut self, patch: AppliedPatch<'_>, open: &[CheckId], site: &mut Site<'_>) -> Result<()> {
        let began = Instant::now();
        match self.known_or_new(patch, open, site) {
            Ok((answers, known)) => {
                let seconds = if known { 0.0 } else { began.elapsed().as_secs_f64() };
                // They are done together: the first has the time of all.
                let seconds = |check| if check == open[0] { seconds } else { 0.0 };
                answers.into_iter().try_for_each(|(check, judgement)| {
                    self.judge(CheckOn::patch(check, patch.number), judgement, seconds(check), known)
                })
            }
            Err(error) if error.kind() == Kind::Interrupted => Err(error),
            Err(error) => open
                .iter()
                .try_for_each(|check| self.record(failed(CheckOn::patch(*check, patch.number), &error, 0.0))),
        }
    }

    /// The answers, and whether they were known.
    fn known_or_new(
        &mut self,
        patch: AppliedPatch<'_>,
        open: &[CheckId],
        site: &mut Site<'_>,
    ) -> Result<(Answers, bool)> {
        let configs = self.configs(patch.files(), site)?;
        let before = self.workspace.git().tree_of(&patch.commit.parent)?;
        let asked = open.iter().map(|check| check.as_str());
        let key = keys::build("patch", &before, &patch.commit.tree, &configs, asked);
        if let Some(known) = self.cache.get(&key) {
            return Ok((known, true));
        }
        let answers = self.answers(patch, open, &configs, site)?;
        // Without sparse it is skipped again in any case.
        let skipped = |(check, judgement): &(CheckId, Judgement)| {
            matches!(judgement, Judgement::Skipped(_))
                && (*check != CheckId::Sparse || find("sparse").is_ok())
        };
        // What was broken before may be so because something is missing, and may be there the next time.
        if !answers.iter().any(skipped) {
            self.remember(&key, &answers)?;
        }
        Ok((answers, false))
    }

    fn answers(
        &mut self,
        patch: AppliedPatch<'_>,
        open: &[CheckId],
        configs: &[Config],
        site: &mut Site<'_>,
    ) -> Result<Answers> {
        let wanted = affected(&patch);
        let compiles = open.iter().any(|check| *check != CheckId::Selftests);
        let effects = if compiles && !wanted.is_empty() && !configs.is_empty() {
            self.effects(patch, &wanted, open, configs, site)?
        } else {
            Vec::new()
        };
        let mut answers = Answers::new();
        for check in open {
            let judgement = match *check {
                CheckId::Selftests => self.selftests(patch, site)?,
                _ if wanted.is_empty() => Judgement::not_applicable("nothing that it touches is compiled"),
                _ if configs.is_empty() => Judgement::skip(NO_CONFIGURATION),
                CheckId::Sparse if find("sparse").is_err() => {
                    Judgement::skip("sparse is not installed: vmptcp doctor names its package")
                }
                check => judge(check, &effects, &wanted),
            };
            answers.push((*check, judgement));
        }
        Ok(answers)
    }

    fn selftests(&mut self, patch: AppliedPatch<'_>, site: &mut Site<'_>) -> Result<Judgement> {
        if !patch.files().any(is_selftest) {
            return Ok(Judgement::not_applicable("no program of the selftests is touched"));
        }
        let out = site.builder.builds.join("selftests");
        self.go_to(&patch.commit.hash, site)?;
        let on = CheckOn::patch(CheckId::Selftests, patch.number);
        self.begins(on, "")?;
        let built = site.builder.selftests(&out)?;
        if built.ok && built.remarks.is_empty() {
            return Ok(Judgement::pass());
        }
        self.go_to(&patch.commit.parent, site)?;
        self.begins(on, "without the patch")?;
        let known = site.builder.selftests(&out)?;
        let found = blame(&known, &built, |file, line| is_changed(&patch, file, line));
        if found.is_empty() && !built.ok {
            let why = built.first_error();
            return Ok(Judgement::skip(format!("they do not build without this patch either: {why}")));
        }
        Ok(Judgement::Done(found))
    }
}

/// What make has to be asked for because of a patch. Who used a file that goes is in its directory, or anywhere.
pub(super) fn affected(patch: &Patch) -> Targets {
    let kept = patch.changes.iter().filter(|change| change.kind != Change::Deleted);
    let deleted = patch.changes.iter().filter(|change| change.kind == Change::Deleted);
    let gone = deleted
        .map(|change| &change.path)
        .chain(patch.changes.iter().filter_map(|change| change.old_path.as_ref()));
    let users: Vec<String> = gone.map(|path| users(path)).collect();
    targets(kept.map(|change| change.path.as_str()).chain(users.iter().map(String::as_str)))
}
