#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "log/memory/memory_log.h"
#include "plan/parse/parse.h"
#include "runtime/runner.h"

namespace tiderace {

/// A record as a test sees it.
struct SeenRecord {
  std::optional<std::string> key;
  std::optional<std::string> value;
  std::int64_t timestamp_ms = 0;
  std::vector<Header> headers;
  bool operator==(const SeenRecord&) const = default;
};

/// A plan over a log and stores that tests can put others in for. Every `run` is a fresh start of it.
class TestService {
 public:
  explicit TestService(std::string plan_text) : plan(std::move(plan_text)) {
    context.options.consumer_group = "group";
    context.options.processing_guarantee = ProcessingGuarantee::exactly_once;
    context.options.state_dir = "state-directory";
    context.log = memory_log();
    context.stores = memory_state_stores();
    limits.until_end = true;
  }

  void create_topic(const std::string& name, std::int32_t partitions) const {
    TopicConfig config;
    config.num_partitions = partitions;
    context.log->create_topic(name, config);
  }
  void produce(const std::string& topic, const std::optional<std::string>& key, const std::string& value,
               std::int64_t timestamp_ms = 1000, const std::vector<Header>& headers = {},
               std::int32_t partition = -1) const {
    context.log->create_topic(topic, {});
    const auto producer = context.log->producer();
    std::string packed;
    pack_headers(headers, packed);
    ProducerRecord record;
    if (key) record.key = *key;
    record.value = value;
    record.headers = packed;
    record.timestamp_ms = timestamp_ms;
    producer->send(topic, std::span(&record, 1), partition);
    producer->flush();
  }
  /// Rows of the key `k`, in order.
  void produce_all(const std::vector<std::string>& values, const std::string& topic = "in") const {
    for (const std::string& value : values) produce(topic, "k", value);
  }

  Summary run() {
    RunState state;
    return run(state);
  }
  Summary run(RunState& state) {
    pipeline = plan::Pipeline::make();
    const plan::Frame frame = plan::parse_plan(pipeline, plan);
    if (extend) extend(frame);
    stages.clear();
    std::set<NodePtr> sources;
    for (const NodePtr& end : pipeline->ends()) {
      const NodePtr source = source_of(end);
      if (sources.insert(source).second)
        stages.push_back(std::make_unique<Stage>(resolve_stage(source, pipeline->ends())));
    }
    summary = Summary();
    run_stages(context, stages, limits, state, summary);
    return summary;
  }
  /// Runs and returns the row that it stopped before.
  BadRow run_to_bad_row() {
    try {
      run();
    } catch (const Error& error) {
      if (error.bad_row()) return *error.bad_row();
      ADD_FAILURE() << error.what();
      return {};
    }
    ADD_FAILURE() << "did not stop";
    return {};
  }
  /// Runs and returns the text of the error of `kind` that ends it.
  std::string run_to_error(ErrorKind kind) {
    try {
      run();
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), kind) << error.what();
      return error.what();
    }
    ADD_FAILURE() << "no error";
    return "";
  }

  [[nodiscard]] std::vector<SeenRecord> read(const std::string& topic) const {
    std::vector<SeenRecord> seen;
    const auto info = context.log->topic(topic);
    for (std::int32_t p = 0; info && p < info->config.num_partitions; ++p) {
      static_cast<void>(context.log->decided_offsets({topic, p}));
      for (std::int64_t offset = 0;;) {
        const auto records = context.log->read({topic, p}, offset, 1 << 20);
        if (!records || records->rows.empty()) break;
        offset = records->next_offset;
        for (const Record& record : records->rows) {
          SeenRecord one;
          if (record.key != nullptr) one.key = std::string(record.key_view());
          if (record.value != nullptr) one.value = std::string(record.value_view());
          one.timestamp_ms = record.timestamp_ms;
          one.headers = unpack_headers(record.headers_view());
          seen.push_back(std::move(one));
        }
      }
    }
    return seen;
  }
  [[nodiscard]] std::vector<std::string> values(const std::string& topic) const {
    std::vector<std::string> found;
    for (const SeenRecord& record : read(topic)) found.push_back(record.value.value_or("(none)"));
    return found;
  }
  /// Values by key, in order.
  [[nodiscard]] std::map<std::string, std::vector<std::string>> by_key(const std::string& topic) const {
    std::map<std::string, std::vector<std::string>> found;
    for (const SeenRecord& record : read(topic))
      found[record.key.value_or("(none)")].push_back(record.value.value_or("(none)"));
    return found;
  }
  [[nodiscard]] std::int64_t committed(const std::string& topic, std::int32_t partition = 0) const {
    const auto offsets = context.log->group_offsets(context.options.consumer_group);
    const auto found = offsets.find({topic, partition});
    return found == offsets.end() ? -1 : found->second;
  }

  std::string plan;
  std::function<void(const plan::Frame& frame)> extend;  ///< adds what has no plan text
  RuntimeContext context;
  RunLimits limits;
  std::shared_ptr<plan::Pipeline> pipeline;
  std::vector<std::unique_ptr<Stage>> stages;  ///< of the last run
  Summary summary;                             ///< of the last run
};

}  // namespace tiderace
