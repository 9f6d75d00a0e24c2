//! Installs what is missing: with the distribution's package manager, and virtme-ng, where need be, privately.

use super::packages::{Catalogue, Family, Need};
use super::version::Version;
use super::{Diagnosis, Finding, Status, VIRTME_NG, venv};
use crate::error::{Error, Result};
use crate::process::{self, Cmd, interrupt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Lists of packages older than this are fetched again before anything is installed: old ones name files that are gone.
const LISTS_GOOD_FOR: Duration = Duration::from_secs(24 * 3600);

/// What there is to install.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// Packages without which the main job cannot run.
    required: Vec<String>,
    /// Packages that may fail to install.
    optional: Vec<String>,
    /// Make the private virtual environment.
    venv: bool,
}

/// What was done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fixed {
    /// Packages that were installed.
    pub installed: Vec<String>,
    /// Packages that could not be installed, and that the main job can do without.
    pub failed: Vec<String>,
    /// The private virtual environment was made.
    pub venv: bool,
}

impl Plan {
    /// What `diagnosis` asks for; `packaged` is true if the distribution has a virtme-ng that is new enough.
    pub(super) fn new(diagnosis: &Diagnosis, packaged: bool) -> Self {
        let lacking =
            |finding: &&Finding| !finding.status.is_usable() && finding.name == VIRTME_NG && !packaged;
        let venv = diagnosis.findings.iter().any(|finding| lacking(&finding));
        let mut plan = Self { venv, ..Self::default() };
        for finding in &diagnosis.findings {
            let wanted = match finding.name.as_str() {
                VIRTME_NG => packaged && !finding.status.is_usable(),
                _ => finding.status == Status::Missing,
            };
            let required = finding.need == Need::Required || (venv && finding.name == "python3 venv");
            match finding.need {
                _ if !wanted => {}
                _ if required => plan.required.extend_from_slice(&finding.packages),
                Need::Extra => {}
                _ => plan.optional.extend_from_slice(&finding.packages),
            }
        }
        plan.tidy()
    }

    /// Each package once.
    fn tidy(mut self) -> Self {
        for list in [&mut self.required, &mut self.optional] {
            list.sort();
            list.dedup();
        }
        let Self { required, optional, .. } = &mut self;
        optional.retain(|package| !required.contains(package));
        self
    }

    fn packages(&self) -> Vec<String> {
        [&self.required[..], &self.optional[..]].concat()
    }

    /// The command that installs all packages, for a person to paste.
    pub(super) fn command(&self, catalogue: &Catalogue, diagnosis: &Diagnosis) -> Option<String> {
        let family = catalogue.family.get(diagnosis.family.as_deref()?)?;
        let packages = self.packages();
        (!packages.is_empty()).then(|| command(family, &family.install, &packages, &Power::Root).to_string())
    }

    /// One sentence that asks for consent.
    fn question(&self) -> String {
        let packages = self.packages();
        let count = match packages.len() {
            1 => "1 package".to_owned(),
            n => format!("{n} packages"),
        };
        match (packages.is_empty(), self.venv) {
            (true, _) => "install virtme-ng into a private virtual environment?".to_owned(),
            (false, false) => format!("install {count} ({})?", packages.join(" ")),
            (false, true) => format!("install {count} ({}) and virtme-ng?", packages.join(" ")),
        }
    }
}

/// How commands that change the system are run.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Power {
    Root,
    Sudo(PathBuf),
}

impl Power {
    /// Asks for sudo's password, if need be, while we own the terminal.
    fn obtain() -> Result<Self> {
        if nix::unistd::geteuid().is_root() {
            return Ok(Self::Root);
        }
        let sudo = process::find("sudo")
            .map_err(|_| Error::cannot_run("cannot install packages: not root, and there is no sudo"))?
            .path;
        let asked = Cmd::new(&sudo).arg("-v").output()?;
        if asked.status.success() {
            return Ok(Self::Sudo(sudo));
        }
        Err(Error::cannot_run(format!("cannot install packages: sudo says {}", asked.stderr.trim())))
    }
}

fn command(family: &Family, words: &[String], packages: &[String], power: &Power) -> Cmd {
    let program = words.first().map(String::as_str).unwrap_or_default();
    let arguments = words.iter().skip(1).chain(packages);
    match power {
        Power::Root => {
            let plain = Cmd::new(program).args(arguments);
            family.env.iter().fold(plain, |cmd, (key, value)| cmd.env(key, value))
        }
        // sudo clears the environment. It asked for the password before, in the foreground of the terminal.
        Power::Sudo(sudo) => Cmd::new(sudo)
            .args(["-n", "env"])
            .args(family.env.iter().map(|(key, value)| format!("{key}={value}")))
            .arg(program)
            .args(arguments),
    }
}

