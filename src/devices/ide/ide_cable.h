// One IDE channel: the registers that the guest sees at the legacy ports, the two drives on its
// cable, and the protocols by which their data gets to the guest (INCITS 452, ATA8-ACS).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "bus_master.h"
#include "ide_drive.h"
#include "ide_worker.h"
#include "veneer/vmm/base/log.h"
#include "veneer/vmm/base/metrics.h"
#include "veneer/vmm/base/mutex.h"
#include "veneer/vmm/bus/interrupt.h"

namespace veneer {

// One command at a time, whichever drive it is for: while a transfer to or from an image is under
// way both drives are busy. Thread-safe; lock order: cable, then the worker's queue or the line.
class IdeCable final : private IdeListener {
 public:
  static constexpr unsigned kDrives = 2;
  static constexpr std::size_t kMaxBuffer = 64 * 1024;  // bytes

  IdeCable(GuestMemory& memory, InterruptLine& line, IdeWorker& worker)
      : line_(line), worker_(worker), bus_master_(memory) {}
  // Before the guest runs. `number`: the worker's for it, and its metrics'.
  void AddDrive(unsigned place, std::unique_ptr<IdeDrive> drive, unsigned number, Metrics& metrics);

  // The guest's accesses. `offset` and `size` as the bus has them.
  std::uint64_t ReadCommandBlock(std::uint64_t offset, unsigned size);
  void WriteCommandBlock(std::uint64_t offset, unsigned size, std::uint64_t value);
  std::uint8_t ReadAlternateStatus();
  void WriteControl(std::uint8_t value);
  std::uint8_t ReadBusMaster(std::uint64_t offset);
  void WriteBusMaster(std::uint64_t offset, std::uint8_t value);

  // As if the drive's plug were pulled.
  void Unplug(unsigned place);

  // The rest is for the drive that carries a command out, with the cable's lock held.

  TaskFile& registers() {
    mutex_.AssertHeld();
    return places_[active_].registers;
  }
  // At least `bytes`, at most kMaxBuffer, for data on its way.
  std::span<std::byte> Buffer(std::size_t bytes);

  using Then = std::function<void()>;
  using IoThen = std::function<void(int error)>;  // 0 or an errno value

  // The guest reads so many bytes (even) of the buffer at the data port, after an interrupt.
  void SendPort(std::size_t bytes, Then then);
  // It writes them; `interrupt` tells it to.
  void ReceivePort(std::size_t bytes, bool interrupt, Then then);
  // A transfer between image and buffer, or one without data.
  void RunIo(DiskAction action, std::uint64_t offset, std::uint64_t length, IoThen then);
  // Waits for the guest to start the bus master.
  void AwaitDma(bool to_guest, Then then);
  // After AwaitDma(): a transfer between image and guest, of whole sectors. `then` is not called if
  // the guest's table is no good.
  void RunDma(DiskAction action, std::uint64_t offset, std::uint64_t length, IoThen then);
  // After AwaitDma(): moves the buffer's first bytes. If that fails the command has been ended.
  bool CopyDma(bool to_guest, std::size_t bytes);

  // The command's end, with or without an interrupt, or with bits for the error register.
  void Finish() { End(ata::kReady | ata::kSeekDone, 0, true); }
  void FinishQuietly() { End(ata::kReady | ata::kSeekDone, 0, false); }
  void Fail(std::uint8_t error) { End(ata::kReady | ata::kSeekDone | ata::kFailed, error, true); }
  // The drive shows its signature, as after a reset.
  void ShowSignature() {
    mutex_.AssertHeld();
    ShowSignature(active_);
  }

