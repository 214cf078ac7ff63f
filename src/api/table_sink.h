#pragma once

#include <tiderace/table_sink.h>

#include <memory>
#include <string>

#include "plan/sink.h"

namespace tiderace {

/// `sink` as the engine writes to it. `text` is what `explain` prints. `folds_case`: names that differ in
/// their capitals alone are one column there.
[[nodiscard]] std::shared_ptr<SinkConnector> table_sink(std::string name, std::string text,
                                                        std::shared_ptr<TableSink> sink,
                                                        CustomSinkOptions options, bool folds_case = false);

}  // namespace tiderace
