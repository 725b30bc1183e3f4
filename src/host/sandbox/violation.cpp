#include "violation.h"

#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <ucontext.h>

#include "filter_programs.h"

namespace veneer {
namespace {

thread_local const char* thread_text = "a thread";

std::string_view CallName(int number) {
  const char* name = kCallNames;
  for (int i = 0; i < number; ++i) {
    name += std::string_view(name).size() + 1;
  }
  return name;
}

// A line on the stack: nothing may be allocated here.
class Line {
 public:
  void Add(std::string_view text) {
    length_ += text.copy(text_.data() + length_, text_.size() - length_);
  }
  void Add(int number) {
    std::array<char, 12> digits{};
    std::size_t first = digits.size();
    do {
      digits[--first] = static_cast<char>('0' + number % 10);
      number /= 10;
    } while (number > 0 && first > 0);
    Add(std::string_view(digits.data() + first, digits.size() - first));
  }
  void AddHex(std::uint32_t number) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    Add("0x");
    for (int shift = 28; shift >= 0; shift -= 4) {
      Add(kDigits.substr((number >> static_cast<unsigned>(shift)) & 0xfU, 1));
    }
  }
  void Write() const { static_cast<void>(!write(STDERR_FILENO, text_.data(), length_)); }

 private:
  std::array<char, 256> text_{};
  std::size_t length_ = 0;
};

void OnViolation(int, siginfo_t* info, void* context) {
  const int number = info->si_syscall;
  const bool known = number >= 0 && number <= kLastCall && !CallName(number).empty();
  Line line;
  line.Add("veneer: sandbox: ");
  line.Add(thread_text);
  line.Add(" has called ");
  line.Add(known ? CallName(number) : "system call");
  line.Add(" (");
  line.Add(number);
  if (number == SYS_ioctl) {
    // The second argument: which request.
    line.Add(", request ");
    line.AddHex(static_cast<std::uint32_t>(
        static_cast<const ucontext_t*>(context)->uc_mcontext.gregs[REG_RSI]));
  }
  line.Add(
      "), for which it has no use: Veneer ends here, since the guest may have taken it over\n");
  line.Write();
  struct sigaction usual {};
  usual.sa_handler = SIG_DFL;
  sigaction(SIGSYS, &usual, nullptr);
  static_cast<void>(raise(SIGSYS));  // SA_NODEFER: heard at once
  _exit(128 + SIGSYS);
}

}  // namespace

void ReportViolations() {
  struct sigaction action {};
  action.sa_sigaction = &OnViolation;
  action.sa_flags = SA_SIGINFO | SA_NODEFER;
  sigaction(SIGSYS, &action, nullptr);
}

void NameForViolations(FilterFor filter) {
  thread_text = Describe(filter);
  sigset_t violation;
  sigemptyset(&violation);
  sigaddset(&violation, SIGSYS);
  // Blocked, it would end the process without a word.
  pthread_sigmask(SIG_UNBLOCK, &violation, nullptr);
}

}  // namespace veneer
