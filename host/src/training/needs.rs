//! The memory that a run needs, told before it begins, and what is run at a time where there is less of it.

use crate::progress::{bytes, count};
use iterit_core::corpus::Corpus;
use iterit_core::memory::{Chosen, Fit, MemoryNeed};
use iterit_core::models::{Extent, Models};
use iterit_core::observer::Observer;
use iterit_core::sdk::LogLevel;

/// Has the models choose how much they run at a time by the memory that is free, and says what they chose.
pub(crate) fn fit(
    models: &Models,
    corpus: &Corpus,
    batch: usize,
    extent: Extent,
    observer: &dyn Observer,
) {
    for line in chosen(models, corpus, batch, extent) {
        let level = if line.told == Told::TooMuch { LogLevel::Warn } else { LogLevel::Info };
        observer.say(level, "", &line.text);
    }
}

/// The same for a run of a comparison, all of which are judged, and says only what is another choice than elsewhere.
pub(crate) fn fit_quietly(models: &Models, corpus: &Corpus, batch: usize, observer: &dyn Observer) {
    for line in chosen(models, corpus, batch, Extent::All) {
        if line.told != Told::AsWished {
            observer.say(LogLevel::Warn, "", &line.text);
        }
    }
}

/// What is to be said of a choice.
struct Line {
    told: Told,
    text: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    AsWished,
    Smaller,
    TooMuch,
}

fn chosen(models: &Models, corpus: &Corpus, batch: usize, extent: Extent) -> Vec<Line> {
    let of_fit = |fit: Fit| {
        let step = fit.step.and_then(|it| said(it, fit.free, "micro-batches have", "a step"));
        let question = said(fit.question, fit.free, "questions are asked in batches of", "one");
        // Of questions only what is out of the ordinary.
        let question = question.filter(|line| line.told != Told::AsWished);
        step.into_iter().chain(question)
    };
    models.fit(corpus, batch, extent).into_iter().flat_map(of_fit).collect()
}

fn said(chosen: Chosen, free: u64, begins: &str, which: &str) -> Option<Line> {
    let Chosen { tokens, wished, needs } = chosen;
    let (room, more) = (bytes(free), bytes(needs));
    if needs > free {
        let text = format!(
            "{which} needs up to {more} more, and {room} are free: memory may not be enough\n\
             hint: set train.activation_checkpointing = true, train.adam_moments = \"8-bit\" or a \
             train.lora.rank, or cut texts at a lower model.max_length"
        );
        return Some(Line { told: Told::TooMuch, text });
    }
    let (tokens, wished) = (tokens?, wished?);
    let (told, instead) = match tokens == wished {
        true => (Told::AsWished, String::new()),
        false => (Told::Smaller, format!(", not {}", count(wished as u64))),
    };
    let text = format!(
        "{begins} at most {} tokens{instead}: {which} needs up to {more} more, and {room} are free",
        count(tokens as u64)
    );
    Some(Line { told, text })
}

/// In words. Not as a bound: of kernels' own memory no equation knows.
pub(crate) fn told(need: &MemoryNeed) -> String {
    let MemoryNeed { device, program, weights, optimizer, gradients, activations, .. } = need;
    let part = |name: &str, part: u64| match part {
        0 => String::new(),
        _ => format!("{name} {}, ", bytes(part)),
    };
    format!(
        "about {} on {device}: {}{}weights {}, optimizer {}, and in a step of the longest samples gradients {} and \
         activations {}, up to {} together; for what is asked {} beside the weights",
        bytes(need.peak()),
        part("program, libraries and texts", *program),
        part("the proxy's weights", need.proxy),
        bytes(*weights),
        bytes(*optimizer),
        bytes(*gradients),
        bytes(*activations),
        bytes(need.training.saturating_sub(weights + optimizer)),
        bytes(need.scoring),
    )
}
