#include "runtime/state_format.h"

#include <fmt/format.h>

#include <array>
#include <random>
#include <span>

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

std::optional<std::int64_t> input_offset_of(const ChangeView& change) {
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

namespace {

std::string packed(std::span<const std::string> texts) {
  std::string value(1, version);
  for (const std::string& text : texts) {
    append_varint(value, text.size());
    value += text;
  }
  return value;
}

std::vector<std::string> unpacked(std::string_view value, std::string_view what) {
  check_version(value, what);
  value.remove_prefix(1);
  std::vector<std::string> texts;
  while (!value.empty()) {
    const auto size = take_varint(value);
    if (!size || *size > value.size())
      throw_error(ErrorKind::state, "the {} of the state is damaged: it ends early", what);
    texts.emplace_back(value.substr(0, *size));
    value.remove_prefix(*size);
  }
  return texts;
}

}  // namespace

ChangelogIdentity new_changelog_identity(const std::string& group, const std::string& topic) {
  std::random_device random;
  std::string id;
  for (int i = 0; i < 4; ++i) id += fmt::format("{:08x}", random());
  return {std::move(id), group, topic};
}

Change identity_change(const ChangelogIdentity& identity) {
  const std::array<std::string, 3> texts = {identity.id, identity.group, identity.topic};
  return {std::string(identity_key), packed(texts)};
}

ChangelogIdentity read_identity(std::string_view value) {
  std::vector<std::string> texts = unpacked(value, "changelog's identity");
  if (texts.size() != 3)
    throw_error(ErrorKind::state, "the changelog's identity is damaged: wanted 3 texts, found {}",
                texts.size());
  return {std::move(texts[0]), std::move(texts[1]), std::move(texts[2])};
}

Change step_names_change(const std::vector<std::string>& names) {
  return {std::string(step_names_key), packed(names)};
}

std::vector<std::string> read_step_names(std::string_view value) {
  return unpacked(value, "list of steps");
}

}  // namespace tiderace
