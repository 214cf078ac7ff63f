#include "plan/series.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>

#include "base/error.h"
#include "expr/text/strings.h"
#include "plan/text.h"

namespace tiderace::plan {
namespace {

// A tree is walked by recursion, and shared subtrees are walked once for every mention.
constexpr std::size_t deepest = 400;
constexpr std::size_t largest = 20'000;

bool equal(const ColumnReference& left, const ColumnReference& right) {
  return left.path == right.path && left.hidden == right.hidden;
}

std::optional<Kind> kind_called(std::string_view name) {
  struct Named {
    std::string_view name;
    Kind kind;
  };
  static constexpr std::array<Named, 13> kinds{{{"int64", Kind::int64},
                                                {"Int64", Kind::int64},
                                                {"int", Kind::int64},
                                                {"float64", Kind::float64},
                                                {"Float64", Kind::float64},
                                                {"float", Kind::float64},
                                                {"double", Kind::float64},
                                                {"string", Kind::string},
                                                {"str", Kind::string},
                                                {"bool", Kind::boolean},
                                                {"boolean", Kind::boolean},
                                                {"bool_", Kind::boolean},
                                                {"String", Kind::string}}};
  for (const Named& named : kinds) {
    if (named.name == name) return named.kind;
  }
  return std::nullopt;
}

}  // namespace

Series::Series(Scalar value) : expression_(make_expression(Literal{std::move(value)})) {}

Series Series::column(std::shared_ptr<Pipeline> pipeline, const NodePtr& base, std::string name) {
  Series series;
  series.pipeline_ = std::move(pipeline);
  series.base_ = base;
  series.at_ = base;
  const ColumnReference reference{{std::move(name)}};
  series.reads_.push_back(reference);
  return std::move(series).with({reference});
}

Series Series::field(const std::string& name) const {
  const ColumnReference* column = std::get_if<ColumnReference>(&expression_->node);
  if (column == nullptr || column->hidden) {
    throw_error(ErrorKind::plan,
                "({})[{}]: only columns have fields, and this is computed; assign it to a column first",
                to_text(), quoted(name));
  }
  if (column->path.size() >= deepest) throw_error(ErrorKind::plan, "a path has at most {} names", deepest);
  ColumnReference reference = *column;
  reference.path.push_back(name);
  Series series = *this;
  series.reads_ = {reference};
  return std::move(series).with({reference});
}

Series Series::with(Expression expression) && {
  if (depth_ > deepest || size_ > largest) {
    throw_error(ErrorKind::plan,
                "the expression is too large ({} levels, {} parts; at most {} and {}): assign a part of it "
                "to a column",
                depth_, size_, deepest, largest);
  }
  expression_ = std::make_shared<const Expression>(std::move(expression));
  if (pipeline_ == nullptr) return std::move(*this);
  try {
    (void)infer_kinds(*expression_, *pipeline_->schemas().of(at_));
  } catch (const Error& error) {
    throw error.within(to_text());
  }
  return std::move(*this);
}

KindMask Series::kinds() const {
  if (pipeline_ == nullptr) return any_mask;
  return infer_kinds(*expression_, *pipeline_->schemas().of(at_));
}

void Series::require_no_companion() const {
  if (!companion_) return;
  throw_error(ErrorKind::plan,
              "{}: the prediction of the shadow gets the name of the column that this is assigned to, and "
              "`-shadow`; here it is part of something else: say shadow_column=",
              to_text());
}

bool Series::movable_to(const NodePtr& node) const {
  if (node == base_) return true;
  if (bound_) return false;
  const auto here = pipeline_->schemas().of(base_);
  const auto there = pipeline_->schemas().of(node);
  return std::all_of(reads_.begin(), reads_.end(), [&](const ColumnReference& read) {
    try {
      return here->definition(read) == there->definition(read);
    } catch (const Error&) {
      return false;
    }
  });
}

void Series::refuse_move(const NodePtr& node) const {
  if (bound_) {
    throw_error(ErrorKind::plan,
                "{}: it depends on the rows of the frame that it was taken from, and this is another frame; "
                "write it again on this frame",
                to_text());
  }
  const auto here = pipeline_->schemas().of(base_);
  const auto there = pipeline_->schemas().of(node);
  for (const ColumnReference& read : reads_) {
    try {
      if (here->definition(read) == there->definition(read)) continue;
    } catch (const Error& error) {
      throw error.within(to_text());
    }
    throw_error(ErrorKind::plan,
                "{}: {} is not the same in this frame as in the one that it was taken from; write it again "
                "on this frame",
                to_text(), tiderace::to_text(read));
  }
  throw_error(ErrorKind::plan, "{}: it was taken from another frame", to_text());
}

void Series::add_step(Step step) {
  NodePtr next = pipeline_->append_once(at_, step);
  if (next == at_) return;
  at_ = std::move(next);
  pending_.push_back(std::move(step));
}

void Series::take_steps(const Series& other) {
  for (const Step& step : other.pending_) add_step(step);
  for (const ColumnReference& read : other.reads_) {
    const bool known = std::any_of(reads_.begin(), reads_.end(),
                                   [&](const ColumnReference& mine) { return equal(mine, read); });
    if (!known) reads_.push_back(read);
  }
  bound_ = bound_ || other.bound_;
}

Series Series::over(const std::vector<const Series*>& inputs, std::string_view what) {
  Series result;
  const Series* home =
      nullptr;  // whose frame it will be: a stateful one's, else one that all others can move to
  for (const Series* input : inputs) {
    input->require_no_companion();
    result.depth_ = std::max(result.depth_, input->depth_ + 1);
    result.size_ = std::min(result.size_ + input->size_, std::numeric_limits<std::size_t>::max() / 2);
    if (input->base_ == nullptr) continue;
    if (home != nullptr && home->pipeline_ != input->pipeline_) {
      throw_error(ErrorKind::plan, "{} of `{}` and `{}`: they are of two applications", what, home->to_text(),
                  input->to_text());
    }
    if (home == nullptr || (!home->bound_ && (input->bound_ || !input->movable_to(home->base_))))
      home = input;
  }
  if (home == nullptr) return result;
  result.pipeline_ = home->pipeline_;
  result.base_ = home->base_;
  result.at_ = home->base_;
  for (const Series* input : inputs) {
    if (input->base_ == nullptr) continue;
    if (!input->movable_to(home->base_)) input->refuse_move(home->base_);
    result.take_steps(*input);
  }
  return result;
}

Series::Placed Series::place(const std::shared_ptr<Pipeline>& pipeline, const NodePtr& node,
                             NodePtr at) const {
  if (base_ == nullptr) return {std::move(at), expression_};
  if (pipeline_ != pipeline)
    throw_error(ErrorKind::plan, "{}: it is a column of another application's frame", to_text());
  if (!movable_to(node)) refuse_move(node);
  for (const Step& step : pending_) at = pipeline->append_once(at, step);
  return {std::move(at), expression_};
}

Series Series::unary(UnaryOperator op) const {
  return over({this}, "operator").with({Unary{op, expression_}});
}

Series Series::binary(BinaryOperator op, const Series& right) const {
  return over({this, &right}, "operator").with({Binary{op, expression_, right.expression_}});
}

Series Series::where(const Series& condition, const Series& then, const Series& otherwise) {
  return over({&condition, &then, &otherwise}, "tr.where")
      .with({Where{condition.expression_, then.expression_, otherwise.expression_}});
}

Series Series::fillna(const Series& value) const {
  return over({this, &value}, "fillna").with({FillNull{expression_, value.expression_}});
}

Series Series::isin(std::vector<Scalar> values) const {
  return over({this}, "isin").with({IsIn{expression_, std::move(values)}});
}

Series Series::between(const Series& low, const Series& high) const {
  return over({this, &low, &high}, "between").with({Between{expression_, low.expression_, high.expression_}});
}

Series Series::clip(const std::optional<Series>& lower, const std::optional<Series>& upper) const {
  std::vector<const Series*> inputs{this};
  if (lower) inputs.push_back(&*lower);
  if (upper) inputs.push_back(&*upper);
  return over(inputs, "clip")
      .with({Clip{expression_, lower ? lower->expression_ : nullptr, upper ? upper->expression_ : nullptr}});
}

Series Series::round(std::int64_t decimals) const {
  constexpr std::int64_t most = 400;  // no double has more, on either side of the point
  if (decimals < -most || decimals > most) {
    throw_error(ErrorKind::plan, "{}.round({}): wanted -{} to {} decimals", to_text(), decimals, most, most);
  }
  return over({this}, "round").with({Round{expression_, static_cast<int>(decimals)}});
}

Series Series::astype(std::string_view kind) const {
  const std::optional<Kind> found = kind_called(kind);
  if (!found) {
    throw_error(ErrorKind::plan, "{}.astype({}): wanted int64, float64, string or bool", to_text(),
                quoted(kind));
  }
  return over({this}, "astype").with({Cast{expression_, *found}});
}

Series Series::match(MatchKind kind, std::string pattern) const {
  Match match{expression_, kind, std::move(pattern)};
  static_cast<void>(Matcher(match));  // what it refuses is refused where it is written
  return over({this}, "str").with({std::move(match)});
}

}  // namespace tiderace::plan
