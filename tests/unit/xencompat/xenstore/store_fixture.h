// A store with a session for domain 0 and one for the guest, and what both have been told.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "src/xencompat/xenstore/store.h"

namespace veneer::test {

class RecordingSink : public WatchSink {
 public:
  void OnWatchEvent(std::string_view path, std::string_view token) override {
    events_.emplace_back(path, token);
  }
  // The events so far, and forgets them.
  std::vector<std::pair<std::string, std::string>> Take() { return std::exchange(events_, {}); }

 private:
  std::vector<std::pair<std::string, std::string>> events_;
};

using Events = std::vector<std::pair<std::string, std::string>>;

class StoreFixture : public ::testing::Test {
 protected:
  explicit StoreFixture(const XenstoreQuotas& quotas = {}) : store(quotas) {
    host = store.Open(kHostDomId, false, host_sink);
    guest = store.Open(kGuestDomId, true, guest_sink);
    // The guest's own tree.
    EXPECT_TRUE(store.Mkdir(*host, 0, "/local/domain/1"));
    EXPECT_TRUE(store.SetPermissions(*host, 0, "/local/domain/1", XsPrivate(kGuestDomId)));
  }

  // "" for success.
  template <typename T>
  static std::string ErrorOf(const XsResult<T>& result) {
    return result ? "" : std::string(XsErrorName(result.error()));
  }

  std::string Value(std::string_view path) {
    const auto value = store.Read(*host, 0, path);
    return value ? *value : "<" + ErrorOf(value) + ">";
  }
  void Put(std::string_view path, std::string_view value) {
    EXPECT_EQ(ErrorOf(store.Write(*host, 0, path, value)), "");
  }

  Store store;
  RecordingSink host_sink;
  RecordingSink guest_sink;
  std::unique_ptr<StoreSession> host;
  std::unique_ptr<StoreSession> guest;
};

}  // namespace veneer::test
