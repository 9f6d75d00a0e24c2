//! What tests that were emulated would have taken in user-mode Linux, which needs no KVM. Pure.

/// A run whose tests took less in all is short enough, in seconds.
const LONG: f64 = 120.0;

/// A test that went to its end under emulation.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Emulated {
    /// Its name, as the times of tests are kept by it.
    pub label: String,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// How long it took when it last ran whole in user-mode Linux, in seconds of the host, if it ever did.
    pub uml_seconds: Option<f64>,
}

/// The remark at the end of a run; none after a short one, or where nothing is gained. Its numbers are only those that were
/// measured: of what never ran in user-mode Linux it says so.
pub(super) fn note(tests: &[Emulated]) -> Option<String> {
    if tests.iter().map(|test| test.seconds).sum::<f64>() < LONG {
        return None;
    }
    let known: Vec<(f64, f64)> =
        tests.iter().filter_map(|test| Some((test.seconds, test.uml_seconds?))).collect();
    if known.is_empty() {
        return Some(
            "--uml runs tests without KVM, in virtual time: how long these take there is not known, as none of them ran so yet"
                .to_owned(),
        );
    }
    let (here, there) = known.iter().fold((0.0, 0.0), |sum, test| (sum.0 + test.0, sum.1 + test.1));
    let unknown: Vec<&str> =
        tests.iter().filter(|test| test.uml_seconds.is_none()).map(|test| test.label.as_str()).collect();
    let which = if unknown.is_empty() {
        "these tests".to_owned()
    } else {
        format!("{} of these {} tests", known.len(), tests.len())
    };
    let rest =
        if unknown.is_empty() { String::new() } else { format!(" (not known: {})", unknown.join(", ")) };
    (there < here).then(|| {
        format!(
            "{which} took {there:.0} s when they last ran with --uml, which needs no KVM, and {here:.0} s now, one after the \
             other{rest}"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn emulated(label: &str, seconds: f64, uml_seconds: Option<f64>) -> Emulated {
        Emulated { label: label.to_owned(), seconds, uml_seconds }
    }

    #[test]
    fn a_short_run_is_not_worth_a_remark() {
        assert_eq!(note(&[emulated("diag", 119.0, Some(5.0))]), None);
        assert_eq!(note(&[]), None);
    }

    #[test]
    fn only_what_was_measured_is_compared() {
        let diag = emulated("diag", 86.4, Some(57.1));
        let flows = emulated("simult_flows", 108.0, Some(24.7));
        assert_eq!(
            note(&[diag.clone(), flows.clone()]).unwrap(),
            "these tests took 82 s when they last ran with --uml, which needs no KVM, and 194 s now, one after the other"
        );
        assert_eq!(
            note(&[diag, flows, emulated("mptcp_join", 5000.0, None)]).unwrap(),
            "2 of these 3 tests took 82 s when they last ran with --uml, which needs no KVM, and 194 s now, one after the other \
             (not known: mptcp_join)"
        );
    }

    #[test]
    fn what_never_ran_there_gets_no_number() {
        let said = note(&[emulated("mptcp_join", 5000.0, None)]).unwrap();
        assert!(said.contains("not known") && !said.contains(|c: char| c.is_ascii_digit()), "{said}");
    }

    #[test]
    fn nothing_is_said_where_nothing_is_gained() {
        assert_eq!(note(&[emulated("pm_netlink", 130.0, Some(134.0))]), None);
    }
}
