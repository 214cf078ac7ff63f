#pragma once

#include <functional>
#include <map>
#include <memory>

#include "log/embedded/embedded_files.h"
#include "log/embedded/maintenance/maintenance.h"
#include "log/log.h"
#include "log/pending_records.h"

namespace tiderace {

/// A producer of the embedded log: `Producer` says what it does. What was sent is kept in memory until it is
/// made visible, in one transaction of the database. It opens its connection when first used.
class EmbeddedProducer final : public Producer {
 public:
  struct Opened {
    EmbeddedFiles& files;
    Maintenance& maintenance;
  };
  using Open = std::function<Opened()>;
  EmbeddedProducer(Open open, const ProducerOptions& options)
      : open_(std::move(open)),
        transactional_id_(options.transactional_id),
        pending_(!transactional_id_.empty()) {}

  void send(std::string_view topic, std::span<const ProducerRecord> records, std::int32_t partition) override;
  void warm_up() override { connect(); }
  void flush() override;
  std::map<TopicPartition, std::int64_t> commit(const std::string& group,
                                                std::span<const OffsetCommit> offsets) override;
  void abort() noexcept override { pending_.clear(); }
  std::vector<Placement> take_placements() override { return std::exchange(placements_, {}); }

 private:
  void connect();
  void bound_write_ahead_log();

  const Open open_;
  const std::string transactional_id_;  ///< empty: none
  std::optional<Opened> opened_;
  std::shared_ptr<const FileLock> name_lock_;  ///< of the transactional id
  std::unique_ptr<Connection> connection_;
  std::int64_t page_bytes_ = 0;
  std::int64_t wait_from_bytes_ = 0;  ///< the size of the write-ahead log at which to wait again
  PendingRecords pending_;
  std::vector<Placement> placements_;  ///< of the last commit
};

}  // namespace tiderace
