#include "program.h"

#include <cstdio>
#include <exception>
#include <fstream>
#include <string>

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

namespace veneer::bench {
namespace {

Result<void> WriteFile(const std::string& path, const nlohmann::json& json) {
  std::ofstream file(path);
  file << json.dump(2) << '\n';
  if (!file.flush()) {
    return HostError("cannot write '{}'", path);
  }
  return {};
}

int Fail(const CLI::App& app, const char* message) {
  static_cast<void>(std::fprintf(stderr, "%s: %s\n", app.get_name().c_str(), message));
  return 1;
}

}  // namespace

int RunProgram(CLI::App& app, int argc, char** argv,
               const std::function<Result<void>(nlohmann::json& json)>& work) {
  std::string path;
  app.add_option("--json", path, "Write all figures to this file");
  try {
    CLI11_PARSE(app, argc, argv);
    nlohmann::json json;
    Result<void> done = work(json);
    if (done && !path.empty()) {
      done = WriteFile(path, json);
    }
    return done ? 0 : Fail(app, done.error().message.c_str());
  } catch (const std::exception& error) {
    return Fail(app, error.what());
  }
}

}  // namespace veneer::bench
