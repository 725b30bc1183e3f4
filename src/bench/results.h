// The figures so far, in a file that is rewritten after each one.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "plan.h"
#include "veneer/vmm/base/result.h"

namespace veneer::bench {

class Results {
 public:
  // Reads `folder`/bench.json if there is one, unless `fresh`. `settings`: what figures must have
  // in common to be compared. UsageError if the file's are others, or if it is none of ours.
  static Result<Results> Open(const std::string& folder, const nlohmann::ordered_json& settings,
                              bool fresh);

  Samples Of(const Step& step, Way way) const;
  Result<void> Add(const Step& step, Way way, double value);

  // What a companion program wrote; null if it has not run.
  nlohmann::json Companion(const std::string& name) const;
  Result<void> SetCompanion(const std::string& name, nlohmann::json json);

  Result<void> Save() const;
  // "host" and "missing" are said anew by each run.
  nlohmann::ordered_json& json() { return json_; }

 private:
  Results(std::string path, nlohmann::ordered_json json)
      : path_(std::move(path)), json_(std::move(json)) {}

  std::string path_;
  nlohmann::ordered_json json_;
};

// UsageError if it is no JSON.
Result<nlohmann::ordered_json> ReadJson(const std::string& path);

}  // namespace veneer::bench
