//! What a person sees of a run: a bar with an ETA for every long phase, one line an epoch, warnings
//! kept for the end. All on stderr; stdout is for data.

mod forecast;

mod board;

pub(crate) use board::Board;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use iterit_core::learner::Watch;
use iterit_core::observer::{Observer, Phase};
use iterit_core::record::EpochRecord;
use iterit_core::sdk::LogLevel;
use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Draws a run on stderr and hears Ctrl-C.
pub(crate) struct Screen {
    bar: Mutex<Option<Bar>>,
    warnings: Mutex<Vec<String>>,
    cancelled: Arc<AtomicBool>,
    verbose: bool,
}

struct Bar {
    name: String,
    drawn: ProgressBar,
    /// Where stderr is no terminal, a line now and then stands for the bar.
    last_line: Instant,
    begun: Instant,
    /// How far it had come when it was first drawn: a phase may go on where it was left.
    first: Option<u64>,
}

/// Without a terminal, a line no more often than this.
const LINE_EVERY: Duration = Duration::from_secs(10);

impl Screen {
    /// Takes over Ctrl-C: the first asks for a stop at the next safe place, the second ends the
    /// process at once.
    pub(crate) fn new() -> Self {
        let cancelled = Arc::new(AtomicBool::new(false));
        let heard = Arc::clone(&cancelled);
        let installed = ctrlc::set_handler(move || {
            if heard.swap(true, Ordering::SeqCst) {
                std::process::exit(130);
            }
            anstream::eprintln!(
                "\nstopping at the next safe place; press Ctrl-C again to stop at once"
            );
        });
        let screen = Self {
            bar: Mutex::new(None),
            warnings: Mutex::new(Vec::new()),
            cancelled,
            verbose: std::env::var_os("ITERIT_VERBOSE").is_some(),
        };
        if let Err(error) = installed {
            screen.say(LogLevel::Warn, "", &format!("Ctrl-C cannot be heard: {error}"));
        }
        screen
    }

    /// Says the warnings so far once more, each once.
    pub(crate) fn repeat_warnings(&self) {
        let warnings = lock(&self.warnings).clone();
        if !warnings.is_empty() {
            self.line(&format!("{} warnings:", warnings.len()));
        }
        for warning in warnings {
            self.line(&format!("  {warning}"));
        }
    }

    /// Keeps a warning for the end, each once.
    fn remember(&self, warning: String) {
        let mut warnings = lock(&self.warnings);
        if !warnings.contains(&warning) {
            warnings.push(warning);
        }
    }

    /// A line of talk.
    pub(crate) fn line(&self, text: &str) {
        match lock(&self.bar).as_ref() {
            Some(bar) if !bar.drawn.is_hidden() => {
                bar.drawn.suspend(|| anstream::eprintln!("{text}"));
            }
            _ => anstream::eprintln!("{text}"),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Watch for Screen {
    fn progress(&self, done: u64, total: u64) {
        let mut bar = lock(&self.bar);
        let Some(bar) = bar.as_mut() else { return };
        bar.drawn.set_length(total);
        bar.drawn.set_position(done);
        let first = *bar.first.get_or_insert_with(|| {
            bar.drawn.reset_eta();
            done
        });
        if bar.drawn.is_hidden() && bar.last_line.elapsed() > LINE_EVERY {
            bar.last_line = Instant::now();
            let eta = eta(bar.begun.elapsed(), done - first.min(done), total - first.min(total));
            anstream::eprintln!("{}: {done} of {total}, {eta} left", bar.name);
        }
    }

    fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::SeqCst)
    }
}

impl Observer for Screen {
    fn begin(&self, phase: Phase, epoch: Option<u32>) {
        let name = match epoch {
            Some(epoch) => format!("epoch {epoch}: {}", verb(phase)),
            None => verb(phase).to_owned(),
        };
        let style = ProgressStyle::with_template("{msg:24} {bar:32} {pos}/{len}  {eta} left")
            .expect("a constant template")
            .progress_chars("━╸─");
        let drawn = ProgressBar::new(0).with_style(style).with_message(name.clone());
        if !std::io::stderr().is_terminal() {
            drawn.set_draw_target(ProgressDrawTarget::hidden());
        }
        let now = Instant::now();
        *lock(&self.bar) = Some(Bar { name, drawn, last_line: now, begun: now, first: None });
    }

    fn end(&self, _: Phase) {
        if let Some(bar) = lock(&self.bar).take() {
            bar.drawn.finish_and_clear();
        }
    }

    fn epoch(&self, record: &EpochRecord) {
        self.line(&epoch_line(record));
    }

    fn say(&self, level: LogLevel, source: &str, message: &str) {
        let source = if source.is_empty() { String::new() } else { format!("{source}: ") };
        match level {
            LogLevel::Debug if !self.verbose => {}
            LogLevel::Debug | LogLevel::Info => self.line(&format!("{source}{message}")),
            LogLevel::Warn => {
                let warning = format!("{source}{message}");
                self.line(&format!("warning: {warning}"));
                self.remember(warning);
            }
        }
    }
}

fn verb(phase: Phase) -> &'static str {
    match phase {
        Phase::Tokenizing => "tokenizing",
        Phase::Scoring => "scoring",
        Phase::Picking => "picking",
        Phase::Training => "training",
        Phase::Evaluating => "evaluating",
    }
}

/// The summary of an epoch in one line.
pub(crate) fn epoch_line(record: &EpochRecord) -> String {
    let mean = record.mean_score.map_or(String::new(), |mean| format!(", mean score {mean:.4}"));
    let eval = record.eval_loss.map_or(String::new(), |loss| format!(", held-out loss {loss:.4}"));
    format!(
        "epoch {}: picked {}, rescored {}, eligible {}{mean}, loss {:.4}{eval} | scoring {:.1} s, \
         picking {:.1} s, training {:.1} s",
        record.epoch,
        record.picked,
        record.rescored,
        record.eligible,
        record.loss,
        record.seconds.scoring,
        record.seconds.picking,
        record.seconds.training,
    )
}

fn eta(elapsed: Duration, done: u64, total: u64) -> String {
    if done == 0 {
        return "unknown time".to_owned();
    }
    duration(elapsed.as_secs_f64() * (total - done.min(total)) as f64 / done as f64)
}

/// Seconds as a person says them.
pub(crate) fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        0..60 => format!("{whole} s"),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
    }
}

/// Bytes as a person says them.
pub(crate) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["bytes", "KiB", "MiB", "GiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} bytes") } else { format!("{value:.1} {}", UNITS[unit]) }
}

/// 1234567 as 1,234,567.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_a_person_says_them() {
        assert_eq!(duration(59.4), "59 s");
        assert_eq!(duration(3_725.0), "1 h 2 min");
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(bytes(12), "12 bytes");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(count(12), "12");
        assert_eq!(eta(Duration::from_secs(10), 1, 4), "30 s");
    }
}