 private:
  enum class Phase {
    kIdle,
    kBusy,       // a transfer is under way
    kToGuest,    // the guest reads the data port
    kFromGuest,  // it writes it
    kAwaitDma,
  };
  struct Counters {
    Counter& reads;
    Counter& writes;
    Counter& flushes;
    Counter& discards;
    Counter& read_bytes;
    Counter& written_bytes;
    Counter& errors;
  };
  struct Place {
    std::unique_ptr<IdeDrive> drive;  // null: nothing is plugged in
    unsigned number = 0;
    std::unique_ptr<Counters> counters;
    TaskFile registers;
  };
  struct Dma {
    DiskAction action = DiskAction::kRead;
    std::uint64_t offset = 0;
    std::uint64_t left = 0;
    IoThen then;
  };

  // IdeListener
  void OnIoEnd(int error) override;

  Place& selected() REQUIRES(mutex_) { return places_[selected_]; }
  bool Busy() const REQUIRES(mutex_) { return phase_ == Phase::kBusy || resetting_ != 0; }
  std::uint8_t Status() REQUIRES(mutex_);
  std::uint8_t ReadRegister(std::uint64_t offset) REQUIRES(mutex_);
  void WriteRegister(std::uint64_t offset, std::uint8_t value) REQUIRES(mutex_);
  void WriteCommand(std::uint8_t command) REQUIRES(mutex_);
  std::uint64_t ReadData(unsigned size) REQUIRES(mutex_);
  void WriteData(unsigned size, std::uint64_t value) REQUIRES(mutex_);
  void PassData(unsigned size) REQUIRES(mutex_);
  void SelectFirst() REQUIRES(mutex_);
  void RunDiagnostic() REQUIRES(mutex_);
  void BeginReset(unsigned places) REQUIRES(mutex_);
  void FinishReset() REQUIRES(mutex_);
  void ShowSignature(unsigned place) REQUIRES(mutex_);
  // Whatever the guest or the drive waits for is forgotten.
  void Drop() REQUIRES(mutex_);
  void End(std::uint8_t status, std::uint8_t error, bool interrupt);
  void StartIo() REQUIRES(mutex_);
  void StartDma() REQUIRES(mutex_);
  void NextPiece() REQUIRES(mutex_);
  void FailDma() REQUIRES(mutex_);
  void CountIo(int error) REQUIRES(mutex_);
  void SetInterrupt(bool pending) REQUIRES(mutex_);
  void UpdateLine() REQUIRES(mutex_);

  InterruptLine& line_;
  IdeWorker& worker_;
  LogLimiter limiter_;

  Mutex mutex_;
  BusMaster bus_master_ GUARDED_BY(mutex_);
  std::array<Place, kDrives> places_ GUARDED_BY(mutex_);
  unsigned selected_ GUARDED_BY(mutex_) = 0;
  unsigned active_ GUARDED_BY(mutex_) = 0;  // the drive whose command is carried out
  std::uint8_t control_ GUARDED_BY(mutex_) = 0;
  bool interrupt_ GUARDED_BY(mutex_) = false;  // INTRQ
  bool line_level_ GUARDED_BY(mutex_) = false;

  Phase phase_ GUARDED_BY(mutex_) = Phase::kIdle;
  unsigned resetting_ GUARDED_BY(mutex_) = 0;  // drives that a reset has not got to yet, a bit each
  std::vector<std::byte> buffer_ GUARDED_BY(mutex_);
  std::size_t position_ GUARDED_BY(mutex_) = 0;  // of the guest in the buffer
  std::size_t limit_ GUARDED_BY(mutex_) = 0;
  Then then_ GUARDED_BY(mutex_);
  bool dma_to_guest_ GUARDED_BY(mutex_) = false;
  Dma dma_ GUARDED_BY(mutex_);

  DiskOperation operation_ GUARDED_BY(mutex_);
  std::uint64_t io_bytes_ GUARDED_BY(mutex_) = 0;  // its length, which the image changes
  bool io_under_way_ GUARDED_BY(mutex_) = false;
  bool io_abandoned_ GUARDED_BY(mutex_) = false;  // nobody waits for it any more
  unsigned io_place_ GUARDED_BY(mutex_) = 0;
  IoThen io_then_ GUARDED_BY(mutex_);
};

}  // namespace veneer
