// What the devices were asked to do, counted from the start of the process and written at its end as JSON into the
// file that PHANTOM_REPORT names, by rank n > 0 of some with .n behind its name. Knows no tensors.
#pragma once

#include <cstddef>
#include <string>

namespace phantom {

// An operator that a device computes. One with several kernels on a real device counts once.
void count_launch(const std::string& name);

// The host stood still until a device was done, for this reason.
void count_wait(const std::string& reason);

// Bytes that went from the host to a device, back, or from one device to another.
void count_copy_in(size_t bytes);
void count_copy_out(size_t bytes);
void count_copy_across(size_t bytes);

// Something that devices of several processes do together, and the bytes that this one brings to it or takes.
void count_collective(const std::string& name, size_t bytes);

// A device's memory: so much is in use after an allocation of so much.
void count_allocation(int device, size_t bytes, size_t in_use);

}  // namespace phantom
