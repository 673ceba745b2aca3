//! `check`: everything but the training. Shows texts with the tokens that carry loss, counts what
//! is cut or empty, audits the end of a response, and refuses a training that would do nothing.

use crate::cli::Check;
use crate::progress::{Screen, count};
use crate::stdout;
use crate::training::{needs, trained};
use crate::wiring::{self, Choosers};
use iterit_core::config::{Config, Setting, budget};
use iterit_core::corpus::{self, Corpus, Lengths, TextAudit, TextCounts, TextReport};
use iterit_core::greedy::{Budget, Candidate, Ties};
use iterit_core::learner::{ModelFacts, Sequence};
use iterit_core::memory::MemoryNeed;
use iterit_core::plugin_set::Named;
use iterit_core::run::{History, Lender, pick};
use iterit_core::score_table::ScoreTable;
use iterit_core::sdk::DiversityScorer;
use iterit_core::tokenizer::SpecialToken;
use iterit_core::{Error, Result, whole_file};
use serde::Serialize;

pub(crate) fn run(args: &Check, settings: &[Setting]) -> Result<()> {
    let config = wiring::config(&args.common, settings)?;
    let screen = Screen::new();
    let (choosers, texts) =
        Error::both(Choosers::find(&config, &screen), wiring::texts(&config, &screen))?;
    let corpus = texts.corpus;
    if let Some(path) = &args.dump {
        // What could be encoded can be shown.
        let row = |id| corpus::dump(&corpus, id).expect("texts that were made before");
        whole_file::write_json_lines(path, (0..corpus.num_samples()).map(row))?;
    }
    let report = corpus.report().expect("a corpus with a tokenizer has a report");
    let audit = TextAudit::new(&corpus);
    if !args.json {
        for id in 0..corpus.num_samples().min(args.show as u64) {
            show_sample(&corpus, id)?;
        }
        show_report(report);
        show_audit(&audit, report);
        show_special(&corpus);
        show_plan(&config, &corpus)?;
    }
    let models = wiring::models(&config, &corpus, wiring::threads(), &screen)?;
    choosers.require(&models.offered(&corpus))?;
    let compare_texts = choosers.compare_texts();
    let extent = choosers.extent(texts.held_out.as_ref());
    let mut plugins = choosers.open(&config)?;
    if compare_texts {
        let lender = Lender {
            corpus: &corpus,
            models: &models,
            seed: config.seed,
            threads: wiring::threads(),
            observer: &screen,
        };
        let diversity = plugins.diversity.as_mut();
        look_at_texts(lender, diversity, config.selection.ties)?;
    }
    let facts = models.ask(|learner| learner.facts());
    needs::fit(&models, &corpus, config.train.batch, extent, &screen);
    let memory = models.memory(&corpus, config.train.batch, extent);
    report.refuse_no_op()?;
    if args.json {
        let figures = Figures {
            texts: report,
            audit,
            template: corpus.encoder().map_or("", |encoder| encoder.template().name()),
            samples_an_epoch: budget(config.selection.ratio, corpus.num_samples())?,
            model: facts,
            memory: memory.map(|need| Memory { peak: need.peak(), need }),
        };
        let figures = serde_json::to_string_pretty(&figures).expect("figures are JSON");
        stdout::line(&figures);
        return Ok(());
    }
    stdout::line(format_args!(
        "model       {} of {} parameters{}, {} on {}",
        facts.architecture,
        count(facts.parameters),
        trained(&facts).trim_end_matches(','),
        facts.dtype,
        facts.device
    ));
    if let Some(need) = &memory {
        stdout::line(format_args!("memory      {}", needs::told(need)));
    }
    stdout::line(format_args!(
        "verdict     {} samples can be trained on by this {}",
        report.samples - report.zero_loss,
        facts.architecture
    ));
    Ok(())
}

/// What `--json` prints.
#[derive(Serialize)]
struct Figures<'a> {
    texts: &'a TextReport,
    audit: TextAudit,
    template: &'a str,
    samples_an_epoch: u64,
    model: ModelFacts,
    memory: Option<Memory>,
}

/// What is needed, and the most of it at one time.
#[derive(Serialize)]
struct Memory {
    #[serde(flatten)]
    need: MemoryNeed,
    peak: u64,
}

/// Lets a diversity scorer look at the first texts and picks none: it may have something to say of
/// texts that it hardly tells apart.
fn look_at_texts(
    lender: Lender<'_>,
    diversity: Option<&mut Named<dyn DiversityScorer>>,
    ties: Ties,
) -> Result<()> {
    const FIRST: u64 = 4096;
    let ids = 0..lender.corpus.num_samples().min(FIRST);
    let first: Vec<Candidate> = ids.map(|id| Candidate { id, complexity: 1.0 }).collect();
    let history = History { table: &ScoreTable::default(), selections: &[] };
    pick(lender, history, diversity, &first, Budget::Samples(0), ties, None).map(drop)
}

/// The training text of a sample; tokens that carry loss are green, and stand in brackets for eyes
/// and terminals without colour.
fn show_sample(corpus: &Corpus, id: u64) -> Result<()> {
    for sequence in &corpus.encoded(id).training {
        show_sequence(corpus, id, sequence)?;
    }
    Ok(())
}

