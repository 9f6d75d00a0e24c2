//! Packs that are made and unpacked, and archives that are no packs, or none to trust.

use super::*;
use crate::error::Kind;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;

fn manifest() -> Manifest {
    let version = Version { major: 6, minor: 12, sublevel: 7, extra: String::new() };
    let kernel = Kernel {
        image: "linux".to_owned(),
        release: "6.12.7".to_owned(),
        collections: vec!["net/mptcp".to_owned()],
    };
    Manifest::new(version, None, BTreeMap::from([("normal-uml".to_owned(), kernel)]))
}

/// A kernel that was built, with a collection of selftests in which a link leads to a file of another.
fn built(dir: &Path) -> Built {
    let out = dir.join("out");
    let write = |name: &str, mode: u32| {
        let path = out.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, name).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    };
    write("linux", 0o750);
    write(".config", 0o600);
    write("vmlinux.o", 0o644);
    write("net/mptcp/mptcp_diag.ko", 0o644);
    write("kselftest_install/net/mptcp/diag.sh", 0o755);
    write("kselftest_install/net/lib.sh", 0o644);
    fs::write(out.join("modules.order"), "net/mptcp/mptcp_diag.o\n").unwrap();
    std::os::unix::fs::symlink("../lib.sh", out.join("kselftest_install/net/mptcp/lib.sh")).unwrap();
    Built {
        image: out.join("linux"),
        selftests: None,
        kernel_release: "6.12.7".to_owned(),
        config: out.join(".config"),
        out_dir: out,
        steps: 1,
        seconds: 1.0,
        up_to_date: true,
        elsewhere: false,
    }
}

/// Where the kernel is in a pack.
const OUT: &str = ".vmptcp/build/normal-uml";

fn uml() -> Variant {
    Variant::parse("normal-uml").unwrap()
}

fn packed(dir: &Path, pack: &str) -> PathBuf {
    let (_, entries) =
        build_files(&built(dir), Path::new(OUT), uml(), &["net/mptcp".to_owned()], false).unwrap();
    let pack = dir.join(pack);
    write(&pack, &manifest(), entries).unwrap();
    pack
}

#[test]
fn a_kernel_is_packed_and_found_again_elsewhere() {
    let dir = tempfile::tempdir().unwrap();
    let pack = packed(dir.path(), "x.tar.zst");
    let into = dir.path().join("new/there");
    assert_eq!(unpack(&pack, &into).unwrap(), manifest());
    let tree = super::super::Tree::open(&into).unwrap();
    assert_eq!(tree.version().to_string(), "6.12.7");
    assert!(tree.require_sources("x").is_err());
    let request = PackedRequest {
        tree: into.clone(),
        out: into.join(OUT),
        variant: uml(),
        collections: vec!["net/mptcp".to_owned()],
        manifest: manifest(),
    };
    let found = find(&request).unwrap();
    assert!(found.elsewhere && found.image.metadata().unwrap().permissions().mode() & 0o100 != 0);
    assert_eq!(found.config.metadata().unwrap().permissions().mode() & 0o111, 0);
    assert!(found.out_dir.join("net/mptcp/mptcp_diag.ko").is_file());
    assert!(!found.out_dir.join("vmlinux.o").exists(), "only what guests need");
    let library = found.selftests.unwrap().join("net/mptcp/lib.sh");
    assert_eq!(fs::read_to_string(library).unwrap(), "kselftest_install/net/lib.sh");

    let wrong = find(&PackedRequest { variant: Variant::default(), ..request.clone() }).unwrap_err();
    assert_eq!(wrong.remedy(), Some("it has normal-uml: add --uml"));
    let wrong = find(&PackedRequest { collections: vec!["bpf".to_owned()], ..request.clone() }).unwrap_err();
    assert!(wrong.to_string().ends_with("has no selftests of bpf"), "{wrong}");
    fs::remove_file(into.join(OUT).join("linux")).unwrap();
    assert_eq!(find(&request).unwrap_err().kind(), Kind::CannotRun);
}

#[test]
fn the_same_kernel_makes_the_same_bytes_wherever_it_is() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let first = fs::read(packed(one.path(), "a")).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(20));
    assert_eq!(first, fs::read(packed(two.path(), "b")).unwrap());
}

#[test]
fn a_directory_that_is_there_stays_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let pack = packed(dir.path(), "x.tar.zst");
    fs::create_dir(dir.path().join("empty")).unwrap();
    unpack(&pack, &dir.path().join("empty")).unwrap();
    for taken in ["out", "x.tar.zst"] {
        let error = unpack(&pack, &dir.path().join(taken)).unwrap_err();
        assert!(error.remedy().unwrap().contains("--into"), "{error}");
    }
}

/// Name, kind and target of an entry.
type Foreign = (&'static str, tar::EntryType, &'static str);

