//! A gated convolution of short reach, <https://arxiv.org/abs/2511.23404>, as LFM 2 mixes tokens:
//! y = W_out (C ⊙ conv(B ⊙ x̃)), where B, C and x̃ are three products of W_in with x.
//!
//! B rows, T tokens a row, D features, k tokens seen at once.

use super::Source;
use super::causal_convolution::{CausalConvolution, ConvolutionBias};
use super::linear::{Linear, LinearKind};
use tch::Tensor;

/// Its size and whether there are biases.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ShortConvolutionShape {
    /// k.
    pub(crate) kernel: i64,
    pub(crate) kind: LinearKind,
}

/// The matrices, and the convolution between them.
pub(crate) struct ShortConvolution {
    inputs: Linear,
    convolution: CausalConvolution,
    output: Linear,
}

/// The last tokens of a run, as the convolution sees them.
pub(crate) struct Tail(Tensor); // [B, k − 1, D]

impl ShortConvolution {
    pub(crate) fn new(
        source: &mut Source<'_>,
        name: &str,
        shape: &ShortConvolutionShape,
        hidden_size: i64,
    ) -> Self {
        let bias = match shape.kind {
            LinearKind::Plain | LinearKind::Conv1d => ConvolutionBias::None,
            LinearKind::Biased => ConvolutionBias::Learned,
        };
        let mut linear = |part: &str, size| {
            Linear::new(source, &format!("{name}.{part}"), [size, hidden_size], shape.kind)
        };
        let (inputs, output) =
            (linear("in_proj", 3 * hidden_size), linear("out_proj", hidden_size));
        let size = [hidden_size, shape.kernel];
        let convolution = CausalConvolution::new(source, &format!("{name}.conv"), size, bias);
        Self { inputs, convolution, output }
    }

    /// What every token gathers from itself and those before it, before the output projection; and what
    /// later tokens will see of these. // [B, T, D] -> [B, T, D]
    pub(crate) fn gather(&self, x: &Tensor, past: Option<&Tail>) -> (Tensor, Tail) {
        let parts = self.inputs.forward(x).chunk(3, -1);
        let [before, after, x] = &parts[..] else { unreachable!("cut in three") };
        let (mixed, tail) = self.convolution.forward(&(before * x), past.map(|Tail(tail)| tail));
        (after * mixed, Tail(tail))
    }

    /// The output projection. // [.., D] -> [.., D]
    pub(crate) fn project(&self, gathered: &Tensor) -> Tensor {
        self.output.forward(gathered)
    }
}
