//! AdamW with decoupled weight decay, <https://arxiv.org/abs/1711.05101>. Norms and biases do not decay,
//! as in transformers. Knows what is trained, not what it computes.

use crate::counted::{self, hash};
use crate::layers::Role;
use crate::moments::{self, Codes, Moment, Moments, Piece};
use crate::parcel;
use crate::rounding::{Chances, Number};
use crate::shim::{self, AdamWCoefficients, Shared};
use crate::side_by_side;
use crate::trainable::{Parameter, Trainable};
use iterit_core::Result;
use tch::{Device, Kind, Tensor};

/// The numbers of AdamW that a run sets once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamWOptions {
    /// How slowly the two moments forget.
    pub betas: [f64; 2],
    /// Keeps the division finite.
    pub eps: f64,
    /// The part of a weight that goes at rate 1, each step.
    pub weight_decay: f64,
    /// How the two moments are kept.
    pub moments: Moments,
    /// Where what is rounded by chance takes its bits from.
    pub seed: u64,
}

impl Default for AdamWOptions {
    fn default() -> Self {
        Self {
            betas: [0.9, 0.999],
            eps: 1e-8,
            weight_decay: 0.0,
            moments: Moments::AsTrained,
            seed: 0,
        }
    }
}

/// The moments of every parameter, in the parameters' order.
pub(crate) struct AdamW {
    pub(crate) options: AdamWOptions,
    pub(crate) exp_avgs: Vec<Moment>,
    pub(crate) exp_avg_sqs: Vec<Moment>,
    codes: Codes,
    /// Where something is rounded by chance.
    draws: Option<Draws>,
    /// Steps done.
    pub(crate) steps: u64,
}

/// Numbers whose random bits have one key; a multiple of a block of 8 bits.
const ROW: i64 = 1 << 16;

/// Rows at a time of what is not computed on as it is kept: on a CPU few enough to stay near the caches.
fn rows_at_once(device: Device) -> i64 {
    if device.is_cuda() { 64 } else { 1 }
}

/// The most bytes that are there beside a parameter of so many numbers, while it is updated in pieces: what
/// it is computed in, and what is made of that on its way.
pub(crate) fn beside_a_piece(count: u64, device: Device) -> u64 {
    const AT_ONCE: u64 = 8 * 4;
    count.min((ROW * rows_at_once(device)).unsigned_abs()) * AT_ONCE // bytes
}

impl AdamW {
    /// Moments of zero.
    pub(crate) fn new(trainable: &Trainable, options: AdamWOptions) -> Self {
        let device = trainable.iter().next().map_or(Device::Cpu, |it| it.tensor.device());
        let codes = Codes::new(device);
        let zeros = |code| {
            let zero = |it: &Parameter| Moment::zeros(&it.tensor, options.moments, code);
            trainable.iter().map(zero).collect()
        };
        let [exp_avgs, exp_avg_sqs] = [&codes.of_means, &codes.of_squares].map(zeros);
        let is_rounded = trainable.iter().any(|it| it.tensor.kind() != Kind::Float)
            || options.moments == Moments::Bfloat16;
        let draws = is_rounded.then(|| Draws::new(trainable, options.seed, device));
        Self { options, exp_avgs, exp_avg_sqs, codes, draws, steps: 0 }
    }

    /// One step along the gradients that the parameters hold, on so many threads.
    pub(crate) fn step(
        &mut self,
        trainable: &Trainable,
        learning_rate: f64,
        lanes: usize,
    ) -> Result<()> {
        self.steps += 1;
        let parameters: Vec<&Parameter> = trainable.iter().collect();
        let mut groups = Vec::new();
        for decays in [true, false] {
            let all = trainable.iter().enumerate();
            let group = all.filter(|(_, it)| (it.role == Role::Weight) == decays);
            let group: Vec<usize> = group.map(|(index, _)| index).collect();
            let weight_decay = if decays { self.options.weight_decay } else { 0.0 };
            let with = self.coefficients(learning_rate, weight_decay);
            groups.extend(shares(&parameters, &group, lanes).into_iter().map(|it| (it, with)));
        }
        let keys = self.draws.as_ref().map(|draws| draws.keys(self.steps));
        let model = (&*self, &parameters, keys);
        let shared = Shared::new(&model);
        let step = |group: usize| {
            let (adamw, parameters, keys) = shared.get();
            let (group, with) = &groups[group];
            adamw.step_group(parameters, group, keys.as_ref(), *with)
        };
        side_by_side::run(groups.len(), lanes, step, |_, ()| Ok(()))
    }

