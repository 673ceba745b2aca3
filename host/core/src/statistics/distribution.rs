//! The normal and Student's t distribution: what intervals and detectable differences need.

use std::f64::consts::SQRT_2;

/// Φ(x) = ½ erfc(−x / √2), the standard normal distribution function.
pub fn normal_cdf(x: f64) -> f64 {
    0.5 * libm::erfc(-x / SQRT_2)
}

/// Φ⁻¹(p). Infinite at 0 and 1.
pub fn normal_quantile(p: f64) -> f64 {
    invert(normal_cdf, p)
}

/// Student's t: F(t) = 1 − ½ I_{ν / (ν + t²)}(ν/2, ½) for t ≥ 0, and by symmetry below. Near zero
/// the other end, ½ + ½ I_{t² / (ν + t²)}(½, ν/2), keeps its precision.
pub fn student_t_cdf(t: f64, degrees_of_freedom: f64) -> f64 {
    let (nu, square) = (degrees_of_freedom, t * t);
    let tail = if square < nu {
        0.5 - 0.5 * regularized_incomplete_beta(0.5, 0.5 * nu, square / (nu + square))
    } else {
        0.5 * regularized_incomplete_beta(0.5 * nu, 0.5, nu / (nu + square))
    };
    if t < 0.0 { tail } else { 1.0 - tail }
}

/// The quantile of Student's t. Infinite at 0 and 1.
pub fn student_t_quantile(p: f64, degrees_of_freedom: f64) -> f64 {
    invert(|t| student_t_cdf(t, degrees_of_freedom), p)
}

/// I_x(a, b), by its continued fraction where that converges fast and by symmetry elsewhere.
pub fn regularized_incomplete_beta(a: f64, b: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if x >= 1.0 {
        return 1.0;
    }
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - regularized_incomplete_beta(b, a, 1.0 - x);
    }
    let ln_front =
        libm::lgamma(a + b) - libm::lgamma(a) - libm::lgamma(b) + a * x.ln() + b * (-x).ln_1p();
    ln_front.exp() * beta_continued_fraction(a, b, x) / a
}

/// 1 / (1 + d₁ / (1 + d₂ / (1 + …))) with the classic coefficients (DLMF 8.17.22), evaluated by
/// Lentz's method.
fn beta_continued_fraction(a: f64, b: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let away_from_zero = |value: f64| if value.abs() < TINY { TINY } else { value };
    let (mut fraction, mut c, mut d) = (TINY, TINY, 0.0);
    for step in 0..500 {
        let m = f64::from(step / 2);
        let coefficient = if step == 0 {
            1.0
        } else if step % 2 == 0 {
            m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m))
        } else {
            -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0))
        };
        d = 1.0 / away_from_zero(1.0 + coefficient * d);
        c = away_from_zero(1.0 + coefficient / c);
        fraction *= c * d;
        // One unit in the last place: the product may swing by it for ever.
        if (c * d - 1.0).abs() < 3e-16 {
            break;
        }
    }
    fraction
}

/// The x at which an increasing distribution function reaches `p`, by bisection down to the last
/// bit: these are called a few times a report, so plainness wins over speed.
fn invert(cdf: impl Fn(f64) -> f64, p: f64) -> f64 {
    if p.is_nan() || !(0.0..=1.0).contains(&p) {
        return f64::NAN;
    }
    if p == 0.0 {
        return f64::NEG_INFINITY;
    }
    if p == 1.0 {
        return f64::INFINITY;
    }
    // Lower tails keep their relative precision, so the upper half is mirrored.
    if p > 0.5 {
        return -invert(cdf, 1.0 - p);
    }
    let (mut low, mut high) = (-1.0, 0.0);
    while cdf(low) > p {
        (low, high) = (low * 2.0, low);
    }
    loop {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            return middle;
        }
        if cdf(middle) < p {
            low = middle;
        } else {
            high = middle;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_and_symmetry() {
        assert_eq!(normal_quantile(0.0), f64::NEG_INFINITY);
        assert_eq!(normal_quantile(1.0), f64::INFINITY);
        assert!(normal_quantile(-0.1).is_nan() && normal_quantile(f64::NAN).is_nan());
        assert!(normal_quantile(0.5).abs() < 1e-15);
        assert!((normal_quantile(0.975) + normal_quantile(0.025)).abs() < 1e-14);
        assert_eq!(student_t_cdf(0.0, 3.0), 0.5);
    }

    #[test]
    fn students_t_with_one_degree_of_freedom_is_cauchys() {
        for t in [-7.0_f64, -1.0, 0.3, 2.5] {
            let cauchy = 0.5 + t.atan() / std::f64::consts::PI;
            assert!((student_t_cdf(t, 1.0) - cauchy).abs() < 1e-14, "at {t}");
        }
    }
}
