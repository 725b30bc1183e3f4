#include "results.h"

#include <filesystem>
#include <fstream>

#include "veneer/vmm/base/text_file.h"

namespace veneer::bench {
namespace {

constexpr const char* kFormat = "veneer bench 1";

}  // namespace

Result<nlohmann::ordered_json> ReadJson(const std::string& path) {
  std::ifstream file(path);
  nlohmann::ordered_json json = nlohmann::ordered_json::parse(file, nullptr, false);
  if (json.is_discarded()) {
    return UsageError("'{}' is no JSON", path);
  }
  return json;
}

Result<Results> Results::Open(const std::string& folder, const nlohmann::ordered_json& settings,
                              bool fresh) {
  const std::string path = folder + "/bench.json";
  nlohmann::ordered_json json = {{"format", kFormat}, {"settings", settings}};
  if (fresh || !std::filesystem::exists(path)) {
    return Results(path, std::move(json));
  }
  VENEER_TRY_ASSIGN(nlohmann::ordered_json old, ReadJson(path));
  if (!old.is_object() || old.value("format", "") != kFormat) {
    return UsageError("--output: '{}' is no report of veneer bench; name another folder", path);
  }
  if (old.value("settings", nlohmann::ordered_json()) != settings) {
    return UsageError(
        "--output: '{}' has figures of other settings; name another folder, or have them forgotten "
        "by --fresh",
        path);
  }
  return Results(path, std::move(old));
}

Samples Results::Of(const Step& step, Way way) const {
  const auto at = nlohmann::ordered_json::json_pointer("/linux") / step.title / WayName(way);
  return json_.contains(at) ? Samples::FromJson(json_.at(at)) : Samples();
}

Result<void> Results::Add(const Step& step, Way way, double value) {
  Samples samples = Of(step, way);
  samples.Add(value);
  nlohmann::ordered_json& row = json_["linux"][step.title];
  row["unit"] = step.unit;
  row["part"] = step.part;
  row[WayName(way)] = samples.ToJson();
  return Save();
}

nlohmann::json Results::Companion(const std::string& name) const {
  const auto at = nlohmann::ordered_json::json_pointer("/companions") / name;
  return json_.contains(at) ? nlohmann::json(json_.at(at)) : nlohmann::json();
}

Result<void> Results::SetCompanion(const std::string& name, nlohmann::json json) {
  json_["companions"][name] = std::move(json);
  return Save();
}

Result<void> Results::Save() const { return ReplaceFile(path_, json_.dump(2) + "\n"); }

}  // namespace veneer::bench
