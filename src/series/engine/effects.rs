//! What a patch does to the build, and to what W=1 and sparse say, in each configuration.

use super::Engine;
use super::builds::{Site, blame, is_changed};
use crate::error::{Kind, Result};
use crate::process::find;
use crate::series::check::names;
use crate::series::make::builder::Built;
use crate::series::make::{Config, Targets};
use crate::series::model::Patch;
use crate::series::news::{Remark, new_ones};
use crate::series::verdict::{Finding, Severity};

/// What one patch does in one configuration.
#[derive(Default)]
pub(super) struct Effect {
    pub(super) build: Vec<Finding>,
    pub(super) warnings: Vec<Finding>,
    pub(super) sparse: Vec<Finding>,
    /// It did not build before either: why.
    pub(super) broken_before: Option<String>,
    /// It does not build.
    pub(super) broken: bool,
}

/// What the tools say of some objects.
struct Examined {
    objects: Vec<String>,
    warnings: Vec<Remark>,
    sparse: Vec<Remark>,
}

impl Engine<'_> {
    /// With the patch first: where nobody says anything, it does not matter what was said before.
    pub(super) fn effects(
        &mut self,
        patch: &Patch,
        wanted: &Targets,
        open: &[&str],
        configs: &[Config],
        site: &mut Site<'_>,
    ) -> Result<Vec<(Config, Effect)>> {
        let sparse = open.contains(&names::SPARSE) && find("sparse").is_ok();
        let examines = sparse || open.contains(&names::WARNINGS);
        self.go_to(&patch.commit, site)?;
        let mut effects = Vec::new();
        let mut said = Vec::new();
        for config in configs {
            self.observer.begins(names::BUILD, Some(patch.number), &config.to_string());
            let effect = self.build(patch, *config, wanted, open, site)?;
            if examines && !effect.broken {
                self.observer.begins(names::WARNINGS, Some(patch.number), &config.to_string());
                let objects = site.builder.examined(*config, wanted);
                let examined = self.examine(*config, objects, sparse, &patch.commit, site)?;
                if !(examined.warnings.is_empty() && examined.sparse.is_empty()) {
                    said.push((effects.len(), examined));
                }
            }
            effects.push((*config, effect));
        }
        if said.is_empty() {
            return Ok(effects);
        }
        self.go_to(&patch.parent, site)?;
        let news = |before: &[Remark], after: &[Remark]| -> Vec<Finding> {
            let new = new_ones(before, after, |file, line| is_changed(patch, file, line));
            new.iter().map(|remark| remark.finding(Severity::Error)).collect()
        };
        for (at, after) in said {
            let (config, effect) = &mut effects[at];
            self.observer.begins(names::WARNINGS, Some(patch.number), &format!("{config}, before"));
            site.configure(*config)?;
            let before = self.examine(*config, after.speaking(), sparse, &patch.parent, site)?;
            if open.contains(&names::WARNINGS) {
                effect.warnings = news(&before.warnings, &after.warnings);
            }
            effect.sparse = news(&before.sparse, &after.sparse);
        }
        Ok(effects)
    }

    /// Compiles what the patch can affect. Without the check that wants it, it is needed only to tell which objects
    /// include a header.
    fn build(
        &mut self,
        patch: &Patch,
        config: Config,
        wanted: &Targets,
        open: &[&str],
        site: &mut Site<'_>,
    ) -> Result<Effect> {
        let mut effect = Effect::default();
        if let Err(error) = site.configure(config) {
            if error.kind() != Kind::Build {
                return Err(error);
            }
            effect.build.push(Finding::error(error.to_string()));
            return Ok(Effect { broken: true, ..effect });
        }
        let checks = open.contains(&names::BUILD);
        if checks || !wanted.headers.is_empty() {
            let built = site.builder.compile(config, wanted)?;
            effect.broken = !built.ok;
            if checks && !built.ok {
                effect.build = self.blame(patch, config, wanted, &built, site)?;
                effect.broken_before = effect.build.is_empty().then(|| built.first_error());
            }
        }
        Ok(effect)
    }

    /// What of a failed build is this patch's doing.
    fn blame(
        &mut self,
        patch: &Patch,
        config: Config,
        wanted: &Targets,
        built: &Built,
        site: &mut Site<'_>,
    ) -> Result<Vec<Finding>> {
        self.go_to(&patch.parent, site)?;
        self.observer.begins(names::BUILD, Some(patch.number), &format!("{config}, without the patch"));
        let known = match site.configure(config) {
            Ok(()) => site.builder.compile(config, wanted)?,
            Err(error) if error.kind() == Kind::Build => Built::default(),
            Err(error) => return Err(error),
        };
        self.go_to(&patch.commit, site)?;
        Ok(blame(&known, built, |file, line| is_changed(patch, file, line)))
    }

    /// What W=1 and sparse say of these objects in a commit. sparse says the same whichever compiler is there: it is asked once.
    fn examine(
        &mut self,
        config: Config,
        objects: Vec<String>,
        sparse: bool,
        commit: &str,
        site: &mut Site<'_>,
    ) -> Result<Examined> {
        let sparse = sparse && !config.clang;
        let tree = self.workspace.git().read(["rev-parse", &format!("{commit}^{{tree}}")])?;
        let mut key = self.build_key("examine", "", &tree, &[config], &[if sparse { "sparse" } else { "" }]);
        key.extend(objects.iter().cloned());
        let known: Option<(Vec<Remark>, Vec<Remark>)> = self.cache.get(&key);
        let (warnings, sparse) = match known {
            _ if objects.is_empty() => Default::default(),
            Some(known) => known,
            None => {
                let said = site.builder.examine(config, &objects, sparse)?;
                self.cache.put(&key, &said)?;
                said
            }
        };
        Ok(Examined { objects, warnings, sparse })
    }
}

impl Examined {
    /// The objects that the remarks come from; all, if a remark is on a file that any of them may include.
    fn speaking(&self) -> Vec<String> {
        let remarks = || self.warnings.iter().chain(&self.sparse);
        let source =
            |object: &str| object.strip_suffix(".o").map(|stem| format!("{stem}.c")).unwrap_or_default();
        let sources: Vec<String> = self.objects.iter().map(|object| source(object)).collect();
        if remarks().any(|remark| !sources.contains(&remark.file)) {
            return self.objects.clone();
        }
        let speaks = |object: &&String| remarks().any(|remark| remark.file == source(object));
        self.objects.iter().filter(speaks).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_said_something_is_asked_again() {
        let objects = ["net/mptcp/pm.o", "net/mptcp/token.o"].map(str::to_owned).to_vec();
        let remark =
            |file: &str| Remark { file: file.to_owned(), line: 1, text: "unused".to_owned(), error: false };
        let mut examined =
            Examined { objects: objects.clone(), warnings: vec![remark("net/mptcp/pm.c")], sparse: vec![] };
        assert_eq!(examined.speaking(), objects[..1]);
        examined.sparse.push(remark("net/mptcp/protocol.h"));
        assert_eq!(examined.speaking(), objects);
    }
}
