#pragma once

#include <fstream>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace tiderace {

/// A golden file: a plan in the words of the Python front end, input records, and what comes of them.
///
///     # what is shown
///     sdf = app.dataframe(app.topic("in", timestamp="t"))
///     sdf["y"] = sdf["x"] + 1
///     sdf.to_topic(app.topic("out"))
///     ----
///     k1 {"t": 1, "x": 1}
///     - {"t": 2, "x": 2}
///     ----
///     k1 {"t": 1, "x": 1,"y":2}
///     - {"t": 2, "x": 2,"y":3}
///     ----
///     k1 range 3: message
///
/// A record is `key value`, `-` for no key. The plan reads the topic `in` and writes to `out` (also to
/// `late`: then a section follows with those). The last section has the bad rows: `key kind message`; it may
/// be absent. Rows are compared key by key in order.
struct GoldenCase {
  struct Row {
    std::string key;
    std::string text;
    bool operator==(const Row&) const = default;
  };
  std::string plan;
  std::vector<Row> input;
  std::vector<Row> output;
  std::vector<Row> bad;

  static GoldenCase read(const std::string& path);
};

inline GoldenCase::Row golden_row(const std::string& line) {
  const std::size_t space = line.find(' ');
  if (space == std::string::npos) return {line, ""};
  return {line.substr(0, space), line.substr(space + 1)};
}

inline GoldenCase GoldenCase::read(const std::string& path) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error("cannot read " + path);
  GoldenCase golden;
  std::vector<Row>* sections[] = {nullptr, &golden.input, &golden.output, &golden.bad};
  std::size_t section = 0;
  for (std::string line; std::getline(file, line);) {
    if (line == "----") {
      if (++section > 3) throw std::runtime_error("too many sections in " + path);
    } else if (section == 0) {
      golden.plan += line + '\n';
    } else if (!line.empty()) {
      sections[section]->push_back(golden_row(line));
    }
  }
  if (section < 2) throw std::runtime_error("wanted at least a plan, input and output in " + path);
  return golden;
}

}  // namespace tiderace