/// Installs what `diagnosis` lacks into the system and into `venv`, after `confirm` said yes to a sentence that says
/// what. Output of the tools goes to `say`, line by line. `None` if it said no. The caller examines again afterwards.
pub fn fix(
    diagnosis: &Diagnosis,
    venv: &Path,
    confirm: &dyn Fn(&str) -> bool,
    say: &mut dyn FnMut(&str),
) -> Result<Option<Fixed>> {
    let catalogue = Catalogue::embedded()?;
    let min = catalogue.tool(VIRTME_NG)?.min.clone().unwrap_or_default();
    let plan = Plan::new(diagnosis, false);
    if plan == Plan::default() {
        return Ok(Some(Fixed::default()));
    }
    if !confirm(&plan.question()) {
        return Ok(None);
    }
    let mut fixed = Fixed::default();
    let mut make_venv = plan.venv;
    if !plan.packages().is_empty() {
        let family = family(&catalogue, diagnosis)?;
        let by_hand = || diagnosis.remedy.clone().unwrap_or_default();
        let power = Power::obtain().map_err(|error| error.hint(format!("as root: {}", by_hand())))?;
        let mut manager = Manager { family, power, refreshed: false, say: &mut *say };
        if family.lists.as_deref().is_some_and(|lists| is_stale(Path::new(lists))) {
            manager.refresh()?;
        }
        let plan = Plan::new(diagnosis, is_offered(&catalogue, diagnosis, family, &min));
        make_venv = plan.venv;
        manager.install(&plan, &mut fixed)?;
    }
    if make_venv {
        venv::create(venv, &min, say)?;
        fixed.venv = true;
    }
    Ok(Some(fixed))
}

fn family<'a>(catalogue: &'a Catalogue, diagnosis: &Diagnosis) -> Result<&'a Family> {
    let name = match &diagnosis.family {
        Some(name) => name.as_str(),
        None => catalogue.family_of(&super::distribution())?,
    };
    catalogue
        .family
        .get(name)
        .ok_or_else(|| Error::cannot_run(format!("no family {name} in images/packages.toml")))
}

/// True if lists of packages were not fetched lately, or never. The time of the inode counts: the files themselves
/// carry the time of the server.
fn is_stale(lists: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let newest = std::fs::read_dir(lists)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.path().is_file() && entry.file_name() != "lock")
        .filter_map(|entry| u64::try_from(entry.metadata().ok()?.ctime()).ok())
        .max();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    newest.is_none_or(|newest| now.as_secs().saturating_sub(newest) > LISTS_GOOD_FOR.as_secs())
}

/// True if the distribution has a virtme-ng that is not too old.
fn is_offered(catalogue: &Catalogue, diagnosis: &Diagnosis, family: &Family, min: &str) -> bool {
    let described = || {
        let name = diagnosis.family.as_deref()?;
        let packages = catalogue.packages(catalogue.tool(VIRTME_NG).ok()?, name);
        let words = family.offers.iter().chain(&packages);
        let output = Cmd::new(family.offers.first()?).args(words.skip(1)).output().ok()?;
        offered_version(&output.stdout)
    };
    described().zip(Version::parse(min)).is_some_and(|(offered, min)| offered >= min)
}

/// The version in a package manager's description of a package: "Candidate: 1.35-1", "Version         : 1.41-1".
fn offered_version(description: &str) -> Option<Version> {
    description.lines().filter_map(|line| line.split_once(':')).find_map(|(key, value)| {
        // What stands before a colon in the value is the epoch.
        let value = value.rsplit(':').next().unwrap_or(value);
        matches!(key.trim(), "Candidate" | "Version").then(|| Version::parse(value.trim())).flatten()
    })
}

/// The distribution's package manager at work.
struct Manager<'a> {
    family: &'a Family,
    power: Power,
    refreshed: bool,
    say: &'a mut dyn FnMut(&str),
}

