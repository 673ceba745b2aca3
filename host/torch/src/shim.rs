//! What libtorch can do and tch 0.24 does not bind, by way of `csrc/`. With `kernels.rs`, `leaving.rs` and
//! `layers/laid_out.rs` the crate's only `unsafe`; it knows tensors, not models.
#![allow(unsafe_code)]

pub(crate) mod attention;
pub(crate) mod differentiable;
mod nccl;
mod process_group;
pub(crate) mod thirds;

pub(crate) use nccl::{Communicator, Nccl, UniqueId, cuda_card};
pub(crate) use process_group::{ProcessGroup, Store};

use crate::guard;
use iterit_core::{Error, Result};
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::path::{Path, PathBuf};
use std::ptr;
use std::slice;
use tch::{Device, Kind, TchError, Tensor};

/// `at::Tensor*`, which is what a tch tensor holds.
type Handle = *const torch_sys::C_tensor;

// SAFETY: the signatures are those of `csrc/shim.cpp`, which this crate's build script compiles.
unsafe extern "C" {
    fn iterit_backward(roots: *const Handle, gradients: *const Handle, count: usize)
    -> *mut c_char;
    fn iterit_keeps_graph() -> bool;
    fn iterit_clear_gradient(leaf: Handle) -> *mut c_char;
    fn iterit_fused_adamw(
        parameters: *const Handle,
        gradients: *const Handle,
        exp_avgs: *const Handle,
        exp_avg_sqs: *const Handle,
        steps: *const Handle,
        count: usize,
        lr: f64,
        beta1: f64,
        beta2: f64,
        weight_decay: f64,
        eps: f64,
    ) -> *mut c_char;
    fn iterit_packed_linear(
        x: Handle,
        codes: Handle,
        scales: Handle,
        pairs: Handle,
        rows: i64,
        columns: i64,
        result: *mut *mut torch_sys::C_tensor,
    ) -> *mut c_char;
    fn iterit_unpacked(
        codes: Handle,
        scales: Handle,
        pairs: Handle,
        rows: i64,
        columns: i64,
        result: *mut *mut torch_sys::C_tensor,
    ) -> *mut c_char;
    fn iterit_global_norm(
        tensors: *const Handle,
        count: usize,
        norm: *mut *mut torch_sys::C_tensor,
    ) -> *mut c_char;
    fn iterit_scale(tensors: *const Handle, count: usize, factor: f64) -> *mut c_char;
    fn iterit_keep_freed_memory();
    fn iterit_give_back_freed_memory();
    fn iterit_spread_over(threads: c_int);
    fn iterit_prefer_deterministic() -> *mut c_char;
    fn iterit_load_library(path: *const c_char) -> *mut c_char;
    fn iterit_libtorch_path() -> *const c_char;
    fn iterit_cuda_memory(device: i8, free: *mut usize, total: *mut usize) -> *mut c_char;
}

/// Backpropagates from several roots at once, each with its incoming gradient, and adds the result
/// to the leaves' `.grad`. A leaf may be a root itself: its gradient is then added as it is.
pub(crate) fn backward(roots: &[&Tensor], gradients: &[&Tensor]) -> Result<()> {
    assert_eq!(roots.len(), gradients.len(), "a gradient for every root");
    let (roots, gradients) = (handles(roots), handles(gradients));
    // SAFETY: both arrays hold `roots.len()` live tensors, which the call only borrows.
    check(unsafe { iterit_backward(roots.as_ptr(), gradients.as_ptr(), roots.len()) })
}

/// Whether operators called on this thread are kept for a way back.
pub(crate) fn keeps_graph() -> bool {
    // SAFETY: reads a flag that libtorch keeps by thread.
    unsafe { iterit_keeps_graph() }
}

/// Forgets a leaf's gradient and frees its memory.
pub(crate) fn clear_gradient(leaf: &Tensor) -> Result<()> {
    // SAFETY: the tensor is alive; autograd's own lock guards the gradient slot.
    check(unsafe { iterit_clear_gradient(leaf.as_ptr()) })
}

/// The numbers of AdamW that do not change from step to step, and the rate that does.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AdamWCoefficients {
    pub(crate) learning_rate: f64,
    pub(crate) beta1: f64,
    pub(crate) beta2: f64,
    pub(crate) eps: f64,
    pub(crate) weight_decay: f64,
}

/// One fused AdamW step in place, <https://arxiv.org/abs/1711.05101>. `step` is a scalar tensor with
/// the number of this step, counted from 1. All tensors of one parameter have one dtype.
pub(crate) fn fused_adamw(
    parameters: &[&Tensor],
    gradients: &[&Tensor],
    exp_avgs: &[&Tensor],
    exp_avg_sqs: &[&Tensor],
    step: &Tensor,
    with: AdamWCoefficients,
) -> Result<()> {
    let count = parameters.len();
    assert!([gradients.len(), exp_avgs.len(), exp_avg_sqs.len()] == [count; 3], "equal lists");
    let steps = vec![step.as_ptr(); count];
    // SAFETY: all arrays hold `count` live tensors. The kernel writes to parameters and moments,
    // whose other handles no one uses during the call: it runs on this thread.
    check(unsafe {
        iterit_fused_adamw(
            handles(parameters).as_ptr(),
            handles(gradients).as_ptr(),
            handles(exp_avgs).as_ptr(),
            handles(exp_avg_sqs).as_ptr(),
            steps.as_ptr(),
            count,
            with.learning_rate,
            with.beta1,
            with.beta2,
            with.weight_decay,
            with.eps,
        )
    })
}

