//! A scenario is kept in a file in DATADIR while it is played, so that one goes on after the container was restarted.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use crate::consumer::scenario::clock::ScenarioClock;
use crate::units::decimal::float;
use crate::yaml;

/// The first word of such a file.
const MAGIC: &str = "testero-scenario-1";
/// The most bytes of a scenario that is given with a request: what is read of one.
pub const SCENARIO_BYTES: usize = yaml::MOST_BYTES;
/// The most bytes of a file: the scenario, and a line before it.
const FILE_BYTES: u64 = SCENARIO_BYTES as u64 + 4096;

/// The file: one for each pod that uses the folder.
pub struct KeptScenario(PathBuf);

impl KeptScenario {
    /// None is read or written yet.
    pub fn new(folder: &std::path::Path, host: &str) -> Self {
        Self(folder.join(format!(".testero-scenario.{host}")))
    }

    /// Writes a scenario and where it is, whole or not at all.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, clock: &ScenarioClock, text: &str) -> io::Result<()> {
        let folder = self.0.parent().ok_or(io::ErrorKind::InvalidInput)?;
        let mut file = tempfile::Builder::new().prefix(".testero-scenario-").tempfile_in(folder)?;
        let paused = clock.paused.map_or_else(|| String::from("-"), |at| at.to_string());
        writeln!(file, "{MAGIC} {} {} {paused}", clock.given, clock.behind)?;
        file.write_all(text.as_bytes())?;
        file.persist(&self.0).map_err(|error| error.error)?;
        Ok(())
    }

    /// What was kept: where it is, and its text. What is no such file is none.
    pub fn read(&self) -> Option<(ScenarioClock, String)> {
        let file =
            OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(&self.0).ok()?;
        file.metadata().ok().filter(fs::Metadata::is_file)?;
        let mut all = String::new();
        file.take(FILE_BYTES).read_to_string(&mut all).ok()?;
        let (line, text) = all.split_once('\n')?;
        let mut words = line.split(' ');
        if words.next() != Some(MAGIC) {
            return None;
        }
        let mut number = || words.next().and_then(float).filter(|number| number.is_finite());
        let (given, behind) = (number()?, number()?);
        let clock = ScenarioClock { given, behind, paused: number() };
        Some((clock, text.to_owned()))
    }

    /// There is nothing to be kept any more.
    pub fn remove(&self) {
        if let Err(error) = fs::remove_file(&self.0)
            && error.kind() != io::ErrorKind::NotFound
        {
            log::warn!("Cannot remove {}: {error}", self.0.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_and_what_is_not_whole_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let kept = KeptScenario::new(folder.path(), "web-1");
        assert!(kept.read().is_none());
        for paused in [None, Some(1234.5)] {
            let clock = ScenarioClock { given: 1_795_880_399.25, behind: -3.125, paused };
            kept.write(&clock, "version: 1\ntracks: {}\n").unwrap();
            assert_eq!(kept.read(), Some((clock, String::from("version: 1\ntracks: {}\n"))));
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        for wrong in ["", "testero-scenario-1 12\nx", "other 1 2 -\nx", "testero-scenario-1 nan 2 -\nx"] {
            fs::write(&kept.0, wrong).unwrap();
            assert!(kept.read().is_none(), "{wrong}");
        }
        kept.remove();
        kept.remove();
        assert!(kept.read().is_none());
    }
}
