#include "gateway/parameters.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <set>
#include <string_view>

#include "gateway/in/write_request.h"

namespace tiderace::gateway {
namespace {

struct Parameter {
  std::string_view name;  ///< with `NAME` at the end: any that begins with what is before
  bool posts;
  bool writes;
  bool reads;
  bool repeats = false;  ///< whether it may stand more than once

  [[nodiscard]] bool is_for(Use use) const {
    return use == Use::post ? posts : use == Use::write ? writes : reads;
  }
  [[nodiscard]] bool is_called(std::string_view text) const {
    constexpr std::string_view any = "NAME";
    if (!name.ends_with(any)) return text == name;
    return text.starts_with(name.substr(0, name.size() - any.size()));
  }
};

constexpr std::array parameters = {
    Parameter{"key", true, true, false},
    Parameter{"key", false, false, true, true},
    Parameter{"key_field", true, true, false},
    Parameter{"timestamp_field", true, true, false},
    Parameter{"header.NAME", true, true, false, true},
    Parameter{"header_field.NAME", true, true, false},
    Parameter{"from", false, false, true},
    Parameter{"session", true, true, true},
    Parameter{"sequence", true, false, false},
    Parameter{"conflate", false, false, true},
    Parameter{"token", true, true, true},
};

std::string_view text_of(Use use) {
  return use == Use::post ? "to POST" : use == Use::write ? "to write by WebSocket" : "to read (from=)";
}

/// What to say to a name that is not for `use`; `meant` is the parameter that it is elsewhere.
std::string unknown(std::string_view name, const Parameter* meant, Use use) {
  std::string uses;
  for (const Use other : {Use::post, Use::write, Use::read}) {
    if (meant != nullptr && meant->is_for(other))
      fmt::format_to(std::back_inserter(uses), "{} {}", uses.empty() ? ", it is one" : " or", text_of(other));
  }
  std::string known;
  for (const Parameter& parameter : parameters) {
    if (parameter.is_for(use))
      fmt::format_to(std::back_inserter(known), "{}{}", known.empty() ? "" : ", ", parameter.name);
  }
  return fmt::format("{}: there is no such parameter {}{}; there are {}", json_string(name), text_of(use),
                     uses, known);
}

}  // namespace

std::optional<std::string> query_fault(const Target& target, Use use) {
  std::set<std::string_view> seen;
  for (const auto& [name, value] : target.query) {
    const auto find = [&name = name](const auto& suits) {
      const auto* const found = std::ranges::find_if(
          parameters, [&](const Parameter& each) { return each.is_called(name) && suits(each); });
      return found == parameters.end() ? nullptr : found;
    };
    const Parameter* const parameter = find([&](const Parameter& each) { return each.is_for(use); });
    if (parameter == nullptr) return unknown(name, find([](const Parameter&) { return true; }), use);
    if (!parameter->repeats && !seen.insert(name).second)
      return fmt::format("{}: wanted it once, found it more than once", json_string(name));
  }
  return std::nullopt;
}

}  // namespace tiderace::gateway
