#include <tiderace/sink.h>

#include "connectors/postgres/postgres_sink.h"

namespace tiderace {

PostgresSink::PostgresSink(const std::string& url, const PostgresSinkOptions& options)
    : Sink(postgres_sink(url, options)) {}

}  // namespace tiderace
