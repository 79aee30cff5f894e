//! How many connections clients may have, in all and each of them.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::kernel::rlimit;
use crate::sync::lock;

/// Descriptors for what is no connection of a client or to a member.
const OTHER_DESCRIPTORS: u64 = 128;

/// The connections of all clients.
#[derive(Debug, Default)]
pub(super) struct ClientConnections {
    count: AtomicUsize,
    most: AtomicUsize,
    /// 0 is any number.
    most_each: AtomicUsize,
    /// Where there is a bound to it.
    each: Mutex<HashMap<IpAddr, usize>>,
}

/// The right to a connection. Returned when dropped.
#[derive(Debug)]
pub(super) struct ClientPermit {
    of: Arc<ClientConnections>,
    counted: Option<IpAddr>,
}

impl ClientConnections {
    /// From now on there may be this many, and of each client this many; where nothing is said, as many as there are
    /// descriptors for them, with a connection to a member each.
    pub(super) fn limit(&self, most: Option<usize>, most_each: Option<usize>) {
        let descriptors = rlimit::descriptors().unwrap_or(u64::MAX).saturating_sub(OTHER_DESCRIPTORS) / 2;
        let fit = usize::try_from(descriptors).unwrap_or(usize::MAX).max(1);
        self.most.store(most.map_or(fit, |most| most.min(fit)), Ordering::Relaxed);
        self.most_each.store(most_each.unwrap_or(0), Ordering::Relaxed);
    }

    /// The right to one more connection for this client, unless there are too many.
    pub(super) fn enter(self: &Arc<Self>, peer: Option<SocketAddr>) -> Option<ClientPermit> {
        let most = self.most.load(Ordering::Relaxed);
        let count =
            self.count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| (count < most).then_some(count + 1));
        count.ok()?;
        let mut permit = ClientPermit { of: Arc::clone(self), counted: None };
        permit.count_for(peer).then_some(permit)
    }
}

impl ClientPermit {
    /// Counts it as this client's, once. Says whether it may have one more.
    pub(super) fn count_for(&mut self, peer: Option<SocketAddr>) -> bool {
        let most_each = self.of.most_each.load(Ordering::Relaxed);
        let Some(peer) = peer.filter(|_| most_each > 0) else { return true };
        let ip = peer.ip().to_canonical();
        let mut each = lock(&self.of.each);
        let count = each.entry(ip).or_default();
        let is_free = *count < most_each;
        if is_free {
            *count += 1;
            self.counted = Some(ip);
        }
        is_free
    }
}

impl Drop for ClientPermit {
    fn drop(&mut self) {
        self.of.count.fetch_sub(1, Ordering::Relaxed);
        if let Some(ip) = self.counted {
            let mut each = lock(&self.of.each);
            if let Some(count) = each.get_mut(&ip) {
                *count -= 1;
                if *count == 0 {
                    each.remove(&ip);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_no_more_than_there_may_be() {
        let connections = Arc::new(ClientConnections::default());
        connections.most.store(3, Ordering::Relaxed);
        connections.most_each.store(2, Ordering::Relaxed);
        let peer = |last: u8| Some(SocketAddr::from(([10, 0, 0, last], 1)));
        let one = connections.enter(peer(1));
        let two = connections.enter(peer(1));
        assert!(one.is_some() && two.is_some() && connections.enter(peer(1)).is_none(), "too many of this one");
        let other = connections.enter(peer(2));
        assert!(other.is_some() && connections.enter(peer(3)).is_none(), "too many in all");
        drop(one);
        assert!(connections.enter(peer(1)).is_some());
        drop((two, other));
        assert_eq!((connections.count.load(Ordering::Relaxed), lock(&connections.each).len()), (0, 0));
    }
}
