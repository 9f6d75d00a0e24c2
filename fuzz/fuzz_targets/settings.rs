//! Any vmptcp.toml: loaded, or refused with the name of the file.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::fs;
use vmptcp::settings::{self, Environment, TREE_FILE};

fuzz_target!(|bytes: &[u8]| {
    let Ok(tree) = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()) else { return };
    if fs::write(tree.path().join(TREE_FILE), bytes).is_err() {
        return;
    }
    let environment = Environment::new::<&str, &str>([]);
    if let Err(error) = settings::load(&environment, Some(tree.path()), &[]) {
        assert!(error.to_string().contains(TREE_FILE), "{error}");
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = settings::samples(text);
    }
});
