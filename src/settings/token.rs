//! The token that clients show, and where it comes from.

use std::path::PathBuf;
use std::{fs, io};

/// Where the token comes from.
#[derive(Clone, PartialEq, Eq)]
pub enum TokenSource {
    /// Said in a variable.
    Value(String),
    /// In a file, which may change: a mounted secret does.
    File(PathBuf),
}

impl TokenSource {
    /// The token.
    ///
    /// # Errors
    /// When its file cannot be read, or holds what no header field can.
    pub fn read(&self) -> io::Result<String> {
        let token = match self {
            Self::Value(token) => token.clone(),
            Self::File(path) => fs::read_to_string(path)?.trim().to_owned(),
        };
        let sound = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
        sound.then_some(token).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the token is not printable"))
    }
}

/// Never shows the token.
impl std::fmt::Debug for TokenSource {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Value(_) => out.write_str("a token"),
            Self::File(path) => write!(out, "a token in {}", path.display()),
        }
    }
}
