//! Refuses a plugin that needs what this run cannot give, before anything is loaded.

use super::error::{Error, Result, all_or_faults};
use super::find::Found;
use iterit_sdk::Service;

/// Checks that every service the plugins need is among those offered.
///
/// # Errors
///
/// Every service that is missing, with the plugin that needs it.
pub(crate) fn require(plugins: &[Found], offered: &[Service]) -> Result<()> {
    let missing = plugins.iter().flat_map(|found| {
        let services = found.scorer.services.iter();
        let missing = services.filter(|name| !offered.iter().any(|o| o.name() == name.as_str()));
        missing.map(|name| Err::<(), _>(Error::new(refusal(found, name))))
    });
    all_or_faults(missing).map(drop)
}

fn refusal(found: &Found, service: &str) -> String {
    let known = Service::ALL.iter().copied().find(|known| known.name() == service);
    let remedy = match known {
        None => "use a newer iterit",
        Some(Service::Proxy) => "name a second model in `model.proxy`",
        Some(Service::TargetSamples) => "name further samples in `data.target_path`",
        Some(_) => "give a model",
    };
    format!("{} needs `{service}`, which this run does not offer\nhint: {remedy}", found.label())
}
