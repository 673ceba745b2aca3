//! `eval`: the loss of a model on a data set, as one JSON object on stdout.

use crate::cli::Eval;
use crate::progress::Screen;
use crate::wiring;
use iterit_core::config::Setting;
use iterit_core::observer::{Observer, Phase};
use iterit_core::run::evaluate;
use iterit_core::{Error, Nll, Result};

pub(crate) fn run(args: &Eval, settings: &[Setting]) -> Result<()> {
    let config = wiring::config(&args.common, settings)?;
    let screen = Screen::new();
    let corpus = wiring::corpus(&config, None, &screen)?;
    let models = wiring::models(&config, &corpus, wiring::threads(), &screen)?;
    screen.begin(Phase::Evaluating, None);
    let losses = evaluate(&corpus, &models, &screen);
    screen.end(Phase::Evaluating);
    let losses = losses?;
    let (sum, tokens) = total(&losses);
    if tokens == 0 {
        return Err(Error::Run(
            "no sample has a response within the model's window, so there is no loss\n\
             hint: raise model.max_length"
                .into(),
        ));
    }
    let mean = sum / tokens as f64;
    let scored: Vec<f64> =
        losses.iter().filter(|nll| nll.tokens > 0).map(|nll| nll.mean()).collect();
    let result = serde_json::json!({
        "loss": mean,
        "perplexity": mean.exp(),
        "mean_sample_loss": scored.iter().sum::<f64>() / scored.len() as f64,
        "samples": scored.len(),
        "samples_without_loss": losses.len() - scored.len(),
        "tokens": tokens,
    });
    anstream::println!("{result:#}");
    Ok(())
}

/// Nats and tokens of all samples; a corpus may have more tokens than one sample's count can say.
fn total(losses: &[Nll]) -> (f64, u64) {
    losses
        .iter()
        .fold((0.0, 0), |(sum, tokens), nll| (sum + nll.sum, tokens + u64::from(nll.tokens)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_counted_beyond_32_bits() {
        let half = Nll { sum: 1.5, tokens: 1 << 31 };
        assert_eq!(total(&[half, half, half]), (4.5, 3 << 31));
    }
}
