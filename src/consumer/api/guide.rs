//! What there is, for who looks for it: the index, the list of paths, `/docs`, and what a request nearly named.
//!
//! The list is the table of routes, with the summaries of the contract for machines.

use std::fmt::Write;

use crate::consumer::api::OPENAPI;
use crate::consumer::api::html::{html, wants_html};
use crate::consumer::api::table::{ROUTES, Route};
use crate::http::{Answer, Method, Request, text};
use crate::object;
use crate::packed::unpacked;
use crate::service::json::{Value, list};
use crate::service::problem::{json as in_json, with_field};
use crate::settings::unknown_word::meant;

/// Lines to paste, where `@` stands for our address.
const INDEX: &str = include_str!("index.txt");
/// The contract for machines as a page to read.
const DOCS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/docs.deflate"));
/// What `/docs` may do in a browser: as the page, see there.
pub(super) const DOCS_POLICY: &str = "default-src 'none'; \
    script-src 'sha256-tVkQULFZP4Gz12joB4b9Kis1TQafA0tFZWZfwjcyNJQ='; style-src 'sha256-mPiucWA+uo+Ek5Du7PPQzJeRZcJHtSPpLCgm3H7mEo0='; connect-src 'self'; img-src data:; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";
/// Where the index says that we are, if the client does not.
const ORIGIN: &str = "localhost:8080";
/// Longest part of a path that is told again.
const PATH_CHARS: usize = 100;

fn plain(words: impl Into<Vec<u8>>) -> Answer {
    text(200, words).into()
}

/// Examples, and where the rest is; in JSON the list of paths. The examples show a token where one is wanted.
pub(super) fn index(request: &Request<'_>, json: bool, wants_token: bool) -> Answer {
    if json {
        return paths(true);
    }
    // What is told again is what an address is made of, and nothing else.
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b".-:[]_".contains(byte);
    let host = request.fields.first("Host").and_then(|host| str::from_utf8(host).ok());
    let host = host.filter(|host| !host.is_empty() && host.bytes().all(|byte| is_plain(&byte))).unwrap_or(ORIGIN);
    let mut index = String::new();
    for part in INDEX.split_inclusive('@') {
        index.push_str(part.trim_end_matches('@'));
        if part.ends_with('@') {
            index.push_str(host);
        }
    }
    if wants_token {
        index = index.replace("  curl ", "  curl -H \"Authorization: Bearer $TOKEN\" ");
    }
    with_field(plain(index), "Vary", "Accept")
}

/// Every path, with its methods and what they do: a row for all methods that do the same. What that is, the contract for machines
/// says: its summaries stand in the order of the routes and their methods.
pub(super) fn paths(json: bool) -> Answer {
    let contract = unpacked(OPENAPI);
    let contract = String::from_utf8_lossy(&contract);
    // The first one is that of the service.
    let mut summaries = contract.split("\"summary\":\"").skip(2).filter_map(|rest| rest.split('"').next()).peekable();
    let mut rows = Vec::new();
    let mut text = String::new();
    for (path, route) in ROUTES {
        let mut methods = route.methods().iter().filter(|method| **method != Method::Head).peekable();
        while let Some(method) = methods.next() {
            let summary = summaries.next().unwrap_or_default();
            let mut names = method.to_string();
            while let Some(method) = methods.next_if(|_| summaries.next_if_eq(&summary).is_some()) {
                names += " ";
                names += method.as_str();
            }
            if json {
                let names = list(&mut names.split(' ').map(|name| Value::of(&name)));
                rows.push(object! { "path": *path, "methods": names, "summary": summary });
            } else {
                // Writing into a string cannot fail.
                let _ = writeln!(text, "{path:<21}  {names:<12}  {summary}");
            }
        }
    }
    if json { in_json(200, &list(&mut rows.into_iter())) } else { plain(text) }
}

