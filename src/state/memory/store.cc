#include "state/store.h"

#include <map>
#include <mutex>
#include <unordered_map>

namespace tiderace {
namespace {

struct Contents {
  std::map<std::string, std::string, std::less<>> values;
  StorePosition position;
  std::uint64_t bytes = 0;  ///< of keys and values
};

class MemoryStore final : public StateStore {
 public:
  explicit MemoryStore(std::shared_ptr<Contents> contents) : contents_(std::move(contents)) {}

  std::optional<std::string> get(std::string_view key) override {
    const auto found = contents_->values.find(key);
    if (found == contents_->values.end()) return std::nullopt;
    return found->second;
  }

  void scan(std::string_view prefix,
            const std::function<bool(std::string_view, std::string_view)>& visit) override {
    const auto& values = contents_->values;
    for (auto at = values.lower_bound(prefix); at != values.end() && at->first.starts_with(prefix); ++at) {
      if (!visit(at->first, at->second)) return;
    }
  }

  void write(std::span<const ChangeView> changes, const StorePosition& position) override {
    for (const ChangeView& change : changes) {
      if (const auto found = contents_->values.find(change.key); found != contents_->values.end())
        contents_->bytes -= found->first.size() + found->second.size();
      if (change.value) {
        contents_->values.insert_or_assign(std::string(change.key), std::string(*change.value));
        contents_->bytes += change.key.size() + change.value->size();
      } else {
        contents_->values.erase(std::string(change.key));
      }
    }
    contents_->position = position;
  }

  StorePosition position() override { return contents_->position; }
  void clear() override { *contents_ = {}; }
  std::uint64_t size_bytes() override { return contents_->bytes; }

 private:
  std::shared_ptr<Contents> contents_;
};

class MemoryStores final : public StateStores {
 public:
  std::unique_ptr<StateStore> open(const std::string& name) override {
    const std::lock_guard lock(mutex_);
    std::shared_ptr<Contents>& contents = stores_[name];
    if (!contents) contents = std::make_shared<Contents>();
    return std::make_unique<MemoryStore>(contents);
  }

 private:
  std::mutex mutex_;
  std::unordered_map<std::string, std::shared_ptr<Contents>> stores_;
};

}  // namespace

std::unique_ptr<StateStores> memory_state_stores() {
  return std::make_unique<MemoryStores>();
}

}  // namespace tiderace
