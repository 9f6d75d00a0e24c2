//! What vmptcp needs from outside, and the package that brings it here. Pure.

use crate::arch;
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How much a tool is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Need {
    /// The main job cannot do without it.
    Required,
    /// Without it something is slower, or some tests skip.
    Optional,
    /// For one feature only, or for work on vmptcp itself. Never installed unasked.
    Extra,
}

/// The data file `images/packages.toml`, which documents each field.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalogue {
    /// The families of distributions, by name.
    pub family: BTreeMap<String, Family>,
    /// The tools.
    #[serde(rename = "tool")]
    pub tools: Vec<Spec>,
}

/// Distributions that share a package manager and the names of packages.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Family {
    /// Values of `ID` and `ID_LIKE` in `os-release`, in lower case.
    pub ids: Vec<String>,
    /// Its distributions, for a person.
    pub names: String,
    /// The family whose package names are used where a tool has none for this one.
    pub base: Option<String>,
    /// The command that installs the packages that are appended to it.
    pub install: Vec<String>,
    /// The command that fetches the lists of packages again.
    pub refresh: Vec<String>,
    /// The directory of the fetched lists, where the package manager does not fetch them by itself.
    pub lists: Option<String>,
    /// The command that describes the package that is appended to it.
    pub offers: Vec<String>,
    /// The environment of `install`.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
}

/// A tool, or a library with its headers.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Spec {
    /// What it is called.
    pub name: String,
    /// What it is needed for.
    #[serde(rename = "for")]
    pub purpose: String,
    /// How much it is needed.
    pub need: Need,
    /// Guests use it.
    #[serde(default)]
    pub guest: bool,
    /// Programs, any of which will do.
    #[serde(default)]
    pub commands: Vec<String>,
    /// All of `commands` are needed.
    #[serde(default)]
    pub all: bool,
    /// Where else, outside of `PATH`, the program may be.
    #[serde(default)]
    pub files: Vec<String>,
    /// Files below an include directory.
    #[serde(default)]
    pub headers: Vec<String>,
    /// Arguments with which the program must exit with 0.
    #[serde(default)]
    pub check: Vec<String>,
    /// What the help of a program, of this name, has to mention.
    #[serde(default)]
    pub options: BTreeMap<String, Vec<String>>,
    /// Arguments that make the program print its version.
    #[serde(default = "version_flag")]
    pub version: Vec<String>,
    /// The pkg-config module whose version is the headers'.
    pub pkg_config: Option<String>,
    /// The oldest version that works.
    pub min: Option<String>,
    /// The oldest version that works without `loss`.
    pub good: Option<String>,
    /// What is lost with a version older than `good`, or with an unusable variant.
    pub loss: Option<String>,
    /// What an unusable variant prints.
    pub unusable: Option<String>,
    /// The packages that bring it, by family.
    #[serde(flatten)]
    pub packages: BTreeMap<String, Vec<String>>,
}

fn version_flag() -> Vec<String> {
    vec!["--version".to_owned()]
}

impl Catalogue {
    /// The data file that is part of this program, with the placeholders of its architecture filled in.
    pub fn embedded() -> Result<Self> {
        let arch = arch::host();
        let text = include_str!("../../images/packages.toml")
            .replace("@ARCH@", arch.name)
            .replace("@QEMU@", arch.qemu_package);
        toml::from_str(&text)
            .map_err(|error| Error::cannot_run(format!("cannot parse images/packages.toml: {error}")))
    }

    /// The tool of this name.
    pub fn tool(&self, name: &str) -> Result<&Spec> {
        self.tools
            .iter()
            .find(|tool| tool.name == name)
            .ok_or_else(|| Error::cannot_run(format!("no tool {name} in images/packages.toml")))
    }

    /// Installs the extra tools of these names too, whatever their case. An error if there is no such tool.
    pub fn want(&mut self, names: &[String]) -> Result<()> {
        for name in names {
            let Some(tool) = self.tools.iter_mut().find(|tool| tool.name.eq_ignore_ascii_case(name)) else {
                let extra = self.tools.iter().filter(|tool| tool.need == Need::Extra);
                let extra: Vec<&str> = extra.map(|tool| tool.name.as_str()).collect();
                return Err(Error::usage(format!("--with {name}: no such tool"))
                    .hint(format!("not installed unless named: {}", extra.join(", "))));
            };
            if tool.need == Need::Extra {
                tool.need = Need::Optional;
            }
        }
        Ok(())
    }

