//! Fields of a request's head that say who the client is, and which of the client's own stay.

use std::io::Write;
use std::net::IpAddr;

use crate::http::message::fields::Fields;
use crate::http::message::head::is_token;
use crate::proxy::identity::request_id::RequestId;
use crate::settings::proxy::config::ForwardedStyle;

/// The fields that say where a request came from.
const NAMES: [&str; 4] = ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "forwarded"];
const REQUEST_ID: &str = "x-request-id";

/// Whether a field is one of those that say where a request came from. Members that hand fields on as variables (CGI,
/// WSGI) know no difference between `_` and `-`.
pub(in crate::proxy) fn tells_of_client(name: &str) -> bool {
    matches!(name.len(), 9 | 15..=17) && NAMES.iter().any(|one| is_same_variable(name, one))
}

/// Whether a field names the request.
pub(in crate::proxy) fn names_request(name: &str) -> bool {
    is_same_variable(name, REQUEST_ID)
}

fn is_same_variable(name: &str, other: &str) -> bool {
    let plain = |byte: u8| if byte == b'_' { b'-' } else { byte.to_ascii_lowercase() };
    name.len() == other.len() && name.bytes().map(plain).eq(other.bytes())
}

/// What the proxy itself says in a request's head.
pub(in crate::proxy) struct OwnFields<'a> {
    pub(in crate::proxy) style: ForwardedStyle,
    /// What the client says itself of where it came from counts.
    pub(in crate::proxy) is_trusted: bool,
    pub(in crate::proxy) client: Option<IpAddr>,
    /// The request's Host, with its port: without blanks and quotation marks.
    pub(in crate::proxy) host: &'a [u8],
    pub(in crate::proxy) request_id: Option<&'a RequestId>,
}

impl OwnFields<'_> {
    /// Whether the client's field of this name stays. `None` for those that the proxy has nothing to say to.
    pub(in crate::proxy) fn keeps(&self, name: &str) -> Option<bool> {
        if self.style != ForwardedStyle::Off && tells_of_client(name) {
            return Some(self.is_trusted);
        }
        (self.request_id.is_some() && names_request(name)).then_some(false)
    }

    /// Writes them; `sent` are the client's.
    pub(in crate::proxy) fn push(&self, out: &mut Vec<u8>, sent: &Fields<'_>) {
        use ForwardedStyle::{Both, Standard, XForwarded};
        let client = self.client.map(|client| client.to_canonical());
        let is_sent = |name: &str| self.is_trusted && sent.first(name).is_some();
        if matches!(self.style, XForwarded | Both) {
            if let Some(client) = client {
                // Writing to memory does not fail.
                let _ = write!(out, "X-Forwarded-For: {client}\r\n");
            }
            if !is_sent("x-forwarded-proto") {
                out.extend_from_slice(b"X-Forwarded-Proto: http\r\n");
            }
            if !is_sent("x-forwarded-host") {
                push_all(out, &[b"X-Forwarded-Host: ", self.host, b"\r\n"]);
            }
        }
        if matches!(self.style, Standard | Both) {
            let _ = match client {
                // Colons and brackets are in quotes (RFC 7239, 4 and 6).
                Some(IpAddr::V6(client)) => write!(out, "Forwarded: for=\"[{client}]\""),
                Some(client) => write!(out, "Forwarded: for={client}"),
                None => write!(out, "Forwarded: for=unknown"),
            };
            let quote: &[u8] = if self.host.iter().copied().all(is_token) { b"" } else { b"\"" };
            push_all(out, &[b";host=", quote, self.host, quote, b";proto=http\r\n"]);
        }
        if let Some(id) = self.request_id {
            id.push(out);
        }
    }
}

