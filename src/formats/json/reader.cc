#include "formats/json/reader.h"

#include <algorithm>

#include "formats/json/walker.h"

namespace tiderace {

std::string walk_json(std::string_view text, JsonEvents& events, int max_depth) {
  return json::Walker(text, &events, {"text", std::max(max_depth, 1), true, false}).walk();
}

}  // namespace tiderace
