//! How the binary is linked, and what is packed into it.

#![allow(clippy::print_stdout, reason = "a build script talks to cargo on stdout")]
#![allow(clippy::expect_used, reason = "a build that cannot go on should say where")]

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the program hands out as it is, and whether it is JSON: then nobody reads its white space.
const PACKED: [(&str, bool); 2] = [("src/consumer/api/page.html", false), ("src/consumer/api/openapi.json", true)];

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    pack();
    link();
}

/// Packs texts to a fifth of their size or less; the program unpacks them in some microseconds.
fn pack() {
    let folder = env::var("OUT_DIR").expect("cargo says where to write");
    for (path, is_json) in PACKED {
        println!("cargo:rerun-if-changed={path}");
        let text = fs::read_to_string(path).expect(path);
        let text = if is_json { dense(&text) } else { text };
        let packed = lz4_flex::block::compress_prepend_size(text.as_bytes());
        let name = Path::new(path).file_name().expect("a file");
        fs::write(Path::new(&folder).join(name).with_extension("lz4"), packed).expect("OUT_DIR can be written to");
    }
}

/// JSON without white space between its parts.
fn dense(json: &str) -> String {
    let (mut in_string, mut escaped) = (false, false);
    json.chars()
        .filter(|&character| {
            let keep = in_string || !character.is_ascii_whitespace();
            match character {
                '"' if !escaped => in_string = !in_string,
                '\\' if in_string && !escaped => {
                    escaped = true;
                    return keep;
                }
                _ => {}
            }
            escaped = false;
            keep
        })
        .collect()
}

/// The static binary relocates itself at its start, by a table of 24 bytes a pointer. This one has it packed into a bit a
/// pointer (DT_RELR, which musl reads from 1.2.4 on, and Rust brings 1.2.5): a fortieth of the binary less. And its parts are
/// not filled up to whole pages in the file (noseparate-code): constants may then be mapped executable beside the code.
fn link() {
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
        for option in ["-z", "pack-relative-relocs", "-z", "noseparate-code", "--icf=all"] {
            println!("cargo:rustc-link-arg-bins={option}");
        }
        return;
    }
    println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs,-z,noseparate-code");
    if let Some(folder) = rusts_own_linker() {
        println!("cargo:rustc-link-arg-bins=-B{}", folder.display());
        println!("cargo:rustc-link-arg-bins=-fuse-ld=lld");
        println!("cargo:rustc-link-arg-bins=-Wl,--icf=all");
    }
}

/// Where Rust keeps the linker that it brings, if it does. That one has functions of the same code there only once (ICF):
/// another hundredth of the binary less. Nothing here compares functions by their addresses.
fn rusts_own_linker() -> Option<PathBuf> {
    let rustc = env::var_os("RUSTC")?;
    let printed = Command::new(rustc).args(["--print", "sysroot"]).output().ok()?;
    let sysroot = String::from_utf8(printed.stdout).ok()?;
    let folder = Path::new(sysroot.trim()).join("lib/rustlib").join(env::var("HOST").ok()?).join("bin/gcc-ld");
    folder.join("ld.lld").exists().then_some(folder)
}
