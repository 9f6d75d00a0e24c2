//! An archive that the user names: a file or a URL.

use super::follow::{LastWords, Patience, Sign, follow};
use super::{Reporter, Store, distinct_name, unpack};
use crate::error::{Error, IoContext, Result};
use crate::event::{Progress, Unit};
use crate::kernel::space;
use crate::process::{Cmd, find};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What a kernel takes at most, packed and unpacked, in bytes: for a download of unknown size.
const SPACE: u64 = 2 << 30;

/// Unpacks the archive at `location` (relative to `cwd` if it is a relative path), or takes what was unpacked earlier.
pub(super) fn obtain(
    location: &str,
    cwd: &Path,
    store: &Store<'_>,
    reporter: &mut Reporter<'_>,
) -> Result<PathBuf> {
    if location.contains("://") {
        let file = location.split(['?', '#']).next().unwrap_or(location).trim_end_matches('/');
        let name = distinct_name("tarball", stem(file), location.as_bytes());
        return match store.find(&name) {
            Some(tree) => Ok(tree),
            None => store.make(&name, reporter, |partial, reporter| {
                space::require(partial, SPACE, "a kernel tree")?;
                let archive = partial.join("archive");
                download(location, &archive, reporter)?;
                unpack::kernel(&archive, location, &partial.join("tree"), reporter)
            }),
        };
    }
    let path = cwd.join(location);
    let archive = path.canonicalize().map_err(|error| {
        Error::usage(format!("cannot read the tarball {}: {error}", path.display()))
            .hint("vmptcp source tarball FILE-or-URL")
    })?;
    let meta = archive.metadata().doing("look at", &archive)?;
    if !meta.is_file() {
        return Err(Error::usage(format!("the tarball {} is not a file", archive.display()))
            .hint("a kernel tree that is unpacked already is used with --tree DIR"));
    }
    // A file that changed is another archive.
    let mut key = archive.as_os_str().as_bytes().to_vec();
    key.extend(format!("\0{} {}.{}", meta.size(), meta.mtime(), meta.mtime_nsec()).bytes());
    let name = distinct_name("tarball", stem(location), &key);
    match store.find(&name) {
        Some(tree) => Ok(tree),
        None => store.make(&name, reporter, |partial, reporter| {
            let shown = archive.display().to_string();
            unpack::kernel(&archive, &shown, &partial.join("tree"), reporter)
        }),
    }
}

/// The last part of a path or URL, without what makes it an archive.
fn stem(location: &str) -> &str {
    let file = location.rsplit('/').next().unwrap_or(location);
    file.split_once(".tar").or_else(|| file.split_once(".tgz")).map_or(file, |(stem, _)| stem)
}

/// Downloads `url` to `to` with curl, or wget where that is missing.
pub(super) fn download(url: &str, to: &Path, reporter: &mut Reporter<'_>) -> Result<()> {
    let headers = to.with_extension("headers");
    let (cmd, tool) = if find("curl").is_ok() {
        let patience =
            ["--connect-timeout", "20", "--speed-limit", "100", "--speed-time", "60", "--retry", "2"];
        let cmd = Cmd::new("curl").args(["--fail", "--location", "--silent", "--show-error"]).args(patience);
        let cmd = cmd.args(["--proto", "=http,https,ftp,file", "--dump-header"]).arg(&headers);
        (cmd.arg("--output").arg(to).arg("--url").arg(url), "curl")
    } else {
        find("wget").map_err(|_| {
            Error::cannot_run(format!("cannot download {url}: neither curl nor wget is installed"))
                .hint("see which package brings them: vmptcp doctor")
        })?;
        let cmd = Cmd::new("wget").args(["--no-verbose", "--timeout=60", "--tries=3", "--output-document"]);
        (cmd.arg(to).arg("--").arg(url), "wget")
    };
    let (mut words, mut total) = (LastWords::default(), None);
    let status = follow(&cmd, Patience::default(), |sign| match sign {
        Sign::Said(line) => words.push(line),
        Sign::Tick(_) => {
            total = total.or_else(|| content_length(&fs::read_to_string(&headers).unwrap_or_default()));
            let done = fs::metadata(to).map_or(0, |meta| meta.len());
            let detail = format!("downloading {url}");
            (reporter.progress)(Progress { done, total, unit: Unit::Bytes, detail });
        }
    })?;
    if status.success() && to.is_file() {
        return Ok(());
    }
    Err(Error::cannot_run(format!("cannot download {url}: {tool} says: {words}"))
        .hint("check the URL and the network, then try again"))
}

/// The length that the last answer states; those before it were redirections.
fn content_length(headers: &str) -> Option<u64> {
    let last = headers.rsplit("HTTP/").next()?;
    last.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_is_that_of_the_last_answer() {
        let headers =
            "HTTP/1.1 302 Found\r\nContent-Length: 5\r\n\r\nHTTP/2 200\r\ncontent-length: 147906904\r\n\r\n";
        assert_eq!(content_length(headers), Some(147_906_904));
        assert_eq!(content_length("HTTP/1.1 302 Found\r\nContent-Length: 5\r\n\r\nHTTP/2 200\r\n\r\n"), None);
        assert_eq!(content_length(""), None);
    }

    #[test]
    fn a_tree_is_called_after_its_archive() {
        assert_eq!(stem("https://cdn.example.org/v6.x/linux-6.12.7.tar.xz"), "linux-6.12.7");
        assert_eq!(stem("/tmp/net-next.tgz"), "net-next");
        assert_eq!(stem("odd"), "odd");
    }
}
