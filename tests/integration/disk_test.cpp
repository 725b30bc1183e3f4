// PV disks as Linux's own blkfront uses them.
#include <sys/stat.h>

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "integration/root_image.h"

namespace veneer::test {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;

std::uint64_t AllocatedBytes(const std::string& path) {
  struct stat info {};
  return stat(path.c_str(), &info) == 0 ? static_cast<std::uint64_t>(info.st_blocks) * 512 : 0;
}

// How the guest is told of a disk's state, by its name; null if there is none.
nlohmann::json DiskInfo(const ControlledGuest& guest, const std::string& name) {
  const nlohmann::json info = guest.Info();
  for (const nlohmann::json& disk : info["disks"]) {
    if (disk["name"] == name) {
      return disk;
    }
  }
  return nullptr;
}

// The hexadecimal digest in sha256sum's output.
std::string Digest(const std::string& output) {
  const std::size_t end = output.find("  /mnt/");
  return end == std::string::npos || end < 64 ? std::string() : output.substr(end - 64, 64);
}

// Serves a raw file to whoever connects to a UNIX socket, until it is destroyed.
class NbdServer {
 public:
  NbdServer(const std::string& image, std::string socket)
      : socket_(std::move(socket)),
        server_({"/usr/bin/qemu-nbd", "--format=raw", "--persistent", "--socket=" + socket_,
                 "--pid-file=" + socket_ + ".pid", image}) {}
  // qemu-nbd writes its number once it listens.
  bool WaitUntilReady() {
    return RunTool({"/bin/sh", "-c", "until [ -s " + socket_ + ".pid ]; do sleep 0.1; done"}) == 0;
  }
  std::string uri() const { return "nbd+unix:///?socket=" + socket_; }

