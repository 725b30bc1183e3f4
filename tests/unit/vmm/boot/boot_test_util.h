// What the tests of the boot area share.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "src/vmm/boot/byte_source.h"
#include "src/vmm/boot/kernel_loader.h"
#include "support/kernel_images.h"
#include "support/units.h"
#include "veneer/vmm/base/unique_fd.h"
#include "veneer/vmm/boot/memory_layout.h"
#include "veneer/vmm/memory/guest_memory.h"

namespace veneer::testing {

inline std::unique_ptr<GuestMemory> FlatMemory(std::uint64_t mib) {
  return std::move(*GuestMemory::CreateFlat(mib * kMiB));
}

// A file without a place in the file system, that can be opened by path.
class TempFile {
 public:
  explicit TempFile(std::span<const std::byte> content) : fd_(memfd_create("test", MFD_CLOEXEC)) {
    EXPECT_EQ(write(fd_.get(), content.data(), content.size()),
              static_cast<ssize_t>(content.size()));
  }
  std::string path() const { return "/proc/self/fd/" + std::to_string(fd_.get()); }
  int fd() const { return fd_.get(); }

 private:
  UniqueFd fd_;
};

inline Result<LoadedKernel> Load(const Bytes& file, GuestMemory& memory,
                                 KernelEntry entry = KernelEntry::kAuto) {
  SpanSource source(file);
  return LoadKernelFrom(source, entry, memory);
}

inline Bytes ReadGuest(const GuestMemory& memory, std::uint64_t gpa, std::size_t size) {
  Bytes bytes(size);
  EXPECT_TRUE(memory.ReadBytes(Gpa{gpa}, bytes));
  return bytes;
}

// The message of a usage error; anything else is a failure of the test.
template <typename T>
std::string UsageMessage(const Result<T>& result) {
  if (result) {
    ADD_FAILURE() << "no error";
    return {};
  }
  EXPECT_EQ(result.error().kind, ErrorKind::kUsage) << result.error().message;
  return result.error().message;
}

}  // namespace veneer::testing
