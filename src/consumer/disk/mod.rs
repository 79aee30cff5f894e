//! Files of five sizes, in a folder of our own that is gone when we are.

pub mod files;
mod steps;
pub mod store;
pub mod sweep;
pub mod workdir;

pub use files::Disk;
