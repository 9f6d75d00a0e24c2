//! Short names for long ones.

/// 64 bits of FNV-1a over `bytes`: the same in every release and with any compiler, as it becomes part of the names
/// of directories and of what results are compared by.
pub fn stable(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

/// `text` as one harmless path component of at most 60 bytes: letters, digits, `.`, `_`, `+` and `-`, not hidden.
pub(super) fn slug(text: &str) -> String {
    let mut slug = String::new();
    for c in text.chars() {
        let c = if c.is_ascii_alphanumeric() || ".+_".contains(c) { c } else { '-' };
        if (c == '-' || c == '.') && slug.ends_with(['-', '.']) {
            continue;
        }
        slug.push(c);
    }
    let slug = slug.trim_matches(['-', '.']);
    slug[slug.len().saturating_sub(60)..].trim_start_matches(['-', '.']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_published_one() {
        assert_eq!(stable(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(stable(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn a_slug_never_leaves_its_directory() {
        assert_eq!(slug("../../etc/passwd"), "etc-passwd");
        assert_eq!(slug("https://git.example.org/pub/linux.git"), "https-git.example.org-pub-linux.git");
        assert_eq!(slug("…"), "");
        assert_eq!(slug(&"x".repeat(300)).len(), 60);
    }
}