fn show_sequence(corpus: &Corpus, id: u64, sequence: &Sequence) -> Result<()> {
    let encoder = corpus.encoder().expect("a corpus with a tokenizer has an encoder");
    let Sequence { tokens, scored } = sequence;
    let decoded = |tokens: &[u32]| encoder.tokenizer().decode(tokens);
    let green = anstyle::AnsiColor::Green.on_default();
    let (mut text, mut shown) = (String::new(), 0);
    for range in scored.ranges() {
        text += &decoded(&tokens[shown..range.start])?;
        text += &format!("{green}⟦{}⟧{green:#}", decoded(&tokens[range.clone()])?);
        shown = range.end;
    }
    text += &decoded(&tokens[shown..])?;
    let (all, scored) = (tokens.len(), scored.len());
    stdout::line(format_args!("── sample {id}: {all} tokens, {scored} carry loss ──\n{text}\n"));
    Ok(())
}

fn show_report(report: &TextReport) {
    stdout::line(format_args!(
        "samples     {}, texts cut at {} tokens",
        report.samples, report.max_length
    ));
    show_lengths("training", &report.training);
    show_lengths("scoring", &report.conditional);
    match &report.unconditional {
        Some(lengths) => show_lengths("alone", lengths),
        None => stdout::line(format_args!(
            "alone       {} responses cannot be had alone",
            report.texts.no_frames
        )),
    }
    show_texts(&report.texts);
    stdout::line(format_args!(
        "loss        {} tokens carry loss; {} samples carry none, {} responses are empty, {} are \
         cut off",
        count(report.trained_tokens),
        report.zero_loss,
        report.empty_responses,
        report.cut_responses
    ));
    let end = &report.end;
    stdout::line(format_args!(
        "end         `{}`; {} of {} whole training texts do not end in a token that stops \
         generation, which would be {}",
        end.text,
        end.missed,
        end.checked,
        end.stop_ids.iter().map(u32::to_string).collect::<Vec<_>>().join(" or ")
    ));
}

/// How the texts came about, where there is anything to say.
fn show_texts(texts: &TextCounts) {
    for (count, what) in [
        (
            texts.header_frames,
            "stand alone behind their own header: the template refuses a lone turn",
        ),
        (texts.generation_prompts, "have the generation prompt's prompt"),
        (texts.hidden_responses, "stand as written: the conversation hides some of the response"),
        (texts.written_ends, "end in the end of training already, which is not added once more"),
        (texts.encoded_otherwise_alone, "would have other tokens if they were encoded alone"),
        (texts.trained_otherwise, "have other tokens in training than in scoring"),
        (texts.marked_otherwise, "begin elsewhere by the template's own generation marks"),
    ] {
        if count > 0 {
            stdout::line(format_args!("texts       {count} responses {what}"));
        }
    }
}

fn show_lengths(name: &str, lengths: &Lengths) {
    stdout::line(format_args!(
        "{name:<12}{} to {} tokens, mean {:.0}, nine in ten up to {}; {} are cut",
        lengths.min, lengths.max, lengths.mean, lengths.p90, lengths.truncated
    ));
}

fn show_special(corpus: &Corpus) {
    let encoder = corpus.encoder().expect("a corpus with a tokenizer has an encoder");
    let special = encoder.tokenizer().special();
    for (name, token) in [("bos", &special.bos), ("eos", &special.eos), ("pad", &special.pad)] {
        match token {
            Some(SpecialToken { text, id: Some(id) }) => {
                stdout::line(format_args!("{name:<12}`{text}`, token {id}"));
            }
            Some(SpecialToken { text, id: None }) => {
                stdout::line(format_args!(
                    "{name:<12}`{text}`, which is no token of this tokenizer"
                ));
            }
            None => stdout::line(format_args!("{name:<12}none")),
        }
    }
    stdout::line(format_args!("template    {}", encoder.template().name()));
}

fn show_plan(config: &Config, corpus: &Corpus) -> Result<()> {
    let budget = budget(config.selection.ratio, corpus.num_samples())?;
    let per_epoch = budget.div_ceil(config.train.batch as u64);
    stdout::line(format_args!(
        "plan        {budget} of {} samples an epoch, {} epochs, {per_epoch} steps each where the \
         strategy keeps that budget",
        corpus.num_samples(),
        config.train.epochs,
    ));
    Ok(())
}

/// What is allowed and seldom meant, where there is any of it.
fn show_audit(audit: &TextAudit, report: &TextReport) {
    for (count, what) in [
        (
            audit.special_in_response,
            "responses spell a special token, which they become in training",
        ),
        (audit.without_bos, "training texts do not begin with bos, though the tokenizer names one"),
        (audit.duplicates, "samples have the training tokens of an earlier one"),
    ] {
        if count > 0 {
            stdout::line(format_args!("note        {count} {what}"));
        }
    }
    for (field, count) in &report.unshown {
        stdout::line(format_args!(
            "note        {count} samples have `{field}`, which the template does not show"
        ));
    }
    if let Some(end) = &report.end.with_header {
        stdout::line(format_args!(
            "note        behind the last response the template writes {end:?}, which holds the header of \
             a next turn and is scored as if the model said it"
        ));
    }
}
