#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "state/store.h"

namespace tiderace {

/// What a task keeps in its store (and changelog) beside the state of its steps. The keys begin with a step
/// name of length 0, which no step has (see `state/state_key.h`).
///
///   key        value
///   `\0input`  version (1 byte, 1), next input offset (8 bytes, little endian)
///   `\0log`    version (1 byte, 1), the changelog's id, its group and its topic, each as length (varint)
///             and bytes; the first record of the changelog, never written again
///   `\0steps`  version (1 byte, 1), then the state names of the steps, each as length (varint) and bytes
[[nodiscard]] Change position_change(std::int64_t input_offset);
/// The input offset of a `position_change`; nullopt if `change` is another. Throws Error{state} if it is
/// damaged.
[[nodiscard]] std::optional<std::int64_t> input_offset_of(const ChangeView& change);

/// Whose changelog it is. The id is drawn when its first record is written, so local state of one log is not
/// taken for that of another, and two applications do not share a changelog unnoticed.
struct ChangelogIdentity {
  std::string id;
  std::string group;
  std::string topic;
  bool operator==(const ChangelogIdentity&) const = default;
};
[[nodiscard]] ChangelogIdentity new_changelog_identity(const std::string& group, const std::string& topic);
[[nodiscard]] Change identity_change(const ChangelogIdentity& identity);
[[nodiscard]] ChangelogIdentity read_identity(std::string_view value);
constexpr std::string_view identity_key{"\0log", 4};

[[nodiscard]] Change step_names_change(const std::vector<std::string>& names);
[[nodiscard]] std::vector<std::string> read_step_names(std::string_view value);
constexpr std::string_view step_names_key{"\0steps", 6};

}  // namespace tiderace
