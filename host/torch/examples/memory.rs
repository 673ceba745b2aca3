//! Prints what training a model needs by the equations, from its `config.json` alone.
//!
//!     cargo run --example memory -- config.json TOKENS
//!
//! TOKENS: of a micro-batch, all of which carry loss.

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
        "| | weights | gradients | optimizer | activations | a step |\n| --- | --- | --- | --- | --- | --- |"
    );
    let (as_trained, in_8_bits) = (Moments::AsTrained, Moments::EightBits);
    for (name, base, precision, moments) in [
        ("full, float32", Base::Trained, Precision::Float32, as_trained),
        ("full, bfloat16", Base::Trained, Precision::Bfloat16, as_trained),
        ("the same, moments in 8 bits", Base::Trained, Precision::Bfloat16, in_8_bits),
        ("full, bfloat16-pure", Base::Trained, Precision::PureBfloat16, as_trained),
        ("the same, moments in 8 bits", Base::Trained, Precision::PureBfloat16, in_8_bits),
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
            println!("| {name}, {activations:?} | {parts} |");
        }
    }
}
