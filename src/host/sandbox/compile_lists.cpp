// Compiles the lists of system calls to the kernel's filter programs (seccomp(2)), when Veneer is
// built: `compile_lists FOLDER OUT NAME...` reads FOLDER/NAME.list and writes a C++ header with an
// array for each, and the names of all system calls.
//
// A line of a list: "include NAME", "others allowed", or a system call with what its arguments have
// to be, "CALL [ARGUMENT=VALUE[/MASK]]... [-> ERROR]"; VALUE "self" is this process. Several lines
// about one call are alternatives. With "-> ERROR" the call is answered with it.
#include <linux/filter.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <seccomp.h>

namespace {

constexpr std::uint32_t kSelf = 0x5e1f5e1f;  // replaced by the process's number, see filters.cpp
constexpr std::uint64_t kAll = 0xffffffff;   // the kernel looks at no more of these arguments
constexpr int kLastCall = 511;               // x86-64 has none above
constexpr std::uint8_t kSoonest = 255;       // of libseccomp's priorities

[[noreturn]] void Fail(const std::string& what) {
  static_cast<void>(std::fprintf(stderr, "compile_lists: %s\n", what.c_str()));
  std::exit(1);
}

struct Rule {
  std::vector<scmp_arg_cmp> arguments;
  int error = 0;  // 0: the call is allowed
};

struct List {
  std::map<std::string, std::vector<Rule>> calls;
  bool others_allowed = false;
};

std::uint64_t Number(const std::string& text, const std::string& line) {
  char* end = nullptr;
  const std::uint64_t value = std::strtoull(text.c_str(), &end, 0);
  if (text.empty() || *end != '\0') {
    Fail("not a number in: " + line);
  }
  return value;
}

scmp_arg_cmp Argument(const std::string& word, const std::string& line) {
  const std::size_t equals = word.find('=');
  const std::size_t slash = word.find('/');
  if (equals == std::string::npos) {
    Fail("not ARGUMENT=VALUE in: " + line);
  }
  const std::string value =
      word.substr(equals + 1, slash == std::string::npos ? std::string::npos : slash - equals - 1);
  scmp_arg_cmp compare{};
  compare.arg = static_cast<unsigned>(Number(word.substr(0, equals), line));
  compare.op = SCMP_CMP_MASKED_EQ;
  compare.datum_a = slash == std::string::npos ? kAll : Number(word.substr(slash + 1), line);
  compare.datum_b = value == "self" ? kSelf : Number(value, line);
  return compare;
}

int ErrorNumber(const std::string& name) {
  const std::map<std::string, int> known{{"EPERM", EPERM}, {"ENOSYS", ENOSYS}};
  const auto it = known.find(name);
  if (it == known.end()) {
    Fail("unknown error " + name);
  }
  return it->second;
}

void Read(const std::string& folder, const std::string& name, List& list) {
  std::ifstream file(folder + "/" + name + ".list");
  if (!file) {
    Fail("cannot read the list " + name);
  }
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line.substr(0, line.find('#')));
    std::string call;
    std::string word;
    if (!(words >> call)) {
      continue;
    }
    if (call == "include" && words >> word) {
      Read(folder, word, list);
      continue;
    }
    if (call == "others") {
      list.others_allowed = true;
      continue;
    }
    Rule rule;
    while (words >> word && word != "->") {
      rule.arguments.push_back(Argument(word, line));
    }
    if (word == "->" && words >> word) {
      rule.error = ErrorNumber(word);
    }
    list.calls[call].push_back(std::move(rule));
  }
}

// What is allowed without conditions is not asked for conditions.
std::vector<Rule> Simplify(const std::vector<Rule>& rules) {
  for (const Rule& rule : rules) {
    if (rule.arguments.empty()) {
      return {rule};
    }
  }
  return rules;
}

bool Same(const Rule& one, const Rule& other) {
  if (one.error != other.error || one.arguments.size() != other.arguments.size()) {
    return false;
  }
  for (std::size_t i = 0; i < one.arguments.size(); ++i) {
    const scmp_arg_cmp& a = one.arguments[i];
    const scmp_arg_cmp& b = other.arguments[i];
    if (a.arg != b.arg || a.datum_a != b.datum_a || a.datum_b != b.datum_b) {
      return false;
    }
  }
  return true;
}

