//! Whether a change fits: below what the operator allows, and within what the kernel still has, for everything that is
//! held and everything that is on its way.

pub mod file_limit;
pub mod headroom;
