//! Addresses that share a prefix: `10.0.0.0/8`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A network. An IPv4 address that is written as an IPv6 one (`::ffff:10.0.0.1`) is the IPv4 one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// Its bits beyond the prefix are 0.
    first: IpAddr,
    prefix: u8,
}

impl Network {
    /// Whether the address is in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        masked(address.to_canonical(), self.prefix) == Some(self.first)
    }
}

/// `10.0.0.0/8`, or an address, which is a network of its own. Bits beyond the prefix do not matter.
impl FromStr for Network {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (address, prefix) = match text.split_once('/') {
            None => (text, None),
            Some((address, prefix)) => {
                let are_digits = !prefix.is_empty() && prefix.bytes().all(|b| b.is_ascii_digit());
                (address, Some(prefix.parse::<u8>().ok().filter(|_| are_digits).ok_or(())?))
            }
        };
        let written: IpAddr = address.parse().map_err(|_| ())?;
        let address = written.to_canonical();
        let bits = bits(address);
        // Of an IPv4 address in IPv6's words, the prefix counts from the beginning of those.
        let beyond = if written == address { 0 } else { 96 };
        let prefix = prefix.map_or(Some(bits), |prefix| prefix.checked_sub(beyond)).ok_or(())?;
        masked(address, prefix).map(|first| Self { first, prefix }).ok_or(())
    }
}

impl fmt::Display for Network {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.first, self.prefix)
    }
}

fn bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// The address with 0 beyond the prefix, unless it has fewer bits than that.
fn masked(address: IpAddr, prefix: u8) -> Option<IpAddr> {
    let beyond = u32::from(bits(address).checked_sub(prefix)?);
    Some(match address {
        // Shifted by all of its bits there is nothing left.
        IpAddr::V4(ip) => Ipv4Addr::from_bits(ip.to_bits() & u32::MAX.checked_shl(beyond).unwrap_or(0)).into(),
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & u128::MAX.checked_shl(beyond).unwrap_or(0)).into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_contains_what_shares_its_prefix() {
        for (network, shown, inside, outside) in [
            ("10.0.0.0/8", "10.0.0.0/8", "10.255.0.1", "11.0.0.0"),
            ("10.1.2.3/8", "10.0.0.0/8", "10.0.0.0", "9.255.255.255"),
            ("192.168.1.1", "192.168.1.1/32", "192.168.1.1", "192.168.1.2"),
            ("0.0.0.0/0", "0.0.0.0/0", "255.1.1.1", "::1"),
            ("::/0", "::/0", "fe80::1", "10.0.0.1"),
            ("fd00::/8", "fd00::/8", "fdff::1", "fe00::"),
            ("2001:db8::1", "2001:db8::1/128", "2001:db8::1", "2001:db8::2"),
            ("10.0.0.0/8", "10.0.0.0/8", "::ffff:10.1.1.1", "::10.1.1.1"),
            ("::ffff:10.0.0.0/104", "10.0.0.0/8", "10.1.1.1", "11.1.1.1"),
        ] {
            let read: Network = network.parse().unwrap();
            assert_eq!(read.to_string(), shown);
            assert!(read.contains(inside.parse().unwrap()), "{network} {inside}");
            assert!(!read.contains(outside.parse().unwrap()), "{network} {outside}");
        }
    }

    #[test]
    fn what_is_no_network_is_none() {
        for text in
            ["", "/", "10.0.0.0/", "10.0.0.0/33", "::/129", "10.0.0/8", "x/8", "10.0.0.0/+8", "::ffff:1.2.3.4/8"]
        {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }
}
