#pragma once

#include <gtest/gtest.h>

#include <string>

#include "kafka/broker.h"
#include "log/kafka/client.h"

namespace tiderace {

/// A transaction of another process: open, with one record written, until it is committed or aborted.
class Transaction {
 public:
  Transaction(const std::string& id, const TopicPartition& partition, const std::string& value)
      : client_(RD_KAFKA_PRODUCER, kafka::Connection{.address = broker_address(), .options = {}}.config(
                                       {{"transactional.id", id}}, {})) {
    check(rd_kafka_init_transactions(client_.get(), ms));
    check(rd_kafka_begin_transaction(client_.get()));
    EXPECT_EQ(rd_kafka_producev(client_.get(), RD_KAFKA_V_TOPIC(partition.topic.c_str()),
                                RD_KAFKA_V_PARTITION(partition.partition), RD_KAFKA_V_KEY("k", 1),
                                RD_KAFKA_V_VALUE(const_cast<char*>(value.data()), value.size()),
                                RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END),
              RD_KAFKA_RESP_ERR_NO_ERROR);
    EXPECT_EQ(rd_kafka_flush(client_.get(), ms), RD_KAFKA_RESP_ERR_NO_ERROR);
  }

  void commit() { check(rd_kafka_commit_transaction(client_.get(), ms)); }
  void abort() { check(rd_kafka_abort_transaction(client_.get(), ms)); }

 private:
  static constexpr int ms = 10'000;

  static void check(rd_kafka_error_t* error) {
    EXPECT_EQ(error, nullptr) << rd_kafka_error_string(error);
    if (error != nullptr) rd_kafka_error_destroy(error);
  }

  kafka::Client client_;
};

}  // namespace tiderace
