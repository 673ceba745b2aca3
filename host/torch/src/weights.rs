//! Weights out of a Hugging Face folder and back into one: one file, or shards with an index.

use crate::stored::{Extra, INDEX, SINGLE, Stored, Wanted};
use crate::tensor_file::{self, Content};
use iterit_core::{Result, whole_file};
use serde_json::json;
use std::path::Path;
use tch::{Kind, Tensor};

/// Files above this many bytes are split, as Hugging Face does.
pub(crate) const SHARD_BYTES: u64 = 5_000_000_000;

/// Reads the weights that a model wants, gives one tensor after another to `take`, and keeps hold of what
/// else is there. Those that are stored in the type `mapped` stay in their files, mapped into memory; of the
/// others one is in memory at a time besides what `take` keeps.
///
/// # Errors
/// Every tensor that is missing, or of another shape or type.
pub(crate) fn load(
    stored: Stored,
    wanted: &Wanted<'_>,
    mapped: Option<Kind>,
    take: &mut dyn FnMut(&str, Tensor),
) -> Result<Extra> {
    stored.check(wanted)?;
    let maps = mapped.map(|kind| (stored.map(), kind));
    for (name, _) in wanted.tensors {
        let mapped = |(maps, kind): &(_, _)| stored.mapped(maps, name, wanted, *kind);
        match maps.as_ref().and_then(mapped) {
            Some(tensor) => take(name, tensor),
            None => take(name, stored.read(name, wanted)?),
        }
    }
    Ok(stored.into_extra(wanted))
}

/// Gives the weight of a name.
pub(crate) type Give<'a> = dyn Fn(&str) -> Tensor + 'a;

/// In which type the weight of a name is written.
pub(crate) type KindOf<'a> = dyn Fn(&str) -> Kind + 'a;

/// Writes weights of these names and shapes, and behind them what else their origin had, into one file, or
/// into shards of at most `shard_bytes` with an index. Of the weights that `give` makes, one shard is in
/// memory at a time.
pub(crate) fn save(
    folder: &Path,
    weights: &[(String, Vec<i64>)],
    give: &Give<'_>,
    extra: &Extra,
    kind_of: &KindOf<'_>,
    shard_bytes: u64,
) -> Result<()> {
    let own = weights.iter().map(|(name, shape)| {
        let bytes = shape.iter().product::<i64>() as u64 * kind_of(name).elt_size_in_bytes() as u64;
        (name.as_str(), None, bytes)
    });
    let others = extra.contents().map(|(name, content, size)| (name, Some(content), size));
    let shards = cut(own.chain(others), shard_bytes);
    let count = shards.len();
    if count == 1 {
        return save_shard(&folder.join(SINGLE), &shards[0], give, kind_of);
    }
    let mut weight_map = serde_json::Map::new();
    let mut total_size = 0;
    for (number, shard) in (1..).zip(&shards) {
        let file = format!("model-{number:05}-of-{count:05}.safetensors");
        save_shard(&folder.join(&file), shard, give, kind_of)?;
        for (name, _, size) in shard {
            weight_map.insert((*name).into(), json!(file));
            total_size += size;
        }
    }
    let index = json!({"metadata": {"total_size": total_size}, "weight_map": weight_map});
    whole_file::write_json(&folder.join(INDEX), &index)
}

/// Names, contents where they are another file's, sizes in bytes.
type Shard<'a> = Vec<(&'a str, Option<Content<'a>>, u64)>;

/// Fills shards in the model's order; a tensor above the limit has one of its own.
fn cut<'a>(
    tensors: impl Iterator<Item = (&'a str, Option<Content<'a>>, u64)>,
    shard_bytes: u64,
) -> Vec<Shard<'a>> {
    let mut shards: Vec<Shard<'_>> = vec![Vec::new()];
    let mut filled = 0;
    for (name, content, size) in tensors {
        let last = shards.last().expect("there is always one");
        if !last.is_empty() && filled + size > shard_bytes {
            shards.push(Vec::new());
            filled = 0;
        }
        shards.last_mut().expect("there is always one").push((name, content, size));
        filled += size;
    }
    shards
}

