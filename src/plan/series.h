#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "plan/pipeline.h"

namespace tiderace::plan {

/// How far `rolling` looks back: a length of time or a number of rows.
struct Window {
  bool by_time = true;
  std::int64_t size = 0;  ///< nanoseconds, or rows
  [[nodiscard]] static Window of_text(std::string_view offset);
  [[nodiscard]] static Window of_nanoseconds(std::int64_t nanoseconds) { return {true, nanoseconds}; }
  [[nodiscard]] static Window of_rows(std::int64_t rows) { return {false, rows}; }
};

struct RollingOptions {
  std::int64_t grace_ns = 0;
  std::optional<std::int64_t> min_periods = {};  ///< unset: 1 by time, the window by rows
  OnLate on_late = {};
  std::string name = {};  ///< of the state; empty: what the step says
};

/// The description of a window over `columns`, without outputs. Throws Error{plan} for what cannot be
/// (`min_periods` beyond the window, a negative grace, ...).
[[nodiscard]] Rolling make_rolling(std::vector<ColumnReference> columns, const Window& window,
                                   const RollingOptions& options);

class RollingSeries;

/// One value a row of a frame: an expression over its columns, and the steps that must run before it (a
/// rolling mean under an arithmetic operator, ...). An immutable value. Two series combine if they are of one
/// frame; a stateless one may also be used on a later frame while the columns that it reads are unchanged.
/// Everything that cannot be throws Error{plan} at once.
class Series {
 public:
  /// A constant, of any frame.
  Series(Scalar value);  // NOLINT(google-explicit-constructor): constants stand wherever series do
  /// A column or a nested value of the frame at `base`.
  [[nodiscard]] static Series column(std::shared_ptr<Pipeline> pipeline, const NodePtr& base,
                                     std::string name);

  [[nodiscard]] Series field(const std::string& name) const;  ///< `sdf["gps"]["lat"]`
  [[nodiscard]] Series unary(UnaryOperator op) const;
  [[nodiscard]] Series binary(BinaryOperator op, const Series& right) const;
  [[nodiscard]] static Series where(const Series& condition, const Series& then, const Series& otherwise);
  [[nodiscard]] Series fillna(const Series& value) const;
  [[nodiscard]] Series isin(std::vector<Scalar> values) const;
  [[nodiscard]] Series between(const Series& low, const Series& high) const;
  [[nodiscard]] Series clip(const std::optional<Series>& lower, const std::optional<Series>& upper) const;
  [[nodiscard]] Series round(std::int64_t decimals) const;
  /// `kind`: `int64 float64 string bool`, or pandas' and Python's other names of them (`int`, `Int64`, `str`,
  /// `boolean`, ...).
  [[nodiscard]] Series astype(std::string_view kind) const;
  [[nodiscard]] Series match(MatchKind kind, std::string pattern) const;

  [[nodiscard]] RollingSeries rolling(const Window& window, const RollingOptions& options = {}) const;
  [[nodiscard]] Series diff(std::int64_t periods = 1, const std::string& name = {}) const;
  [[nodiscard]] Series shift(std::int64_t periods = 1, const std::string& name = {}) const;
  [[nodiscard]] Series apply(std::shared_ptr<ValueFunction> function, const std::string& function_name) const;

  /// The series as users read it.
  [[nodiscard]] std::string to_text() const { return tiderace::to_text(*expression_); }
  [[nodiscard]] const ExpressionPtr& expression() const noexcept { return expression_; }
  /// What its values may be, as far as the plan knows.
  [[nodiscard]] KindMask kinds() const;
  /// The frame that it was taken from; null for a constant.
  [[nodiscard]] const NodePtr& base() const noexcept { return base_; }
  [[nodiscard]] const std::shared_ptr<Pipeline>& pipeline() const noexcept { return pipeline_; }

  /// What a series comes to on the frame at `node`: the node after the steps that it needs, and its
  /// expression there.
  struct Placed {
    NodePtr node;
    ExpressionPtr expression;
  };
  [[nodiscard]] Placed place(const std::shared_ptr<Pipeline>& pipeline, const NodePtr& node) const {
    return place(pipeline, node, node);
  }
  /// The same where `at` is `node` after the steps of other series.
  [[nodiscard]] Placed place(const std::shared_ptr<Pipeline>& pipeline, const NodePtr& node,
                             NodePtr at) const;

  // What follows is for Frame.

  /// The hidden column of what a second model says, which is to be assigned wherever this series is.
  [[nodiscard]] const std::optional<std::string>& companion() const noexcept { return companion_; }
  [[nodiscard]] Series with_companion(std::optional<std::string> column) && {
    companion_ = std::move(column);
    return std::move(*this);
  }
  /// Throws Error{plan} if there is one: it would have no name.
  void require_no_companion() const;

  /// The series as a plain column, a nested value, or a hidden column that is computed first.
  [[nodiscard]] Series as_column() const;
  [[nodiscard]] const ColumnReference& reference() const;  ///< of one that is such a column
  /// The hidden `output` of `step`, which reads what `inputs` are. `bound`: it holds for the very frame that
  /// it was taken from.
  [[nodiscard]] static Series computed(const std::vector<Series>& inputs, Step step,
                                       const std::string& output, bool bound);
  /// The same where nothing but the row is read.
  [[nodiscard]] static Series computed(std::shared_ptr<Pipeline> pipeline, const NodePtr& base, Step step,
                                       const std::string& output, bool bound);

 private:
  Series() = default;
  /// A series over all that `inputs` need; its expression is still to be set.
  [[nodiscard]] static Series over(const std::vector<const Series*>& inputs, std::string_view what);
  void take_steps(const Series& other);
  void add_step(Step step);
  [[nodiscard]] bool movable_to(const NodePtr& node) const;
  [[noreturn]] void refuse_move(const NodePtr& node) const;
  [[nodiscard]] Series with(Expression expression) &&;  ///< checks the kinds
  [[nodiscard]] Series shifted(std::int64_t periods, bool difference, const std::string& name) const;

  std::shared_ptr<Pipeline> pipeline_;
  NodePtr base_;  ///< the frame
  NodePtr at_;    ///< the frame and `pending_`
  ExpressionPtr expression_;
  std::vector<Step> pending_;
  std::vector<ColumnReference> reads_;  ///< visible columns
  std::optional<std::string> companion_;
  bool bound_ = false;
  std::size_t depth_ = 1;
  std::size_t size_ = 1;
};

/// `sdf["x"].rolling("10s")`.
class RollingSeries {
 public:
  RollingSeries(Series input, Rolling rolling) : input_(std::move(input)), rolling_(std::move(rolling)) {}
  [[nodiscard]] Series aggregate(Aggregate aggregate, std::int64_t ddof = 1) const;

 private:
  Series input_;
  Rolling rolling_;
};

/// Checks `ddof` of `std` and `var`.
[[nodiscard]] int checked_ddof(std::int64_t ddof);
/// The name of the state of a step over `columns`, unless `given` is not empty: `rolling("10s", x, grace=0)`.
[[nodiscard]] std::string state_name(const std::string& given, std::string_view kind,
                                     const std::string& window, const std::vector<ColumnReference>& columns,
                                     const std::string& rest);

}  // namespace tiderace::plan
