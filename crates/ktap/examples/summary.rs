//! Counts the outcomes in a KTAP stream on standard input, and says what is wrong with the stream.

#![allow(clippy::print_stdout, reason = "it is an example")]

use ktap::{Event, Parser, Paths};
use std::collections::BTreeMap;
use std::io::{self, BufRead};

fn main() -> io::Result<()> {
    let (mut parser, mut paths) = (Parser::new(), Paths::default());
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    let mut input = io::stdin().lock();
    let mut line = Vec::new();
    loop {
        line.clear();
        let ended = input.read_until(b'\n', &mut line)? == 0;
        let events = if ended { parser.finish() } else { parser.line(&line) };
        for event in events {
            paths.see(&event);
            match event {
                // The result of a group stands for those in it.
                Event::Result(result) if result.closes.is_none() => {
                    *counts.entry(result.outcome.as_str()).or_default() += 1;
                    if result.outcome == ktap::Outcome::Fail {
                        println!("failed: {}", shown::Shown::line(&paths.label(&result)));
                    }
                }
                Event::Problem { problem, .. } => println!("problem: {problem}"),
                _ => {}
            }
        }
        if ended {
            break;
        }
    }
    for (outcome, count) in counts {
        println!("{count} {outcome}");
    }
    Ok(())
}
