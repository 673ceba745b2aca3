//! Real templates and real data: every token that holds a character of a response is scored, and a
//! response alone can be had wherever a template shows one.

use crate::golden;
use crate::small_tokenizers::{characters, of_tokenizer};
use iterit_core::conversation::{Conversation, Message, SystemTurn};
use iterit_core::dataset::{self, DataFormat};
use iterit_core::span::{Encoder, EncoderOptions, FrameKind};
use iterit_core::template::ChatTemplate;
use iterit_core::tokenizer::Tokenizer;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Every so many rows of the 5,000.
const STRIDE: usize = 10;

/// Of each kind one: blanks before answers, lone turns refused, thoughts, plain headers.
const TEMPLATES: [&str; 5] = [
    "axo__gemma",
    "hfjs__mistralai_Mixtral-8x7B-Instruct-v0.1",
    "mrs__vicuna",
    "lenml__llama3",
    "trl__qwen3_6",
];

fn encoder(folder: &Path, template: &Path) -> Option<Encoder> {
    let template = ChatTemplate::from_file(template).ok()?;
    Encoder::new(Tokenizer::open(folder).ok()?, template, EncoderOptions::default()).ok()
}

#[test]
fn every_token_of_a_response_is_scored() {
    let Some(data) = golden::shared_path("alpaca/alpaca_first5000.json.zst") else { return };
    let templates = golden::shared_path("templates").expect("the templates are there too");
    let gpt_2 = golden::shared("tokenizers/gpt2/tokenizer.json.zst").expect("a tokenizer");
    let gpt_2 = of_tokenizer(gpt_2, ["<|endoftext|>"; 2]);
    let pieces = of_tokenizer(golden::committed("sentence_piece.json"), ["<s>", "</s>"]);
    let llama = golden::shared_path("models/tinystories-656k-chat").expect("a model");
    let rows = dataset::load(&[data], DataFormat::Auto).expect("rows").rows;
    let mut otherwise = BTreeMap::new();
    for (name, folder) in [("gpt2", gpt_2.path()), ("pieces", pieces.path()), ("llama", &llama)] {
        for template in TEMPLATES {
            let path = templates.join(format!("{template}.jinja"));
            let encoder = encoder(folder, &path).expect("an encoder");
            for row in rows.iter().step_by(STRIDE) {
                let is_otherwise = check(&encoder, &row.conversation);
                *otherwise.entry((name, template)).or_insert(0) += u32::from(is_otherwise);
            }
        }
    }
    eprintln!("encoded otherwise alone: {otherwise:?}");
}

/// The tokens of a sample by their characters; says whether the response alone has others.
fn check(encoder: &Encoder, conversation: &Conversation) -> bool {
    let texts = encoder.texts(conversation).expect("texts");
    let encoded = encoder.encode(conversation).expect("tokens");
    let (text, sequence) = (&texts.conditional[0], encoded.last());
    let tokens = encoder.tokenizer().encode_with_offsets(&text.text).expect("tokens");
    let start = text.prefix().len();
    let holds = |index: &usize| tokens.offsets[*index].end > start;
    let kept = sequence.tokens.len();
    let expected: Vec<usize> = match texts.conditional[0].is_empty() {
        true => Vec::new(),
        false => (0..kept).filter(holds).collect(),
    };
    let alone = &encoded.unconditional.as_ref().expect("a frame")[0];
    // What the window leaves of both is scored in both.
    let scored: Vec<usize> = sequence.scored.positions().collect();
    assert_eq!(scored[..], expected[..scored.len()], "{}", text.text);
    if kept < encoder.max_length() && alone.tokens.len() < encoder.max_length() {
        assert_eq!(scored.len(), expected.len(), "{}", text.text);
    }
    assert!(sequence.targets().eq(alone.targets()), "{}", text.text);
    assert_eq!(alone.scored.end().unwrap_or(alone.tokens.len()), alone.tokens.len());
    encoded.findings.is_encoded_otherwise_alone
}

#[test]
fn a_response_alone_can_be_had_wherever_a_template_shows_one() {
    let Some(folder) = golden::shared_path("templates") else { return };
    let tokenizer = characters();
    let (mut frames, mut without) = (BTreeMap::new(), Vec::new());
    let mut paths: Vec<_> = fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("a file").path())
        .collect();
    paths.retain(|path| path.extension().is_some_and(|it| it == "jinja"));
    paths.sort();
    for path in &paths {
        let user = Message::new("user", "What is the capital of Peru?");
        let assistant = Message::new("assistant", "The capital of Peru is Lima.");
        let mut conversation = Conversation::new([user], assistant);
        conversation.put_system("You are a helpful assistant.", SystemTurn::Ours);
        let texts = encoder(tokenizer.path(), path).and_then(|it| it.texts(&conversation).ok());
        match texts.and_then(|texts| Some((texts.findings.frame?, texts))) {
            Some((frame, texts)) => {
                *frames.entry(frame == FrameKind::Template).or_insert(0) += 1;
                let alone = &texts.unconditional.expect("a frame")[0];
                assert_eq!(alone.scored(), texts.conditional[0].scored(), "{}", path.display());
                assert!(alone.scored().starts_with("The capital"), "{}", path.display());
            }
            None => without.push(path.file_stem().expect("a name").to_owned()),
        }
    }
    assert_eq!(paths.len(), 177);
    let counts = (frames.get(&true), frames.get(&false), without.len());
    assert_eq!(counts, (Some(&127), Some(&39), 11), "without: {without:?}");
}
