#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tiderace {

/// Checks that the trees of a model can be walked: XGBoost takes them as they are, and one wrong node of a
/// damaged file would make it read beyond its memory. Fed with what lies below
/// `learner.gradient_booster.…model`, in the order of the file.
class XgboostTrees {
 public:
  /// `member` is the path below the model, for example `trees.left_children`.
  void number(std::string_view member, double value);
  void text(std::string_view member, std::string_view value);
  void array(std::string_view member, std::size_t size);
  /// The end of an object; that of a tree is checked.
  void object(std::string_view member);
  /// The end of the model. Throws Error{config} if a tree cannot be walked. `groups` is the number of
  /// outputs, at least 1.
  void finish(std::size_t features, std::size_t groups) const;

 private:
  void finish_tree();
  void check_tree();

  std::vector<double> left_, right_, parents_, splits_;  ///< of the tree that is being read, by node
  std::vector<std::size_t> sizes_;                       ///< of its arrays that have an element a node
  std::size_t nodes_ = 0;
  double id_ = -1;
  std::size_t trees_ = 0;
  std::size_t declared_trees_ = 0;
  double largest_split_ = -1;
  std::string fault_;            ///< the first
  std::vector<double> outputs_;  ///< of each tree, which output it adds to
};

}  // namespace tiderace
