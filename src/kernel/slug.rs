//! Names of directories that people recognise.

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
    fn a_slug_never_leaves_its_directory() {
        assert_eq!(slug("../../etc/passwd"), "etc-passwd");
        assert_eq!(slug("https://git.example.org/pub/linux.git"), "https-git.example.org-pub-linux.git");
        assert_eq!(slug("…"), "");
        assert_eq!(slug(&"x".repeat(300)).len(), 60);
    }
}
