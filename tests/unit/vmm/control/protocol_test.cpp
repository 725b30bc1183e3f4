#include "src/vmm/control/protocol.h"

#include <unistd.h>

#include <set>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace veneer {
namespace {

using Json = nlohmann::json;

TEST(ParseRequest, KnowsEveryCommand) {
  ASSERT_FALSE(ControlCommands().empty());
  for (const ControlCommand& command : ControlCommands()) {
    Json line{{"command", command.name}};
    if (command.argument == ControlArgumentKind::kSize ||
        command.argument == ControlArgumentKind::kNumber ||
        command.argument == ControlArgumentKind::kNumberOrNothing) {
      line[std::string(command.member)] = 7;
    } else if (command.argument == ControlArgumentKind::kFlag) {
      line[std::string(command.member)] = true;
    } else if (command.argument != ControlArgumentKind::kNone) {
      line[std::string(command.member)] = "seven";
    }
    const auto request = ParseRequest(line.dump());
    ASSERT_TRUE(request) << command.name;
    EXPECT_EQ(request->command, &command) << command.name;
  }
}

TEST(ControlCommands, HaveNamesOfTheirOwnAndSayWhatTheyNeed) {
  std::set<std::string_view> names;
  for (const ControlCommand& command : ControlCommands()) {
    EXPECT_TRUE(names.insert(command.name).second) << command.name;
    EXPECT_EQ(command.run == nullptr, command.stream != ControlStream::kNone) << command.name;
    EXPECT_FALSE(command.help.empty()) << command.name;
    const bool argument = command.argument != ControlArgumentKind::kNone;
    EXPECT_EQ(!command.member.empty(), argument) << command.name;
    EXPECT_EQ(!command.placeholder.empty(), argument) << command.name;
    const bool optional = command.argument == ControlArgumentKind::kNumberOrNothing ||
                          command.argument == ControlArgumentKind::kTextOrNothing ||
                          command.argument == ControlArgumentKind::kFlag;
    EXPECT_EQ(!command.needs.empty(), argument && !optional) << command.name;
  }
}

TEST(ParseRequest, TakesTheSizeOfABalloon) {
  const auto request = ParseRequest(R"({"command":"balloon","bytes":18446744073709551615})");
  ASSERT_TRUE(request);
  EXPECT_EQ(request->argument.number, ~std::uint64_t{0});
}

TEST(ParseRequest, LeavesAloneMembersItDoesNotKnow) {
  EXPECT_TRUE(ParseRequest(R"({"command":"info","id":7,"more":[{}]})"));
}

TEST(ParseRequest, RefusesWhatIsNoRequest) {
  for (const char* line : {"",
                           " ",
                           "info",
                           "{",
                           "[]",
                           "null",
                           "7",
                           "\"info\"",
                           "{}",
                           R"({"command":7})",
                           R"({"command":"Info"})",
                           R"({"command":""})",
                           R"({"command":["info"]})",
                           R"({"command":"info"} {})",
                           "{\"command\":\"\xff\"}",
                           R"({"command":"info","debug":1})",
                           R"({"command":"balloon"})",
                           R"({"command":"balloon","bytes":-1})",
                           R"({"command":"balloon","bytes":1.5})",
                           R"({"command":"balloon","bytes":"1"})",
                           R"({"command":"balloon","bytes":18446744073709551616})",
                           R"({"command":"cpus","vcpus":"4"})",
                           R"({"command":"cpus","vcpus":-1})",
                           R"({"command":"disk-add","disk":1})",
                           R"({"command":"net-add"})",
                           R"({"command":"net-add","net":1})",
                           R"({"command":"net-remove","nic":"1"})",
                           R"({"command":"net-remove","nic":-1})"}) {
    EXPECT_FALSE(ParseRequest(line)) << line;
  }
  EXPECT_FALSE(ParseRequest(std::string(kMaxRequest, '['))) << "deep";
}

TEST(Replies, SayWhetherItWasDone) {
  EXPECT_EQ(Json::parse(OkReply()), (Json{{"ok", true}}));
  const Json error = Json::parse(ErrorReply("no \"such\"\nthing"));
  EXPECT_EQ(error["ok"], false);
  EXPECT_EQ(error["error"], "no \"such\"\nthing");
}

TEST(Replies, AreOneLineOfUtf8WhateverIsInThem) {
  const std::string reply = ErrorReply("line\nline \xff\xfe end");
  EXPECT_EQ(reply.find('\n'), std::string::npos);
  EXPECT_TRUE(Json::parse(reply)["error"].is_string());
}

TEST(Replies, InfoHasAllThereIs) {
  GuestInfo info;
  info.name = "web";
  info.state = GuestState::kPaused;
  info.pause_reason = "disk xvda: no room";
  info.vcpus = {.given = 3, .online = 2, .possible = 8};
  info.memory_bytes = 100;
  info.memory_target_bytes = 200;
  info.memory_max_bytes = 300;
  info.xen = true;
  info.uptime_ns = 1'500'000'000;
  info.transport = "KVM interception";
  info.events = "2-level, delivered by KVM";
  info.milestones = {{"console", 250'000'000}};
  info.disks = {{"xvda", "pv", "/a", 512, true, false, true}};
  info.nics = {{1, "pv", "52:54:00:12:34:56", "user", true, false}};
  const Json json = Json::parse(InfoReply(info));
  EXPECT_EQ(json["ok"], true);
  EXPECT_EQ(json["name"], "web");
  EXPECT_EQ(json["state"], "paused");
  EXPECT_EQ(json["reason"], "disk xvda: no room");
  EXPECT_EQ(json["vcpus"], 3);
  EXPECT_EQ(json["vcpus_online"], 2);
  EXPECT_EQ(json["vcpus_max"], 8);
  EXPECT_EQ(json["memory"], (Json{{"now", 100}, {"target", 200}, {"max", 300}}));
  EXPECT_EQ(json["xen"], true);
  EXPECT_EQ(json["transport"], "KVM interception");
  EXPECT_EQ(json["events"], "2-level, delivered by KVM");
  EXPECT_EQ(json["uptime_seconds"], 1.5);
  EXPECT_EQ(json["pid"], getpid());
  ASSERT_EQ(json["disks"].size(), 1U);
  EXPECT_EQ(json["disks"][0], (Json{{"name", "xvda"},
                                    {"bus", "pv"},
                                    {"path", "/a"},
                                    {"bytes", 512},
                                    {"readonly", true},
                                    {"connected", false},
                                    {"removing", true}}));
  ASSERT_EQ(json["nics"].size(), 1U);
  EXPECT_EQ(json["nics"][0], (Json{{"number", 1},
                                   {"model", "pv"},
                                   {"mac", "52:54:00:12:34:56"},
                                   {"link", "user"},
                                   {"connected", true},
                                   {"removing", false}}));
  ASSERT_EQ(json["milestones"].size(), 1U);
  EXPECT_EQ(json["milestones"][0], (Json{{"name", "console"}, {"seconds", 0.25}}));
}

TEST(Replies, AListingKeepsItsOrder) {
  const Json json = Json::parse(StoreReply({{{"/a", ""}, {"/a/b", "\\x00"}}, true}));
  EXPECT_EQ(json["truncated"], true);
  ASSERT_EQ(json["nodes"].size(), 2U);
  EXPECT_EQ(json["nodes"][0]["path"], "/a");
  EXPECT_EQ(json["nodes"][1]["value"], "\\x00");
}

}  // namespace
}  // namespace veneer
