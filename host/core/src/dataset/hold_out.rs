//! Parts samples that the model is measured by from those it is trained on.

use super::Row;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Which samples are held out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EvalSplit {
    /// The last ones, so that the ids of the others stay their positions in the input.
    #[default]
    Last,
    /// Those whose text has a small hash: whatever else is in the data, and wherever, a sample is on
    /// the same side, and so are all its copies.
    Hash,
}

/// Parts a share of the rows, for evaluation, from the others: ⌊n · `fraction`⌋ of them, at least one;
/// by hash about as many.
///
/// # Errors
/// Where nothing would be left on one side.
pub fn hold_out(rows: Vec<Row>, fraction: f64, split: EvalSplit) -> Result<(Vec<Row>, Vec<Row>)> {
    let num_rows = rows.len();
    let (kept, held) = match split {
        EvalSplit::Last => last(rows, fraction),
        EvalSplit::Hash => rows.into_iter().partition(|row| hash(row) >= fraction),
    };
    if kept.is_empty() || held.is_empty() {
        return Err(Error::config(format!(
            "`data.eval_fraction` is {fraction}: {} of {num_rows} samples, expected some and to leave \
             some to train on",
            held.len()
        )));
    }
    Ok((kept, held))
}

fn last(mut rows: Vec<Row>, fraction: f64) -> (Vec<Row>, Vec<Row>) {
    let num_held = ((rows.len() as f64 * fraction) as usize).max(1);
    let held = rows.split_off(rows.len() - num_held.min(rows.len()));
    (rows, held)
}

/// A number from 0 to 1 that depends on nothing but who says what in the conversation.
pub(super) fn hash(row: &Row) -> f64 {
    let mut hash = Sha256::new();
    for message in &row.conversation.messages {
        for text in [message.role(), &message.text()] {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text);
        }
    }
    let bytes = hash.finalize();
    let number = u64::from_le_bytes(bytes[..8].try_into().expect("a sha256 has 32 bytes"));
    number as f64 / u64::MAX as f64
}
