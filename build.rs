//! How the binary is linked, and what is packed into it.

#![allow(clippy::print_stdout, reason = "a build script talks to cargo on stdout")]
#![allow(clippy::expect_used, reason = "a build that cannot go on should say where")]

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

// The contract for machines is written from what the program itself stands on, so that they cannot say different things.
#[cfg(feature = "openapi")]
#[path = "build/answers.rs"]
mod answers;
#[cfg(feature = "openapi")]
#[path = "build/http.rs"]
mod http;
#[cfg(feature = "openapi")]
#[path = "build/openapi.rs"]
mod openapi;
#[cfg(feature = "openapi")]
#[path = "src/parameters.rs"]
#[allow(dead_code, unreachable_pub, reason = "half of it is for the program")]
mod parameters;
#[cfg(feature = "openapi")]
#[path = "build/schemas.rs"]
mod schemas;
#[cfg(feature = "openapi")]
#[path = "src/consumer/api/table.rs"]
#[allow(dead_code, unreachable_pub, reason = "half of it is for the program")]
mod table;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    #[cfg(feature = "page")]
    pack("page", &read("src/consumer/api/page.html"));
    #[cfg(feature = "scenario")]
    {
        for (name, file) in [("day", "examples/day.csv"), ("schema", "schema.json")] {
            pack(name, &read(&format!("src/settings/scenario/{file}")));
        }
        pack_files(
            "scenarios",
            "src/settings/scenario/examples",
            "yaml",
            &["day", "leak", "neighbour", "spikes", "week"],
        );
    }
    #[cfg(feature = "crash")]
    {
        pack("report", &read("src/crash/report/html/page.html"));
        pack_files("systems", "src/settings/crash/examples", "yaml", &["fibonacci", "counter", "pipeline", "proxy"]);
    }
    #[cfg(feature = "openapi")]
    {
        for read in ["build", "src/parameters.rs", "src/consumer/api/table.rs"] {
            println!("cargo:rerun-if-changed={read}");
        }
        let version = env::var("CARGO_PKG_VERSION").expect("cargo says which");
        pack("openapi", openapi::document(&version).to_string().as_bytes());
        pack("docs", &read("src/consumer/api/docs.html"));
    }
    #[cfg(any(feature = "fibonacci", feature = "counter", feature = "proxy", feature = "crash", feature = "scenario"))]
    {
        let of = ["fibonacci", "counter", "proxy", "crash", "scenario", "scenario_client"];
        pack_files("help", "src/settings/help", "txt", &of);
    }
    link();
}

/// What is in a file, which is packed anew when it changes.
#[cfg(feature = "packed")]
fn read(file: &str) -> Vec<u8> {
    println!("cargo:rerun-if-changed={file}");
    std::fs::read(file).expect(file)
}

/// Packs files of a folder as one, since they are alike: with a zero between them.
#[cfg(feature = "packed")]
#[allow(dead_code, reason = "what has one file alone packs that")]
fn pack_files(name: &str, folder: &str, extension: &str, files: &[&str]) {
    let texts: Vec<Vec<u8>> = files.iter().map(|file| read(&format!("{folder}/{file}.{extension}"))).collect();
    pack(name, &texts.join(&0));
}

/// Packs a text to a fifth of its size or less; the program unpacks it in some microseconds.
#[cfg(feature = "packed")]
fn pack(name: &str, text: &[u8]) {
    let folder = env::var("OUT_DIR").expect("cargo says where to write");
    // What ships is packed as small as can be, which takes a second.
    let packed = if env::var("PROFILE").as_deref() == Ok("release") {
        let mut packed = Vec::new();
        let into = zopfli::compress(zopfli::Options::default(), zopfli::Format::Deflate, text, &mut packed);
        into.expect("a Vec takes all");
        packed
    } else {
        miniz_oxide::deflate::compress_to_vec(text, 10)
    };
    std::fs::write(Path::new(&folder).join(name).with_extension("deflate"), packed).expect("OUT_DIR can be written to");
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
