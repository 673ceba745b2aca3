//! Several processes that work on one thing, by torch.distributed's own parts and `csrc/process_group.cpp`:
//! a store where they meet, and what they tell one another by Gloo. It knows tensors on the CPU, not models.

use super::{Handle, check};
use iterit_core::{Error, Result};
use std::ffi::{CString, c_char, c_int, c_void};
use std::ptr::{self, NonNull};
use std::slice;
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
    fn iterit_store_set(
        store: *const RawStore,
        key: *const c_char,
        bytes: *const u8,
        length: usize,
    ) -> *mut c_char;
    fn iterit_store_has(
        store: *const RawStore,
        key: *const c_char,
        is_there: *mut bool,
    ) -> *mut c_char;
    fn iterit_store_get(
        store: *const RawStore,
        key: *const c_char,
        bytes: *mut *mut u8,
        length: *mut usize,
    ) -> *mut c_char;
    fn iterit_store_forget(store: *const RawStore, key: *const c_char) -> *mut c_char;
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
    fn iterit_group_sum_at(group: *const RawGroup, tensor: Handle, root: c_int) -> *mut c_char;
    fn iterit_group_leave(group: *mut RawGroup);
}

/// Where the ranks meet.
pub(crate) struct Store(NonNull<RawStore>);

/// All ranks, as one of them sees them. What they do together they ask for in the same order, and nobody waits
/// for another longer than the limit it has joined with.
pub(crate) struct ProcessGroup(NonNull<RawGroup>);

// SAFETY: both are counted pointers to objects that libtorch guards by locks of their own; a thread that is
// given one has it alone.
unsafe impl Send for Store {}
// SAFETY: as above.
unsafe impl Send for ProcessGroup {}

impl Store {
    /// Hosts one at this port, or with 0 at one that is free.
    pub(crate) fn host(address: &str, port: u16, limit: Duration) -> Result<Self> {
        Self::open(address, port, true, limit)
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

    /// Puts something under a key.
    pub(crate) fn set(&self, key: &str, value: &[u8]) -> Result<()> {
        let key = text(key)?;
        // SAFETY: store, key and bytes live through the call, which copies the bytes.
        check(unsafe {
            iterit_store_set(self.0.as_ptr(), key.as_ptr(), value.as_ptr(), value.len())
        })
    }

    /// What stands under a key, if something does.
    pub(crate) fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        let key = text(key)?;
        let mut is_there = false;
        // SAFETY: store, key and the place for the answer live through the call.
        check(unsafe { iterit_store_has(self.0.as_ptr(), key.as_ptr(), &raw mut is_there) })?;
        if !is_there {
            return Ok(None);
        }
        let (mut bytes, mut length) = (ptr::null_mut(), 0);
        // SAFETY: as above; the bytes are ours to copy and to free.
        unsafe {
            let (bytes_at, length_at) = (&raw mut bytes, &raw mut length);
            check(iterit_store_get(self.0.as_ptr(), key.as_ptr(), bytes_at, length_at))?;
            let value = slice::from_raw_parts(bytes, length).to_vec();
            libc::free(bytes.cast::<c_void>());
            Ok(Some(value))
        }
    }

    /// Takes a key away, whether it is there or not.
    pub(crate) fn forget(&self, key: &str) -> Result<()> {
        let key = text(key)?;
        // SAFETY: store and key live through the call.
        check(unsafe { iterit_store_forget(self.0.as_ptr(), key.as_ptr()) })
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
        Ok(Self(NonNull::new(group).expect("the call went well")))
    }

    /// Fills the tensor of every rank with that of one.
    pub(crate) fn broadcast(&self, tensor: &mut Tensor, root: usize) -> Result<()> {
        assert_eq!(tensor.device(), Device::Cpu, "Gloo speaks of what lies in main memory");
        // SAFETY: group and tensor are alive, and the tensor is borrowed for writing.
        check(unsafe { iterit_group_broadcast(self.0.as_ptr(), tensor.as_ptr(), root as c_int) })
    }

    /// Fills the tensor of every rank with the sum of all.
    pub(crate) fn sum(&self, tensor: &mut Tensor) -> Result<()> {
        assert_eq!(tensor.device(), Device::Cpu, "Gloo speaks of what lies in main memory");
        // SAFETY: as above.
        check(unsafe { iterit_group_sum(self.0.as_ptr(), tensor.as_ptr()) })
    }

    /// Fills the tensor of one rank with the sum of all; those of the others are spent.
    pub(crate) fn sum_at(&self, tensor: &mut Tensor, root: usize) -> Result<()> {
        assert_eq!(tensor.device(), Device::Cpu, "Gloo speaks of what lies in main memory");
        // SAFETY: as above.
        check(unsafe { iterit_group_sum_at(self.0.as_ptr(), tensor.as_ptr(), root as c_int) })
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        // SAFETY: it is ours, and nobody uses it any more.
        unsafe { iterit_group_leave(self.0.as_ptr()) };
    }
}

fn text(address: &str) -> Result<CString> {
    CString::new(address).map_err(|_| Error::Model("an address with a zero in it".into()))
}

fn millis(limit: Duration) -> i64 {
    i64::try_from(limit.as_millis()).unwrap_or(i64::MAX)
}
