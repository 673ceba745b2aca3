//! Plugins that compare samples by the model's own hidden states: `k-center` and
//! `facility-location` measure diversity, `rds` the similarity to a target set.
//!
//! Here are the options and the asking; each plugin's maths is in the module of its name.

pub mod vectors;

pub mod facility_location;
pub mod k_center;
pub mod rds;

use facility_location::FacilityLocation;
use iterit_sdk::{
    ComplexityScorer, DiversityScorer, Error, Host, Plugin, Result, SampleId, Score, Service,
};
use k_center::KCenter;
use rds::Aggregate;
use serde::{Deserialize, Serialize};
use vectors::{Options, PoolingOption, UnitVectors};

/// Diversity as the distance to the nearest pick.
#[derive(Debug)]
pub struct KCenterPlugin {
    options: Options,
    centers: KCenter,
}

impl Plugin for KCenterPlugin {
    type Options = Options;
    const SERVICES: &'static [Service] = &[Service::Embeddings];

    fn new(options: Options) -> Result<Self> {
        Ok(Self { options, centers: KCenter::default() })
    }
}

impl DiversityScorer for KCenterPlugin {
    fn begin(&mut self, host: &Host<'_>, candidates: &[SampleId]) -> Result<()> {
        self.centers = KCenter::new(UnitVectors::of_samples(host, candidates, self.options)?);
        Ok(())
    }

    fn gain(&self, candidate: usize) -> Result<f64> {
        Ok(self.centers.gain(candidate))
    }

    fn pick(&mut self, candidate: usize) -> Result<()> {
        self.centers.pick(candidate);
        Ok(())
    }

    fn gains_never_rise(&self) -> bool {
        true // a further pick can only be nearer
    }
}

/// The options of `facility-location`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FacilityLocationOptions {
    /// How the tokens of the conversation become one vector.
    pub pooling: PoolingOption,
    /// The layer whose output is taken; -1 is the last.
    pub layer: i32,
    /// More are refused: all pairs of them are compared.
    pub max_candidates: usize,
}

impl Default for FacilityLocationOptions {
    fn default() -> Self {
        let Options { pooling, layer } = Options::default();
        Self { pooling, layer, max_candidates: 20_000 }
    }
}

/// Diversity as representation of all candidates by the picks.
#[derive(Debug)]
pub struct FacilityLocationPlugin {
    options: FacilityLocationOptions,
    facilities: FacilityLocation,
}

impl FacilityLocationPlugin {
    /// Time grows with the square of the candidates, so a pool too large is refused, not begun.
    fn check(&self, candidates: usize) -> Result<()> {
        let most = self.options.max_candidates;
        if candidates <= most {
            return Ok(());
        }
        Err(Error::msg(format!(
            "{candidates} candidates, and all pairs of them are to be compared; `max_candidates` is \
             {most}\nhint: let a strategy offer fewer, raise it, or use `k-center`, whose cost is linear"
        )))
    }
}

impl Plugin for FacilityLocationPlugin {
    type Options = FacilityLocationOptions;
    const SERVICES: &'static [Service] = &[Service::Embeddings];

    fn new(options: FacilityLocationOptions) -> Result<Self> {
        Ok(Self { options, facilities: FacilityLocation::default() })
    }
}

impl DiversityScorer for FacilityLocationPlugin {
    fn begin(&mut self, host: &Host<'_>, candidates: &[SampleId]) -> Result<()> {
        self.check(candidates.len())?;
        let FacilityLocationOptions { pooling, layer, .. } = self.options;
        let vectors = UnitVectors::of_samples(host, candidates, Options { pooling, layer })?;
        self.facilities = FacilityLocation::new(host, vectors)?;
        Ok(())
    }

    fn gain(&self, candidate: usize) -> Result<f64> {
        Ok(self.facilities.gain(candidate))
    }

    fn pick(&mut self, candidate: usize) -> Result<()> {
        self.facilities.pick(candidate);
        Ok(())
    }

    fn gains_never_rise(&self) -> bool {
        true // f is submodular
    }
}

/// The options of `rds`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RdsOptions {
    /// How the tokens of the conversation become one vector.
    pub pooling: PoolingOption,
    /// The layer whose output is taken; -1 is the last.
    pub layer: i32,
    /// How the similarities to many targets become one score.
    pub aggregate: Aggregate,
}

impl Default for RdsOptions {
    fn default() -> Self {
        let Options { pooling, layer } = Options::default();
        Self { pooling, layer, aggregate: Aggregate::Max }
    }
}

/// Scores by the similarity to the samples of `data.target_path`.
#[derive(Debug)]
pub struct Rds(RdsOptions);

impl Plugin for Rds {
    type Options = RdsOptions;
    const SERVICES: &'static [Service] = &[Service::Embeddings, Service::TargetSamples];

    fn new(options: RdsOptions) -> Result<Self> {
        Ok(Self(options))
    }
}

