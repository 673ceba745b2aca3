//! Continues texts, many side by side, every token run once.
//!
//! The rows of a batch always have equally many tokens. A batch begins with as many as its shortest row
//! has; a row whose beginning goes on is then given its own next token in place of one of the model's.
//! So nothing is padded, no row sees another's length, and a mixer may remember what it likes.

use crate::batches::{self, Layout, Limit};
use crate::collated;
use crate::models::place::{Past, Prefix};
use crate::nll::{Progress, Scorer};
use crate::sampling::nucleus;
use iterit_core::learner::{Generation, Sampling, Watch};
use iterit_core::statistics::random::SplitMix64;
use iterit_core::{Error, Result};
use tch::{Kind, Tensor};

/// One text as it grows.
struct Row {
    /// Its place among all.
    index: usize,
    tokens: Vec<u32>,
    /// How many of them it began with.
    given: usize,
    is_over: bool,
}

impl Row {
    fn added(&self) -> &[u32] {
        &self.tokens[self.given..]
    }

    /// The token behind the first `length`, where the text has one already.
    fn known(&self, length: usize) -> Option<u32> {
        self.tokens.get(length).copied()
    }
}

impl Scorer<'_> {
    /// The tokens added to each of some beginnings, none of them empty.
    pub(crate) fn generate(
        &self,
        beginnings: &[Vec<u32>],
        how: &Generation,
        is_over: &mut dyn FnMut(&[u32]) -> Result<bool>,
        watch: &dyn Watch,
    ) -> Result<Vec<Vec<u32>>> {
        let mut added = vec![Vec::new(); beginnings.len()];
        if how.max_new_tokens == 0 {
            return Ok(added);
        }
        let lengths: Vec<usize> =
            beginnings.iter().map(|tokens| tokens.len() + how.max_new_tokens).collect();
        let mut progress = Progress::new([beginnings.len(); 2], watch);
        let _no_grad = tch::no_grad_guard();
        for batch in batches::cut(&lengths, Limit::Tokens(self.budget.tokens), Layout::Padded) {
            let row = |&index: &usize| Row {
                index,
                tokens: beginnings[index].clone(),
                given: beginnings[index].len(),
                is_over: false,
            };
            let mut rows: Vec<Row> = batch.iter().map(row).collect();
            self.generate_batch(&mut rows, how, is_over, watch)?;
            for row in rows {
                added[row.index] = row.added().to_vec();
            }
            progress.add(batch.len())?;
        }
        Ok(added)
    }

    fn generate_batch(
        &self,
        rows: &mut [Row],
        how: &Generation,
        is_over: &mut dyn FnMut(&[u32]) -> Result<bool>,
        watch: &dyn Watch,
    ) -> Result<()> {
        let mut length = rows.iter().map(|row| row.given).min().expect("a batch has rows");
        let mut past: Option<Prefix> = None;
        loop {
            if watch.is_cancelled() {
                return Err(Error::Cancelled);
            }
            let (hidden, prefix) = self.run(rows, length, past.take());
            past = Some(prefix);
            self.add_tokens(rows, length, &hidden, how)?;
            for row in rows.iter_mut().filter(|row| !row.is_over && row.tokens.len() > row.given) {
                let added = row.added();
                let is_stopped = added.last().is_some_and(|last| how.stop_ids.contains(last));
                let is_new = row.tokens.len() == length + 1;
                row.is_over =
                    is_stopped || added.len() == how.max_new_tokens || (is_new && is_over(added)?);
            }
            if rows.iter().all(|row| row.is_over) {
                return Ok(());
            }
            length += 1;
        }
    }

    /// The hidden state behind the first `length` tokens of every row; all but the last of them were run
    /// before, unless positions are turned in another way from this length on.
    fn run(&self, rows: &[Row], length: usize, past: Option<Prefix>) -> (Tensor, Prefix) {
        let reach = self.positions.reach_of(length);
        let past = past.filter(|prefix| prefix.reach() == reach);
        let (first, past) = match past {
            Some(prefix) => (length - 1, Past::Run(prefix)),
            None => (0, Past::Nothing(reach)),
        };
        // A row that is over goes on with any token; nobody looks at what follows.
        let of_row = |row: &Row| -> Vec<u32> {
            (first..length).map(|place| row.known(place).unwrap_or(row.tokens[0])).collect()
        };
        let tokens: Vec<Vec<u32>> = rows.iter().map(of_row).collect();
        let (tokens, _) = collated::stack(tokens.iter().map(Vec::as_slice), self.device()); // [B, T]
        self.decoder.go_on(&tokens, self.positions, past)
    }

    /// Gives every row that is not over its token behind the first `length`, where it has none.
    fn add_tokens(
        &self,
        rows: &mut [Row],
        length: usize,
        hidden: &Tensor, // [B, D]
        how: &Generation,
    ) -> Result<()> {
        let is_waiting = |row: &Row| !row.is_over && row.known(length).is_none();
        if !rows.iter().any(is_waiting) {
            return Ok(());
        }
        let logits = self.decoder.head().logits(hidden); // [B, V]
        let likeliest = to_tokens(&logits.argmax(1, false));
        let finite: Vec<bool> = logits
            .isfinite()
            .all_dim(1, false)
            .try_into()
            .map_err(|error| Error::Model(format!("the logits cannot be read: {error}")))?;
        for (place, row) in rows.iter_mut().enumerate().filter(|(_, row)| is_waiting(row)) {
            if !finite[place] {
                return Err(Error::Model(format!(
                    "the logits behind token {length} of text {} are not finite numbers\n\
                     hint: the weights are broken or overflow; try --set model.dtype=float32",
                    row.index
                )));
            }
            let token = match how.sampling {
                Sampling::Greedy => likeliest[place],
                Sampling::Nucleus { temperature, top_p, seed } => {
                    let of_row = Vec::try_from(logits.get(place as i64).to_kind(Kind::Float))
                        .expect("a row of f32");
                    nucleus(&of_row, temperature, top_p, uniform(seed, row.index, length))
                }
            };
            row.tokens.push(token);
        }
        Ok(())
    }
}

/// A number in [0, 1) that depends on the text and the place in it, and not on what is run beside.
fn uniform(seed: u64, index: usize, length: usize) -> f64 {
    let of_seed = SplitMix64::new(seed).next_u64();
    let of_text = SplitMix64::new(of_seed ^ index as u64).next_u64();
    SplitMix64::new(of_text ^ length as u64).uniform()
}

fn to_tokens(ids: &Tensor) -> Vec<u32> {
    let ids: Vec<i64> = ids.try_into().expect("a flat tensor of ids");
    ids.into_iter().map(|id| id as u32).collect()
}
