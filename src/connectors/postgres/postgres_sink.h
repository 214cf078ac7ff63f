#pragma once

#include <tiderace/sink.h>

#include <memory>
#include <string>

#include "plan/sink.h"

namespace tiderace {

/// Rows into a table of PostgreSQL by COPY, with the offsets that they came to in the table
/// `tiderace_offsets` beside it, in one transaction. Contacts nothing. Throws Error{config} where an option
/// is missing or does not go with the others.
///
///     tiderace_offsets(consumer_group text, sink text, topic text, partition integer, "offset" bigint,
///                      updated_at timestamptz, primary key (consumer_group, sink, topic, partition))
///
/// A commit changes the stored offset from what the writer knows to what it comes to. Where another is
/// stored, nothing is written: the writer was not the only one.
[[nodiscard]] std::shared_ptr<SinkConnector> postgres_sink(const std::string& url,
                                                           const PostgresSinkOptions& options);

}  // namespace tiderace
