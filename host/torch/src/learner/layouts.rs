//! How sequences lie in a batch: one behind the other where attention has a kernel that keeps them apart, else padded
//! beside one another. The first computes nothing on padding and needs no mask.

use crate::batches::Layout;
use crate::layers::attention::AttentionShape;
use crate::models::shape::DecoderShape;
use tch::{Device, Kind, Tensor};

/// `padded` has every batch padded: to compare with, or should a kernel be wrong on some card.
pub(crate) const LAYOUT_VARIABLE: &str = "ITERIT_LAYOUT";

/// What libtorch answers where it would take FlashAttention's kernel.
const FLASH: i64 = 1;

/// The kernel reads features of a head so many at a time.
const ALIGNED: i64 = 8;

/// For batches of this model.
pub(super) fn layout(shape: &DecoderShape, compute: Kind, device: Device) -> Layout {
    let is_padded = std::env::var(LAYOUT_VARIABLE).is_ok_and(|it| it == "padded");
    let mixers = || shape.blocks.iter().map(|block| &block.mixer.shape);
    let suits = |attention: &AttentionShape| {
        attention.softcap.is_none()
            && attention.sinks.is_none()
            && attention.head_dim % ALIGNED == 0
            && takes_flash(attention, compute, device)
    };
    // Delta nets and convolutions look back along a row, whoever's tokens lie there.
    let all_suit = || mixers().all(|mixer| mixer.attention().is_some_and(suits));
    match device.is_cuda() && !is_padded && all_suit() {
        true => Layout::Flattened,
        false => Layout::Padded,
    }
}

/// Whether libtorch would take that kernel on this device for causal attention of these sizes, there and back.
fn takes_flash(attention: &AttentionShape, compute: Kind, device: Device) -> bool {
    let numbers = |heads| {
        let size = [1, heads, ALIGNED, attention.head_dim];
        Tensor::zeros(size, (compute, device)).set_requires_grad(true)
    };
    let (queries, keys) =
        (numbers(attention.num_attention_heads), numbers(attention.num_key_value_heads));
    let grouped = attention.num_attention_heads != attention.num_key_value_heads;
    let kernel = Tensor::internal_fused_sdp_choice(
        &queries,
        &keys,
        &keys,
        None::<&Tensor>,
        0.0,
        true,
        None,
        grouped,
    );
    kernel == FLASH
}
