//! One text a sample: what is asked with the prompt, asked alone and trained on are the same response
//! tokens, whatever a template does with thoughts, blanks, lone turns and system texts.

use crate::small_tokenizers::{byte_level, characters, sentence_piece};
use iterit_core::conversation::{Conversation, Message};
use iterit_core::span::{EncodedSample, Encoder, EncoderOptions, FrameKind, PromptText, Texts};
use iterit_core::template::ChatTemplate;
use iterit_core::tokenizer::Tokenizer;
use std::path::Path;

/// Thoughts of earlier turns are cut away; the last turn always has one, be it empty.
const QWEN_3: &str = "{% set ns = namespace(asked=-1) %}{% for m in messages %}\
    {% if m.role == 'user' %}{% set ns.asked = loop.index0 %}{% endif %}{% endfor %}\
    {% for m in messages %}<|im_start|>{{ m.role }}\n{% set parts = m.content.split('</think>') %}\
    {% if m.role == 'assistant' and ns.asked >= 0 and loop.index0 > ns.asked %}\
    <think>\n{{ parts[0].split('<think>')[-1].strip('\n') if parts | length > 1 else '' }}\n</think>\n\n\
    {{ parts[-1].lstrip('\n') }}{% else %}{{ parts[-1].lstrip('\n') }}{% endif %}<|im_end|>\n{% endfor %}\
    {% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

/// Thoughts are always cut away, and the generation prompt opens one.
const R1: &str = "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}<|U|>{{ m.content }}\
    {% else %}<|A|>{{ m.content.split('</think>')[-1] }}{{ eos_token }}{% endif %}{% endfor %}\
    {% if add_generation_prompt %}<|A|><think>\n{% endif %}";

/// Refuses a conversation that does not begin with the user, and system turns.
const GEMMA: &str = "{{ bos_token }}{% if messages[0].role != 'user' %}{{ raise_exception('user first') }}\
    {% endif %}{% for m in messages %}<start_of_turn>{{ 'model' if m.role == 'assistant' else m.role }}\n\
    {{ m.content | trim }}<end_of_turn>\n{% endfor %}\
    {% if add_generation_prompt %}<start_of_turn>model\n{% endif %}";

/// Shows the system text only before an unanswered question.
const MISTRAL: &str = "{{ bos_token }}{% set system = '' %}{% if messages[0].role == 'system' %}\
    {% set system = messages[0].content + '\n\n' %}{% set messages = messages[1:] %}{% endif %}\
    {% if messages[0].role != 'user' %}{{ raise_exception('user first') }}{% endif %}\
    {% for m in messages %}{% if m.role == 'user' %}[INST] {{ system if loop.last else '' }}\
    {{ m.content }} [/INST]{% else %} {{ m.content }}{{ eos_token }}{% endif %}{% endfor %}";

const VICUNA: &str = "{% for m in messages %}{% if m.role == 'user' %}USER: {{ m.content }} {% else %}\
    ASSISTANT: {{ m.content }}{{ eos_token }}{% endif %}{% endfor %}\
    {% if add_generation_prompt %}ASSISTANT: {% endif %}";

fn encoder(folder: &Path, template: &str, options: EncoderOptions) -> Encoder {
    let template = match ChatTemplate::builtin(template) {
        Some(template) => template,
        None => ChatTemplate::new("test", template).expect("a template"),
    };
    let tokenizer = Tokenizer::open(folder).expect("a tokenizer");
    Encoder::new(tokenizer, template, options).expect("an encoder")
}

fn asked(prompt: &str, response: &str) -> Conversation {
    Conversation::new([Message::new("user", prompt)], Message::new("assistant", response))
}

/// Texts and tokens of a question and its answer, one token a character.
fn told(template: &str, response: &str) -> (Texts, EncodedSample) {
    let folder = characters();
    let options = EncoderOptions { max_length: None, ..Default::default() };
    let encoder = encoder(folder.path(), template, options);
    let conversation = asked("Hi", response);
    let texts = encoder.texts(&conversation).expect("texts");
    (texts, encoder.encode(&conversation).expect("tokens"))
}

/// Frame, prompt, response with the template's end, and response with the target's.
fn parts(texts: &Texts) -> [&str; 4] {
    let alone = &texts.unconditional.as_ref().expect("a frame")[0];
    let (conditional, training) = (&texts.conditional[0], &texts.training[0]);
    assert_eq!(alone.scored(), conditional.scored(), "the same response alone");
    assert_eq!(training.prefix(), conditional.prefix(), "the same prompt");
    [alone.prefix(), conditional.prefix(), conditional.scored(), training.scored()]
}

