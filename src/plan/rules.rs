//! What becomes of a guest whose kernel is not well, and when enough was tried. Pure.

/// What the settings say of guests whose kernels print splats or do not come up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GuestRules {
    /// A guest that printed a splat runs no further test.
    pub replace_after_splat: bool,
    /// A splat during boot stands against the run, and is no mere notice.
    pub boot_splat_counts: bool,
    /// So many guests in a row are booted until one comes up without a splat.
    pub boots: u32,
}

impl Default for GuestRules {
    fn default() -> Self {
        Self { replace_after_splat: true, boot_splat_counts: false, boots: 5 }
    }
}

/// What to do about a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It may run a test.
    Use,
    /// It may, though its kernel printed a splat during boot as those before it did: no further one would be better.
    UseAnyway,
    /// Another takes its place.
    Replace,
    /// No further guest is tried.
    GiveUp,
}

/// Counts the boots in a row after which no test could run.
#[derive(Debug)]
pub struct Boots {
    rules: GuestRules,
    in_a_row: u32,
    /// As many as the rules allow printed a splat: it is the kernel, and the next guest is taken as it is.
    resigned: bool,
}

impl Boots {
    /// None yet.
    pub fn new(rules: GuestRules) -> Self {
        Self { rules, in_a_row: 0, resigned: false }
    }

    /// How many there were in a row.
    pub fn in_a_row(&self) -> u32 {
        self.in_a_row
    }

    /// A guest did not come up, or was gone before a test began in it.
    pub fn failed(&mut self) -> Decision {
        self.in_a_row += 1;
        if self.in_a_row >= self.rules.boots { Decision::GiveUp } else { Decision::Replace }
    }

    /// A test is about to begin in a guest that is `fresh`, or ran others; since it was last asked about, its kernel
    /// printed a splat or did not.
    pub fn judge(&mut self, fresh: bool, splat: bool) -> Decision {
        if !splat || !self.rules.replace_after_splat {
            self.in_a_row = 0;
            return Decision::Use;
        }
        if !fresh {
            return Decision::Replace;
        }
        self.in_a_row += 1;
        if self.resigned || self.in_a_row >= self.rules.boots {
            self.in_a_row = 0;
            return if std::mem::replace(&mut self.resigned, true) {
                Decision::Use
            } else {
                Decision::UseAnyway
            };
        }
        Decision::Replace
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Decision::{GiveUp, Replace, Use, UseAnyway};

    fn boots() -> Boots {
        Boots::new(GuestRules::default())
    }

    #[test]
    fn a_splat_retires_a_guest_whatever_ran_in_it_before() {
        let mut boots = boots();
        assert_eq!(boots.judge(true, false), Use);
        for _ in 0..20 {
            assert_eq!(boots.judge(false, true), Replace, "however often, as tests ran in between");
            assert_eq!(boots.judge(true, false), Use);
        }
    }

    #[test]
    fn a_kernel_that_splats_at_every_boot_is_used_after_five_and_said_once() {
        let mut boots = boots();
        let all: Vec<Decision> = (0..7).map(|_| boots.judge(true, true)).collect();
        assert_eq!(all, [Replace, Replace, Replace, Replace, UseAnyway, Use, Use]);
        assert_eq!(boots.judge(false, true), Replace, "a splat in a test is another matter");
    }

    #[test]
    fn five_failed_boots_in_a_row_are_the_end_and_one_that_works_forgives_them() {
        let mut boots = boots();
        for _ in 0..4 {
            assert_eq!(boots.failed(), Replace);
        }
        assert_eq!(boots.judge(true, false), Use);
        let all: Vec<Decision> = (0..5).map(|_| boots.failed()).collect();
        assert_eq!(all, [Replace, Replace, Replace, Replace, GiveUp]);
    }

    #[test]
    fn failed_boots_and_boots_with_a_splat_count_together() {
        let mut boots = boots();
        assert_eq!([boots.failed(), boots.failed(), boots.failed()], [Replace; 3]);
        assert_eq!(boots.judge(true, true), Replace);
        assert_eq!(boots.judge(true, true), UseAnyway);
    }

    #[test]
    fn the_settings_may_keep_a_guest() {
        let mut boots = Boots::new(GuestRules { replace_after_splat: false, ..GuestRules::default() });
        assert_eq!([boots.judge(true, true), boots.judge(false, true)], [Use; 2]);
        assert_eq!(boots.failed(), Replace);
    }
}
