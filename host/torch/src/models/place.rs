//! Where a batch stands: which positions its tokens have, what was run before it, and what each layer's
//! tokens see of all that.
//!
//! T tokens a row, P tokens of a prefix before every row.

use super::shape::DecoderShape;
use crate::layers::attention::Sight;
use crate::layers::block::{BlockShape, Memory};
use crate::layers::flattened::Flattened;
use crate::layers::rope::{Reach, Rope, Rotations};
use crate::layers::view::View;
use std::rc::Rc;
use tch::{Device, Kind, Tensor};

/// What depends on positions and on nothing else: of as many positions as were needed so far.
pub(crate) struct Positions {
    ropes: Vec<Rope>,
    /// By layer: which rotary embedding, and which of the windows.
    layers: Vec<(Option<usize>, usize)>,
    /// Each window that a layer has, once.
    windows: Vec<Option<usize>>,
    options: (Kind, Device),
    length: usize,
    short: Vec<Rotations>,
    /// Where sequences beyond some length are turned in another way and one so long was met.
    long: Vec<Rotations>,
}

impl Positions {
    /// Of no positions yet.
    pub(crate) fn new(shape: &DecoderShape, kind: Kind, device: Device) -> Self {
        let mut windows = Vec::new();
        let layer = |block: &BlockShape| {
            let (rope, window) = (block.mixer.shape.rope(), block.mixer.shape.window());
            let place = windows.iter().position(|it| *it == window).unwrap_or_else(|| {
                windows.push(window);
                windows.len() - 1
            });
            (rope, place)
        };
        let layers = shape.blocks.iter().map(layer).collect();
        let (ropes, options) = (shape.ropes.clone(), (kind, device));
        Self { ropes, layers, windows, options, length: 0, short: Vec::new(), long: Vec::new() }
    }

    /// Makes sure that there are positions for a sequence of `length` tokens.
    pub(crate) fn reach(&mut self, length: usize) {
        if length > self.length {
            self.length = length.next_power_of_two();
            self.short = self.rotations(Reach::Short);
        }
        let is_stale = self.long.len() < self.ropes.len() || self.length > self.long_length();
        if self.reach_of(length) == Reach::Long && is_stale {
            self.long = self.rotations(Reach::Long);
        }
    }

    /// How the positions of a sequence of `length` tokens are turned. Sequences that differ in this are
    /// not run side by side, for an answer must not depend on what it is asked with.
    pub(crate) fn reach_of(&self, length: usize) -> Reach {
        let is_beyond = |rope: &Rope| rope.switch().is_some_and(|switch| length > switch);
        if self.ropes.iter().any(is_beyond) { Reach::Long } else { Reach::Short }
    }

    /// Puts sequences, by their lengths, with those they may be run with; never an empty group.
    pub(crate) fn groups(&self, lengths: impl Iterator<Item = usize>) -> Vec<(Reach, Vec<usize>)> {
        let mut groups = [(Reach::Short, Vec::new()), (Reach::Long, Vec::new())];
        for (index, length) in lengths.enumerate() {
            groups[usize::from(self.reach_of(length) == Reach::Long)].1.push(index);
        }
        groups.into_iter().filter(|(_, members)| !members.is_empty()).collect()
    }

    fn rotations(&self, reach: Reach) -> Vec<Rotations> {
        let (kind, device) = self.options;
        let of_rope = |rope: &Rope| {
            let beyond = rope.switch().is_some_and(|switch| self.length > switch);
            let reach = if beyond { reach } else { Reach::Short };
            rope.rotations(self.length, reach, kind, device)
        };
        self.ropes.iter().map(of_rope).collect()
    }

    fn long_length(&self) -> usize {
        self.long.first().map_or(0, Rotations::len)
    }
}

/// What blocks remember, one by one, of tokens that stand before every row.
pub(crate) struct Prefix {
    pub(super) memories: Vec<Memory>,
    pub(super) length: usize,
    pub(super) reach: Reach,
}

/// What was run before a batch.
pub(crate) enum Past {
    /// Nothing; how its positions are turned.
    Nothing(Reach),
    /// These tokens, the same before every row or each row's own.
    Run(Prefix),
}

impl Prefix {
    /// How many tokens.
    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// With `length` more tokens, which left `memories` behind these.
    pub(super) fn before(self, memories: Vec<Memory>, length: usize) -> Self {
        let both = memories.into_iter().zip(&self.memories).map(|(own, past)| own.after(past));
        Self { memories: both.collect(), length: self.length + length, reach: self.reach }
    }

    /// How their positions are turned.
    pub(crate) fn reach(&self) -> Reach {
        self.reach
    }
}

/// A batch's place among the positions.
pub(crate) struct Place<'a> {
    tokens: Tokens,
    rotations: Vec<Rotations>,
    views: Vec<View>,
    layers: &'a [(Option<usize>, usize)],
    prefix: Option<&'a Prefix>,
}

