//! The page for browsers: one file, which asks for nothing but this service.

use crate::consumer::api::html::html;
use crate::http::Answer;
use crate::packed::unpacked;

/// The page, with its style and its script.
const PAGE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/page.deflate"));
/// What the page may do: run its own script and style, whose hashes these are, and ask this service.
const POLICY: &str = "default-src 'none'; script-src 'sha256-jbVHWsxShTAFJXmLcgqnD2V2t4KSh+xsZ09eqbQdxz0='; \
                      style-src 'sha256-/o1WR+ToeC/kiQOOu+eHOyfptl/D7bo3BGNB804U4M0='; connect-src 'self'; img-src data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
                      require-trusted-types-for 'script'; trusted-types 'none'";

/// The page.
pub(super) fn page() -> Answer {
    html(unpacked(PAGE), POLICY)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256};

    const SOURCE: &str = include_str!("page.html");
    /// The most the page may weigh.
    const PAGE_BYTES: usize = 64 << 10;

    fn base64(bytes: &[u8]) -> String {
        const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut text = String::new();
        for three in bytes.chunks(3) {
            let bits = (0..3).fold(0, |bits, place| bits << 8 | usize::from(three.get(place).copied().unwrap_or(0)));
            for place in 0..4 {
                text.push(if place <= three.len() { char::from(DIGITS[bits >> (18 - 6 * place) & 63]) } else { '=' });
            }
        }
        text
    }

    #[test]
    fn base64_is_that_of_rfc_4648() {
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn the_page_is_small_and_whole() {
        assert!(SOURCE.len() <= PAGE_BYTES, "{} bytes, of {PAGE_BYTES} at most", SOURCE.len());
        assert_eq!(unpacked(PAGE), SOURCE.as_bytes());
        // What the policy would stop is not in it, and nothing that would be fetched.
        for stopped in
            [" style=\"", " onclick=\"", " src=", "<link rel=\"stylesheet", "@import", " url(", "innerHTML", "eval("]
        {
            assert!(!SOURCE.contains(stopped), "{stopped}");
        }
        for kept in ["localStorage", "sessionStorage", "document.cookie", "indexedDB"] {
            assert!(!SOURCE.contains(kept), "{kept}: nothing is kept");
        }
    }

    fn check_policy(page: &str, policy: &str) {
        for element in ["script", "style"] {
            let (open, close) = (format!("<{element}>"), format!("</{element}>"));
            assert_eq!((page.matches(&open).count(), page.matches(&close).count()), (1, 1), "one {element}");
            let text = page.split_once(&open).unwrap().1.split_once(&close).unwrap().0;
            let hash = base64(&Sha256::digest(text));
            let source = format!("{element}-src 'sha256-{hash}';");
            assert!(policy.contains(&source), "the policy has to say: {source}");
        }
    }

    #[test]
    fn the_policy_knows_the_script_and_the_style() {
        check_policy(SOURCE, POLICY);
    }

    #[cfg(feature = "openapi")]
    #[test]
    fn the_page_to_read_is_small_and_may_do_as_little() {
        use crate::consumer::api::guide::DOCS_POLICY;
        const DOCS: &str = include_str!("docs.html");
        check_policy(DOCS, DOCS_POLICY);
        assert!(DOCS.len() <= 13 << 10, "{} bytes", DOCS.len());
        let rest =
            |policy: &'static str| -> Vec<&str> { policy.split("; ").filter(|one| !one.contains("sha256")).collect() };
        assert_eq!(rest(DOCS_POLICY), rest(POLICY));
        for stopped in
            [" style=\"", " onclick=\"", " src=", "@import", " url(", "innerHTML", "eval(", "://", "localStorage"]
        {
            assert!(!DOCS.contains(stopped), "{stopped}");
        }
    }
}
