#include "report.h"

#include "arch.h"

namespace micro {
namespace {

constexpr uint16_t kSerial = 0x3f8;
constexpr uint16_t kPm1aControl = 0x604;
constexpr uint16_t kSoftOff = (5U << 10) | (1U << 13);  // SLP_TYP of S5, SLP_EN

const char* command_line = "";
uint32_t passed;
uint32_t failed;

bool StartsWith(const char* text, const char* prefix) {
  while (*prefix != '\0') {
    if (*text++ != *prefix++) {
      return false;
    }
  }
  return true;
}

// The rest of the first word of the command line that starts with `prefix`.
const char* FindWord(const char* prefix) {
  const char* at = command_line;
  while (*at != '\0') {
    if (StartsWith(at, prefix)) {
      return at + Length(prefix);
    }
    while (*at != '\0' && *at != ' ') {
      ++at;
    }
    while (*at == ' ') {
      ++at;
    }
  }
  return nullptr;
}

bool EndsWord(char c) { return c == '\0' || c == ' ' || c == ','; }

}  // namespace

void Print(const char* text) {
  // No waiting for room: a line is shorter than any buffer behind the port.
  while (*text != '\0') {
    Out8(kSerial, static_cast<uint8_t>(*text++));
  }
}

void PrintNumber(int64_t value) {
  char text[20];
  char* at = text + sizeof(text);
  *--at = '\0';
  if (value > -100000 && value < 100000) {
    const bool negative = value < 0;
    auto rest = static_cast<uint32_t>(negative ? -value : value);
    do {
      *--at = static_cast<char>('0' + rest % 10);
    } while ((rest /= 10) != 0);
    if (negative) {
      *--at = '-';
    }
  } else {
    auto rest = static_cast<uint64_t>(value);
    do {
      *--at = "0123456789abcdef"[rest & 15];
    } while ((rest >>= 4) != 0);
    *--at = 'x';
    *--at = '0';
  }
  Print(at);
}

bool Check(const char* name, int64_t got, int64_t want) {
  if (got == want) {
    ++passed;
    Print("ok ");
    Print(name);
    Print("\n");
    return true;
  }
  ++failed;
  Print("FAIL ");
  Print(name);
  Print(" got ");
  PrintNumber(got);
  Print(" want ");
  PrintNumber(want);
  Print("\n");
  return false;
}

void Fail(const char* name, const char* got) {
  ++failed;
  Print("FAIL ");
  Print(name);
  Print(" got ");
  Print(got);
  Print("\n");
}

void SwitchOff() { Out16(kPm1aControl, kSoftOff); }

void Finish(void (*switch_off)()) {
  Print("micro: ");
  PrintNumber(passed);
  Print(" passed, ");
  PrintNumber(failed);
  Print(" failed\n");
  switch_off();
  for (;;) {
    asm volatile("cli; hlt");
  }
}

void SetCommandLine(const char* text) { command_line = text; }

bool HasWord(const char* word) {
  const char* rest = FindWord(word);
  return rest != nullptr && EndsWord(*rest);
}

uint32_t NumberWord(const char* prefix, uint32_t otherwise) {
  const char* rest = FindWord(prefix);
  return rest == nullptr ? otherwise : ToNumber(rest);
}

bool GroupWanted(const char* name) {
  const char* list = FindWord("tests=");
  if (list == nullptr) {
    return true;
  }
  for (;;) {
    if (StartsWith(list, name) && EndsWord(list[Length(name)])) {
      return true;
    }
    while (!EndsWord(*list)) {
      ++list;
    }
    if (*list != ',') {
      return false;
    }
    ++list;
  }
}

bool SameText(const char* a, const char* b) {
  while (*a != '\0' && *a == *b) {
    ++a;
    ++b;
  }
  return *a == *b;
}

uint32_t ToNumber(const char* text) {
  uint32_t value = 0;
  while (*text >= '0' && *text <= '9') {
    value = value * 10 + static_cast<uint32_t>(*text++ - '0');
  }
  return value;
}

uint32_t Length(const char* text) {
  uint32_t length = 0;
  while (text[length] != '\0') {
    ++length;
  }
  return length;
}

}  // namespace micro

// The compiler calls these on its own.
extern "C" {
void* memcpy(void* to, const void* from, size_t size) {
  asm volatile("rep movsb" : : "D"(to), "S"(from), "c"(size) : "memory");
  return to;
}
void* memset(void* to, int value, size_t size) {
  asm volatile("rep stosb" : : "D"(to), "a"(value), "c"(size) : "memory");
  return to;
}
}
