//! Fragments of the kernel's configuration: the project's own, and those of the user.

use crate::error::{Error, IoContext, Result};
use crate::kernel::kconfig::{Asker, Fragment, malformed};
use std::path::Path;

/// The project's own fragments, by name, in the order in which those that always apply are merged.
const OWN: &[(&str, &str)] = &[
    ("guest", include_str!("../../kconfig/guest.config")),
    ("virtme", include_str!("../../kconfig/virtme.config")),
    ("mptcp", include_str!("../../kconfig/mptcp.config")),
    ("minimal", include_str!("../../kconfig/minimal.config")),
    ("uml", include_str!("../../kconfig/uml.config")),
    ("oldroot", include_str!("../../kconfig/oldroot.config")),
    ("debug", include_str!("../../kconfig/debug.config")),
    ("btf", include_str!("../../kconfig/btf.config")),
    ("gcov", include_str!("../../kconfig/gcov.config")),
    ("debuginfo", include_str!("../../kconfig/debuginfo.config")),
    ("kunit", include_str!("../../kconfig/kunit.config")),
    ("packetdrill", include_str!("../../kconfig/packetdrill.config")),
    ("tracing", include_str!("../../kconfig/tracing.config")),
];

/// One of the project's own fragments.
pub fn own_fragment(name: &str) -> Option<Fragment> {
    let (name, text) = OWN.iter().find(|(known, _)| *known == name)?;
    Some(Fragment { by: Asker::Tool, label: format!("kconfig/{name}.config"), text: (*text).to_owned() })
}

/// The names of the project's own fragments.
pub fn own_fragments() -> Vec<&'static str> {
    OWN.iter().map(|(name, _)| *name).collect()
}

/// Reads a fragment of the user's, or one of vmptcp's own by its name.
pub fn read_fragment(path: &Path) -> Result<Fragment> {
    if let (Some(fragment), false) = (path.to_str().and_then(own_fragment), path.exists()) {
        // Whoever names it asks for it.
        return Ok(Fragment { by: Asker::User, ..fragment });
    }
    let bytes = std::fs::read(path).doing("read the fragment", path).map_err(|error| {
        let names = own_fragments().join(", ");
        Error::usage(error.to_string()).hint(format!("name a file, or one of vmptcp's own: {names}"))
    })?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = valid.split(|&byte| byte == b'\n').count();
        Error::usage(format!("{}:{line}: not UTF-8", path.display()))
            .hint("give a text file with lines such as CONFIG_FOO=y")
    })?;
    let fragment = Fragment { by: Asker::User, label: path.display().to_string(), text };
    // What is malformed is found before anything is begun.
    fragment.parse().map_err(malformed)?;
    Ok(fragment)
}
