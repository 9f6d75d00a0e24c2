//! A log file that does not grow without bounds: its beginning and its end are kept.

use crate::error::{IoContext, Result};
use std::collections::VecDeque;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

/// How much of the beginning is kept, in bytes. No selftest that is well comes near it.
const HEAD: usize = 32 * 1024 * 1024;

/// How much of the end is kept beyond that, in bytes: also what such a log may cost in memory.
const TAIL: usize = 512 * 1024;

/// A file that takes everything, and keeps its first 32 MiB and its last 512 KiB.
pub(super) struct CappedLog {
    path: PathBuf,
    file: File,
    written: usize,
    dropped: u64,
    tail: VecDeque<u8>,
}

impl CappedLog {
    /// Creates the file.
    pub fn create(path: &Path) -> Result<Self> {
        let file = File::create(path).doing("create", path)?;
        Ok(Self { path: path.to_owned(), file, written: 0, dropped: 0, tail: VecDeque::new() })
    }

    /// Takes more. On disk when this returns, as long as it belongs to the beginning.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let (head, rest) = bytes.split_at(bytes.len().min(HEAD - self.written));
        self.file.write_all(head).doing("write", &self.path)?;
        self.written += head.len();
        self.tail.extend(rest);
        let excess = self.tail.len().saturating_sub(TAIL);
        self.tail.drain(..excess);
        self.dropped += excess as u64;
        Ok(())
    }

    /// Appends the end, with a notice in front if something is missing between it and the beginning.
    pub fn close(&mut self) -> Result<()> {
        if self.dropped > 0 {
            let notice = format!("\n[vmptcp: {} bytes are left out here]\n", self.dropped);
            self.file.write_all(notice.as_bytes()).doing("write", &self.path)?;
        }
        let tail: Vec<u8> = std::mem::take(&mut self.tail).into();
        self.file.write_all(&tail).doing("write", &self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endless_log_keeps_its_beginning_and_its_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut log = CappedLog::create(&path).unwrap();
        let block = vec![b'x'; 1 << 20];
        for _ in 0..40 {
            log.write(&block).unwrap();
            assert!(log.tail.len() <= TAIL);
        }
        log.write(b"the end").unwrap();
        log.close().unwrap();
        let text = std::fs::read(&path).unwrap();
        assert!(text.ends_with(b"the end"));
        assert!(text.len() < HEAD + TAIL + 100);
        let missing = 40 * block.len() + 7 - HEAD - TAIL;
        let notice = format!("\n[vmptcp: {missing} bytes are left out here]\n");
        assert_eq!(&text[HEAD..HEAD + notice.len()], notice.as_bytes());
    }
}
