//! Embeddings as unit vectors, and the two measures between them.

use iterit_sdk::{Embedding, Error, Host, Matrix, Model, Pooling, Result, SampleId};
use serde::{Deserialize, Serialize};

/// Enough samples for the host to batch by length, few enough to stop between.
const SAMPLES_AT_ONCE: usize = 4096;

/// Which hidden states stand for a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// How the tokens of the conversation become one vector.
    pub pooling: PoolingOption,
    /// The layer whose output is taken; -1 is the last.
    pub layer: i32,
}

/// [`Pooling`], as it is written in a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PoolingOption {
    /// The mean over all tokens.
    #[default]
    Mean,
    /// The last token's.
    Last,
}

impl Default for Options {
    fn default() -> Self {
        Self { pooling: PoolingOption::Mean, layer: -1 }
    }
}

impl Options {
    fn embedding(self) -> Embedding {
        let pooling = match self.pooling {
            PoolingOption::Mean => Pooling::Mean,
            PoolingOption::Last => Pooling::Last,
        };
        Embedding { pooling, layer: self.layer }
    }
}

/// Vectors of length 1, one a sample, in one allocation. A vector of zeros stays one.
#[derive(Debug, Clone, Default)]
pub struct UnitVectors {
    values: Vec<f32>,
    dimensions: usize,
}

impl UnitVectors {
    /// Asks the host for the samples' embeddings under the current model.
    pub fn of_samples(host: &Host<'_>, ids: &[SampleId], options: Options) -> Result<Self> {
        let mut vectors = Self::default();
        for ids in ids.chunks(SAMPLES_AT_ONCE) {
            host.check_cancelled()?;
            vectors.push(host.embeddings(Model::Current, ids, options.embedding())?)?;
        }
        Ok(vectors)
    }

    /// Adds the rows of a matrix, scaled to length 1.
    pub fn push(&mut self, rows: Matrix) -> Result<()> {
        if !self.is_empty() && rows.columns() != self.dimensions {
            let (found, expected) = (rows.columns(), self.dimensions);
            return Err(Error::msg(format!("embeddings have length {found}, then {expected}")));
        }
        self.dimensions = rows.columns();
        let start = self.values.len();
        self.values.extend(rows.into_values());
        for row in self.values[start..].chunks_exact_mut(self.dimensions) {
            let norm = row.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
            if !norm.is_finite() {
                return Err(Error::msg("an embedding holds a component that is no number"));
            }
            if norm > 0.0 {
                row.iter_mut().for_each(|x| *x = (f64::from(*x) / norm) as f32);
            }
        }
        Ok(())
    }

    /// How many vectors there are.
    pub fn len(&self) -> usize {
        self.values.len() / self.dimensions.max(1)
    }

    /// Whether there is no vector.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// One vector.
    pub fn get(&self, at: usize) -> &[f32] {
        &self.values[at * self.dimensions..(at + 1) * self.dimensions]
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &[f32]> {
        self.values.chunks_exact(self.dimensions.max(1))
    }
}

/// The cosine of the angle between two unit vectors.
pub fn cosine(a: &[f32], b: &[f32]) -> f64 {
    sum_of(a, b, |a, b| a * b)
}

/// The Euclidean distance, from 0 to 2; exactly 0 between equal vectors.
pub fn distance(a: &[f32], b: &[f32]) -> f64 {
    sum_of(a, b, |a, b| (a - b) * (a - b)).sqrt()
}

/// Σ term(a_k, b_k), in as many running sums as a vector register holds.
fn sum_of(a: &[f32], b: &[f32], term: impl Fn(f32, f32) -> f32) -> f64 {
    let (a, a_rest) = a.as_chunks::<16>();
    let (b, b_rest) = b.as_chunks::<16>();
    let mut sums = [0.0_f32; 16];
    for (a, b) in a.iter().zip(b) {
        for k in 0..16 {
            sums[k] += term(a[k], b[k]);
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(&a, &b)| term(a, b)).sum();
    sums.iter().map(|&sum| f64::from(sum)).sum::<f64>() + f64::from(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_are_those_of_unit_vectors() {
        let mut vectors = UnitVectors::default();
        let wide: Vec<f32> = (0..40).map(|k| if k == 37 { -3.0 } else { 0.0 }).collect();
        let ones = vec![1.0; 40];
        let zeros = vec![0.0; 40];
        vectors.push(Matrix::new([wide, ones, zeros].concat(), 40).unwrap()).unwrap();
        let [wide, ones, zeros] = [0, 1, 2].map(|at| vectors.get(at));
        let cos = -1.0 / 40_f64.sqrt();
        assert!((cosine(wide, ones) - cos).abs() < 1e-7);
        assert!((distance(wide, ones) - (2.0 - 2.0 * cos).sqrt()).abs() < 1e-7);
        assert_eq!((distance(ones, ones), cosine(ones, zeros)), (0.0, 0.0));
    }

    #[test]
    fn what_is_no_vector_is_refused() {
        let mut vectors = UnitVectors::default();
        assert!(vectors.push(Matrix::new(vec![1.0, f32::NAN], 2).unwrap()).is_err());
        let mut vectors = UnitVectors::default();
        vectors.push(Matrix::new(vec![1.0, 0.0], 2).unwrap()).unwrap();
        assert!(vectors.push(Matrix::new(vec![1.0], 1).unwrap()).is_err());
    }
}
