//! Files and folders that appear whole or not at all: written beside their place under a temporary
//! name, flushed to the disk, then renamed. Who may read them is the umask's to say, as for any
//! other new file.

use crate::{Error, Result};
use serde::Serialize;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

/// Writes a file; a reader sees the old one or the new one, never a part.
pub fn write(path: &Path, contents: &[u8]) -> Result<()> {
    write_with(path, |out| out.write_all(contents))
}

/// Writes a value as indented JSON with a line end.
pub fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<()> {
    let mut json = serde_json::to_vec_pretty(value).expect("records serialize to JSON");
    json.push(b'\n');
    write(path, &json)
}

/// Writes one JSON value a line.
pub fn write_json_lines<T: Serialize>(
    path: &Path,
    rows: impl IntoIterator<Item = T>,
) -> Result<()> {
    write_with(path, |out| {
        for row in rows {
            serde_json::to_writer(&mut *out, &row)?;
            out.write_all(b"\n")?;
        }
        Ok(())
    })
}

/// Writes a file through a buffered writer.
pub fn write_with(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<&File>) -> std::io::Result<()>,
) -> Result<()> {
    let folder = parent(path);
    fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    let temporary = tempfile::Builder::new()
        .prefix(".partial-")
        .permissions(all_but_umask(0o666))
        .tempfile_in(folder)
        .map_err(Error::io("write into", folder))?;
    let mut out = BufWriter::new(temporary.as_file());
    write(&mut out).and_then(|()| out.flush()).map_err(Error::io("write", path))?;
    drop(out);
    temporary.as_file().sync_all().map_err(Error::io("write", path))?;
    temporary.persist(path).map_err(|error| Error::io("write", path)(error.error))?;
    sync_folder(folder)
}

/// Fills a new folder and then gives it its name; what stood there before is replaced.
pub fn write_folder(path: &Path, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let parent = parent(path);
    fs::create_dir_all(parent).map_err(Error::io("create", parent))?;
    let temporary = tempfile::Builder::new()
        .prefix(".partial-")
        .permissions(all_but_umask(0o777))
        .tempdir_in(parent)
        .map_err(Error::io("write into", parent))?;
    fill(temporary.path())?;
    sync_tree(temporary.path())?;
    if path.exists() {
        fs::remove_dir_all(path).map_err(Error::io("replace", path))?;
    }
    let filled = temporary.keep();
    fs::rename(&filled, path).map_err(Error::io("write", path))?;
    sync_folder(parent)
}

/// Cuts a file that grows by lines to its first `lines` whole ones.
pub fn keep_lines(path: &Path, lines: usize) -> Result<()> {
    if !path.exists() && lines == 0 {
        return Ok(());
    }
    let contents = fs::read(path).map_err(Error::io("read", path))?;
    let end = contents
        .iter()
        .enumerate()
        .filter(|&(_, &byte)| byte == b'\n')
        .nth(lines.wrapping_sub(1))
        .map_or(0, |(position, _)| position + 1);
    if lines > 0 && end == 0 {
        return Err(Error::file(path, format!("expected at least {lines} lines")));
    }
    write(path, &contents[..end])
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// A rename is on the disk only once its folder is.
fn sync_folder(folder: &Path) -> Result<()> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(Error::io("write into", folder))
}

fn sync_tree(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder).map_err(Error::io("read", folder))? {
        let path = entry.map_err(Error::io("read", folder))?.path();
        if path.is_dir() {
            sync_tree(&path)?;
        } else {
            File::open(&path)
                .and_then(|file| file.sync_all())
                .map_err(Error::io("write", &path))?;
        }
    }
    sync_folder(folder)
}

/// Temporary files would be private otherwise. The system takes from these what the umask forbids.
#[cfg(unix)]
fn all_but_umask(mode: u32) -> fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(mode)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_failed_write_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        write(&path, b"old").unwrap();
        let failed = write_with(&path, |out| {
            out.write_all(b"new")?;
            Err(std::io::Error::other("disk full"))
        });
        assert!(failed.unwrap_err().to_string().contains("disk full"));
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(folder.path()), ["a.json"]);
    }

    #[test]
    fn a_failed_folder_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("step-1");
        let failed = write_folder(&path, |folder| {
            write(&folder.join("half"), b"x")?;
            Err(Error::Cancelled)
        });
        assert!(failed.is_err() && names(folder.path()).is_empty());
        write_folder(&path, |folder| write(&folder.join("whole"), b"x")).unwrap();
        assert_eq!(names(&path), ["whole"]);
    }

    #[test]
    fn lines_are_kept_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        keep_lines(&path, 0).unwrap();
        fs::write(&path, "a\nb\nc").unwrap();
        keep_lines(&path, 2).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"a\nb\n");
        keep_lines(&path, 0).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"");
        assert!(keep_lines(&path, 1).is_err());
    }
}
