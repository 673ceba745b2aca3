//! A wheel as it is written: a zip file, and a last file in it that has the sha256 and the size of each
//! other one. The same content gives the same bytes.

use crate::error::{Error, Result};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// A wheel that is being written.
pub(super) struct WheelFile {
    path: PathBuf,
    archive: ZipWriter<File>,
    record: String,
}

impl WheelFile {
    /// An empty one.
    pub(super) fn create(path: &Path) -> Result<Self> {
        let file = File::create(path).map_err(Error::io("create", path))?;
        Ok(Self { path: path.to_owned(), archive: ZipWriter::new(file), record: String::new() })
    }

    /// Adds a file from the disk.
    pub(super) fn add_file(&mut self, name: &str, file: &Path) -> Result<()> {
        self.add(name, &fs::read(file).map_err(Error::io("read", file))?)
    }

    /// Adds a file that can be run.
    pub(super) fn add_program(&mut self, name: &str, file: &Path) -> Result<()> {
        let bytes = fs::read(file).map_err(Error::io("read", file))?;
        self.write(name, &bytes, 0o755)
    }

    /// Adds a file.
    pub(super) fn add(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        self.write(name, bytes, 0o644)
    }

    /// Adds the list of all files, under this name.
    pub(super) fn finish(mut self, record: &str) -> Result<()> {
        let text = format!("{}{record},,\n", self.record);
        self.add(record, text.as_bytes())?;
        let broken = self.broken();
        self.archive.finish().map(drop).map_err(broken)
    }

    fn write(&mut self, name: &str, bytes: &[u8], permissions: u32) -> Result<()> {
        let digest = URL_SAFE_NO_PAD.encode(Sha256::digest(bytes));
        self.record += &format!("{name},sha256={digest},{}\n", bytes.len());
        let options = SimpleFileOptions::default()
            .unix_permissions(permissions)
            .last_modified_time(zip::DateTime::default());
        let broken = self.broken();
        self.archive.start_file(name, options).map_err(broken)?;
        self.archive.write_all(bytes).map_err(Error::io("write", &self.path))
    }

    fn broken(&self) -> impl FnOnce(zip::result::ZipError) -> Error + use<> {
        let path = self.path.clone();
        move |error| Error::Told(format!("`{}` cannot be written: {error}", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    #[test]
    fn the_record_has_every_file_and_programs_can_be_run() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("program");
        fs::write(&program, "run").unwrap();
        let write = |name: &str| {
            let path = folder.path().join(name);
            let mut wheel = WheelFile::create(&path).unwrap();
            wheel.add("a/b.py", b"abc").unwrap();
            wheel.add_program("a/program", &program).unwrap();
            wheel.finish("a.dist-info/RECORD").unwrap();
            path
        };
        let (one, two) = (write("one.whl"), write("two.whl"));
        assert!(fs::read(&one).unwrap() == fs::read(&two).unwrap());

        let mut archive = zip::ZipArchive::new(File::open(one).unwrap()).unwrap();
        let mode = archive.by_name("a/program").unwrap().unix_mode().unwrap();
        assert_eq!(mode & 0o777, 0o755);
        let mut record = String::new();
        archive.by_name("a.dist-info/RECORD").unwrap().read_to_string(&mut record).unwrap();
        // sha256 of "abc", as FIPS 180-2 has it.
        let abc = "a/b.py,sha256=ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0,3\n";
        assert!(record.starts_with(abc), "{record}");
        assert!(record.ends_with("\na.dist-info/RECORD,,\n") && record.lines().count() == 3);
    }
}
