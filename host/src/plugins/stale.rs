//! Notices a plugin in a cargo target folder that was not rebuilt after its source changed: the one
//! way to run old code without knowing it.

use std::{
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

/// A source file changed since the library was built, if there is one. Cargo writes the list of them
/// beside the library; without one (an installed plugin) nothing is stale.
pub(super) fn newer_source(library: &Path) -> Option<PathBuf> {
    let built = modified(library)?;
    let list = fs::read_to_string(library.with_extension("d")).ok()?;
    sources(&list).into_iter().find(|source| modified(source).is_some_and(|at| at > built))
}

fn modified(path: &Path) -> Option<SystemTime> {
    path.metadata().and_then(|facts| facts.modified()).ok()
}

/// The right side of `library: source source …`, where a space inside a name is written `\ `.
fn sources(list: &str) -> Vec<PathBuf> {
    const SPACE_IN_NAME: &str = "\u{0}";
    let Some((_, sources)) = list.split_once(": ") else { return Vec::new() };
    let sources = sources.replace("\\ ", SPACE_IN_NAME);
    sources.split_whitespace().map(|name| name.replace(SPACE_IN_NAME, " ").into()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_changed_source_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let [library, list, old, new] =
            ["libp.so", "libp.d", "old.rs", "a b.rs"].map(|name| folder.path().join(name));
        let escaped = new.display().to_string().replace(' ', "\\ ");
        let text = format!("{}: {} {escaped} /gone.rs\n", library.display(), old.display());
        for (path, seconds) in [(&old, 1), (&library, 2), (&list, 2), (&new, 3)] {
            fs::write(path, &text).unwrap();
            let at = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            fs::File::options().write(true).open(path).unwrap().set_modified(at).unwrap();
        }
        assert_eq!(newer_source(&library), Some(new.clone()));
        fs::remove_file(&new).unwrap();
        assert_eq!(newer_source(&library), None);
        fs::remove_file(&list).unwrap();
        assert_eq!(newer_source(&library), None);
    }
}
