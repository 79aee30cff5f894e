//! A request, as its answer depends on it.

use crate::http::message::head::HttpVersion;
use crate::proxy::identity::request_id::RequestId;

/// What the request says that the answer depends on.
pub(super) struct Asking {
    pub(super) version: HttpVersion,
    pub(super) keep_alive: bool,
    pub(super) is_head: bool,
    /// It may be done twice.
    pub(super) is_idempotent: bool,
    pub(super) expects_continue: bool,
    pub(super) upgrades: bool,
    /// Who grants it passes on all that follows, and understands no further request.
    pub(super) is_connect: bool,
    /// The host that it is for, where that is spelt in another way than the service's domain.
    pub(super) host: Option<Box<str>>,
    /// The answer has it as well.
    pub(super) request_id: Option<RequestId>,
}
