//! Follows the console of one guest: splats, and its last lines. Pure.

use crate::vm::console::{Detector, Splat};
use std::collections::VecDeque;

/// How many of the console's last lines are kept for a report.
const TAIL: usize = 40;

/// What the console shows between these two was asked for, and is no splat.
pub(super) const POST_MORTEM_BEGIN: &str = "vmptcp: begin of a post-mortem";
/// See [`POST_MORTEM_BEGIN`].
pub(super) const POST_MORTEM_END: &str = "vmptcp: end of a post-mortem";

/// What the kernel prints after a scan of its memory that found something.
const FOUND_LEAKS: &str = " new suspected memory leaks (see ";

/// Follows a console, line by line.
#[derive(Debug, Default)]
pub(super) struct Follower {
    detector: Detector,
    tail: VecDeque<String>,
    post_mortem: bool,
    leaks_are_asked_for: bool,
}

impl Follower {
    /// Takes a line; returns a splat that it completes, and whether the line was asked for after a hang.
    pub fn line(&mut self, line: &str) -> (Option<Splat>, bool) {
        if self.tail.len() == TAIL {
            self.tail.pop_front();
        }
        self.tail.push_back(line.to_owned());
        self.post_mortem |= line.ends_with(POST_MORTEM_BEGIN);
        let post_mortem = self.post_mortem;
        let asked_for = post_mortem || (self.leaks_are_asked_for && line.contains(FOUND_LEAKS));
        let splat = if asked_for { None } else { self.detector.line(line) };
        self.post_mortem &= !line.ends_with(POST_MORTEM_END);
        (splat, post_mortem)
    }

    /// Nothing more of an open splat is to be expected: returns what there is of it.
    pub fn flush(&mut self) -> Option<Splat> {
        self.detector.flush()
    }

    /// The last lines.
    pub fn tail(&self) -> Vec<String> {
        self.tail.iter().cloned().collect()
    }

    /// Leaks are asked for: that the kernel found some says less than its answer.
    pub fn expect_leaks(&mut self) {
        self.leaks_are_asked_for = true;
    }
}