/// x Wᵀ for a frozen matrix of codes, [Out, In], whose graph holds the codes and not what they stand for.
/// Where `pairs` are given, [256, 2], a code is two numbers of 4 bits. Panics as an operator of tch would.
pub(crate) fn packed_linear(
    x: &Tensor,
    codes: &Tensor,
    scales: &Tensor,
    pairs: Option<&Tensor>,
    [rows, columns]: [i64; 2],
) -> Tensor {
    let pairs = pairs.map_or(ptr::null(), |pairs| pairs.as_ptr());
    // SAFETY: all handles are alive or null where null is allowed; the shim writes one new tensor.
    given(|result| unsafe {
        let (x, codes, scales) = (x.as_ptr(), codes.as_ptr(), scales.as_ptr());
        iterit_packed_linear(x, codes, scales, pairs, rows, columns, result)
    })
}

/// The matrix that codes stand for. // [Out, In]
pub(crate) fn unpacked(
    codes: &Tensor,
    scales: &Tensor,
    pairs: Option<&Tensor>,
    [rows, columns]: [i64; 2],
    kind: Kind,
) -> Tensor {
    let pairs = pairs.map_or(ptr::null(), |pairs| pairs.as_ptr());
    // SAFETY: as above.
    let numbers = given(|result| unsafe {
        iterit_unpacked(codes.as_ptr(), scales.as_ptr(), pairs, rows, columns, result)
    });
    numbers.to_kind(kind)
}

/// The tensor that a function of the shim makes.
fn given(make: impl FnOnce(*mut *mut torch_sys::C_tensor) -> *mut c_char) -> Tensor {
    let [tensor] = given_all(make);
    tensor
}

/// Those that it makes.
fn given_all<const COUNT: usize>(
    make: impl FnOnce(*mut *mut torch_sys::C_tensor) -> *mut c_char,
) -> [Tensor; COUNT] {
    let mut results = [ptr::null_mut(); COUNT];
    if let Some(message) = said(make(results.as_mut_ptr())) {
        // As tch's operators do, whose panics become errors where models are run.
        panic!("{:?}", TchError::Torch(message));
    }
    // SAFETY: the shim has put tensors there that nobody else holds.
    results.map(|result| unsafe { Tensor::from_ptr(result) })
}

/// √Σ‖x‖² over all tensors, in f32, where they lie: the host does not wait for it. // []
pub(crate) fn global_norm(tensors: &[&Tensor]) -> Result<Tensor> {
    let handles = handles(tensors);
    let mut norm = std::ptr::null_mut();
    // SAFETY: the array holds `len` live tensors; the place for the result lives through the call.
    check(unsafe { iterit_global_norm(handles.as_ptr(), handles.len(), &raw mut norm) })?;
    // SAFETY: the call went well, so there is a tensor, which is ours to free.
    Ok(unsafe { Tensor::from_ptr(norm) })
}

/// Multiplies every tensor in place.
pub(crate) fn scale(tensors: &[&Tensor], factor: f64) -> Result<()> {
    let handles = handles(tensors);
    // SAFETY: the array holds `len` live tensors. Their other handles are not used during the call: it
    // runs on this thread.
    check(unsafe { iterit_scale(handles.as_ptr(), handles.len(), factor) })
}

/// The memory of a tensor on the CPU that lies in one piece and that nobody else holds.
pub(crate) fn bytes_mut(tensor: &mut Tensor) -> &mut [u8] {
    assert!(tensor.device() == Device::Cpu && tensor.is_contiguous(), "in one piece on the host");
    let length = tensor.numel() * tensor.kind().elt_size_in_bytes();
    if length == 0 {
        return &mut [];
    }
    // SAFETY: so many bytes lie there for as long as the tensor is borrowed, by the assertion; every pattern
    // of bits is a number of the types that tensors here have.
    unsafe { slice::from_raw_parts_mut(tensor.data_ptr().cast::<u8>(), length) }
}

/// Has the allocator keep what operators free, for the next ones: see `csrc/heap.cpp`.
pub(crate) fn keep_freed_memory() {
    // SAFETY: sets two numbers of glibc's allocator, which it guards by its own lock, and where tensors are
    // allocated from now on; each goes back to where it came from.
    unsafe { iterit_keep_freed_memory() };
}

/// Gives back what large tensors have left, which is kept for others of their size.
pub(crate) fn give_back_freed_memory() {
    // SAFETY: unmaps blocks that no tensor lies in.
    unsafe { iterit_give_back_freed_memory() };
}

