#include "connectors/postgres/copy_load.h"

#include <algorithm>
#include <utility>

#include "connectors/postgres/copy_text.h"

namespace tiderace::postgres {
namespace {

bool holds(const std::vector<std::string>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

/// What one column of a segment is filled with.
struct Cell {
  enum class Of { column, key, event_time, topic, partition, offset, nothing };
  Of of = Of::nothing;
  const Column* column = nullptr;
  ColumnType type = ColumnType::other;
};

std::vector<Cell> cells_of(const CopyLoad::Segment& segment, const SinkRows& rows, const TableShape& shape,
                           const RecordColumns& record) {
  const std::pair<const std::string&, Cell::Of> own[] = {{record.key, Cell::Of::key},
                                                         {record.event_time, Cell::Of::event_time},
                                                         {record.topic, Cell::Of::topic},
                                                         {record.partition, Cell::Of::partition},
                                                         {record.offset, Cell::Of::offset}};
  std::vector<Cell> cells;
  for (const std::string& name : segment.columns) {
    Cell& cell = cells.emplace_back();
    for (const auto& [called, of] : own)
      if (called == name) cell.of = of;
    if (cell.of != Cell::Of::nothing) continue;
    for (const NamedColumn& named : rows.columns) {
      if (named.name != name || named.column.mask() == 0) continue;
      cell = {Cell::Of::column, &named.column, shape.find(name)->type};
    }
  }
  return cells;
}

}  // namespace

CopyLoad::Segment& CopyLoad::segment_for(const SinkRows& rows, const TableShape& shape,
                                         const RecordColumns& record, const std::vector<bool>& given) {
  std::vector<std::string> columns;
  for (const std::string& name :
       {record.key, record.event_time, record.topic, record.partition, record.offset}) {
    if (!name.empty() && !holds(columns, name)) columns.push_back(name);
  }
  for (std::size_t k = 0; k < rows.columns.size(); ++k)
    if (given[k] && !holds(columns, rows.columns[k].name)) columns.push_back(rows.columns[k].name);
  if (!segments_.empty()) {
    const auto& last = segments_.back().columns;
    std::vector<std::string> all;
    for (const std::string& name : last) {
      const TableColumn* known =
          shape.find(name);  // none: only bad rows had it, and the table has it no more
      if (holds(columns, name) || (known != nullptr && !known->has_default)) all.push_back(name);
    }
    const bool fewer = all.size() != last.size();
    const std::size_t before = all.size();
    for (std::string& name : columns)
      if (!holds(all, name)) all.push_back(std::move(name));
    if (!fewer && all.size() == before) return segments_.back();
    columns = std::move(all);
  }
  Segment& segment = segments_.emplace_back();
  segment.columns = std::move(columns);
  segment.first_row = this->rows();
  return segment;
}

void CopyLoad::add(const SinkRows& rows, const std::vector<bool>& bad, const TableShape& shape,
                   const RecordColumns& record) {
  std::vector<bool> given;
  std::vector<std::size_t> with_default;
  for (const NamedColumn& named : rows.columns) {
    const TableColumn* known = named.column.mask() == 0 ? nullptr : shape.find(named.name);
    if (known != nullptr && known->has_default) with_default.push_back(given.size());
    given.push_back(known != nullptr);
  }
  const std::size_t size = rows.offsets.size();
  std::size_t begin = 0;
  for (std::size_t i = 0; i < size && !with_default.empty(); ++i) {
    std::vector<bool> here = given;
    for (const std::size_t k : with_default) here[k] = rows.columns[k].column.kind(i) != Kind::null;
    if (i > 0 && here != given) {
      add_part(rows, begin, i, bad, shape, record, given);
      begin = i;
    }
    given = std::move(here);
  }
  add_part(rows, begin, size, bad, shape, record, given);
}

void CopyLoad::add_part(const SinkRows& rows, std::size_t begin, std::size_t end,
                        const std::vector<bool>& bad, const TableShape& shape, const RecordColumns& record,
                        const std::vector<bool>& given) {
  Segment& segment = segment_for(rows, shape, record, given);
  const std::vector<Cell> cells = cells_of(segment, rows, shape, record);
  if (partitions_.empty() || partitions_.back() != rows.partition) partitions_.push_back(rows.partition);
  for (std::size_t i = begin; i < end; ++i) {
    if (!bad.empty() && bad[i]) continue;
    std::string& out = segment.text;
    for (const Cell& cell : cells) {
      switch (cell.of) {
        case Cell::Of::column:
          append_value(out, *cell.column, i, cell.type);
          break;
        case Cell::Of::key:
          if (rows.keys[i])
            append_text(out, *rows.keys[i]);
          else
            out += "\\N";
          break;
        case Cell::Of::event_time:
          append_time(out, rows.event_time_ns[i]);
          break;
        case Cell::Of::topic:
          append_text(out, rows.partition.topic);
          break;
        case Cell::Of::partition:
          append_number(out, rows.partition.partition);
          break;
        case Cell::Of::offset:
          append_number(out, rows.offsets[i]);
          break;
        case Cell::Of::nothing:
          out += "\\N";
          break;
      }
      out += '\t';
    }
    if (cells.empty())
      out += '\n';
    else
      out.back() = '\n';
    segment.ends.push_back(out.size());
    places_offset_.push_back(rows.offsets[i]);
    places_partition_.push_back(static_cast<std::uint32_t>(partitions_.size() - 1));
  }
}

std::string_view CopyLoad::part(const Segment& segment, std::size_t begin, std::size_t end) {
  const std::size_t rows = segment.ends.size();
  const std::size_t first = std::min(begin < segment.first_row ? 0 : begin - segment.first_row, rows);
  const std::size_t last = std::min(end < segment.first_row ? 0 : end - segment.first_row, rows);
  if (first >= last) return {};
  const std::size_t from = first == 0 ? 0 : segment.ends[first - 1];
  return std::string_view(segment.text).substr(from, segment.ends[last - 1] - from);
}

CopyLoad::Place CopyLoad::place(std::size_t row) const {
  return {partitions_[places_partition_[row]], places_offset_[row]};
}

}  // namespace tiderace::postgres
