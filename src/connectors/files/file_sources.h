#pragma once

#include <tiderace/source.h>

#include <memory>
#include <string>

#include "plan/source_connector.h"

namespace tiderace {

/// The rows of a CSV file, read in pieces, twice: for the kinds of its columns, which are those of
/// `read_csv_columns` unless `options.schema` declares them, and for the rows. Throws Error{config} where
/// options cannot be; the reader where the file cannot be read, or lacks a column.
[[nodiscard]] std::shared_ptr<SourceConnector> csv_source(const std::string& path,
                                                          const SourceOptions& options);

/// The lines of a file that are not blank, as they are.
[[nodiscard]] std::shared_ptr<SourceConnector> ndjson_source(const std::string& path,
                                                             const SourceOptions& options);

}  // namespace tiderace
