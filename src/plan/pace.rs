//! What runs guests, and by how much longer everything takes with it. Pure.

use crate::settings::Auto;
use crate::vm::accel::Accelerator;
use crate::vm::backend::uml::Time;
use std::fmt;
use std::time::Duration;

/// By how much longer everything may take on a kernel with checkers, or one that counts its lines.
const SLOW_KERNEL: u32 = 3;

/// What runs guests, once all that was left open is decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// QEMU, by virtme-ng, with this accelerator.
    Virtme(Accelerator),
    /// User-mode Linux, with time that passes so.
    Uml(Time),
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Virtme(accelerator) => accelerator.fmt(f),
            Self::Uml(time) => write!(f, "uml, {time} time"),
        }
    }
}

impl Engine {
    /// True if one core of the host runs one virtual CPU, and no more.
    pub fn is_emulation(self) -> bool {
        self != Self::Virtme(Accelerator::Kvm)
    }

    /// True if computing takes none of the guest's time.
    pub fn is_virtual(self) -> bool {
        self == Self::Uml(Time::Virtual)
    }

    /// What runs the instructions in QEMU.
    pub fn accelerator(self) -> Option<Accelerator> {
        match self {
            Self::Virtme(accelerator) => Some(accelerator),
            Self::Uml(_) => None,
        }
    }
}

/// By how much longer everything takes than on a machine of normal speed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    engine: Engine,
    slow_kernel: bool,
}

impl Pace {
    /// With this engine, on a kernel that is slower than a normal one or not.
    pub fn new(engine: Engine, slow_kernel: bool) -> Self {
        Self { engine, slow_kernel }
    }

    fn kernel(self) -> u32 {
        if self.slow_kernel && !self.engine.is_virtual() { SLOW_KERNEL } else { 1 }
    }

    /// The factor for tests: they compute.
    pub fn of_tests(self) -> u32 {
        let machine = match self.engine {
            Engine::Virtme(Accelerator::Kvm) | Engine::Uml(Time::Virtual) => 1,
            Engine::Uml(Time::Real) => 4,
            Engine::Virtme(Accelerator::Tcg) => 8,
        };
        machine * self.kernel()
    }

    /// The factor for programs that mostly wait, as most samples do: only what they do between is slower.
    pub fn of_programs(self) -> u32 {
        let machine = if self.engine.is_emulation() && !self.engine.is_virtual() { 2 } else { 1 };
        machine * self.kernel()
    }

    /// True if computing takes no time.
    pub fn is_virtual(self) -> bool {
        self.engine.is_virtual()
    }

    /// The factor for deadlines within tests: how late a busy guest may be.
    pub fn tolerance(self) -> u32 {
        if self.is_virtual() {
            return 1;
        }
        let kernel = if self.slow_kernel { 3 } else { 2 };
        if self.engine.is_emulation() { 2 * kernel } else { kernel }
    }

    /// How long a guest may take to come up.
    pub fn boot_timeout(self, asked: Auto<Duration>) -> Duration {
        let usual = Duration::from_secs(match self.engine {
            Engine::Virtme(Accelerator::Kvm) | Engine::Uml(_) => 60,
            // Ten times what it takes on an idle machine: it may have other things to do.
            Engine::Virtme(Accelerator::Tcg) => 180,
        });
        asked.unwrap_or_else(|| usual * self.kernel())
    }

    /// True if tests are told that the machine is slow, unless the user says otherwise.
    pub fn is_slow(self) -> bool {
        !self.engine.is_virtual() && (self.engine.is_emulation() || self.slow_kernel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KVM: Engine = Engine::Virtme(Accelerator::Kvm);
    const TCG: Engine = Engine::Virtme(Accelerator::Tcg);

    #[test]
    fn what_the_user_says_of_time_holds_whatever_runs_the_guest() {
        let boot = |engine, slow, asked| Pace::new(engine, slow).boot_timeout(asked);
        assert!(boot(TCG, false, Auto::Auto) > boot(KVM, false, Auto::Auto));
        assert_eq!(boot(TCG, true, Auto::Auto), boot(TCG, false, Auto::Auto) * 3);
        let asked = Duration::from_secs(7);
        assert_eq!(boot(TCG, true, Auto::Given(asked)), asked);
    }

    #[test]
    fn a_slow_kernel_and_a_slow_machine_add_up() {
        let factors = |engine, slow| {
            let pace = Pace::new(engine, slow);
            (pace.of_tests(), pace.of_programs(), pace.is_slow())
        };
        assert_eq!(factors(KVM, false), (1, 1, false));
        assert_eq!(factors(KVM, true), (3, 3, true));
        assert_eq!(factors(TCG, false), (8, 2, true));
        assert_eq!(factors(TCG, true), (24, 6, true));
        let virtually = Engine::Uml(Time::Virtual);
        assert_eq!(factors(virtually, true), (1, 1, false), "computing takes no time");
        let tolerance = |engine, slow| Pace::new(engine, slow).tolerance();
        assert_eq!([tolerance(KVM, false), tolerance(KVM, true)], [2, 3]);
        assert_eq!([tolerance(TCG, false), tolerance(TCG, true)], [4, 6]);
        assert_eq!(tolerance(virtually, true), 1);
    }
}
