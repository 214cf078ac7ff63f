#include "formats/json/reader.h"

#include <algorithm>

#include "formats/json/walker.h"

namespace tiderace {

std::string walk_json(std::string_view text, JsonEvents& events, int max_depth) {
  return json::Walker(text, &events, {"text", std::max(max_depth, 1), true}).walk();
}

std::optional<JsonFault> read_json(std::string_view text, JsonEvents& events, int max_depth) {
  json::WalkOptions options{"text", std::max(max_depth, 1), true};
  options.convert = true;
  json::Walker walker(text, &events, options);
  std::string fault = walker.walk();
  if (fault.empty()) return std::nullopt;
  const BadRowKind kind = walker.too_deep()       ? BadRowKind::too_large
                          : walker.out_of_range() ? BadRowKind::range
                                                  : BadRowKind::parse;
  return JsonFault{kind, std::move(fault)};
}

}  // namespace tiderace
