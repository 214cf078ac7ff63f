#pragma once

#include <string>

#include "plan/plan.h"

namespace tiderace::plan {

/// Throws Error{plan} if `name` is no name for a topic or an option is out of its range, saying what is
/// taken.
void check_topic(const std::string& name, const TopicOptions& options);

/// Whether both are the same. Functions cannot be compared: options with a function equal no others.
[[nodiscard]] bool same_options(const TopicOptions& left, const TopicOptions& right);

}  // namespace tiderace::plan
