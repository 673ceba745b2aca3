//! The number types of weights, computation and optimizer.

use std::fmt;
use std::str::FromStr;
use tch::Kind;

/// `model.dtype`.
///
/// ```
/// use iterit_torch::Precision;
/// assert_eq!("bfloat16".parse(), Ok(Precision::Bfloat16));
/// assert!("float16".parse::<Precision>().is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// Everything in 32 bits.
    #[default]
    Float32,
    /// Computes in bfloat16 on a copy of the weights; weights, gradients and moments stay in 32 bits.
    Bfloat16,
    /// Weights, gradients and moments all in bfloat16; a step is computed in 32 bits and rounded stochastically, so
    /// that small updates are not lost.
    PureBfloat16,
}

impl Precision {
    const ALL: [Self; 3] = [Self::Float32, Self::Bfloat16, Self::PureBfloat16];

    fn name(self) -> &'static str {
        match self {
            Self::Float32 => "float32",
            Self::Bfloat16 => "bfloat16",
            Self::PureBfloat16 => "bfloat16-pure",
        }
    }

    /// How weights, gradients and moments are kept.
    pub(crate) fn storage(self) -> Kind {
        match self {
            Self::Float32 | Self::Bfloat16 => Kind::Float,
            Self::PureBfloat16 => Kind::BFloat16,
        }
    }

    /// How layers compute, and how an export keeps the weights.
    pub(crate) fn compute(self) -> Kind {
        match self {
            Self::Float32 => Kind::Float,
            Self::Bfloat16 | Self::PureBfloat16 => Kind::BFloat16,
        }
    }

    /// Hugging Face's name of the type an export has.
    pub(crate) fn exported(self) -> &'static str {
        match self {
            Self::Float32 => "float32",
            Self::Bfloat16 | Self::PureBfloat16 => "bfloat16",
        }
    }

    /// Bytes a parameter takes in training beside its moments: weight, gradient, and the copy computed on.
    pub(crate) fn bytes_per_parameter(self) -> u64 {
        let stored = 2 * self.storage().elt_size_in_bytes() as u64;
        let copied = if self.storage() == self.compute() { 0 } else { 2 };
        stored + copied
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Precision {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|precision| precision.name() == text).ok_or_else(|| {
            let known = Self::ALL.map(|precision| format!("`{precision}`")).join(", ");
            format!("unknown dtype `{text}`: expected one of {known}")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_per_parameter() {
        let bytes = Precision::ALL.map(Precision::bytes_per_parameter);
        assert_eq!(bytes, [8, 10, 4]);
    }
}
