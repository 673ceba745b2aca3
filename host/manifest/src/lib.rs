//! Reads a plugin's manifest from its file. None of the plugin's code runs, so a library for another
//! machine, another ABI or half a library is refused by name instead of by a signal.
//!
//! A crate of its own because it looks at strangers' bytes: it is tried on its own, with bytes made to break
//! it, and knows neither how plugins are found nor how they are loaded.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

use iterit_sdk::Manifest;
use object::{
    LittleEndian, Object, ObjectSection, ReadCache, ReadRef, SectionIndex, elf,
    read::elf::{ElfFile64, FileHeader, ProgramHeader, Sym},
};
use std::{fs::File, path::Path};

/// How many packages a message names.
const SHOWN_PACKAGES: usize = 5;

/// The manifest layout this host reads.
const LAYOUT: u32 = 1;

/// The manifest of the library at a path.
///
/// # Errors
/// What the file is instead, in a line, and below it a hint where there is something to do.
pub fn read(path: &Path) -> Result<Manifest, String> {
    let file = File::open(path).map_err(|error| format!("cannot be read: {error}"))?;
    let facts = file.metadata().map_err(|error| format!("cannot be read: {error}"))?;
    if !facts.is_file() {
        return Err("not a file, expected a shared library".into());
    }
    let cache = ReadCache::new(file);
    let data = &cache;
    made_for_this_machine(data, facts.len())?;
    is_whole(data, facts.len())?;
    let json = manifest_bytes(data)?;
    parse(&json)
}

/// A 64-bit little-endian ELF file for this processor.
fn made_for_this_machine<'a>(data: impl ReadRef<'a>, size: u64) -> Result<(), String> {
    let start = data.read_bytes_at(0, size.min(20)).unwrap_or_default();
    if !start.starts_with(&elf::ELFMAG) {
        let shown = String::from_utf8_lossy(&start[..start.len().min(12)]);
        return Err(match start.is_empty() {
            true => "not a shared library: the file is empty".into(),
            false => format!("not a shared library: it begins with {shown:?}"),
        });
    }
    let [.., low, high] = *start else { return Err("cut short inside its header".into()) };
    if start.len() < 20 {
        return Err("cut short inside its header".into());
    }
    let machine = match start[5] == elf::ELFDATA2LSB.0 {
        true => u16::from_le_bytes([low, high]),
        false => u16::from_be_bytes([low, high]),
    };
    let (built_for, here) = (processor(machine), std::env::consts::ARCH);
    if built_for != here {
        return Err(format!(
            "built for {built_for}, this machine is {here}\nhint: build it on or for this machine"
        ));
    }
    Ok(())
}

/// Rust's name of a processor, where it has one.
fn processor(machine: u16) -> String {
    match elf::Machine(machine) {
        elf::EM_X86_64 => "x86_64".into(),
        elf::EM_AARCH64 => "aarch64".into(),
        elf::EM_386 => "x86".into(),
        elf::EM_ARM => "arm".into(),
        elf::EM_RISCV => "riscv64".into(),
        elf::EM_PPC64 => "powerpc64".into(),
        elf::EM_S390 => "s390x".into(),
        elf::EM_LOONGARCH => "loongarch64".into(),
        _ => format!("processor number {machine}"),
    }
}

/// Mapping a library that ends early kills the process, so every part it promises must be there.
fn is_whole<'a, R: ReadRef<'a>>(data: R, size: u64) -> Result<(), String> {
    const CUT: &str = "cut short inside its header";
    let endian = LittleEndian;
    let header = elf::FileHeader64::<LittleEndian>::parse(data).map_err(|_| CUT)?;
    let sections = u64::from(header.e_shnum(endian)) * u64::from(header.e_shentsize(endian));
    let mut promised = header.e_shoff(endian).saturating_add(sections);
    for segment in header.program_headers(endian, data).map_err(|_| CUT)? {
        let end = segment.p_offset(endian).saturating_add(segment.p_filesz(endian));
        promised = promised.max(end);
    }
    if promised > size {
        return Err(format!(
            "cut short: {size} bytes of {promised}\nhint: build it or copy it again"
        ));
    }
    Ok(())
}

fn manifest_bytes<'a, R: ReadRef<'a>>(data: R) -> Result<Vec<u8>, String> {
    let endian = LittleEndian;
    let damaged = |error: object::Error| format!("a damaged shared library: {error}");
    let library = ElfFile64::<LittleEndian, R>::parse(data).map_err(damaged)?;
    let symbols = library.elf_dynamic_symbol_table();
    // The names in one piece: looked up one by one, each would be kept for itself.
    let names = match symbols.is_empty() {
        true => &[],
        false => {
            let section = library.section_by_index(symbols.string_section()).map_err(damaged)?;
            section.data().map_err(damaged)?
        }
    };
    let defined = symbols.iter().filter(|symbol| symbol.st_shndx(endian) != elf::SHN_UNDEF);
    let manifests: Vec<_> = defined
        .filter_map(|symbol| Some((package_of(names, symbol.st_name(endian))?, symbol)))
        .collect();
    let [(_, symbol)] = &manifests[..] else {
        return Err(not_one_manifest(&manifests.iter().map(|m| m.0).collect::<Vec<_>>()));
    };
    let section = symbol.st_shndx(endian).index().ok_or("a damaged shared library: no section")?;
    let section = SectionIndex(section.into());
    let section = library.section_by_index(section).map_err(damaged)?;
    let (address, size) = (symbol.st_value(endian), symbol.st_size(endian));
    let bytes = section.data_range(address, size).map_err(damaged)?;
    Ok(bytes.ok_or("a damaged shared library: its manifest lies outside the file")?.to_vec())
}

