#pragma once

#include <memory>

#include "log/log.h"

namespace tiderace {

/// A log that lives as long as the object: tests. The meaning is that of the embedded log, within one
/// process; a compacted topic keeps every record.
std::unique_ptr<Log> memory_log();

}  // namespace tiderace
