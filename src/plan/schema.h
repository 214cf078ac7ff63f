#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "plan/plan.h"

namespace tiderace {

/// What made a column (or a set of rows): equal if and only if the same steps gave the same values. Means
/// something only together with the `Schemas` that gave it.
using Definition = std::string;

/// What is known of a frame when its plan is built: its columns, their kinds and where they come from.
class NodeSchema final : public KnownKinds {
 public:
  struct Known {
    Definition definition;
    KindMask kinds = any_mask;
  };

  /// Whether `columns` are all there are: after a projection, or over a table.
  [[nodiscard]] bool closed() const noexcept { return closed_; }
  /// The visible columns in order. Of an open frame only those that steps have set.
  [[nodiscard]] const std::vector<std::string>& columns() const noexcept { return columns_; }
  [[nodiscard]] const std::map<std::string, Known>& hidden() const noexcept { return hidden_; }
  /// What stands for the rows themselves: changes at a filter, not at an assignment.
  [[nodiscard]] const Definition& rows() const noexcept { return rows_; }

  /// Throws Error{plan} if `reference` can be in no row, saying which columns there are or what took it away.
  void require(const ColumnReference& reference) const;
  [[nodiscard]] KindMask of(const ColumnReference& reference) const override;
  [[nodiscard]] Definition definition(const ColumnReference& reference) const;

 private:
  friend class Schemas;
  friend struct NextSchema;
  struct State {
    std::string signature;  ///< everything that two steps with the same state must agree on
    std::string text;       ///< of the step
  };

  [[nodiscard]] const Known* find(const std::string& name) const;
  [[nodiscard]] Definition unnamed(const std::string& name) const;
  void set(const std::string& name, Known known);
  void remove(const std::string& name, const std::string& by);

  bool closed_ = false;
  std::string closed_by_;
  std::vector<std::string> columns_;
  std::map<std::string, Known> known_;  ///< visible
  std::map<std::string, Known> hidden_;
  std::map<std::string, std::string> removed_;  ///< and the text of the step that did it
  Definition rest_;                             ///< of the columns of an open frame that nobody has named
  Definition rows_;
  std::map<std::string, State> states_;
};

/// One column of a table that a plan runs over.
struct TableColumn {
  std::string name;
  KindMask kinds = any_mask;
};

/// The schemas of nodes. Keeps the latest ones, so that walking down a plan computes each once. One thread.
class Schemas {
 public:
  Schemas() = default;
  /// Sources have exactly these columns, whatever their topics declare.
  explicit Schemas(std::vector<TableColumn> table) : table_(std::move(table)) {}

  /// Checks every step up to `node`: throws Error{plan} that begins with the text of the step that cannot be.
  std::shared_ptr<const NodeSchema> of(const NodePtr& node);
  /// Throws Error{plan} if two of `nodes` have the same source and state name over different inputs.
  void check_states(std::span<const NodePtr> nodes);

 private:
  friend struct NextSchema;
  struct LateDrop {
    Definition before;
    std::string signature;
  };

  NodeSchema source(const Source& source);
  Definition intern(std::string text);
  [[nodiscard]] std::shared_ptr<const NodeSchema> kept(const Node& node);
  void keep(const NodePtr& node, std::shared_ptr<const NodeSchema> schema);

  std::optional<std::vector<TableColumn>> table_;
  struct Kept {
    NodePtr node;
    std::shared_ptr<const NodeSchema> schema;
  };
  std::deque<Kept> kept_;  ///< the latest first
  std::map<std::string, std::size_t> definitions_;
  std::map<Definition, LateDrop> late_drops_;  ///< by the rows that a step leaves which takes late ones out
};

/// The topic that `node` comes from.
[[nodiscard]] const Source& source_of(const Node& node);

/// `strings`, `int64 or float64`, ...
[[nodiscard]] std::string describe(KindMask kinds);

}  // namespace tiderace
