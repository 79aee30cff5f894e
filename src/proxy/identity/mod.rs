//! Who the client is: what is believed of it, and what members are told.
//!
//! ```text
//! proxy_header    the PROXY protocol: before the first request of a connection, in and out
//! forwarded       fields of a request's head
//! request_id      a request's name, the same for client and member
//! ```

pub(super) mod forwarded;
pub(super) mod proxy_header;
pub(super) mod request_id;

use std::net::IpAddr;

use crate::settings::proxy::config::{ForwardedStyle, ProxyConfig};
use crate::settings::proxy::network::Network;

/// What the configuration says of clients.
#[derive(Debug, Default)]
pub(super) struct ClientRules {
    trusted: Vec<Network>,
    /// Every connection begins with a header of the PROXY protocol.
    pub(super) expects_proxy_header: bool,
    /// Some member gets a header of the PROXY protocol.
    pub(super) announces: bool,
    pub(super) forwarded: ForwardedStyle,
    pub(super) request_id: bool,
}

impl ClientRules {
    pub(super) fn new(config: &ProxyConfig) -> Self {
        Self {
            trusted: config.trusted.clone(),
            expects_proxy_header: config.expects_proxy_header,
            announces: config.services.iter().any(|service| service.proxy_protocol.is_some()),
            forwarded: config.forwarded,
            request_id: config.request_id,
        }
    }

    /// Whether the word of `address` counts on where a request came from.
    pub(super) fn trusts(&self, address: Option<IpAddr>) -> bool {
        address.is_some_and(|address| self.trusted.iter().any(|network| network.contains(address)))
    }

    /// Whether a connection from `address` may say whose it is.
    pub(super) fn may_announce(&self, address: Option<IpAddr>) -> bool {
        self.trusted.is_empty() || self.trusts(address)
    }
}
