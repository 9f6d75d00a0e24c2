//! How much room the terminal has, and what is shown where it has little.

use std::collections::BTreeMap;
use std::os::fd::AsRawFd as _;

mod ioctl {
    #![allow(missing_docs, reason = "the macro leaves no place for them")]
    nix::ioctl_read_bad!(window_size, nix::libc::TIOCGWINSZ, nix::pty::Winsize);
}

/// What the moving line has besides its text: the spinner, the time, and a column that stays free.
const RESERVED_WIDTH: usize = 8;

/// What stands between two of several VMs.
const SEPARATOR: &str = " | ";

/// The fewest characters that still say what a VM does.
const MIN_WIDTH: usize = 8;

/// Columns and rows of a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TerminalSize {
    /// Columns.
    pub cols: usize,
    /// Rows.
    pub rows: usize,
}

impl TerminalSize {
    /// That of the terminal that is standard error, as it is now.
    pub fn of_stderr() -> Self {
        let mut size = nix::pty::Winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
        // SAFETY: the descriptor is open as long as we run, and the pointer is valid for the call.
        let asked = unsafe { ioctl::window_size(std::io::stderr().as_raw_fd(), &raw mut size) };
        match (asked, size.ws_col, size.ws_row) {
            (Ok(_), 1.., 1..) => Self { cols: size.ws_col.into(), rows: size.ws_row.into() },
            // No terminal, or one that does not know: as terminals always were.
            _ => Self { cols: 80, rows: 24 },
        }
    }

    /// What several VMs do, on one line: each gets its share. Where that is too little, some give way, and how many is said.
    pub fn shared(self, vms: &BTreeMap<u32, String>) -> String {
        if vms.len() < 2 {
            return vms.values().next().cloned().unwrap_or_default();
        }
        let width = self.cols.saturating_sub(RESERVED_WIDTH);
        let wanted = |count: usize| count * (MIN_WIDTH + 3) + (count - 1) * SEPARATOR.len();
        let more = |count: usize| {
            if count < vms.len() { format!("{SEPARATOR}+{}", vms.len() - count) } else { String::new() }
        };
        let shown =
            (1..=vms.len()).rev().find(|&count| wanted(count) + more(count).len() <= width).unwrap_or(1);
        let more = more(shown);
        let each = width.saturating_sub(more.len() + (shown - 1) * SEPARATOR.len()) / shown;
        let short =
            |(vm, what): (&u32, &String)| format!("{vm}: {what}").chars().take(each).collect::<String>();
        vms.iter().take(shown).map(short).collect::<Vec<_>>().join(SEPARATOR) + &more
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(cols: usize, vms: u32) -> String {
        let vms = (1..=vms).map(|vm| (vm, format!("test number {vm} of some length"))).collect();
        TerminalSize { cols, rows: 24 }.shared(&vms)
    }

    #[test]
    fn each_vm_gets_its_share_of_the_line() {
        assert_eq!(line(80, 1), "test number 1 of some length");
        assert_eq!(line(80, 2), "1: test number 1 of some length | 2: test number 2 of some length");
        assert_eq!(line(40, 2), "1: test number | 2: test number");
        assert_eq!(line(40, 8), "1: test numb | 2: test numb | +6");
        assert_eq!(line(10, 3), " | +2");
        for (cols, vms) in [(20, 2), (30, 4), (79, 16), (200, 16)] {
            assert!(line(cols, vms).chars().count() + RESERVED_WIDTH <= cols, "{cols} columns, {vms} VMs");
        }
    }
}
