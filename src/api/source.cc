#include <tiderace/source.h>

#include "connectors/files/file_sources.h"
#include "connectors/postgres/postgres_source.h"

namespace tiderace {

CsvSource::CsvSource(const std::string& path, const SourceOptions& options)
    : History(csv_source(path, options)) {}

NdjsonSource::NdjsonSource(const std::string& path, const SourceOptions& options)
    : History(ndjson_source(path, options)) {}

PostgresSource::PostgresSource(const std::string& url, const std::string& query, const SourceOptions& options)
    : History(postgres_source(url, query, options)) {}

}  // namespace tiderace
