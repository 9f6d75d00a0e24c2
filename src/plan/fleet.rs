//! How many guests run tests side by side, and how large each of them is. Pure.

use super::pace::Engine;
use crate::settings::Auto;

/// What of the host's free memory guests may take, in percent.
const MEMORY_SHARE: u64 = 75;

/// More virtual CPUs than this one guest does not use, whatever it runs.
const USEFUL_CPUS: u32 = 4;

/// The guests that are wanted for tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "they are independent of each other")]
pub struct FleetPlan {
    /// How many: as many as the host carries, or this number.
    pub vms: Auto<u32>,
    /// Virtual CPUs of each: what suits their number, or this number.
    pub cpus: Auto<u32>,
    /// Split what can be split.
    pub shards: bool,
    /// Every test gets a guest of its own.
    pub fresh: bool,
    /// How many more times a failed test is run, alone, to tell a flake from a failure.
    pub confirm: u32,
    /// Go on until a test fails.
    pub until_fail: bool,
    /// Keep the host busy meanwhile.
    pub stress: bool,
}

/// What the host has to offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    /// Cores.
    pub cores: u32,
    /// Memory that is free, in MiB.
    pub memory_mib: u64,
}

impl FleetPlan {
    /// How many guests, and how many virtual CPUs each, for `jobs` that can run side by side in guests of `memory_mib`.
    ///
    /// The tests mostly wait, and what they do is done by one CPU: under emulation one for each guest is enough. With KVM a
    /// second one costs little.
    pub fn size(&self, engine: Engine, host: Capacity, memory_mib: u64, jobs: usize) -> (u32, u32) {
        let cores = host.cores.max(1);
        let usual = if engine.is_emulation() { 1 } else { 2 };
        let vms = self.vms.unwrap_or_else(|| {
            let by_memory = host.memory_mib * MEMORY_SHARE / 100 / memory_mib.max(1);
            let by_cores = cores / self.cpus.unwrap_or_else(|| usual).max(1);
            by_cores.min(u32::try_from(by_memory).unwrap_or(u32::MAX))
        });
        let vms = vms.min(u32::try_from(jobs).unwrap_or(u32::MAX)).max(1);
        (vms, self.cpus.unwrap_or_else(|| share_of_cores(cores, vms)))
    }
}

/// How many virtual CPUs each of so many guests gets: together not more than the host has cores, or they would come up
/// one after the other.
pub fn share_of_cores(cores: u32, guests: u32) -> u32 {
    (cores / guests.max(1)).clamp(1, USEFUL_CPUS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vm::accel::Accelerator;

    const AUTO: FleetPlan = FleetPlan {
        vms: Auto::Auto,
        cpus: Auto::Auto,
        shards: true,
        fresh: false,
        confirm: 1,
        until_fail: false,
        stress: false,
    };

    fn size(
        plan: FleetPlan,
        accelerator: Accelerator,
        cores: u32,
        memory_mib: u64,
        jobs: usize,
    ) -> (u32, u32) {
        plan.size(Engine::Virtme(accelerator), Capacity { cores, memory_mib }, 1024, jobs)
    }

    #[test]
    fn as_many_guests_as_the_host_carries() {
        use Accelerator::{Kvm, Tcg};
        assert_eq!(size(AUTO, Tcg, 2, 24_000, 10), (2, 1));
        assert_eq!(size(AUTO, Tcg, 16, 64_000, 100), (16, 1));
        assert_eq!(size(AUTO, Kvm, 16, 64_000, 100), (8, 2));
        assert_eq!(size(AUTO, Tcg, 16, 4096, 100), (3, 4), "memory is short");
        assert_eq!(size(AUTO, Tcg, 16, 100, 100), (1, 4), "one is always tried");
        assert_eq!(size(AUTO, Tcg, 16, 64_000, 4), (4, 4), "not more than there is to do");
        assert_eq!(size(AUTO, Tcg, 1, 4000, 0), (1, 1));
    }

    #[test]
    fn what_is_asked_for_is_taken() {
        let asked = |vms, cpus| size(FleetPlan { vms, cpus, ..AUTO }, Accelerator::Tcg, 8, 64_000, 100);
        assert_eq!(asked(Auto::Given(3), Auto::Auto), (3, 2));
        assert_eq!(asked(Auto::Auto, Auto::Given(4)), (2, 4));
        assert_eq!(asked(Auto::Given(1), Auto::Auto), (1, 4));
        assert_eq!(asked(Auto::Given(20), Auto::Given(2)), (20, 2));
    }
}
