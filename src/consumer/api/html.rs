//! Pages for browsers: who asks for one, and the fields that each comes with.

use crate::http::{Answer, Method, Request, content, field};

/// Whether a client asks for HTML by name, and for no other format.
pub(super) fn wants_html(request: &Request<'_>) -> bool {
    let accept = request.fields.first("Accept").unwrap_or_default();
    matches!(request.method, Method::Get | Method::Head)
        && request.query.value("format").is_none()
        && accept.to_ascii_lowercase().windows(9).any(|part| part == b"text/html")
}

/// A page that may do what `policy` says.
pub(super) fn html(page: Vec<u8>, policy: &str) -> Answer {
    let mut page = content(200, "text/html; charset=utf-8", page);
    for (name, value) in [
        ("Content-Security-Policy", policy),
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "no-referrer"),
        ("Cache-Control", "no-cache"),
        ("Vary", "Accept"),
    ] {
        page.add_header(field(name, value));
    }
    page.into()
}
