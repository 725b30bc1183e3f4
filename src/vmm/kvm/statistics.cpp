#include "statistics.h"

#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <vector>

namespace veneer::kvm {
namespace {

// struct kvm_stats_header
struct Header {
  std::uint32_t flags;
  std::uint32_t name_size;
  std::uint32_t descriptor_count;
  std::uint32_t id_offset;
  std::uint32_t descriptor_offset;
  std::uint32_t data_offset;
};

// The fixed part of struct kvm_stats_desc; the name follows.
struct Descriptor {
  std::uint32_t flags;
  std::int16_t exponent;
  std::uint16_t size;    // number of 8-byte values
  std::uint32_t offset;  // bytes from data_offset
  std::uint32_t bucket_size;
};

// Far above what any kernel has (48 bytes, some sixty statistics); keeps a damaged header from
// asking for all memory.
constexpr std::uint32_t kMaxNameSize = 4096;
constexpr std::uint32_t kMaxDescriptors = 65536;

bool ReadAt(int fd, void* to, std::size_t size, std::uint64_t offset) {
  return pread(fd, to, size, static_cast<off_t>(offset)) == static_cast<ssize_t>(size);
}

}  // namespace

void AddStatistics(int stats_fd, std::map<std::string, std::uint64_t>& totals) {
  Header header{};
  if (!ReadAt(stats_fd, &header, sizeof header, 0) || header.name_size > kMaxNameSize ||
      header.descriptor_count > kMaxDescriptors) {
    return;
  }
  const std::size_t stride = sizeof(Descriptor) + header.name_size;
  std::vector<char> descriptors(stride * header.descriptor_count);
  if (!ReadAt(stats_fd, descriptors.data(), descriptors.size(), header.descriptor_offset)) {
    return;
  }
  for (std::uint32_t i = 0; i < header.descriptor_count; ++i) {
    const char* entry = descriptors.data() + stride * i;
    Descriptor descriptor{};
    std::memcpy(&descriptor, entry, sizeof descriptor);
    std::uint64_t value = 0;
    if (ReadAt(stats_fd, &value, sizeof value, header.data_offset + descriptor.offset)) {
      const char* name = entry + sizeof descriptor;
      totals[std::string(name, strnlen(name, header.name_size))] += value;
    }
  }
}

}  // namespace veneer::kvm
