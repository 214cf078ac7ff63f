#include <fmt/format.h>

#include "columnar/describe.h"
#include "connectors/files/file_sources.h"
#include "connectors/files/piece_file.h"
#include "connectors/source_rows.h"

namespace tiderace {
namespace {

constexpr std::size_t piece_bytes = 1u << 20;

class NdjsonReader final : public SourceReader {
 public:
  NdjsonReader(const std::string& path, const SourceOptions& options, const std::string& text)
      : maker_(options, text), file_(path) {}

  std::optional<SourceRows> next() override {
    std::string text;
    std::vector<std::size_t> ends;
    while (text.size() < piece_bytes) {
      const auto line = next_line();
      if (!line) break;
      if (line->find_first_not_of(" \t\r") == std::string_view::npos) continue;
      text += *line;
      if (text.ends_with('\r')) text.pop_back();
      ends.push_back(text.size());
    }
    if (ends.empty()) return std::nullopt;
    return maker_.of_json(std::move(text), ends);
  }

 private:
  /// Lives until the next call.
  std::optional<std::string_view> next_line() {
    for (;;) {
      const std::string_view text = file_.text();
      const std::size_t end = text.find('\n');
      if (end == std::string_view::npos && file_.more()) continue;
      if (end == std::string_view::npos && file_.text().empty()) return std::nullopt;
      const std::string_view line = file_.text().substr(0, end);
      file_.pass(line.size() + (end == std::string_view::npos ? 0 : 1));
      return line;
    }
  }

  SourceRowMaker maker_;
  PieceFile file_;
};

class NdjsonConnector final : public SourceConnector {
 public:
  NdjsonConnector(std::string path, SourceOptions options)
      : path_(std::move(path)), options_(std::move(options)) {
    if (options_.name.empty()) options_.name = source_name(path_);
    check_source(options_, text());
  }
  [[nodiscard]] std::string name() const override { return options_.name; }
  [[nodiscard]] std::string text() const override {
    return fmt::format("tr.NdjsonSource({})", quoted(path_));
  }
  [[nodiscard]] TopicOptions topic() const override { return source_topic(options_); }
  [[nodiscard]] std::unique_ptr<SourceReader> open(std::function<bool()>) const override {
    return std::make_unique<NdjsonReader>(path_, options_, text());
  }

 private:
  std::string path_;
  SourceOptions options_;
};

}  // namespace

std::shared_ptr<SourceConnector> ndjson_source(const std::string& path, const SourceOptions& options) {
  return std::make_shared<NdjsonConnector>(path, options);
}

}  // namespace tiderace
