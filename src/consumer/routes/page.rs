//! The page for browsers: one file, which asks for nothing but this service.

use super::{unknown, unpacked};
use crate::http::{Answer, Method, Request, content, field};

/// The page, with its style and its script.
const PAGE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/page.lz4"));
/// What the page may do: run its own script and style, whose hashes these are, and ask this service.
const POLICY: &str = "default-src 'none'; script-src 'sha256-SCRIPT'; style-src 'sha256-STYLE'; connect-src 'self'; \
                      img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The page, for who asks for HTML by name.
pub(super) fn page(request: &Request<'_>, json: bool) -> Answer {
    let accept = request.fields.first("Accept").unwrap_or_default();
    if json
        || !matches!(request.method, Method::Get | Method::Head)
        || !accept.to_ascii_lowercase().windows(9).any(|part| part == b"text/html")
    {
        return unknown(json);
    }
    let mut page = content(200, "text/html; charset=utf-8", unpacked(PAGE));
    for (name, value) in [
        ("Content-Security-Policy", POLICY),
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "no-referrer"),
        ("Cache-Control", "no-cache"),
        ("Vary", "Accept"),
    ] {
        page.add_header(field(name, value));
    }
    page.into()
}
