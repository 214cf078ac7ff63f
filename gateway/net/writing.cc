#include "gateway/net/writing.h"

#include <fmt/format.h>

#include <optional>
#include <utility>

namespace tiderace::gateway {
namespace {

constexpr std::size_t most_unacknowledged = 256;  // messages of a socket
constexpr std::size_t most_waiting = 512;         // answers that a client does not take

class Writing final : public SocketUser {
 public:
  Writing(Services& services, WriteRequest request) : services_(services), request_(std::move(request)) {}

  void opened(Socket& socket) override {
    socket_ = &socket;
    if (request_.session.empty()) return greet(0);
    const auto shared = socket.shared_from_this();
    services_.sockets.take_session(request_.session, shared);
    // Behind what the session's last socket has sent.
    services_.writer.ask_sequence(request_.session,
                                  [this, weak = std::weak_ptr<Socket>(shared)](std::uint64_t sequence) {
                                    if (const auto alive = weak.lock())
                                      alive->post([this, sequence] { greet(sequence); });
                                  });
  }

  void received(std::string_view text, bool /*binary*/) override {
    Message message = request_.message_of(text);
    message.sequence = ++number_;
    const auto shared = socket_->shared_from_this();
    message.done = [this, number = number_, weak = std::weak_ptr<Socket>(shared)](Outcome outcome) {
      if (outcome.kind == Outcome::Kind::ended) return;  // nothing is known, so nothing is said
      if (const auto alive = weak.lock())
        alive->post([this, number, outcome = std::move(outcome)] { answer(number, outcome); });
    };
    ++unacknowledged_;
    offer(std::move(message));
  }

  void drained() override { read_on(); }
  void stop() override { stopped_ = true; }

 private:
  void greet(std::uint64_t sequence) {
    number_ = sequence;
    greeted_ = true;
    socket_->send(fmt::format(R"({{"hello":{{"sequence":{}}}}})", sequence));
    read_on();
  }

  void offer(Message message) {
    if (services_.writer.offer(message)) return read_on();
    held_.emplace(std::move(message));
    services_.sockets.wait_for_room(socket_->shared_from_this(), [this] { offer_again(); });
    // There may have been room by the time that was said.
    if (services_.writer.queued_bytes() == 0) offer_again();
  }

  void offer_again() {
    if (!held_) return;
    Message message = std::move(*held_);
    held_.reset();
    if (!stopped_) offer(std::move(message));
  }

  void answer(std::uint64_t number, const Outcome& outcome) {
    --unacknowledged_;
    socket_->send(answer_of(number, outcome));
    read_on();
  }

  void read_on() {
    if (!greeted_ || stopped_ || held_ || unacknowledged_ >= most_unacknowledged) return;
    if (socket_->waiting() < most_waiting) socket_->read();
  }

  Services& services_;
  const WriteRequest request_;
  Socket* socket_ = nullptr;
  std::uint64_t number_ = 0;  ///< of the last message
  bool greeted_ = false;
  bool stopped_ = false;
  std::size_t unacknowledged_ = 0;
  std::optional<Message> held_;  ///< for which there was no room
};

}  // namespace

std::unique_ptr<SocketUser> writing_user(Services& services, WriteRequest request) {
  return std::make_unique<Writing>(services, std::move(request));
}

}  // namespace tiderace::gateway