/// The contract for machines as a page to read; elsewhere the index, which says where it is.
pub(super) fn docs(request: &Request<'_>, json: bool, wants_token: bool) -> Answer {
    if !json && wants_html(request) {
        return html(unpacked(DOCS), DOCS_POLICY);
    }
    index(request, json, wants_token)
}

/// That there is no such path, which one was probably meant, and where all of them are.
pub(super) fn no_such_path(path: &[u8]) -> String {
    let path = String::from_utf8_lossy(path);
    let hint = meant_path(&path).map(|path| format!("did you mean {path}? ")).unwrap_or_default();
    let path: String = path.chars().take(PATH_CHARS).collect();
    format!("there is no {path}; {hint}GET /api lists what there is, and /openapi.json describes it")
}

/// The path that was probably meant, with a method where that is not GET.
fn meant_path(path: &str) -> Option<String> {
    let known = || ROUTES.iter().map(|(path, _)| *path).filter(|path| !path.contains('{') && *path != "/");
    let is_known = |wanted: &str| known().any(|path| path == wanted);
    // `/mem/set` is meant for `/api/mem/set`; of what is as short as `/x` nobody knows.
    let in_api = if path.len() > 4 { format!("/api{path}") } else { String::new() };
    // Words of the command line, and of other services.
    for path in [path, &in_api] {
        let (group, verb) = path.rsplit_once('/').unwrap_or_default();
        match verb {
            "get" if is_known(group) => return Some(group.to_owned()),
            "release" | "stop" | "end" if is_known(group) => return Some(format!("DELETE {group}")),
            "set" | "start" if is_known(&format!("{group}/load")) => return Some(format!("{group}/load")),
            "livez" | "health" if group.is_empty() => return Some(String::from("/healthz")),
            _ => {}
        }
    }
    meant(path, &mut known()).or_else(|| meant(&in_api, &mut known())).map(str::to_owned)
}

/// The call that was probably meant where `method` is not for `path`.
pub(super) fn meant_call(path: &[u8], route: Route, method: &Method) -> String {
    let path = String::from_utf8_lossy(path);
    let group = path.rsplit_once('/').map_or("", |(group, _)| group);
    let writes = matches!(method, Method::Post | Method::Put);
    let (method, path, verb) = match route {
        // A group is released, not its verb; and its verb sets it, or starts a load.
        Route::Set(_) | Route::Planned(_) | Route::Held(_) | Route::Load(_) | Route::Stop(_) | Route::Running(_)
            if *method == Method::Delete =>
        {
            (method, group, "")
        }
        Route::Group(_) if writes => (method, &*path, "/set"),
        Route::Loads(_) if writes => (method, &*path, "/load"),
        _ => (&route.methods()[0], &*path, ""),
    };
    format!("{method} {path}{verb}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consumer::api::table::find;

    #[test]
    fn the_page_to_read_is_what_was_packed() {
        assert_eq!(unpacked(DOCS), include_bytes!("docs.html"));
    }

    #[test]
    fn the_index_fits_a_terminal() {
        assert!(INDEX.lines().count() <= 25);
        for line in INDEX.lines() {
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
            ("/API/STATUS", "/api/status"),
            ("/consumecpu", "/ConsumeCPU"),
            ("/Mem/Set", "/api/mem/set"),
            ("/api/mem/get", "/api/mem"),
            ("/api/disk/release", "DELETE /api/disk"),
            ("/api/release", "DELETE /api"),
            ("/mem/release", "DELETE /api/mem"),
            ("/api/cpu/set", "/api/cpu/load"),
            ("/livez", "/healthz"),
        ] {
            let words = no_such_path(path.as_bytes());
            assert!(words.starts_with(&format!("there is no {path}; did you mean {near}? GET /api ")), "{words}");
        }
        for path in
            ["/nothing/of/the/kind", "/x", "/api/jobs/abcdef", "/wp-login.php", "/nope", "/ping", "/api/ab", "/api/x1"]
        {
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
