//! What the processor computes by itself, as far as a model's number type cares.

use crate::precision::Precision;
use tch::{Device, Kind};

/// Whether it multiplies bfloat16 numbers in hardware: AVX512_BF16, which every processor with AMX has
/// too, or the extension of that name on ARM.
#[cfg(target_arch = "x86_64")]
pub(crate) fn has_bfloat16() -> bool {
    std::arch::is_x86_feature_detected!("avx512bf16")
}

#[cfg(target_arch = "aarch64")]
pub(crate) fn has_bfloat16() -> bool {
    std::arch::is_aarch64_feature_detected!("bf16")
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(crate) fn has_bfloat16() -> bool {
    false
}

/// What is to be said of a model that computes in this type on this device.
pub(crate) fn remark(precision: Precision, device: Device) -> Option<String> {
    let is_slow = precision.compute() == Kind::BFloat16 && device == Device::Cpu && !has_bfloat16();
    is_slow.then(|| {
        format!(
            "{precision} on a processor without bfloat16 in hardware is many times slower than float32\n\
             hint: --set model.dtype=float32"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_the_kernel_finds() {
        let Ok(told) = std::fs::read_to_string("/proc/cpuinfo") else { return };
        let flags = told.split_whitespace().any(|flag| flag == "avx512_bf16" || flag == "bf16");
        assert_eq!(has_bfloat16(), flags);
        let remarked = remark(Precision::Bfloat16, Device::Cpu).is_some();
        assert_eq!(remarked, !flags);
        assert!(remark(Precision::Float32, Device::Cpu).is_none());
        assert!(remark(Precision::PureBfloat16, Device::Cuda(0)).is_none());
    }
}
