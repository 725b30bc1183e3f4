#include <sys/prctl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>

#include <grp.h>
#include <pwd.h>

#include "rights.h"
#include "veneer/host/sandbox/sandbox.h"
#include "veneer/vmm/base/option_list.h"

namespace veneer {
namespace {

struct Account {
  uid_t user = 0;
  gid_t group = 0;
  bool named = true;  // and so may have more groups
};

Result<Account> FindAccount(const std::string& name) {
  if (const std::optional<std::uint64_t> number = ParseWhole(name);
      number && *number < std::numeric_limits<uid_t>::max()) {
    return Account{static_cast<uid_t>(*number), static_cast<gid_t>(*number), false};
  }
  std::array<char, 4096> texts{};
  passwd entry{};
  passwd* found = nullptr;
  const int error = getpwnam_r(name.c_str(), &entry, texts.data(), texts.size(), &found);
  if (found == nullptr) {
    return error == 0 || error == ENOENT
               ? UsageError("--user: there is no user '{}'", name)
               : ErrnoError(error, fmt::format("--user: cannot look for '{}'", name));
  }
  return Account{entry.pw_uid, entry.pw_gid};
}

}  // namespace

Result<void> BecomeUser(const std::string& name, const SandboxNeeds& needs) {
  VENEER_TRY_ASSIGN(const Account account, FindAccount(name));
  if (account.user == geteuid() && account.user != 0) {
    return {};
  }
  if (geteuid() != 0) {
    return UsageError("--user {}: only root can become another user; leave --user out", name);
  }
  if (account.user == 0) {
    return UsageError("--user {}: this is root; name a user without its rights", name);
  }
  if (needs.scripts) {
    return UsageError(
        "--user {}: a script= would run without root's rights; make the tap ready beforehand, and "
        "leave script= out",
        name);
  }
  // The change of user would take all capabilities.
  const auto take_groups = [&] {
    return account.named ? initgroups(name.c_str(), account.group) : setgroups(0, nullptr);
  };
  if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0 || take_groups() != 0 ||
      setresgid(account.group, account.group, account.group) != 0 ||
      setresuid(account.user, account.user, account.user) != 0) {
    return ErrnoError(errno, fmt::format("--user: cannot become '{}'", name));
  }
  VENEER_TRY(DropRights({.taps = needs.taps, .ports = true}));
  // /proc/self stays this process's own. There are no core files all the same.
  ForbidCoreFiles();
  if (prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) != 0) {
    return ErrnoError(errno, "--user: cannot keep /proc/self");
  }
  return {};
}

}  // namespace veneer
