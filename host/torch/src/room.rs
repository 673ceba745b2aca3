//! How much memory is free, and how much this process has: by the device itself, or by what the system says of
//! the machine and of the control groups that the process is in. Knows bytes, not what they are for.

use crate::shim;
use std::fs;
use std::path::{Path, PathBuf};
use tch::Device;

/// Bytes that can still be had on a device; nothing where nobody says.
pub(crate) fn free(device: Device) -> Option<u64> {
    match device {
        Device::Cuda(index) => shim::cuda_memory(index).ok().map(|[free, _]| free),
        _ => {
            // What is kept for tensors to come is theirs.
            shim::give_back_freed_memory();
            free_on_host(Path::new("/"))
        }
    }
}

/// Memory that this process has in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Resident {
    /// All of it, files that are mapped and shared libraries included.
    pub(crate) all: u64,
    /// What no file stands behind.
    pub(crate) anonymous: u64,
}

/// As the system counts it, without what is kept for tensors to come; zeros where it does not.
pub(crate) fn resident() -> Resident {
    shim::give_back_freed_memory();
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let bytes = |name| in_kib(&status, name).unwrap_or(0);
    Resident { all: bytes("VmRSS:"), anonymous: bytes("RssAnon:") }
}

/// The least of what the machine has and what every control group above this process leaves it.
fn free_on_host(root: &Path) -> Option<u64> {
    let machine = fs::read_to_string(root.join("proc/meminfo")).ok();
    let machine = machine.and_then(|text| in_kib(&text, "MemAvailable:"));
    let groups = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let groups = groups.lines().filter_map(|line| Group::named(root, line));
    groups.filter_map(|group| group.free()).chain(machine).min()
}

/// A number of KiB behind a name, in bytes.
fn in_kib(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib * 1024)
}

/// A control group that counts memory.
struct Group {
    /// Where the tree of groups is mounted, and the group in it.
    mount: PathBuf,
    path: PathBuf,
    files: Files,
}

/// What its numbers are called.
struct Files {
    limit: &'static str,
    usage: &'static str,
    /// In `memory.stat`: pages of files, which the system takes back before it refuses memory.
    cached: [&'static str; 2],
}

const VERSION_1: Files = Files {
    limit: "memory.limit_in_bytes",
    usage: "memory.usage_in_bytes",
    cached: ["total_active_file ", "total_inactive_file "],
};
const VERSION_2: Files = Files {
    limit: "memory.max",
    usage: "memory.current",
    cached: ["active_file ", "inactive_file "],
};

impl Group {
    /// By a line of `/proc/self/cgroup`: `0::/path`, or `4:memory:/path` of the first version.
    fn named(root: &Path, line: &str) -> Option<Self> {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next()?, parts.next()?);
        let tree = root.join("sys/fs/cgroup");
        let (mount, files) = match controllers {
            "" => (tree, VERSION_2),
            _ if controllers.split(',').any(|it| it == "memory") => {
                (tree.join("memory"), VERSION_1)
            }
            _ => return None,
        };
        Some(Self { mount, path: path.trim_start_matches('/').into(), files })
    }

    /// The least that it and the groups above it leave. In a container the path is often that of the
    /// machine, of which only the top is there to be seen; it is the container's own group.
    fn free(&self) -> Option<u64> {
        let free = |path: &Path| self.free_at(&self.mount.join(path));
        self.path.ancestors().filter_map(free).min()
    }

    fn free_at(&self, folder: &Path) -> Option<u64> {
        let read = |name: &str| fs::read_to_string(folder.join(name)).ok();
        let number = |name: &str| read(name)?.trim().parse::<u64>().ok();
        // `max` is no number: there is no limit.
        let (limit, usage) = (number(self.files.limit)?, number(self.files.usage)?);
        let stat = read("memory.stat").unwrap_or_default();
        let of_stat = |name: &str| stat.lines().find_map(|line| line.strip_prefix(name));
        let number = |name| of_stat(name)?.trim().parse::<u64>().ok();
        let cached: u64 = self.files.cached.into_iter().filter_map(number).sum();
        Some(limit.saturating_sub(usage.saturating_sub(cached)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    /// A machine with these files.
    fn free_with(files: &[(&str, &str)]) -> Option<u64> {
        let root = tempfile::tempdir().unwrap();
        for (name, content) in files {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        free_on_host(root.path())
    }

    const MACHINE: (&str, &str) =
        ("proc/meminfo", "MemTotal:  9000 kB\nMemAvailable:    8192 kB\nBuffers: 1 kB\n");

    #[test]
    fn a_machine_without_groups_says_what_is_available() {
        assert_eq!(free_with(&[MACHINE]), Some(8 * MIB));
        assert_eq!(free_with(&[]), None);
        assert!(free(Device::Cpu).is_some_and(|bytes| bytes > 0));
    }

    #[test]
    fn the_tightest_group_of_the_second_version_counts_and_its_cache_is_free() {
        let group = ("proc/self/cgroup", "0::/a/b\n");
        let above = [
            ("sys/fs/cgroup/a/memory.max", "7340032\n"),
            ("sys/fs/cgroup/a/memory.current", "5242880\n"),
            ("sys/fs/cgroup/a/memory.stat", "anon 1\ninactive_file 1048576\nactive_file 0\n"),
        ];
        let own = [
            ("sys/fs/cgroup/a/b/memory.max", "max\n"),
            ("sys/fs/cgroup/a/b/memory.current", "1\n"),
        ];
        let files = [&[MACHINE, group][..], &above, &own].concat();
        assert_eq!(free_with(&files), Some(3 * MIB));
    }

    #[test]
    fn a_container_of_the_first_version_sees_its_group_at_the_top() {
        let files = [
            MACHINE,
            ("proc/self/cgroup", "5:cpu:/docker/x\n4:hugetlb,memory:/docker/x\n0::/\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "4194304\n"),
            ("sys/fs/cgroup/memory/memory.usage_in_bytes", "3145728\n"),
            ("sys/fs/cgroup/memory/memory.stat", "total_inactive_file 1048576\n"),
        ];
        assert_eq!(free_with(&files), Some(2 * MIB));
    }

    #[test]
    fn a_process_has_memory() {
        let Resident { all, anonymous } = resident();
        assert!(all > MIB && anonymous > 0 && anonymous <= all, "{all} {anonymous}");
    }
}
