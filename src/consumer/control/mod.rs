//! Who may change what a group holds, and how the change is made.
//!
//! A request for a change becomes an [`operation`], under an [`id`]. The group's [`ticket`] says who may work; a release
//! waits for it in the [`queue`]. The [`group`] takes the request from the ticket to the worker, and the worker
//! reconciles what its [`store`] holds with the [`plan`], step by step ([`reconcile`]).

pub mod audit;
pub mod failure;
pub mod forced_note;
pub mod group;
pub mod id;
pub mod operation;
pub mod plan;
pub mod queue;
pub mod ramp;
pub mod reconcile;
pub mod store;
pub mod ticket;