    /// The name of the family that `distribution` belongs to.
    pub fn family_of(&self, distribution: &Distribution) -> Result<&str> {
        let family = |id: &String| self.family.iter().find(|(_, family)| family.ids.contains(id));
        let by_id = family(&distribution.id);
        let by_likeness = distribution.like.iter().find_map(family);
        match (by_id, by_likeness) {
            // Kylin's server is built with dnf's packages and its desktop, with the same ID, with Debian's.
            (Some((_, one)), Some((_, other))) if one.install != other.install => by_likeness,
            (Some(_), _) => by_id,
            (None, _) => by_likeness,
        }
        .map(|(name, _)| name.as_str())
            .ok_or_else(|| {
                let known: Vec<&str> = self.family.values().map(|family| family.names.as_str()).collect();
                Error::cannot_run(format!(
                    "cannot tell which packages {} needs: its family of distributions is not known (known are {})",
                    distribution.name,
                    known.join("; ")
                ))
                .hint("see what is missing with `vmptcp doctor`, and install it with the package manager")
            })
    }

    /// The packages that bring `tool` to the distributions of `family`; none if it has no such package.
    pub fn packages(&self, tool: &Spec, family: &str) -> Vec<String> {
        let base = || self.family.get(family).and_then(|family| family.base.as_deref());
        tool.packages.get(family).or_else(|| tool.packages.get(base()?)).cloned().unwrap_or_default()
    }
}

/// What `os-release` says of the distribution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Distribution {
    /// `ID`, in lower case: "debian".
    pub id: String,
    /// `ID_LIKE`, the closest first, in lower case.
    pub like: Vec<String>,
    /// `PRETTY_NAME`: "Debian GNU/Linux 12 (bookworm)".
    pub name: String,
}

