//! Prints a model's logits behind lists of tokens, for comparison with another implementation.
//!
//!     echo '[1, 5, 7]' | cargo run -p iterit-torch --example next_logits -- MODEL_FOLDER
//!
//! A line of JSON in, a line of JSON out.

use iterit_torch::{LearnerOptions, TorchLearner};
use std::error::Error;
use std::io::{Write, stdin, stdout};
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args_os().nth(1).ok_or("expected the folder of a model")?;
    let mut model = TorchLearner::load(Path::new(&folder), LearnerOptions::default())?;
    for line in stdin().lines() {
        let tokens: Vec<u32> = serde_json::from_str(&line?)?;
        writeln!(stdout(), "{}", serde_json::to_string(&model.next_logits(&tokens)?)?)?;
    }
    Ok(())
}
