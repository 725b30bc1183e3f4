// What of the host's files a disk is made of.
#pragma once

#include <string>
#include <vector>

#include "veneer/host/disk/disk_config.h"
#include "veneer/host/sandbox/sandbox.h"

namespace veneer {

struct DiskFile {
  std::string path;
  bool written = false;
};

// The image and, of qcow2, all that it is based on, as the images' headers have it now; of other
// formats, whose images may have parts beside them, the folder. Of an NBD export, where this
// client's keys for TLS are. The format has been decided. Nothing of it need be there.
std::vector<DiskFile> FilesOfDisk(const DiskConfig& config);

// The same, as the sandbox has it.
std::vector<AllowedFile> AllowedFilesOfDisk(const DiskConfig& config);

// Where programs of QEMU's put what a guest writes to a disk with an overlay: TMPDIR, or /var/tmp.
std::string FolderOfOverlays();

// Whether programs of QEMU's serve it. The format has been decided.
bool IsServedByQemu(const DiskConfig& config);

}  // namespace veneer
