#include "operators/print.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <deque>

#include "formats/json/encoder.h"
#include "formats/json/reader.h"

namespace tiderace {
namespace {

struct Cell {
  std::string text;
  bool number = false;
};

/// `text` without what would move a terminal's cursor: control characters as `\\n`, `\\t` or `\\x1b`.
std::string on_one_line(std::string_view text) {
  std::string shown;
  for (const char c : text) {
    if (c == '\n')
      shown += "\\n";
    else if (c == '\t')
      shown += "\\t";
    else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
      shown += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    else
      shown += c;
  }
  return shown;
}

struct TerminalSize {
  std::size_t lines = SIZE_MAX;
  std::size_t columns = SIZE_MAX;
};

/// Of standard output; without bounds where that is no terminal.
TerminalSize terminal_size() noexcept {
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) return {};
  return {size.ws_row, size.ws_col};
}

/// The first `width` characters (code points) of `text`, all of them if there are no more.
std::string_view first_characters(std::string_view text, std::size_t width, std::size_t& shown) {
  std::size_t bytes = 0;
  for (shown = 0; bytes < text.size() && shown < width; ++shown) {
    ++bytes;
    while (bytes < text.size() && (static_cast<unsigned char>(text[bytes]) & 0xC0) == 0x80) ++bytes;
  }
  return text.substr(0, bytes);
}

/// The top-level fields of one row; nested values as `{...}` and `[...]`.
class RowCells final : public JsonEvents {
 public:
  std::vector<std::string> names;
  std::vector<Cell> cells;

  void clear() {
    names.clear();
    cells.clear();
    depth_ = 0;
  }
  bool null() override { return add("", false); }
  bool boolean(bool value) override { return add(value ? "true" : "false", false); }
  bool int64(std::int64_t value) override { return add(fmt::format("{}", value), true); }
  bool float64(double value) override { return add(fmt::format("{:.6g}", value), true); }
  bool string(std::string_view value) override { return add(on_one_line(value), false); }
  bool name(std::string_view name) override {
    if (depth_ == 1) names.push_back(on_one_line(name));
    return true;
  }
  bool begin_object() override { return begin("{...}"); }
  bool end_object() override { return end(); }
  bool begin_array() override { return begin("[...]"); }
  bool end_array() override { return end(); }

 private:
  bool add(std::string text, bool number) {
    if (depth_ == 1) cells.push_back({std::move(text), number});
    return true;
  }
  bool begin(const char* text) {
    add(text, false);
    ++depth_;
    return true;
  }
  bool end() {
    --depth_;
    return true;
  }
  int depth_ = 0;
};

/// Exactly `width` characters (code points), and a space; what is cut off is told by `…` at the end.
std::string padded(std::string_view text, std::size_t width, bool right) {
  std::size_t shown = 0;
  std::string cut(first_characters(text, width, shown));
  if (cut.size() < text.size()) cut = std::string(first_characters(text, width - 1, shown)) + "…", ++shown;
  const std::string fill(width - shown, ' ');
  return (right ? fill + cut : cut + fill) + ' ';
}

class PrintOperator final : public Operator {
 public:
  PrintOperator(const ResolvedStep& step, const TaskResources& resources)
      : plan_(std::get<Print>(step.node->step)),
        encoder_(step.layout, NotFinite::shown),
        print_(resources.print) {}

  void process(Batch& batch, StepReport& report) override {
    RowErrors errors;
    encoder_.encode(batch, encoded_, errors);
    std::string out;
    for (std::size_t i = 0; i < batch.size(); ++i) {
      if (errors.contains(i)) continue;
      row_.clear();
      // The row was encoded just now, so there is nothing to find wrong with it.
      static_cast<void>(walk_json(encoded_.row(i), row_));
      if (plan_.live)
        remember();
      else
        append_row(out);
    }
    if (plan_.live) redraw(out);
    report.add(std::move(errors), batch);
    if (!out.empty() && print_) print_(out);
  }

 private:
  std::string line(const std::vector<Cell>& cells) const {
    std::string text;
    for (const Cell& cell : cells)
      text += padded(cell.text, static_cast<std::size_t>(plan_.width), cell.number);
    while (text.ends_with(' ')) text.pop_back();
    return text;
  }

  std::string header() const {
    std::vector<Cell> cells;
    for (std::size_t i = 0; i < header_.size(); ++i)
      cells.push_back({header_[i], i < row_.cells.size() && row_.cells[i].number});
    return line(cells);
  }

  void append_row(std::string& out) {
    if (row_.names != header_) {
      header_ = row_.names;
      out += header() + '\n';
    }
    out += line(row_.cells) + '\n';
  }

  void remember() {
    header_ = row_.names;
    lines_.push_back(line(row_.cells));
    if (lines_.size() > live_rows) lines_.pop_front();
  }

  void redraw(std::string& out) {
    if (lines_.empty()) return;
    // A line that wraps or a table that scrolls could not be drawn over.
    const TerminalSize size = terminal_size();
    const std::size_t rows = std::min(lines_.size(), std::max<std::size_t>(size.lines, 3) - 2);
    const auto append = [&](std::string_view text) {
      std::size_t shown = 0;
      out += first_characters(text, size.columns, shown);
      out += '\n';
    };
    if (drawn_ > 0) out += fmt::format("\x1b[{}A\x1b[J", drawn_);
    append(header());
    for (std::size_t i = lines_.size() - rows; i < lines_.size(); ++i) append(lines_[i]);
    drawn_ = rows + 1;
  }

  static constexpr std::size_t live_rows = 20;

  const Print& plan_;
  JsonEncoder encoder_;
  EncodedRows encoded_;
  std::function<void(std::string_view)> print_;
  RowCells row_;
  std::vector<std::string> header_;
  std::deque<std::string> lines_;
  std::size_t drawn_ = 0;
};

}  // namespace

std::unique_ptr<Operator> make_print(const ResolvedStep& step, const TaskResources& resources) {
  return std::make_unique<PrintOperator>(step, resources);
}

}  // namespace tiderace
