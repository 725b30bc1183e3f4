#include "files.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <utility>
#include <vector>

namespace veneer {
namespace {

// Of the third version of the interface; Debian 12's header ends with the second.
constexpr std::uint64_t kTruncate = std::uint64_t{1} << 14U;

constexpr std::uint64_t kRead = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
constexpr std::uint64_t kWrite = kRead | LANDLOCK_ACCESS_FS_WRITE_FILE | kTruncate;
constexpr std::uint64_t kSockets = LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_REMOVE_FILE;
constexpr std::uint64_t kReplace =
    kWrite | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_REMOVE_FILE;
constexpr std::uint64_t kFolders = LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_REMOVE_DIR;
// What means something for a file, and not only for what is in a folder.
constexpr std::uint64_t kOfFiles = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE |
                                   LANDLOCK_ACCESS_FS_EXECUTE | kTruncate;

std::uint64_t RightsOf(FileUse use) {
  switch (use) {
    case FileUse::kRead:
      return kRead;
    case FileUse::kWrite:
      return kWrite;
    case FileUse::kRun:
      return kRead | LANDLOCK_ACCESS_FS_EXECUTE;
    case FileUse::kReplace:
      return kReplace;
    case FileUse::kSockets:
      return kSockets;
    case FileUse::kEmptyFolders:
      return LANDLOCK_ACCESS_FS_REMOVE_DIR;
    case FileUse::kTemporary:
      break;
  }
  return kReplace | kSockets | kFolders;
}

struct HostFile {
  const char* path;
  FileUse use;
};

// The host's, for every program: programs and libraries.
constexpr HostFile kForPrograms[] = {
    {"/usr", FileUse::kRun},
    {"/lib", FileUse::kRun},
    {"/lib64", FileUse::kRun},
    {"/bin", FileUse::kRun},
    {"/sbin", FileUse::kRun},
    {"/etc/ld.so.cache", FileUse::kRead},
    {"/dev/null", FileUse::kWrite},
    {"/dev/urandom", FileUse::kRead},
    // What a block device can do, and how many processors there are.
    {"/sys/block", FileUse::kRead},
    {"/sys/dev", FileUse::kRead},
    {"/sys/devices", FileUse::kRead},
};

// And for all guests: the names of hosts, what the kernel tells, and devices that are everybody's
// or ask for rights of their own.
constexpr HostFile kForGuests[] = {
    {"/etc", FileUse::kRead},          {"/proc", FileUse::kRead},
    {"/sys", FileUse::kRead},          {"/dev/zero", FileUse::kWrite},
    {"/dev/random", FileUse::kRead},   {"/dev/kvm", FileUse::kWrite},
    {"/dev/net/tun", FileUse::kWrite},
};

// 0: the kernel has none, or it is switched off.
int Version() {
  const long version =
      syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  return version > 0 ? static_cast<int>(version) : 0;
}

std::uint64_t KnownRights(int version) {
  std::uint64_t known = LANDLOCK_ACCESS_FS_REFER - 1;  // all of the first version
  if (version >= 2) {
    known |= LANDLOCK_ACCESS_FS_REFER;  // which nobody is given
  }
  return version >= 3 ? known | kTruncate : known;
}

class Ruleset {
 public:
  explicit Ruleset(int version) : known_(KnownRights(version)) {
    landlock_ruleset_attr attributes{};
    attributes.handled_access_fs = known_;
    fd_.Reset(
        static_cast<int>(syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0)));
  }

  bool Allow(const std::string& path, FileUse use) const {
    const UniqueFd file(open(path.c_str(), O_PATH | O_CLOEXEC));
    struct stat status {};
    if (!file.valid() || fstat(file.get(), &status) != 0) {
      return true;  // nobody will find it later either
    }
    landlock_path_beneath_attr rule{};
    rule.parent_fd = file.get();
    rule.allowed_access = RightsOf(use) & known_;
    if (!S_ISDIR(status.st_mode)) {
      rule.allowed_access &= kOfFiles;
    }
    // EBADFD: a pipe or a socket, as /dev/stdout may be; they are left to everybody.
    return rule.allowed_access == 0 ||
           syscall(SYS_landlock_add_rule, fd_.get(), LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0 ||
           errno == EBADFD;
  }
  bool Enforce() const { return syscall(SYS_landlock_restrict_self, fd_.get(), 0) == 0; }
  bool valid() const { return fd_.valid(); }
  UniqueFd Release() { return std::move(fd_); }

 private:
  std::uint64_t known_;
  UniqueFd fd_;
};

tl::unexpected<Error> Refusal(const char* what) {
  return ErrnoError(errno, fmt::format("the host's kernel does not confine files: cannot {} "
                                       "(--sandbox off goes without)",
                                       what));
}

// Nothing where the kernel has no Landlock.
Result<std::optional<Ruleset>> RulesFor(std::span<const AllowedFile> files) {
  const int version = Version();
  if (version == 0) {
    return std::nullopt;
  }
  Ruleset ruleset(version);
  if (!ruleset.valid()) {
    return Refusal("make a rule set of Landlock");
  }
  bool added = true;
  for (const HostFile& file : kForPrograms) {
    added = added && ruleset.Allow(file.path, file.use);
  }
  for (const AllowedFile& file : files) {
    added = added && ruleset.Allow(file.path, file.use);
  }
  if (!added) {
    return Refusal("add a rule of Landlock");
  }
  return ruleset;
}

}  // namespace

Result<bool> ConfineFiles(std::span<const AllowedFile> files) {
  std::vector<AllowedFile> all(files.begin(), files.end());
  for (const HostFile& file : kForGuests) {
    all.push_back({file.path, file.use});
  }
  // Where the list of name servers really is; it is replaced when the host's network changes.
  std::error_code none;
  const auto servers = std::filesystem::canonical("/etc/resolv.conf", none);
  if (!none) {
    all.push_back({servers.parent_path(), FileUse::kRead});
  }
  VENEER_TRY_ASSIGN(const std::optional<Ruleset> ruleset, RulesFor(all));
  if (ruleset && !ruleset->Enforce()) {
    return Refusal("enforce Landlock's rules");
  }
  return ruleset.has_value();
}

Result<UniqueFd> RulesForProgram(std::span<const AllowedFile> files) {
  VENEER_TRY_ASSIGN(std::optional<Ruleset> ruleset, RulesFor(files));
  return ruleset ? ruleset->Release() : UniqueFd();
}

bool HostConfinesFiles() { return Version() > 0; }

bool IsKeptFrom(const std::string& path) {
  // Landlock does not answer for faccessat(), which knows owners and modes alone.
  if (faccessat(AT_FDCWD, path.c_str(), R_OK, AT_EACCESS) != 0) {
    return false;
  }
  const UniqueFd file(open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  return !file.valid() && errno == EACCES;
}

}  // namespace veneer
