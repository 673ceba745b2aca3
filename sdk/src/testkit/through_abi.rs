//! Makes a plugin and hands it back as the trainer would see it: over the ABI, in this process.

use crate::{
    ComplexityScorer, DiversityScorer, Plugin, Result, UpdateStrategy,
    adapter::{
        handle::{ComplexityHandle, DiversityHandle, StrategyHandle, constructed},
        plugin, report_panics_as_errors,
    },
};
use iterit_abi::abi_stable::std_types::RResult;

/// A complexity scorer from its options as JSON.
///
/// # Errors
///
/// What the plugin says of the options.
pub fn complexity<T>(options: &str) -> Result<Box<dyn ComplexityScorer>>
where
    T: Plugin + ComplexityScorer + 'static,
{
    let made: ComplexityHandle = made(plugin::new_complexity::<T>(options))?;
    Ok(Box::new(made))
}

/// A diversity scorer from its options as JSON.
///
/// # Errors
///
/// What the plugin says of the options.
pub fn diversity<T>(options: &str) -> Result<Box<dyn DiversityScorer>>
where
    T: Plugin + DiversityScorer + 'static,
{
    let made: DiversityHandle = made(plugin::new_diversity::<T>(options))?;
    Ok(Box::new(made))
}

/// An update strategy from its options as JSON.
///
/// # Errors
///
/// What the plugin says of the options.
pub fn strategy<T>(options: &str) -> Result<Box<dyn UpdateStrategy>>
where
    T: Plugin + UpdateStrategy + 'static,
{
    let made: StrategyHandle = made(plugin::new_strategy::<T>(options))?;
    Ok(Box::new(made))
}

fn made<T, H: From<T>>(object: Result<T>) -> Result<H> {
    report_panics_as_errors();
    constructed(match object {
        Ok(object) => RResult::ROk(object),
        Err(error) => RResult::RErr(error.into()),
    })
}
