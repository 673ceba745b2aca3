//! From final hidden states to logits: z = h Wᵀ + b, then a factor, then a bound, c · tanh(z / c),
//! <https://arxiv.org/abs/2408.00118>; and the way back from a gradient of the logits to one of z.
//!
//! N rows, D features, V tokens in the vocabulary.

use super::laid_out::LaidOut;
use crate::products;
use tch::{Device, Kind, Tensor};

/// What becomes of the products with the matrix.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct LogitShape {
    /// Logits are multiplied by it.
    pub(crate) scale: Option<f64>,
    /// And then kept below it in size.
    pub(crate) softcap: Option<f64>,
}

/// The matrix, which may be the token embedding, and perhaps a bias.
pub(crate) struct Head {
    pub(crate) weight: Tensor,       // [V, D]
    pub(crate) bias: Option<Tensor>, // [V]
    pub(crate) shape: LogitShape,
    /// The matrix once more, where many products are to come.
    laid_out: Option<LaidOut>,
}

impl Head {
    pub(crate) fn new(weight: Tensor, bias: Option<Tensor>, shape: LogitShape) -> Self {
        Self { weight, bias, shape, laid_out: None }
    }

    /// The same with its matrix laid out, which stays as it is meanwhile.
    pub(crate) fn for_many(self) -> Self {
        let laid_out = LaidOut::new(&self.weight);
        Self { laid_out, ..self }
    }

    /// Logits in f32 whatever the hidden states are. // [N, D] -> [N, V]
    pub(crate) fn logits(&self, hidden: &Tensor) -> Tensor {
        let bias = self.bias.as_ref();
        let mut z = match &self.laid_out {
            Some(laid_out) => laid_out.linear(hidden, bias),
            None => products::linear(hidden, &self.weight, bias).to_kind(Kind::Float),
        };
        if let Some(scale) = self.shape.scale {
            z *= scale;
        }
        match self.shape.softcap {
            Some(cap) => (z / cap).tanh() * cap,
            None => z,
        }
    }

    /// Turns a gradient of the logits, in place, into one of the products with the matrix. // [N, V]
    pub(crate) fn back(&self, mut gradient: Tensor, logits: &Tensor) -> Tensor {
        if let Some(cap) = self.shape.softcap {
            gradient *= 1.0 - (logits / cap).square(); // tanh' = 1 - tanh²
        }
        match self.shape.scale {
            Some(scale) => gradient * scale,
            None => gradient,
        }
    }

    /// The same head cut off from any graph.
    pub(crate) fn detach(&self) -> Self {
        let bias = self.bias.as_ref().map(Tensor::detach);
        Self::new(self.weight.detach(), bias, self.shape)
    }

    /// Tokens there are logits for.
    pub(crate) fn vocab_size(&self) -> i64 {
        self.weight.size()[0]
    }

    /// Features of a hidden state.
    pub(crate) fn hidden_size(&self) -> i64 {
        self.weight.size()[1]
    }

    pub(crate) fn device(&self) -> Device {
        self.weight.device()
    }
}
