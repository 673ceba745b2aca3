// Memory of the pretended devices. It is the host's own, under addresses that the host cannot use: bit 62 is set and the
// device's number stands in bits 48 to 55, so that whoever reads one on the host dies at once, and a kernel can tell
// whose memory it was given. Fresh memory is full of 0xFF: NaN, or an index that no table has.
#pragma once

#include <c10/core/Allocator.h>

#include <cstddef>

namespace phantom {

// How many devices there are: PHANTOM_DEVICES, or one.
int device_count();

bool is_device_address(const void* address);

// Which device an address belongs to.
int device_of(const void* address);

// The same memory as kernels see it; an address of the host is itself.
void* as_kernels_see(const void* address);

// Takes memory from the current device.
c10::Allocator* device_allocator();

// What is free and what there is, in bytes. There is PHANTOM_MEMORY on each device, or 1 TiB.
size_t free_bytes(int device);
size_t total_bytes();

// Host memory that devices copy from and to while the host goes on.
c10::Allocator* pinned_allocator();
bool is_pinned(const void* address);

}  // namespace phantom
