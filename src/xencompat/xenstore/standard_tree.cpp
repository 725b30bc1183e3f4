#include "veneer/xencompat/xenstore/standard_tree.h"

#include <array>
#include <string_view>

#include <fmt/core.h>

namespace veneer {
namespace {

// Writes below one path and remembers the first error, so that a tree reads like a list.
class TreeWriter {
 public:
  TreeWriter(XenstoreView& view, std::string base) : view_(view), base_(std::move(base)) {}

  // Children made later inherit the permissions.
  TreeWriter& Node(std::string_view name, const XsPermissions& permissions) {
    const std::string path = Path(name);
    Keep(view_.Mkdir(path));
    Keep(view_.SetPermissions(path, permissions));
    return *this;
  }
  TreeWriter& Value(std::string_view name, std::string_view value) {
    Keep(view_.Write(Path(name), value));
    return *this;
  }
  TreeWriter& Number(std::string_view name, std::uint64_t value) {
    Keep(view_.WriteNumber(Path(name), value));
    return *this;
  }
  const XsResult<void>& result() const { return result_; }

 private:
  std::string Path(std::string_view name) const {
    return name.empty() ? base_ : fmt::format("{}/{}", base_, name);
  }
  void Keep(const XsResult<void>& result) {
    if (result_) {
      result_ = result;
    }
  }

  XenstoreView& view_;
  std::string base_;
  XsResult<void> result_;
};

// What the guest tells us, or acknowledges by writing.
constexpr std::array<std::string_view, 13> kGuestWritable{
    "control/shutdown",
    "control/sysrq",
    "control/feature-poweroff",
    "control/feature-reboot",
    "control/feature-suspend",
    "control/feature-s3",
    "control/feature-s4",
    "device/suspend/event-channel",
    "data",
    "drivers",
    "feature",
    "attr",
    "error",
};

void WriteHostTree(TreeWriter& tree) {
  tree.Node("", XsPrivate(kHostDomId)).Value("name", "Domain-0").Number("domid", kHostDomId.value);
}

void WriteVmTree(TreeWriter& tree, const DomainDescription& domain) {
  tree.Node("", XsShared(kHostDomId, domain.domain, XsAccess::kRead))
      .Value("uuid", domain.uuid)
      .Value("name", domain.name);
}

void WriteGuestTree(TreeWriter& tree, const DomainDescription& domain) {
  const XsPermissions readable = XsShared(kHostDomId, domain.domain, XsAccess::kRead);
  tree.Node("", readable)
      .Value("vm", fmt::format("/vm/{}", domain.uuid))
      .Value("name", domain.name)
      .Number("domid", domain.domain.value)
      .Node("cpu", readable)
      .Node("memory", readable)
      .Number("memory/static-max", domain.memory_max_kib)
      .Number("memory/target", domain.memory_target_kib)
      .Node("device", readable)
      .Node("control", readable)
      .Number("control/platform-feature-multiprocessor-suspend", 1)
      .Number("control/platform-feature-xs_reset_watches", 1);
  for (unsigned cpu = 0; cpu < domain.vcpus_max; ++cpu) {
    tree.Value(fmt::format("cpu/{}/availability", cpu), cpu < domain.vcpus ? "online" : "offline");
  }
  for (const std::string_view name : kGuestWritable) {
    tree.Node(name, XsPrivate(domain.domain));
  }
}

void WriteChannels(TreeWriter& tree, const DomainDescription& domain) {
  const XsPermissions readable = XsShared(kHostDomId, domain.domain, XsAccess::kRead);
  if (domain.store) {
    tree.Node("store", readable)
        .Number("store/port", domain.store->port.value)
        .Number("store/ring-ref", domain.store->page.value);
  }
  if (domain.console) {
    tree.Node("console", readable)
        .Number("console/port", domain.console->channel.port.value)
        .Number("console/ring-ref", domain.console->channel.page.value)
        .Value("console/type", "xenconsoled")
        .Value("console/output", "pty")
        .Value("console/tty", domain.console->tty)
        .Number("console/limit", domain.console->limit_bytes)
        .Value("console/backend",
               fmt::format("/local/domain/0/backend/console/{}/0", domain.domain.value))
        .Number("console/backend-id", kHostDomId.value);
  }
}

}  // namespace

XsResult<void> WriteStandardTree(XenstoreClient& client, const DomainDescription& domain) {
  return client.Transact([&](XenstoreTransaction& transaction) -> XsResult<void> {
    const std::string vm_path = fmt::format("/vm/{}", domain.uuid);
    const std::string domain_path = XsDomainPath(domain.domain);
    for (const std::string& path : {vm_path, domain_path}) {
      if (const auto removed = transaction.Remove(path); !removed) {
        return removed;
      }
    }
    TreeWriter host(transaction, XsDomainPath(kHostDomId));
    WriteHostTree(host);
    TreeWriter vm(transaction, vm_path);
    WriteVmTree(vm, domain);
    TreeWriter guest(transaction, domain_path);
    WriteGuestTree(guest, domain);
    WriteChannels(guest, domain);
    for (const TreeWriter* writer : {&host, &vm, &guest}) {
      if (!writer->result()) {
        return writer->result();
      }
    }
    return {};
  });
}

}  // namespace veneer