    fn coefficients(&self, learning_rate: f64, weight_decay: f64) -> AdamWCoefficients {
        let AdamWOptions { betas: [beta1, beta2], eps, .. } = self.options;
        AdamWCoefficients { learning_rate, beta1, beta2, eps, weight_decay }
    }

    /// What is kept in float32 all at once, everything else in pieces.
    fn step_group(
        &self,
        parameters: &[&Parameter],
        group: &[usize],
        keys: Option<&Tensor>,
        with: AdamWCoefficients,
    ) -> Result<()> {
        let Some(&first) = group.first() else { return Ok(()) };
        let step = step_number(self.steps, parameters[first].tensor.device());
        let (mut weights, mut exp_avgs, mut exp_avg_sqs) = (Vec::new(), Vec::new(), Vec::new());
        for &index in group {
            let moments = (self.exp_avgs[index].in_place(), self.exp_avg_sqs[index].in_place());
            let tensor = &parameters[index].tensor;
            match (tensor.kind(), moments) {
                (Kind::Float, (Some(exp_avg), Some(exp_avg_sq))) => {
                    weights.push(tensor);
                    exp_avgs.push(exp_avg);
                    exp_avg_sqs.push(exp_avg_sq);
                }
                _ => self.step_in_pieces(index, parameters[index], (&step, keys), with)?,
            }
        }
        if weights.is_empty() {
            return Ok(());
        }
        let gradients: Vec<Tensor> = weights.iter().map(|weight| weight.grad()).collect();
        let gradients: Vec<&Tensor> = gradients.iter().collect();
        shim::fused_adamw(&weights, &gradients, &exp_avgs, &exp_avg_sqs, &step, with)
    }

    /// The same arithmetic in float32 on pieces of a parameter; what is kept in bfloat16 goes back by chance.
    fn step_in_pieces(
        &self,
        index: usize,
        parameter: &Parameter,
        (step, keys): (&Tensor, Option<&Tensor>),
        with: AdamWCoefficients,
    ) -> Result<()> {
        let weight = &parameter.tensor;
        let device = weight.device();
        let (exp_avg, exp_avg_sq) = (&self.exp_avgs[index], &self.exp_avg_sqs[index]);
        let Codes { of_means, of_squares } = &self.codes;
        let is_rounded = weight.kind() != Kind::Float || exp_avg_sq.is_rounded();
        let draws = self.draws.as_ref().filter(|_| is_rounded).zip(keys);
        let gradient = weight.grad().reshape([-1]);
        let (count, most) = (weight.numel() as i64, ROW * rows_at_once(device));
        for start in (0..count).step_by(most as usize) {
            let piece = Piece { start, length: most.min(count - start) };
            let kept = piece.of(weight);
            let (new, slope) =
                (kept.to_kind(Kind::Float), piece.of(&gradient).to_kind(Kind::Float));
            let (mean, square) =
                (exp_avg.read(piece, of_means), exp_avg_sq.read(piece, of_squares));
            shim::fused_adamw(&[&new], &[&slope], &[&mean], &[&square], step, with)?;
            let chances = draws.map(|(draws, keys)| draws.chances(keys, index, piece));
            let chances = chances.as_ref();
            exp_avg.write(piece, &mean, of_means, (chances, Number::Mean));
            exp_avg_sq.write(piece, &square, of_squares, (chances, Number::Square));
            moments::put(&kept, &new, chances, Number::Weight);
        }
        Ok(())
    }
}

