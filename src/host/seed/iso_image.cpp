// libarchive(3), archive_write_format(3).
#include "iso_image.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <cerrno>
#include <memory>
#include <string>

#include <archive.h>
#include <archive_entry.h>

#include "veneer/vmm/base/loaded_library.h"

#define VENEER_ARCHIVE_FUNCTIONS(X) \
  X(write_new)                      \
  X(write_set_format_iso9660)       \
  X(write_set_options)              \
  X(write_set_bytes_in_last_block)  \
  X(write_open_fd)                  \
  X(write_header)                   \
  X(write_data)                     \
  X(write_close)                    \
  X(write_free)                     \
  X(error_string)                   \
  X(entry_new)                      \
  X(entry_set_pathname)             \
  X(entry_set_size)                 \
  X(entry_set_filetype)             \
  X(entry_set_perm)                 \
  X(entry_free)

namespace veneer {
namespace {

struct ArchiveApi {
#define VENEER_ARCHIVE_MEMBER(name) decltype(&::archive_##name) name = nullptr;
  VENEER_ARCHIVE_FUNCTIONS(VENEER_ARCHIVE_MEMBER)
#undef VENEER_ARCHIVE_MEMBER
};

Result<ArchiveApi> LoadArchiveApi() {
  VENEER_TRY_ASSIGN(
      const LoadedLibrary library,
      LoadedLibrary::Load("libarchive.so.13", "a seed for cloud-init (--cloud-init, --ssh-key)",
                          "libarchive13"));
  ArchiveApi api;
#define VENEER_ARCHIVE_FIND(name) VENEER_TRY(library.Find("archive_" #name, api.name));
  VENEER_ARCHIVE_FUNCTIONS(VENEER_ARCHIVE_FIND)
#undef VENEER_ARCHIVE_FIND
  return api;
}

constexpr mode_t kForAllToRead = 0444;

class IsoWriter {
 public:
  explicit IsoWriter(const ArchiveApi& api)
      : api_(api),
        archive_(api.write_new(), api.write_free),
        entry_(api.entry_new(), api.entry_free) {}

  Result<void> Write(std::string_view label, std::span<const SeedFile> files, int fd) {
    // Without the 300 KiB that follow for drives which read ahead.
    const std::string options = fmt::format("volume-id={},!pad", label);
    archive* const iso = archive_.get();
    bool good = api_.write_set_format_iso9660(iso) == ARCHIVE_OK &&
                api_.write_set_options(iso, options.c_str()) == ARCHIVE_OK &&
                api_.write_set_bytes_in_last_block(iso, 1) == ARCHIVE_OK &&
                api_.write_open_fd(iso, fd) == ARCHIVE_OK;
    for (const SeedFile& file : files) {
      good = good && Add(file);
    }
    // The image is written here, once all files are known.
    if (!good || api_.write_close(iso) != ARCHIVE_OK) {
      const char* const reason = api_.error_string(iso);
      return HostError("cannot make the seed for cloud-init: {}",
                       reason != nullptr ? reason : "libarchive does not say why");
    }
    return {};
  }

 private:
  bool Add(const SeedFile& file) {
    archive_entry* const entry = entry_.get();
    api_.entry_set_pathname(entry, file.name);
    api_.entry_set_size(entry, static_cast<la_int64_t>(file.content.size()));
    api_.entry_set_filetype(entry, AE_IFREG);
    api_.entry_set_perm(entry, kForAllToRead);
    return api_.write_header(archive_.get(), entry) == ARCHIVE_OK &&
           api_.write_data(archive_.get(), file.content.data(), file.content.size()) ==
               static_cast<la_ssize_t>(file.content.size());
  }

  const ArchiveApi& api_;
  const std::unique_ptr<archive, decltype(ArchiveApi::write_free)> archive_;
  const std::unique_ptr<archive_entry, decltype(ArchiveApi::entry_free)> entry_;
};

}  // namespace

Result<UniqueFd> MakeIsoImage(std::string_view label, std::span<const SeedFile> files) {
  VENEER_TRY_ASSIGN(const ArchiveApi api, LoadArchiveApi());
  UniqueFd image(memfd_create("veneer-seed", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!image.valid()) {
    return ErrnoError(errno, "no memory for the seed for cloud-init");
  }
  VENEER_TRY(IsoWriter(api).Write(label, files, image.get()));
  if (fcntl(image.get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) !=
      0) {
    return ErrnoError(errno, "cannot seal the seed for cloud-init");
  }
  return image;
}

}  // namespace veneer
