//! What stands in the places of a file's texts: the run folder, this program, and ports that were free.

use std::fs;
use std::io;
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::settings::crash::places::{TextPlace, filled};
use crate::settings::crash::system::{FaultHow, LineSource, PartConfig, Promise, SystemConfig};

/// The values of places.
#[derive(Debug)]
pub struct SystemValues {
    folder: PathBuf,
    program: String,
    /// By part, a port for each copy that there can be.
    ports: Vec<(String, Vec<u16>)>,
}

/// Which process a text is for.
#[derive(Clone, Copy, Debug)]
pub struct OwnValues<'v> {
    /// The part's name.
    pub part: &'v str,
    /// The copy's number, from 0.
    pub copy: u32,
    /// Its log.
    pub log: &'v Path,
}

/// How many copies of a part there can be: those at the start, and those that a fault adds.
pub fn most_copies(config: &SystemConfig, part: &PartConfig) -> u32 {
    let scaled = config.faults.iter().filter(|fault| fault.how == FaultHow::Scale && fault.target == part.name);
    scaled.map(|fault| fault.copies.1).fold(part.copies, u32::max)
}

impl SystemValues {
    /// For a system whose run folder is at this absolute path.
    ///
    /// # Errors
    /// When there are no free ports, or the kernel does not tell which program this is.
    pub fn new(config: &SystemConfig, folder: &Path) -> io::Result<Self> {
        let mut ports = Vec::new();
        // All are kept until all are found, so that no two are the same.
        let mut kept = Vec::new();
        for part in &config.parts {
            let mut own = Vec::new();
            for _ in 0..most_copies(config, part) {
                let listener = TcpListener::bind("127.0.0.1:0")?;
                own.push(listener.local_addr()?.port());
                kept.push(listener);
            }
            ports.push((part.name.clone(), own));
        }
        Ok(Self { folder: folder.to_owned(), program: own_program()?, ports })
    }

    /// A text with its places filled in; `own` is for the places of a process.
    pub fn text(&self, text: &str, own: Option<OwnValues<'_>>) -> String {
        filled(text, &|place| match (place, own) {
            (TextPlace::Dir, _) => self.folder.display().to_string(),
            (TextPlace::Program, _) => self.program.clone(),
            (TextPlace::PortOf { part, copy }, _) => self.port(part, copy),
            (TextPlace::Port, Some(own)) => self.port(own.part, own.copy),
            (TextPlace::Number, Some(own)) => own.copy.to_string(),
            (TextPlace::Log, Some(own)) => own.log.display().to_string(),
            // The file was refused that has one of these elsewhere.
            (TextPlace::Port | TextPlace::Number | TextPlace::Log, None) => String::new(),
        })
    }

    /// The words of a command.
    pub fn words(&self, words: &[String], own: Option<OwnValues<'_>>) -> Vec<String> {
        words.iter().map(|word| self.text(word, own)).collect()
    }

    /// A promise with all places filled in.
    pub fn promise(&self, promise: &Promise) -> Promise {
        let text = |text: &String| self.text(text, None);
        let source = |source: &LineSource| match source {
            LineSource::File(path) => LineSource::File(text(path)),
            LineSource::Command(words) => LineSource::Command(self.words(words, None)),
        };
        match promise {
            Promise::Prefix { input, output, revocable } => {
                Promise::Prefix { input: text(input), output: text(output), revocable: *revocable }
            }
            Promise::Ledger { sent, acked, got, order, duplicates } => Promise::Ledger {
                sent: source(sent),
                acked: source(acked),
                got: source(got),
                order: *order,
                duplicates: *duplicates,
            },
            Promise::Numbers { file, member, missing } => {
                Promise::Numbers { file: text(file), member: member.clone(), missing: *missing }
            }
            Promise::Answers { file, status } => Promise::Answers { file: text(file), status: *status },
            Promise::Command { run, every, within } => {
                Promise::Command { run: self.words(run, None), every: *every, within: *within }
            }
            Promise::Progress { source: of, within } => Promise::Progress { source: source(of), within: *within },
        }
    }

    fn port(&self, part: &str, copy: u32) -> String {
        let own = self.ports.iter().find(|(name, _)| name == part);
        own.and_then(|(_, ports)| ports.get(copy as usize)).map(u16::to_string).unwrap_or_default()
    }
}

/// A path that is this program's for others: where it lies, unless another one lies there by now.
fn own_program() -> io::Result<String> {
    let path = std::env::current_exe()?;
    let this = fs::metadata("/proc/self/exe")?;
    let is_same = fs::metadata(&path).is_ok_and(|there| (there.dev(), there.ino()) == (this.dev(), this.ino()));
    let path = if is_same { path } else { format!("/proc/{}/exe", std::process::id()).into() };
    path.into_os_string().into_string().map_err(|path| io::Error::other(format!("{}: not UTF-8", path.display())))
}
