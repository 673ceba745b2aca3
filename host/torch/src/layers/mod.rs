//! The parts a decoder is made of, each in a file with its formula. A part comes in two: a shape, which
//! says what an architecture's layer is like, and the part itself, which holds the weights.

pub(crate) mod activation;
pub(crate) mod head;
pub(crate) mod linear;
pub(crate) mod norm;
pub(crate) mod rope;
pub(crate) mod view;

pub(crate) mod attention;
pub(crate) mod feed_forward;

pub(crate) mod block;

use tch::Tensor;

/// Where a layer's weights come from: asked with the name Hugging Face gives a tensor, and its
/// shape. One walk over a model thus lists its weights, loads them or casts them.
pub(crate) type Source<'a> = dyn FnMut(&str, &[i64]) -> Tensor + 'a;
