//! Options cross the boundary as JSON; errors name the field.

use crate::{Error, Result};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// For plugins without options: accepts an empty section and refuses any key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoOptions {}

/// Reads options from JSON; an empty text is an empty section.
///
/// ```
/// use iterit_sdk::{NoOptions, parse_options};
/// assert!(parse_options::<NoOptions>("").is_ok());
/// let error = parse_options::<NoOptions>(r#"{"decay": 0.1}"#).unwrap_err();
/// assert!(error.message().starts_with("`decay`: unknown field"));
/// let error = parse_options::<NoOptions>("{").unwrap_err();
/// assert_eq!(error.message(), "EOF while parsing an object");
/// ```
pub fn parse_options<O: DeserializeOwned>(json: &str) -> Result<O> {
    let json = if json.trim().is_empty() { "{}" } else { json };
    let mut deserializer = serde_json::Deserializer::from_str(json);
    serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let reason = error.inner().to_string();
        let reason = reason.split(" at line ").next().unwrap_or_default().to_owned();
        // "?" is the path of what is no JSON.
        let has_field = path != "." && path != "?";
        Error::options(if has_field { format!("`{path}`: {reason}") } else { reason })
    })
}
