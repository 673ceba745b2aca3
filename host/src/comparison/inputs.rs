//! Everything a comparison reads, by the part it plays.

use super::arms::CheckedArm;
use crate::wiring::{self, Part};
use iterit_core::Result;
use iterit_core::compare::{OF_ARM, Plan};
use iterit_core::config::Config;
use std::collections::BTreeMap;

/// Data, models and questions, which all arms share; each arm's plugins, and the files that their options
/// name.
pub(super) fn inputs(
    plan: &Plan,
    config: &Config,
    arms: &[CheckedArm<'_>],
    read: &BTreeMap<String, String>,
) -> Result<Vec<Part>> {
    let mut parts = wiring::data_parts(config, read);
    parts.extend(wiring::model_parts(config)?);
    parts.extend(plan.questions.iter().map(|path| ("compare.questions".to_owned(), path.clone())));
    for CheckedArm { arm, config, choosers } in arms {
        let of_arm = wiring::plugin_parts(config, choosers).into_iter();
        parts.extend(of_arm.map(|(part, path)| (format!("{OF_ARM}{}`: {part}", arm.name), path)));
    }
    Ok(parts)
}
