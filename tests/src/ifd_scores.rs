//! The `ifd` plugin's arithmetic on the published program's own losses gives its own scores.

use crate::golden;
use iterit_plugin_ifd::ifd::{Definition, ScoreDtype, score};
use iterit_sdk::{Nll, ResponseNll};
use serde_json::Value;

#[test]
fn scores_of_the_published_losses() {
    let name = "golden/ifd/scores_tinystories-656k-chat_200.json";
    let Some(golden) = golden::shared(name) else { return };
    for row in golden::array(&golden, "rows") {
        let nll = published_nll(row);
        let float32 = score(&nll, Definition::PplRatio, ScoreDtype::Float32).value;
        let expected = golden::number(&row["ifd"]);
        assert!(agree(float32, expected, 1e-5), "{float32}, expected {expected}: {row}");

        let bfloat16 = score(&nll, Definition::PplRatio, ScoreDtype::Bfloat16);
        let expected = golden::number(&row["score_bf16"]);
        assert!(agree(bfloat16.value, expected, 1e-7), "{}: {row}", bfloat16.value);
        assert_eq!(bfloat16.eligible, expected < 1.0, "{row}");
    }
}

fn published_nll(row: &Value) -> ResponseNll {
    let tokens = row["answer_len"].as_u64().expect("a count") as u32;
    let nll = |mean: &Value| Nll { sum: golden::number(mean) * f64::from(tokens), tokens };
    ResponseNll { conditional: nll(&row["cond_loss"]), unconditional: nll(&row["prior_loss"]) }
}

fn agree(found: f64, expected: f64, tolerance: f64) -> bool {
    found.is_nan() && expected.is_nan() || (found - expected).abs() <= tolerance * expected
}
