#pragma once

#include <fmt/format.h>

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "formats/json/encoder.h"
#include "plan/sink.h"

namespace tiderace {

/// What a fake sink has stored: rows as `column=value` texts and offsets, changed together. Any thread.
struct FakeTable {
  /// What goes wrong at a call.
  enum class Fault { none, before, after, refused };

  std::mutex mutex;
  std::vector<std::string> rows;
  std::map<SinkPartition, std::int64_t> offsets;
  /// Asked at every call, by its name: `open`, `commit`.
  std::function<Fault(std::string_view call)> fault;
  /// Called before a commit has an effect, with what it would store.
  std::function<void(FakeTable& table, std::span<const SinkCommit> offsets, std::vector<std::string>& rows)>
      before_commit;

  [[nodiscard]] Fault next(std::string_view call) { return fault ? fault(call) : Fault::none; }
};

/// Rows into a `FakeTable`. Rows with a column `refuse` are bad.
class FakeSink final : public SinkConnector {
 public:
  explicit FakeSink(std::shared_ptr<FakeTable> table, std::string name = "fake")
      : table_(std::move(table)), name_(std::move(name)) {}
  [[nodiscard]] std::string name() const override { return name_; }
  [[nodiscard]] std::string text() const override { return "Fake(\"" + name_ + "\")"; }
  [[nodiscard]] std::unique_ptr<SinkWriter> writer(const SinkContext&) const override {
    return std::make_unique<Writer>(*table_);
  }

 private:
  class Writer final : public SinkWriter {
   public:
    explicit Writer(FakeTable& table) : table_(table) {}

    std::vector<std::optional<std::int64_t>> open(std::span<const SinkPartition> partitions) override {
      std::vector<std::optional<std::int64_t>> offsets;
      const std::lock_guard lock(table_.mutex);
      const FakeTable::Fault fault = table_.next("open");
      if (fault == FakeTable::Fault::refused) throw Error(ErrorKind::config, "refused");
      if (fault != FakeTable::Fault::none) throw SinkLost("away");
      for (const SinkPartition& partition : partitions) {
        const auto found = table_.offsets.find(partition);
        offsets.push_back(found == table_.offsets.end() ? std::nullopt : std::optional(found->second));
      }
      return offsets;
    }

    void take(SinkRows rows, RowErrors& errors) override {
      for (std::size_t i = 0; i < rows.offsets.size(); ++i) {
        std::string text;
        bool bad = false;
        for (const NamedColumn& named : rows.columns) {
          if (named.column.is_null(i)) continue;
          bad = bad || named.name == "refuse";
          text += (text.empty() ? "" : " ") + named.name + "=";
          append_json_value(text, named.column, i, NotFinite::as_word);
        }
        if (bad)
          errors.add(i, BadRowKind::type, "refused by the sink");
        else
          taken_.push_back(std::move(text));
      }
    }
    void hand_over() override { handed_over_ = std::exchange(taken_, {}); }

    void commit(std::span<const SinkCommit> offsets) override {
      const std::lock_guard lock(table_.mutex);
      const FakeTable::Fault fault = table_.next("commit");
      if (fault == FakeTable::Fault::before) throw SinkLost("away");
      if (fault == FakeTable::Fault::refused) throw Error(ErrorKind::config, "refused");
      if (table_.before_commit) table_.before_commit(table_, offsets, handed_over_);
      for (const SinkCommit& commit : offsets) {
        const auto found = table_.offsets.find(commit.partition);
        const auto has = found == table_.offsets.end() ? std::nullopt : std::optional(found->second);
        if (has != commit.from) throw SinkLost("another has written");
      }
      for (const SinkCommit& commit : offsets) table_.offsets[commit.partition] = commit.to;
      table_.rows.insert(table_.rows.end(), handed_over_.begin(), handed_over_.end());
      handed_over_.clear();
      if (fault == FakeTable::Fault::after) throw SinkLost("the answer was lost");
    }
    void abort() noexcept override {
      taken_.clear();
      handed_over_.clear();
    }

   private:
    FakeTable& table_;
    std::vector<std::string> taken_;
    std::vector<std::string> handed_over_;
  };

  std::shared_ptr<FakeTable> table_;
  std::string name_;
};

}  // namespace tiderace
