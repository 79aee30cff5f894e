//! Why a message is not accepted.

use tiny_http::StatusCode;

/// Why a head is not accepted. The connection is closed after it: what follows cannot be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The status that tells the client.
    pub status: StatusCode,
    /// What was wrong, in a few words.
    pub reason: &'static str,
}

impl Rejection {
    /// A rejection with status `status`, because of `reason`.
    pub const fn new(status: u16, reason: &'static str) -> Self {
        Self { status: StatusCode(status), reason }
    }

    pub(super) const fn bad(reason: &'static str) -> Self {
        Self::new(400, reason)
    }
}
