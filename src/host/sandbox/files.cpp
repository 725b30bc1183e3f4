#include "files.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <filesystem>

#include "veneer/vmm/base/unique_fd.h"

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

// The host's, for all guests: programs and libraries, the names of hosts, what the kernel tells,
// and devices that are everybody's or ask for rights of their own.
constexpr struct {
  const char* path;
  FileUse use;
} kOfTheHost[] = {
    {"/usr", FileUse::kRun},         {"/lib", FileUse::kRun},
    {"/lib64", FileUse::kRun},       {"/bin", FileUse::kRun},
    {"/sbin", FileUse::kRun},        {"/etc", FileUse::kRead},
    {"/proc", FileUse::kRead},       {"/sys", FileUse::kRead},
    {"/dev/null", FileUse::kWrite},  {"/dev/zero", FileUse::kWrite},
    {"/dev/random", FileUse::kRead}, {"/dev/urandom", FileUse::kRead},
    {"/dev/kvm", FileUse::kWrite},   {"/dev/net/tun", FileUse::kWrite},
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

 private:
  const std::uint64_t known_;
  UniqueFd fd_;
};

tl::unexpected<Error> Refusal(const char* what) {
  return ErrnoError(errno, fmt::format("the host's kernel does not confine files: cannot {} "
                                       "(--sandbox off goes without)",
                                       what));
}

}  // namespace

Result<bool> ConfineFiles(std::span<const AllowedFile> files) {
  const int version = Version();
  if (version == 0) {
    return false;
  }
  const Ruleset ruleset(version);
  if (!ruleset.valid()) {
    return Refusal("make a rule set of Landlock");
  }
  for (const auto& file : kOfTheHost) {
    if (!ruleset.Allow(file.path, file.use)) {
      return Refusal("add a rule of Landlock");
    }
  }
  // Where the list of name servers really is; it is replaced when the host's network changes.
  std::error_code none;
  const auto servers = std::filesystem::canonical("/etc/resolv.conf", none);
  if (!none && !ruleset.Allow(servers.parent_path(), FileUse::kRead)) {
    return Refusal("add a rule of Landlock");
  }
  for (const AllowedFile& file : files) {
    if (!ruleset.Allow(file.path, file.use)) {
      return Refusal("add a rule of Landlock");
    }
  }
  if (!ruleset.Enforce()) {
    return Refusal("enforce Landlock's rules");
  }
  return true;
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
