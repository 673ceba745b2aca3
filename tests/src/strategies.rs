//! The reference pool of `iterative`, fed with the published program's own scores, asks for the
//! same samples in the same order and leads to the same picks, in every epoch of its runs.

use crate::golden;
use crate::picks::{alpaca_targets, pick};
use iterit_plugin_ifd::ifd::{Definition, ScoreDtype, score};
use iterit_plugin_iterative::order::ReferenceOrder;
use iterit_sdk::{Nll, ResponseNll, SampleId, ScoreRow};
use serde_json::{Value, json};
use std::collections::BTreeMap;

#[test]
fn orders_and_picks_of_the_published_runs() {
    for name in [
        "loop400_ga4_lr1e-3",
        "loop400_ga4_lr1e-3_ur1",
        "loop400_ga4_lr1e-3_ifd",
        "loop400_ga8_lr1e-3",
        "loop400_ga32_lr2e-5",
    ] {
        let Some(golden) = golden::shared(&format!("golden/loop/{name}.json")) else { return };
        let Some(mut replay) = Replay::of(golden) else { return };
        replay.check(name);
    }
}

/// A published run, walked through with our order and our pick.
struct Replay {
    golden: Value,
    texts: Vec<String>,
    order: ReferenceOrder,
    latest: BTreeMap<SampleId, ScoreRow>,
}

impl Replay {
    fn of(mut golden: Value) -> Option<Self> {
        golden["eos_text"] = json!("<|end_story|>");
        let texts = alpaca_targets(&golden)?;
        let order = ReferenceOrder::of_input(texts.len() as u64);
        Some(Self { texts, order, latest: BTreeMap::new(), golden })
    }

    fn check(&mut self, name: &str) {
        for (epoch, log) in (0..).zip(golden::array(&self.golden.clone(), "epochs_log")) {
            let dropped = self.without_score();
            let published = |ids: &[SampleId]| -> Vec<usize> {
                let kept = ids.iter().filter(|id| !dropped.contains(id));
                kept.map(|&id| id as usize).collect()
            };
            let at = format!("{name}, epoch {epoch}");
            let order = published(self.order.ids());
            assert_eq!(order, golden::positions(log, "order_before_select"), "{at}");
            let pool = self.order.take_pool(self.pool_size(epoch)).to_vec();
            assert_eq!(published(&pool), golden::positions(log, "scored_ids"), "{at}");

            self.take_scores(epoch, log);
            let picks = self.pick(&pool);
            let expected = golden::positions(log, "selected_ids");
            assert_eq!(published(&picks), expected, "{at}");
            self.order.after_pick(&picks, &self.latest.values().copied().collect::<Vec<_>>());
        }
    }

    /// What the published program drops for ever, and we keep at the end of the order.
    fn without_score(&self) -> Vec<SampleId> {
        self.latest.values().filter(|row| row.value.is_nan()).map(|row| row.id).collect()
    }

    fn pool_size(&self, epoch: u32) -> usize {
        match (epoch, self.number("update_ratio")) {
            (0, _) | (_, 1) => self.texts.len(),
            (_, ratio) => self.number("k") * ratio,
        }
    }

    fn take_scores(&mut self, scored_at: u32, log: &Value) {
        let scores = golden::numbers(log, "ifd_float32");
        for (id, ifd) in golden::positions(log, "scored_ids").into_iter().zip(scores) {
            let (value, eligible) = as_bfloat16(ifd);
            let id = id as SampleId;
            self.latest.insert(id, ScoreRow { id, value, eligible, scored_at });
        }
    }

    fn pick(&self, pool: &[SampleId]) -> Vec<SampleId> {
        let eligible: Vec<&ScoreRow> =
            pool.iter().map(|id| &self.latest[id]).filter(|row| row.eligible).collect();
        let scores: Vec<f64> = eligible.iter().map(|row| row.value).collect();
        let texts: Vec<String> = match self.golden["score_type"].as_str() {
            // Without diversity every gain is the same: texts that share no word.
            Some("IFD") => (0..eligible.len()).map(|text| format!("word{text}")).collect(),
            _ => eligible.iter().map(|row| self.texts[row.id as usize].clone()).collect(),
        };
        let decay = golden::number(&self.golden["diversity_weight_decay"]);
        let picks = pick(&texts, &scores, decay, self.number("k"));
        picks.candidates.iter().map(|&pick| eligible[pick].id).collect()
    }

    fn number(&self, key: &str) -> usize {
        self.golden[key].as_u64().expect("a count") as usize
    }
}

/// An IFD as the plugin keeps it with `score_dtype = "bfloat16"`.
fn as_bfloat16(ifd: f64) -> (f64, bool) {
    let nll = |sum| Nll { sum, tokens: 1 };
    let nll = ResponseNll { conditional: nll(ifd), unconditional: nll(1.0) };
    let score = score(&nll, Definition::LossRatio, ScoreDtype::Bfloat16);
    (score.value, score.eligible)
}
