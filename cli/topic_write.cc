#include <algorithm>

#include "base/clock.h"
#include "base/error.h"
#include "cli/broker.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/line_input.h"
#include "cli/output.h"
#include "connectors/files/file_sources.h"
#include "formats/json/decoder.h"
#include "formats/record/row_fields.h"

namespace tiderace::cli {
namespace {

constexpr std::size_t batch_bytes = 4 << 20;
constexpr Slot key_slot = 0;
constexpr Slot timestamp_slot = 1;

/// Writes lines to a topic, a run of them at a time: each run becomes visible whole.
class TopicWriter {
 public:
  TopicWriter(const Broker& broker, const Arguments& arguments)
      : topic_(broker.topic(arguments.positional[0])),
        key_field_(arguments.find("--key")),
        timestamp_field_(arguments.find("--timestamp")),
        decoder_(decoder_options()),
        producer_(broker.log->producer()) {}

  /// What is in front of a line's number where something is wrong with it.
  void set_place(std::string place) { place_ = std::move(place); }
  /// Writes the lines before the first bad one. Returns what is wrong with that, or nothing.
  [[nodiscard]] std::string write(const std::vector<Line>& lines);
  [[nodiscard]] std::uint64_t written() const noexcept { return written_; }

 private:
  [[nodiscard]] JsonDecoderOptions decoder_options() const;
  /// Appends row `i` of `batch` to `records_`, or returns what is wrong with it.
  [[nodiscard]] std::string take(const Batch& batch, std::size_t i, const Record& line);

