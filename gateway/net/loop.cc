#include "gateway/net/loop.h"

#include <boost/asio/post.hpp>
#include <utility>

#include "base/logging.h"
#include "base/signals.h"

namespace tiderace::gateway {

Loop::Loop() : thread_([this] { run(); }) {}

Loop::~Loop() {
  end();
}

void Loop::end() {
  context_.stop();
  if (thread_.joinable()) thread_.join();
}

void Loop::post(std::weak_ptr<void> owner, std::function<void()> act) {
  bool first = false;
  {
    const std::lock_guard lock(mutex_);
    first = posted_.empty();
    posted_.push_back({std::move(owner), std::move(act)});
  }
  if (first) boost::asio::post(context_, [this] { run_posted(); });
}

void Loop::run_posted() {
  {
    const std::lock_guard lock(mutex_);
    running_.swap(posted_);
  }
  for (Task& task : running_) {
    try {
      if (const auto owner = task.owner.lock()) task.act();
    } catch (const std::exception& error) {
      log(LogLevel::error, "gateway: {}", error.what());
    }
  }
  running_.clear();
}

void Loop::run() noexcept {
  block_signals();
  while (!context_.stopped()) {
    try {
      context_.run();
    } catch (const std::exception& error) {
      log(LogLevel::error, "gateway: {}", error.what());
    }
  }
}

}  // namespace tiderace::gateway
