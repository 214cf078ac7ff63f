#pragma once

#include <gtest/gtest.h>
#include <tiderace/error.h>

#include <string>
#include <vector>

#include "plan/frame.h"
#include "plan/text.h"

namespace tiderace::plan {

/// A pipeline with one topic and its frame.
struct Phone {
  std::shared_ptr<Pipeline> pipeline = Pipeline::make();
  std::shared_ptr<const Topic> topic;
  Frame sdf;

  explicit Phone(TopicOptions options = {})
      : topic(pipeline->topic("phone-data", std::move(options))), sdf(pipeline->dataframe(topic)) {}
};

/// The steps up to `node`, without the source, as text.
inline std::vector<std::string> steps(const NodePtr& node) {
  std::vector<std::string> texts;
  for (NodePtr at = node; at->input != nullptr; at = at->input)
    texts.insert(texts.begin(), to_text(at->step));
  return texts;
}

/// The message of the plan mistake that `build` makes; empty if it makes none.
template <class Build>
std::string mistake(Build build) {
  try {
    build();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::plan) << error.what();
    return error.what();
  }
  return {};
}

inline void expect_contains(const std::string& message, const std::string& part) {
  EXPECT_NE(message.find(part), std::string::npos) << "found: " << message << "\nwanted: " << part;
}

}  // namespace tiderace::plan
