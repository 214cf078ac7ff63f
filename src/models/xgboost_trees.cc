#include "models/xgboost_trees.h"

#include <algorithm>
#include <charconv>

#include "base/error.h"

namespace tiderace {
namespace {

constexpr double leaf = -1;

/// A malformed number counts as 0 here: XGBoost itself refuses it.
std::size_t counted(std::string_view text) noexcept {
  std::size_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

bool has_element_a_node(std::string_view member) noexcept {
  for (const char* name :
       {"base_weights", "default_left", "left_children", "loss_changes", "parents", "right_children",
        "split_conditions", "split_indices", "split_type", "sum_hessian"}) {
    if (member == name) return true;
  }
  return false;
}

}  // namespace

void XgboostTrees::number(std::string_view member, double value) {
  if (member == "trees.left_children")
    left_.push_back(value);
  else if (member == "trees.right_children")
    right_.push_back(value);
  else if (member == "trees.parents")
    parents_.push_back(value);
  else if (member == "trees.split_indices")
    splits_.push_back(value);
  else if (member == "trees.id")
    id_ = value;
  else if (member == "tree_info")
    outputs_.push_back(value);
}

void XgboostTrees::text(std::string_view member, std::string_view value) {
  if (member == "trees.tree_param.num_nodes")
    nodes_ = counted(value);
  else if (member == "gbtree_model_param.num_trees")
    declared_trees_ = counted(value);
}

void XgboostTrees::array(std::string_view member, std::size_t size) {
  if (member.starts_with("trees.") && has_element_a_node(member.substr(6))) sizes_.push_back(size);
}

void XgboostTrees::object(std::string_view member) {
  if (member == "trees") finish_tree();
}

void XgboostTrees::finish_tree() {
  check_tree();
  for (auto* column : {&left_, &right_, &parents_, &splits_}) column->clear();
  sizes_.clear();
  nodes_ = 0;
  id_ = -1;
  ++trees_;
}

void XgboostTrees::check_tree() {
  const auto fail = [this](std::string_view what) {
    if (fault_.empty()) fault_ = fmt::format("tree {} is damaged: {}", trees_, what);
  };
  if (id_ != static_cast<double>(trees_)) fail("its id is another's");
  if (nodes_ == 0) fail("it has no nodes");
  if (std::ranges::any_of(sizes_, [this](std::size_t size) { return size != nodes_; }))
    fail("its arrays differ in length");
  if (left_.size() != nodes_ || right_.size() != nodes_ || parents_.size() != nodes_ ||
      splits_.size() != nodes_) {
    return fail("it lacks the arrays that say how its nodes hang together");
  }
  // A child names its parent and the root is nobody's child, so every way from the root ends in a leaf.
  const auto is_child = [this](double child, std::size_t parent) {
    return child >= 1 && child < static_cast<double>(nodes_) &&
           parents_[static_cast<std::size_t>(child)] == static_cast<double>(parent);
  };
  for (std::size_t i = 0; i < nodes_; ++i) {
    if (left_[i] == leaf && right_[i] == leaf) continue;
    if (!is_child(left_[i], i) || !is_child(right_[i], i)) fail(fmt::format("node {} has a wrong child", i));
    if (splits_[i] < 0) fail(fmt::format("node {} splits a feature that does not exist", i));
    largest_split_ = std::max(largest_split_, splits_[i]);
  }
}

void XgboostTrees::finish(std::size_t features, std::size_t groups) const {
  if (!fault_.empty()) throw_error(ErrorKind::config, "{}; the file has changed since it was saved", fault_);
  if (trees_ == 0 || trees_ != declared_trees_ || outputs_.size() != trees_) {
    throw_error(ErrorKind::config, "wanted as many trees as the model says, {}, found {} with {} outputs",
                declared_trees_, trees_, outputs_.size());
  }
  for (const double output : outputs_) {
    if (output < 0 || output >= static_cast<double>(groups)) {
      throw_error(ErrorKind::config, "a tree adds to output {}, but the model has {}; the file is damaged",
                  output, groups);
    }
  }
  if (largest_split_ >= static_cast<double>(features)) {
    throw_error(ErrorKind::config, "a tree splits feature {}, but the model has {}; the file is damaged",
                largest_split_, features);
  }
}

}  // namespace tiderace
