//! What transformers does to a message before a template sees it (5.24).

use serde_json::{Map, Value};

/// The names under which a message's thought is passed, in the order in which they count.
const THOUGHT: [&str; 3] = ["reasoning_content", "thinking", "reasoning"];

/// A message without fields that are null, and its thought under the names that templates read:
/// `reasoning_content` and `thinking`.
pub(super) fn as_transformers_has_it(message: Value) -> Value {
    let Value::Object(fields) = message else { return message };
    let mut kept = Map::new();
    let thought = THOUGHT.iter().find_map(|name| fields.get(*name).filter(|it| !it.is_null()));
    let thought = thought.cloned();
    if let Some(thought) = &thought {
        kept.insert("thinking".into(), thought.clone());
    }
    kept.extend(fields.into_iter().filter(|(_, value)| !value.is_null()));
    if let Some(thought) = thought {
        kept.insert("reasoning_content".into(), thought);
    }
    Value::Object(kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_thought_has_all_its_names_and_null_is_not_there() {
        let message = json!({"role": "assistant", "content": null, "reasoning": "Hm."});
        let expected = json!({
            "thinking": "Hm.", "role": "assistant", "reasoning": "Hm.", "reasoning_content": "Hm.",
        });
        let found = as_transformers_has_it(message);
        assert_eq!(found.to_string(), expected.to_string());
        let plain = json!({"role": "user", "content": "Hi"});
        assert_eq!(as_transformers_has_it(plain.clone()), plain);
    }
}
