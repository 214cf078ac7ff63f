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
///   `\0steps`  version (1 byte, 1), then the state names of the steps, each as length (varint) and bytes
[[nodiscard]] Change position_change(std::int64_t input_offset);
/// The input offset of a `position_change`; nullopt if `change` is another. Throws Error{state} if it is
/// damaged.
[[nodiscard]] std::optional<std::int64_t> input_offset_of(const Change& change);

[[nodiscard]] Change step_names_change(const std::vector<std::string>& names);
[[nodiscard]] std::vector<std::string> read_step_names(std::string_view value);
constexpr std::string_view step_names_key{"\0steps", 6};

}  // namespace tiderace