 private:
  const std::string socket_;
  ChildProcess server_;
};

// Of the first `kib` KiB.
std::string FileDigest(const std::string& path, unsigned kib) {
  return RunToolFor(
             {"/bin/sh", "-c", "head -c " + std::to_string(kib) + "K " + path + " | sha256sum"})
      .out.substr(0, 64);
}

// A disk with one partition: 1024 blocks from block 256 on, whatever size the blocks are thought to
// have.
void MakePartitionedImage(const std::string& path, std::uint64_t mib) {
  MakeImage(path, mib);
  const std::uint8_t entry[16] = {0, 0, 0, 0, 0x83, 0, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0};
  const std::uint8_t signature[2] = {0x55, 0xaa};
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(446).write(reinterpret_cast<const char*>(entry), sizeof entry);
  file.seekp(510).write(reinterpret_cast<const char*>(signature), sizeof signature);
}

// What a start with this disk says, which is over before the guest runs.
std::string Refusal(const std::string& disk) {
  ChildProcess veneer(RunCommand(Needed("VENEER_TEST_KERNEL"), "",
                                 {"--control-socket", "off", "--disk", "path=" + disk}));
  veneer.CloseInput();
  EXPECT_EQ(veneer.WaitForExit(kToolLimit), 2);
  return veneer.err();
}

// A file system on a raw image; the same data on a qcow2 image and on an NBD server.
TEST(Disk, DataSurviveOnEachKindOfImageAndAReadOnlyDiskRefuses) {
  const ScratchDirectory scratch;
  const std::string disk = scratch.File("disk.img");
  const std::string locked = scratch.File("locked.img");
  const std::string qcow2 = scratch.File("disk.qcow2");
  const std::string served = scratch.File("served.img");
  MakeImage(disk, 64);
  MakeImage(locked, 1);
  MakeImage(served, 16);
  ASSERT_EQ(RunTool({"/sbin/mkfs.ext4", "-q", "-F", disk}), 0);
  ASSERT_EQ(RunTool({"/usr/bin/qemu-img", "create", "-q", "-f", "qcow2", qcow2, "16M"}), 0);
  NbdServer nbd(served, scratch.File("nbd"));
  ASSERT_TRUE(nbd.WaitUntilReady());
  EXPECT_THAT(Refusal(served), HasSubstr("in use by another disk or program, which writes it"));
  const std::string partitioned = scratch.File("4k.img");
  MakePartitionedImage(partitioned, 16);

  ChildProcess veneer(RunCommand(
      Needed("VENEER_TEST_KERNEL"),
      "console=ttyS0 veneer.run=\"mount /dev/xvda /mnt && dd if=/dev/urandom of=/mnt/f bs=64k "
      "count=4 && sync && sha256sum /mnt/f && "
      "for d in c d; do dd if=/mnt/f of=/dev/xvd$d bs=64k conv=fsync; done; "
      "umount /mnt && mount /dev/xvda /mnt && sha256sum /mnt/f; umount /mnt; "
      "cat /sys/block/xvdb/ro; echo x >/dev/xvdb; cat /proc/interrupts /proc/partitions\"",
      {"--initrd", Needed("VENEER_TEST_INITRD"), "--disk", "path=" + disk, "--disk",
       "path=" + locked + ",readonly=on", "--disk", "path=" + qcow2, "--disk", "path=" + nbd.uri(),
       "--disk", "path=" + partitioned + ",logical-block-size=4096"}));
  veneer.CloseInput();
  EXPECT_EQ(veneer.WaitForExit(BootLimit()), 0) << veneer.err();
  EXPECT_THAT(veneer.out(), AllOf(HasSubstr("write error: Operation not permitted"),
                                  ContainsRegex("xen-dyn.* +blkif"), ContainsRegex(" 4096 xvde1")));
  // The same sum before the file system was unmounted and after, and wherever else the data went.
  const std::string digest = Digest(veneer.out());
  ASSERT_NE(digest, "") << veneer.out();
  EXPECT_EQ(Digest(veneer.out().substr(veneer.out().rfind("  /mnt/f") - 64)), digest);
  EXPECT_EQ(RunTool({"/sbin/e2fsck", "-fn", disk}), 0);
  EXPECT_EQ(RunTool({"/usr/bin/qemu-img", "check", "-q", qcow2}), 0);
  const std::string raw = scratch.File("raw");
  EXPECT_EQ(RunTool({"/usr/bin/qemu-img", "convert", "-O", "raw", qcow2, raw}), 0);
  EXPECT_EQ(FileDigest(raw, 256), digest);
  EXPECT_EQ(FileDigest(served, 256), digest);
}

// The guest's driver lets go of a device and takes it again, read meanwhile or not, with the same
// data on it.
void ExpectDriverBindsAgain(ControlledGuest& guest) {
  guest.Run("dd if=/dev/urandom of=/dev/xvda bs=64k count=16; sync; md5sum /dev/xvda >/tmp/sum");
  for (const char* load : {"", "", "dd if=/dev/xvda of=/dev/null bs=4k & usleep 50000; "}) {
    EXPECT_THAT(guest.Run(std::string(load) +
                          "cd /sys/bus/xen/drivers/vbd; echo vbd-51712 >unbind && "
                          "echo vbd-51712 >bind; wait; cd /; for i in $(seq 300); do "
                          "[ -b /dev/xvda ] && break; usleep 100000; done; md5sum -c /tmp/sum"),
                HasSubstr("/dev/xvda: OK"))
        << load;
  }
}

bool HostConfinesFiles() {
  const auto check = RunToolFor({Veneer(), "check", "--json"});
  const auto facts = nlohmann::json::parse(check.out, nullptr, false);
  return facts.is_object() && facts["facts"]["landlock"]["finding"] == "yes";
}

// Four disks in the end: three at the start, one more while the guest runs.
TEST(Disk, DisksComeGrowAndGoWhileTheGuestRunsAndSurviveAReboot) {
  const ScratchDirectory scratch;
  std::vector<std::string> options;
  for (const char* name : {"a", "b", "c"}) {
    MakeImage(scratch.File(name), 32);
    options.insert(options.end(), {"--disk", "path=" + scratch.File(name)});
  }
  MakeImage(scratch.File("d"), 32);
  options.insert(options.end(), {"--disk-dir", scratch.path()});
  const ScratchDirectory elsewhere;
  MakeImage(elsewhere.File("e"), 32);
  ControlledGuest guest(options);
  ASSERT_TRUE(guest.WaitForShell()) << guest.veneer().err();
  ExpectDriverBindsAgain(guest);
  if (HostConfinesFiles()) {
    const auto outside = guest.Ctl({"disk-add", "path=" + elsewhere.File("e")});
    EXPECT_EQ(outside.code, 1) << "added: " << outside.out;
    EXPECT_THAT(outside.err, HasSubstr("begin the guest with --disk-dir " + elsewhere.path()));
  }

  // QEMU's tools see that the image is in use.
  EXPECT_NE(RunTool({"/usr/bin/qemu-io", "-f", "raw", "-c", "write 0 512", scratch.File("a")}), 0);
  EXPECT_NE(RunTool({"/usr/bin/qemu-img", "convert", "-f", "raw", "-O", "raw", scratch.File("a"),
                     scratch.File("copy")}),
            0);

  // Hot added, used from a file system of the guest's own.
  const auto added = guest.Ctl({"disk-add", "path=" + scratch.File("d") + ",vdev=xvdq"});
  EXPECT_EQ(added.code, 0) << added.err;
  EXPECT_EQ(added.out, "xvdq\n");
  EXPECT_THAT(guest.Run("until [ -b /dev/xvdq ]; do usleep 100000; done; cat /proc/partitions"),
              AllOf(ContainsRegex("32768 xvda"), ContainsRegex("32768 xvdb"),
                    ContainsRegex("32768 xvdc"), ContainsRegex("32768 xvdq")));
  const std::string before = guest.Run(
      "mke2fs /dev/xvdq >/dev/null && mount /dev/xvdq /mnt && "
      "dd if=/dev/urandom of=/mnt/f bs=64k count=8 && dd if=/dev/zero of=/mnt/big bs=1M count=8 && "
      "sync && sha256sum /mnt/f");
  ASSERT_NE(Digest(before), "") << before;

  // What the guest discards, the host gets back.
  const std::uint64_t full = AllocatedBytes(scratch.File("d"));
  EXPECT_GE(full, 8U << 20U);
  EXPECT_THAT(guest.Run("rm /mnt/big && sync && fstrim -v /mnt"), HasSubstr("trimmed"));
  EXPECT_LE(AllocatedBytes(scratch.File("d")) + (7U << 20U), full);

  guest.Run("umount /mnt");
  EXPECT_EQ(guest.Ctl({"disk-remove", "xvdq"}).code, 0);
  EXPECT_TRUE(DiskInfo(guest, "xvdq").is_null());
  guest.Run("while [ -b /dev/xvdq ]; do usleep 100000; done");
  EXPECT_EQ(RunTool({"/sbin/e2fsck", "-fn", scratch.File("d")}), 0);

  // A size that the guest sees without a reboot.
  std::filesystem::resize_file(scratch.File("c"), 48U << 20U);
  EXPECT_EQ(guest.Ctl({"disk-resize", "xvdc"}).code, 0);
  EXPECT_THAT(guest.Run("until grep -q '49152 xvdc' /proc/partitions; do usleep 100000; done; "
                        "cat /proc/partitions"),
              ContainsRegex("49152 xvdc"));

  // After a reboot the disks are those of before it, and so is what is on them.
  EXPECT_EQ(guest.Ctl({"disk-remove", "xvdb"}).code, 0);
  EXPECT_EQ(guest.Ctl({"disk-add", "path=" + scratch.File("d")}).out, "xvdb\n");
  const std::size_t rebooted = guest.veneer().out().size();
  guest.veneer().Send("reboot -f\n");
  ASSERT_TRUE(guest.veneer().WaitForOutput("Linux version", BootLimit(), rebooted));
  ASSERT_TRUE(guest.WaitForShell(guest.veneer().out().rfind("Linux version")));
  EXPECT_EQ(Digest(guest.Run("mount /dev/xvdb /mnt && sha256sum /mnt/f")), Digest(before));
  EXPECT_EQ(guest.Ctl({"stop"}).code, 0);
  EXPECT_EQ(guest.veneer().WaitForExit(kToolLimit), 0) << guest.veneer().err();
}

TEST(Disk, TheRootFileSystemIsOnXvda) {
  const ScratchDirectory scratch;
  const std::string disk = MakeRootImage(scratch);
  ChildProcess veneer(
      RunCommand(Needed("VENEER_TEST_KERNEL"),
                 "console=ttyS0 root=/dev/xvda rw rootwait init=/init "
                 "veneer.run=\"veneer-report && cat /proc/mounts && mount -o remount,ro /\"",
                 WithRootInitrd({"--disk", "path=" + disk}, Needed("VENEER_TEST_INITRD"))));
  veneer.CloseInput();
  EXPECT_EQ(veneer.WaitForExit(BootLimit()), 0) << veneer.err();
  EXPECT_THAT(veneer.out(), AllOf(HasSubstr("report: ok"), HasSubstr("veneer: exit status 0")));
  if (!RootThroughInitrd()) {
    EXPECT_THAT(veneer.out(),
                AllOf(ContainsRegex("VFS: Mounted root .ext4"), HasSubstr("/dev/root / ext4")));
  } else {
    EXPECT_THAT(veneer.out(), HasSubstr("/dev/xvda / ext4"));
  }
  EXPECT_EQ(RunTool({"/sbin/e2fsck", "-fn", disk}), 0);
}

}  // namespace
}  // namespace veneer::test
