#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "operators/resolve/resolve.h"

namespace tiderace {

/// Which columns a frame has at one point of a plan and where they are, while a stage is being resolved.
/// Open: a raw row, some of whose fields were set, dropped or renamed; closed: exactly `fields`.
class Scope {
 public:
  /// The rows that reader `reads` makes.
  explicit Scope(std::size_t reads) : reads_(reads) {}
  /// A table of these columns.
  [[nodiscard]] static Scope of_table(const std::vector<std::string>& columns);

  /// The slot of `reference`; asks the reader for it if it is a field of the raw row. Throws Error{plan} if
  /// there is no such column.
  [[nodiscard]] Slot slot_of(const ColumnReference& reference, ResolvedStage& stage);
  void assign(const std::string& name, Slot slot);
  void assign_hidden(const std::string& name, Slot slot) { hidden_[name] = slot; }
  [[nodiscard]] std::optional<Slot> hidden(const std::string& name) const;
  void project(const std::vector<std::string>& columns, ResolvedStage& stage);
  void drop(const std::string& name);
  /// All at once, as pandas does: `{"a": "b", "b": "a"}` exchanges two columns. A column that has a new name
  /// already and is not renamed itself gives way.
  void rename(const std::vector<std::pair<std::string, std::string>>& columns);

  [[nodiscard]] bool closed() const noexcept { return closed_; }
  /// How its rows are written.
  [[nodiscard]] RowLayout layout(ResolvedStage& stage);
  /// What a backtest returns for it.
  [[nodiscard]] ResolvedOutput output(ResolvedStage& stage, const std::vector<std::string>& table_columns);

 private:
  struct Field {
    std::string name;
    std::optional<Slot> slot;        ///< unset: the reader's, asked for when somebody reads it
    std::optional<std::string> raw;  ///< the field of the raw row (or table) whose place it takes
  };
  void rename(const std::string& from, const std::string& to);
  [[nodiscard]] Field* find(const std::string& name);
  /// The field of the raw row that shows under `name`, if the raw row may have one.
  [[nodiscard]] std::optional<std::string> raw_name(const std::string& name) const;
  [[nodiscard]] Slot read(std::vector<std::string> path, ResolvedStage& stage) const;
  [[nodiscard]] std::size_t span(const std::string& raw, ResolvedStage& stage) const;

  std::size_t reads_;
  bool closed_ = false;
  std::vector<Field> fields_;
  std::map<std::string, Slot> hidden_;
  std::vector<std::string> dropped_;
  std::vector<std::pair<std::string, std::string>> renamed_;  ///< raw name, name now
};

}  // namespace tiderace
