#include <algorithm>

#include "expr/expression.h"

namespace tiderace {
namespace {

struct Collector {
  std::vector<ColumnReference>& found;

  void of(const ExpressionPtr& expression) const {
    if (expression) std::visit(*this, expression->node);
  }

  void operator()(const Literal&) const {}
  void operator()(const ColumnReference& node) const {
    const bool known = std::any_of(found.begin(), found.end(), [&](const ColumnReference& other) {
      return other.hidden == node.hidden && other.path == node.path;
    });
    if (!known) found.push_back(node);
  }
  void operator()(const Unary& node) const { of(node.argument); }
  void operator()(const Binary& node) const {
    of(node.left);
    of(node.right);
  }
  void operator()(const Where& node) const {
    of(node.condition);
    of(node.then);
    of(node.otherwise);
  }
  void operator()(const FillNull& node) const {
    of(node.argument);
    of(node.value);
  }
  void operator()(const IsIn& node) const { of(node.argument); }
  void operator()(const Between& node) const {
    of(node.argument);
    of(node.low);
    of(node.high);
  }
  void operator()(const Clip& node) const {
    of(node.argument);
    of(node.lower);
    of(node.upper);
  }
  void operator()(const Round& node) const { of(node.argument); }
  void operator()(const Cast& node) const { of(node.argument); }
  void operator()(const Match& node) const { of(node.argument); }
};

}  // namespace

std::vector<ColumnReference> references(const Expression& expression) {
  std::vector<ColumnReference> found;
  std::visit(Collector{found}, expression.node);
  return found;
}

}  // namespace tiderace