/// A pack with one more file, which nothing checked.
fn with(dir: &Path, change: impl Fn(&mut tar::Builder<zstd::Encoder<'_, fs::File>>)) -> PathBuf {
    let pack = dir.join("evil.tar.zst");
    let mut archive = tar::Builder::new(zstd::Encoder::new(fs::File::create(&pack).unwrap(), 1).unwrap());
    let text = serde_json::to_vec(&manifest()).unwrap();
    raw(&mut archive, MANIFEST, tar::EntryType::Regular, "", &text);
    change(&mut archive);
    archive.into_inner().unwrap().finish().unwrap().flush().unwrap();
    pack
}

/// Adds an entry whose name and link are as they stand here.
fn raw<W: Write>(archive: &mut tar::Builder<W>, name: &str, kind: tar::EntryType, link: &str, data: &[u8]) {
    let mut header = tar::Header::new_gnu();
    header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
    header.as_gnu_mut().unwrap().linkname[..link.len()].copy_from_slice(link.as_bytes());
    header.set_entry_type(kind);
    header.set_size(data.len() as u64);
    header.set_mode(0o644);
    header.set_cksum();
    archive.append(&header, data).unwrap();
}

#[test]
fn nothing_is_written_outside() {
    use tar::EntryType::{Char, Link, Regular, Symlink};
    let cases: [(&str, &[Foreign]); 11] = [
        ("leads out of it", &[("../evil", Regular, "")]),
        ("leads out of it", &[("/tmp/evil", Regular, "")]),
        ("leads out of it", &[("a/../../evil", Regular, "")]),
        ("leads out of it, to /etc", &[("a", Symlink, "/etc")]),
        ("leads out of it, to ../x", &[("a", Symlink, "../x")]),
        ("leads out of it, to b/..", &[("d/b", Symlink, "../x"), ("a", Symlink, "b/..")]),
        ("is below a symbolic link", &[("a", Symlink, "b"), ("a/x", Regular, "")]),
        ("in the place of one", &[("a", Symlink, "b"), ("a", Regular, "")]),
        ("neither a file nor a symbolic link", &[("a", Link, "/etc/passwd")]),
        ("neither a file nor a symbolic link", &[("a", Char, "")]),
        ("exists", &[("a", Regular, ""), ("a", Regular, "")]),
    ];
    for (why, entries) in cases {
        let dir = tempfile::tempdir().unwrap();
        let pack = with(dir.path(), |archive| {
            for (name, kind, link) in entries {
                raw(archive, name, *kind, link, b"");
            }
        });
        let error = unpack(&pack, &dir.path().join("sub/into")).unwrap_err();
        assert!(error.to_string().contains(why), "{entries:?}: {error}");
        let left: Vec<_> = fs::read_dir(dir.path().join("sub")).unwrap().collect();
        assert!(left.is_empty(), "{entries:?}: {left:?}");
        assert!(!dir.path().join("evil").exists());
    }
}

#[test]
fn what_is_no_pack_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let into = dir.path().join("into");
    let file = dir.path().join("file");
    let refused = |content: &[u8]| {
        fs::write(&file, content).unwrap();
        let error = unpack(&file, &into).unwrap_err();
        assert!(!into.exists());
        error.to_string().replace(dir.path().to_str().unwrap(), "DIR")
    };
    assert_eq!(refused(b""), "DIR/file is not a pack: it is not compressed with zstd");
    assert_eq!(refused(b"\x1f\x8b\x08"), "DIR/file is not a pack: it is not compressed with zstd");
    assert_eq!(refused(&zstd::encode_all(&b""[..], 1).unwrap()), "DIR/file is not a pack: it is empty");
    let mut other = tar::Builder::new(zstd::Encoder::new(Vec::new(), 1).unwrap());
    raw(&mut other, "README", tar::EntryType::Regular, "", b"x");
    let other = other.into_inner().unwrap().finish().unwrap();
    assert_eq!(refused(&other), "DIR/file is not a pack: it does not begin with .vmptcp-pack.json");
    let pack = fs::read(packed(dir.path(), "x")).unwrap();
    for cut in [5, pack.len() / 2, pack.len() - 1] {
        let error = refused(&pack[..cut]);
        assert!(error.starts_with("cannot unpack DIR/file: "), "{cut}: {error}");
    }
    let newer = String::from_utf8(serde_json::to_vec(&manifest()).unwrap()).unwrap();
    for (text, why) in [
        (newer.replace("\"format\":1", "\"format\":9"), "its format is 9, and not 1"),
        (newer.replace("\"linux\"", "\"../linux\""), "a path of the variant normal-uml leads out of it"),
        (newer.replace("normal-uml", "fast"), "unknown variant \"fast\""),
        ("{}".to_owned(), "missing field"),
    ] {
        let error = Manifest::parse(text.as_bytes(), "x").unwrap_err();
        assert!(error.to_string().contains(why), "{text}: {error}");
    }
}
