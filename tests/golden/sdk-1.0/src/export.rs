//! What `export_plugin!` writes into a plugin's library: a manifest as plain bytes, which the host
//! reads from the file, and the header through which it reaches the constructors.

use crate::{
    ComplexityScorer, DiversityScorer, Error, ErrorKind, Manifest, Plugin, PluginKind, Result,
    Service, UpdateStrategy,
    adapter::{plugin, report_panics_as_errors},
};
use iterit_abi::abi_stable::{
    library::{__call_root_module_loader, CheckTypeLayout, RootModuleResult},
    prefix_type::PrefixTypeTrait,
    std_types::{RResult, RStr, RString},
};
use iterit_abi::{AbiResult, ComplexityBox, DiversityBox, PluginRoot, PluginRootRef, StrategyBox};

pub use iterit_abi::abi_stable::library::LibHeader;

/// One library of plugins; `export_plugin!` implements it.
pub trait Library: 'static {
    /// The package it is built from.
    const PACKAGE: Package;
    /// What it offers.
    const ENTRIES: &'static [Entry];
    /// The manifest, as exported.
    const MANIFEST: &'static [u8];
}

/// The package a library is built from.
pub struct Package {
    /// `CARGO_PKG_NAME`
    pub name: &'static str,
    /// `CARGO_PKG_VERSION`
    pub version: &'static str,
    /// `unwind` or `abort`
    pub panic: &'static str,
    /// `debug` or `release`
    pub profile: &'static str,
}

/// One scorer or strategy.
pub struct Entry {
    name: &'static str,
    services: &'static [Service],
    default_options: fn() -> Result<String>,
    new: Constructor,
}

enum Constructor {
    Complexity(fn(&str) -> Result<ComplexityBox>),
    Diversity(fn(&str) -> Result<DiversityBox>),
    Strategy(fn(&str) -> Result<StrategyBox>),
}

