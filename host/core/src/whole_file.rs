//! Files and folders that appear whole or not at all: written beside their place under a temporary
//! name, flushed to the disk, then renamed. What a kill leaves of that, [`sweep`] puts right. Who may
//! read them is the umask's to say, as for any other new file.

use crate::{Error, Result};
use serde::Serialize;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// How the name of something not yet whole begins; six letters and digits follow.
const PARTIAL: &str = ".partial-";
/// How the name of a folder begins that makes room for another of the name that follows.
const ASIDE: &str = ".replaced-";

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
        .prefix(PARTIAL)
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

/// Fills a new folder and then gives it its name; what stood there before is replaced. At every moment
/// one of the two is there, or is put back by [`sweep`].
pub fn write_folder(path: &Path, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let parent = parent(path);
    fs::create_dir_all(parent).map_err(Error::io("create", parent))?;
    let temporary = tempfile::Builder::new()
        .prefix(PARTIAL)
        .permissions(all_but_umask(0o777))
        .tempdir_in(parent)
        .map_err(Error::io("write into", parent))?;
    fill(temporary.path())?;
    sync_tree(temporary.path())?;
    match path.exists() {
        true => replace(temporary.path(), path)?,
        false => fs::rename(temporary.path(), path).map_err(Error::io("write", path))?,
    }
    // The temporary name is gone.
    let _ = temporary.keep();
    sync_folder(parent)
}

/// Gives a folder the name of another, which is removed.
fn replace(filled: &Path, path: &Path) -> Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    match renameat_with(CWD, filled, CWD, path, RenameFlags::EXCHANGE) {
        Ok(()) => fs::remove_dir_all(filled).map_err(Error::io("remove", filled)),
        // Some file systems cannot swap two names, NFS among them.
        Err(_) => set_aside_and_replace(filled, path),
    }
}

fn set_aside_and_replace(filled: &Path, path: &Path) -> Result<()> {
    let aside = aside(path);
    if aside.exists() {
        fs::remove_dir_all(&aside).map_err(Error::io("remove", &aside))?;
    }
    fs::rename(path, &aside).map_err(Error::io("replace", path))?;
    fs::rename(filled, path).map_err(Error::io("write", path))?;
    fs::remove_dir_all(&aside).map_err(Error::io("remove", &aside))
}

fn aside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    parent(path).join(format!("{ASIDE}{name}"))
}

/// Whether something of this name is what a killed write of ours leaves.
pub fn is_left_over(name: &str) -> bool {
    let is_partial = |rest: &str| {
        rest.len() == 6 && rest.chars().all(|character| character.is_ascii_alphanumeric())
    };
    name.strip_prefix(PARTIAL).is_some_and(is_partial) || name.starts_with(ASIDE)
}

/// Removes what killed writes have left in a folder and in those below it, and puts back a folder
/// that made room for another which never came. Nobody may be writing there meanwhile.
pub fn sweep(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder).map_err(Error::io("read", folder))? {
        let entry = entry.map_err(Error::io("read", folder))?;
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        let is_folder = entry.file_type().map_err(Error::io("read", &path))?.is_dir();
        let original = name.strip_prefix(ASIDE).map(|name| folder.join(name));
        match original {
            Some(original) if !original.exists() => {
                fs::rename(&path, &original).map_err(Error::io("put back", &original))?;
            }
            _ if is_left_over(&name) => {
                let removed =
                    if is_folder { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
                removed.map_err(Error::io("remove", &path))?;
            }
            _ if is_folder => sweep(&path)?,
            _ => {}
        }
    }
    Ok(())
}

/// How many whole lines a file has; none where it is missing.
pub fn count_lines(path: &Path) -> Result<usize> {
    match fs::read(path) {
        Ok(contents) => Ok(contents.iter().filter(|&&byte| byte == b'\n').count()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(Error::io("read", path)(error)),
    }
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
    fn a_folder_is_replaced_by_either_way() {
        for way in [replace, set_aside_and_replace] {
            let home = tempfile::tempdir().unwrap();
            let (old, new) = (home.path().join("model"), home.path().join(".partial-aB3dE6"));
            write(&old.join("old"), b"x").unwrap();
            write(&new.join("new"), b"x").unwrap();
            way(&new, &old).unwrap();
            assert_eq!(names(home.path()), ["model"]);
            assert_eq!(names(&old), ["new"]);
        }
    }

    #[test]
    fn a_sweep_takes_what_is_ours_and_puts_back_what_made_room() {
        let home = tempfile::tempdir().unwrap();
        let make = |name: &str| write(&home.path().join(name), b"x").unwrap();
        make("checkpoints/.partial-aB3dE6/learner/model.safetensors");
        make("epochs/0/.partial-000000");
        make("checkpoints/.replaced-step-9/state.json");
        make("checkpoints/.replaced-step-7/old");
        make("checkpoints/step-7/new");
        make(".partial-of-theirs");
        make(".partial-1234567");
        sweep(home.path()).unwrap();
        assert_eq!(
            names(home.path()),
            [".partial-1234567", ".partial-of-theirs", "checkpoints", "epochs"]
        );
        assert_eq!(names(&home.path().join("checkpoints")), ["step-7", "step-9"]);
        assert_eq!(names(&home.path().join("checkpoints/step-7")), ["new"]);
        assert_eq!(names(&home.path().join("epochs/0")), [""; 0]);
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
