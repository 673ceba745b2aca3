//! What a plugin's library exports: its constructors.

use crate::{
    data::AbiResult,
    scorer::{ComplexityBox, DiversityBox, StrategyBox},
};
use abi_stable::{
    StableAbi,
    library::RootModule,
    sabi_types::VersionStrings,
    std_types::{RStr, RString},
};

/// The constructors of one library. `name` is that of a scorer in the manifest, `options` its
/// section of the configuration as JSON; an empty text is an empty section.
#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = PluginRootRef)))]
pub struct PluginRoot {
    /// The manifest that also stands in the file.
    pub manifest_json: RStr<'static>,
    /// Makes a complexity scorer.
    pub new_complexity:
        extern "C" fn(name: RStr<'_>, options: RStr<'_>) -> AbiResult<ComplexityBox>,
    /// Makes a diversity scorer.
    pub new_diversity: extern "C" fn(name: RStr<'_>, options: RStr<'_>) -> AbiResult<DiversityBox>,
    /// Makes an update strategy.
    pub new_strategy: extern "C" fn(name: RStr<'_>, options: RStr<'_>) -> AbiResult<StrategyBox>,
    /// The options in force when none are given, as JSON.
    #[sabi(last_prefix_field)]
    pub default_options: extern "C" fn(name: RStr<'_>) -> AbiResult<RString>,
}

impl RootModule for PluginRootRef {
    abi_stable::declare_root_module_statics! {PluginRootRef}
    const BASE_NAME: &'static str = "iterit_plugin";
    const NAME: &'static str = "iterit_plugin";
    const VERSION_STRINGS: VersionStrings = abi_stable::package_version_strings!();
}
