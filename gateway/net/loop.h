#pragma once

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace tiderace::gateway {

/// One thread and the connections that it serves. A connection stays with its loop; nothing of it is locked.
class Loop {
 public:
  using Executor = boost::asio::io_context::executor_type;

  Loop();
  /// Ends at once.
  ~Loop();

  /// Ends its thread; what was posted and not called is dropped. Another thread than its own.
  void end();
  /// Calls `act` on the loop's thread if `owner` is still there, after what was posted before. What many
  /// threads post while it is at work costs one wake-up. What `act` throws is logged. Any thread.
  void post(std::weak_ptr<void> owner, std::function<void()> act);
  [[nodiscard]] boost::asio::io_context& context() noexcept { return context_; }

 private:
  struct Task {
    std::weak_ptr<void> owner;
    std::function<void()> act;
  };
  void run() noexcept;
  void run_posted();

  boost::asio::io_context context_{1};
  boost::asio::executor_work_guard<Executor> work_{context_.get_executor()};
  std::mutex mutex_;
  std::vector<Task> posted_;   ///< guarded by the mutex
  std::vector<Task> running_;  ///< those that were posted, for their memory
  std::thread thread_;         // last: it uses the others
};

using TcpSocket = boost::asio::basic_stream_socket<boost::asio::ip::tcp, Loop::Executor>;
using Timer =
    boost::asio::basic_waitable_timer<std::chrono::steady_clock,
                                      boost::asio::wait_traits<std::chrono::steady_clock>, Loop::Executor>;

}  // namespace tiderace::gateway
