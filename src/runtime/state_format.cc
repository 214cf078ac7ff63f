#include "runtime/state_format.h"

#include "base/error.h"
#include "columnar/records.h"

namespace tiderace {
namespace {

constexpr std::string_view position_key{"\0input", 6};
constexpr char version = 1;

void check_version(std::string_view value, std::string_view what) {
  if (value.empty() || value.front() != version) {
    throw_error(
        ErrorKind::state,
        "the {} of the state is of version {}, this library reads version {}; use the library that wrote it",
        what, value.empty() ? 0 : value.front(), version);
  }
}

}  // namespace

Change position_change(std::int64_t input_offset) {
  std::string value(1, version);
  for (unsigned i = 0; i < 8; ++i)
    value.push_back(static_cast<char>(static_cast<std::uint64_t>(input_offset) >> (8 * i)));
  return {std::string(position_key), std::move(value)};
}

std::optional<std::int64_t> input_offset_of(const Change& change) {
  if (change.key != position_key || !change.value) return std::nullopt;
  check_version(*change.value, "input position");
  if (change.value->size() != 9)
    throw_error(ErrorKind::state, "the input position of the state is damaged: wanted 9 bytes, found {}",
                change.value->size());
  std::uint64_t offset = 0;
  for (unsigned i = 0; i < 8; ++i)
    offset |= static_cast<std::uint64_t>(static_cast<unsigned char>((*change.value)[1 + i])) << (8 * i);
  return static_cast<std::int64_t>(offset);
}

Change step_names_change(const std::vector<std::string>& names) {
  std::string value(1, version);
  for (const std::string& name : names) {
    append_varint(value, name.size());
    value += name;
  }
  return {std::string(step_names_key), std::move(value)};
}

std::vector<std::string> read_step_names(std::string_view value) {
  check_version(value, "list of steps");
  value.remove_prefix(1);
  std::vector<std::string> names;
  while (!value.empty()) {
    const auto size = take_varint(value);
    if (!size || *size > value.size())
      throw Error(ErrorKind::state, "the list of steps of the state is damaged: it ends early");
    names.emplace_back(value.substr(0, *size));
    value.remove_prefix(*size);
  }
  return names;
}

}  // namespace tiderace
