//! How far a request has got.

use crate::proxy::attempt::MemberFailure;
use crate::proxy::pages::Page;

/// What a step of a request comes to.
pub(super) enum RequestProgress {
    Some,
    Nothing,
    /// The answer is whole, once what is outgoing is sent. Whether the client's connection goes on.
    Done {
        lives_on: bool,
    },
    /// The client is gone.
    ClientFailed,
    /// Its body is malformed or too large.
    Refused(Page),
    /// The member does not answer properly.
    Failed(MemberFailure),
}
