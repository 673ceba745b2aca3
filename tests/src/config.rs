//! The configuration is strict: every fault is named at once, with its place and what to do.

use iterit_core::compare::Plan;
use iterit_core::config::on_resume;
use iterit_core::config::{Config, DeviceChoice, Dtype, MicroBatch, OnResume, Setting, Shuffle};
use iterit_core::schedule::Decay;
use iterit_core::{Error, Result};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use toml::Value;

fn load(text: &str, arguments: &[&str]) -> Result<Config> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("run.toml");
    fs::write(&path, text).expect("a file");
    let settings = arguments.iter().map(|set| Setting::parse(set)).collect::<Result<Vec<_>>>()?;
    Config::load(Some(&path), &settings)
}

/// The faults, with the file's folder left out.
fn faults(text: &str, arguments: &[&str]) -> Vec<String> {
    match load(text, arguments).expect_err("faults") {
        Error::Config(faults) => faults
            .into_iter()
            .map(|fault| match fault.split_once("run.toml") {
                Some((_, rest)) => format!("run.toml{rest}"),
                None => fault,
            })
            .collect(),
        other => panic!("{other}"),
    }
}

#[test]
fn defaults_then_the_file_then_the_command_line() {
    let text = "seed = 7\n[train]\nepochs = 2\nlearning_rate = 1\n[plugins.ifd]\na = 1\nb = 2\n";
    let sets =
        ["train.epochs=4", "train.epochs=5", "plugins.ifd.b=three", "selection.weights.ifd=2"];
    let config = load(text, &sets).expect("a configuration");
    assert_eq!((config.seed, config.train.epochs, config.train.learning_rate), (7, 5, 1.0));
    assert_eq!(config.selection.plugins, ["ifd", "diversity", "iterative"]);
    assert_eq!((config.selection.weight("ifd"), config.selection.weight("other")), (2.0, 1.0));
    assert_eq!(config.plugins["ifd"]["a"], Value::Integer(1));
    assert_eq!(config.plugins["ifd"]["b"], Value::String("three".into()));
}

#[test]
fn values_of_every_kind() {
    let text = r#"
        [model]
        dtype = "bfloat16-pure"
        device = "cuda:1"
        [data]
        path = ["a.json", "b.json"]
        target_path = "c.json"
        [train]
        max_grad_norm = inf
        micro_batch = 4
        shuffle = "same"
        schedule = "linear"
        "#;
    let sets =
        ["train.target_end=end-of-turn", "data.eos_text=1", "train={loss_normalization='token'}"];
    let config = load(text, &sets).expect("a configuration");
    assert_eq!(
        (config.model.dtype, config.model.device),
        (Dtype::Bfloat16Pure, DeviceChoice::Cuda(1))
    );
    assert_eq!(config.data.path, ["a.json", "b.json"].map(PathBuf::from));
    assert_eq!(config.data.target_path, [PathBuf::from("c.json")]);
    assert_eq!(config.data.eos_text.as_deref(), Some("1"));
    assert_eq!(
        (config.train.micro_batch, config.train.shuffle),
        (MicroBatch::Samples(4.try_into().unwrap()), Shuffle::Same)
    );
    assert_eq!(config.train.max_grad_norm, f64::INFINITY);
}

#[test]
fn the_saved_copy_loads_again_to_the_same() {
    let text = "[model]\npath = 'm'\nmax_length = 9\n[data]\npath = 'd'\neos_text = \"\\n\\\"\"\n\
                [train]\nmicro_batch = 3\nmax_grad_norm = inf\n[plugins.a-b]\nx = [1.5, {y = 2}]\n";
    for config in [Config::default(), load(text, &[]).expect("a configuration")] {
        let saved = config.to_toml();
        assert_eq!(Config::parse(&saved, "saved").expect(&saved), config, "{saved}");
    }
}