/// Which positions the tokens of a batch have.
enum Tokens {
    /// The same in every row: from `start` on.
    Rows { start: usize, length: usize },
    /// Each its own, in a single row.
    Flattened(Rc<Flattened>),
}

impl<'a> Place<'a> {
    /// Rows of `length` tokens that start at position 0.
    pub(crate) fn start(positions: &'a Positions, reach: Reach, length: usize) -> Self {
        let tokens = Tokens::Rows { start: 0, length };
        Self::new(tokens, positions, reach, None)
    }

    /// Rows of `length` tokens that stand after a prefix.
    pub(crate) fn after(prefix: &'a Prefix, positions: &'a Positions, length: usize) -> Self {
        let tokens = Tokens::Rows { start: prefix.length, length };
        Self::new(tokens, positions, prefix.reach, Some(prefix))
    }

    /// Sequences one behind the other in a single row, each after the prefix if there is one.
    pub(crate) fn flattened(
        flattened: Rc<Flattened>,
        positions: &'a Positions,
        reach: Reach,
        prefix: Option<&'a Prefix>,
    ) -> Self {
        let reach = prefix.map_or(reach, |prefix| prefix.reach);
        Self::new(Tokens::Flattened(flattened), positions, reach, prefix)
    }

    fn new(
        tokens: Tokens,
        positions: &'a Positions,
        reach: Reach,
        prefix: Option<&'a Prefix>,
    ) -> Self {
        let tables = match reach {
            Reach::Short => &positions.short,
            Reach::Long => &positions.long,
        };
        let turned = |table: &Rotations| match &tokens {
            Tokens::Rows { start, length } => table.narrow(*start, *length),
            Tokens::Flattened(flattened) => table.at(flattened.positions()),
        };
        let view = |&window: &Option<usize>| match &tokens {
            Tokens::Rows { start, length } => View::new(*start, *length, window, positions.options),
            Tokens::Flattened(flattened) => View::flattened(Rc::clone(flattened), window),
        };
        Self {
            rotations: tables.iter().map(turned).collect(),
            views: positions.windows.iter().map(view).collect(),
            layers: &positions.layers,
            prefix,
            tokens,
        }
    }

    /// Of a table with a row for every position, the first of them at `offset`, the rows of these tokens.
    /// // [T, D], or [N, D]
    pub(super) fn rows_of(&self, table: &Tensor, offset: i64) -> Tensor {
        match &self.tokens {
            Tokens::Rows { start, length } => {
                table.narrow(0, offset + *start as i64, *length as i64)
            }
            Tokens::Flattened(flattened) => {
                table.index_select(0, &(flattened.positions() + offset))
            }
        }
    }

    /// What tokens see in a layer.
    pub(super) fn sight(&self, layer: usize) -> Sight<'_> {
        let (rope, view) = self.layers[layer];
        Sight { rotations: rope.map(|rope| &self.rotations[rope]), view: &self.views[view] }
    }

    /// What was run before every row.
    pub(super) fn prefix(&self) -> Option<&'a Prefix> {
        self.prefix
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::flattened::TokenOrder;

    /// Sequences one behind the other are turned, and have the learned positions, of rows of their own.
    #[test]
    fn a_token_has_its_position_wherever_it_lies() {
        const FLOAT: (Kind, Device) = (Kind::Float, Device::Cpu);
        let mut positions = Positions {
            ropes: vec![Rope::plain(8, 10_000.0)],
            layers: vec![(Some(0), 0)],
            windows: vec![None],
            options: FLOAT,
            length: 0,
            short: Vec::new(),
            long: Vec::new(),
        };
        positions.reach(16);
        let (table, heads) =
            (Tensor::arange(40, FLOAT).view([20, 2]), Tensor::arange(9 * 8, FLOAT).sin());
        for prefix in [0, 3] {
            let prefix = Prefix { memories: Vec::new(), length: prefix, reach: Reach::Short };
            let order = TokenOrder::new(&[4, 1, 4], prefix.length);
            let lists = order.lists().map(Tensor::from_slice);
            let flattened = Rc::new(order.sent(lists));
            let place = Place::flattened(flattened, &positions, Reach::Short, Some(&prefix));
            let mut start = 0;
            for length in [4, 1, 4] {
                let alone = Place::after(&prefix, &positions, length);
                let own = |x: &Tensor, axis| x.narrow(axis, start, length as i64);
                let rows = place.rows_of(&table, 2);
                assert_eq!(own(&rows, 0), alone.rows_of(&table, 2));
                let heads = heads.view([1, 9, 1, 8]);
                let turn = |place: &Place<'_>, x: &Tensor| {
                    place.sight(0).rotations.expect("a rotation").keys(x)
                };
                let far = own(&turn(&place, &heads), 1) - turn(&alone, &own(&heads, 1));
                assert!(far.abs().max().double_value(&[]) < 1e-6);
                start += length as i64;
            }
        }
    }
}
