//! Taking back the beginning of a run that failed before it did anything, so that the same command can be
//! given again.

use super::RunDirectory;
use crate::{Error, Result};
use std::fs;

impl RunDirectory {
    /// Removes what [`begin`](Self::begin) wrote, where nothing else lies in the folder; and the folder, unless
    /// it `was_there` before. A run that has recorded anything stays: it can be resumed.
    pub fn take_back(&self, was_there: bool) -> Result<()> {
        let begun = [self.config_path(), self.root.join("drawn.json"), self.manifest_path()];
        if !self.root.exists() {
            return Ok(());
        }
        for entry in fs::read_dir(&self.root).map_err(Error::io("read", &self.root))? {
            let path = entry.map_err(Error::io("read", &self.root))?.path();
            if !begun.contains(&path) {
                return Ok(());
            }
        }
        // The manifest last: without it there is no run.
        for path in begun.iter().filter(|path| path.exists()) {
            fs::remove_file(path).map_err(Error::io("remove", path))?;
        }
        match was_there {
            true => Ok(()),
            false => fs::remove_dir(&self.root).map_err(Error::io("remove", &self.root)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_beginning_is_taken_back() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("run");
        let directory = RunDirectory::new(&root).unwrap();
        directory.take_back(false).unwrap();
        let begin = || {
            fs::create_dir_all(&root).unwrap();
            fs::write(directory.manifest_path(), "{}").unwrap();
            fs::write(directory.config_path(), "").unwrap();
        };
        begin();
        directory.take_back(false).unwrap();
        assert!(!root.exists());
        begin();
        directory.take_back(true).unwrap();
        assert_eq!(fs::read_dir(&root).unwrap().count(), 0);
        begin();
        fs::create_dir(root.join("epochs")).unwrap();
        directory.take_back(false).unwrap();
        assert!(directory.manifest_path().exists() && directory.config_path().exists());
    }
}
