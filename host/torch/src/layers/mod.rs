//! The parts a decoder is made of, each in a file with its formula.

pub(crate) mod linear;
pub(crate) mod rms_norm;
pub(crate) mod rope;

pub(crate) mod attention;
pub(crate) mod mlp;

use tch::Tensor;

/// Where a layer's weights come from: asked with the name Hugging Face gives a tensor, and its
/// shape. One walk over a model thus lists its weights, loads them or casts them.
pub(crate) type Source<'a> = dyn FnMut(&str, &[i64]) -> Tensor + 'a;
