//! What a person sees of a comparison: a bar over all its runs with the time left, and a bar for
//! each run at work. Where stderr is no terminal, a line when a run begins and one when it ends.

use super::forecast::Forecast;
use super::{Screen, duration, lock, verb};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use iterit_core::learner::Watch;
use iterit_core::observer::{Observer, Phase};
use iterit_core::record::EpochRecord;
use iterit_core::sdk::LogLevel;
use std::collections::HashSet;
use std::io::IsTerminal;
use std::sync::Mutex;
use std::time::Instant;

/// All runs.
pub(crate) struct Board<'a> {
    screen: &'a Screen,
    bars: MultiProgress,
    whole: ProgressBar,
    forecast: Mutex<Forecast>,
    said: Mutex<HashSet<String>>,
    runs: usize,
}

/// One run at work.
pub(crate) struct Lane<'a> {
    board: &'a Board<'a>,
    place: usize,
    name: String,
    bar: ProgressBar,
}

impl<'a> Board<'a> {
    /// For runs that are predicted to take these seconds, `jobs` at a time.
    pub(crate) fn new(screen: &'a Screen, predicted: &[f64], jobs: usize) -> Self {
        let bars = MultiProgress::new();
        if !std::io::stderr().is_terminal() {
            bars.set_draw_target(ProgressDrawTarget::hidden());
        }
        let style = ProgressStyle::with_template("{msg:40} {bar:32} {pos}/{len} runs")
            .expect("a constant template")
            .progress_chars("━╸─");
        let whole = bars.add(ProgressBar::new(predicted.len() as u64).with_style(style));
        let forecast = Mutex::new(Forecast::new(predicted, jobs));
        let board =
            Self { screen, bars, whole, forecast, said: Mutex::default(), runs: predicted.len() };
        board.show_time_left();
        board
    }

    /// A run begins; `place` is its own among the predictions.
    pub(crate) fn begin(&'a self, place: usize, name: String) -> Lane<'a> {
        lock(&self.forecast).begin(place, Instant::now());
        let style = ProgressStyle::with_template("  {msg:38} {bar:32} {pos}/{len}")
            .expect("a constant template")
            .progress_chars("━╸─");
        let bar = self.bars.add(ProgressBar::new(0).with_style(style).with_message(name.clone()));
        if self.bars.is_hidden() {
            self.line(&format!("run {} of {}: {name}; {} left", place + 1, self.runs, self.left()));
        }
        Lane { board: self, place, name, bar }
    }

    /// A line of talk.
    fn line(&self, text: &str) {
        match self.bars.is_hidden() {
            true => anstream::eprintln!("{text}"),
            false => self.bars.suspend(|| anstream::eprintln!("{text}")),
        }
    }

    fn left(&self) -> String {
        format!("about {}", duration(lock(&self.forecast).seconds_left(Instant::now())))
    }

    fn show_time_left(&self) {
        self.whole.set_message(format!("{} left", self.left()));
    }
}

impl Drop for Board<'_> {
    fn drop(&mut self) {
        self.whole.finish_and_clear();
    }
}

impl Lane<'_> {
    /// The run has its result.
    pub(crate) fn end(self, figure: &str, value: f64) {
        let board = self.board;
        let took = lock(&board.forecast).end(self.place, Instant::now());
        board.whole.inc(1);
        board.show_time_left();
        board.line(&format!(
            "{}: {figure} {value:.4}, in {}; {} left",
            self.name,
            duration(took.as_secs_f64()),
            board.left()
        ));
    }
}

impl Drop for Lane<'_> {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
        self.board.bars.remove(&self.bar);
    }
}

impl Watch for Lane<'_> {
    fn progress(&self, done: u64, total: u64) {
        self.bar.set_length(total);
        self.bar.set_position(done);
    }

    fn is_cancelled(&self) -> bool {
        self.board.screen.is_cancelled()
    }
}

impl Observer for Lane<'_> {
    fn begin(&self, phase: Phase, epoch: Option<u32>) {
        let epoch = epoch.map_or(String::new(), |epoch| format!(" {epoch}"));
        self.bar.set_message(format!("{}: {}{epoch}", self.name, verb(phase)));
        self.board.show_time_left();
    }

    fn end(&self, _: Phase) {
        self.bar.set_position(0);
    }

    fn epoch(&self, _: &EpochRecord) {
        self.board.show_time_left();
    }

    /// What every run of a comparison would say is said once.
    fn say(&self, level: LogLevel, source: &str, message: &str) {
        let text = if source.is_empty() { message.into() } else { format!("{source}: {message}") };
        if level == LogLevel::Debug || !lock(&self.board.said).insert(text.clone()) {
            return;
        }
        let text = format!("{}: {text}", self.name);
        match level {
            LogLevel::Warn => {
                self.board.line(&format!("warning: {text}"));
                self.board.screen.remember(text);
            }
            _ => self.board.line(&text),
        }
    }
}
