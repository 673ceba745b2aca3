//! What libraries of the system some files need: the newest version of glibc's and libstdc++'s symbols that
//! any of them asks for, as auditwheel counts it.

use crate::error::{Error, Result};
use object::Endianness;
use object::elf::FileHeader64;
use object::read::elf::{FileHeader, SectionHeader as _};
use std::fs;
use std::path::Path;

/// Minor versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Needs {
    /// N of `GLIBC_2.N`.
    pub(super) glibc: u32,
    /// N of `GLIBCXX_3.4.N`; 0 where no C++ is in it.
    pub(super) libstdcxx: u32,
}

impl Needs {
    fn add(&mut self, version: &str) {
        let minor = |prefix| -> Option<u32> {
            version.strip_prefix(prefix)?.split('.').next()?.parse().ok()
        };
        if let Some(minor) = minor("GLIBC_2.") {
            self.glibc = self.glibc.max(minor);
        }
        if let Some(minor) = minor("GLIBCXX_3.4.") {
            self.libstdcxx = self.libstdcxx.max(minor);
        }
    }
}

/// What all of these files need together.
pub(super) fn needs<P: AsRef<Path>>(files: impl IntoIterator<Item = P>) -> Result<Needs> {
    let mut needs = Needs::default();
    for file in files {
        let file = file.as_ref();
        let bytes = fs::read(file).map_err(Error::io("read", file))?;
        let versions = versions(&bytes);
        let versions =
            versions.map_err(|error| Error::Told(format!("`{}`: {error}", file.display())))?;
        versions.iter().for_each(|version| needs.add(version));
    }
    Ok(needs)
}

/// The versions of symbols that a library or program asks of others.
fn versions(bytes: &[u8]) -> object::Result<Vec<String>> {
    let header = FileHeader64::<Endianness>::parse(bytes)?;
    let endian = header.endian()?;
    let sections = header.sections(endian, bytes)?;
    let mut versions = Vec::new();
    for section in sections.iter() {
        let Some((mut needed, strings)) = section.gnu_verneed(endian, bytes)? else { continue };
        let strings = sections.strings(endian, bytes, strings)?;
        while let Some((_, mut of_library)) = needed.next()? {
            while let Some(version) = of_library.next()? {
                let name = version.name(endian, strings)?;
                versions.push(String::from_utf8_lossy(name).into_owned());
            }
        }
    }
    Ok(versions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_counts() {
        let mut needs = Needs::default();
        for version in ["GLIBC_2.2.5", "GLIBC_2.28", "GLIBCXX_3.4", "GLIBCXX_3.4.29", "GCC_3.0"] {
            needs.add(version);
        }
        assert_eq!(needs, Needs { glibc: 28, libstdcxx: 29 });
    }

    #[test]
    fn this_test_needs_a_glibc() {
        let own = std::env::current_exe().unwrap();
        let needs = needs([&own]).unwrap();
        assert!((2..100).contains(&needs.glibc), "{needs:?}");
    }
}