impl Manager<'_> {
    /// All packages in one go; if that fails, once more with fresh lists; and if that fails, the optional ones one by one.
    fn install(&mut self, plan: &Plan, fixed: &mut Fixed) -> Result<()> {
        let all = plan.packages();
        let mut done = self.try_install(&all);
        if done.is_err() && !self.refreshed {
            interrupt::check()?;
            self.refresh()?;
            done = self.try_install(&all);
        }
        if done.is_ok() {
            fixed.installed = all;
            return Ok(());
        }
        interrupt::check()?;
        if !plan.required.is_empty() {
            self.try_install(&plan.required)?;
            fixed.installed.clone_from(&plan.required);
        }
        for package in &plan.optional {
            interrupt::check()?;
            let done = self.try_install(std::slice::from_ref(package));
            if done.is_ok() { &mut fixed.installed } else { &mut fixed.failed }.push(package.clone());
        }
        Ok(())
    }

    fn refresh(&mut self) -> Result<()> {
        self.refreshed = true;
        let command = command(self.family, &self.family.refresh, &[], &self.power);
        venv::step(&command, self.say)
    }

    fn try_install(&mut self, packages: &[String]) -> Result<()> {
        if packages.is_empty() {
            return Ok(());
        }
        let command = command(self.family, &self.family.install, packages, &self.power);
        venv::step(&command, self.say)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(name: &str, need: Need, status: Status, packages: &[&str]) -> Finding {
        Finding {
            name: name.to_owned(),
            status,
            need,
            purpose: String::new(),
            version: None,
            path: None,
            packages: packages.iter().map(ToString::to_string).collect(),
            note: None,
            remedy: None,
        }
    }

    fn diagnosis(findings: Vec<Finding>) -> Diagnosis {
        Diagnosis {
            root: None,
            can_run: false,
            distribution: "Debian".to_owned(),
            family: Some("debian".to_owned()),
            remedy: None,
            findings,
        }
    }

    fn missing() -> Diagnosis {
        use Status::{Missing, Ok, TooOld};
        diagnosis(vec![
            finding("gcc", Need::Required, Ok, &["gcc"]),
            finding("rsync", Need::Required, Missing, &["rsync"]),
            finding("C library headers", Need::Required, Missing, &["rsync", "libc6-dev"]),
            finding("pahole", Need::Optional, Missing, &["dwarves"]),
            finding("clang", Need::Extra, Missing, &["clang"]),
            finding("iproute2", Need::Required, TooOld, &["iproute2"]),
            finding("python3 venv", Need::Optional, Missing, &["python3-venv"]),
            finding(VIRTME_NG, Need::Required, TooOld, &["virtme-ng"]),
        ])
    }

    #[test]
    fn what_is_missing_is_planned_and_what_is_extra_or_too_old_is_not() {
        let plan = Plan::new(&missing(), false);
        assert_eq!(plan.required, ["libc6-dev", "python3-venv", "rsync"]);
        assert_eq!(plan.optional, ["dwarves"]);
        assert!(plan.venv);
        insta::assert_snapshot!(plan.question(), @"install 4 packages (libc6-dev python3-venv rsync dwarves) and virtme-ng?");
    }

    #[test]
    fn a_distribution_with_a_good_virtme_ng_needs_no_virtual_environment() {
        let plan = Plan::new(&missing(), true);
        assert!(!plan.venv);
        assert_eq!(plan.required, ["libc6-dev", "rsync", "virtme-ng"]);
        assert_eq!(plan.optional, ["dwarves", "python3-venv"]);
    }

    #[test]
    fn each_family_installs_with_its_own_manager() {
        let catalogue = Catalogue::embedded().unwrap();
        let packages = ["bc".to_owned(), "flex".to_owned()];
        let lines: Vec<String> = catalogue
            .family
            .values()
            .map(|family| command(family, &family.install, &packages, &Power::Root).to_string())
            .collect();
        insta::assert_snapshot!(lines.join("\n"), @r"
        pacman -S --noconfirm --needed bc flex
        DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends bc flex
        dnf install -y --setopt=install_weak_deps=False bc flex
        dnf install -y --setopt=install_weak_deps=False bc flex
        zypper --non-interactive install --no-recommends bc flex
        ");
        let debian = &catalogue.family["debian"];
        let sudo = Power::Sudo(PathBuf::from("/usr/bin/sudo"));
        insta::assert_snapshot!(command(debian, &debian.install, &packages, &sudo), @"/usr/bin/sudo -n env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends bc flex");
    }

    #[test]
    fn the_offered_version_is_read_from_every_package_manager() {
        let version = |text: &str| offered_version(text).map(|version| version.to_string());
        assert_eq!(
            version("virtme-ng:\n  Installed: (none)\n  Candidate: 1.35-1\n").as_deref(),
            Some("1.35")
        );
        assert_eq!(version("x:\n  Installed: (none)\n  Candidate: 1:2.3-1\n").as_deref(), Some("2.3"));
        assert_eq!(version("Name         : virtme-ng\nVersion      : 1.40\n").as_deref(), Some("1.40"));
        assert_eq!(version("Repository : extra\nVersion    : 1.41-1\n").as_deref(), Some("1.41"));
        assert_eq!(version("x:\n  Installed: (none)\n  Candidate: (none)\n"), None);
        assert_eq!(version(""), None);
    }

    #[test]
    fn lists_that_were_never_fetched_are_stale() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("lock"), "").unwrap();
        assert!(is_stale(dir.path()));
        assert!(is_stale(&dir.path().join("none")));
        std::fs::write(dir.path().join("some_Packages"), "").unwrap();
        assert!(!is_stale(dir.path()));
    }

    #[test]
    fn no_is_no() {
        let said =
            fix(&missing(), Path::new("/nowhere"), &|_| false, &mut |_| panic!("nothing is run")).unwrap();
        assert_eq!(said, None);
        let nothing = diagnosis(vec![finding("gcc", Need::Required, Status::Ok, &["gcc"])]);
        let asked = fix(&nothing, Path::new("/nowhere"), &|_| panic!("nothing to ask"), &mut |_| ()).unwrap();
        assert_eq!(asked, Some(Fixed::default()));
    }
}
