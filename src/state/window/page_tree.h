#pragma once

#include <cstdint>

#include "state/window/column_summary.h"

namespace tiderace {

/// A node of a PageTree. Owned by its page.
struct PageTreeNode {
  PageTreeNode(RowPage* page, std::size_t columns) : page(page), own(columns), all(columns) {}

  RowPage* page;
  PageTreeNode* left = nullptr;
  PageTreeNode* right = nullptr;
  PageTreeNode* parent = nullptr;
  std::uint32_t priority = 0;
  RowSummary own;  ///< of the page
  RowSummary all;  ///< of the page and everything below
};

/// Finds pages by position and sums up ranges of them in O(log pages): a treap in the order of the list of
/// pages. Built when the first row of a key comes out of order; holds the pages before the last one, as far
/// as `extend` has been told. The caller keeps it in step with the list.
class PageTree {
 public:
  PageTree(std::size_t columns, bool squares) : columns_(columns), squares_(squares) {}

  [[nodiscard]] bool empty() const noexcept { return root_ == nullptr; }
  /// Takes in the pages from behind the last one that it has (or from `first`) up to, not including, `last`.
  void extend(RowPage* first, RowPage* last);
  /// The last page whose first position is not after `position`; null if there is none.
  [[nodiscard]] RowPage* find(std::int64_t position);
  /// A row was inserted into `page`.
  void inserted(RowPage* page, std::uint32_t row);
  /// Rows of `page` have moved to `upper`, right behind it; `keep_upper`: whether that one is to be in the
  /// tree.
  void was_split(RowPage* page, RowPage* upper, bool keep_upper);
  /// `page`, the first of the list, goes.
  void remove_first(RowPage* page);
  /// Adds all rows of the tree in (after, until] to `summary`.
  void add_range(std::int64_t after, std::int64_t until, RowSummary& summary);

  /// Bytes of the nodes, approximately.
  [[nodiscard]] std::size_t bytes() const noexcept { return size_ * node_bytes(columns_); }
  [[nodiscard]] static std::size_t node_bytes(std::size_t columns) noexcept {
    return sizeof(PageTreeNode) + 2 * columns * sizeof(ColumnSummary);
  }
  /// Nodes and rows looked at since the beginning, for tests of the cost.
  [[nodiscard]] std::uint64_t work() const noexcept { return work_; }

 private:
  void insert_after(PageTreeNode* before, PageTreeNode* node);
  void rotate_up(PageTreeNode* node);
  void summarize(PageTreeNode* node);
  void sum_up(PageTreeNode* node);
  void sum_up_to_root(PageTreeNode* node);
  void add_behind(PageTreeNode* node, std::int64_t after, RowSummary& summary);
  void add_until(PageTreeNode* node, std::int64_t until, RowSummary& summary);

  std::size_t columns_;
  bool squares_;
  PageTreeNode* root_ = nullptr;
  std::size_t size_ = 0;
  RowPage* newest_ = nullptr;  ///< the last page in the tree
  std::uint32_t random_ = 2463534242u;
  std::uint64_t work_ = 0;
};

}  // namespace tiderace
