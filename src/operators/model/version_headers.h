#pragma once

#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "operators/model/model_use.h"

namespace tiderace {

/// Headers that say which version of each model is in a row: `tiderace.model.shaking` = `3`. One thread.
class VersionHeaders {
 public:
  /// Of the models `numbers` among `models`, which outlive the object.
  VersionHeaders(std::span<const std::size_t> numbers, std::span<ModelUse> models);

  /// Takes the versions of the batch in hand; what `with` gave before is gone.
  void begin_batch();
  /// `packed`, the headers of a row, with these in place of those of the same names. A view of them, or of
  /// what this object holds.
  [[nodiscard]] std::string_view with(std::string_view packed);

 private:
  [[nodiscard]] std::string joined(std::string_view packed) const;

  std::vector<const ModelUse*> models_;
  std::vector<LoadedModelPtr> present_;  ///< what `entries_` and `alone_` were made of
  std::string entries_;                  ///< packed, without their count
  std::string alone_;                    ///< the whole of a row without others
  std::string_view last_packed_;
  std::deque<std::string> joined_;
};

}  // namespace tiderace
