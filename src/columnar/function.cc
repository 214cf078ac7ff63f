#include "columnar/function.h"

#include <fmt/format.h>

#include <algorithm>

namespace tiderace {
namespace {

std::string listed(std::span<const std::string> names) {
  return names.empty() ? "" : fmt::format(" ({})", fmt::join(names, ", "));
}

}  // namespace

std::optional<std::string> feature_mismatch(const std::string& model, std::size_t trained_on,
                                            std::span<const std::string> trained_names,
                                            std::span<const std::string> found) {
  if (found.size() != trained_on) {
    return fmt::format(
        "{}: the model was trained on {} features{}, found {}{}; select the columns that it was trained on",
        model, trained_on, listed(trained_names), found.size(), listed(found));
  }
  if (trained_names.empty() || std::ranges::equal(trained_names, found)) return std::nullopt;
  return fmt::format(
      "{}: the model was trained on the features{}, found{}; select them under these names, in this order",
      model, listed(trained_names), listed(found));
}

}  // namespace tiderace
