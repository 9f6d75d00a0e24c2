//! Can the main job run on this machine, and if not, what is missing?

mod capacity;
mod checks;
mod fix;
mod machine;
mod packages;
mod report;
mod venv;
mod version;

pub use capacity::{available_memory, cores};
pub use fix::{Fixed, fix};
pub use packages::{Catalogue, Distribution, Family, Need, Spec};
pub use version::Version;

use crate::error::Result;
use crate::process;
use crate::vm::accel;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The tool that may live in a virtual environment of its own.
const VIRTME_NG: &str = "virtme-ng";

/// What a check found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// As it should be.
    Ok,
    /// Works, with a loss that the note names.
    Warning,
    /// There, and too old (or an unusable variant).
    TooOld,
    /// There is not enough of it.
    TooLittle,
    /// Not there.
    Missing,
}

impl Status {
    /// The word for a person.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::TooOld => "too old",
            Self::TooLittle => "too little",
            Self::Missing => "missing",
        }
    }

    /// False if what was checked cannot be used.
    pub fn is_usable(self) -> bool {
        matches!(self, Self::Ok | Self::Warning)
    }
}

/// One thing that was checked: a tool, a library, or a property of the machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was checked.
    pub name: String,
    /// What was found.
    pub status: Status,
    /// How much it is needed.
    pub need: Need,
    /// What it is needed for.
    #[serde(rename = "for")]
    pub purpose: String,
    /// Its version, or how much of it there is.
    pub version: Option<String>,
    /// Where it is.
    pub path: Option<PathBuf>,
    /// The packages that bring it on this distribution. Empty for what no package brings.
    pub packages: Vec<String>,
    /// What is wrong, or worth knowing.
    pub note: Option<String>,
    /// What to do about it.
    pub remedy: Option<String>,
}

/// What is to be examined, and where.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// The cache of kernel trees and of the accelerator's probe.
    pub cache: &'a Path,
    /// The private virtual environment of virtme-ng.
    pub venv: &'a Path,
    /// Where builds and results go, if that is known.
    pub work: Option<&'a Path>,
    /// A kernel that was built, for the accelerator's probe.
    pub image: Option<&'a Path>,
    /// The build directory of a kernel of user-mode Linux, to prove virtual time with.
    pub uml: Option<&'a Path>,
    /// Probe the accelerator even though its answer is remembered.
    pub reprobe: bool,
    /// Tools that are for one feature only, and wanted.
    pub with: &'a [String],
}

/// All that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnosis {
    /// The root filesystem of guests that was examined; none if it was this machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root: Option<PathBuf>,
    /// True if nothing that the main job requires is missing.
    pub can_run: bool,
    /// The distribution, for a person.
    pub distribution: String,
    /// Its family, which names the packages; none if it is not known.
    pub family: Option<String>,
    /// The command that installs all that is missing, ready to be pasted.
    pub remedy: Option<String>,
    /// The findings: tools in the order of the data file, then the machine.
    pub findings: Vec<Finding>,
}

/// Checks every tool and the machine. Takes about a second, two more where virtual time can be proved, some more the first time a kernel is booted, and up to two minutes
/// where none comes up.
pub fn examine(scope: &Scope) -> Result<Diagnosis> {
    let mut catalogue = Catalogue::embedded()?;
    catalogue.want(scope.with)?;
    let distribution = distribution();
    let family = catalogue.family_of(&distribution).ok().map(str::to_owned);
    let mut findings = checks::tools(&catalogue, family.as_deref(), scope.venv);
    let qemu = findings.iter().find(|finding| finding.name == "QEMU" && finding.status.is_usable());
    let accelerator = machine::accelerator(qemu, scope)?;
    findings.push(accelerator);
    findings.push(machine::virtual_time(scope.uml, scope.cache)?);
    findings.extend(machine::memory());
    findings.extend(machine::disk(scope.cache, scope.work));
    let mut diagnosis = Diagnosis {
        root: None,
        can_run: findings.iter().all(|finding| finding.need != Need::Required || finding.status.is_usable()),
        distribution: distribution.name,
        family,
        remedy: None,
        findings,
    };
    diagnosis.remedy = fix::Plan::new(&diagnosis, false).command(&catalogue, &diagnosis);
    Ok(diagnosis)
}