void Add(scmp_filter_ctx filter, const std::string& call, const std::vector<Rule>& rules) {
  const int number = seccomp_syscall_resolve_name_arch(SCMP_ARCH_X86_64, call.c_str());
  if (number < 0) {
    Fail("there is no system call " + call);
  }
  for (auto rule = rules.begin(); rule != rules.end(); ++rule) {
    bool known = false;
    for (auto before = rules.begin(); before != rule; ++before) {
      known = known || Same(*before, *rule);
    }
    const std::uint32_t action =
        rule->error == 0 ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(static_cast<std::uint32_t>(rule->error));
    if (!known && seccomp_rule_add_array(filter, action, number,
                                         static_cast<unsigned>(rule->arguments.size()),
                                         rule->arguments.data()) != 0) {
      Fail("libseccomp does not take a rule of " + call);
    }
  }
}

std::vector<sock_filter> Compile(const List& list) {
  scmp_filter_ctx filter = seccomp_init(list.others_allowed ? SCMP_ACT_ALLOW : SCMP_ACT_TRAP);
  if (filter == nullptr ||
      seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) != 0) {
    Fail("libseccomp makes no filter");
  }
  // A tree: at every installation the kernel walks the program once for each system call that there
  // is, to know those that it can let pass without it.
  static_cast<void>(seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2));
  for (const auto& [call, rules] : list.calls) {
    Add(filter, call, Simplify(rules));
  }
  // A vCPU's thread asks for nothing as often as for this.
  static_cast<void>(seccomp_syscall_priority(filter, SCMP_SYS(ioctl), kSoonest));
  const int file = memfd_create("filter", 0);
  if (file < 0 || seccomp_export_bpf(filter, file) != 0) {
    Fail("libseccomp does not give its program out");
  }
  const off_t bytes = lseek(file, 0, SEEK_END);
  std::vector<sock_filter> program(static_cast<std::size_t>(bytes) / sizeof(sock_filter));
  if (pread(file, program.data(), static_cast<std::size_t>(bytes), 0) != bytes) {
    Fail("cannot read the program");
  }
  close(file);
  seccomp_release(filter);
  return program;
}

std::string ConstantName(const std::string& list) {
  std::string name = "k";
  bool large = true;
  for (const char c : list) {
    if (c == '-') {
      large = true;
      continue;
    }
    name += large ? static_cast<char>(std::toupper(c)) : c;
    large = false;
  }
  return name;
}

void WriteProgram(std::ostream& out, const std::string& name,
                  const std::vector<sock_filter>& program) {
  out << "inline constexpr sock_filter " << ConstantName(name) << "Filter[] = {\n";
  for (const sock_filter& step : program) {
    out << "    {" << step.code << ", " << static_cast<unsigned>(step.jt) << ", "
        << static_cast<unsigned>(step.jf) << ", " << step.k << "u},\n";
  }
  out << "};\n";
}

void WriteNames(std::ostream& out) {
  out << "// The names of all system calls from 0 on, each with its end; empty for none.\n"
         "inline constexpr char kCallNames[] =\n";
  for (int number = 0; number <= kLastCall; ++number) {
    char* const name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_X86_64, number);
    out << "    \"" << (name != nullptr ? name : "") << "\\0\"\n";
    std::free(name);
  }
  out << "    ;\ninline constexpr int kLastCall = " << kLastCall << ";\n";
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) {
    Fail("usage: compile_lists FOLDER OUT NAME...");
  }
  std::ofstream out(argv[2]);
  out << "// Made by compile_lists.\n#pragma once\n\n#include <linux/filter.h>\n\n#include "
         "<cstdint>\n\nnamespace veneer {\n\n"
      << "// Stands for the process's number.\ninline constexpr std::uint32_t kSelf = " << kSelf
      << ";\n";
  for (int i = 3; i < argc; ++i) {
    List list;
    Read(argv[1], argv[i], list);
    WriteProgram(out, argv[i], Compile(list));
  }
  WriteNames(out);
  out << "\n}  // namespace veneer\n";
  return out.flush() ? 0 : 1;
}
