#include "ioctl_watch.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

#include <time.h>

namespace veneer::bench {
namespace {

sock_filter Load(std::size_t offset) {
  return BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset));
}

// Skips `skip` instructions if the loaded word is not `value`.
sock_filter SkipUnless(std::uint32_t value, std::size_t skip) {
  return BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, static_cast<std::uint8_t>(skip));
}

sock_filter Return(std::uint32_t action) { return BPF_STMT(BPF_RET | BPF_K, action); }

std::vector<sock_filter> MakeFilter(const std::vector<std::uint32_t>& requests) {
  std::vector<sock_filter> filter;
  const std::size_t rest = 2 * requests.size();
  filter.push_back(Load(offsetof(seccomp_data, nr)));
  filter.push_back(SkipUnless(SYS_ioctl, rest + 3));
  filter.push_back(Load(offsetof(seccomp_data, arch)));
  filter.push_back(SkipUnless(AUDIT_ARCH_X86_64, rest + 1));
  filter.push_back(Load(offsetof(seccomp_data, args[1])));  // little-endian: the low half
  for (const std::uint32_t request : requests) {
    filter.push_back(SkipUnless(request, 1));
    filter.push_back(Return(SECCOMP_RET_USER_NOTIF));
  }
  filter.push_back(Return(SECCOMP_RET_ALLOW));
  return filter;
}

long Seccomp(unsigned operation, unsigned flags, void* argument) {
  return syscall(SYS_seccomp, operation, flags, argument);
}

bool SendFd(int socket, int fd) {
  char byte = 0;
  iovec data{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof fd)] = {};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof fd);
  std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
  return sendmsg(socket, &message, 0) == 1;
}

UniqueFd ReceiveFd(int socket) {
  char byte = 0;
  iovec data{&byte, 1};
  int fd = -1;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof fd)] = {};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) == 1) {
    if (const cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr) {
      std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
    }
  }
  return UniqueFd(fd);
}

struct ChildPlan {
  std::vector<char*> argv;
  std::vector<sock_filter> filter;
  int socket;
  int stderr_write;
};

// Between fork and exec: system calls only. Whatever fails ends the child, whose parent then sees
// the socket or the standard error close.
[[noreturn]] void BecomeProgram(ChildPlan& plan) {
  const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  sock_fprog program{static_cast<unsigned short>(plan.filter.size()), plan.filter.data()};
  const int listener = static_cast<int>(
      Seccomp(SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program));
  char go = 0;
  if (null >= 0 && dup2(null, STDIN_FILENO) >= 0 && dup2(null, STDOUT_FILENO) >= 0 &&
      dup2(plan.stderr_write, STDERR_FILENO) >= 0 && listener >= 0 &&
      SendFd(plan.socket, listener) && read(plan.socket, &go, 1) == 1) {
    execvp(plan.argv[0], plan.argv.data());
  }
  _exit(127);
}

Result<std::uint64_t> ProcessCpuNs(pid_t pid) {
  clockid_t clock{};
  timespec time{};
  if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &time) != 0) {
    return HostError("cannot read the CPU time of process {}", pid);
  }
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000U +
         static_cast<std::uint64_t>(time.tv_nsec);
}

}  // namespace

Result<IoctlWatch> IoctlWatch::Start(const std::vector<std::string>& argv,
                                     const std::vector<std::uint32_t>& requests) {
  IoctlWatch watch;
  VENEER_TRY(watch.Launch(argv, requests));
  return watch;
}

Result<void> IoctlWatch::Launch(const std::vector<std::string>& argv,
                                const std::vector<std::uint32_t>& requests) {
  int sockets[2];
  int pipe_ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) != 0) {
    return ErrnoError(errno, "cannot make a socket pair");
  }
  const UniqueFd ours(sockets[0]);
  UniqueFd theirs(sockets[1]);
  if (pipe2(pipe_ends, O_CLOEXEC) != 0) {
    return ErrnoError(errno, "cannot make a pipe");
  }
  stderr_.Reset(pipe_ends[0]);
  UniqueFd stderr_write(pipe_ends[1]);

  ChildPlan plan{{}, MakeFilter(requests), theirs.get(), stderr_write.get()};
  for (const std::string& argument : argv) {
    plan.argv.push_back(const_cast<char*>(argument.c_str()));  // execvp() does not write to them
  }
  plan.argv.push_back(nullptr);
  const pid_t pid = fork();
  if (pid < 0) {
    return ErrnoError(errno, "cannot start another process");
  }
  if (pid == 0) {
    BecomeProgram(plan);
  }
  pid_ = Pid(pid);
  theirs.Reset();
  stderr_write.Reset();

  listener_ = ReceiveFd(ours.get());
  if (!listener_.valid()) {
    return HostError(
        "this host does not allow a seccomp filter with a listener (Linux 5.5 or later has it, but "
        "some containers forbid it)");
  }
  // The child waits for us to let it go on, so nothing but what fork() cost has been counted yet.
  VENEER_TRY_ASSIGN(cpu_before_exec_ns_, ProcessCpuNs(pid_));
  if (write(ours.get(), "g", 1) != 1) {
    return HostError("cannot start {}", argv[0]);
  }
  return {};
}

IoctlWatch::~IoctlWatch() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
}

Result<std::uint64_t> IoctlWatch::CpuNs() const {
  VENEER_TRY_ASSIGN(const std::uint64_t now, ProcessCpuNs(pid_));
  return now - cpu_before_exec_ns_;
}

Result<std::optional<std::uint32_t>> IoctlWatch::Next(std::chrono::seconds limit) {
  pollfd poll_fd{listener_.get(), POLLIN, 0};
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(limit).count();
  const int ready = poll(&poll_fd, 1, static_cast<int>(ms));
  if (ready < 0) {
    return ErrnoError(errno, "cannot wait for the program's system calls");
  }
  if (ready == 0) {
    return HostError("the program did not get there in {} s", limit.count());
  }
  seccomp_notif call{};
  if ((poll_fd.revents & POLLIN) == 0 ||
      ioctl(listener_.get(), SECCOMP_IOCTL_NOTIF_RECV, &call) != 0) {
    return std::nullopt;  // nobody is left who could make such a call
  }
  pending_ = call.id;
  return static_cast<std::uint32_t>(call.data.args[1]);
}

Result<void> IoctlWatch::Continue() {
  seccomp_notif_resp response{};
  response.id = pending_;
  response.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
  if (ioctl(listener_.get(), SECCOMP_IOCTL_NOTIF_SEND, &response) != 0 && errno != ENOENT) {
    return ErrnoError(errno, "cannot let the program's system call go on");
  }
  return {};
}

std::string IoctlWatch::Complaints() {
  fcntl(stderr_.get(), F_SETFL, O_NONBLOCK);
  std::string text;
  char buffer[4096];
  for (ssize_t got = 0; (got = read(stderr_.get(), buffer, sizeof buffer)) > 0;) {
    text.append(buffer, static_cast<std::size_t>(got));
  }
  return text;
}

}  // namespace veneer::bench