/// Checks the tools that guests use in this directory, which is their root filesystem.
pub fn examine_root(root: &Path) -> Result<Diagnosis> {
    let catalogue = Catalogue::embedded()?;
    let findings = checks::tools_of_guests(&catalogue, root);
    let distribution = distribution_of(root);
    Ok(Diagnosis {
        root: Some(root.to_owned()),
        can_run: findings.iter().all(|finding| finding.need != Need::Required || finding.status.is_usable()),
        family: catalogue.family_of(&distribution).ok().map(str::to_owned),
        distribution: distribution.name,
        remedy: None,
        findings,
    })
}

/// The distribution that this machine runs.
pub fn distribution() -> Distribution {
    distribution_of(Path::new("/"))
}

fn distribution_of(root: &Path) -> Distribution {
    let text = ["etc/os-release", "usr/lib/os-release"]
        .into_iter()
        .find_map(|path| std::fs::read_to_string(root.join(path)).ok())
        .unwrap_or_default();
    Distribution::parse(&text)
}

/// The `vng` to use: from the private virtual environment where that is complete, else from `PATH`.
pub fn vng(venv: &Path) -> Result<PathBuf> {
    match venv::program(venv, "vng") {
        Some(vng) => Ok(vng),
        None => Ok(process::find("vng")
            .map_err(|error| {
                error.hint("install it into a virtual environment of its own: vmptcp doctor --fix")
            })?
            .path),
    }
}

/// The versions of these tools of the data file ("gcc", "QEMU", "virtme-ng", "iproute2", …), for a result's
/// provenance. A tool that is missing, or does not tell its version, is left out.
pub fn versions(names: &[&str], venv: &Path) -> Result<BTreeMap<String, String>> {
    let mut catalogue = Catalogue::embedded()?;
    for name in names {
        catalogue.tool(name)?;
    }
    catalogue.tools.retain(|tool| names.contains(&tool.name.as_str()));
    catalogue.tools.iter_mut().for_each(|tool| tool.options.clear());
    let findings = checks::tools(&catalogue, None, venv);
    Ok(findings.into_iter().filter_map(|finding| Some((finding.name, finding.version?))).collect())
}

/// The versions of these tools as guests with this root filesystem have them.
pub fn versions_of_guests(names: &[&str], root: &Path, venv: &Path) -> Result<BTreeMap<String, String>> {
    if root == Path::new("/") {
        return versions(names, venv);
    }
    let findings = checks::tools_of_guests(&Catalogue::embedded()?, root).into_iter();
    let wanted = findings.filter(|finding| names.contains(&finding.name.as_str()));
    Ok(wanted.filter_map(|finding| Some((finding.name, finding.version?))).collect())
}

/// The package that brings a program here, where that is known.
pub fn package_of(program: &str) -> Option<String> {
    let catalogue = Catalogue::embedded().ok()?;
    let family = catalogue.family_of(&distribution()).ok()?.to_owned();
    let tool = catalogue.tools.iter().find(|tool| tool.commands.iter().any(|name| name == program))?;
    let packages = catalogue.packages(tool, &family);
    (!packages.is_empty()).then(|| packages.join(" "))
}

/// The QEMU for guests of this architecture, and its version.
pub fn qemu(venv: &Path) -> Result<(PathBuf, String)> {
    let mut catalogue = Catalogue::embedded()?;
    catalogue.tools.retain(|tool| tool.name == "QEMU");
    let finding = checks::tools(&catalogue, None, venv).pop();
    finding.and_then(|finding| Some((finding.path?, finding.version.unwrap_or_default()))).ok_or_else(|| {
        error::Error::cannot_run("cannot find QEMU: it is not installed").hint("vmptcp doctor --fix")
    })
}

impl Diagnosis {
    /// A table for a person.
    pub fn to_text(&self) -> String {
        report::text(self)
    }

    /// The same for a program.
    pub fn to_json(&self) -> Result<String> {
        report::json(self)
    }
}

/// The accelerator of this host's guests, with the QEMU that [`qemu`] finds; see [`accel::probe`].
pub fn accelerator(scope: &Scope) -> Result<Option<accel::Answer>> {
    let (path, version) = qemu(scope.venv)?;
    machine::probe(&path, &version, scope)
}