/// What all chances come from: a key for every row of every parameter, and the places of a row. The same whatever the
/// pieces and ranks are.
struct Draws {
    /// Where the rows of each parameter begin.
    firsts: Vec<i64>,
    rows: Tensor,   // [R, 1], i32
    places: Tensor, // [W], i32
}

impl Draws {
    fn new(trainable: &Trainable, seed: u64, device: Device) -> Self {
        let (mut firsts, mut rows) = (Vec::new(), Vec::new());
        for Parameter { tensor, number, .. } in trainable.iter() {
            firsts.push(rows.len() as i64);
            let key = hash(hash(seed) ^ *number as u64);
            let count = (tensor.numel() as u64).div_ceil(ROW.unsigned_abs());
            rows.extend((0..count).map(|row| hash(key ^ row) as i32));
        }
        let rows = parcel::on_device(&rows, device).unsqueeze(1);
        Self { firsts, rows, places: counted::places(ROW, device) }
    }

    /// The rows' keys in one step. // [R, 1], i32
    fn keys(&self, step: u64) -> Tensor {
        counted::mixed(self.rows.bitwise_xor(i64::from(hash(step) as i32)))
    }

    /// Of a piece of a parameter.
    fn chances(&self, keys: &Tensor, index: usize, piece: Piece) -> Chances {
        let rows = (piece.length + ROW - 1) / ROW;
        let keys = keys.narrow(0, self.firsts[index] + piece.start / ROW, rows);
        let places = self.places.narrow(0, 0, ROW.min(piece.length));
        Chances::new(&keys, &places).narrow(piece.length)
    }
}

/// A group of tensors in up to so many shares of about the same size; never an empty one.
fn shares(parameters: &[&Parameter], group: &[usize], lanes: usize) -> Vec<Vec<usize>> {
    let size = |index: &usize| parameters[*index].tensor.numel();
    let total: usize = group.iter().map(size).sum();
    let mut shares = vec![Vec::new(); lanes];
    let mut before = 0;
    for index in group {
        shares[(before * lanes / total.max(1)).min(lanes - 1)].push(*index);
        before += size(index);
    }
    shares.retain(|share| !share.is_empty());
    shares
}

