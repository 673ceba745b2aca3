//! What adapters are made of, and what of PEFT's files is refused. That they compute as PEFT does is
//! held in `learner/adapted.rs`.

use super::*;
use crate::config::Config;
use crate::models;
use crate::testing;
use serde_json::{Value, json};
use std::path::Path;

fn options(targets: Targets) -> LoraOptions {
    LoraOptions { rank: 4, alpha: 8.0, targets, rank_stabilized: false, init: LoraInit::Kaiming }
}

fn fresh(options: &LoraOptions, seed: u64) -> Adapters {
    of_model(&testing::config(&json!({})), options, seed).unwrap()
}

fn of_model(config: &Config, options: &LoraOptions, seed: u64) -> Result<Adapters> {
    let shape = models::shape(config).unwrap();
    let (body, model_type) = (&*shape.names.body, config.model_type());
    let names = LayerNames { shape: &shape, body, model_type };
    Adapters::fresh(&names, options, Device::Cpu, seed)
}

fn named(names: &[&str]) -> Targets {
    Targets::Named(names.iter().map(|&name| name.to_owned()).collect())
}

#[test]
fn targets_are_names_or_their_ends() {
    for (targets, count) in [
        (Targets::AllLinear, 3 * 7),
        (named(&["q_proj", "v_proj"]), 3 * 2),
        (named(&["self_attn.q_proj"]), 3),
        (named(&["model.layers.1.mlp.up_proj", "layers.2.mlp.up_proj"]), 2),
    ] {
        assert_eq!(fresh(&options(targets.clone()), 1).layers.len(), count, "{targets:?}");
    }
    for (names, fault) in [
        (&["q_proj", "query", "proj"][..], "names `query`, `proj`"),
        (&["lm_head"], "names `lm_head`"),
        (&[], "names nothing"),
    ] {
        let failed = of_model(&testing::config(&json!({})), &options(named(names)), 1);
        let message = failed.err().unwrap().to_string();
        assert!(message.contains(fault) && message.contains("`q_proj`, `k_proj`"), "{message}");
    }
}

/// Which they are is seen with PEFT itself in `tests/golden/adapted.py`.
#[test]
fn a_layer_that_peft_takes_for_experts_has_no_adapter() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/architectures");
    for (folder, is_taken) in [
        ("deepseek-v2", true),
        ("deepseek-v3", true),
        ("dots1", true),
        ("ernie4_5-moe", true),
        ("glm4-moe", true),
        ("qwen3-moe", true),
        ("qwen3-next", true),
        ("qwen2-moe", false),
        ("qwen3.5-moe", false),
        ("lfm2", false),
        ("llama-longrope", false),
    ] {
        let config = Config::read(&golden.join(folder).join("config.json")).unwrap();
        let feed_forwards = |targets| -> Result<usize> {
            let adapters = of_model(&config, &options(targets), 1)?;
            let of = |it: &&Adapter| ["down_proj", "w2"].contains(&it.layer.last_part());
            assert!(adapters.layers.len() > 2, "{folder}");
            Ok(adapters.layers.iter().filter(of).count())
        };
        assert_eq!(feed_forwards(Targets::AllLinear).unwrap() == 0, is_taken, "{folder}");
        let name = if folder == "lfm2" { "w2" } else { "down_proj" };
        match feed_forwards(named(&[name])) {
            Err(fault) => {
                let fault = fault.to_string();
                let is_named =
                    fault.contains(".down_proj` the first, whose adapters PEFT does not load");
                assert!(is_taken && is_named, "{folder}: {fault}");
            }
            Ok(count) => assert!(!is_taken && count > 0, "{folder}"),
        }
    }
}

