//! The pages that the proxy answers itself.

use crate::proxy::identity::request_id::RequestId;

/// An answer of the proxy's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Page {
    /// 400: nobody to be asked, or no request.
    BadRequest,
    /// 400: no method that is passed on.
    UnsupportedMethod(String),
    /// 408
    RequestTimeout,
    /// 413: a head of more than so many bytes.
    HeadTooLarge(usize),
    /// 413: a body of more than so many bytes.
    BodyTooLarge(u64),
    /// 502: no member answers properly.
    BadGateway,
    /// 503: nobody can take it now.
    ServiceUnavailable,
    /// 504: a member does not answer in time.
    GatewayTimeout,
    /// 200: it would be passed on.
    DryRun,
}

impl Page {
    pub(super) fn status(&self) -> (u16, &'static str) {
        match self {
            Self::BadRequest | Self::UnsupportedMethod(_) => (400, "Bad Request"),
            Self::RequestTimeout => (408, "Request Timeout"),
            Self::HeadTooLarge(_) | Self::BodyTooLarge(_) => (413, "Request Entity Too Large"),
            Self::BadGateway => (502, "Bad Gateway"),
            Self::ServiceUnavailable => (503, "Service Unavailable"),
            Self::GatewayTimeout => (504, "Gateway Timeout"),
            Self::DryRun => (200, "OK"),
        }
    }

    fn body(&self) -> String {
        let (status, reason) = self.status();
        match self {
            Self::DryRun => String::from("<h1>200 OK (dry-run)</h1>"),
            Self::HeadTooLarge(limit) => {
                format!("<h1>Error {status}: {reason} (header size must not exceed {limit} bytes)</h1>")
            }
            Self::BodyTooLarge(limit) => {
                format!("<h1>Error {status}: {reason} (body size must not exceed {limit} bytes)</h1>")
            }
            Self::UnsupportedMethod(method) => {
                // The only characters of a token that mean something in HTML.
                let method = method.replace('&', "&amp;").replace('\'', "&#39;");
                format!("<h1>Error {status}: {reason} (unsupported method \"{method}\")</h1>")
            }
            _ => format!("<h1>Error {status}: {reason}</h1>"),
        }
    }

    /// The answer as it is sent: the head alone where it `has_no_body`.
    pub(super) fn answer(&self, has_no_body: bool) -> Vec<u8> {
        let (status, reason) = self.status();
        let body = self.body();
        let connection = if *self == Self::DryRun { "" } else { "Connection: close\r\n" };
        let retry = if *self == Self::ServiceUnavailable { "Retry-After: 1\r\n" } else { "" };
        let head = format!(
            "HTTP/1.1 {status} {reason}\r\n{connection}{retry}Content-Type: text/html\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        if has_no_body { head.into_bytes() } else { [head, body].concat().into_bytes() }
    }

    /// The same, with the request's name, if it has one.
    pub(super) fn answer_to(&self, request_id: Option<&RequestId>, has_no_body: bool) -> Vec<u8> {
        let mut answer = self.answer(has_no_body);
        if let Some(id) = request_id {
            id.insert(&mut answer);
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_as_they_were() {
        for (page, body, length) in [
            (Page::BadRequest, "<h1>Error 400: Bad Request</h1>", 31),
            (
                Page::UnsupportedMethod(String::from("SPIN")),
                "<h1>Error 400: Bad Request (unsupported method \"SPIN\")</h1>",
                55 + 4,
            ),
            (Page::BadGateway, "<h1>Error 502: Bad Gateway</h1>", 31),
            (Page::GatewayTimeout, "<h1>Error 504: Gateway Timeout</h1>", 35),
            (Page::DryRun, "<h1>200 OK (dry-run)</h1>", 25),
        ] {
            assert_eq!((page.body().as_str(), page.body().len()), (body, length));
        }
        assert_eq!(
            String::from_utf8(Page::BadGateway.answer(false)).unwrap(),
            "HTTP/1.1 502 Bad Gateway\r\nConnection: close\r\nContent-Type: text/html\r\nContent-Length: 31\r\n\r\n\
             <h1>Error 502: Bad Gateway</h1>"
        );
        assert!(Page::DryRun.answer(true).ends_with(b"Content-Length: 25\r\n\r\n"));
        assert!(Page::UnsupportedMethod(String::from("A&'B")).body().contains("\"A&amp;&#39;B\""));
    }
}
