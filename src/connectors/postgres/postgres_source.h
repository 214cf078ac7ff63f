#pragma once

#include <tiderace/source.h>

#include <memory>
#include <string>

#include "plan/source_connector.h"

namespace tiderace {

/// The rows of `query`, asked anew by every reader. Throws Error{config} where options cannot be.
[[nodiscard]] std::shared_ptr<SourceConnector> postgres_source(const std::string& url,
                                                               const std::string& query,
                                                               const SourceOptions& options);

}  // namespace tiderace
