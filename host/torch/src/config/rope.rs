//! What a configuration says of rotary positions, as transformers resolves it: `rope_scaling` of
//! transformers 4 before `rope_parameters` of 5, a value inside before the field of the same name beside.

use super::Fields;
use crate::layers::rope::{LongRope, Rope, RopeScaling, Yarn};
use iterit_core::error::shown;
use serde_json::{Map, Value};

/// What an architecture takes where the file says nothing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RopeDefaults {
    pub(crate) theta: f64,
    /// The part of a head that turns; none where the architecture turns whole heads only.
    pub(crate) partial_rotary_factor: Option<f64>,
}

impl Default for RopeDefaults {
    fn default() -> Self {
        Self { theta: 10_000.0, partial_rotary_factor: None }
    }
}

/// The fields of one rotary embedding, and where its faults go.
struct Parameters<'a> {
    object: &'a Map<String, Value>,
    fields: &'a Fields<'a>,
}

impl Fields<'_> {
    /// The one rotary embedding that all layers share.
    pub(crate) fn rope(&self, head_dim: usize, defaults: RopeDefaults) -> Rope {
        let parameters = self.object("rope_parameters");
        let object = self.object("rope_scaling").or(parameters).unwrap_or_default();
        self.rope_of(&object, head_dim, defaults)
    }

    /// The rotary embedding that some parameters describe.
    pub(crate) fn rope_of(
        &self,
        object: &Map<String, Value>,
        head_dim: usize,
        defaults: RopeDefaults,
    ) -> Rope {
        let parameters = Parameters { object, fields: self };
        let beside = self.given_number("rope_theta");
        let theta = parameters.number("rope_theta").or(beside).unwrap_or(defaults.theta);
        let theta = self.above_zero("rope_theta", theta);
        let rotary_dim = (head_dim as f64 * self.rotary_part(&parameters, defaults)) as usize;
        let scaling = parameters.scaling(rotary_dim);
        Rope { rotary_dim, scaling, ..Rope::plain(head_dim, theta) }
    }

    /// The number, if angles can be made of it.
    fn above_zero(&self, name: &str, number: f64) -> f64 {
        if number > 0.0 {
            return number;
        }
        self.fault(format!("`{name}` is {number}: expected a number above 0"));
        1.0
    }

    fn rotary_part(&self, parameters: &Parameters<'_>, defaults: RopeDefaults) -> f64 {
        let beside = self.given_number("partial_rotary_factor");
        let found = parameters.number("partial_rotary_factor").or(beside);
        match (found, defaults.partial_rotary_factor) {
            (None, default) => default.unwrap_or(1.0),
            (Some(part), Some(_)) if part > 0.0 && part <= 1.0 => part,
            (Some(1.0), _) => 1.0,
            (Some(part), default) => {
                let expected = if default.is_some() { "above 0 and up to 1" } else { "1" };
                self.unsupported("partial_rotary_factor", &part, expected);
                1.0
            }
        }
    }
}

