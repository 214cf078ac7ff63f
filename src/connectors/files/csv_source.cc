#include <fmt/format.h>

#include "base/error.h"
#include "columnar/describe.h"
#include "connectors/files/file_sources.h"
#include "connectors/files/piece_file.h"
#include "connectors/source_rows.h"
#include "formats/csv/kind.h"
#include "formats/csv/splitter.h"

namespace tiderace {
namespace {

constexpr std::size_t rows_a_piece = 4096;

/// The lines of a CSV file, one by one.
class CsvLines {
 public:
  explicit CsvLines(const std::string& path) : file_(path) {
    static_cast<void>(file_.more());
    header([this](CsvSplitter& splitter) { names_ = csv_header(splitter); });
  }

  [[nodiscard]] const std::vector<std::string>& names() const noexcept { return names_; }
  /// The number of the line that `next` gave.
  [[nodiscard]] std::size_t line() const noexcept { return splitter_->line(); }
  /// The fields of the next line, as many as there are names; they live until the next call. False at the
  /// end.
  bool next(std::vector<std::string_view>& fields) {
    for (;;) {
      splitter_.emplace(file_.text(), line_);
      bool found = false;
      try {
        found = splitter_->next(fields);
      } catch (const Error&) {
        if (file_.ended()) throw within_file();
      }
      // What touches the end of the piece may go on behind it.
      const bool whole = found && splitter_->position() < file_.text().size();
      if (!whole && file_.more()) continue;
      if (!whole && !file_.ended()) continue;
      if (found) finish(fields);
      return found;
    }
  }

 private:
  template <class Read>
  void header(const Read& read) {
    for (;;) {
      CsvSplitter splitter(file_.text());
      try {
        read(splitter);
      } catch (const Error& error) {
        if (!file_.more()) throw Error(ErrorKind::config, "'" + file_.path() + "': " + error.what());
        continue;
      }
      if (splitter.position() >= file_.text().size() && file_.more()) continue;
      file_.pass(splitter.position());
      line_ = splitter.next_line();
      return;
    }
  }

  [[nodiscard]] Error within_file() const {
    return Error(ErrorKind::config,
                 fmt::format("'{}': CSV line {}: a quote is opened and never closed", file_.path(), line_));
  }

  void finish(std::vector<std::string_view>& fields) {
    file_.pass(splitter_->position());
    if (fields.size() > names_.size()) {
      throw_error(ErrorKind::config, "'{}': CSV line {}: wanted {} fields, found {}", file_.path(),
                  splitter_->line(), names_.size(), fields.size());
    }
    fields.resize(names_.size());
    line_ = splitter_->next_line();
  }

  PieceFile file_;
  std::vector<std::string> names_;
  std::size_t line_ = 1;
  std::optional<CsvSplitter> splitter_;
};

Kind kind_named(const std::string& name) {
  if (name == "int64") return Kind::int64;
  if (name == "float64") return Kind::float64;
  return name == "bool" ? Kind::boolean : Kind::string;
}

/// The kind of each column, over the whole file: what is declared, else the first that all values are of.
std::vector<Kind> kinds_of(const std::string& path, const SourceOptions& options,
                           const std::function<bool()>& stopped) {
  CsvLines lines(path);
  const std::size_t size = lines.names().size();
  std::vector<CsvKind> found(size);
  std::vector<std::string_view> fields;
  for (std::size_t line = 0; lines.next(fields); ++line) {
    if (line % rows_a_piece == 0 && stopped()) throw SourceStopped{};
    for (std::size_t k = 0; k < size; ++k) found[k].see(fields[k], lines.line());
  }
  std::vector<Kind> kinds;
  for (std::size_t k = 0; k < size; ++k) {
    const auto declared = options.schema.find(lines.names()[k]);
    const bool is_declared = declared != options.schema.end();
    kinds.push_back(is_declared ? kind_named(declared->second) : found[k].kind());
    if (!is_declared)
      log_csv_oddity("'" + path + "'", lines.names()[k], found[k],
                     "schema= declares its kind, and makes rows with others bad ones");
  }
  return kinds;
}

/// A value as `kind`, where it is one; else as the text that it is, which the declared kind then refuses.
void set_value(ColumnBuilder& column, std::size_t i, Kind kind, std::string_view field) {
  if (kind != Kind::string && is_csv_missing(field)) return column.set_null(i);
  if (kind == Kind::int64) {
    if (const auto value = csv_int64(field)) return column.set_int64(i, *value);
  } else if (kind == Kind::float64) {
    if (const auto value = csv_float64(field)) return column.set_float64(i, *value);
  } else if (kind == Kind::boolean) {
    if (const auto value = csv_boolean(field)) return column.set_boolean(i, *value);
  } else if (is_csv_missing(field)) {
    return column.set_null(i);
  }
  column.set_text(i, Kind::string, field);
}

class CsvReader final : public SourceReader {
 public:
  CsvReader(const std::string& path, const SourceOptions& options, const std::string& text,
            const std::function<bool()>& stopped)
      : maker_(options, text), lines_(path) {
    maker_.require_columns(lines_.names());
    for (const auto& [name, kind] : options.schema) maker_.require("schema", name, lines_.names());
    kinds_ = kinds_of(path, options, stopped);
  }

  std::optional<SourceRows> next() override {
    std::vector<std::string_view> fields;
    std::vector<ColumnBuilder> builders;
    for (std::size_t k = 0; k < kinds_.size(); ++k) builders.emplace_back(rows_a_piece);
    std::size_t rows = 0;
    for (; rows < rows_a_piece && lines_.next(fields); ++rows)
      for (std::size_t k = 0; k < kinds_.size(); ++k) set_value(builders[k], rows, kinds_[k], fields[k]);
    if (rows == 0) return std::nullopt;
    std::vector<NamedColumn> columns;
    for (std::size_t k = 0; k < kinds_.size(); ++k) {
      for (std::size_t i = rows; i < rows_a_piece; ++i) builders[k].set_null(i);
      columns.push_back({lines_.names()[k], Column(std::move(builders[k])).slice(0, rows)});
    }
    return maker_.of_columns(columns);
  }

 private:
  SourceRowMaker maker_;
  CsvLines lines_;
  std::vector<Kind> kinds_;
};

class CsvConnector final : public SourceConnector {
 public:
  CsvConnector(std::string path, SourceOptions options)
      : path_(std::move(path)), options_(std::move(options)) {
    if (options_.name.empty()) options_.name = source_name(path_);
    check_source(options_, text());
  }
  [[nodiscard]] std::string name() const override { return options_.name; }
  [[nodiscard]] std::string text() const override { return fmt::format("tr.CsvSource({})", quoted(path_)); }
  [[nodiscard]] TopicOptions topic() const override { return source_topic(options_); }
  [[nodiscard]] std::unique_ptr<SourceReader> open(std::function<bool()> stopped) const override {
    return std::make_unique<CsvReader>(path_, options_, text(), stopped);
  }

 private:
  std::string path_;
  SourceOptions options_;
};

}  // namespace

std::shared_ptr<SourceConnector> csv_source(const std::string& path, const SourceOptions& options) {
  return std::make_shared<CsvConnector>(path, options);
}

}  // namespace tiderace
