#include "state/window/page_tree.h"

#include "base/error.h"

namespace tiderace {

std::size_t RowSummary::add_range(RowPage& page, std::int64_t after, std::int64_t until, bool squares) {
  std::uint32_t row = page.rows_until(until);
  std::size_t looked_at = page.size - row;
  for (; row > 0 && page.position(row - 1) > after; --row, ++looked_at) add(page, row - 1, squares);
  return looked_at;
}

void PageTree::extend(RowPage* first, RowPage* last) {
  RowPage* page = newest_ != nullptr ? newest_->next : first;
  for (; page != last; page = page->next) {
    page->node = new PageTreeNode(page, columns_);
    summarize(page->node);
    insert_after(newest_ != nullptr ? newest_->node : nullptr, page->node);
    newest_ = page;
  }
}

RowPage* PageTree::find(std::int64_t position) {
  RowPage* found = nullptr;
  for (PageTreeNode* node = root_; node != nullptr;) {
    ++work_;
    if (node->page->first_position() <= position) {
      found = node->page;
      node = node->right;
    } else {
      node = node->left;
    }
  }
  return found;
}

void PageTree::inserted(RowPage* page, std::uint32_t row) {
  if (page->node == nullptr) return;
  page->node->own.add(*page, row, squares_);
  for (PageTreeNode* node = page->node; node != nullptr; node = node->parent, ++work_) {
    node->all.add(*page, row, squares_);
  }
}

void PageTree::was_split(RowPage* page, RowPage* upper, bool keep_upper) {
  if (page->node == nullptr) return;
  summarize(page->node);
  sum_up_to_root(page->node);
  if (!keep_upper) return;
  upper->node = new PageTreeNode(upper, columns_);
  summarize(upper->node);
  insert_after(page->node, upper->node);
  if (newest_ == page) newest_ = upper;
}

void PageTree::remove_first(RowPage* page) {
  PageTreeNode* const node = page->node;
  if (node == nullptr) return;
  TIDERACE_CHECK(node->left == nullptr);
  PageTreeNode* const parent = node->parent;
  if (node->right != nullptr) node->right->parent = parent;
  (parent == nullptr ? root_ : parent->left) = node->right;
  sum_up_to_root(parent);
  if (newest_ == page) newest_ = nullptr;
  --size_;
  delete node;
  page->node = nullptr;
}

void PageTree::insert_after(PageTreeNode* before, PageTreeNode* node) {
  ++size_;
  random_ ^= random_ << 13;
  random_ ^= random_ >> 17;
  random_ ^= random_ << 5;
  node->priority = random_;
  if (before == nullptr) {
    TIDERACE_CHECK(root_ == nullptr);
    root_ = node;
  } else if (before->right == nullptr) {
    before->right = node;
    node->parent = before;
  } else {
    PageTreeNode* at = before->right;
    while (at->left != nullptr) at = at->left;
    at->left = node;
    node->parent = at;
  }
  sum_up(node);
  while (node->parent != nullptr && node->parent->priority < node->priority) rotate_up(node);
  sum_up_to_root(node->parent);
}

void PageTree::rotate_up(PageTreeNode* node) {
  PageTreeNode* const parent = node->parent;
  PageTreeNode* const above = parent->parent;
  if (parent->left == node) {
    parent->left = node->right;
    if (node->right != nullptr) node->right->parent = parent;
    node->right = parent;
  } else {
    parent->right = node->left;
    if (node->left != nullptr) node->left->parent = parent;
    node->left = parent;
  }
  parent->parent = node;
  node->parent = above;
  if (above == nullptr)
    root_ = node;
  else
    (above->left == parent ? above->left : above->right) = node;
  sum_up(parent);
  sum_up(node);
}

void PageTree::summarize(PageTreeNode* node) {
  node->own.clear();
  for (std::uint32_t i = 0; i < node->page->size; ++i) node->own.add(*node->page, i, squares_);
}

void PageTree::sum_up(PageTreeNode* node) {
  ++work_;
  node->all.clear();
  node->all.add(node->own);
  if (node->left != nullptr) node->all.add(node->left->all);
  if (node->right != nullptr) node->all.add(node->right->all);
}

void PageTree::sum_up_to_root(PageTreeNode* node) {
  for (; node != nullptr; node = node->parent) sum_up(node);
}

void PageTree::add_range(std::int64_t after, std::int64_t until, RowSummary& summary) {
  PageTreeNode* node = root_;
  while (node != nullptr) {
    ++work_;
    if (node->page->first_position() > until) {
      node = node->left;
    } else if (node->page->last_position() <= after) {
      node = node->right;
    } else {
      break;
    }
  }
  if (node == nullptr) return;
  work_ += summary.add_range(*node->page, after, until, squares_);
  add_behind(node->left, after, summary);
  add_until(node->right, until, summary);
}

void PageTree::add_behind(PageTreeNode* node, std::int64_t after, RowSummary& summary) {
  while (node != nullptr) {
    ++work_;
    RowPage& page = *node->page;
    if (page.last_position() <= after) {
      node = node->right;
      continue;
    }
    if (node->right != nullptr) summary.add(node->right->all);
    if (page.first_position() > after) {
      summary.add(node->own);
    } else {
      work_ += summary.add_range(page, after, INT64_MAX, squares_);
    }
    node = node->left;
  }
}

void PageTree::add_until(PageTreeNode* node, std::int64_t until, RowSummary& summary) {
  while (node != nullptr) {
    ++work_;
    RowPage& page = *node->page;
    if (page.first_position() > until) {
      node = node->left;
      continue;
    }
    if (node->left != nullptr) summary.add(node->left->all);
    if (page.last_position() <= until) {
      summary.add(node->own);
    } else {
      work_ += summary.add_range(page, INT64_MIN, until, squares_);
    }
    node = node->right;
  }
}

}  // namespace tiderace
