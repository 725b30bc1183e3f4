// The other end of a connection, for tests: makes requests and takes replies apart.
#pragma once

#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "src/xencompat/xenstore/connection.h"

namespace veneer::test {

inline std::string MakeRequest(std::uint32_t type, std::string_view payload, std::uint32_t tx = 0,
                               std::uint32_t id = 1) {
  xsd_sockmsg header{};
  header.type = type;
  header.tx_id = tx;
  header.req_id = id;
  return EncodeMessage(header, payload);
}

inline std::span<const std::byte> AsBytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

// Takes every whole message off the front of `*bytes`.
inline std::vector<WireMessage> TakeMessages(std::string* bytes) {
  std::vector<WireMessage> messages;
  for (;;) {
    WireMessage message;
    if (bytes->size() < sizeof message.header) {
      return messages;
    }
    std::memcpy(&message.header, bytes->data(), sizeof message.header);
    if (bytes->size() < sizeof message.header + message.header.len) {
      return messages;
    }
    message.payload = bytes->substr(sizeof message.header, message.header.len);
    bytes->erase(0, sizeof message.header + message.header.len);
    messages.push_back(std::move(message));
  }
}

// All that the connection has to say.
inline std::string Drain(Connection& connection) {
  std::string bytes;
  while (!connection.Output().empty()) {
    const auto part = connection.Output();
    for (const std::byte b : part) {
      bytes.push_back(static_cast<char>(b));
    }
    connection.ConsumeOutput(part.size());
  }
  return bytes;
}

// For readable tests: '|' stands for NUL.
inline std::string Nuls(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    c = c == '|' ? '\0' : c;
  }
  return result;
}
inline std::string Bars(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    c = c == '\0' ? '|' : c;
  }
  return result;
}

}  // namespace veneer::test
