//! Llama and its next relatives once more, for the tests: one sequence at a time in plain f64 arithmetic,
//! written from the papers' formulas and sharing no code with the layers. What others add is compared
//! with transformers.

use crate::layers::attention::AttentionShape;
use crate::layers::rope::RopeScaling;
use crate::models::shape::{DecoderShape, Embeddings};
use crate::parameters::Weights;
use std::collections::HashMap;
use std::f64::consts::PI;
use tch::Kind;

type Row = Vec<f64>;

/// The weights by name, flattened row by row.
pub(crate) struct Reference<'a> {
    shape: &'a DecoderShape,
    weights: HashMap<String, Vec<f64>>,
}

impl<'a> Reference<'a> {
    pub(crate) fn new(shape: &'a DecoderShape, parameters: &Weights) -> Self {
        let flat = |tensor: &tch::Tensor| {
            Vec::try_from(tensor.detach().to_kind(Kind::Double).flatten(0, -1)).unwrap()
        };
        let weights = parameters.iter().map(|(name, t)| (name.to_owned(), flat(t))).collect();
        Self { shape, weights }
    }

    /// −log p of every token given those before it; none for the first.
    pub(crate) fn token_nll(&self, tokens: &[u32]) -> Vec<f64> {
        let head = match self.shape.embeddings {
            Embeddings::Tied => "model.embed_tokens",
            Embeddings::Untied => "lm_head",
        };
        let hidden = self.hidden(tokens);
        let loss = |(h, &target): (&Row, &u32)| {
            let logits = self.linear(head, h);
            let top = logits.iter().copied().fold(f64::MIN, f64::max);
            let total: f64 = logits.iter().map(|logit| (logit - top).exp()).sum();
            total.ln() + top - logits[target as usize]
        };
        hidden.iter().zip(&tokens[1..]).map(loss).collect()
    }

    /// Hidden states after the final norm.
    pub(crate) fn hidden(&self, tokens: &[u32]) -> Vec<Row> {
        let size = self.shape.hidden_size as usize;
        let embedding = &self.weights["model.embed_tokens.weight"];
        let embed = |&token: &u32| embedding[token as usize * size..][..size].to_vec();
        let mut rows: Vec<Row> = tokens.iter().map(embed).collect();
        for layer in 0..self.shape.blocks.len() {
            let attention = self.shape.blocks[layer].mixer.shape.attention().expect("as in Llama");
            let name = format!("model.layers.{layer}");
            let normed = self.norms(&format!("{name}.input_layernorm"), &rows);
            add(&mut rows, &self.attention(&format!("{name}.self_attn"), attention, &normed));
            let normed = self.norms(&format!("{name}.post_attention_layernorm"), &rows);
            let mlp = |x: &Row| self.mlp(&format!("{name}.mlp"), x);
            add(&mut rows, &normed.iter().map(mlp).collect::<Vec<_>>());
        }
        self.norms("model.norm", &rows)
    }

    fn attention(&self, name: &str, shape: &AttentionShape, rows: &[Row]) -> Vec<Row> {
        let dim = shape.head_dim as usize;
        let group = (shape.num_attention_heads / shape.num_key_value_heads) as usize;
        let heads = |part: &str, norm: Option<&str>| -> Vec<Vec<Row>> {
            let project = |(position, x): (usize, &Row)| {
                let all = self.linear(&format!("{name}.{part}"), x);
                let head = |head: &[f64]| match norm {
                    None => head.to_vec(),
                    Some(norm) => {
                        let normed = format!("{name}.{norm}");
                        let has_norm = shape.query_key_norm.is_some();
                        let head = head.to_vec();
                        let head = if has_norm { self.norm(&normed, &head) } else { head };
                        self.rotate(&head, position)
                    }
                };
                all.chunks(dim).map(head).collect()
            };
            rows.iter().enumerate().map(project).collect()
        };
        let (queries, keys) = (heads("q_proj", Some("q_norm")), heads("k_proj", Some("k_norm")));
        let values = heads("v_proj", None);
        let gather = |position: usize| {
            let head = |head: usize| {
                let score = |seen: usize| {
                    dot(&queries[position][head], &keys[seen][head / group]) / (dim as f64).sqrt()
                };
                let first = shape.window.map_or(0, |window| (position + 1).saturating_sub(window));
                let weights: Vec<f64> = (first..=position).map(|seen| score(seen).exp()).collect();
                let total: f64 = weights.iter().sum();
                let feature = |i: usize| {
                    let terms = weights.iter().zip(&values[first..]);
                    terms.map(|(w, value)| w * value[head / group][i]).sum::<f64>() / total
                };
                (0..dim).map(feature).collect::<Vec<_>>()
            };
            (0..shape.num_attention_heads as usize).flat_map(head).collect::<Row>()
        };
        (0..rows.len()).map(|t| self.linear(&format!("{name}.o_proj"), &gather(t))).collect()
    }

    /// Features i and i + D/2 as a complex number, turned by its angle.
    fn rotate(&self, head: &[f64], position: usize) -> Row {
        let half = head.len() / 2;
        let mut turned = head.to_vec();
        for i in 0..half {
            let angle = position as f64 * self.frequency(i);
            let (re, im) = (head[i], head[i + half]);
            turned[i] = re * angle.cos() - im * angle.sin();
            turned[i + half] = re * angle.sin() + im * angle.cos();
        }
        turned
    }

    fn frequency(&self, i: usize) -> f64 {
        let rope = &self.shape.ropes[0];
        let plain = 1.0 / rope.theta.powf(2.0 * i as f64 / rope.rotary_dim as f64);
        match rope.scaling {
            RopeScaling::Default => plain,
            RopeScaling::Linear { factor } => plain / factor,
            RopeScaling::Llama3 {
                factor,
                low_freq_factor: low,
                high_freq_factor: high,
                original_max_position_embeddings: context,
            } => {
                let wavelength = 2.0 * PI / plain;
                if wavelength > context / low {
                    plain / factor
                } else if wavelength < context / high {
                    plain
                } else {
                    let smooth = (context / wavelength - low) / (high - low);
                    (1.0 - smooth) * plain / factor + smooth * plain
                }
            }
            ref other => panic!("{other:?} is compared with transformers"),
        }
    }

    fn mlp(&self, name: &str, x: &Row) -> Row {
        let gate = self.linear(&format!("{name}.gate_proj"), x);
        let up = self.linear(&format!("{name}.up_proj"), x);
        let gated: Row = gate.iter().zip(up).map(|(g, u)| g / (1.0 + (-g).exp()) * u).collect();
        self.linear(&format!("{name}.down_proj"), &gated)
    }

    fn norms(&self, name: &str, rows: &[Row]) -> Vec<Row> {
        rows.iter().map(|x| self.norm(name, x)).collect()
    }

    fn norm(&self, name: &str, x: &Row) -> Row {
        let scale = 1.0 / (dot(x, x) / x.len() as f64 + self.shape.norm.eps).sqrt();
        x.iter().zip(&self.weights[&format!("{name}.weight")]).map(|(x, w)| x * scale * w).collect()
    }

    fn linear(&self, name: &str, x: &Row) -> Row {
        let weight = &self.weights[&format!("{name}.weight")];
        let bias = self.weights.get(&format!("{name}.bias"));
        let row = |(i, row): (usize, &[f64])| dot(row, x) + bias.map_or(0.0, |bias| bias[i]);
        weight.chunks(x.len()).enumerate().map(row).collect()
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn add(rows: &mut [Row], others: &[Row]) {
    for (x, y) in rows.iter_mut().flatten().zip(others.iter().flatten()) {
        *x += y;
    }
}