impl ComplexityScorer for Rds {
    fn score(&self, host: &Host<'_>, ids: &[SampleId]) -> Result<Vec<Score>> {
        let RdsOptions { pooling, layer, aggregate } = self.0;
        let options = Options { pooling, layer };
        let first_target = host.num_samples();
        let target_ids: Vec<SampleId> =
            (first_target..first_target + host.num_target_samples()).collect();
        let targets = UnitVectors::of_samples(host, &target_ids, options)?;
        if targets.is_empty() {
            return Err(Error::msg(
                "there is no target sample to compare with\nhint: set `data.target_path`",
            ));
        }
        let samples = UnitVectors::of_samples(host, ids, options)?;
        let score = |sample| Score::eligible(rds::score(sample, &targets, aggregate));
        Ok(samples.iter().map(score).collect())
    }
}

iterit_sdk::export_plugin! {
    complexity: { "rds" => Rds },
    diversity: { "k-center" => KCenterPlugin, "facility-location" => FacilityLocationPlugin },
}

#[cfg(test)]
mod tests {
    use super::*;
    use iterit_sdk::{Matrix, testkit::FakeHost};
    use serde_json::Value;

    iterit_sdk::conformance!(k_center_conforms: diversity KCenterPlugin);
    iterit_sdk::conformance!(facility_location_conforms: diversity FacilityLocationPlugin,
        options: r#"{"pooling": "last", "layer": 0}"#);
    iterit_sdk::conformance!(rds_conforms: complexity Rds);

    /// Points, and what numpy picks and scores by the definitions.
    fn golden() -> Value {
        let text = include_str!("../../../tests/golden/embeddings.json");
        serde_json::from_str(text).expect("a golden")
    }

    fn numbers(value: &Value) -> Vec<f64> {
        value.as_array().expect("numbers").iter().map(|it| it.as_f64().expect("one")).collect()
    }

    fn vectors(value: &Value) -> UnitVectors {
        let rows: Vec<Vec<f64>> = value.as_array().expect("rows").iter().map(numbers).collect();
        let values = rows.concat().iter().map(|&x| x as f32).collect();
        let mut vectors = UnitVectors::default();
        vectors.push(Matrix::new(values, rows[0].len()).unwrap()).unwrap();
        vectors
    }

    /// Picks the largest score × gain, over and over, and compares each with the golden's.
    fn check_picks<C>(
        golden: &Value,
        mut coverage: C,
        gain: fn(&C, usize) -> f64,
        pick: fn(&mut C, usize),
    ) {
        let mut scores = numbers(&golden["scores"]);
        let picks = numbers(&golden["picks"]);
        for (expected, value) in picks.iter().zip(numbers(&golden["values"])) {
            let values: Vec<f64> =
                scores.iter().enumerate().map(|(at, score)| score * gain(&coverage, at)).collect();
            let best = (0..values.len()).rev().max_by(|&a, &b| values[a].total_cmp(&values[b]));
            let best = best.expect("candidates");
            assert_eq!(best as f64, *expected);
            assert!((values[best] - value).abs() < 1e-6, "{}, expected {value}", values[best]);
            pick(&mut coverage, best);
            scores[best] = -1.0;
        }
    }

    #[test]
    fn k_center_picks_what_its_definition_says() {
        let golden = golden();
        let centers = KCenter::new(vectors(&golden["points"]));
        check_picks(&golden["k_center"], centers, KCenter::gain, KCenter::pick);
    }

    #[test]
    fn facility_location_picks_what_its_definition_says() {
        let golden = golden();
        let host = FakeHost::new(1);
        let facilities =
            FacilityLocation::new(&Host::new(&host), vectors(&golden["points"])).unwrap();
        let (gain, pick) = (FacilityLocation::gain, FacilityLocation::pick);
        check_picks(&golden["facility_location"], facilities, gain, pick);
    }

    #[test]
    fn more_candidates_than_can_be_compared_are_refused() {
        let options = FacilityLocationOptions { max_candidates: 3, ..Default::default() };
        let mut plugin = FacilityLocationPlugin::new(options).unwrap();
        let host = FakeHost::new(1);
        assert!(plugin.begin(&Host::new(&host), &[4, 0, 9]).is_ok());
        let error = plugin.begin(&Host::new(&host), &[4, 0, 9, 1]).unwrap_err();
        assert!(error.message().starts_with("4 candidates, and all pairs of them"), "{error}");
    }

    #[test]
    fn rds_is_the_similarity_to_the_targets() {
        let golden = golden();
        let (points, targets) = (vectors(&golden["points"]), vectors(&golden["targets"]));
        for (name, aggregate) in [("max", Aggregate::Max), ("mean", Aggregate::Mean)] {
            let expected = numbers(&golden["rds"][name]);
            assert_eq!(expected.len(), points.len());
            for (point, expected) in points.iter().zip(expected) {
                let found = rds::score(point, &targets, aggregate);
                assert!((found - expected).abs() < 1e-6, "{name}: {found}, expected {expected}");
            }
        }
    }
}
