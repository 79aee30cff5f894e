//! The member that a request is sent to, and the next one where that one fails.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::proxy::members::{Member, clock};
use crate::proxy::services::{Balancer, NobodyToChoose};
use crate::proxy::slab::Key;
use crate::proxy::world::World;

/// A request on its way to a member.
pub(super) struct Attempt {
    pub(super) service: Arc<Balancer>,
    /// Members that it was sent to before, each once.
    before: Vec<usize>,
    /// The one that it was sent to last.
    last: usize,
    pub(super) member: Arc<Member>,
    pub(super) connection: Key,
}

/// Why there is no member for a request.
pub(super) enum NoMember {
    /// None can be reached.
    Unreachable,
    /// Each has as many requests as it may.
    Busy,
}

/// Why a member does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MemberFailure {
    /// No connection could be had.
    Refused,
    /// The connection ended before a byte of an answer came.
    Closed,
    /// An answer that is none, or that breaks off.
    Malformed,
    TimedOut,
}

impl Attempt {
    /// Chooses a member of `service`, and has a connection to it. What `may_go_twice` is sent on one that was kept without
    /// looking whether it is still there.
    pub(super) fn first(service: Arc<Balancer>, may_go_twice: bool, world: &mut World) -> Result<Self, NoMember> {
        let mut before = Vec::new();
        while before.len() < service.most_tried {
            let last = match service.choose(&before, clock(world.now), |below| world.random.u64(..below)) {
                Ok(last) => last,
                Err(NobodyToChoose::AllBusy) => return Err(NoMember::Busy),
                Err(NobodyToChoose::AllTried) => break,
            };
            let member = Arc::clone(&service.members[last]);
            match world.take_idle(&member, !may_go_twice).or_else(|| world.connect(&member).ok()) {
                Some(connection) => {
                    member.under_way.fetch_add(1, Ordering::Relaxed);
                    service.requested();
                    return Ok(Self { service, before, last, member, connection });
                }
                None => fail(&service, &member, world),
            }
            before.push(last);
        }
        Err(NoMember::Unreachable)
    }

    /// Sends the request, all of which is still there, to another member; where it was `outdated`, a connection that was kept
    /// for too long, to the same one. Says whether there is one.
    pub(super) fn again(&mut self, outdated: bool, world: &mut World) -> bool {
        let Some(old) = world.connections.get_mut(self.connection) else { return false };
        let mut request = std::mem::take(&mut old.outgoing);
        request.rewind();
        world.drop_connection(self.connection);
        while outdated || self.before.len() + 1 < self.service.most_tried {
            if !outdated {
                self.before.push(self.last);
                let chosen = self.service.choose(&self.before, clock(world.now), |below| world.random.u64(..below));
                let Ok(next) = chosen else {
                    self.before.pop();
                    break;
                };
                self.last = next;
            }
            let member = Arc::clone(&self.service.members[self.last]);
            let Ok(key) = world.connect(&member) else {
                fail(&self.service, &member, world);
                if outdated {
                    break;
                }
                continue;
            };
            self.member.under_way.fetch_sub(1, Ordering::Relaxed);
            member.under_way.fetch_add(1, Ordering::Relaxed);
            (self.member, self.connection) = (member, key);
            world.tell_of_room(&self.service);
            if let Some(connection) = world.connections.get_mut(key) {
                connection.outgoing = request;
            }
            return true;
        }
        request.clear(&mut world.stock);
        false
    }

    /// The member has not answered, or no better than that.
    pub(super) fn failed(&self, world: &World) {
        fail(&self.service, &self.member, world);
    }

    /// How many members it was sent to before this one.
    pub(super) fn retries(&self) -> usize {
        self.before.len()
    }

    /// It is over. The connection stays for the next request where it `lives_on`.
    pub(super) fn end(self, lives_on: bool, world: &mut World) {
        if lives_on {
            world.keep(self.connection, &self.member);
        } else {
            world.drop_connection(self.connection);
        }
        let service = Arc::clone(&self.service);
        drop(self);
        world.tell_of_room(&service);
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.member.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

fn fail(service: &Balancer, member: &Member, world: &World) {
    if let Some(length) = member.failed(clock(world.now)) {
        let Member { server, port, .. } = member;
        log::warn!("member {server}:{port} of {} is set aside for {} s", service.name, length.as_secs());
    }
}
