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
    let total = losses.iter().fold(Nll::default(), |total, nll| Nll {
        sum: total.sum + nll.sum,
        tokens: total.tokens + nll.tokens,
    });
    if total.tokens == 0 {
        return Err(Error::Run(
            "no sample has a response within the model's window, so there is no loss\n\
             hint: raise model.max_length"
                .into(),
        ));
    }
    let scored: Vec<f64> =
        losses.iter().filter(|nll| nll.tokens > 0).map(|nll| nll.mean()).collect();
    let result = serde_json::json!({
        "loss": total.mean(),
        "perplexity": total.perplexity(),
        "mean_sample_loss": scored.iter().sum::<f64>() / scored.len() as f64,
        "samples": scored.len(),
        "samples_without_loss": losses.len() - scored.len(),
        "tokens": total.tokens,
    });
    anstream::println!("{result:#}");
    Ok(())
}
