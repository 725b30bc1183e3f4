// A disk with the test initramfs as its root file system.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "integration/controlled_guest.h"

namespace veneer::test {

// An ext4 file system of 32 MiB with what the test initramfs holds; the image's path. Its /init
// runs veneer.run= as the initramfs' own does.
inline std::string MakeRootImage(const ScratchDirectory& scratch) {
  const std::string tree = scratch.File("tree");
  const std::string image = scratch.File("root.img");
  std::filesystem::create_directory(tree);
  EXPECT_EQ(RunTool({"/bin/sh", "-c",
                     "cd " + tree + " && busybox cpio -id <" + Needed("VENEER_TEST_INITRD")}),
            0);
  EXPECT_EQ(RunTool({"/sbin/mke2fs", "-q", "-t", "ext4", "-d", tree, image, "32M"}), 0);
  return image;
}

// For a kernel whose disk drivers are modules: whether its initramfs loads them and goes on in
// root=. The small test kernel mounts its root by itself.
inline bool RootThroughInitrd() { return !Setting("VENEER_TEST_ROOT_THROUGH_INITRD", "").empty(); }

inline std::vector<std::string> WithRootInitrd(std::vector<std::string> options,
                                               const std::string& initrd) {
  if (RootThroughInitrd()) {
    options.insert(options.end(), {"--initrd", initrd});
  }
  return options;
}

}  // namespace veneer::test
