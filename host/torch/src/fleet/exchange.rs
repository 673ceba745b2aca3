//! What the owners of a model's leaves and the other ranks give one another around an update: gradients go to the
//! owner of their leaf, updated leaves come back. So each rank keeps the moments of what it owns alone, which is
//! stage 1 of ZeRO, <https://arxiv.org/abs/1910.02054>, by whole leaves. Goes by main memory.

use super::wire::Wire;
use crate::share::Share;
use crate::shim;
use crate::trainable::Trainable;
use iterit_core::Result;
use tch::{Device, Kind, Tensor};

/// Numbers that go in one message, if a leaf has no more.
const AT_ONCE: usize = 1 << 24;

/// Sums every leaf's gradient over all ranks in float32, at its owner; the others forget theirs.
pub(super) fn gradients_to_owners(wire: &mut Wire, trainable: &Trainable) -> Result<()> {
    let (rank, size) = (wire.rank(), wire.size());
    let _no_grad = tch::no_grad_guard();
    for owner in 0..size {
        let leaves = leaves_of(trainable, owner, size);
        for leaves in messages(&leaves) {
            let gradients: Vec<Tensor> = leaves.iter().map(|leaf| leaf.grad()).collect();
            let flat = |it: &Tensor| it.detach().reshape([-1]).to_kind(Kind::Float);
            let flats: Vec<Tensor> = gradients.iter().map(flat).collect();
            let mut all = Tensor::cat(&flats, 0).to_device(Device::Cpu);
            wire.sum_at(&mut all, owner)?;
            if owner != rank {
                leaves.iter().try_for_each(shim::clear_gradient)?;
                continue;
            }
            let mut start = 0;
            for mut gradient in gradients {
                let length = gradient.numel() as i64;
                let sum = all.narrow(0, start, length).view_as(&gradient);
                gradient.copy_(&sum);
                start += length;
            }
        }
    }
    Ok(())
}

/// Gives every rank the leaves as their owners have them, to the bit.
pub(super) fn leaves_from_owners(wire: &mut Wire, trainable: &Trainable) -> Result<()> {
    let (rank, size) = (wire.rank(), wire.size());
    let _no_grad = tch::no_grad_guard();
    for owner in 0..size {
        let leaves = leaves_of(trainable, owner, size);
        for leaves in messages(&leaves) {
            let bytes_of = |it: &Tensor| it.numel() * it.kind().elt_size_in_bytes();
            let mut all = if owner == rank {
                let flat = |it: &Tensor| it.detach().reshape([-1]).view_dtype(Kind::Uint8);
                Tensor::cat(&leaves.iter().map(flat).collect::<Vec<_>>(), 0).to_device(Device::Cpu)
            } else {
                let length: usize = leaves.iter().map(bytes_of).sum();
                Tensor::empty([length as i64], (Kind::Uint8, Device::Cpu))
            };
            wire.broadcast(&mut all, owner)?;
            if owner == rank {
                continue;
            }
            let mut start = 0;
            for leaf in leaves {
                let length = bytes_of(leaf) as i64;
                // A copy, since bytes become numbers only where they begin at a multiple of a number.
                let bytes = all.narrow(0, start, length).copy();
                let numbers = bytes.view_dtype(leaf.kind()).view(&leaf.size()[..]);
                leaf.detach().copy_(&numbers);
                start += length;
            }
        }
    }
    Ok(())
}

fn leaves_of(trainable: &Trainable, owner: usize, size: usize) -> Vec<Tensor> {
    let owned = trainable.part(Share { rank: owner, size });
    owned.iter().map(|it| it.tensor.shallow_clone()).collect()
}

/// Leaves in groups, each of one message.
fn messages(leaves: &[Tensor]) -> Vec<&[Tensor]> {
    let (mut groups, mut start, mut numbers) = (Vec::new(), 0, 0);
    for (index, leaf) in leaves.iter().enumerate() {
        if index > start && numbers + leaf.numel() > AT_ONCE {
            groups.push(&leaves[start..index]);
            (start, numbers) = (index, 0);
        }
        numbers += leaf.numel();
    }
    if start < leaves.len() {
        groups.push(&leaves[start..]);
    }
    groups
}