  TopicInfo topic_;
  std::optional<std::string> key_field_;
  std::optional<std::string> timestamp_field_;
  JsonDecoder decoder_;
  std::unique_ptr<Producer> producer_;
  std::vector<ProducerRecord> records_;
  std::vector<std::string> keys_;
  std::int64_t now_ms_ = 0;
  std::uint64_t written_ = 0;
  std::string place_ = "line";
};

JsonDecoderOptions TopicWriter::decoder_options() const {
  JsonDecoderOptions options;
  options.slots = 2;
  if (key_field_) options.fields.push_back({{*key_field_}, key_slot, std::nullopt});
  if (timestamp_field_) options.fields.push_back({{*timestamp_field_}, timestamp_slot, std::nullopt});
  return options;
}

std::string TopicWriter::write(const std::vector<Line>& lines) {
  auto records = std::make_shared<Records>();
  records->topic = topic_.name;
  records->padded = true;
  std::string complaint;
  for (const Line& line : lines) {
    if (line.too_long) {
      complaint =
          fmt::format("{} {}: wanted at most {} bytes, found more", place_, line.number, line.text.size());
      break;
    }
    records->rows.push_back({.value = line.text.data(),
                             .value_size = static_cast<std::uint32_t>(line.text.size()),
                             .offset = static_cast<std::int64_t>(line.number)});
  }
  RowErrors errors;
  const Batch batch = decoder_.decode(records, errors);
  std::size_t sound = records->rows.size();
  if (const auto found = errors.take(); !found.empty()) {
    sound = found.front().row;
    complaint = fmt::format("{} {}: {}", place_, records->rows[sound].offset, found.front().message);
  }
  records_.clear();
  keys_.clear();
  keys_.reserve(batch.size());
  now_ms_ = system_clock().wall_ms();
  for (std::size_t i = 0; i < batch.size() && batch.rows[i] < sound; ++i) {
    const Record& line = records->rows[batch.rows[i]];
    const std::string wrong = take(batch, i, line);
    if (wrong.empty()) continue;
    complaint = fmt::format("{} {}: {}", place_, line.offset, wrong);
    break;
  }
  producer_->send(topic_.name, records_);
  producer_->flush();
  written_ += records_.size();
  return complaint;
}

std::string TopicWriter::take(const Batch& batch, std::size_t i, const Record& line) {
  ProducerRecord record;
  record.value = line.value_view();
  record.timestamp_ms = now_ms_;
  if (timestamp_field_) {
    const auto timestamp = timestamp_of(batch.columns[timestamp_slot], i, *timestamp_field_);
    if (!timestamp.complaint.empty()) return timestamp.complaint;
    record.timestamp_ms = timestamp.value;
  }
  if (key_field_) {
    auto key = key_of(batch.columns[key_slot], i, *key_field_);
    if (!key.complaint.empty()) return key.complaint;
    keys_.push_back(std::move(key.value));
    record.key = keys_.back();
  }
  const std::size_t bytes = line.value_size + (record.key ? record.key->size() : 0);
  if (static_cast<std::int64_t>(bytes) > topic_.config.max_message_bytes) {
    return fmt::format("topic \"{}\" takes records of at most {} bytes, found {}", topic_.name,
                       topic_.config.max_message_bytes, bytes);
  }
  records_.push_back(record);
  return {};
}

bool has_ending(std::string_view path, std::initializer_list<std::string_view> endings) {
  return std::any_of(endings.begin(), endings.end(), [&](auto ending) { return path.ends_with(ending); });
}

/// The file as a source of rows. Throws Error{config} for one that is none.
std::shared_ptr<SourceConnector> source_of(const std::string& path) {
  SourceOptions options;
  options.name = "file";
  if (has_ending(path, {".csv"})) return csv_source(path, options);
  if (has_ending(path, {".ndjson", ".jsonl", ".json"})) return ndjson_source(path, options);
  throw_error(ErrorKind::config,
              "wanted a file whose name ends with .csv, .ndjson, .jsonl or .json, found \"{}\"{}", path,
              has_ending(path, {".parquet"})
                  ? "; Parquet is read by the Python package: app.dataframe(source=tr.ParquetSource(...))"
                  : "; what else it is can be piped in as a JSON object a line");
}

/// Writes what `next` hands out until it hands out nothing. Returns what is wrong with a line, or nothing.
template <class Next>
std::string write_all(TopicWriter& writer, const Next& next) {
  for (std::vector<Line> lines = next(); !lines.empty(); lines = next()) {
    std::string complaint = writer.write(lines);
    if (!complaint.empty()) return complaint;
  }
  return {};
}

std::string write_file(TopicWriter& writer, const SourceConnector& file, const std::string& path) {
  const std::unique_ptr<SourceReader> reader = file.open([] { return caught_signal() != 0; });
  writer.set_place(fmt::format("\"{}\" row", path));
  std::uint64_t number = 0;
  std::optional<SourceRows> rows;
  return write_all(writer, [&] {
    std::vector<Line> lines;
    rows = caught_signal() == 0 ? reader->next() : std::nullopt;
    if (!rows) return lines;
    for (const std::string_view value : rows->values)
      lines.push_back({++number, value, value.size() > JsonDecoderOptions{}.max_record_bytes});
    return lines;
  });
}

std::string write_files(TopicWriter& writer, const std::vector<std::string>& paths) {
  std::vector<std::shared_ptr<SourceConnector>> files;
  for (const std::string& path : paths) files.push_back(source_of(path));
  try {
    for (std::size_t i = 0; i < files.size(); ++i) {
      std::string complaint = write_file(writer, *files[i], paths[i]);
      if (!complaint.empty() || caught_signal() != 0) return complaint;
    }
  } catch (const SourceStopped&) {
    // a signal came
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::config) throw;
    return error.what();
  }
  return {};
}

ExitStatus run(const Arguments& arguments) {
  const Broker broker = open_broker(arguments);
  TopicWriter writer(broker, arguments);
  const std::vector<std::string> files(arguments.positional.begin() + 1, arguments.positional.end());
  LineInput input(batch_bytes, JsonDecoderOptions{}.max_record_bytes);
  const std::string complaint =
      files.empty() ? write_all(writer, [&] { return input.next(); }) : write_files(writer, files);
  if (!complaint.empty()) {
    complain(fmt::format("{}; nothing from this line on is written, {} records before it are", complaint,
                         writer.written()));
    return failure;
  }
  if (caught_signal() != 0) {
    complain(fmt::format("interrupted; {} records are written", writer.written()));
    return interrupted;
  }
  return success;
}

}  // namespace

Command topic_write() {
  return {
      .name = "topic write",
      .summary = "Writes files, or standard input, to a topic: a row becomes the value of one record.",
      .positional = {"NAME"},
      .more = "FILE",
      .options = {{"--key", "FIELD",
                   "the field (a string or an integer) that is the record's key; default: no key"},
                  {"--timestamp", "FIELD",
                   "the field with the record's time in milliseconds since 1970; default: now"},
                  broker_address_option},
      .details =
          "Files are .csv, with a header, or .ndjson, .jsonl, .json: one JSON object a line, as in standard "
          "input.\n"
          "A column of a CSV file is of the first kind that all of its values are: int64, float64, bool, "
          "string.\n"
          "\n"
          "The fields stay in the value; the bytes of a line are kept as they are. Blank lines are left out. "
          "Lines are\n"
          "written as they arrive; the first bad one is named and ends the command with status 1, those "
          "before\n"
          "it are written. The topic must exist (tiderace topic create).\n"
          "\n"
          "Examples:\n"
          "  tiderace topic write phone-data --key rider --timestamp timestamp < rows.ndjson\n"
          "  tiderace topic write phone-data monday.csv tuesday.csv --key rider\n"
          "  tail -n +1 -f rows.ndjson | tiderace topic write phone-data --key rider\n",
      .run = run};
}

}  // namespace tiderace::cli
