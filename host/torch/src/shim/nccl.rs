//! NCCL, by way of `csrc/nccl.cpp`: a library that is loaded at run time, and a communicator of the GPUs of some
//! ranks. Nothing here waits for another rank. It knows tensors on a CUDA device, not models.

use super::{Handle, said};
use iterit_core::{Error, Result};
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::path::Path;
use std::ptr::{self, NonNull};
use tch::{Device, Tensor};

/// `IteritNccl` of the shim.
#[repr(C)]
struct RawNccl([u8; 0]);

/// `IteritCommunicator` of the shim.
#[repr(C)]
struct RawCommunicator([u8; 0]);

// SAFETY: the signatures are those of `csrc/nccl.cpp`, which this crate's build script compiles.
unsafe extern "C" {
    fn iterit_nccl_load(path: *const c_char, result: *mut *mut RawNccl) -> *mut c_char;
    fn iterit_nccl_version(nccl: *const RawNccl, version: *mut c_int) -> *mut c_char;
    fn iterit_nccl_unique_id(nccl: *const RawNccl, bytes: *mut u8) -> *mut c_char;
    fn iterit_nccl_join(
        nccl: *const RawNccl,
        bytes: *const u8,
        rank: c_int,
        size: c_int,
        device: i8,
        result: *mut *mut RawCommunicator,
    ) -> *mut c_char;
    fn iterit_nccl_sum_at(
        communicator: *mut RawCommunicator,
        tensor: Handle,
        root: c_int,
    ) -> *mut c_char;
    fn iterit_nccl_broadcast(
        communicator: *mut RawCommunicator,
        tensor: Handle,
        root: c_int,
    ) -> *mut c_char;
    fn iterit_nccl_is_done(communicator: *mut RawCommunicator, is_done: *mut bool) -> *mut c_char;
    fn iterit_nccl_leave(communicator: *mut RawCommunicator);
    fn iterit_cuda_card(device: c_int) -> *mut c_char;
}

/// By which the ranks of a communicator find one another.
pub(crate) type UniqueId = [u8; 128];

/// The library. Once loaded it stays.
#[derive(Clone, Copy)]
pub(crate) struct Nccl(NonNull<RawNccl>);

/// The GPUs of all ranks, as one of them sees them. What they do together they ask for in the same order.
pub(crate) struct Communicator {
    raw: NonNull<RawCommunicator>,
    device: usize,
}

// SAFETY: the table of a library's functions is never written to once it is made.
unsafe impl Send for Nccl {}
// SAFETY: NCCL lets any thread use a communicator, one at a time, and a thread that is given this has it alone.
unsafe impl Send for Communicator {}

impl Nccl {
    /// The one that libtorch's CUDA half has brought into the process.
    pub(crate) fn loaded() -> Result<Self> {
        Self::open(ptr::null())
    }

    /// The one in a file, or by a name that the system's loader knows.
    pub(crate) fn load(path: &Path) -> Result<Self> {
        let path = path.to_str().and_then(|path| CString::new(path).ok());
        let path = path.ok_or_else(|| Error::Model("a library path is not UTF-8".into()))?;
        Self::open(path.as_ptr())
    }

    fn open(path: *const c_char) -> Result<Self> {
        let mut nccl = ptr::null_mut();
        // SAFETY: the text, where there is one, and the place for the result live through the call. Loading runs
        // the library's constructors; it is NCCL, or what the user has put in its place.
        check(unsafe { iterit_nccl_load(path, &raw mut nccl) })?;
        Ok(Self(NonNull::new(nccl).expect("the call went well")))
    }

    /// Such as 2.28.9.
    pub(crate) fn version(self) -> Result<String> {
        let mut version = 0;
        // SAFETY: the table lives for ever, the place through the call.
        check(unsafe { iterit_nccl_version(self.0.as_ptr(), &raw mut version) })?;
        Ok(format!("{}.{}.{}", version / 10_000, version / 100 % 100, version % 100))
    }

    /// For one communicator, whose ranks all get it from the one that asks here.
    pub(crate) fn unique_id(self) -> Result<UniqueId> {
        let mut bytes = [0; 128];
        // SAFETY: the call writes 128 bytes.
        check(unsafe { iterit_nccl_unique_id(self.0.as_ptr(), bytes.as_mut_ptr()) })?;
        Ok(bytes)
    }
}

impl Communicator {
    /// Begins to meet the others, each with this CUDA device of its own.
    pub(crate) fn join(
        nccl: Nccl,
        id: &UniqueId,
        [rank, size]: [usize; 2],
        device: usize,
    ) -> Result<Self> {
        assert!(rank < size, "rank {rank} of {size}");
        let index = i8::try_from(device).map_err(|_| Error::Model("no such device".into()))?;
        let mut raw = ptr::null_mut();
        let (own, all) = (rank as c_int, size as c_int);
        // SAFETY: the id has 128 bytes; it and the place for the result live through the call.
        check(unsafe {
            iterit_nccl_join(nccl.0.as_ptr(), id.as_ptr(), own, all, index, &raw mut raw)
        })?;
        Ok(Self { raw: NonNull::new(raw).expect("the call went well"), device })
    }

    /// Where tensors have to lie.
    pub(crate) fn device(&self) -> Device {
        Device::Cuda(self.device)
    }

    /// Begins to fill the tensor of one rank with the sum of all.
    pub(crate) fn sum_at(&mut self, tensor: &mut Tensor, root: usize) -> Result<()> {
        // SAFETY: both are alive; the shim keeps the tensor's memory until the device is done with it, and what
        // the device is asked meanwhile it does afterwards.
        check(unsafe { iterit_nccl_sum_at(self.raw.as_ptr(), tensor.as_ptr(), root as c_int) })
    }

    /// Begins to fill the tensor of every rank with that of one.
    pub(crate) fn broadcast(&mut self, tensor: &mut Tensor, root: usize) -> Result<()> {
        // SAFETY: as above.
        check(unsafe { iterit_nccl_broadcast(self.raw.as_ptr(), tensor.as_ptr(), root as c_int) })
    }

    /// Whether what was begun last is done; false for as long as another rank has not begun it.
    pub(crate) fn is_done(&mut self) -> Result<bool> {
        let mut is_done = false;
        // SAFETY: the communicator is alive, and the place lives through the call.
        check(unsafe { iterit_nccl_is_done(self.raw.as_ptr(), &raw mut is_done) })?;
        Ok(is_done)
    }
}

impl Drop for Communicator {
    fn drop(&mut self) {
        // SAFETY: it is ours, and nobody uses it any more.
        unsafe { iterit_nccl_leave(self.raw.as_ptr()) };
    }
}

/// Where a CUDA device sits in its machine, such as `0000:1B:00.0`, if CUDA's runtime says so.
pub(crate) fn cuda_card(device: usize) -> Option<String> {
    // SAFETY: the shim asks the runtime for any number of a device; the text is ours to free.
    unsafe {
        let card = iterit_cuda_card(c_int::try_from(device).ok()?);
        if card.is_null() {
            return None;
        }
        let text = CStr::from_ptr(card).to_string_lossy().into_owned();
        libc::free(card.cast::<c_void>());
        Some(text)
    }
}

fn check(message: *mut c_char) -> Result<()> {
    match said(message) {
        None => Ok(()),
        Some(text) => Err(Error::Model(text.lines().next().unwrap_or_default().to_owned())),
    }
}