/// The package in the name of a manifest's symbol, whose name begins at a place among all names.
fn package_of(names: &[u8], place: u32) -> Option<&str> {
    let name = names.get(usize::try_from(place).ok()?..)?;
    let package = name.strip_prefix(iterit_abi::MANIFEST_SYMBOL.as_bytes())?;
    let end = package.iter().position(|byte| *byte == 0)?;
    std::str::from_utf8(&package[..end]).ok()
}

fn not_one_manifest(packages: &[&str]) -> String {
    match packages {
        [] => "a shared library, but no iterit plugin\n\
               hint: a plugin's crate calls `iterit_sdk::export_plugin!` and has \
               `crate-type = [\"cdylib\", \"rlib\"]`"
            .into(),
        _ => {
            let shown = &packages[..packages.len().min(SHOWN_PACKAGES)];
            let more = packages.len() - shown.len();
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            format!(
                "holds the plugins of several packages: `{}`{more}\n\
                 hint: move what they share into a crate without `export_plugin!`",
                shown.join("`, `")
            )
        }
    }
}

fn parse(json: &[u8]) -> Result<Manifest, String> {
    /// What every layout of the manifest has.
    #[derive(serde::Deserialize)]
    struct Layout {
        iterit_manifest: u32,
    }
    let damaged = |error| format!("its manifest cannot be read: {error}");
    let Layout { iterit_manifest } = serde_json::from_slice(json).map_err(damaged)?;
    if iterit_manifest != LAYOUT {
        return Err(format!(
            "its manifest has layout {iterit_manifest}, this host reads {LAYOUT}\n\
             hint: use a newer iterit, or build the plugin with an older iterit-sdk"
        ));
    }
    let manifest: Manifest = serde_json::from_slice(json).map_err(damaged)?;
    if serde_json::to_string(&manifest).is_ok_and(|text| text.contains("\\u00")) {
        return Err("its manifest has control characters in it, expected texts".into());
    }
    Ok(manifest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// The first line of what is said of a file with these bytes.
    fn said_of(bytes: &[u8]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("libplugin.so");
        fs::write(&path, bytes).unwrap();
        read(&path).unwrap_err().lines().next().unwrap().to_owned()
    }

    /// This test's own program: a whole ELF file that is no plugin.
    fn this_program() -> Vec<u8> {
        fs::read(std::env::current_exe().unwrap()).unwrap()
    }

    #[test]
    fn says_what_a_file_is_instead() {
        assert_eq!(said_of(b""), "not a shared library: the file is empty");
        assert_eq!(said_of(b"hello world"), "not a shared library: it begins with \"hello world\"");
        assert_eq!(said_of(b"\x7fELF\x02\x01"), "cut short inside its header");
        assert_eq!(said_of(&this_program()), "a shared library, but no iterit plugin");
        let folder = std::env::temp_dir();
        assert_eq!(read(&folder).unwrap_err(), "not a file, expected a shared library");
    }

    #[test]
    fn a_library_without_any_code_has_a_manifest() {
        // Where fuzzing starts from.
        let mut library = include_bytes!("../../../tests/fuzz/seeds/manifest/whole").to_vec();
        library[18..20].copy_from_slice(&this_program()[18..20]);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("libmine.so");
        fs::write(&path, library).unwrap();
        assert_eq!(read(&path).unwrap().scorers[0].name, "mine");
    }

    #[test]
    fn a_library_cut_anywhere_is_refused() {
        let whole = this_program();
        for part in [20, 64, 1000, whole.len() / 2, whole.len() - 1] {
            let said = said_of(&whole[..part]);
            assert!(said.starts_with("cut short"), "{part} bytes: {said}");
        }
    }

    #[test]
    fn another_processor_is_named() {
        let mut other = this_program();
        other[18..20].copy_from_slice(&elf::EM_AARCH64.0.to_le_bytes());
        let here = std::env::consts::ARCH;
        assert_eq!(said_of(&other), format!("built for aarch64, this machine is {here}"));
    }

    #[test]
    fn a_manifest_of_another_layout_is_refused() {
        let said = parse(br#"{"iterit_manifest": 2, "other": []}"#).unwrap_err();
        assert!(said.starts_with("its manifest has layout 2, this host reads 1"), "{said}");
        let said = parse(b"{").unwrap_err();
        assert!(said.starts_with("its manifest cannot be read: "), "{said}");
    }

    #[test]
    fn a_manifest_cannot_write_to_the_terminal() {
        let manifest = |name: &str| {
            let texts = ["version", "abi", "sdk", "rustc", "target", "panic", "profile"];
            let texts: String = texts.map(|text| format!(r#", "{text}": "x""#)).concat();
            let json =
                format!(r#"{{"iterit_manifest": 1, "name": "{name}"{texts}, "scorers": []}}"#);
            parse(json.as_bytes())
        };
        assert_eq!(manifest("größe").unwrap().name, "größe");
        assert!(manifest("\\u001b[2J").unwrap_err().contains("control characters"));
    }

    #[test]
    fn a_name_is_found_among_all_names_or_is_none() {
        let names =
            [b"\0x\0iterit_plugin_manifest_mine\0iterit_plugin_manifest_\xff\0", &b"end"[..]]
                .concat();
        assert_eq!(package_of(&names, 3), Some("mine"));
        for place in [0, 1, 4, 31, names.len() as u32 - 3, names.len() as u32, u32::MAX] {
            assert_eq!(package_of(&names, place), None, "{place}");
        }
        let many: Vec<&str> = (0..7).map(|_| "x").collect();
        assert!(not_one_manifest(&many).contains("`x`, `x`, `x`, `x`, `x` and 2 more"));
    }
}
