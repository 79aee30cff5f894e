//! Reports as files: each appears whole or not at all.

use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::crash::report::RunReport;
use crate::crash::report::html::html;
use crate::crash::report::json::json;
use crate::crash::report::junit::junit;
use crate::settings::crash::ReportPaths;

impl RunReport {
    /// Writes the reports that were asked for. One that fails does not keep the others from being written.
    ///
    /// # Errors
    /// The first that cannot be written, with its path.
    pub fn write(&self, paths: &ReportPaths) -> io::Result<()> {
        type Writer = fn(&RunReport) -> String;
        let writers: [(_, Writer); 3] = [(&paths.json, json), (&paths.junit, junit), (&paths.html, html)];
        let mut written = Ok(());
        for (path, writer) in writers {
            if let Some(path) = path {
                let this = put(path, writer(self).as_bytes());
                let this = this.map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())));
                written = written.and(this);
            }
        }
        written
    }
}

/// Replaces a file. What is a pipe or a device is written to: it must stay what it is.
fn put(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // Of a link the file that it leads to is replaced.
    let path = match fs::canonicalize(path) {
        Ok(path) => path,
        Err(error) if error.kind() == io::ErrorKind::NotFound => path.to_owned(),
        Err(error) => return Err(error),
    };
    if fs::metadata(&path).is_ok_and(|there| !there.is_file()) {
        return fs::OpenOptions::new().write(true).open(&path)?.write_all(bytes);
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    // As any new file: the process' mask decides who may read it.
    let mut file = builder.prefix(".report-").permissions(Permissions::from_mode(0o666)).tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.persist(&path).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crash::report::examples;
    use std::os::unix::fs::{MetadataExt, symlink};

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn what_was_asked_for_is_written_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| Some(folder.path().join(name));
        let report = examples::passed();
        report.write(&ReportPaths::default()).unwrap();
        report.write(&ReportPaths { html: path("c"), ..ReportPaths::default() }).unwrap();
        assert_eq!(names(folder.path()), ["c"]);
        report.write(&ReportPaths { json: path("a"), junit: path("b"), html: path("c") }).unwrap();
        assert_eq!(names(folder.path()), ["a", "b", "c"]);
        for (name, begin) in [("a", "{\"schema\":1,"), ("b", "<?xml "), ("c", "<!doctype html>")] {
            assert!(fs::read_to_string(folder.path().join(name)).unwrap().starts_with(begin), "{name}");
        }
    }

    #[test]
    fn who_reads_an_old_report_keeps_it() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("a"), folder.path().join("link"));
        fs::write(&path, "old").unwrap();
        symlink("a", &link).unwrap();
        let before = fs::metadata(&path).unwrap();
        let mut reader = fs::File::open(&path).unwrap();
        examples::passed().write(&ReportPaths { json: Some(link.clone()), ..ReportPaths::default() }).unwrap();
        let mut text = String::new();
        io::Read::read_to_string(&mut reader, &mut text).unwrap();
        assert_eq!(text, "old");
        assert_ne!(fs::metadata(&path).unwrap().ino(), before.ino());
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    }

    #[test]
    fn a_device_stays_one() {
        let null = Path::new("/dev/null");
        put(null, b"x").unwrap();
        assert!(!fs::metadata(null).unwrap().is_file());
    }

    #[test]
    fn an_error_names_the_path_and_leaves_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| Some(folder.path().join(name));
        let paths = ReportPaths { json: path("none/a"), junit: path("b"), html: Some(folder.path().to_owned()) };
        let error = examples::passed().write(&paths).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        let wanted = format!("{}: ", folder.path().join("none/a").display());
        assert!(error.to_string().starts_with(&wanted), "{error}");
        assert_eq!(names(folder.path()), ["b"]);
    }
}
