//! What there is, for who looks for it: the index, the list of paths, `/docs`, and what a request nearly named.
//!
//! The list is made by build.rs from the table of routes and the contract for machines.

use crate::consumer::api::html::{html, wants_html};
use crate::consumer::api::table::{ROUTES, Route, find};
use crate::http::{Answer, Method, Request, content, text};
use crate::packed::unpacked;
use crate::service::problem::{JSON, with_field};
use crate::settings::unknown_word::meant;

/// The texts, with a zero byte after each: what [`GuideText`] numbers.
const TEXTS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/guide.deflate"));
/// What `/docs` may do in a browser: as the page, see there.
pub(super) const DOCS_POLICY: &str = "default-src 'none'; \
    script-src 'sha256-Rnv3x1SQjBwkQrj5nWJPj3EEMgX3dMY7h1niuL7Xgw4='; style-src 'sha256-2rikv568VRgrcgqmUiOH8TnkcnvUbKBHOhSwD3d+BME='; connect-src 'self'; img-src data:; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";
/// Where the index says that we are, if the client does not.
const ORIGIN: &str = "localhost:8080";
/// Longest part of a path that is told again.
const PATH_CHARS: usize = 100;

/// The texts, in the order in which build.rs packs them.
#[derive(Clone, Copy)]
enum GuideText {
    Index,
    Paths,
    PathsJson,
    DocsPage,
}

impl GuideText {
    fn get(self) -> Vec<u8> {
        let texts = unpacked(TEXTS);
        texts.split(|&byte| byte == 0).nth(self as usize).unwrap_or_default().to_vec()
    }
}

fn plain(words: impl Into<Vec<u8>>) -> Answer {
    text(200, words).into()
}

/// Examples, and where the rest is; in JSON the list of paths.
pub(super) fn index(request: &Request<'_>, json: bool) -> Answer {
    if json {
        return paths(true);
    }
    // What is told again is what an address is made of, and nothing else.
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b".-:[]_".contains(byte);
    let host = request.fields.first("Host").and_then(|host| str::from_utf8(host).ok());
    let host = host.filter(|host| !host.is_empty() && host.bytes().all(|byte| is_plain(&byte))).unwrap_or(ORIGIN);
    let index = GuideText::Index.get();
    let parts: Vec<&[u8]> = index.split(|&byte| byte == b'@').collect();
    with_field(plain(parts.join(host.as_bytes())), "Vary", "Accept")
}

/// Every path, with its methods and what they do.
pub(super) fn paths(json: bool) -> Answer {
    match json {
        true => content(200, JSON, GuideText::PathsJson.get()).into(),
        false => plain(GuideText::Paths.get()),
    }
}

/// The contract for machines as a page to read; elsewhere the index, which says where it is.
pub(super) fn docs(request: &Request<'_>, json: bool) -> Answer {
    if !json && wants_html(request) {
        return html(GuideText::DocsPage.get(), DOCS_POLICY);
    }
    index(request, json)
}

/// That there is no such path, which one was probably meant, and where all of them are.
pub(super) fn no_such_path(path: &[u8]) -> String {
    let path = String::from_utf8_lossy(path);
    let known = || ROUTES.iter().map(|(path, _)| *path).filter(|path| !path.contains('{') && *path != "/");
    let nearest = meant(&path, &mut known()).or_else(|| meant(&format!("/api{path}"), &mut known()));
    let hint = nearest.map(|path| format!("did you mean {path}? ")).unwrap_or_default();
    let path: String = path.chars().take(PATH_CHARS).collect();
    format!("there is no {path}; {hint}GET /api lists what there is, and /openapi.json describes it")
}

/// The call that was probably meant where `method` is not for `path`.
pub(super) fn meant_call(path: &[u8], route: Route, method: &Method) -> String {
    let path = String::from_utf8_lossy(path);
    let (deletes, writes) = (*method == Method::Delete, matches!(method, Method::Post | Method::Put | Method::Patch));
    let other = match route {
        // A group is released, not its verb; and its verb sets it, or starts a load.
        Route::Set(_) | Route::Planned(_) | Route::Held(_) | Route::Load(_) | Route::Stop(_) | Route::Running(_)
            if deletes =>
        {
            path.rsplit_once('/').map(|(group, _)| group.to_owned())
        }
        Route::Group(_) if writes => Some(format!("{path}/set")),
        Route::Loads(_) if writes => Some(format!("{path}/load")),
        _ => None,
    };
    let takes = |path: &String| find(path.as_bytes()).is_some_and(|(_, route)| route.methods().contains(method));
    match other.filter(takes) {
        Some(other) => format!("{method} {other}"),
        None => route.methods().first().map(|first| format!("{first} {path}")).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_what_was_packed() {
        assert_eq!(GuideText::Index.get(), include_bytes!("index.txt"));
        assert_eq!(GuideText::DocsPage.get(), include_bytes!("docs.html"));
        let list = String::from_utf8(GuideText::Paths.get()).unwrap();
        for (path, _) in ROUTES {
            assert!(list.lines().any(|line| line.split(' ').next() == Some(path)), "{path}: {list}");
        }
    }

    #[test]
    fn the_index_fits_a_terminal() {
        let index = include_str!("index.txt");
        assert!(index.lines().count() <= 25);
        for line in index.lines() {
            let line = line.replace('@', ORIGIN);
            assert!(line.len() <= 80, "{line}");
        }
    }

    #[test]
    fn misspelt_paths_are_told_the_nearest() {
        for (path, near) in [
            ("/api/men/set", "/api/mem/set"),
            ("/api/mem/set/", "/api/mem/set"),
            ("/mem/set", "/api/mem/set"),
            ("/opnapi.json", "/openapi.json"),
            ("/fault/statsu", "/fault/status"),
            ("/consumeCPU", "/ConsumeCPU"),
            ("/apis", "/api"),
        ] {
            let words = no_such_path(path.as_bytes());
            assert!(words.starts_with(&format!("there is no {path}; did you mean {near}? GET /api ")), "{words}");
        }
        for path in ["/nothing/of/the/kind", "/x", "/api/jobs/abcdef", "/wp-login.php"] {
            assert!(!no_such_path(path.as_bytes()).contains("did you mean"), "{path}");
        }
        let long = no_such_path(&b"/x".repeat(4000));
        assert!(long.len() < 300, "{long}");
        assert!(no_such_path(b"/\xff").contains('\u{fffd}'));
    }

    #[test]
    fn wrong_methods_are_told_the_call_that_was_meant() {
        for (method, path, call) in [
            (Method::Delete, "/api/mem/set", "DELETE /api/mem"),
            (Method::Delete, "/api/cpu/getact", "DELETE /api/cpu"),
            (Method::Post, "/api/disk", "POST /api/disk/set"),
            (Method::Put, "/api/cpu", "PUT /api/cpu/load"),
            (Method::Patch, "/api/mem", "GET /api/mem"),
            (Method::Delete, "/api/status", "GET /api/status"),
            (Method::Get, "/fault/exit", "POST /fault/exit"),
            (Method::Get, "/readyz/disable", "POST /readyz/disable"),
            (Method::Post, "/api/jobs/12", "GET /api/jobs/12"),
        ] {
            let (_, route) = find(path.as_bytes()).unwrap();
            assert_eq!(meant_call(path.as_bytes(), route, &method), call);
        }
    }
}