#[test]
fn every_fault_is_reported_at_once_and_in_its_place() {
    let text = "epochs = 3\n[train]\nepochs = 0\nlearning_rat = 1e-5\nschedule = \"cosin\"\n\
                [selection]\nratio = 0\n[model]\nlora = 3\n[trian]\nepochs = 3\n";
    let found = faults(text, &["data.format=csv", "train.lora=8", "update_ratio=3"]);
    assert_eq!(
        found,
        [
            "run.toml:1: unknown key `epochs`, the nearest is `train.epochs`",
            "run.toml:3: `train.epochs` is 0, expected a whole number, 1 or more",
            "run.toml:4: unknown key `train.learning_rat`, the nearest is `train.learning_rate`",
            "run.toml:5: `train.schedule` is \"cosin\", expected \"cosine\", \"linear\", \
             \"constant\", \"cosine_with_min_lr\" or \"warmup_stable_decay\"",
            "run.toml:7: `selection.ratio` is 0, expected a share of the samples above 0 and up to 1, \
             or a count above 1",
            "run.toml:9: unknown key `model.lora`, the nearest is `train.lora.rank`",
            "run.toml:10: unknown section [trian], the nearest is [train]",
            "--set data.format: `data.format` is \"csv\", expected \"auto\", \"alpaca\", \"messages\", \
             \"sharegpt\", \"prompt-completion\" or \"preference\"",
            "--set train.lora: `train.lora` is 8, expected a section [train.lora]",
            "--set update_ratio: unknown key `update_ratio`, the nearest is \
             `plugins.iterative.update_ratio`",
        ]
    );
}

#[test]
fn each_key_refuses_what_makes_no_sense() {
    for set in [
        "seed=-1",
        "seed=1.5",
        "model.device=gpu",
        "model.dtype=float16",
        "model.max_length=1",
        "data.path=[1]",
        "data.path=",
        "data.eval_fraction=1",
        "selection.plugins=ifd",
        "selection.ratio=nan",
        "selection.ratio=inf",
        "selection.weights.ifd=-1",
        "train.epochs=2.5",
        "train.learning_rate=nan",
        "train.learning_rate=0",
        "train.warmup_ratio=1.5",
        "train.max_steps=0",
        "train.warmup_steps=-1",
        "train.min_lr_rate=1.1",
        "train.min_lr=-1",
        "train.decay_ratio=2",
        "train.decay_type=sqrt",
        "train.adam_beta1=1",
        "train.adam_beta2=-0.1",
        "train.adam_epsilon=0",
        "train.adam_moments=4-bit",
        "train.patience=0",
        "train.eval_every=0.5",
        "train.weight_decay=-0.1",
        "train.max_grad_norm=0",
        "train.batch=0",
        "train.micro_batch=0",
        "train.micro_batch=many",
        "train.activation_checkpointing=1",
        "train=3",
        "output.keep=0",
        "output.tensorboard=yes",
        "output.model=middle",
    ] {
        let (key, value) = set.split_once('=').expect("a key");
        let found = faults("", &[set]);
        assert_eq!(found.len(), 1, "{set}: {found:?}");
        assert!(found[0].starts_with(&format!("--set {key}: `{key}` is ")), "{found:?}");
        assert!(found[0].contains(value) && found[0].contains(", expected "), "{found:?}");
    }
}

#[test]
fn what_is_not_toml_is_named_with_its_line() {
    let found = faults("[train]\nepochs = \n[model\n", &["train.epochs=0"]);
    assert_eq!(found.len(), 3, "{found:?}");
    for (fault, start) in found.iter().zip([
        "run.toml:2: not TOML: ",
        "run.toml:3: not TOML: ",
        "--set train.epochs: ",
    ]) {
        assert!(fault.starts_with(start), "{found:?}");
    }
    let missing = Config::load(Some(Path::new("nowhere.toml")), &[]).expect_err("no file");
    assert!(missing.to_string().starts_with("cannot read `nowhere.toml`: "), "{missing}");
}

/// Every key stands in the documentation, with its default where it has one.
#[test]
fn the_documentation_has_every_key() {
    let configs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs");
    let readme = fs::read_to_string(configs.join("README.md")).expect("configs/README.md");
    let defaults: toml::Table = Config::default().to_toml().parse().expect("a table");
    for key in Config::keys() {
        let mut parts = key.split('.');
        let first = parts.next().and_then(|part| defaults.get(part));
        let default = parts.fold(first, |section, part| section?.get(part));
        let start = format!("| `{key}` | ");
        let row = readme.lines().find_map(|line| line.strip_prefix(&start));
        let row = row.unwrap_or_else(|| panic!("no row `{start}`"));
        let cell = row.split(" | ").next().expect("a cell").trim_matches('`');
        match default {
            Some(default) => assert_eq!(Some(default), cell.parse().as_ref().ok(), "{key}"),
            None => assert_eq!(cell, "unset", "{key}"),
        }
    }
}

