//! The project's own samples and modules, which are part of the binary.

use crate::error::{IoContext, Result};
use crate::settings;
use crate::suite::sample::Declared;
use std::path::Path;

/// What is declared of the samples.
const SAMPLES: &str = include_str!("../../samples/samples.toml");

/// Every file that they are made of.
macro_rules! files {
    ($($name:literal),+ $(,)?) => { &[$(($name, include_str!(concat!("../../samples/", $name)))),+] };
}

const FILES: &[(&str, &str)] = files![
    "c-echo/Makefile",
    "c-echo/echo_client.c",
    "c-echo/echo_server.c",
    "python-echo/echo_client.py",
    "python-echo/echo_server.py",
    "mptcpize-echo/Makefile",
    "mptcpize-echo/tcp_client.c",
    "mptcpize-echo/tcp_server.c",
    "kernel-path-manager/client.sh",
    "kernel-path-manager/talk.py",
    "userspace-path-manager/client.sh",
    "userspace-path-manager/talk.py",
    "schedulers/client.sh",
    "schedulers/talk.py",
    "bpf-mptcpify/Makefile",
    "bpf-mptcpify/attach.c",
    "bpf-mptcpify/client.sh",
    "bpf-mptcpify/mptcpify.bpf.c",
    "bpf-mptcpify/tcp_echo.py",
    "kernel-echo/Makefile",
    "kernel-echo/kernel_echo_client.c",
    "kernel-echo/kernel_echo_server.c",
];

/// The directory of the pair of kernel modules.
pub const MODULES: &str = "kernel-echo";

/// The samples, with their files below `dir`.
pub fn samples(dir: &Path) -> Result<Vec<Declared>> {
    let mut samples = settings::samples(SAMPLES)?;
    for sample in &mut samples {
        sample.path = dir.join(&sample.path);
    }
    Ok(samples)
}

/// Writes all files below `dir`.
pub fn unpack(dir: &Path) -> Result<()> {
    for (name, text) in FILES {
        let path = dir.join(name);
        if std::fs::read(&path).is_ok_and(|there| there == text.as_bytes()) {
            continue;
        }
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).doing("create", parent)?;
        }
        crate::text::file::replace(&path, text.as_bytes())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sample_has_its_files_and_all_of_them_are_short() {
        let dir = tempfile::tempdir().unwrap();
        unpack(dir.path()).unwrap();
        let samples = samples(dir.path()).unwrap();
        assert!(samples.len() >= 6, "{samples:?}");
        for sample in samples {
            assert!(sample.path.is_dir(), "{}", sample.path.display());
        }
        for (name, text) in FILES {
            assert!(text.lines().count() < 200, "{name} is too long for a learner");
        }
    }

    #[test]
    fn every_file_of_the_folder_is_part_of_the_binary() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples");
        for dir in std::fs::read_dir(&root).unwrap().flatten().filter(|entry| entry.path().is_dir()) {
            // Scripts for packetdrill are no samples: they are in directories of their own.
            for file in std::fs::read_dir(dir.path()).unwrap().flatten().filter(|file| file.path().is_file())
            {
                let path = file.path();
                let name = path.strip_prefix(&root).unwrap().to_str().unwrap();
                assert!(FILES.iter().any(|(known, _)| *known == name), "{name} is not embedded");
            }
        }
    }
}
