#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "state/store.h"

namespace tiderace {

/// A store with the changes of a commit that is under way in front of it: whoever reads sees them, the store
/// itself has them once they are committed. One thread.
class OverlayStore final : public StateStore {
 public:
  explicit OverlayStore(std::unique_ptr<StateStore> store) : store_(std::move(store)) {}

  /// Puts `changes` in front, until `take_front`. There are none yet.
  const std::vector<Change>& put_in_front(std::vector<Change> changes);
  /// The changes in front are committed: the store takes them.
  void take_front(const StorePosition& position);

  [[nodiscard]] std::optional<std::string> get(std::string_view key) override;
  void scan(std::string_view prefix,
            const std::function<bool(std::string_view key, std::string_view value)>& visit) override;
  [[nodiscard]] StorePosition position() override { return store_->position(); }
  void clear() override { store_->clear(); }
  [[nodiscard]] std::uint64_t size_bytes() override { return store_->size_bytes(); }

 private:
  void write(std::span<const ChangeView> changes, const StorePosition& position) override;
  /// Of `front_`, in order of the keys, the last change of each; made when it is first asked for.
  [[nodiscard]] const std::vector<ChangeView>& sorted();
  [[nodiscard]] std::vector<ChangeView>::const_iterator first_from(std::string_view key);

  const std::unique_ptr<StateStore> store_;
  std::vector<Change> front_;
  std::vector<ChangeView> sorted_;
};

}  // namespace tiderace