#[test]
fn worked_samples() {
    let thought = "<think>\nOne.\n</think>\n\nTwo.";
    for (template, response, expected, frame) in [
        (
            "llama-3.1",
            "  Yes.\n",
            [
                "<s><|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: December 2023\n\
                 Today Date: 26 Jul 2024\n\n<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
                "<s><|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: December 2023\n\
                 Today Date: 26 Jul 2024\n\n<|eot_id|><|start_header_id|>user<|end_header_id|>\n\n\
                 Hi<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
                "Yes.<|eot_id|>",
                "Yes.</s>",
            ],
            FrameKind::Template,
        ),
        (
            GEMMA,
            "Yes.",
            [
                "<s><start_of_turn>model\n",
                "<s><start_of_turn>user\nHi<end_of_turn>\n<start_of_turn>model\n",
                "Yes.<end_of_turn>\n",
                "Yes.</s>",
            ],
            FrameKind::Header,
        ),
        (
            QWEN_3,
            "Two.",
            [
                "<|im_start|>assistant\n<think>\n\n</think>\n\n",
                "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n",
                "Two.<|im_end|>\n",
                "Two.</s>",
            ],
            FrameKind::Template,
        ),
        (
            QWEN_3,
            thought,
            [
                "<|im_start|>assistant\n<think>\n",
                "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n<think>\n",
                "One.\n</think>\n\nTwo.<|im_end|>\n",
                "One.\n</think>\n\nTwo.</s>",
            ],
            FrameKind::Template,
        ),
        (
            R1,
            thought,
            [
                "<s><|A|><think>\n",
                "<s><|U|>Hi<|A|><think>\n",
                "One.\n</think>\n\nTwo.</s>",
                "One.\n</think>\n\nTwo.</s>",
            ],
            FrameKind::Template,
        ),
        (R1, "Two.", ["<s><|A|>", "<s><|U|>Hi<|A|>", "Two.</s>", "Two.</s>"], FrameKind::Template),
        (
            MISTRAL,
            "Yes.",
            ["<s> ", "<s>[INST] Hi [/INST] ", "Yes.</s>", "Yes.</s>"],
            FrameKind::Header,
        ),
    ] {
        let (texts, _) = told(template, response);
        assert_eq!(parts(&texts), expected, "{response:?} under {template}");
        assert_eq!(texts.findings.frame, Some(frame), "{response:?} under {template}");
    }
}

#[test]
fn the_same_tokens_in_every_text() {
    for template in ["chatml", "alpaca", QWEN_3, R1, GEMMA, MISTRAL, VICUNA] {
        for response in ["Two.", "<think>\nOne.\n</think>\n\nTwo."] {
            let folder = characters();
            let encoder = encoder(folder.path(), template, EncoderOptions::default());
            let encoded = encoder.encode(&asked("?", response)).expect("tokens");
            let (conditional, training) = (&encoded.conditional[0], &encoded.training[0]);
            let alone = &encoded.unconditional.as_ref().expect("a frame")[0];
            let response: Vec<u32> = conditional.targets().collect();
            assert!(!response.is_empty(), "{template}");
            // The window is 64 tokens; what it leaves is the same.
            assert_eq!(alone.targets().collect::<Vec<_>>(), response, "{template}");
            let trained: Vec<u32> = training.targets().collect();
            let shared = trained.iter().zip(&response).take_while(|(a, b)| a == b).count();
            assert!(shared >= 4.min(response.len()), "{template}: {trained:?} {response:?}");
            assert!(!encoded.findings.is_trained_otherwise, "{template}");
        }
    }
}

#[test]
fn a_token_that_holds_a_character_of_the_response_belongs_to_it() {
    let folders = [byte_level(&["Yes", "No"]), sentence_piece(&["Yes", "No"])];
    for (folder, blank) in folders.iter().zip(["\u{120}", "\u{2581}"]) {
        for template in [VICUNA, MISTRAL] {
            let encoder = encoder(folder.path(), template, EncoderOptions::default());
            let encoded = encoder.encode(&asked("Ok?", "Yes")).expect("tokens");
            let yes = encoder.tokenizer().encode(" Yes").expect("tokens");
            let yes = *yes.last().expect("a token");
            let alone = &encoded.unconditional.as_ref().expect("a frame")[0];
            for sequence in [&encoded.conditional[0], alone, &encoded.training[0]] {
                assert_eq!(sequence.targets().collect::<Vec<_>>(), [yes, 1], "{blank} {template}");
            }
            // The blank is in the token, so the frame does not bring it once more.
            let frame = &alone.tokens[..alone.tokens.len() - 2];
            let blank = encoder.tokenizer().encode(" ").expect("tokens");
            assert!(!frame.ends_with(&blank), "{frame:?}");
        }
    }
}

#[test]
fn pieces_of_one_character_belong_to_it_all() {
    for folder in [byte_level(&[]), sentence_piece(&[])] {
        let encoder = encoder(folder.path(), VICUNA, EncoderOptions::default());
        let encoded = encoder.encode(&asked("?", "\u{e9}")).expect("tokens");
        // Two bytes and the end; the blank before is a token of the prompt.
        assert_eq!(encoded.scored_tokens(), 3);
    }
}

