#pragma once

#include <tiderace/table_sink.h>

#include <memory>
#include <string>

#include "plan/sink.h"

namespace tiderace {

/// `sink` as the engine writes to it. `text` is what `explain` prints.
[[nodiscard]] std::shared_ptr<SinkConnector> table_sink(std::string name, std::string text,
                                                        std::shared_ptr<TableSink> sink,
                                                        CustomSinkOptions options);

}  // namespace tiderace
