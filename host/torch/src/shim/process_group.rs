//! Several processes that work on one thing, by torch.distributed's own parts and `csrc/process_group.cpp`:
//! a store where they meet, and what they tell one another by Gloo. It knows tensors on the CPU, not models.

use super::{Handle, check};
use iterit_core::{Error, Result};
use std::ffi::{CString, c_char, c_int};
use std::ptr::{self, NonNull};
use std::time::Duration;
use tch::{Device, Tensor};

/// `IteritStore` of the shim.
#[repr(C)]
struct RawStore([u8; 0]);

/// `IteritGroup` of the shim.
#[repr(C)]
struct RawGroup([u8; 0]);

// SAFETY: the signatures are those of `csrc/process_group.cpp`, which this crate's build script compiles.
unsafe extern "C" {
    fn iterit_store_open(
        host: *const c_char,
        port: u16,
        hosts: bool,
        limit_ms: i64,
        result: *mut *mut RawStore,
    ) -> *mut c_char;
    fn iterit_store_port(store: *const RawStore) -> u16;
    fn iterit_store_close(store: *mut RawStore);
    fn iterit_group_join(
        store: *const RawStore,
        host: *const c_char,
        rank: c_int,
        size: c_int,
        limit_ms: i64,
        result: *mut *mut RawGroup,
    ) -> *mut c_char;
    fn iterit_group_broadcast(group: *const RawGroup, tensor: Handle, root: c_int) -> *mut c_char;
    fn iterit_group_sum(group: *const RawGroup, tensor: Handle) -> *mut c_char;
    fn iterit_group_leave(group: *mut RawGroup);
}

/// Where the ranks meet.
pub(crate) struct Store(NonNull<RawStore>);

/// All ranks, as one of them sees them. What they do together they ask for in the same order, and nobody waits
/// for another longer than the limit it has joined with.
pub(crate) struct ProcessGroup {
    group: NonNull<RawGroup>,
    /// Which one this is, from 0.
    pub(crate) rank: usize,
    /// How many there are.
    pub(crate) size: usize,
}

// SAFETY: both are counted pointers to objects that libtorch guards by locks of their own; a thread that is
// given one has it alone.
unsafe impl Send for Store {}
// SAFETY: as above.
unsafe impl Send for ProcessGroup {}

impl Store {
    /// Hosts one at a port of this machine that is free.
    pub(crate) fn host(address: &str, limit: Duration) -> Result<Self> {
        Self::open(address, 0, true, limit)
    }

    /// Looks for one for as long as the limit.
    pub(crate) fn find(address: &str, port: u16, limit: Duration) -> Result<Self> {
        Self::open(address, port, false, limit)
    }

    fn open(address: &str, port: u16, hosts: bool, limit: Duration) -> Result<Self> {
        let (address, mut store) = (text(address)?, ptr::null_mut());
        // SAFETY: the text and the place for the result live through the call.
        check(unsafe {
            iterit_store_open(address.as_ptr(), port, hosts, millis(limit), &raw mut store)
        })?;
        Ok(Self(NonNull::new(store).expect("the call went well")))
    }

    /// Where the others find it.
    pub(crate) fn port(&self) -> u16 {
        // SAFETY: the store is alive.
        unsafe { iterit_store_port(self.0.as_ptr()) }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // SAFETY: it is ours, and nobody uses it any more; a group holds a count of its own.
        unsafe { iterit_store_close(self.0.as_ptr()) };
    }
}

impl ProcessGroup {
    /// Waits for all ranks; `address` is where the others reach this one.
    pub(crate) fn join(
        store: &Store,
        address: &str,
        [rank, size]: [usize; 2],
        limit: Duration,
    ) -> Result<Self> {
        assert!(rank < size, "rank {rank} of {size}");
        let (text, mut group) = (text(address)?, ptr::null_mut());
        let (own, all) = (rank as c_int, size as c_int);
        // SAFETY: store, text and the place for the result live through the call.
        check(unsafe {
            iterit_group_join(
                store.0.as_ptr(),
                text.as_ptr(),
                own,
                all,
                millis(limit),
                &raw mut group,
            )
        })?;
        Ok(Self { group: NonNull::new(group).expect("the call went well"), rank, size })
    }

    /// Fills the tensor of every rank with that of one.
    pub(crate) fn broadcast(&self, tensor: &mut Tensor, root: usize) -> Result<()> {
        assert_eq!(tensor.device(), Device::Cpu, "Gloo speaks of what lies in main memory");
        // SAFETY: group and tensor are alive, and the tensor is borrowed for writing.
        check(unsafe {
            iterit_group_broadcast(self.group.as_ptr(), tensor.as_ptr(), root as c_int)
        })
    }

    /// Fills the tensor of every rank with the sum of all.
    pub(crate) fn sum(&self, tensor: &mut Tensor) -> Result<()> {
        assert_eq!(tensor.device(), Device::Cpu, "Gloo speaks of what lies in main memory");
        // SAFETY: as above.
        check(unsafe { iterit_group_sum(self.group.as_ptr(), tensor.as_ptr()) })
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        // SAFETY: it is ours, and nobody uses it any more.
        unsafe { iterit_group_leave(self.group.as_ptr()) };
    }
}

fn text(address: &str) -> Result<CString> {
    CString::new(address).map_err(|_| Error::Model("an address with a zero in it".into()))
}

fn millis(limit: Duration) -> i64 {
    i64::try_from(limit.as_millis()).unwrap_or(i64::MAX)
}
