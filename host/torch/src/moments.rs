//! What the optimizer remembers of one parameter, perhaps in fewer bits than it is computed in, read and written
//! piece by piece. Knows how numbers are kept, not what they mean.

use crate::dynamic_code::{BLOCK, DynamicCode, Sign};
use crate::rounding::{self, Chances, Number};
use tch::{Device, Kind, Tensor};

/// How moments are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Moments {
    /// As what is trained.
    #[default]
    AsTrained,
    /// In bfloat16, rounded stochastically, since they move by less than bfloat16 tells apart.
    Bfloat16,
    /// In 8 bits, blocks of 256 numbers with a scale each, <https://arxiv.org/abs/2110.02861>; those of
    /// parameters with fewer than 4096 numbers as what is trained.
    EightBits,
}

/// Parameters with fewer numbers gain nothing from 8 bits.
const FEWEST_IN_CODES: usize = 4096;

impl Moments {
    /// Bytes of both moments of a parameter with so many numbers, which is trained in this type.
    pub(crate) fn num_bytes(self, count: u64, trained: Kind) -> u64 {
        let each = match self {
            Self::EightBits if count >= FEWEST_IN_CODES as u64 => {
                count + count.div_ceil(BLOCK.unsigned_abs()) * 4
            }
            Self::Bfloat16 => count * 2,
            Self::AsTrained | Self::EightBits => count * trained.elt_size_in_bytes() as u64,
        };
        2 * each
    }
}

/// One moment of a parameter.
pub(crate) enum Moment {
    /// As numbers, in the parameter's shape.
    Numbers(Tensor),
    /// As codes, in the parameter's shape, and scales. // u8, [blocks, 1]
    Codes(Tensor, Tensor),
}

/// The codes of both moments.
pub(crate) struct Codes {
    pub(crate) of_means: DynamicCode,
    pub(crate) of_squares: DynamicCode,
}

impl Codes {
    pub(crate) fn new(device: Device) -> Self {
        let [of_means, of_squares] =
            [Sign::Both, Sign::Positive].map(|sign| DynamicCode::new(sign, device));
        Self { of_means, of_squares }
    }
}

/// Part of a parameter's numbers, one behind the other.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Piece {
    /// A multiple of a block.
    pub(crate) start: i64,
    pub(crate) length: i64,
}

impl Piece {
    /// That part. // [..] -> [length]
    pub(crate) fn of(self, tensor: &Tensor) -> Tensor {
        tensor.detach().view([-1]).narrow(0, self.start, self.length)
    }

    fn blocks_of(self, scales: &Tensor) -> Tensor {
        scales.narrow(0, self.start / BLOCK, (self.length + BLOCK - 1) / BLOCK)
    }
}

impl Moment {
    /// Of zeros.
    pub(crate) fn zeros(parameter: &Tensor, kept: Moments, code: &DynamicCode) -> Self {
        let like = parameter.detach();
        match kept {
            Moments::EightBits if like.numel() >= FEWEST_IN_CODES => {
                let codes = like.full_like(code.zero() as f64);
                let blocks = (like.numel() as i64 + BLOCK - 1) / BLOCK;
                let scales = Tensor::zeros([blocks, 1], (Kind::Float, like.device()));
                Self::Codes(codes.to_kind(Kind::Uint8), scales)
            }
            Moments::Bfloat16 => Self::Numbers(like.zeros_like().to_kind(Kind::BFloat16)),
            Moments::AsTrained | Moments::EightBits => Self::Numbers(like.zeros_like()),
        }
    }

    /// Itself, where it is computed on as it is.
    pub(crate) fn in_place(&self) -> Option<&Tensor> {
        match self {
            Self::Numbers(numbers) if numbers.kind() == Kind::Float => Some(numbers),
            Self::Numbers(_) | Self::Codes(..) => None,
        }
    }

    /// A piece in float32; the piece itself where it is kept so.
    pub(crate) fn read(&self, piece: Piece, code: &DynamicCode) -> Tensor {
        match self {
            Self::Numbers(numbers) => piece.of(numbers).to_kind(Kind::Float),
            Self::Codes(codes, scales) => code.unpack(&piece.of(codes), &piece.blocks_of(scales)),
        }
    }

    /// Keeps a piece, by chance where there are chances and it is kept in bfloat16.
    pub(crate) fn write(
        &self,
        piece: Piece,
        numbers: &Tensor,
        code: &DynamicCode,
        (chances, number): (Option<&Chances>, Number),
    ) {
        match self {
            Self::Numbers(kept) => put(&piece.of(kept), numbers, chances, number),
            Self::Codes(codes, scales) => {
                let (new_codes, new_scales) = code.pack(numbers);
                piece.of(codes).copy_(&new_codes);
                piece.blocks_of(scales).copy_(&new_scales);
            }
        }
    }

    /// Whether random bits are needed to keep it without a drift.
    pub(crate) fn is_rounded(&self) -> bool {
        matches!(self, Self::Numbers(numbers) if numbers.kind() == Kind::BFloat16)
    }

    /// Its tensors, each with what its name ends with.
    pub(crate) fn tensors(&self) -> impl Iterator<Item = (&'static str, &Tensor)> {
        let (first, second) = match self {
            Self::Numbers(numbers) => (numbers, None),
            Self::Codes(codes, scales) => (codes, Some(("_scales", scales))),
        };
        [("", first)].into_iter().chain(second)
    }
}

/// Puts float32 where numbers are kept, which may be the same place.
pub(crate) fn put(kept: &Tensor, numbers: &Tensor, chances: Option<&Chances>, number: Number) {
    match (kept.kind(), chances) {
        (Kind::Float, _) => {}
        (_, Some(chances)) => {
            kept.shallow_clone().copy_(&rounding::stochastic(numbers, chances, number));
        }
        (_, None) => {
            kept.shallow_clone().copy_(numbers);
        }
    }
}
