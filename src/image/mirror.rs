//! Where an image's packages come from: the mirrors that apt uses on this machine, or one that the settings name.

use super::recipe::Recipe;
use crate::process::Cmd;

/// What apt is asked about each list of packages that it has.
const FORMAT: &str = "--format=$(LABEL) $(REPO_URI)";

/// The archives of Debian, where they are known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mirrors {
    /// The main one.
    main: Option<String>,
    /// That of the security updates.
    security: Option<String>,
}

impl Mirrors {
    /// Those that apt uses here, with `main` instead of its main one where that is given.
    pub fn of_apt(main: Option<&str>) -> Self {
        let asked = Cmd::new("apt-get").args(["indextargets", FORMAT, "Created-By: Packages"]).read();
        let known = Self::parse(&asked.unwrap_or_default());
        Self { main: main.map(str::to_owned).or(known.main), ..known }
    }

    fn parse(targets: &str) -> Self {
        let of = |label: &str| {
            let mut lines = targets.lines().filter_map(|line| line.split_once(' '));
            let uri = lines.find(|(known, _)| *known == label)?.1.trim().trim_end_matches('/');
            (!uri.is_empty()).then(|| uri.to_owned())
        };
        Self { main: of("Debian"), security: of("Debian-Security") }
    }

    /// Lines for apt's list of sources; none where the tool that makes images shall take those that it knows.
    pub fn sources(&self, recipe: &Recipe) -> Vec<String> {
        let Some(main) = &self.main else { return Vec::new() };
        let line = |uri: &str, suite: &str| format!("deb {uri} {suite} main");
        let mut lines: Vec<String> = recipe.suites.iter().map(|suite| line(main, suite)).collect();
        if let (Some(uri), Some(suite)) = (&self.security, &recipe.security) {
            lines.push(line(uri, suite));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mirrors_are_those_of_apt() {
        let mirrors = Mirrors::parse(
            "Debian-Security http://mirror.example/debian-security/\nDebian http://mirror.example/debian/\n\
             Debian http://mirror.example/debian/\nNode.js http://elsewhere.example/\n",
        );
        assert_eq!(
            mirrors.sources(&Recipe::find("lean").unwrap()),
            [
                "deb http://mirror.example/debian trixie main",
                "deb http://mirror.example/debian trixie-updates main",
                "deb http://mirror.example/debian-security trixie-security main",
            ]
        );
    }

    #[test]
    fn a_machine_without_debians_archives_leaves_the_choice_to_the_tool() {
        let mirrors = Mirrors::parse("Ubuntu http://mirror.example/ubuntu/\n");
        assert_eq!(mirrors, Mirrors::default());
        assert_eq!(mirrors.sources(&Recipe::find("lean").unwrap()), [""; 0]);
    }
}
