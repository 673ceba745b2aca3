//! The plugin to copy: a scorer of each kind, in a file each. `iterit-host plugins new` writes the
//! file of the kind asked for as a crate's `lib.rs`.

pub mod complexity;
pub mod diversity;
pub mod strategy;

iterit_sdk::export_plugin! {
    complexity: { "template-complexity" => complexity::Scorer },
    diversity: { "template-diversity" => diversity::Scorer },
    strategy: { "template-strategy" => strategy::Strategy },
}
