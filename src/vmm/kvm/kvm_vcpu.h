// A vCPU over KVM.
#pragma once

#include <linux/kvm.h>
#include <pthread.h>

#include <atomic>
#include <memory>

#include "veneer/vmm/base/mutex.h"
#include "veneer/vmm/base/unique_fd.h"
#include "veneer/vmm/vcpu/cpuid.h"
#include "veneer/vmm/vcpu/vcpu.h"

namespace veneer::kvm {

// The signal that gets a vCPU thread out of KVM_RUN. Its handler does nothing.
void InstallKickSignal();

class KvmVcpu final : public Vcpu {
 public:
  static Result<std::unique_ptr<KvmVcpu>> Create(int vm_fd, unsigned id, std::size_t run_size,
                                                 bool sync_registers);
  KvmVcpu(const KvmVcpu&) = delete;
  KvmVcpu& operator=(const KvmVcpu&) = delete;
  ~KvmVcpu() override;

  Result<void> SetCpuid(const CpuidTable& cpuid);
  // LINT0 takes the PIC's interrupts and LINT1 NMIs, as firmware leaves them on a PC.
  Result<void> SetUpLocalApic();
  int fd() const { return fd_.get(); }

  unsigned id() const override { return id_; }
  VcpuExit Run() override;
  void Kick() override;
  Registers GetRegisters() override;
  void SetRegisters(const Registers& registers) override;
  SystemRegisters GetSystemRegisters() override;
  bool SetSystemRegisters(const SystemRegisters& registers) override;
  XsaveArea GetXsave() override;
  bool SetXsave(const XsaveArea& area) override;
  std::uint64_t GetXcr0() override;
  bool SetXcr0(std::uint64_t value) override;
  std::optional<std::uint64_t> GetMsr(std::uint32_t index) override;
  bool SetMsr(std::uint32_t index, std::uint64_t value) override;
  std::optional<Gpa> Translate(std::uint64_t linear) override;
  void InjectException(const Exception& exception) override;
  bool InjectInterrupt(std::uint8_t vector) override;
  void InjectNmi() override;
  void MakeRunnable() override;
  void NoteStopped() override;
  void SetGuestDebug(const GuestDebug& debug) override;
  InterruptState GetInterruptState() override;
  bool AwaitStartup() override;
  bool AwaitsStartup() override;
  bool SetXen(XenAttribute attribute, std::uint64_t value) override;
  std::optional<XenRunstate> GetXenRunstate() override;

 private:
  KvmVcpu(unsigned id, UniqueFd fd, kvm_run* run, std::size_t run_size, bool sync_registers);
  VcpuExit Decode();
  VcpuExit DecodeInternalError() const;

  unsigned id_;
  UniqueFd fd_;
  kvm_run* run_;
  std::size_t run_size_;
  bool sync_registers_;
  // The general registers in the run page are those of the last exit.
  bool registers_current_ = false;

  Mutex thread_mutex_;
  pthread_t thread_ GUARDED_BY(thread_mutex_){};
  bool running_ GUARDED_BY(thread_mutex_) = false;
};

}  // namespace veneer::kvm
