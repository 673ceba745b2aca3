//! Texts, tokens and spans are the published program's; where ours differ on purpose,
//! [`DELIBERATE`] says how and why, as does the table in configs/README.md.

use crate::golden;
use crate::small_tokenizers::characters;
use iterit_core::Result;
use iterit_core::conversation::{Conversation, Message};
use iterit_core::corpus::Corpus;
use iterit_core::dataset::{self, DataFormat, Row};
use iterit_core::learner::{ModelLimits, Unwatched};
use iterit_core::span::{EncodedSample, Encoder, EncoderOptions, TargetEnd, TextRules, Turns};
use iterit_core::template::ChatTemplate;
use iterit_core::tokenizer::Tokenizer;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::sync::Arc;

#[test]
fn texts_and_tokens_of_the_published_program() {
    let Some(golden) = golden::shared("golden/ifd/prompts_20.json") else { return };
    let Some((encoder, rows)) = alpaca() else { return };
    let prompts = golden::array(&golden, "prompts");
    assert_eq!(prompts.len(), 20);
    for prompt in prompts {
        let id = prompt["id"].as_u64().expect("an id") as usize;
        check_texts(&encoder, &rows[id].conversation, prompt);
    }
}

#[test]
fn spans_of_the_published_program() {
    let name = "golden/ifd/scores_tinystories-656k-chat_200.json";
    let Some(golden) = golden::shared(name) else { return };
    let Some((encoder, rows)) = alpaca() else { return };
    let expected = golden::array(&golden, "rows");
    assert_eq!(expected.len(), 200);
    for row in expected {
        let id = row["id"].as_u64().expect("an id") as usize;
        for (field, found) in spans(&encoder, &rows[id].conversation) {
            assert_eq!(row[field], found, "sample {id}, {field}");
        }
    }
}