#[test]
fn a_prompt_that_the_answered_conversation_hides() {
    let folder = characters();
    let system = Message::new("system", "Be brief.");
    let mut conversation = asked("Hi", "Yes.");
    conversation.messages.insert(0, system);
    let prompt = |prompt: Option<PromptText>| {
        let options = EncoderOptions { prompt, ..Default::default() };
        let texts = encoder(folder.path(), MISTRAL, options).texts(&conversation).expect("texts");
        assert_eq!(texts.training[0].prefix(), texts.conditional[0].prefix());
        (texts.conditional[0].prefix().to_owned(), texts.findings.is_prompt_of_generation)
    };
    let with_system = ("<s>[INST] Be brief.\n\nHi [/INST] ".to_owned(), true);
    assert_eq!(prompt(None), with_system);
    assert_eq!(prompt(Some(PromptText::Generation)), with_system);
    let without = ("<s>[INST] Hi [/INST] ".to_owned(), false);
    assert_eq!(prompt(Some(PromptText::Conversation)), without);
}

#[test]
fn an_end_that_is_written_already_is_not_written_twice() {
    let folder = characters();
    let encoder = encoder(folder.path(), "chatml", EncoderOptions::default());
    let texts = encoder.texts(&asked("Hi", "Yes.</s>")).expect("texts");
    assert_eq!(texts.training[0].scored(), "Yes.</s>");
    assert!(texts.findings.is_end_written);
    let texts = encoder.texts(&asked("Hi", "Yes</s>.")).expect("texts");
    assert_eq!(texts.training[0].scored(), "Yes</s>.</s>");
    // The template's own end is the target's.
    let (texts, _) = told(R1, "Yes.");
    assert!(!texts.findings.is_end_written && texts.training[0].scored() == "Yes.</s>");
}

#[test]
fn text_parts_for_a_template_that_knows_only_texts() {
    let folder = characters();
    let mut user = Message::new("user", "");
    user.set(
        "content",
        serde_json::json!([{"type": "text", "text": "H"}, {"type": "text", "text": "i"}]),
    );
    let conversation = Conversation::new([user], Message::new("assistant", "Yes."));
    for template in ["chatml", "{% for m in messages %}[{{ m.role }}]{{ m.content }}\n{% endfor %}"]
    {
        let encoder = encoder(folder.path(), template, EncoderOptions::default());
        let text = encoder.rendered(&conversation).expect("a text");
        assert_eq!(text, encoder.rendered(&asked("Hi", "Yes.")).expect("a text"));
    }
}

#[test]
fn a_system_text_that_the_template_refuses() {
    let folder = characters();
    let encoder = encoder(folder.path(), GEMMA, EncoderOptions::default());
    let mut conversation = asked("Hi", "Yes.");
    conversation.put_system("Be brief.", iterit_core::conversation::SystemTurn::Ours);
    let texts = encoder.texts(&conversation).expect("our own is left out");
    assert_eq!(texts.conditional[0].text, encoder.rendered(&asked("Hi", "Yes.")).expect("a text"));
    conversation.put_system("Be brief.", iterit_core::conversation::SystemTurn::Given);
    let error = encoder.texts(&conversation).expect_err("the row's own").to_string();
    for words in ["template `test`", "user first", "without the system text `Be brief.`\nhint: "] {
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn what_a_template_does_not_show_is_counted() {
    let folder = characters();
    let mut conversation = asked("Hi", "Yes.");
    conversation.messages[1].set("reasoning_content", "Hm.".into());
    conversation.tools = Some(Box::new(serde_json::json!([{"name": "f"}])));
    let unshown = |template: &str| {
        encoder(folder.path(), template, EncoderOptions::default()).unshown(&conversation)
    };
    assert_eq!(unshown("chatml"), ["reasoning_content", "tools"]);
    let thinks = "{% for m in messages %}{{ m.role }}{{ m.thinking }}{{ m.content }}{% endfor %}";
    assert_eq!(unshown(thinks), ["tools"]);
    let prints = "{{ messages | tojson }}";
    assert_eq!(unshown(prints), ["tools"]);
}

#[test]
fn a_response_that_is_nowhere_or_in_two_places_is_refused() {
    let folder = characters();
    for (template, said) in [
        ("{{ messages[0].content }}", "does not show what the assistant says last"),
        (
            "{{ messages[-1].content }}{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}",
            "shows what the assistant says last in more than one place",
        ),
    ] {
        let encoder = encoder(folder.path(), template, EncoderOptions::default());
        let fault = encoder.texts(&asked("Hi", "Yes.")).expect_err("a fault").to_string();
        assert!(fault.contains(said), "{fault}");
    }
}

#[test]
fn generation_marks_are_a_second_opinion() {
    let folder = characters();
    let marked = |before: &str| {
        let template = "{% for m in messages %}[{{ m.role }}]{% if m.role == 'assistant' %}BEFORE\
                        {% generation %}{{ m.content }};{% endgeneration %}{% else %}{{ m.content }};\
                        {% endif %}{% endfor %}";
        let template = match before {
            "inside" => template.replace("BEFORE{% generation %}", "{% generation %}>"),
            before => template.replace("BEFORE", before),
        };
        let encoder = encoder(folder.path(), &template, EncoderOptions::default());
        encoder.texts(&asked("Hi", "Yes.")).expect("texts").findings.is_marked_otherwise
    };
    assert!(!marked("") && !marked(">") && marked("inside"));
}