/// What a resume may change stands in the documentation, and nothing else does.
#[test]
fn the_documentation_has_what_a_resume_may_change() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/README.md");
    let readme = fs::read_to_string(readme).expect("configs/README.md");
    for (what, start) in
        [(OnResume::Free, "| no number | "), (OnResume::Noted, "| numbers in their last digits | ")]
    {
        let row = readme.lines().find_map(|line| line.strip_prefix(start));
        let row = row.unwrap_or_else(|| panic!("no row `{start}`"));
        let said: BTreeSet<&str> = row.split('`').skip(1).step_by(2).collect();
        let are: BTreeSet<&str> = Config::keys().filter(|key| on_resume(key) == what).collect();
        assert_eq!(said, are, "{what:?}");
    }
}

/// Who multiplies by hand what other trainers multiply is told how; so is who looks for another optimizer.
#[test]
fn what_means_something_else_elsewhere_is_explained() {
    for key in ["gradient_accumulation_steps", "train.per_device_train_batch_size"] {
        let found = faults("", &[&format!("{key}=8")]);
        assert!(
            found[0].contains("the nearest is `train.batch`\nhint: train.batch counts"),
            "{found:?}"
        );
        assert!(found[0].contains("4 × 8 on one device is train.batch = 32"), "{found:?}");
    }
    let found = faults("", &["optim=adamw_8bit"]);
    assert!(found[0].contains("hint: AdamW is the only optimizer"), "{found:?}");
    let former = load("[train]\ngradient_accumulation = 8\n", &[]).expect("the former name");
    assert_eq!(former.train.batch, 8);
    let saved = former.to_toml();
    assert!(saved.contains("batch = 8") && !saved.contains("accumulation"), "{saved}");
    let both = load("[train]\ngradient_accumulation = 8\n", &["train.batch=4"]);
    assert_eq!(both.expect("a configuration").train.batch, 4);
    let wrong = faults("", &["train.gradient_accumulation=0"]);
    assert_eq!(
        wrong,
        [
            "--set train.gradient_accumulation: `train.batch` is 0, expected a number of samples, 1 or more"
        ]
    );
}

/// Names that transformers has for schedules mean the same; what cannot be meant together is a fault.
#[test]
fn schedules_have_the_names_and_the_needs_that_transformers_knows() {
    let constant = load("[train]\nschedule = 'constant_with_warmup'\n", &[]).expect("a schedule");
    assert_eq!(constant.train.schedule, Decay::Constant);
    let floored = load("[train]\nschedule = 'cosine_with_min_lr'\nmin_lr_rate = 0.1\n", &[]);
    assert_eq!(floored.expect("a schedule").train.rates(100).least, 0.1);
    for (sets, fault) in [
        (
            &["train.schedule=cosine_with_min_lr"][..],
            "`train.schedule` is \"cosine_with_min_lr\", expected a train.min_lr, or a train.min_lr_rate \
             such as 0.1",
        ),
        (
            &["train.min_lr=1e-6", "train.min_lr_rate=0.1"],
            "`train.min_lr` is 0.000001 and `train.min_lr_rate` 0.1, expected one of them: a rate, or a \
             share of train.learning_rate",
        ),
        (
            &["train.min_lr=1e-3"],
            "`train.min_lr` is 0.001, expected no more than train.learning_rate, 0.00002",
        ),
    ] {
        assert_eq!(faults("", sets), [fault], "{sets:?}");
    }
    for (theirs, ours) in [
        ("adam_beta1", "train.adam_beta1"),
        ("eval_steps", "train.eval_every"),
        ("load_best_model_at_end", "output.model"),
    ] {
        let found = faults("", &[&format!("{theirs}=1")]);
        assert!(found[0].contains(&format!("the nearest is `{ours}`")), "{found:?}");
    }
}

/// Every recipe loads, and its plugins are ours.
#[test]
fn the_recipes_load() {
    let configs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs");
    let mut names = Vec::new();
    for entry in fs::read_dir(configs).expect("configs") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|suffix| suffix == "toml") {
            // A comparison's file has a section of its own.
            let loaded = match path.file_stem().is_some_and(|name| name == "compare") {
                true => Plan::load(&path, &[]).and_then(|plan| plan.config()),
                false => Config::load(Some(&path), &[]),
            };
            loaded.unwrap_or_else(|error| panic!("{error}"));
            names.push(path.file_stem().expect("a name").to_string_lossy().into_owned());
        }
    }
    for name in ["iterit", "static", "full", "random", "length", "compare"] {
        assert!(names.iter().any(|found| found == name), "no recipe `{name}` among {names:?}");
    }
}
