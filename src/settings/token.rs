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
            Self::File(path) => {
                let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
                fs::read_to_string(path).map_err(named)?.trim().to_owned()
            }
        };
        let wrong = |why| Err(io::Error::new(io::ErrorKind::InvalidData, why));
        match &token {
            token if token.is_empty() => wrong("it is empty"),
            token if !token.bytes().all(|byte| byte.is_ascii_graphic()) => {
                wrong("it has blanks or what is not ASCII in it")
            }
            _ => Ok(token),
        }
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