impl Entry {
    /// An entry of the `complexity` section.
    pub const fn complexity<T>(name: &'static str) -> Self
    where
        T: Plugin + ComplexityScorer + 'static,
    {
        Self::of::<T>(name, Constructor::Complexity(plugin::new_complexity::<T>))
    }

    /// An entry of the `diversity` section.
    pub const fn diversity<T>(name: &'static str) -> Self
    where
        T: Plugin + DiversityScorer + 'static,
    {
        Self::of::<T>(name, Constructor::Diversity(plugin::new_diversity::<T>))
    }

    /// An entry of the `strategy` section.
    pub const fn strategy<T>(name: &'static str) -> Self
    where
        T: Plugin + UpdateStrategy + 'static,
    {
        Self::of::<T>(name, Constructor::Strategy(plugin::new_strategy::<T>))
    }

    const fn of<T: Plugin>(name: &'static str, new: Constructor) -> Self {
        let default_options = plugin::default_options::<T>;
        Self { name, services: T::SERVICES, default_options, new }
    }

    const fn kind(&self) -> PluginKind {
        match self.new {
            Constructor::Complexity(_) => PluginKind::Complexity,
            Constructor::Diversity(_) => PluginKind::Diversity,
            Constructor::Strategy(_) => PluginKind::Strategy,
        }
    }
}

/// The header the host's loader looks for.
pub const fn header<L: Library>() -> LibHeader {
    // SAFETY: `constructor` returns the `PluginRootRef` that `root` makes, erased by abi_stable's
    // own function for it.
    unsafe { LibHeader::from_constructor::<PluginRootRef>(constructor::<L>, CheckTypeLayout::Yes) }
}

extern "C" fn constructor<L: Library>() -> RootModuleResult {
    __call_root_module_loader(root::<L>)
}

fn root<L: Library>() -> PluginRootRef {
    report_panics_as_errors();
    PluginRoot {
        manifest_json: RStr::from_str(std::str::from_utf8(L::MANIFEST).unwrap_or_default()),
        new_complexity: new_complexity::<L>,
        new_diversity: new_diversity::<L>,
        new_strategy: new_strategy::<L>,
        default_options: default_options::<L>,
    }
    .leak_into_prefix()
}

extern "C" fn new_complexity<L: Library>(
    name: RStr<'_>,
    options: RStr<'_>,
) -> AbiResult<ComplexityBox> {
    sent(find::<L>(&name).and_then(|entry| match entry.new {
        Constructor::Complexity(new) => new(&options),
        _ => wrong_kind(entry, PluginKind::Complexity),
    }))
}

extern "C" fn new_diversity<L: Library>(
    name: RStr<'_>,
    options: RStr<'_>,
) -> AbiResult<DiversityBox> {
    sent(find::<L>(&name).and_then(|entry| match entry.new {
        Constructor::Diversity(new) => new(&options),
        _ => wrong_kind(entry, PluginKind::Diversity),
    }))
}

extern "C" fn new_strategy<L: Library>(
    name: RStr<'_>,
    options: RStr<'_>,
) -> AbiResult<StrategyBox> {
    sent(find::<L>(&name).and_then(|entry| match entry.new {
        Constructor::Strategy(new) => new(&options),
        _ => wrong_kind(entry, PluginKind::Strategy),
    }))
}

extern "C" fn default_options<L: Library>(name: RStr<'_>) -> AbiResult<RString> {
    sent(find::<L>(&name).and_then(|entry| (entry.default_options)()).map(RString::from))
}

fn find<L: Library>(name: &str) -> Result<&'static Entry> {
    L::ENTRIES.iter().find(|entry| entry.name == name).ok_or_else(|| {
        let message = format!("`{}` offers no `{name}`", L::PACKAGE.name);
        Error::new(ErrorKind::Unsupported, message)
    })
}

fn wrong_kind<T>(entry: &Entry, wanted: PluginKind) -> Result<T> {
    let (name, kind, wanted) = (entry.name, entry.kind().name(), wanted.name());
    Err(Error::new(ErrorKind::Unsupported, format!("`{name}` is of kind {kind}, not {wanted}")))
}

fn sent<T>(result: Result<T>) -> AbiResult<T> {
    match result {
        Ok(value) => RResult::ROk(value),
        Err(error) => RResult::RErr(error.into()),
    }
}

/// How many bytes the manifest takes.
pub const fn manifest_length<L: Library>() -> usize {
    write_manifest::<0>(&L::PACKAGE, L::ENTRIES).length
}

/// The manifest, made while the plugin is compiled; a name that cannot be used ends the build.
pub const fn manifest<L: Library, const N: usize>() -> [u8; N] {
    check_names(L::ENTRIES);
    write_manifest::<N>(&L::PACKAGE, L::ENTRIES).bytes
}

const fn check_names(entries: &[Entry]) {
    let mut e = 0;
    while e < entries.len() {
        check_name(entries[e].name);
        let mut other = 0;
        while other < e {
            let differ = !same(entries[e].name, entries[other].name);
            assert!(differ, "export_plugin!: the same name is given to two scorers");
            other += 1;
        }
        e += 1;
    }
}

const fn check_name(name: &str) {
    let bytes = name.as_bytes();
    assert!(
        !bytes.is_empty() && bytes.len() <= 64,
        "export_plugin!: a name has 1 to 64 characters"
    );
    let mut b = 0;
    while b < bytes.len() {
        let allowed = matches!(bytes[b], b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
        assert!(allowed, "export_plugin!: a name holds only a-z, 0-9, `-` and `_`");
        b += 1;
    }
}

const fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() != b.len() {
        return false;
    }
    let mut k = 0;
    while k < a.len() {
        if a[k] != b[k] {
            return false;
        }
        k += 1;
    }
    true
}

const fn write_manifest<const N: usize>(package: &Package, entries: &[Entry]) -> Json<N> {
    let json = Json::<N>::new().raw("{\"iterit_manifest\":1");
    let json = json.member("name", package.name).member("version", package.version);
    let json = json.member("abi", iterit_abi::VERSION).member("sdk", env!("CARGO_PKG_VERSION"));
    let json = json.member("rustc", env!("ITERIT_RUSTC")).member("target", Manifest::TARGET);
    let json = json.member("panic", package.panic).member("profile", package.profile);
    let mut json = json.raw(",\"scorers\":[");
    let mut e = 0;
    while e < entries.len() {
        let entry = &entries[e];
        json = json.raw(if e == 0 { "{\"name\":" } else { ",{\"name\":" }).text(entry.name);
        json = json.member("kind", entry.kind().name()).raw(",\"services\":[");
        let mut s = 0;
        while s < entry.services.len() {
            json = json.raw(if s == 0 { "" } else { "," }).text(entry.services[s].name());
            s += 1;
        }
        json = json.raw("]}");
        e += 1;
    }
    json.raw("]}")
}

/// Writes JSON in a `const`; with `N = 0` it only counts.
struct Json<const N: usize> {
    bytes: [u8; N],
    length: usize,
}

impl<const N: usize> Json<N> {
    const fn new() -> Self {
        Self { bytes: [0; N], length: 0 }
    }

    const fn raw(mut self, text: &str) -> Self {
        let text = text.as_bytes();
        let mut b = 0;
        while b < text.len() {
            if self.length < N {
                self.bytes[self.length] = text[b];
            }
            self.length += 1;
            b += 1;
        }
        self
    }

    /// Versions, triples and checked names hold nothing that would need escaping.
    const fn text(self, text: &str) -> Self {
        self.raw("\"").raw(text).raw("\"")
    }

    const fn member(self, key: &str, value: &str) -> Self {
        self.raw(",").text(key).raw(":").text(value)
    }
}

/// Exports a crate's scorers and strategies under their names in `--plugins`.
///
/// The crate's `Cargo.toml` needs `crate-type = ["cdylib", "rlib"]`; the library then takes its name
/// and version from there. One crate may offer several, of all kinds:
///
/// ```
/// use iterit_sdk::{ComplexityScorer, Host, NoOptions, Plugin, Result, SampleId, Score};
///
/// /// Scores a sample by the number of its response tokens.
/// struct Length;
///
/// impl Plugin for Length {
///     type Options = NoOptions;
///     fn new(_: NoOptions) -> Result<Self> {
///         Ok(Self)
///     }
/// }
///
/// impl ComplexityScorer for Length {
///     fn score(&self, host: &Host<'_>, ids: &[SampleId]) -> Result<Vec<Score>> {
///         let counts = host.token_counts(ids)?;
///         Ok(counts.iter().map(|count| Score::eligible(count.response.into())).collect())
///     }
/// }
///
/// iterit_sdk::export_plugin! {
///     complexity: { "my-length" => Length },
/// }
/// # fn main() {}
/// ```
///
/// The sections are `complexity`, `diversity` and `strategy`, in any order. A name holds only a-z,
/// 0-9, `-` and `_`; anything else is a compile error:
///
/// ```compile_fail
/// # use iterit_sdk::{ComplexityScorer, Host, NoOptions, Plugin, Result, SampleId, Score};
/// # struct Length;
/// # impl Plugin for Length {
/// #     type Options = NoOptions;
/// #     fn new(_: NoOptions) -> Result<Self> { Ok(Self) }
/// # }
/// # impl ComplexityScorer for Length {
/// #     fn score(&self, _: &Host<'_>, _: &[SampleId]) -> Result<Vec<Score>> { Ok(Vec::new()) }
/// # }
/// iterit_sdk::export_plugin! { complexity: { "My Length" => Length } }
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! export_plugin {
    ($($kind:ident: { $($name:literal => $scorer:ty),+ $(,)? }),+ $(,)?) => {
        const _: () = {
            struct ThisLibrary;

            impl $crate::export::Library for ThisLibrary {
                const PACKAGE: $crate::export::Package = $crate::export::Package {
                    name: env!("CARGO_PKG_NAME"),
                    version: env!("CARGO_PKG_VERSION"),
                    panic: if cfg!(panic = "unwind") { "unwind" } else { "abort" },
                    profile: if cfg!(debug_assertions) { "debug" } else { "release" },
                };
                const ENTRIES: &'static [$crate::export::Entry] =
                    &[$($($crate::export::Entry::$kind::<$scorer>($name)),+),+];
                const MANIFEST: &'static [u8] = &MANIFEST;
            }

            // The prefixes are `iterit_abi::MANIFEST_SYMBOL` and `HEADER_SYMBOL`.
            #[unsafe(export_name = concat!("iterit_plugin_manifest_", env!("CARGO_PKG_NAME")))]
            pub static MANIFEST: [u8; $crate::export::manifest_length::<ThisLibrary>()] =
                $crate::export::manifest::<ThisLibrary, _>();

            #[unsafe(export_name = concat!("iterit_plugin_header_", env!("CARGO_PKG_NAME")))]
            pub static HEADER: $crate::export::LibHeader =
                $crate::export::header::<ThisLibrary>();
        };
    };
}
