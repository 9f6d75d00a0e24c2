//! Why the system refused to start a program: its own words for that fit several reasons.

use shown::decode;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// What is the matter with the file of a program that the system refused to start with `error`; none where it can be seen in
/// the file no better than in the error.
pub(super) fn reason(file: &Path, error: &io::Error) -> Option<String> {
    let data = fs::metadata(file).ok()?;
    let nobody_may = data.permissions().mode() & 0o111 == 0;
    match error.kind() {
        ErrorKind::PermissionDenied if data.is_dir() => Some("it is a directory".to_owned()),
        ErrorKind::PermissionDenied if nobody_may => Some("it is not executable".to_owned()),
        // The file is there: what is not is what the kernel would have started for it.
        ErrorKind::NotFound => Some(match head(file) {
            Head::Script(interpreter) => {
                format!("its interpreter {interpreter}, which its first line names, is not installed")
            }
            Head::Program => "the dynamic loader that it names is not installed".to_owned(),
            Head::Other => return None,
        }),
        _ => None,
    }
}

/// What a file begins with.
enum Head {
    Program,
    /// With the name of its interpreter.
    Script(String),
    Other,
}

fn head(file: &Path) -> Head {
    let mut head = Vec::new();
    // As much as the kernel reads of it: BINPRM_BUF_SIZE.
    let read = File::open(file).and_then(|file| file.take(256).read_to_end(&mut head));
    let line = head.split(|&byte| byte == b'\n').next().unwrap_or_default();
    match (read, line.strip_prefix(b"#!")) {
        (Ok(_), Some(rest)) => {
            let rest = decode(rest);
            // A carriage return is part of the name that the kernel looks for.
            Head::Script(rest.trim_start().split([' ', '\t']).next().unwrap_or_default().to_owned())
        }
        (Ok(_), None) if head.starts_with(b"\x7fELF") => Head::Program,
        _ => Head::Other,
    }
}

#[cfg(test)]
mod tests {
    use crate::{Cmd, Stdio};
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    /// What is said of a file with this content and this mode that is to be run.
    fn refused(content: &[u8], mode: u32) -> String {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("x");
        let written = dir.path().join("written");
        fs::write(&written, content).unwrap();
        // Another thread's child may have what we wrote to open still, and such a file cannot be run.
        assert!(Cmd::new("cp").arg(&written).arg(&file).output().unwrap().status.success());
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        let said = [
            Cmd::new("./x").cwd(dir.path()).spawn(Stdio::Merged).unwrap_err().to_string(),
            Cmd::new(&file).output().unwrap_err().to_string(),
        ];
        let said = said.map(|text| text.replace(&file.display().to_string(), "./x"));
        assert_eq!(said[0], said[1], "it is the same in the background");
        said[0].clone()
    }

    #[test]
    fn what_the_system_refuses_is_explained() {
        assert_eq!(refused(b"#!/bin/sh\n", 0o644), "cannot run ./x: it is not executable");
        assert_eq!(refused(b"\x7fELF", 0o600), "cannot run ./x: it is not executable");
        assert_eq!(
            refused(b"#!/no/such/bash -e\n", 0o755),
            "cannot run ./x: its interpreter /no/such/bash, which its first line names, is not installed"
        );
        assert_eq!(
            refused(b"#!/bin/sh\r\n", 0o755),
            "cannot run ./x: its interpreter /bin/sh\r, which its first line names, is not installed"
        );
        let gone = Cmd::new("./gone").cwd(Path::new("/")).spawn(Stdio::Merged).unwrap_err();
        assert_eq!(gone.to_string(), "cannot run ./gone: it is not installed");
        let directory = Cmd::new("./tmp").cwd(Path::new("/")).spawn(Stdio::Merged).unwrap_err();
        assert_eq!(directory.to_string(), "cannot run ./tmp: it is a directory");
    }
}
