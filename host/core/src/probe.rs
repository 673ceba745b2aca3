//! A few samples by which a run finds how fast a model answers before it begins: enough to tell, few enough not to be
//! noticed. Pure, so that the memory they take is known before they are asked about. Knows no clock.

use crate::corpus::Corpus;
use crate::learner::{ModelFacts, Sequence};

/// Additions and multiplications that a machine should do for it: a fraction of a second on two cores, and less on a
/// GPU.
const ON_A_CPU: f64 = 5e10;
const ON_A_GPU: f64 = 5e12;

const FEWEST: f64 = 2.0;
const MOST: f64 = 64.0;

/// Training texts of samples spread through the data: fewer, the larger the model is.
pub fn probe(facts: &ModelFacts, corpus: &Corpus) -> Vec<Sequence> {
    let samples = corpus.num_samples();
    let mean_tokens = corpus.training_tokens() as f64 / samples.max(1) as f64;
    let stride = samples.div_ceil(count(facts, mean_tokens)).max(1) as usize;
    let ids = (0..samples).step_by(stride);
    ids.map(|id| corpus.encoded(id).last().clone()).collect()
}

/// How many samples of such a length; a token costs two operations a parameter.
fn count(facts: &ModelFacts, mean_tokens: f64) -> u64 {
    let operations = if facts.device == "cpu" { ON_A_CPU } else { ON_A_GPU };
    let of_a_sample = 2.0 * facts.parameters as f64 * mean_tokens;
    (operations / of_a_sample.max(1.0)).clamp(FEWEST, MOST) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(parameters: u64, device: &str) -> ModelFacts {
        ModelFacts {
            architecture: "llama".into(),
            parameters,
            trained: parameters,
            dtype: "float32".into(),
            device: device.into(),
            vocab_size: 32_000,
            max_position_embeddings: 2048,
            resident_bytes: 0,
        }
    }

    #[test]
    fn the_larger_the_model_the_fewer_samples() {
        for (parameters, device, expected) in [
            (500_000, "cpu", 64),
            (4_400_000, "cpu", 28),
            (124_000_000, "cpu", 2),
            (8_000_000_000, "cpu", 2),
            (124_000_000, "cuda:0", 64),
            (8_000_000_000, "cuda:0", 2),
            (1_000_000_000, "cuda:1", 12),
        ] {
            assert_eq!(count(&facts(parameters, device), 200.0), expected, "{parameters} {device}");
        }
        assert_eq!(count(&facts(1000, "cpu"), 0.0), 64);
    }
}
