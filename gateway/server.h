#pragma once

#include <cstdint>
#include <memory>

#include "gateway/config.h"

namespace tiderace::gateway {

/// The gateway at work: from construction on it listens, until its end.
class Server {
 public:
  /// Throws Error{config} for an address that cannot be listened on, a certificate or a folder that cannot be
  /// read. Does not wait for the log.
  explicit Server(Config config);
  /// Ends at once; what the log does not have was not acknowledged.
  ~Server();

  /// Takes no more, waits until the log has what there is and its senders know, says goodbye. At most 25 s.
  void drain();
  [[nodiscard]] std::uint16_t port() const noexcept;
  [[nodiscard]] std::uint16_t metrics_port() const noexcept;  ///< 0: none

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tiderace::gateway
