//! What a file says of who the client is.

use super::tests::{GOOD, faults, loaded, with};
use super::*;
use crate::settings::proxy::config::ProxyProtocolVersion;

#[test]
fn who_the_client_is_is_told_to_nobody_unless_asked_for() {
    let (config, _) = loaded(GOOD).unwrap();
    assert_eq!((config.expects_proxy_header, config.forwarded, config.request_id), (false, ForwardedStyle::Off, false));
    assert_eq!(config.services[0].proxy_protocol, None);
    for (word, style) in FORWARDED {
        let text = with("  services:", &format!("  forwarded: {word}\n  request_id: true\n  services:"));
        let text = text.replacen("    port: 8080", "    port: 8080\n    proxy_protocol: true", 1);
        let text = text.replacen("    - name: one", "    - proxy_protocol: v1\n      name: one", 1);
        let text = text.replacen("    - name: two", "    - proxy_protocol: V2\n      name: two", 1);
        let (config, warnings) = loaded(text).unwrap();
        assert_eq!((config.expects_proxy_header, config.forwarded, config.request_id), (true, style, true));
        let versions: Vec<_> = config.services.iter().map(|service| service.proxy_protocol.unwrap()).collect();
        assert_eq!((versions, warnings), (vec![ProxyProtocolVersion::V1, ProxyProtocolVersion::V2], Vec::new()));
    }
    for (key, value, expected) in [
        ("forwarded", "true", "expected one of off, x-forwarded, forwarded, both, instead got true"),
        ("request_id", "on", "expected true or false, instead got on"),
        ("request_id", "'true'", "expected true or false, instead got true; without quotes it is one"),
    ] {
        let text = with("  services:", &format!("  {key}: {value}\n  services:"));
        assert_eq!(faults(text), [format!("proxy.{key} (line 5): {expected}")]);
    }
}
