#pragma once

#include <tiderace/export.h>
#include <tiderace/options.h>

#include <memory>
#include <string>

namespace TIDERACE_API tiderace {

/// A topic and how its rows are read, as `Application::topic` returns it. Immutable; any thread.
struct Topic {
  std::string name;
  TopicOptions options;
};
using TopicPtr = std::shared_ptr<const Topic>;

}  // namespace tiderace
