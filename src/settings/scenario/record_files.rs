//! The files of `testero scenario record`: what is read, and where it is written.

use std::fmt;
use std::fs::{File, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::NamedTempFile;

use crate::kernel::input::EndingInput;
use crate::kernel::sys::rename_new;
use crate::scenario::record::columns::{RecordColumn, join};
use crate::scenario::record::top::{self, TopChoice};
use crate::scenario::trace::{TraceFault, series_points};
use crate::settings::scenario::record_words::RecordOutput;

/// Why there is no recording.
#[derive(Debug, PartialEq, Eq)]
pub enum RecordTrouble {
    /// What was said, or what was read, is wrong: 2.
    Wrong(String),
    /// It could not be read or written: 1.
    Failed(String),
}

impl RecordTrouble {
    /// The exit code.
    pub fn code(&self) -> u8 {
        match self {
            Self::Wrong(_) => 2,
            Self::Failed(_) => 1,
        }
    }
}

impl fmt::Display for RecordTrouble {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wrong(text) | Self::Failed(text) => out.write_str(text),
        }
    }
}

/// Tells something beside the recording, in a line on the standard error, where nobody may be listening.
pub fn tell(text: &str) {
    let _ = writeln!(io::stderr(), "testero: {text}");
}

/// Records answers of Prometheus, a column each.
///
/// # Errors
/// Why there is no recording.
pub fn record_prometheus(
    answers: &[(&'static str, PathBuf)],
    series: &[(String, String)],
    output: &RecordOutput,
) -> Result<(), RecordTrouble> {
    output.check()?;
    let mut columns = Vec::new();
    for (name, path) in answers {
        // Half an answer is none, so here a signal is what it always is.
        let points = input(path, false, &mut |from| series_points(from, series))?;
        columns.push(RecordColumn { name, points });
    }
    let joined = join(&columns).map_err(RecordTrouble::Wrong)?;
    if joined.left_out > 0 {
        tell(&format!("{} points are left out: they are older than a column of the others", joined.left_out));
    }
    whole(output, &joined.text, &joined.lines.summary())
}

/// Where this build has no client.
///
/// # Errors
/// Always.
#[cfg(not(feature = "client"))]
pub fn cannot_ask(url: &str) -> Result<(), RecordTrouble> {
    Err(RecordTrouble::Wrong(format!("{url}: this build cannot ask a service: it has no client")))
}

/// Records what `kubectl top pod` printed.
///
/// # Errors
/// Why there is no recording.
pub fn record_top(
    path: &Path,
    every: Option<Duration>,
    pod: Option<&str>,
    output: &RecordOutput,
) -> Result<(), RecordTrouble> {
    output.check()?;
    let choice = TopChoice { every: every.map(|every| every.as_secs_f64()), pod };
    let recording = input(path, true, &mut |from| top::read(from, &choice))?;
    if pod.is_none() && recording.pods > 1 {
        tell(&format!("{} pods are in it: what is recorded is their sum; --pod NAME chooses one", recording.pods));
    }
    whole(output, &recording.text, &recording.lines.summary())
}

/// Writes a recording that is whole, and says what it comes to.
fn whole(output: &RecordOutput, text: &str, summary: &str) -> Result<(), RecordTrouble> {
    let mut target = RecordTarget::open(output)?;
    if target.write(text)? {
        target.finish()?;
        tell(summary);
    }
    Ok(())
}

/// Reads a file, or the standard input, which may end with a signal.
fn input<T>(
    path: &Path,
    ends_with_signal: bool,
    read: &mut dyn FnMut(&mut dyn Read) -> Result<T, TraceFault>,
) -> Result<T, RecordTrouble> {
    let is_stdin = path == Path::new("-");
    let name = if is_stdin { String::from("standard input") } else { path.display().to_string() };
    let from: io::Result<Box<dyn Read>> = match (is_stdin, ends_with_signal) {
        (false, _) => File::open(path).map(|file| Box::new(file) as _),
        (true, false) => io::stdin().as_fd().try_clone_to_owned().map(|fd| Box::new(File::from(fd)) as _),
        (true, true) => EndingInput::start().map(|input| Box::new(input) as _),
    };
    let from = from.map_err(|error| RecordTrouble::Failed(format!("{name}: {error}")))?;
    let mut input = WatchedInput { from, failed: false };
    read(&mut input).map_err(|fault| {
        if input.failed {
            return RecordTrouble::Failed(format!("{name}: {}", fault.text));
        }
        RecordTrouble::Wrong(format!("{name}: {fault}"))
    })
}

/// An input that knows whether reading it has failed: that is nothing that is wrong with what was read.
struct WatchedInput {
    from: Box<dyn Read>,
    failed: bool,
}

impl Read for WatchedInput {
    fn read(&mut self, piece: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(piece);
        self.failed = matches!(&read, Err(error) if error.kind() != ErrorKind::Interrupted);
        read
    }
}

impl RecordOutput {
    /// Whether a recording may go there.
    ///
    /// # Errors
    /// When there is a file that it may not replace.
    pub fn check(&self) -> Result<(), RecordTrouble> {
        let Some(path) = &self.path else { return Ok(()) };
        let Ok(found) = path.symlink_metadata() else { return Ok(()) };
        if !self.replace {
            return Err(RecordTrouble::Wrong(there_is(path)));
        }
        // A device would become a file, and a link too.
        if !found.is_file() {
            return Err(RecordTrouble::Wrong(format!("{}: it is no file, so it is not replaced", path.display())));
        }
        Ok(())
    }
}

fn there_is(path: &Path) -> String {
    format!("{}: there is one already; --replace puts the recording in its place", path.display())
}

/// Where a recording is written.
pub struct RecordTarget<'o> {
    output: &'o RecordOutput,
    /// The file that becomes the wanted one when it is whole.
    file: Option<NamedTempFile>,
}

impl<'o> RecordTarget<'o> {
    /// Opens it. Nothing is at its place yet.
    ///
    /// # Errors
    /// When nothing can be written there.
    pub fn open(output: &'o RecordOutput) -> Result<Self, RecordTrouble> {
        output.check()?;
        let Some(path) = &output.path else { return Ok(Self { output, file: None }) };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // As others are that a person makes: the umask says who reads it.
        let permissions = Permissions::from_mode(0o666);
        let made = tempfile::Builder::new().prefix(".testero-record-").permissions(permissions).tempfile_in(folder);
        let file = made.map_err(|error| failed(path, &error))?;
        Ok(Self { output, file: Some(file) })
    }

    /// Writes lines; says whether anybody still reads them.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn write(&mut self, text: &str) -> Result<bool, RecordTrouble> {
        let written = match &mut self.file {
            Some(file) => file.write_all(text.as_bytes()),
            None => io::stdout().write_all(text.as_bytes()).and_then(|()| io::stdout().flush()),
        };
        match (written, &self.output.path) {
            (Ok(()), _) => Ok(true),
            // A reader that has gone away is no failure.
            (Err(error), None) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
            (Err(error), path) => Err(failed(path.as_deref().unwrap_or(Path::new("standard output")), &error)),
        }
    }

    /// The recording is whole, and takes its place.
    ///
    /// # Errors
    /// When it cannot.
    pub fn finish(self) -> Result<(), RecordTrouble> {
        let (Some(file), Some(path)) = (self.file, &self.output.path) else { return Ok(()) };
        file.as_file().sync_all().map_err(|error| failed(path, &error))?;
        if self.output.replace {
            self.output.check()?;
            return file.persist(path).map(drop).map_err(|error| failed(path, &error.error));
        }
        match rename_new(file.path(), path) {
            Ok(()) => {
                // It has another name now; under this one there is nothing to be removed.
                let _ = file.into_temp_path().keep();
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(RecordTrouble::Wrong(there_is(path))),
            Err(error) => Err(failed(path, &error)),
        }
    }
}

fn failed(path: &Path, error: &io::Error) -> RecordTrouble {
    RecordTrouble::Failed(format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_recording_is_there_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        let output = RecordOutput { path: Some(path.clone()), replace: false };
        let mut target = RecordTarget::open(&output).unwrap();
        assert!(target.write("one\n").unwrap() && !path.exists());
        drop(target);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        let mut target = RecordTarget::open(&output).unwrap();
        target.write("one\n").unwrap();
        target.finish().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\n");
        // Not even one that appears meanwhile is replaced.
        let other = RecordOutput { path: Some(folder.path().join("b.csv")), replace: false };
        let mut target = RecordTarget::open(&other).unwrap();
        fs::write(folder.path().join("b.csv"), "mine").unwrap();
        target.write("one\n").unwrap();
        assert_eq!(target.finish().unwrap_err().code(), 2);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
        assert!(RecordTarget::open(&output).is_err_and(|trouble| trouble.to_string().contains("--replace")));
        let again = RecordOutput { replace: true, ..output };
        let mut target = RecordTarget::open(&again).unwrap();
        target.write("two\n").unwrap();
        target.finish().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "two\n");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o200, 0o200);
    }

    #[test]
    fn what_is_no_file_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        for (path, code) in [("/dev/null", 2), (folder.path().to_str().unwrap(), 2), ("/nowhere/a.csv", 1)] {
            let output = RecordOutput { path: Some(PathBuf::from(path)), replace: true };
            let trouble = RecordTarget::open(&output).err().unwrap();
            assert_eq!(trouble.code(), code, "{trouble}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_not_what_is_wrong() {
        let mut read = |from: &mut dyn Read| top::read(from, &TopChoice::default());
        for (path, code) in [("/nowhere", 1), ("/", 1), ("/dev/null", 2)] {
            let trouble = input(Path::new(path), true, &mut read).unwrap_err();
            assert_eq!(trouble.code(), code, "{trouble}");
        }
    }
}
