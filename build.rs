//! How the binary is linked.

#![allow(clippy::print_stdout, reason = "a build script talks to cargo on stdout")]

use std::env;

/// The static binary relocates itself at its start, by a table of 24 bytes a pointer. This one has it packed into a bit a
/// pointer (DT_RELR, which musl reads from 1.2.4 on, and Rust brings 1.2.5): a fortieth of the binary less.
fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if env::var("CARGO_CFG_TARGET_ENV").as_deref() != Ok("musl") {
        return;
    }
    // A linker that is called directly takes its options bare; a compiler that links hands them on.
    let linker = env::var("RUSTC_LINKER").unwrap_or_default();
    if linker.contains("zig") {
        // It does not know the option.
        return;
    }
    if linker.ends_with("lld") {
        println!("cargo:rustc-link-arg-bins=-z");
        println!("cargo:rustc-link-arg-bins=pack-relative-relocs");
    } else {
        println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}
