#include "image_format.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "veneer/vmm/base/unique_fd.h"

namespace veneer {
namespace {

using Use = ImageFormat::Use;

constexpr std::array<ImageFormat, 12> kFormats{{
    {DiskFormat::kQcow2, "qcow2", "a qcow2 image", Use::kWrite},
    {DiskFormat::kQcow, "qcow", "an image of the first qcow format", Use::kWrite},
    {DiskFormat::kQed, "qed", "a QED image", Use::kWrite},
    {DiskFormat::kVmdk, "vmdk", "a VMDK image", Use::kWrite},
    {DiskFormat::kVdi, "vdi", "a VDI image", Use::kWrite},
    {DiskFormat::kVhdx, "vhdx", "a VHDX image", Use::kWrite},
    {DiskFormat::kVpc, "vpc", "a VHD image", Use::kWrite},
    {DiskFormat::kParallels, "parallels", "a Parallels image", Use::kWrite},
    {DiskFormat::kBochs, "bochs", "a Bochs image", Use::kReadOnly},
    {DiskFormat::kCloop, "cloop", "a cloop image", Use::kReadOnly},
    {DiskFormat::kDmg, "dmg", "a DMG image", Use::kReadOnly},
    // There is no way to give a key.
    {DiskFormat::kLuks, "luks", "an encrypted (LUKS) volume", Use::kNothing},
}};

struct Magic {
  DiskFormat format;
  std::size_t at;
  std::string_view bytes;
};

using std::string_view_literals::operator""sv;

// qcow2 counts from version 2 on; versions are looked at by QEMU when it opens an image.
constexpr std::array<Magic, 13> kMagics{{
    {DiskFormat::kQcow, 0, "QFI\xfb\0\0\0\1"sv},
    {DiskFormat::kQcow2, 0, "QFI\xfb"sv},
    {DiskFormat::kQed, 0, "QED\0"sv},
    {DiskFormat::kVmdk, 0, "KDMV"sv},
    {DiskFormat::kVmdk, 0, "COWD"sv},
    {DiskFormat::kVdi, 64, "\x7f\x10\xda\xbe"sv},
    {DiskFormat::kVhdx, 0, "vhdxfile"sv},
    {DiskFormat::kVpc, 0, "conectix"sv},
    {DiskFormat::kParallels, 0, "WithoutFreeSpace"sv},
    {DiskFormat::kParallels, 0, "WithouFreSpacExt"sv},
    {DiskFormat::kBochs, 0, "Bochs Virtual HD Image"sv},
    {DiskFormat::kCloop, 0, "#!/bin/sh\n#V2.0 Format\n"sv},
    {DiskFormat::kLuks, 0, "LUKS\xba\xbe"sv},
}};

// The text that describes a VMDK image of several files: after comments and empty lines comes its
// version.
bool IsVmdkDescriptor(std::string_view text) {
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) {
      line.remove_suffix(1);
    }
    const bool whole = end != std::string_view::npos;
    if (!line.starts_with('#') && line.find_first_not_of(' ') != std::string_view::npos) {
      return whole && line.size() == 9 && line.starts_with("version=") && line.back() >= '1' &&
             line.back() <= '3';
    }
    text = whole ? text.substr(end + 1) : std::string_view();
  }
  return false;
}

// What is read, at most `most` bytes from `at` on.
std::string ReadPart(int fd, off_t at, std::size_t most) {
  std::string part(most, '\0');
  const ssize_t got = pread(fd, part.data(), most, at);
  part.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return part;
}

// DMG images begin with data; what they are says their last sector, and QEMU goes by the name.
bool IsDmg(int fd, const std::string& path, off_t bytes) {
  constexpr off_t kTrailer = 512;
  return path.ends_with(".dmg") && bytes >= kTrailer && ReadPart(fd, bytes - kTrailer, 4) == "koly";
}

}  // namespace

std::string_view FormatName(DiskFormat format) {
  if (const ImageFormat* const found = FindImageFormat(format); found != nullptr) {
    return found->key;
  }
  return format == DiskFormat::kRaw ? "raw" : "auto";
}

std::span<const ImageFormat> ImageFormats() { return kFormats; }

const ImageFormat* FindImageFormat(DiskFormat format) {
  const auto* const found = std::ranges::find(kFormats, format, &ImageFormat::format);
  return found != kFormats.end() ? found : nullptr;
}

const ImageFormat* FindImageFormat(std::span<const std::byte> start) {
  // The bytes as characters, which may alias anything.
  const std::string_view text(reinterpret_cast<const char*>(start.data()),
                              std::min(start.size(), kImageHeaderBytes));
  for (const Magic& magic : kMagics) {
    if (text.size() >= magic.at && text.substr(magic.at).starts_with(magic.bytes)) {
      return FindImageFormat(magic.format);
    }
  }
  return IsVmdkDescriptor(text) ? FindImageFormat(DiskFormat::kVmdk) : nullptr;
}

const ImageFormat* ProbeImageFormat(const std::string& path) {
  const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat info {};
  if (!file.valid() || fstat(file.get(), &info) != 0) {
    return nullptr;
  }
  const std::string start = ReadPart(file.get(), 0, kImageHeaderBytes);
  const ImageFormat* const found = FindImageFormat(std::as_bytes(std::span(start)));
  if (found == nullptr && S_ISREG(info.st_mode) && IsDmg(file.get(), path, info.st_size)) {
    return FindImageFormat(DiskFormat::kDmg);
  }
  return found;
}

Result<DiskFormat> DetectDiskFormat(const std::string& path) {
  const ImageFormat* const found = ProbeImageFormat(path);
  if (found == nullptr) {
    return DiskFormat::kRaw;
  }
  switch (found->use) {
    case Use::kWrite:
      if (found->format == DiskFormat::kQcow2) {
        return DiskFormat::kQcow2;
      }
      return UsageError(
          "disk '{}' looks like {}; write format={} to use it as such, or format=raw if it is the "
          "disk itself, whose first sectors only look like that",
          path, found->name, found->key);
    case Use::kReadOnly:
      return UsageError(
          "disk '{}' looks like {}; write format={},readonly=on to read it as such, or format=raw "
          "if it is the disk itself, whose first sectors only look like that",
          path, found->name, found->key);
    case Use::kNothing:
      break;
  }
  return UsageError(
      "disk '{}' looks like {}; write format=raw to give the guest the encrypted bytes as they "
      "are, or open it on the host with cryptsetup",
      path, found->name);
}

}  // namespace veneer
