// Messages of the xenstore protocol (<xen/io/xs_wire.h>): a header and up to 4096 bytes.
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "veneer/xencompat/xenstore/xs_types.h"

// clang-format off: it uses the fixed-width integers without asking for them
#include <xen/io/xs_wire.h>
// clang-format on

namespace veneer {

struct WireMessage {
  xsd_sockmsg header{};
  std::string payload;
};

// The bytes of a message; `header.len` is taken from the payload.
std::string EncodeMessage(xsd_sockmsg header, std::string_view payload);

// Puts a message together from bytes as they come.
class WireParser {
 public:
  // Takes bytes from the front of `*input` up to the end of the message under way, which it returns
  // once it is complete. A header with a length above the protocol's limit makes the parser fail
  // for good.
  std::optional<WireMessage> Feed(std::span<const std::byte>* input);
  bool failed() const { return failed_; }

 private:
  std::size_t header_bytes_ = 0;
  bool failed_ = false;
  WireMessage message_;
};

// The strings of a payload, each ended by a NUL; bytes after the last NUL are not part of it.
std::vector<std::string_view> SplitStrings(std::string_view payload);

// The payload if it is exactly one string.
std::optional<std::string_view> SingleString(std::string_view payload);

// "b1": an access letter and a domain id.
std::string EncodePermission(const XsPermission& permission);
std::optional<XsPermission> ParsePermission(std::string_view text);

// A decimal domain id, 0 to 65535.
std::optional<DomId> ParseDomain(std::string_view text);

}  // namespace veneer
