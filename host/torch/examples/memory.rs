//! Prints what training a model needs by the equations, from its `config.json` alone.
//!
//!     cargo run --example memory -- config.json TOKENS
//!
//! TOKENS: of a micro-batch, all of which carry loss. A step fits a card where a tenth more would, and a GiB: the equations
//! are low by 2 to 8 % (`tests/src/memory.rs`), and a CUDA context comes on top.

use iterit_torch::{
    Activations, AdamWOptions, Base, Config, LearnerOptions, Moments, Precision, memory_of,
};

#[expect(clippy::print_stdout, reason = "the table is data")]
fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [path, tokens] = &words[..] else {
        panic!("expected a config.json and a number of tokens")
    };
    let config = Config::read(path.as_ref()).expect("a config.json");
    let tokens = tokens.parse().expect("a number of tokens");
    println!(
        "| | weights | gradients | optimizer | activations | a step | fits 24 | fits 80 |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- |"
    );
    let (as_trained, in_8_bits) = (Moments::AsTrained, Moments::EightBits);
    let (full, pure) = (Base::Trained, Precision::PureBfloat16);
    for (name, base, precision, moments) in [
        ("full, float32", full, Precision::Float32, as_trained),
        ("full, float32, moments in 8 bits", full, Precision::Float32, in_8_bits),
        ("full, bfloat16", full, Precision::Bfloat16, as_trained),
        ("full, bfloat16, moments in 8 bits", full, Precision::Bfloat16, in_8_bits),
        ("full, bfloat16-pure", full, pure, as_trained),
        ("full, bfloat16-pure, moments in 8 bits", full, pure, in_8_bits),
        ("LoRA of rank 16, bfloat16", Base::Frozen, Precision::Bfloat16, as_trained),
        ("the same on int8", Base::Int8, Precision::Bfloat16, as_trained),
        ("the same on nf4", Base::Nf4, Precision::Bfloat16, as_trained),
    ] {
        let adamw = AdamWOptions { moments, ..AdamWOptions::default() };
        for activations in [Activations::Keep, Activations::Recompute] {
            let options =
                LearnerOptions { base, precision, activations, adamw, ..LearnerOptions::default() };
            let need = memory_of(&config, &options, 16, tokens).expect("a model");
            let gib = |bytes: u64| format!("{:.1}", bytes as f64 / (1u64 << 30) as f64);
            let parts =
                [need.weights, need.gradients, need.optimizer, need.activations, need.training];
            let parts = parts.map(gib).join(" | ");
            let [small, large] = [24, 80].map(|card| verdict(need.training, card));
            let kept = match activations {
                Activations::Keep => "",
                Activations::Recompute => ", checkpointing",
            };
            println!("| {name}{kept} | {parts} | {small} | {large} |");
        }
    }
}

/// Whether a step fits into a card of so many GiB.
fn verdict(bytes: u64, card: u64) -> &'static str {
    let card = card << 30;
    match bytes {
        bytes if bytes + bytes / 10 + (1 << 30) <= card => "yes",
        bytes if bytes <= card => "hardly",
        _ => "no",
    }
}
