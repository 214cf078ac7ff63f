#include "runtime/observation/run_metrics.h"

#include <utility>

namespace tiderace {

void WorkerMetrics::publish(const WorkerReport& report) {
  const std::lock_guard lock(mutex_);
  RunCounters counters = report_.counters;  // what was shown never goes back
  counters.raise_to(report.counters);
  report_ = report;
  report_.counters = counters;
}

WorkerReport WorkerMetrics::report() const {
  const std::lock_guard lock(mutex_);
  return report_;
}

std::shared_ptr<WorkerMetrics> RunMetrics::add_worker(std::size_t index) {
  auto worker = std::make_shared<WorkerMetrics>();
  const std::lock_guard lock(mutex_);
  if (workers_.size() <= index) workers_.resize(index + 1);
  workers_[index] = worker;
  return worker;
}

std::vector<std::shared_ptr<WorkerMetrics>> RunMetrics::workers() const {
  const std::lock_guard lock(mutex_);
  return workers_;
}

std::map<TopicPartition, RestoreReport> RunMetrics::restores() const {
  const std::lock_guard lock(mutex_);
  return restores_;
}

std::int64_t RunMetrics::last_restore_ns() const {
  const std::lock_guard lock(mutex_);
  return last_restore_ns_;
}

std::uint64_t RunMetrics::restored_records() const {
  const std::lock_guard lock(mutex_);
  return restored_records_;
}

void RunMetrics::show_standbys(std::map<TopicPartition, StandbyReport> standbys) {
  const std::lock_guard lock(mutex_);
  standbys_ = std::move(standbys);
}

std::map<TopicPartition, StandbyReport> RunMetrics::standbys() const {
  const std::lock_guard lock(mutex_);
  return standbys_;
}

void RunMetrics::fail(const std::string& reason) {
  const std::lock_guard lock(mutex_);
  if (failure_.empty()) failure_ = reason;
}

std::string RunMetrics::failure() const {
  const std::lock_guard lock(mutex_);
  return failure_;
}

RestoreWatch::RestoreWatch(RunMetrics& metrics, Clock& clock, TopicPartition partition, std::uint64_t total)
    : metrics_(metrics), clock_(clock), partition_(std::move(partition)) {
  const std::lock_guard lock(metrics_.mutex_);
  metrics_.restores_[partition_] = {0, total};
}

RestoreWatch::~RestoreWatch() {
  const std::lock_guard lock(metrics_.mutex_);
  metrics_.restores_.erase(partition_);
}

void RestoreWatch::reached(std::uint64_t restored) const {
  const std::int64_t now_ns = clock_.steady_ns();
  const std::lock_guard lock(metrics_.mutex_);
  RestoreReport& report = metrics_.restores_[partition_];
  metrics_.restored_records_ += restored - report.restored;
  report.restored = restored;
  metrics_.last_restore_ns_ = now_ns;
}

}  // namespace tiderace