fn save_shard(path: &Path, shard: &Shard<'_>, give: &Give<'_>, kind_of: &KindOf<'_>) -> Result<()> {
    let _no_grad = tch::no_grad_guard();
    let given: Vec<Option<Tensor>> = shard
        .iter()
        .map(|(name, content, _)| content.is_none().then(|| give(name).to_kind(kind_of(name))))
        .collect();
    let contents = shard.iter().zip(&given).map(|((name, content, _), given)| {
        let given = given.as_ref().map(Content::Tensor);
        (*name, content.or(given).expect("one of the two"))
    });
    tensor_file::write(path, &contents.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parameters::Weights;
    use tch::Device;

    type Shapes = Vec<(String, Vec<i64>)>;

    fn tensor(size: [i64; 2], start: f64) -> Tensor {
        let numbers = Tensor::arange(size[0] * size[1], (Kind::Double, Device::Cpu)) + start;
        numbers.to_kind(Kind::Float).view(size)
    }

    fn parameters() -> Weights {
        named(&[("model.a", [4, 2], 0.5), ("model.b", [3, 3], -7.0), ("c", [2, 2], 100.0)])
    }

    fn named(tensors: &[(&str, [i64; 2], f64)]) -> Weights {
        Weights::new(
            tensors.iter().map(|(name, size, start)| ((*name).into(), tensor(*size, *start))),
        )
    }

    fn shapes(parameters: &Weights) -> Shapes {
        parameters.iter().map(|(name, tensor)| (name.to_owned(), tensor.size())).collect()
    }

    fn write(folder: &Path, weights: &Weights, shard_bytes: u64) {
        let give = |name: &str| weights.get(name).shallow_clone();
        save(folder, &shapes(weights), &give, &Extra::default(), &|_| Kind::Float, shard_bytes)
            .unwrap();
    }

    fn read(
        folder: &Path,
        tensors: &Shapes,
        twins: Option<(&str, &str)>,
    ) -> Result<(Weights, Extra)> {
        let of = |mapped| -> Result<(Weights, Extra)> {
            let mut named = Vec::new();
            let mut take = |name: &str, tensor: Tensor| named.push((name.to_owned(), tensor));
            let extra = load(Stored::open(folder)?, &Wanted { tensors, twins }, mapped, &mut take)?;
            Ok((Weights::new(named), extra))
        };
        let (read, mapped) = (of(None)?, of(Some(Kind::Float))?);
        assert!(read.0.iter().eq(mapped.0.iter()), "mapped and read are the same");
        Ok(mapped)
    }

    fn fails(folder: &Path, tensors: &Shapes, faults: &[&str]) {
        let message = read(folder, tensors, None).err().expect("a fault").to_string();
        for fault in faults {
            assert!(message.contains(fault), "{message}");
        }
    }

    #[test]
    fn one_file_or_shards_hold_the_same() {
        let parameters = parameters();
        // 32, 36 and 16 bytes.
        for (shard_bytes, files) in [(1000, 1), (70, 2), (36, 3), (1, 3)] {
            let folder = tempfile::tempdir().unwrap();
            write(folder.path(), &parameters, shard_bytes);
            let count = std::fs::read_dir(folder.path()).unwrap().count();
            assert_eq!(count, if files == 1 { 1 } else { files + 1 });
            let (loaded, extra) = read(folder.path(), &shapes(&parameters), None).unwrap();
            assert_eq!(extra.names().len(), 0);
            for ((name, a), (_, b)) in parameters.iter().zip(loaded.iter()) {
                assert_eq!(a, b, "{name}");
            }
        }
    }

    #[test]
    fn all_faults_are_named_at_once() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &parameters(), 70);
        let expected: Shapes = vec![
            ("model.a".into(), vec![4, 2]),
            ("model.b".into(), vec![3, 4]),
            ("d".into(), vec![7]),
        ];
        fails(
            folder.path(),
            &expected,
            &[
                "tensor `d` is missing: expected shape [7]",
                "tensor `model.b` in model-00001-of-00002.safetensors has shape [3, 3]: expected [3, 4]",
            ],
        );
        let head: Shapes =
            vec![("model.a".into(), vec![4, 2]), ("lm_head.weight".into(), vec![4, 2])];
        fails(
            folder.path(),
            &head,
            &["`lm_head.weight` is missing", "hint: a model saved without"],
        );
        write(folder.path(), &named(&[("module.a", [4, 2], 0.0)]), 70);
        std::fs::remove_file(folder.path().join(INDEX)).unwrap();
        fails(folder.path(), &expected, &["hint: all names here begin with `module.`"]);
    }

    #[test]
    fn what_the_model_does_not_have_is_carried_along() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &parameters(), 36);
        let wanted = shapes(&named(&[("model.a", [4, 2], 0.5)]));
        let (loaded, extra) = read(folder.path(), &wanted, None).unwrap();
        assert_eq!(extra.names().collect::<Vec<_>>(), ["model.b", "c"]);
        for shard_bytes in [1000, 1] {
            let copy = tempfile::tempdir().unwrap();
            let give = |name: &str| loaded.get(name).shallow_clone();
            let loaded = shapes(&loaded);
            save(copy.path(), &loaded, &give, &extra, &|_| Kind::BFloat16, shard_bytes).unwrap();
            let stored = Stored::open(copy.path()).unwrap();
            let all = shapes(&parameters());
            let wanted = Wanted { tensors: &all, twins: None };
            for (name, tensor) in parameters().iter() {
                let found = stored.read(name, &wanted).unwrap();
                let kind = if name == "model.a" { Kind::BFloat16 } else { Kind::Float };
                assert_eq!((found.kind(), found), (kind, tensor.to_kind(kind)), "{name}");
            }
        }
    }

    #[test]
    fn one_matrix_for_embedding_and_head_has_either_name_or_both() {
        let shape: Shapes = vec![("model.embed".into(), vec![4, 2])];
        let twins = Some(("model.embed", "head"));
        for (tensors, differ, beyond) in [
            (vec![("model.embed", [4, 2], 0.0)], false, 0),
            (vec![("head", [4, 2], 0.0), ("x.rotary_emb.inv_freq", [1, 1], 0.0)], false, 0),
            (vec![("model.embed", [4, 2], 0.0), ("v_head", [1, 1], 0.0)], false, 1),
            (vec![("model.embed", [4, 2], 0.0), ("head", [4, 2], 0.0)], false, 0),
            (vec![("model.embed", [4, 2], 0.0), ("head", [4, 2], 1.0)], true, 0),
            (vec![("model.embed", [4, 2], 0.0), ("head", [2, 2], 0.0)], true, 0),
        ] {
            let folder = tempfile::tempdir().unwrap();
            write(folder.path(), &named(&tensors), 1000);
            let stored = Stored::open(folder.path()).unwrap();
            assert_eq!(stored.differ("model.embed", "head").unwrap(), differ, "{tensors:?}");
            let (loaded, extra) = read(folder.path(), &shape, twins).unwrap();
            assert_eq!(loaded.iter().next().unwrap().1, &tensor([4, 2], 0.0));
            assert_eq!(extra.names().len(), beyond, "{tensors:?}");
        }
    }

    #[test]
    fn a_folder_that_is_no_model_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let check = |fault: &str| fails(folder.path(), &vec![], &[fault]);
        check("found neither model.safetensors nor");
        for (file, hint) in [
            ("other.safetensors", "hint: safetensors are there under another name"),
            ("model.Q4_K_M.gguf", "hint: GGUF is not read"),
            ("adapter_model.safetensors", "hint: these are an adapter's weights"),
            ("pytorch_model-00001-of-00002.bin", "hint: convert pytorch_model.bin"),
        ] {
            std::fs::write(folder.path().join(file), "").unwrap();
            check(hint);
        }
        let index = folder.path().join(INDEX);
        for (text, fault) in [
            ("[", "EOF while parsing"),
            ("{}", "expected an object under `weight_map`"),
            (r#"{"weight_map": {"a": 1}}"#, "`a`: expected a file name, found 1"),
            (r#"{"weight_map": {"a": "../secret"}}"#, "expected a file name"),
            (r#"{"weight_map": {"a": "gone.safetensors"}}"#, "gone.safetensors"),
        ] {
            std::fs::write(&index, text).unwrap();
            check(fault);
        }
    }
}