impl Parameters<'_> {
    fn scaling(&self, rotary_dim: usize) -> RopeScaling {
        match self.rope_type() {
            "default" => RopeScaling::Default,
            "linear" => RopeScaling::Linear { factor: self.need("factor") },
            "llama3" => self.llama3(),
            "yarn" => RopeScaling::Yarn(self.yarn()),
            "longrope" | "su" => RopeScaling::LongRope(self.longrope(rotary_dim / 2)),
            other => {
                self.fields.fault(format!(
                    "rope type `{}` is not supported: expected `default`, `linear`, `llama3`, \
                     `yarn` or `longrope`",
                    shown(&other)
                ));
                RopeScaling::Default
            }
        }
    }

    /// `type` is the older name; some files carry both.
    fn rope_type(&self) -> &str {
        let named = |name: &str| self.object.get(name).and_then(Value::as_str);
        named("rope_type").or_else(|| named("type")).unwrap_or("default")
    }

    fn llama3(&self) -> RopeScaling {
        let [low_freq_factor, high_freq_factor] =
            ["low_freq_factor", "high_freq_factor"].map(|name| self.need(name));
        // Between them a frequency is blended; the wrong way round transformers warns and computes something.
        if high_freq_factor <= low_freq_factor && self.object.contains_key("high_freq_factor") {
            self.fields.fault(format!(
                "`high_freq_factor` is {high_freq_factor}: expected more than `low_freq_factor`, which is \
                 {low_freq_factor}"
            ));
        }
        RopeScaling::Llama3 {
            factor: self.need("factor"),
            low_freq_factor,
            high_freq_factor,
            original_max_position_embeddings: self.context(),
        }
    }

    fn yarn(&self) -> Yarn {
        let context = self.context();
        let factor = self.factor(context);
        // Both or none, and 0 is none.
        let mscale = ["mscale", "mscale_all_dim"].map(|name| self.number(name).unwrap_or(0.0));
        let mscale = (!mscale.contains(&0.0)).then_some(mscale);
        let given = |name: &str| self.number(name).filter(|&turns| turns != 0.0);
        Yarn {
            factor,
            beta_fast: given("beta_fast").unwrap_or(32.0),
            beta_slow: given("beta_slow").unwrap_or(1.0),
            original_max_position_embeddings: context,
            truncate: self.object.get("truncate").and_then(Value::as_bool).unwrap_or(true),
            attention_factor: self
                .number("attention_factor")
                .unwrap_or_else(|| Yarn::attention_factor(factor, mscale)),
        }
    }

    fn longrope(&self, pairs: usize) -> LongRope {
        let context = self.context();
        LongRope {
            short_factor: self.factors("short_factor", pairs),
            long_factor: self.factors("long_factor", pairs),
            original_max_position_embeddings: context,
            attention_factor: self
                .number("attention_factor")
                .unwrap_or_else(|| LongRope::attention_factor(self.factor(context), context)),
        }
    }

    /// How many times the context was stretched.
    fn factor(&self, context: f64) -> f64 {
        let positions = || self.fields.size("max_position_embeddings") as f64;
        let factor = self.number("factor").unwrap_or_else(|| positions() / context);
        self.fields.above_zero("factor", factor)
    }

    /// Positions the model was first trained on. A field beside the parameters counts before one among
    /// them, as in transformers; where the architecture knows no such field, two that differ are refused.
    fn context(&self) -> f64 {
        const NAME: &str = "original_max_position_embeddings";
        let (beside, within) = (self.fields.number_if_any(NAME), self.number(NAME));
        if let (Some(beside), Some(within)) = (beside, within)
            && beside != within
            && !self.fields.is_known(NAME)
        {
            self.fields.fault(format!(
                "`{NAME}` is {beside} beside the rotary embedding's parameters and {within} among \
                 them: expected one of the two, or the same number"
            ));
        }
        beside.or(within).unwrap_or_else(|| self.fields.size("max_position_embeddings") as f64)
    }

    fn factors(&self, name: &str, pairs: usize) -> Vec<f64> {
        let numbers = |value: &Value| -> Option<Vec<f64>> {
            value.as_array()?.iter().map(Value::as_f64).collect()
        };
        match self.object.get(name).and_then(numbers) {
            Some(factors) if factors.len() == pairs => factors,
            found => {
                let found = match found {
                    Some(factors) => format!("{} numbers", factors.len()),
                    None => "no list of numbers".into(),
                };
                self.fields.fault(format!(
                    "the rotary embedding has {found} for `{name}`: expected {pairs}, one for each \
                     two features that turn together"
                ));
                // Nobody computes with what is refused, and `pairs` is as large as the file says.
                Vec::new()
            }
        }
    }

    /// A number above 0 that has to be there.
    fn need(&self, name: &str) -> f64 {
        let Some(number) = self.number(name) else {
            self.fields.fault(format!("the rotary embedding lacks `{name}`"));
            return 1.0;
        };
        self.fields.above_zero(name, number)
    }

    fn number(&self, name: &str) -> Option<f64> {
        let value = self.object.get(name).filter(|value| !value.is_null())?;
        let number = value.as_f64();
        if number.is_none() {
            self.fields.fault(format!("`{name}` is {}: expected a number", shown(value)));
        }
        number
    }
}
