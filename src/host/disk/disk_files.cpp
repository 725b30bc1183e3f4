#include "veneer/host/disk/disk_files.h"

#include <cstdlib>
#include <filesystem>

#include "nbd_image.h"
#include "qcow2_check.h"

namespace veneer {
namespace {

// Longer chains than anybody has; one that bites its own tail ends here, too.
constexpr std::size_t kMostLayers = 256;

// Where libnbd looks, see nbd_set_tls_certificates(3); in /etc everybody may read.
std::vector<DiskFile> KeysOfNbd() {
  const char* const home = std::getenv("HOME");
  if (home == nullptr) {
    return {};
  }
  return {{std::string(home) + "/.pki/libnbd"}, {std::string(home) + "/.config/pki/libnbd"}};
}

}  // namespace

std::vector<DiskFile> FilesOfDisk(const DiskConfig& config) {
  if (IsNbdUri(config.path)) {
    return KeysOfNbd();
  }
  std::vector<DiskFile> files{{config.path, !config.readonly && !config.overlay}};
  if (config.format != DiskFormat::kRaw && config.format != DiskFormat::kQcow2) {
    files.push_back({std::filesystem::absolute(config.path).parent_path(), files.front().written});
  }
  std::filesystem::path layer = config.path;
  bool more = config.format == DiskFormat::kQcow2;
  while (more && files.size() < kMostLayers) {
    const auto header = ReadQcow2Header(layer);
    if (!header || header->backing_name.empty()) {
      break;
    }
    layer = layer.parent_path() / header->backing_name;  // or that alone, from the root
    files.push_back({layer});
    // A raw file's first bytes may be a guest's.
    more = header->backing_format == "qcow2";
  }
  return files;
}

std::vector<AllowedFile> AllowedFilesOfDisk(const DiskConfig& config) {
  std::vector<AllowedFile> files;
  for (const DiskFile& file : FilesOfDisk(config)) {
    files.push_back({file.path, file.written ? FileUse::kWrite : FileUse::kRead});
  }
  return files;
}

std::string FolderOfOverlays() {
  const char* const folder = std::getenv("TMPDIR");
  return folder != nullptr && *folder != '\0' ? folder : "/var/tmp";
}

bool IsServedByQemu(const DiskConfig& config) {
  return !IsNbdUri(config.path) && (config.overlay || config.format != DiskFormat::kRaw);
}

}  // namespace veneer