fn push_all(out: &mut Vec<u8>, parts: &[&[u8]]) {
    for part in parts {
        out.extend_from_slice(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::message::fields::{FieldSlots, fields};

    fn pushed(style: ForwardedStyle, client: &str, host: &str, sent: &str, is_trusted: bool) -> String {
        let own = OwnFields { style, is_trusted, client: client.parse().ok(), host: host.as_bytes(), request_id: None };
        let mut out = Vec::new();
        let sent = format!("{sent}\r\n");
        let mut slots = FieldSlots::default();
        own.push(&mut out, &fields(sent.as_bytes(), &mut slots).unwrap());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn fields_are_as_their_documents_write_them() {
        // RFC 7239, 4 and 6.
        for (client, host, expected) in [
            ("192.0.2.43", "example.com", "for=192.0.2.43;host=example.com;proto=http"),
            ("2001:db8:cafe::17", "example.com", "for=\"[2001:db8:cafe::17]\";host=example.com;proto=http"),
            ("::ffff:192.0.2.43", "h:80", "for=192.0.2.43;host=\"h:80\";proto=http"),
            ("nobody", "[::1]:8", "for=unknown;host=\"[::1]:8\";proto=http"),
        ] {
            let expected = format!("Forwarded: {expected}\r\n");
            assert_eq!(pushed(ForwardedStyle::Standard, client, host, "", false), expected);
        }
        for (client, shown) in
            [("192.0.2.43", "192.0.2.43"), ("2001:DB8::1", "2001:db8::1"), ("::ffff:a00:1", "10.0.0.1")]
        {
            assert_eq!(
                pushed(ForwardedStyle::XForwarded, client, "h:1", "", false),
                format!("X-Forwarded-For: {shown}\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: h:1\r\n")
            );
        }
        let both = pushed(ForwardedStyle::Both, "10.0.0.1", "h", "", true);
        assert_eq!(both.lines().count(), 4);
        assert_eq!(pushed(ForwardedStyle::Off, "10.0.0.1", "h", "", true), "");
    }

    #[test]
    fn scheme_and_host_of_the_first_request_are_what_who_is_trusted_says() {
        let sent = "X-Forwarded-Proto: https\r\nx-forwarded-host: first\r\n";
        assert_eq!(pushed(ForwardedStyle::XForwarded, "10.0.0.1", "h", sent, true), "X-Forwarded-For: 10.0.0.1\r\n");
        assert_eq!(pushed(ForwardedStyle::XForwarded, "10.0.0.1", "h", sent, false).lines().count(), 3);
    }

    #[test]
    fn names_are_known_in_every_spelling_that_a_member_may_take_for_them() {
        for name in ["X-Forwarded-For", "x_forwarded_for", "X-FORWARDED_proto", "x-forwarded-host", "Forwarded"] {
            assert!(tells_of_client(name), "{name}");
        }
        for name in ["X-Forwarded", "X-Forwarded-Fox", "Forwarder", "X-Forwarded-Hosts", "", "X-Request-Id"] {
            assert!(!tells_of_client(name), "{name}");
        }
        assert!(names_request("X_Request-ID") && !names_request("X-Request-Ids"));
    }

    proptest::proptest! {
        #[test]
        fn whatever_the_client_is_the_fields_are_sound(
            v4 in proptest::prelude::any::<u32>(),
            v6 in proptest::prelude::any::<u128>(),
            host in "[a-zA-Z0-9._~!$&'()*+,;=%-]{1,20}(:[0-9]{1,5})?",
            is_trusted in proptest::prelude::any::<bool>(),
        ) {
            for client in [std::net::Ipv4Addr::from(v4).to_string(), std::net::Ipv6Addr::from(v6).to_string()] {
                let block = pushed(ForwardedStyle::Both, &client, &host, "X-Forwarded-Proto: https\r\n", is_trusted);
                let bytes = format!("{block}\r\n");
                let mut slots = FieldSlots::default();
                let read = fields(bytes.as_bytes(), &mut slots).unwrap();
                proptest::prop_assert_eq!(read.first("x-forwarded-host"), Some(host.as_bytes()));
                proptest::prop_assert_eq!(read.first("x-forwarded-proto").is_some(), !is_trusted);
                let forwarded = String::from_utf8(read.first("forwarded").unwrap().to_vec()).unwrap();
                // A list of one element with three parameters, of which quotation marks hide no other.
                let outside: String = forwarded.split('"').step_by(2).collect();
                proptest::prop_assert!(forwarded.matches('"').count().is_multiple_of(2));
                proptest::prop_assert!(outside.matches(';').count() == 2 && !outside.contains([',', ':', '[', ' ']));
            }
        }
    }
}
