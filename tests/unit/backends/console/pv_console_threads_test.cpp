// Several threads at the console's rings, for ThreadSanitizer and for wake-ups that get lost.

#include <cstdint>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "console_fixture.h"
#include "support/eventually.h"
#include "support/wakeup.h"

namespace veneer {
namespace {

using veneer::testing::ConsoleFrontEnd;
using veneer::testing::Wakeup;

constexpr std::size_t kTotal = std::size_t{64} << 10U;

// A lost wake-up shows as a test that does not end.
TEST(PvConsoleThreads, BothDirectionsAtOnceArriveWholeAndInOrder) {
  ConsoleFrontEnd guest;
  guest.StartAt(0xffff8000);  // wraps on the way
  Metrics metrics;
  Wakeup guest_input;
  Wakeup host_room;
  std::string printed;  // the sink is never called by two at once
  PvConsole console(
      guest.page(),
      [&](std::span<const std::byte> text) {
        for (const std::byte c : text) {
          printed.push_back(static_cast<char>(c));
        }
      },
      [&] { guest_input.Set(); }, metrics);
  console.SetRoomCallback([&] { host_room.Set(); });
  const std::string output = Pattern(kTotal);
  const std::string input = Pattern(kTotal, 99);

  std::thread writer([&] {
    for (std::size_t done = 0; done < kTotal;) {
      done += guest.Write(std::string_view(output).substr(done, 1 + done % 900));
      console.OnEvent();
    }
  });
  std::string read;
  std::thread reader([&] {
    while (read.size() < kTotal) {
      guest_input.Wait();
      for (std::string part = guest.Read(300); !part.empty(); part = guest.Read(300)) {
        read += part;
        console.OnEvent();
      }
    }
  });
  std::thread host([&] {
    for (std::size_t done = 0; done < kTotal;) {
      const std::string_view rest = std::string_view(input).substr(done, 1 + done % 3000);
      const std::size_t taken = console.Input(Bytes(rest));
      done += taken;
      if (taken < rest.size()) {
        host_room.Wait();
      }
    }
  });
  writer.join();
  reader.join();
  host.join();
  EXPECT_TRUE(printed == output);
  EXPECT_TRUE(read == input);
  EXPECT_EQ(metrics.Get("console.bad_rings").value(), 0U);
}

// Each side has a thread of its own per ring and nothing but the indices to go by: a missing
// barrier is a data race.
TEST(PvConsoleThreads, TheIndicesAloneKeepTheSidesApart) {
  ConsoleFrontEnd guest;
  Metrics metrics;
  std::string printed;
  PvConsole console(
      guest.page(),
      [&](std::span<const std::byte> text) {
        for (const std::byte c : text) {
          printed.push_back(static_cast<char>(c));
        }
      },
      [] {}, metrics);
  const std::string output = Pattern(kTotal);
  const std::string input = Pattern(kTotal, 99);
  std::thread writer([&] {
    std::size_t done = 0;
    EXPECT_TRUE(testing::Eventually([&] {
      done += guest.Write(std::string_view(output).substr(done, 100));
      return done >= kTotal;
    }));
  });
  std::thread back_end([&] {
    EXPECT_TRUE(testing::Eventually([&] {
      console.OnEvent();
      return printed.size() >= kTotal;
    }));
  });
  std::string read;
  std::thread reader([&] {
    EXPECT_TRUE(testing::Eventually([&] {
      read += guest.Read(100);
      return read.size() >= kTotal;
    }));
  });
  std::thread host([&] {
    std::size_t done = 0;
    EXPECT_TRUE(testing::Eventually([&] {
      done += console.Input(Bytes(std::string_view(input).substr(done, 100)));
      return done >= kTotal;
    }));
  });
  for (std::thread* thread : {&writer, &back_end, &reader, &host}) {
    thread->join();
  }
  EXPECT_TRUE(printed == output);
  EXPECT_TRUE(read == input);
}

TEST(PvConsoleThreads, IndicesThatChangeAllTheTimeDoNoHarm) {
  ConsoleFrontEnd guest;
  Metrics metrics;
  std::uint64_t printed = 0;
  bool bounded = true;
  PvConsole console(
      guest.page(),
      [&](std::span<const std::byte> text) {
        bounded = bounded && !text.empty() && text.size() <= ConsoleFrontEnd::kOutSize;
        printed += text.size();
      },
      [] {}, metrics);
  console.SetRoomCallback([] {});
  constexpr int kRounds = 20000;
  std::thread mutator([&] {
    std::uint32_t random = 1;
    for (int i = 0; i < kRounds; ++i) {
      random = random * 1664525U + 1013904223U;
      const std::uint32_t value = (random & 0x10000U) != 0 ? random : random % 5000;
      switch (random >> 30U) {
        case 0:
          guest.in_cons().store(value);
          break;
        case 1:
          guest.in_prod().store(value);
          break;
        case 2:
          guest.out_cons().store(value);
          break;
        default:
          guest.out_prod().store(value);
          break;
      }
    }
  });
  std::vector<std::thread> vcpus;
  for (int n = 0; n < 2; ++n) {
    vcpus.emplace_back([&] {
      for (int i = 0; i < kRounds / 4; ++i) {
        console.OnEvent();
      }
    });
  }
  bool input_bounded = true;
  std::thread host([&] {
    const std::string text = Pattern(1500);
    for (int i = 0; i < kRounds / 4; ++i) {
      input_bounded = input_bounded && console.Input(Bytes(text)) <= ConsoleFrontEnd::kInSize;
      if (i % 100 == 0) {
        console.Reset();
      }
    }
  });
  mutator.join();
  host.join();
  for (std::thread& vcpu : vcpus) {
    vcpu.join();
  }
  EXPECT_TRUE(bounded);
  EXPECT_TRUE(input_bounded);
  EXPECT_EQ(metrics.Get("console.output_bytes").value(), printed);
}

}  // namespace
}  // namespace veneer
