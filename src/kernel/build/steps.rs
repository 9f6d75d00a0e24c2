//! Steps of a build, read from what make prints.

/// A line such as `  CC [M]  net/mptcp/pm.o`: what is done, and to what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step<'a> {
    /// `CC`, `LD`, …
    pub(super) verb: &'a str,
    /// The file.
    pub(super) target: &'a str,
}

impl<'a> Step<'a> {
    /// Reads kbuild's short lines (`quiet_cmd_…`), which the selftests print alike.
    pub(super) fn parse(line: &'a str) -> Option<Self> {
        let rest =
            line.strip_prefix("  ").filter(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase()))?;
        let (verb, target) = rest.split_once(' ')?;
        if !verb.bytes().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == b'_') {
            return None;
        }
        let target = target.trim_start();
        let target = target.strip_prefix("[M]").or_else(|| target.strip_prefix("[U]")).unwrap_or(target);
        let target = target.trim();
        (!target.is_empty()).then_some(Self { verb, target })
    }

    /// False for what make says in every run, also when there is nothing to do.
    pub(super) fn counts(&self) -> bool {
        !matches!(self.verb, "CALL" | "DESCEND" | "CHECK" | "CHK")
    }
}

/// How many steps a first build with this configuration may take, by experience: 708 symbols took about 2,200 steps on
/// 6.12 and the exported headers another thousand. For a progress bar, not for decisions.
pub(super) fn estimate(config: &str) -> u64 {
    let set = config.lines().filter(|line| line.ends_with("=y") || line.ends_with("=m")).count();
    1700 + 2 * u64::try_from(set).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_told_from_everything_else() {
        let step = |line| Step::parse(line).map(|step| (step.verb, step.target));
        assert_eq!(step("  CC      net/mptcp/pm.o"), Some(("CC", "net/mptcp/pm.o")));
        assert_eq!(step("  CC [M]  net/mptcp/mptcp_diag.o"), Some(("CC", "net/mptcp/mptcp_diag.o")));
        assert_eq!(
            step("  HDRINST usr/include/linux/mptcp.h"),
            Some(("HDRINST", "usr/include/linux/mptcp.h"))
        );
        assert_eq!(step("  CC       mptcp_connect"), Some(("CC", "mptcp_connect")));
        for line in [
            "",
            "make[1]: Entering directory '/x'",
            "  123 | int x;",
            "  In file included from a.h:1",
            "Kernel: arch/x86/boot/bzImage is ready  (#1)",
            "  ",
            "  CC",
            "   CC x.o",
        ] {
            assert_eq!(step(line), None, "{line:?}");
        }
    }

    #[test]
    fn what_make_always_says_is_no_step() {
        assert!(!Step::parse("  CALL    ../scripts/checksyscalls.sh").unwrap().counts());
        assert!(Step::parse("  AS      x.o").unwrap().counts());
    }
}
