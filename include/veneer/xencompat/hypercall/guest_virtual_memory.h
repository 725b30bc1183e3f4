// Guest memory by the addresses hypercalls use: the calling vCPU's virtual ones.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>

#include "veneer/vmm/memory/gpa.h"
#include "veneer/vmm/memory/guest_memory.h"

namespace veneer {

// For one vCPU, on its thread, while it is stopped in a hypercall.
class GuestVirtualMemory {
 public:
  virtual ~GuestVirtualMemory() = default;
  // Copies; false if any byte is not mapped or not RAM (part of it may have been copied then).
  [[nodiscard]] virtual bool Read(std::uint64_t address, std::span<std::byte> out) = 0;
  [[nodiscard]] virtual bool Write(std::uint64_t address, std::span<const std::byte> data) = 0;
  // The physical address behind a virtual one.
  virtual std::optional<Gpa> Translate(std::uint64_t address) = 0;
};

// Goes through the guest's page tables, page by page.
class PagedGuestMemory final : public GuestVirtualMemory {
 public:
  // The vCPU's translation (Vcpu::Translate).
  using TranslatePage = std::function<std::optional<Gpa>(std::uint64_t linear)>;

  // `memory` must outlive this object.
  PagedGuestMemory(GuestMemory& memory, TranslatePage translate);

  bool Read(std::uint64_t address, std::span<std::byte> out) override;
  bool Write(std::uint64_t address, std::span<const std::byte> data) override;
  std::optional<Gpa> Translate(std::uint64_t address) override;

  // Forgets what has been translated: the vCPU has run since.
  void Forget() { cached_.reset(); }

 private:
  struct Page {
    std::uint64_t linear = 0;
    Gpa gpa;
  };

  GuestMemory& memory_;
  const TranslatePage translate_;
  // A translation is a system call, and the arguments of a hypercall mostly share a page.
  std::optional<Page> cached_;
};

}  // namespace veneer
