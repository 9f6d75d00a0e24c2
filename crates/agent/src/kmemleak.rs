//! The kernel's search for memory leaks, where it has one: `Documentation/dev-tools/kmemleak.rst`.

use nix::mount::{MsFlags, mount};
use std::fs;
use std::path::Path;

/// Where a guest's root may have no debugfs yet.
const DEBUGFS: &str = "/sys/kernel/debug";

/// Commands are written to it, and suspects are read from it.
const KMEMLEAK: &str = "/sys/kernel/debug/kmemleak";

/// Starts with a clean slate: no suspects, and no scan but those that the host asks for. Returns the time, in jiffies; none if
/// this kernel has no kmemleak, or it is off.
pub(super) fn begin() -> Option<u64> {
    if !Path::new(KMEMLEAK).exists() {
        // A kernel without debugfs refuses, and has no kmemleak either.
        let _ = mount(Some("debugfs"), DEBUGFS, Some("debugfs"), MsFlags::empty(), None::<&str>);
    }
    fs::write(KMEMLEAK, "scan=off").ok()?;
    fs::write(KMEMLEAK, "clear").ok()?;
    let timers = fs::read_to_string("/proc/timer_list").unwrap_or_default();
    Some(jiffies(&timers).unwrap_or(0))
}

/// The time in `/proc/timer_list`.
fn jiffies(timers: &str) -> Option<u64> {
    timers.lines().find_map(|line| line.strip_prefix("jiffies:")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_found_among_the_timers() {
        let text =
            "Timer List Version: v0.9\ncpu: 0\n  .nr_events      : 7\njiffies: 4294937296\njiffies: 9\n";
        assert_eq!(jiffies(text), Some(4_294_937_296));
        assert_eq!(jiffies("jiffies"), None);
    }
}