impl Distribution {
    /// From the text of `/etc/os-release`, see os-release(5). What it does not say is "linux", like systemd's default.
    pub fn parse(os_release: &str) -> Self {
        let value = |key: &str| {
            os_release
                .lines()
                .filter_map(|line| line.trim().split_once('='))
                .filter(|(name, _)| *name == key)
                .filter_map(|(_, value)| shlex::split(value))
                .map(|words| words.join(" "))
                .rfind(|value| !value.is_empty())
        };
        let id = value("ID").unwrap_or_else(|| "linux".to_owned());
        Self {
            name: value("PRETTY_NAME").or_else(|| value("NAME")).unwrap_or_else(|| id.clone()),
            id: id.to_lowercase(),
            like: value("ID_LIKE").unwrap_or_default().split_whitespace().map(str::to_lowercase).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn family(os_release: &str) -> String {
        let catalogue = Catalogue::embedded().unwrap();
        catalogue.family_of(&Distribution::parse(os_release)).unwrap().to_owned()
    }

    #[test]
    fn an_extra_tool_is_installed_where_it_is_wanted() {
        let mut catalogue = Catalogue::embedded().unwrap();
        catalogue.want(&["Sparse".to_owned(), "gcc".to_owned()]).unwrap();
        let need = |name| catalogue.tool(name).unwrap().need;
        assert_eq!(
            (need("sparse"), need("gcc"), need("clang")),
            (Need::Optional, Need::Required, Need::Extra)
        );
        let error = catalogue.want(&["sparce".to_owned()]).unwrap_err().to_string();
        assert!(error.contains("--with sparce: no such tool"), "{error}");
    }

    #[test]
    fn every_supported_distribution_has_its_family() {
        for (os_release, expected) in [
            ("PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nID=debian\nVERSION_ID=\"12\"", "debian"),
            ("NAME=\"Ubuntu\"\nID=ubuntu\nID_LIKE=debian\nVERSION_ID=\"24.04\"", "debian"),
            ("NAME=\"Fedora Linux\"\nID=fedora\nVERSION_ID=42", "fedora"),
            ("NAME=\"CentOS Stream\"\nID=\"centos\"\nID_LIKE=\"rhel fedora\"", "fedora"),
            ("NAME=Somebody's\nID=somebody\nID_LIKE=\"rhel centos fedora\"", "fedora"),
            (
                "NAME=\"openEuler\"\nVERSION=\"24.03 (LTS)\"\nID=\"openEuler\"\nVERSION_ID=\"24.03\"",
                "openeuler",
            ),
            ("NAME=\"Kylin Linux Advanced Server\"\nID=\"kylin\"\nVERSION_ID=\"V10\"", "openeuler"),
            ("NAME=\"Arch Linux\"\nID=arch\nBUILD_ID=rolling", "arch"),
            ("ID=manjaro\nID_LIKE=arch", "arch"),
            ("ID=\"opensuse-leap\"\nID_LIKE=\"suse opensuse\"\nVERSION_ID=\"15.6\"", "opensuse"),
            ("ID=\"opensuse-tumbleweed\"\nID_LIKE=\"opensuse suse\"", "opensuse"),
            ("ID='sles'\nID_LIKE='suse'", "opensuse"),
        ] {
            assert_eq!(family(os_release), expected, "{os_release}");
        }
    }

    #[test]
    fn a_desktop_kylin_that_says_it_is_like_debian_is_not_dnf_based() {
        assert_eq!(family("ID=kylin\nID_LIKE=debian\nVERSION_ID=\"v10\""), "debian");
    }

    #[test]
    fn an_unknown_distribution_is_told_which_are_known() {
        let catalogue = Catalogue::embedded().unwrap();
        let distribution = Distribution::parse("ID=alpine\nPRETTY_NAME=\"Alpine Linux v3.20\"");
        let error = catalogue.family_of(&distribution).unwrap_err().to_string();
        insta::assert_snapshot!(error, @"cannot tell which packages Alpine Linux v3.20 needs: its family of distributions is not known (known are Arch Linux; Debian, Ubuntu; Fedora, RHEL; openEuler, Kylin; openSUSE)");
    }

    #[test]
    fn os_release_may_be_empty_or_broken() {
        assert_eq!(Distribution::parse("").id, "linux");
        let broken = Distribution::parse("ID=\"unclosed\n=\nPRETTY_NAME=\n# ID=debian");
        assert_eq!((broken.id.as_str(), broken.name.as_str()), ("linux", "linux"));
    }

    #[test]
    fn every_tool_has_a_package_in_every_family_and_something_to_look_for() {
        let catalogue = Catalogue::embedded().unwrap();
        for tool in &catalogue.tools {
            for family in catalogue.family.keys() {
                assert!(!catalogue.packages(tool, family).is_empty(), "{} in {family}", tool.name);
            }
            for family in tool.packages.keys() {
                assert!(catalogue.family.contains_key(family), "{}: no family {family}", tool.name);
            }
            assert!(!tool.commands.is_empty() || !tool.headers.is_empty(), "{}", tool.name);
            assert!(tool.good.is_none() || tool.loss.is_some(), "{}", tool.name);
            for version in tool.min.iter().chain(&tool.good) {
                assert!(super::super::version::Version::parse(version).is_some(), "{}", tool.name);
            }
        }
    }

    #[test]
    fn the_container_has_what_guests_of_user_mode_linux_take() {
        const ONLY_VIRTME: [&str; 5] = ["QEMU", "virtme-ng", "python3 venv", "udev", "busybox"];
        let catalogue = Catalogue::embedded().unwrap();
        let tools = catalogue.tools.iter().filter(|tool| tool.need != Need::Extra);
        let tools = tools.filter(|tool| !ONLY_VIRTME.contains(&tool.name.as_str()));
        let mut expected: Vec<String> = tools.flat_map(|tool| catalogue.packages(tool, "debian")).collect();
        // What makes images is for vmptcp image alone, and no tool of the table.
        expected.push("mmdebstrap".to_owned());
        expected.sort();
        expected.dedup();
        let text = include_str!("../../images/Containerfile");
        let list = text.split_once("--no-install-recommends \\\n").unwrap().1.split_once("&&").unwrap().0;
        let mut listed: Vec<&str> = list.split_whitespace().filter(|word| *word != "\\").collect();
        listed.sort_unstable();
        assert_eq!(listed, expected, "images/Containerfile and images/packages.toml differ");
    }

    #[test]
    fn a_family_falls_back_to_the_names_of_its_base() {
        let catalogue = Catalogue::embedded().unwrap();
        let packages = |tool| catalogue.packages(catalogue.tool(tool).unwrap(), "openeuler");
        assert_eq!(packages("perl"), ["perl"]);
        assert_eq!(packages("make"), ["make"]);
    }
}
