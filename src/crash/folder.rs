//! Where a run keeps its files.
//!
//! ```text
//! options                     what the pipeline is like, an option a line: for parts, and for steps by hand
//! input-file.K.txt            what is fed
//! worker.N  worker.N.T.gz     the log of a worker; those of the ones killed at second T since the epoch
//! sender.out.K                the log of a feed
//! sink-out/stdout-stderr      the log of the sink
//! sink-out/output.K           what it put out, and in output.K.txnlog, which of it counts
//! stream/                     the store, where it is in files
//! run/                        who runs: a socket to ask each part, its pid and start time
//! events.jsonl                what the tester did and saw
//! res                         there when a run has ended: its verdict
//! ```

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::crash::input::StreamKey;
use crate::settings::crash::{KEPT_OPTIONS, PipelineSettings};

/// Where a run keeps its files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunFolder(PathBuf);

impl RunFolder {
    /// The folder at a path.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// What the pipeline is like.
    pub fn options(&self) -> PathBuf {
        self.0.join(KEPT_OPTIONS)
    }

    /// Writes down what the pipeline is like, for parts that are started later.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn keep_options(&self, pipeline: &PipelineSettings) -> io::Result<()> {
        fs::write(self.options(), pipeline.options().join("\n") + "\n")
    }

    /// What parts count.
    pub fn coverage(&self) -> PathBuf {
        self.running().join("coverage")
    }

    /// What a key's feed feeds.
    pub fn input(&self, key: StreamKey) -> PathBuf {
        self.0.join(format!("input-file.{key}.txt"))
    }

    /// What the sink put out of a key.
    pub fn output(&self, key: StreamKey) -> PathBuf {
        self.sink().join(format!("output.{key}"))
    }

    /// The sink's log of a key's transactions.
    pub fn transactions(&self, key: StreamKey) -> PathBuf {
        self.sink().join(format!("output.{key}.txnlog"))
    }

    /// The sink's folder.
    pub fn sink(&self) -> PathBuf {
        self.0.join("sink-out")
    }

    /// The store, where it is in files.
    pub fn stream(&self) -> PathBuf {
        self.0.join("stream")
    }

    /// Who runs.
    pub fn running(&self) -> PathBuf {
        self.0.join("run")
    }

    /// What a process of a user's own system wrote.
    pub fn log(&self, name: &str) -> PathBuf {
        self.0.join("log").join(name)
    }

    /// There in the folder of a user's own system: the folder is a run's, and may be emptied for the next one.
    pub fn mark_of_system(&self) -> PathBuf {
        self.0.join("testero-crash-run")
    }

    /// What the tester did and saw.
    pub fn events(&self) -> PathBuf {
        self.0.join("events.jsonl")
    }

    /// The verdict of a run that has ended.
    pub fn verdict(&self) -> PathBuf {
        self.0.join("res")
    }
}