/// The first matrices by PEFT's formulas, moments of the distributions within five standard errors.
#[test]
fn adapters_start_as_in_peft() {
    for (init, deviation) in
        [(LoraInit::Kaiming, 1.0 / 32f64.sqrt() / 3f64.sqrt()), (LoraInit::Gaussian, 1.0 / 64.0)]
    {
        let options = LoraOptions { rank: 64, init, ..options(named(&["q_proj"])) };
        let adapters = fresh(&options, 3);
        for Adapter { a, b, scale, .. } in &adapters.layers {
            assert_eq!((a.size(), b.size()), (vec![64, 32], vec![32, 64]));
            assert_eq!((b.count_nonzero(None).int64_value(&[]), *scale), (0, 8.0 / 64.0));
            let found = a.square().mean(Kind::Double).double_value(&[]).sqrt();
            assert!((found / deviation - 1.0).abs() < 5.0 / (2.0 * 2048.0f64).sqrt(), "{found}");
            if init == LoraInit::Kaiming {
                assert!(a.abs().max().double_value(&[]) <= 1.0 / 32f64.sqrt());
            }
        }
        let first = |adapters: &Adapters| adapters.layers[0].a.copy();
        assert_eq!(first(&fresh(&options, 3)), first(&adapters));
        assert_ne!(first(&fresh(&options, 4)), first(&adapters));
        assert_ne!(adapters.layers[0].a, adapters.layers[1].a);
    }
    let stabilized = LoraOptions { rank_stabilized: true, ..options(Targets::AllLinear) };
    assert_eq!(fresh(&stabilized, 1).layers[0].scale, 8.0 / 2.0);
}

fn parse(changes: &Value) -> Result<PeftConfig, Vec<String>> {
    let mut fields = json!({"peft_type": "LORA", "r": 4, "lora_alpha": 8, "bias": "none"});
    let fields = fields.as_object_mut().unwrap();
    fields.extend(changes.as_object().unwrap().clone());
    PeftConfig::parse(fields)
}

#[test]
fn patterns_go_by_the_end_of_a_name_and_the_first_counts() {
    let config = parse(&json!({
        "rank_pattern": {"layers.1.mlp.down_proj": 2},
        "alpha_pattern": {"down_proj": 6, "1.mlp.down_proj": 100, "layers.0.self_attn.q_proj": 1},
    }));
    let config = config.unwrap();
    for (layer, rank, scale) in [
        ("model.layers.1.mlp.down_proj", 2, 3.0),
        ("model.layers.11.mlp.down_proj", 4, 1.5),
        ("model.layers.0.self_attn.q_proj", 4, 0.25),
        ("model.layers.1.self_attn.q_proj", 4, 2.0),
    ] {
        let found = (config.rank_of(layer), config.scale(layer, config.rank_of(layer)));
        assert_eq!(found, (rank, scale), "{layer}");
    }
}

#[test]
fn what_cannot_be_done_is_refused_by_name_all_at_once() {
    for (changes, faults) in [
        (json!({"use_dora": true}), &["`use_dora` is true, which is not supported"][..]),
        (
            json!({"peft_type": "IA3", "modules_to_save": ["lm_head"], "lora_bias": true}),
            &[
                "`peft_type` is \"IA3\"",
                "`modules_to_save` is [\"lm_head\"]",
                "`lora_bias` is true",
            ],
        ),
        (json!({"bias": "all", "task_type": "SEQ_CLS"}), &["`bias` is \"all\"", "\"SEQ_CLS\""]),
        (json!({"of_tomorrow": 3}), &["`of_tomorrow` is 3"]),
        (json!({"rank_pattern": {"(q|k)_proj": 2}}), &["`rank_pattern` has \"(q|k)_proj\": 2"]),
        (json!({"alpha_pattern": {"q_proj": "8"}}), &["`alpha_pattern` has"]),
        (json!({"init_lora_weights": "pissa_niter_4"}), &["the base was changed too"]),
        (
            json!({"r": 0, "lora_alpha": "8", "lora_dropout": 1.0}),
            &[
                "`r` is 0: expected a whole number",
                "`lora_alpha` is \"8\"",
                "`lora_dropout` is 1.0",
            ],
        ),
    ] {
        let found = parse(&changes).unwrap_err();
        assert_eq!(found.len(), faults.len(), "{found:?}");
        assert!(faults.iter().all(|it| found.iter().any(|f| f.contains(it))), "{found:?}");
    }
    let inert = json!({"inference_mode": true, "peft_version": "0.21.0", "megatron_core": "x",
        "modules_to_save": null, "loftq_config": {}, "use_dora": false, "rank_pattern": {}});
    assert!(parse(&inert).is_ok());
}
