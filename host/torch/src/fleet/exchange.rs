//! What the owners of a model's leaves and the other ranks give one another around an update: gradients go to the
//! owner of their leaf, updated leaves come back. So each rank keeps the moments of what it owns alone, which is
//! stage 1 of ZeRO, <https://arxiv.org/abs/1910.02054>, by whole leaves. Knows not which way they go.

use super::wire::Wire;
use crate::share::Share;
use crate::shim;
use crate::trainable::{self, Trainable};
use iterit_core::Result;
use tch::{Device, Kind, Tensor};

/// Numbers that go in one message, if a leaf has no more.
const AT_ONCE: usize = 1 << 24;

/// Sums the gradients of leaves, given by their owners, over all ranks in float32, each at its owner; the others forget
/// theirs. One that a rank does not have counts as zero.
pub(super) fn gradients_to_owners(wire: &mut Wire, by_owner: &[Vec<Tensor>]) -> Result<()> {
    let (rank, place) = (wire.rank(), wire.collectives().place());
    let _no_grad = tch::no_grad_guard();
    for (owner, leaves) in by_owner.iter().enumerate() {
        for leaves in messages(leaves) {
            if owner == rank {
                trainable::complete_gradients(leaves)?;
            }
            let gradients: Vec<Tensor> = leaves.iter().map(gradient_or_zero).collect();
            let mut message = Form::Summed.message(&gradients, place);
            wire.sum_at(&mut message, owner)?;
            match owner == rank {
                true => Form::Summed.put_back(&message, &gradients),
                false => leaves.iter().try_for_each(shim::clear_gradient)?,
            }
        }
    }
    Ok(())
}

/// Gives every rank the leaves as their owners have them, to the bit.
pub(super) fn leaves_from_owners(wire: &mut Wire, trainable: &Trainable) -> Result<()> {
    let (rank, size, place) = (wire.rank(), wire.size(), wire.collectives().place());
    let _no_grad = tch::no_grad_guard();
    for owner in 0..size {
        let leaves = leaves_of(trainable, owner, size);
        for leaves in messages(&leaves) {
            let mut message = match owner == rank {
                true => Form::Copied.message(leaves, place),
                false => Form::Copied.room_for(leaves, place),
            };
            wire.broadcast(&mut message, owner)?;
            if owner != rank {
                Form::Copied.put_back(&message, leaves);
            }
        }
    }
    Ok(())
}

/// How tensors go: one behind the other.
#[derive(Clone, Copy)]
enum Form {
    /// As float32, to be added up.
    Summed,
    /// As bytes, to be the same to the bit whatever their types are.
    Copied,
}

impl Form {
    fn message(self, tensors: &[Tensor], place: Device) -> Tensor {
        let flat = |it: &Tensor| match self {
            Self::Summed => it.detach().reshape([-1]).to_kind(Kind::Float),
            Self::Copied => it.detach().reshape([-1]).view_dtype(Kind::Uint8),
        };
        let flats: Vec<Tensor> = tensors.iter().map(flat).collect();
        Tensor::cat(&flats, 0).to_device(place)
    }

    /// A message of such tensors that somebody else fills.
    fn room_for(self, tensors: &[Tensor], place: Device) -> Tensor {
        let length: i64 = tensors.iter().map(|it| self.length(it)).sum();
        Tensor::empty([length], (self.kind(), place))
    }

    /// Fills tensors with what a message says of them, each in its own type.
    fn put_back(self, message: &Tensor, tensors: &[Tensor]) {
        let mut start = 0;
        for tensor in tensors {
            let piece = message.narrow(0, start, self.length(tensor));
            let numbers = match self {
                Self::Summed => piece,
                // A copy, since bytes become numbers only where they begin at a multiple of a number.
                Self::Copied => piece.copy().view_dtype(tensor.kind()),
            };
            tensor.detach().copy_(&numbers.view_as(tensor));
            start += self.length(tensor);
        }
    }

    /// Of a tensor in a message.
    fn length(self, tensor: &Tensor) -> i64 {
        let numbers = tensor.numel() as i64;
        match self {
            Self::Summed => numbers,
            Self::Copied => numbers * tensor.kind().elt_size_in_bytes() as i64,
        }
    }

    fn kind(self) -> Kind {
        match self {
            Self::Summed => Kind::Float,
            Self::Copied => Kind::Uint8,
        }
    }
}

fn gradient_or_zero(leaf: &Tensor) -> Tensor {
    let gradient = leaf.grad();
    if gradient.defined() { gradient } else { leaf.zeros_like() }
}

/// All leaves by their owners.
pub(super) fn by_owner(trainable: &Trainable, size: usize) -> Vec<Vec<Tensor>> {
    (0..size).map(|owner| leaves_of(trainable, owner, size)).collect()
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
