#include "gateway/net/writing.h"

#include <fmt/format.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace tiderace::gateway {
namespace {

constexpr std::size_t most_unacknowledged = 256;  // messages of a socket
constexpr std::size_t most_waiting = 512;         // answers that a client does not take

class Writing final : public SocketUser {
 public:
  Writing(Services& services, WriteRequest request) : services_(services), request_(std::move(request)) {}

  void opened(Socket& socket) override {
    socket_ = &socket;
    if (request_.session.empty()) return greet(Sequences::Progress());
    const auto shared = socket.shared_from_this();
    // Behind what the session's last socket has sent.
    services_.sockets.take_session(
        request_.session, shared,
        [this, weak = std::weak_ptr<Socket>(shared), &writer = services_.writer, session = request_.session] {
          writer.ask_progress(session, [this, weak](std::variant<Sequences::Progress, NoAnswer> told) {
            const auto alive = weak.lock();
            if (alive != nullptr) alive->post([this, told = std::move(told)] { greet(told); });
          });
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
  void closing() override { held_.reset(); }
  void stop() override { stopped_ = true; }
  void ended() override { held_.reset(); }

 private:
  /// A message, and the leave to keep it until there is room.
  struct Held {
    Message message;
    std::unique_ptr<Writer::Hold> hold;
  };

  void greet(const std::variant<Sequences::Progress, NoAnswer>& told) {
    if (const auto* why = std::get_if<NoAnswer>(&told))
      return socket_->close(close_code::try_again_later, std::string(text_of(*why)));
    const auto* progress = std::get_if<Sequences::Progress>(&told);
    number_ = progress->sequence;
    greeted_ = true;
    socket_->send(fmt::format(R"({{"hello":{{{}}}}})", progress->to_json()));
    read_on();
  }

  void offer(Message message) {
    const auto offered = services_.writer.offer(message);
    if (offered == Writer::Offer::taken) return read_on();
    if (offered == Writer::Offer::ending) stopped_ = true;
    if (stopped_) return;  // it is not acknowledged
    const auto room = [this, weak = std::weak_ptr<Socket>(socket_->shared_from_this())] {
      if (const auto alive = weak.lock()) alive->post([this] { offer_held(); });
    };
    if (auto hold = services_.writer.hold(message, room)) {
      held_.emplace(Held{std::move(message), std::move(hold)});
      return offer_held();
    }
    stopped_ = true;
    socket_->close(close_code::try_again_later, std::string(text_of(NoAnswer::too_much_waits)));
  }

  void offer_held() {
    if (!held_) return;
    if (!stopped_) {
      const auto offered = services_.writer.offer(held_->message);
      if (offered == Writer::Offer::full) return;
      stopped_ = offered == Writer::Offer::ending;
    }
    held_.reset();
    read_on();
  }

  void answer(std::uint64_t number, const Outcome& outcome) {
    --unacknowledged_;
    socket_->send(answer_of(number, outcome));
    // The session has been forgotten, or others write as it: the client asks anew where it is.
    if (outcome.kind == Outcome::Kind::no_room)
      return socket_->close(close_code::try_again_later, "there are too many sessions of this subject");
    if (outcome.kind == Outcome::Kind::missing)
      return socket_->close(close_code::try_again_later, "the session is not where this socket is");
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
  std::optional<Held> held_;  ///< for which there was no room
};

}  // namespace

std::unique_ptr<SocketUser> writing_user(Services& services, WriteRequest request) {
  return std::make_unique<Writing>(services, std::move(request));
}

}  // namespace tiderace::gateway