/// A case, the numbers in which ours differs from the published program's, and why.
type Difference = (&'static str, &'static [(&'static str, usize)], &'static str);

/// What is not as in the published program, on purpose.
const DELIBERATE: [Difference; 3] = [
    (
        "leading_space",
        &[("prior_start", 62), ("cond_start", 87), ("answer_len", 7)],
        "the untrimmed response is not found in the trimmed text, so the score is NaN and the \
         sample is lost; ours is scored",
    ),
    (
        "trailing_newline",
        &[("prior_start", 62), ("cond_start", 87), ("answer_len", 7)],
        "the same, with white space at the end",
    ),
    (
        "substring_of_eot",
        &[("prior_start", 62), ("cond_start", 92), ("answer_len", 2)],
        "the response `id` is found within `<|eot_id|>`, so nothing is left to score; ours is scored",
    ),
];

#[test]
fn edge_cases_of_the_published_program() {
    let Some(golden) = golden::shared("golden/ifd/edge_cases.json") else { return };
    let Some(encoder) = tinystories() else { return };
    let rows = golden::array(&golden, "rows");
    assert_eq!(rows.len(), 16);
    for row in rows {
        let name = row["name"].as_str().expect("a name");
        let sample = &load(&json!([row["sample"]]).to_string())[0].conversation;
        check_texts(&encoder, sample, row);
        let ours =
            DELIBERATE.iter().find(|(case, ..)| *case == name).map_or(&[][..], |case| case.1);
        for (field, found) in spans(&encoder, sample) {
            match ours.iter().find(|(differing, _)| *differing == field) {
                None => assert_eq!(row[field], found, "{name}, {field}"),
                Some((_, ours)) => {
                    assert_eq!(*ours, found, "{name}, {field}");
                    assert_ne!(row[field], found, "{name}, {field} no longer differs");
                }
            }
        }
        // The published score is NaN where nothing is scored, and wherever the response was not found.
        let is_scored = encoder.encode(sample).expect(name).scored_tokens() > 0;
        let is_found = ours.iter().any(|(field, _)| *field == "answer_len");
        assert_eq!(is_scored, !row["ifd"].is_null() || is_found, "{name}");
    }
    for (case, ..) in DELIBERATE {
        assert!(rows.iter().any(|row| row["name"] == case), "no case `{case}`");
    }
}

/// Texts and ids of one golden row.
fn check_texts(encoder: &Encoder, sample: &Conversation, golden: &Value) {
    let texts = encoder.texts(sample).expect("texts");
    let unconditional = texts.unconditional.expect("an unconditional text");
    assert_eq!(texts.conditional[0].text, golden["whole_text"]);
    assert_eq!(unconditional[0].text, golden["direct_answer"]);
    assert_eq!(texts.training[0].prefix(), golden["train_prompt"]);
    assert_eq!(texts.training[0].scored(), golden["train_target"]);

    let encoded = encoder.encode(sample).expect("tokens");
    let ids = |key: &str| -> Vec<u32> {
        golden::positions(golden, key).into_iter().map(|id| id as u32).collect()
    };
    assert_eq!(encoded.conditional[0].tokens, ids("whole_ids"));
    assert_eq!(encoded.training[0].tokens, ids("train_ids"));
    // Ours ends with its last scored token; before that it is the same.
    let ours = &encoded.unconditional.expect("an unconditional sequence")[0].tokens;
    assert_eq!(ours[..], ids("direct_ids")[..ours.len()]);
}

/// The numbers of a golden row, as ours are; where nothing is scored, nothing begins.
fn spans(encoder: &Encoder, sample: &Conversation) -> Vec<(&'static str, usize)> {
    let EncodedSample { conditional, unconditional, training, .. } =
        encoder.encode(sample).expect("tokens");
    let unconditional = unconditional.expect("an unconditional sequence").remove(0);
    let [conditional, training] = [conditional, training].map(|mut it| it.remove(0));
    let direct =
        encoder.texts(sample).expect("texts").unconditional.expect("a text").remove(0).text;
    let n_direct = encoder.tokenizer().encode(&direct).expect("tokens").len();
    assert_eq!(conditional.scored.len(), unconditional.scored.len());
    let starts = [("prior_start", &unconditional), ("cond_start", &conditional)];
    let starts = starts.into_iter().filter_map(|(field, it)| Some((field, it.scored.start()?)));
    let counts = [
        ("answer_len", conditional.scored.len()),
        ("n_direct", n_direct.min(encoder.max_length())),
        ("n_whole", conditional.tokens.len()),
        ("n_train", training.tokens.len()),
        ("train_prompt_len", training.scored.start().unwrap_or(training.tokens.len())),
    ];
    starts.chain(counts).collect()
}

fn tinystories() -> Option<Encoder> {
    let folder = golden::shared_path("models/tinystories-656k-chat")?;
    let options = EncoderOptions { rules: TextRules::Published, ..EncoderOptions::default() };
    Some(encoder(&folder, "llama-3.1", options).expect("an encoder"))
}

fn alpaca() -> Option<(Encoder, Vec<Row>)> {
    let path = golden::shared_path("alpaca/alpaca_first5000.json.zst")?;
    let rows = dataset::load(&[path], DataFormat::Auto).expect("rows").rows;
    Some((tinystories()?, rows))
}

fn encoder(folder: &Path, template: &str, options: EncoderOptions) -> Result<Encoder> {
    let template = ChatTemplate::choose(Some(template), folder)?;
    Encoder::new(Tokenizer::open(folder)?, template, options)
}

fn load(json: &str) -> Vec<Row> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("data.json");
    fs::write(&path, json).expect("a file");
    dataset::load(&[path], DataFormat::Auto).expect("rows").rows
}

fn asked(prompt: &str, response: &str) -> Conversation {
    Conversation::new([Message::new("user", prompt)], Message::new("assistant", response))
}

fn row(prompt: &str, response: &str) -> Row {
    Row { conversation: asked(prompt, response), metadata: Default::default() }
}

#[test]
fn spans_counted_by_hand() {
    let folder = characters();
    let encode = |template: &str, options: EncoderOptions, prompt: &str, response: &str| {
        let encoder = encoder(folder.path(), template, options).expect("an encoder");
        encoder.encode(&asked(prompt, response)).expect("tokens")
    };
    // <|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n is 1+5+2+2 + 1+10 = 21 tokens.
    let encoded = encode("chatml", EncoderOptions::default(), "Hi", "Yo!");
    assert_eq!(encoded.last().scored, (21..26).into()); // Yo!<|im_end|>\n
    let unconditional = encoded.unconditional.expect("a sequence").remove(0);
    assert_eq!((unconditional.scored, unconditional.tokens.len()), ((11..16).into(), 16));
    assert_eq!(encoded.training[0].scored, (21..25).into()); // Yo!</s>
    assert_eq!(encoded.training[0].tokens.last(), Some(&1));

    // The window cuts both means to the same tokens.
    let cut = EncoderOptions { max_length: Some(23), ..Default::default() };
    let encoded = encode("chatml", cut.clone(), "Hi", "Yo!");
    assert_eq!((&encoded.last().scored, encoded.truncated.conditional), (&(21..23).into(), 3));
    assert_eq!(encoded.unconditional.expect("a sequence")[0].scored, (11..13).into());
    assert_eq!(encoded.training[0].scored, (21..23).into());
    let encoded = encode("chatml", cut, "Hi, you there", "Yo!");
    assert_eq!((encoded.scored_tokens(), encoded.trained_tokens()), (0, 0));

    // The end of a response.
    let end = EncoderOptions { target_end: TargetEnd::EndOfTurn, ..Default::default() };
    assert_eq!(encode("chatml", end, "Hi", "Yo!").training[0].tokens.last(), Some(&3));
    let eos = EncoderOptions { eos_text: Some("..".into()), ..Default::default() };
    assert_eq!(encode("chatml", eos, "Hi", "Yo!").training[0].scored, (21..26).into());

    // Nothing predicts a first token, so it counts in neither mean.
    let bare = folder.path().join("bare.jinja");
    fs::write(&bare, "{% for m in messages %}{{ m.content }}{% endfor %}").expect("a file");
    let encoded = encode(bare.to_str().expect("a path"), EncoderOptions::default(), "Hi", "Yo!");
    assert_eq!(encoded.last().scored, (3..5).into());
    assert_eq!(encoded.unconditional.expect("a sequence")[0].scored, (1..3).into());
}

#[test]
fn what_an_encoder_refuses() {
    let folder = characters();
    let refused =
        |template: &str, options: EncoderOptions| match encoder(folder.path(), template, options) {
            Ok(_) => panic!("{template} was accepted"),
            Err(error) => error.to_string(),
        };
    let limits = Some(ModelLimits { positions: 64, window: None, vocabulary: usize::MAX });
    let long = EncoderOptions { max_length: Some(65), limits, ..Default::default() };
    let error = refused("chatml", long);
    assert!(
        error.starts_with("`model.max_length` is 65, but the model has 64 positions"),
        "{error}"
    );
    let bare = folder.path().join("bare.jinja");
    fs::write(&bare, "{% for m in messages %}{{ m.content }}{% endfor %}").expect("a file");
    let end = EncoderOptions { target_end: TargetEnd::EndOfTurn, ..Default::default() };
    let error = refused(bare.to_str().expect("a path"), end);
    assert!(error.contains("puts nothing behind a response"), "{error}");
    fs::remove_file(folder.path().join("tokenizer_config.json")).expect("a file");
    let error = refused("chatml", EncoderOptions::default());
    assert!(error.starts_with("the tokenizer names no eos token"), "{error}");
    fs::remove_file(folder.path().join("tokenizer.json")).expect("a file");
    let error = refused("chatml", EncoderOptions::default());
    assert!(error.contains("no `tokenizer.json`, expected"), "{error}");
}

#[test]
fn a_template_that_refuses_a_lone_response() {
    let folder = characters();
    let published = EncoderOptions { rules: TextRules::Published, ..Default::default() };
    let encoder = encoder(folder.path(), "llama-2", published).expect("an encoder");
    assert!(encoder.refusal().is_some_and(|why| why.starts_with("template `llama-2`")));
    let samples = vec![row("Hi", "Yo!")];
    let corpus =
        Corpus::encode(samples, vec![], Arc::new(encoder), 1, &Unwatched).expect("a corpus");
    assert_eq!(corpus.encoded(0).unconditional, None);
    let error = corpus.unconditional(0).expect_err("no text").to_string();
    assert!(error.contains("template `llama-2`") && error.contains("hint: "), "{error}");
}

#[test]
fn a_corpus_is_the_same_on_any_number_of_threads() {
    let folder = characters();
    let samples: Vec<Row> =
        (0..300).map(|i| row(&"?".repeat(i % 40), &"!".repeat(i % 7))).collect();
    let targets = vec![row("target", "one")];
    let build = |threads| {
        let options = EncoderOptions { max_length: Some(64), ..EncoderOptions::default() };
        let encoder = encoder(folder.path(), "chatml", options);
        let encoder = Arc::new(encoder.expect("an encoder"));
        Corpus::encode(samples.clone(), targets.clone(), encoder, threads, &Unwatched)
            .expect("a corpus")
    };
    let (one, many) = (build(1), build(4));
    assert_eq!((many.num_samples(), many.num_target_samples()), (300, 1));
    for id in 0..301 {
        assert_eq!(one.encoded(id), many.encoded(id), "sample {id}");
        assert_eq!(many.sample(id).id, id);
    }
    assert_eq!(many.training_target(3), "!!!</s>");
    let counts = many.token_counts(3).expect("counts");
    assert_eq!((counts.prompt, counts.response), (22, 4));

    let report = many.report().expect("a report");
    assert_eq!(report, one.report().expect("a report"));
    assert_eq!((report.samples, report.max_length), (300, 64));
    assert_eq!(report.empty_responses, 300 / 7 + 1);
    // A prompt of p question marks takes 19 + p tokens, a response of r 2 + r; p is 0 to 39.
    assert_eq!((report.conditional.min, report.conditional.max), (21, 66));
    assert_eq!((report.cut_responses, report.zero_loss), (0, 0));
    let is_cut = |i: &usize| 19 + i % 40 + i % 7 + 2 > 64;
    assert_eq!(report.conditional.truncated, (0..300).filter(is_cut).count());
    assert_eq!((report.end.missed, report.end.stop_ids.as_slice()), (0, &[1][..]));
}

#[test]
fn an_end_that_is_no_stop_token_is_counted() {
    let folder = characters();
    let options = EncoderOptions { eos_text: Some("</s".into()), ..Default::default() };
    let encoder = encoder(folder.path(), "chatml", options).expect("an encoder");
    let samples = vec![row("a", "b"), row("c", "d")];
    let corpus =
        Corpus::encode(samples, vec![], Arc::new(encoder), 2, &Unwatched).expect("a corpus");
    let end = &corpus.report().expect("a report").end;
    assert_eq!((end.checked, end.missed), (2, 2));
    assert!(end.example.as_ref().is_some_and(|(id, tokens)| *id == 0 && tokens.len() == 6));
}

#[test]
fn samples_a_template_refuses_are_named() {
    let folder = characters();
    let encoder = encoder(folder.path(), "llama-2", EncoderOptions::default()).expect("an encoder");
    let mut samples: Vec<Row> = (0..200).map(|_| row("Hi", "Yo!")).collect();
    for id in [3, 70, 71, 72, 73, 150] {
        samples[id].conversation.messages.insert(1, Message::new("user", "again"));
    }
    let error = match Corpus::encode(samples, vec![], Arc::new(encoder), 2, &Unwatched) {
        Ok(_) => panic!("accepted"),
        Err(error) => error.to_string(),
    };
    let lines: Vec<&str> = error.lines().collect();
    assert_eq!(lines.len(), 6, "{error}");
    assert!(lines[0].starts_with("sample 3: template `llama-2`, line "), "{error}");
    assert!(lines[0].ends_with(": refused: turn 2 is of role user, expected assistant"), "{error}");
    assert_eq!(lines[5], "and 1 more");
}

#[test]
fn texts_without_a_tokenizer() {
    let corpus = Corpus::bare(vec![row("a", "b")], vec![row("c", "d")], "</s>".into(), Turns::Last);
    assert_eq!(corpus.training_target(1), "d</s>");
    assert!(corpus.encoded(0).last().tokens.is_empty() && corpus.report().is_none());
    let error = corpus.token_counts(0).expect_err("no tokens").to_string();
    assert!(error.contains("needs a tokenizer"), "{error}");
}
