#include "yaml_check.h"

#include <yaml.h>

namespace veneer {
namespace {

// libyaml takes a time that grows with the square of the depth.
constexpr unsigned kDeepest = 100;

class YamlParser {
 public:
  explicit YamlParser(std::string_view text) {
    // Fails for want of memory only, and then the first event does too.
    static_cast<void>(yaml_parser_initialize(&parser_));
    // libyaml reads bytes as unsigned characters.
    yaml_parser_set_input_string(&parser_, reinterpret_cast<const unsigned char*>(text.data()),
                                 text.size());
  }
  YamlParser(const YamlParser&) = delete;
  YamlParser& operator=(const YamlParser&) = delete;
  ~YamlParser() { yaml_parser_delete(&parser_); }

  Result<yaml_event_type_t> Next() {
    yaml_event_t event{};
    if (yaml_parser_parse(&parser_, &event) == 0) {
      return UsageError("line {} is no YAML: {}", parser_.problem_mark.line + 1,
                        parser_.problem != nullptr ? parser_.problem : "it cannot be read");
    }
    const yaml_event_type_t type = event.type;
    yaml_event_delete(&event);
    return type;
  }

 private:
  yaml_parser_t parser_{};
};

}  // namespace

Result<void> CheckYamlMapping(std::string_view text) {
  YamlParser parser(text);
  unsigned depth = 0;
  for (;;) {
    VENEER_TRY_ASSIGN(const yaml_event_type_t type, parser.Next());
    switch (type) {
      case YAML_STREAM_END_EVENT:
        return {};
      case YAML_STREAM_START_EVENT:
      case YAML_DOCUMENT_START_EVENT:
      case YAML_DOCUMENT_END_EVENT:
        break;
      case YAML_MAPPING_END_EVENT:
      case YAML_SEQUENCE_END_EVENT:
        --depth;
        break;
      default:
        if (depth == 0 && type != YAML_MAPPING_START_EVENT) {
          return UsageError("it is no list of lines such as 'key: value'");
        }
        if (type == YAML_MAPPING_START_EVENT || type == YAML_SEQUENCE_START_EVENT) {
          ++depth;
        }
        if (depth > kDeepest) {
          return UsageError("it is nested deeper than {} levels", kDeepest);
        }
    }
  }
}

}  // namespace veneer
