#include "src/xencompat/xenstore/wire.h"

#include <gtest/gtest.h>

namespace veneer {
namespace {

std::span<const std::byte> Bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

std::string Encoded(std::uint32_t type, std::string_view payload) {
  xsd_sockmsg header{};
  header.type = type;
  header.req_id = 5;
  header.tx_id = 6;
  return EncodeMessage(header, payload);
}

TEST(Wire, PutsMessagesTogetherFromSingleBytes) {
  const std::string stream = Encoded(XS_READ, "path") + Encoded(XS_WRITE, "");
  WireParser parser;
  std::vector<WireMessage> messages;
  for (const char& c : stream) {
    auto input = Bytes({&c, 1});
    if (auto message = parser.Feed(&input)) {
      messages.push_back(*std::move(message));
    }
    EXPECT_TRUE(input.empty());
  }
  ASSERT_EQ(messages.size(), 2u);
  EXPECT_EQ(messages[0].header.type, std::uint32_t{XS_READ});
  EXPECT_EQ(messages[0].header.req_id, 5u);
  EXPECT_EQ(messages[0].header.tx_id, 6u);
  EXPECT_EQ(messages[0].payload, "path");
  EXPECT_EQ(messages[1].payload, "");
}

TEST(Wire, TakesNoMoreThanOneMessageAtATime) {
  const std::string stream = Encoded(XS_READ, "one") + Encoded(XS_READ, "two");
  WireParser parser;
  auto input = Bytes(stream);
  EXPECT_EQ(parser.Feed(&input)->payload, "one");
  EXPECT_EQ(input.size(), stream.size() / 2);
  EXPECT_EQ(parser.Feed(&input)->payload, "two");
  EXPECT_FALSE(parser.Feed(&input));
  EXPECT_FALSE(parser.failed());
}

TEST(Wire, TakesTheLongestPayloadAndFailsForGoodBeyondIt) {
  const std::string longest = Encoded(XS_READ, std::string(XENSTORE_PAYLOAD_MAX, 'x'));
  WireParser parser;
  auto input = Bytes(longest);
  EXPECT_EQ(parser.Feed(&input)->payload.size(), std::size_t{XENSTORE_PAYLOAD_MAX});
  const std::string too_long = Encoded(XS_READ, std::string(XENSTORE_PAYLOAD_MAX + 1, 'x'));
  input = Bytes(too_long);
  EXPECT_FALSE(parser.Feed(&input));
  EXPECT_TRUE(parser.failed());
  const std::string good = Encoded(XS_READ, "good");
  input = Bytes(good);
  EXPECT_FALSE(parser.Feed(&input));
  EXPECT_EQ(input.size(), good.size());
}

TEST(Wire, SplitsStringsAtTheirNuls) {
  EXPECT_TRUE(SplitStrings("").empty());
  EXPECT_TRUE(SplitStrings("unfinished").empty());
  EXPECT_EQ(SplitStrings(std::string_view("a\0\0b\0rest", 9)),
            (std::vector<std::string_view>{"a", "", "b"}));
  EXPECT_EQ(SingleString(std::string_view("a\0", 2)), "a");
  EXPECT_EQ(SingleString(std::string_view("\0", 1)), "");
  EXPECT_FALSE(SingleString(""));
  EXPECT_FALSE(SingleString("a"));
  EXPECT_FALSE(SingleString(std::string_view("a\0b\0", 4)));
  EXPECT_FALSE(SingleString(std::string_view("a\0b", 3)));
}

TEST(Wire, WritesAndReadsPermissions) {
  for (const char* text : {"n0", "r1", "w2", "b65535"}) {
    const auto permission = ParsePermission(text);
    ASSERT_TRUE(permission) << text;
    EXPECT_EQ(EncodePermission(*permission), text);
  }
  for (const char* text : {"", "n", "x1", "r-1", "r65536", "r1x", "1", "R1", "r 1"}) {
    EXPECT_FALSE(ParsePermission(text)) << text;
  }
}

TEST(Wire, EveryErrorHasANameThatClientsKnow) {
  for (const XsError error :
       {XsError::kInvalid, XsError::kAccess, XsError::kExists, XsError::kNotFound,
        XsError::kNoSpace, XsError::kNotImplemented, XsError::kBusy, XsError::kAgain,
        XsError::kTooBig, XsError::kNotPermitted}) {
    bool known = false;
    for (const auto& entry : xsd_errors) {
      known = known ||
              (entry.errnum == static_cast<int>(error) && entry.errstring == XsErrorName(error));
    }
    EXPECT_TRUE(known) << XsErrorName(error);
  }
}

}  // namespace
}  // namespace veneer
