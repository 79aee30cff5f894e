//! How a client's connection stands: what becomes of it, and what it waits for.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::http::bounds::{HEAD_DEADLINE, IDLE};
use crate::proxy::services::Balancer;
use crate::proxy::world::World;
use crate::settings::proxy::config::ServiceTimeouts;

/// How long a client may take to take some of its answer, or to send some of its request's body.
pub(super) const CLIENT_PATIENCE: Duration = Duration::from_secs(30);
/// How often a request that waits for a member looks whether one has room, though none is told to have: one that comes back
/// tells nobody.
const QUEUE_LOOK: Duration = Duration::from_millis(100);
/// How long nothing may come through a tunnel.
pub(super) const TUNNEL_IDLE: Duration = Duration::from_secs(3600);

/// How long a client may take: as the service has it that it asked last.
pub(super) struct ClientTimeouts {
    pub(super) idle: Duration,
    pub(super) head: Duration,
}

impl ClientTimeouts {
    pub(super) fn of(service: &ServiceTimeouts) -> Self {
        Self { idle: service.idle.unwrap_or(IDLE), head: service.head.unwrap_or(HEAD_DEADLINE) }
    }
}

/// A request that waits for a member that has room.
pub(super) struct QueuedRequest {
    pub(super) head: Vec<u8>,
    pub(super) service: Arc<Balancer>,
    pub(super) until: Instant,
    /// When it is asked for again.
    pub(super) next_look: Instant,
}

impl QueuedRequest {
    /// The current session's, which waits from now on.
    pub(super) fn enter(head: Vec<u8>, service: Arc<Balancer>, until: Instant, world: &mut World) -> Self {
        world.queued.extend(world.current);
        Self { head, service, until, next_look: world.now + QUEUE_LOOK }
    }

    /// There was no room.
    pub(super) fn look_later(&mut self, now: Instant) {
        self.next_look = now + QUEUE_LOOK;
    }

    /// It waits no longer.
    pub(super) fn leave(self, world: &mut World) {
        self.service.leave_queue();
        let current = world.current;
        world.queued.retain(|key| Some(*key) != current);
    }
}

/// What becomes of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SessionPhase {
    /// Requests are served.
    Serving,
    /// It ends once all is sent.
    Ending,
    /// The same, in the middle of an answer: what has come of it is sent, and it does not look whole.
    BreakingOff,
    /// All is sent, and the client reads it: what it still sends is thrown away, up to so many bytes.
    Lingering(usize),
}

/// The connection is at its end.
pub(super) struct Closed;
