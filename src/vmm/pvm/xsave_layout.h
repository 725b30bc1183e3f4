// Where the host processor keeps each state component in an XSAVE area (CPUID leaf 0xd; Intel SDM
// vol. 1, 13.2 and 13.4.3). The guest of a PVM host sees the same leaf.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace veneer {

struct XsaveComponent {
  std::size_t standard_offset = 0;  // bytes; from 576
  std::size_t size = 0;             // bytes; 0: the host has no such component
  bool aligned = false;             // to 64 bytes in the compacted format
  bool supervisor = false;          // has no place in the standard format
};

class XsaveLayout {
 public:
  static constexpr unsigned kComponents = 63;

  // Asks the processor.
  static XsaveLayout FromHost();

  // nullptr unless it is a user component that lies within an XsaveArea. From 2: x87 and SSE
  // have their fixed places.
  const XsaveComponent* Find(unsigned number) const;
  // Offset of an extended component in a compacted area with the components `present` (bits of
  // XCOMP_BV); `number` 63 gives the size of the whole area.
  std::size_t CompactedOffset(unsigned number, std::uint64_t present) const;
  // The components that Find() knows, with x87 and SSE.
  std::uint64_t known() const { return known_; }

 private:
  std::array<XsaveComponent, kComponents> components_{};
  std::uint64_t known_ = 0;
};

// Made once, lives as long as the process.
const XsaveLayout& HostXsaveLayout();

}  // namespace veneer
