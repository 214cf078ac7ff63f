#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/postgres/table_shape.h"
#include "plan/sink.h"

namespace tiderace::postgres {

/// The columns that the sink's options name; empty: none.
struct RecordColumns {
  std::string key;
  std::string event_time;
  std::string topic;
  std::string partition;
  std::string offset;
};

/// Rows for one commit as texts of COPY: a segment for each list of columns. It only grows, but for columns
/// with a default, which are there for rows that have a value alone.
class CopyLoad {
 public:
  struct Segment {
    std::vector<std::string> columns;
    std::string text;
    std::vector<std::size_t> ends;  ///< of the rows in `text`
    std::size_t first_row = 0;
  };
  /// Where a row came from.
  struct Place {
    SinkPartition partition;
    std::int64_t offset = 0;
  };

  /// The rows of `rows` for which `bad` (empty: none) is false, as a table of `shape` takes them.
  void add(const SinkRows& rows, const std::vector<bool>& bad, const TableShape& shape,
           const RecordColumns& record);

  [[nodiscard]] std::size_t rows() const noexcept { return places_offset_.size(); }
  [[nodiscard]] bool empty() const noexcept { return rows() == 0; }
  [[nodiscard]] const std::vector<Segment>& segments() const noexcept { return segments_; }
  /// The part of `segment` that is among the rows [begin, end) of all.
  [[nodiscard]] static std::string_view part(const Segment& segment, std::size_t begin, std::size_t end);
  [[nodiscard]] Place place(std::size_t row) const;

 private:
  /// For rows that have values in those of the columns with a default whose bit is set in `given`.
  [[nodiscard]] Segment& segment_for(const SinkRows& rows, const TableShape& shape,
                                     const RecordColumns& record, const std::vector<bool>& given);
  /// Rows [begin, end), which are alike in `given`.
  void add_part(const SinkRows& rows, std::size_t begin, std::size_t end, const std::vector<bool>& bad,
                const TableShape& shape, const RecordColumns& record, const std::vector<bool>& given);

  std::vector<Segment> segments_;
  std::vector<std::int64_t> places_offset_;      // by row
  std::vector<std::uint32_t> places_partition_;  // by row, into `partitions_`
  std::vector<SinkPartition> partitions_;
};

}  // namespace tiderace::postgres
