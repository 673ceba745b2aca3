//! Prints a model's logits behind lists of tokens, for comparison with another implementation.
//!
//!     echo '[1, 5, 7]' | cargo run --example next_logits -- MODEL_FOLDER [ADAPTER_FOLDER]
//!
//! A line of JSON in, a line of JSON out.

use iterit_torch::{Base, LearnerOptions, TorchLearner};
use std::error::Error;
use std::io::{Write, stdin, stdout};
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let mut folders = std::env::args_os().skip(1);
    let folder = folders.next().ok_or("expected the folder of a model")?;
    let mut model = match folders.next() {
        None => TorchLearner::load(Path::new(&folder), LearnerOptions::default())?,
        Some(adapter) => {
            let options = LearnerOptions { base: Base::Frozen, ..LearnerOptions::default() };
            let model = TorchLearner::load(Path::new(&folder), options)?;
            model.adapt_by(Path::new(&adapter), None, 0)?
        }
    };
    for line in stdin().lines() {
        let tokens: Vec<u32> = serde_json::from_str(&line?)?;
        writeln!(stdout(), "{}", serde_json::to_string(&model.next_logits(&tokens)?)?)?;
    }
    Ok(())
}
