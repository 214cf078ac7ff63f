#include "operators/sinks/sink.h"

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "base/error.h"
#include "columnar/describe.h"
#include "columnar/invalid.h"
#include "formats/json/reader.h"

namespace tiderace {
namespace {

constexpr std::size_t most_names = 2048;  // that are kept from batch to batch

/// Learns the names of the fields of objects, each once. Rows mostly have the fields of the row before.
class FieldNames final : public JsonEvents {
 public:
  explicit FieldNames(std::vector<std::string>& names) : names_(names), known_(names.begin(), names.end()) {}

  void begin() { depth_ = 0, next_ = 0; }

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool int64(std::int64_t) override { return true; }
  bool float64(double) override { return true; }
  bool string(std::string_view) override { return true; }
  bool name(std::string_view name) override {
    if (depth_ != 1) return true;
    if (next_ < names_.size() && names_[next_] == name)
      ++next_;
    else
      look_up(name);
    return true;
  }
  bool begin_object() override { return ++depth_ > 0; }
  bool end_object() override { return --depth_ >= 0; }
  bool begin_array() override { return ++depth_ > 0; }
  bool end_array() override { return --depth_ >= 0; }

 private:
  void look_up(std::string_view name) {
    if (known_.emplace(name).second) names_.emplace_back(name);
    const auto at = std::find(names_.begin(), names_.end(), name);
    next_ = static_cast<std::size_t>(at - names_.begin()) + 1;
  }

  std::vector<std::string>& names_;
  std::unordered_set<std::string> known_;
  int depth_ = 0;
  std::size_t next_ = 0;
};

class SinkOperator final : public Operator {
 public:
  SinkOperator(const ResolvedStep& step, const TaskResources& resources)
      : columns_(step.layout),
        record_columns_(std::get<ToSink>(step.node->step).sink->record_columns()),
        port_(resources.sink(*std::get<ToSink>(step.node->step).sink)) {}

  void process(Batch& batch, StepReport& report) override {
    const std::vector<Record>& inputs = batch.raw->records->rows;
    const auto missing = std::find_if(batch.rows.begin(), batch.rows.end(),
                                      [&](std::uint32_t row) { return inputs[row].offset >= port_.from; });
    if (missing == batch.rows.end()) return;
    if (missing == batch.rows.begin()) return take(batch, report);
    Batch rest = batch;
    std::vector<std::uint32_t> kept;
    for (auto i = static_cast<std::uint32_t>(missing - batch.rows.begin()); i < batch.size(); ++i)
      kept.push_back(i);
    std::vector<Slot> live;
    for (Slot slot = 0; slot < rest.columns.size(); ++slot)
      if (rest.columns[slot].size() == batch.size()) live.push_back(slot);
    rest.keep(kept, live);
    take(rest, report);
  }

 private:
  void take(const Batch& batch, StepReport& report) {
    RowErrors errors;
    SinkRows rows;
    rows.partition = port_.partition;
    rows.columns = columns_.read(batch, errors);
    rows.owner = batch.raw;
    rows.event_time_ns = batch.event_time_ns;
    rows.offsets.reserve(batch.size());
    rows.keys.reserve(batch.size());
    for (const std::uint32_t row : batch.rows) {
      const Record& input = batch.raw->records->rows[row];
      rows.offsets.push_back(input.offset);
      rows.keys.push_back(input.key == nullptr ? std::nullopt : std::optional(input.key_view()));
    }
    find_invalid(rows, errors);
    find_taken(rows, errors);
    const std::size_t size = batch.size();
    if (!errors.empty()) leave_out(errors, rows, report, batch);
    RowErrors refused;
    const std::vector<std::uint32_t> places = places_;
    const std::size_t handed_over = rows.offsets.size();
    if (handed_over > 0) port_.writer->take(std::move(rows), refused);
    std::vector<RowErrors::Entry> bad = refused.take();
    report.written += handed_over - bad.size();
    *port_.taken += handed_over - bad.size();
    for (RowErrors::Entry& entry : bad) {
      if (handed_over != size) entry.row = places[entry.row];
      entry.row = batch.rows[entry.row];
      report.bad.push_back(std::move(entry));
    }
  }

  static void find_invalid(const SinkRows& rows, RowErrors& errors) {
    for (const NamedColumn& named : rows.columns) {
      if ((named.column.mask() & invalid_mask) == 0) continue;
      for (std::size_t i = 0; i < named.column.size(); ++i) {
        if (named.column.kind(i) != Kind::invalid) continue;
        const InvalidView view = invalid_view(named.column, i);
        errors.add(i, view.kind, "column \"" + named.name + "\": " + std::string(view.message));
      }
    }
  }

  /// A field where the record has a column: neither may replace the other.
  void find_taken(SinkRows& rows, RowErrors& errors) const {
    const auto is_taken = [&](const NamedColumn& named) {
      return !named.name.empty() &&
             std::find(record_columns_.begin(), record_columns_.end(), named.name) != record_columns_.end();
    };
    for (const NamedColumn& named : rows.columns) {
      if (!is_taken(named) || named.column.mask() == 0) continue;
      for (std::size_t i = 0; i < named.column.size(); ++i) {
        if (named.column.is_null(i)) continue;
        errors.add(i, BadRowKind::type,
                   "the row has a field " + quoted(named.name) +
                       ", and so is a column of the record called; give one of them another name");
      }
    }
    std::erase_if(rows.columns, is_taken);
  }

