#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "veneer/vmm/memory/guest_memory.h"

namespace veneer {

Result<SharedPages> SharedPages::Create(std::size_t pages) {
  UniqueFd fd(memfd_create("veneer-shared", MFD_CLOEXEC));
  if (!fd.valid()) {
    return ErrnoError(errno, "cannot make a memory file for shared pages");
  }
  const std::size_t bytes = pages * kPageSize;
  if (ftruncate(fd.get(), static_cast<off_t>(bytes)) != 0) {
    return ErrnoError(errno, "cannot size the memory file for shared pages");
  }
  void* host = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (host == MAP_FAILED) {
    return ErrnoError(errno, "cannot map shared pages");
  }
  return SharedPages(std::move(fd), static_cast<std::byte*>(host), pages);
}

SharedPages::SharedPages(UniqueFd fd, std::byte* host, std::size_t pages)
    : fd_(std::move(fd)), host_(host), pages_(pages) {}

SharedPages::SharedPages(SharedPages&& other) noexcept
    : fd_(std::move(other.fd_)),
      host_(std::exchange(other.host_, nullptr)),
      pages_(std::exchange(other.pages_, 0)) {}

SharedPages& SharedPages::operator=(SharedPages&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(host_, other.host_);
  std::swap(pages_, other.pages_);
  return *this;
}

SharedPages::~SharedPages() {
  if (host_ != nullptr) {
    munmap(host_, pages_ * kPageSize);
  }
}

}  // namespace veneer