fn step_number(step: u64, device: Device) -> Tensor {
    Tensor::full([] as [i64; 0], step as f64, (Kind::Float, device))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    fn wave(count: i64, step: f64) -> Tensor {
        (Tensor::arange(count, (Kind::Double, Device::Cpu)) * step).sin()
    }

    fn two_parameters() -> Trainable {
        let float = |x: Tensor| x.to_kind(Kind::Float);
        Trainable::new([
            ("up_proj.weight".to_owned(), float(wave(33, 0.7)), Role::Weight),
            ("ln_1.weight".to_owned(), float(wave(5, 1.1)), Role::Norm),
        ])
    }

    /// Puts g into the gradient slots, as a backward pass would.
    fn set_gradients(trainable: &Trainable, round: f64) {
        trainable.clear_gradients().unwrap();
        for Parameter { tensor, .. } in trainable.iter() {
            let gradient = wave(tensor.numel() as i64, 0.3 + round).to_kind(Kind::Float);
            shim::backward(&[tensor], &[&gradient]).unwrap();
        }
    }

    #[test]
    fn agrees_with_the_formula_in_f64() {
        let parameters = two_parameters();
        let options = AdamWOptions {
            betas: [0.8, 0.95],
            eps: 1e-7,
            weight_decay: 0.1,
            ..AdamWOptions::default()
        };
        let mut adamw = AdamW::new(&parameters, options);
        let start: Vec<Vec<f64>> = parameters
            .iter()
            .map(|it| Vec::try_from(it.tensor.to_kind(Kind::Double)).unwrap())
            .collect();
        let mut expected = start.clone();
        let mut moments: Vec<Vec<[f64; 2]>> =
            start.iter().map(|weights| vec![[0.0; 2]; weights.len()]).collect();
        for step in 1..=5 {
            let learning_rate = 0.01 * f64::from(step);
            set_gradients(&parameters, f64::from(step));
            for (index, Parameter { tensor, role, .. }) in parameters.iter().enumerate() {
                let decay = if *role == Role::Norm { 0.0 } else { 0.1 };
                let gradient: Vec<f64> =
                    Vec::try_from(tensor.grad().to_kind(Kind::Double)).unwrap();
                for (i, g) in gradient.into_iter().enumerate() {
                    let [m, v] = &mut moments[index][i];
                    *m = 0.8 * *m + 0.2 * g;
                    *v = 0.95 * *v + 0.05 * g * g;
                    let m_hat = *m / (1.0 - 0.8f64.powi(step));
                    let v_hat = *v / (1.0 - 0.95f64.powi(step));
                    let w = &mut expected[index][i];
                    *w -= learning_rate * decay * *w;
                    *w -= learning_rate * m_hat / (v_hat.sqrt() + 1e-7);
                }
            }
            adamw.step(&parameters, learning_rate, 1 + step as usize % 3).unwrap();
        }
        for (Parameter { tensor, .. }, expected) in parameters.iter().zip(&expected) {
            let got: Vec<f64> = Vec::try_from(tensor.to_kind(Kind::Double)).unwrap();
            assert!(got.iter().zip(expected).all(|(got, want)| (got - want).abs() < 2e-6));
        }
    }

    #[derive(Deserialize)]
    struct Golden {
        count: u64,
        steps: u64,
        rate: f64,
        betas: [f64; 2],
        eps: f64,
        weight_decay: f64,
        means: String,
        squares: String,
        mean_scales: Vec<f64>,
        square_scales: Vec<f64>,
        weights: Vec<f64>,
    }

    /// `numbers` of `tests/golden/moments.py`.
    fn numbers(count: u64, round: u64) -> Tensor {
        let number = |index: u64| {
            let noise = (index * 2_654_435_761 + round * 3_266_489_917) % (1 << 32);
            let noise = (noise * 2_246_822_519 % (1 << 32)) >> 8;
            (noise as f64 / f64::from(1 << 24) - 0.5) as f32 * 2f32.powi(-((index % 13) as i32))
        };
        Tensor::from_slice(&(0..count).map(number).collect::<Vec<f32>>())
    }

    /// Codes are equal but for those whose number lies between two to the last bit of float32.
    #[track_caller]
    fn check_codes(moment: &Moment, codes: &str, scales: &[f64]) {
        let Moment::Codes(found, found_scales) = moment else { panic!("no codes") };
        let byte = |at: usize| i32::from_str_radix(&codes[2 * at..2 * at + 2], 16).unwrap();
        let found = Vec::<i32>::try_from(found.to_kind(Kind::Int)).unwrap();
        assert_eq!(found.len() * 2, codes.len());
        let off = found.iter().enumerate().map(|(at, code)| (code - byte(at)).abs());
        let off: Vec<i32> = off.filter(|&off| off > 0).collect();
        assert!(off.len() < 5 && off.iter().all(|&off| off == 1), "{off:?}");
        let found = Vec::<f64>::try_from(found_scales.to_kind(Kind::Double).view([-1])).unwrap();
        assert_eq!(found.len(), scales.len());
        for (found, scale) in found.iter().zip(scales) {
            assert!((found - scale).abs() <= 1e-2 * scale, "{found} {scale}");
        }
    }

    /// `tests/golden/moments.json`: the arithmetic of 8 bits in numpy.
    #[test]
    fn eight_bits_are_those_of_numpy() {
        let golden: Golden =
            serde_json::from_str(include_str!("../../../tests/golden/moments.json")).unwrap();
        let Golden { count, rate, betas, eps, weight_decay, .. } = golden;
        let weight = ("up_proj.weight".to_owned(), numbers(count, 0), Role::Weight);
        let parameters = Trainable::new([weight]);
        let moments = Moments::EightBits;
        let options = AdamWOptions { betas, eps, weight_decay, moments, ..AdamWOptions::default() };
        let mut adamw = AdamW::new(&parameters, options);
        let tensor = &parameters.iter().next().unwrap().tensor;
        for step in 1..=golden.steps {
            parameters.clear_gradients().unwrap();
            shim::backward(&[tensor], &[&numbers(count, step)]).unwrap();
            adamw.step(&parameters, rate, 1).unwrap();
        }
        check_codes(&adamw.exp_avgs[0], &golden.means, &golden.mean_scales);
        check_codes(&adamw.exp_avg_sqs[0], &golden.squares, &golden.square_scales);
        let found = Vec::<f64>::try_from(tensor.to_kind(Kind::Double).detach()).unwrap();
        let off: Vec<f64> =
            found.iter().zip(&golden.weights).map(|(a, b)| (a - b).abs() / rate).collect();
        let largest = off.iter().copied().fold(0.0, f64::max);
        // A code that is one off moves a weight by some hundredths of a step; all others by rounding alone.
        let far = off.iter().filter(|&&off| off > 1e-4).count();
        assert!(largest < 0.1 && far < 5, "{largest}, {far}");
    }

    /// Steps of a twentieth of what bfloat16 tells apart at 1, and moments of squares that fall by as little.
    #[test]
    fn small_updates_are_kept_in_bfloat16() {
        const STEPS: u32 = 200;
        const RATE: f64 = 2e-4;
        let ones = || Tensor::ones([4096], (Kind::BFloat16, Device::Cpu));
        let weight = ("up_proj.weight".to_owned(), ones() * 1.5, Role::Weight);
        let run = |seed: u64| {
            let (name, weight, role) = (weight.0.clone(), weight.1.copy(), weight.2);
            let parameters = Trainable::new([(name, weight, role)]);
            let options = AdamWOptions { seed, ..AdamWOptions::default() };
            let mut adamw = AdamW::new(&parameters, options);
            let tensor = &parameters.iter().next().unwrap().tensor;
            for step in 0..STEPS {
                parameters.clear_gradients().unwrap();
                let gradient = if step == 0 { ones() } else { ones() * 0.5 };
                shim::backward(&[tensor], &[&gradient]).unwrap();
                adamw.step(&parameters, RATE, 1).unwrap();
            }
            let Moment::Numbers(squares) = &adamw.exp_avg_sqs[0] else { panic!("codes") };
            (tensor.detach().copy(), squares.copy())
        };
        // The same in numbers that lose nothing.
        let (mut weight64, mut mean, mut square) = (1.5, 0.0, 0.0);
        for step in 0..STEPS {
            let gradient = if step == 0 { 1.0f64 } else { 0.5 };
            mean = 0.9 * mean + 0.1 * gradient;
            square = 0.999 * square + 0.001 * gradient * gradient;
            let [mean_hat, square_hat] = [(mean, 0.9f64), (square, 0.999)]
                .map(|(moment, beta)| moment / (1.0 - beta.powi(step as i32 + 1)));
            weight64 -= RATE * mean_hat / (square_hat.sqrt() + 1e-8);
        }
        let (weights, squares) = run(3);
        let mean_of = |x: &Tensor| x.to_kind(Kind::Double).mean(Kind::Double).double_value(&[]);
        let moved = (1.5 - mean_of(&weights)) / (1.5 - weight64);
        assert!((moved - 1.0).abs() < 0.02, "{moved} of the way");
        let share = mean_of(&squares) / square;
        assert!((share - 1.0).abs() < 0.02, "{share} of the squares");
        // The same seed says the same, another one another.
        assert_eq!(run(3).0, weights);
        assert_ne!(run(4).0, weights);
    }
}