/// Has the operators that the calling thread asks for spread over so many threads, until it says otherwise.
pub(crate) fn spread_over(threads: usize) {
    let threads = c_int::try_from(threads).unwrap_or(c_int::MAX);
    // SAFETY: sets counts that OpenMP and MKL keep by thread.
    unsafe { iterit_spread_over(threads) };
}

/// Something made of tensors that several threads use at the same time; while this borrows it, none writes
/// to a tensor that another uses.
pub(crate) struct Shared<'a, T>(&'a T);

impl<'a, T> Shared<'a, T> {
    /// `what` must hold nothing but tensors and plain values besides what is `Sync` by itself.
    pub(crate) fn new(what: &'a T) -> Self {
        Self(what)
    }

    /// The borrowed thing.
    pub(crate) fn get(&self) -> &'a T {
        self.0
    }
}

// SAFETY: a tensor is a handle with an atomic count to storage that operators which do not write in
// place only read. tch leaves `Sync` out since others write in place through `&Tensor`; this crate does so
// to nothing that it has wrapped but, in the optimizer, to tensors that one thread alone is given.
unsafe impl<T> Sync for Shared<'_, T> {}

/// Makes operators choose their deterministic form where they have one; the others warn, each once.
pub(crate) fn prefer_deterministic() -> Result<()> {
    // SAFETY: sets flags of libtorch's global context, and an environment variable while the process
    // opens its device, before it starts threads of its own that would read the environment.
    check(unsafe { iterit_prefer_deterministic() })
}

/// Loads a shared library so that libtorch finds what it registers.
pub(crate) fn load_library(path: &Path) -> Result<()> {
    let path = path.to_str().and_then(|path| CString::new(path).ok());
    let path = path.ok_or_else(|| Error::Model("a library path is not UTF-8".into()))?;
    // SAFETY: loading runs the library's constructors; it is libtorch's own CUDA half.
    check(unsafe { iterit_load_library(path.as_ptr()) })
}

/// Free and all bytes of a CUDA device's memory.
pub(crate) fn cuda_memory(device: usize) -> Result<[u64; 2]> {
    let device = i8::try_from(device).map_err(|_| Error::Model("no such device".into()))?;
    let (mut free, mut total) = (0, 0);
    // SAFETY: both places live through the call, which writes one number to each.
    check(unsafe { iterit_cuda_memory(device, &raw mut free, &raw mut total) })?;
    Ok([free as u64, total as u64])
}

/// The folder of the libtorch_cpu.so that this process runs on, links resolved.
pub(crate) fn libtorch_folder() -> Option<PathBuf> {
    // SAFETY: the loader owns the string for as long as the library stays loaded, which is for ever.
    let path = unsafe {
        let path = iterit_libtorch_path();
        (!path.is_null()).then(|| CStr::from_ptr(path))
    };
    let path = std::fs::canonicalize(path?.to_str().ok()?).ok()?;
    path.parent().map(Path::to_owned)
}

fn handles(tensors: &[&Tensor]) -> Vec<Handle> {
    tensors.iter().map(|tensor| tensor.as_ptr()).collect()
}

fn check(message: *mut c_char) -> Result<()> {
    let first_line = |text: String| text.lines().next().unwrap_or_default().to_owned();
    match said(message) {
        None => Ok(()),
        Some(text) => Err(guard::told(&first_line(text))),
    }
}

/// What the shim has to say.
fn said(message: *mut c_char) -> Option<String> {
    if message.is_null() {
        return None;
    }
    // SAFETY: the shim returns a string from `strdup`, which is ours to free.
    let text = unsafe {
        let text = CStr::from_ptr(message).to_string_lossy().into_owned();
        libc::free(message.cast::<c_void>());
        text
    };
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leaf_can_be_a_root_beside_what_hangs_on_it() {
        let leaf = Tensor::ones([3], (Kind::Float, Device::Cpu)).set_requires_grad(true);
        let root = &leaf * 2.0;
        let gradient = Tensor::from_slice(&[1.0f32, 10.0, 100.0]);
        backward(&[&root, &leaf], &[&gradient, &gradient]).unwrap();
        assert_eq!(Vec::<f32>::try_from(leaf.grad()).unwrap(), [3.0, 30.0, 300.0]);
        clear_gradient(&leaf).unwrap();
        assert!(!leaf.grad().defined());
    }

    #[test]
    fn failures_are_one_line() {
        let leaf = Tensor::ones([3], (Kind::Float, Device::Cpu)).set_requires_grad(true);
        let wrong = Tensor::ones([4], (Kind::Float, Device::Cpu));
        let message = backward(&[&leaf], &[&wrong]).unwrap_err().to_string();
        assert!(message.starts_with("libtorch: ") && message.lines().count() == 1, "{message}");
        let message = load_library(Path::new("/nowhere/libtorch_cuda.so")).unwrap_err().to_string();
        assert!(message.contains("/nowhere/libtorch_cuda.so"), "{message}");
    }

    #[test]
    fn libtorch_knows_where_it_lies() {
        assert!(libtorch_folder().unwrap().join("libtorch_cpu.so").exists());
    }
}
