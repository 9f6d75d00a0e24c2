//! How much this machine can carry.

use std::num::NonZero;
use std::thread;

/// How many cores this process may use.
pub fn cores() -> u32 {
    thread::available_parallelism().map_or(1, NonZero::get).try_into().unwrap_or(1)
}

/// The memory that programs can still take, in bytes, if the kernel tells it.
pub fn available_memory() -> Option<u64> {
    parse(&std::fs::read_to_string("/proc/meminfo").ok()?)
}

fn parse(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_tells_what_is_available() {
        assert_eq!(parse("MemTotal:  9 kB\nMemAvailable:   17 kB\n"), Some(17 * 1024));
        assert_eq!(parse("MemTotal:  9 kB\n"), None);
        assert!(cores() >= 1);
    }
}