  /// Without the rows of `errors`; `places_` says which of the batch the others are.
  void leave_out(RowErrors& errors, SinkRows& rows, StepReport& report, const Batch& batch) {
    places_ = errors.good_rows(batch.size());
    SinkRows kept;
    kept.partition = rows.partition;
    kept.owner = rows.owner;
    for (NamedColumn& named : rows.columns)
      kept.columns.push_back({std::move(named.name), named.column.take(places_), named.when_empty});
    for (const std::uint32_t i : places_) {
      kept.offsets.push_back(rows.offsets[i]);
      kept.event_time_ns.push_back(rows.event_time_ns[i]);
      kept.keys.push_back(rows.keys[i]);
    }
    rows = std::move(kept);
    report.add(std::move(errors), batch);
  }

  RowColumns columns_;
  const std::vector<std::string> record_columns_;
  SinkPort port_;
  std::vector<std::uint32_t> places_;
};

}  // namespace

RowColumns::RowColumns(const RowLayout& layout)
    : layout_(layout),
      untouched_(layout.fields.empty() && layout.dropped.empty() && layout.renamed.empty()),
      encoder_(layout) {}

bool RowColumns::is_set(const std::string& name) const {
  return std::any_of(layout_.fields.begin(), layout_.fields.end(),
                     [&](const RowLayout::Field& field) { return field.name == name; });
}

std::shared_ptr<const Records> RowColumns::documents(const Batch& batch, RowErrors& errors) {
  auto records = std::make_shared<Records>();
  records->rows.resize(batch.size());
  if (untouched_) {
    const Records& raw = *batch.raw->records;
    for (std::size_t i = 0; i < batch.size(); ++i) records->rows[i] = raw.rows[batch.rows[i]];
    records->padded = raw.padded;
    records->owner = batch.raw;
    return records;
  }
  encoder_.encode(batch, encoded_, errors);
  auto text = std::make_shared<std::string>(encoded_.bytes);
  text->resize(text->size() + record_padding);
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const std::string_view row = encoded_.row(i);
    // The bytes of a bad row are undefined.
    const std::size_t begin = static_cast<std::size_t>(row.data() - encoded_.bytes.data());
    records->rows[i].value = text->data() + begin;
    records->rows[i].value_size = static_cast<std::uint32_t>(row.size());
  }
  records->padded = true;
  records->owner = std::move(text);
  return records;
}

void RowColumns::learn(const Records& records) {
  std::size_t known = names_.size();
  // Where fields are called by numbers of theirs, the names of old rows are of no use.
  if (known > most_names) {
    names_.clear();
    decoder_.reset();
    known = 0;
  }
  FieldNames learning(names_);
  for (const Record& record : records.rows) {
    learning.begin();
    static_cast<void>(walk_json(record.value_view(), learning, INT32_MAX));
  }
  if (decoder_ && names_.size() == known) return;
  JsonDecoderOptions options;
  for (const std::string& name : names_)
    options.fields.push_back({{name}, static_cast<Slot>(options.fields.size()), {}});
  options.slots = names_.size();
  options.max_record_bytes = UINT32_MAX;
  options.max_depth = INT32_MAX;
  decoder_ = std::make_unique<JsonDecoder>(std::move(options));
}

std::vector<NamedColumn> RowColumns::read(const Batch& batch, RowErrors& errors) {
  std::vector<NamedColumn> columns;
  if (!layout_.projected) {
    const std::shared_ptr<const Records> records = documents(batch, errors);
    learn(*records);
    RowErrors unsound;
    Batch read = decoder_->decode(records, unsound);
    // Only a row that the encoder found bad can have bytes that are no JSON.
    TIDERACE_CHECK(read.size() == batch.size() || !errors.empty());
    std::vector<std::uint32_t> places(batch.size(), UINT32_MAX);
    for (std::uint32_t i = 0; i < read.size(); ++i) places[read.rows[i]] = i;
    for (std::size_t c = 0; c < names_.size(); ++c) {
      if (is_set(names_[c])) continue;
      Column column = read.columns[c];
      if (read.size() != batch.size()) {
        ColumnBuilder whole(batch.size());
        for (std::size_t i = 0; i < batch.size(); ++i) {
          if (places[i] == UINT32_MAX)
            whole.set_null(i);
          else
            whole.copy(i, read.columns[c], places[i]);
        }
        column = Column(std::move(whole));
      }
      columns.push_back({names_[c], std::move(column)});
    }
  }
  for (const RowLayout::Field& field : layout_.fields)
    columns.push_back({field.name, batch.columns[field.slot]});
  return columns;
}

std::unique_ptr<Operator> make_sink(const ResolvedStep& step, const TaskResources& resources) {
  return std::make_unique<SinkOperator>(step, resources);
}

}  // namespace tiderace
