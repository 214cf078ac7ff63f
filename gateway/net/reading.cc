#include "gateway/net/reading.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>
#include <utility>
#include <variant>

#include "base/logging.h"
#include "gateway/in/sequences.h"

namespace tiderace::gateway {
namespace {

constexpr std::size_t most_topics = 100;
constexpr std::size_t most_keys = 3'000;
constexpr std::size_t most_position_bytes = 200'000;

class Reading final : public SocketUser {
 public:
  Reading(Services& services, ReaderRequest request) : services_(services), request_(std::move(request)) {}

  void opened(Socket& socket) override {
    socket_ = &socket;
    socket.read();
    if (request_.session.empty()) return subscribe();
    services_.writer.ask_position(request_.session,
                                  [this, weak = std::weak_ptr<Socket>(socket.shared_from_this())](
                                      std::variant<std::string, NoAnswer> told) {
                                    const auto alive = weak.lock();
                                    if (alive != nullptr)
                                      alive->post([this, told = std::move(told)] { go_on(told); });
                                  });
  }

  void received(std::string_view message, bool /*binary*/) override {
    const auto position = parse_position_message(message);
    if (!position || request_.session.empty()) {
      return socket_->close(close_code::not_allowed,
                            "wanted {\"position\": \"TOPIC:PARTITION:OFFSET,...\"} of a session");
    }
    for (const auto& [partition, offset] : *position) {
      if (!reads(partition))
        return socket_->close(close_code::not_allowed, "a position of what is not read here");
      session_position_[partition] = offset;
    }
    std::string whole = to_string(session_position_);
    if (whole.size() > most_position_bytes)
      return socket_->close(close_code::not_allowed, "too many partitions for the position of a session");
    const auto refused = [this, weak = std::weak_ptr<Socket>(socket_->shared_from_this())](NoAnswer why) {
      const auto alive = weak.lock();
      if (alive == nullptr) return;
      alive->post([this, why] { socket_->close(close_code::try_again_later, std::string(text_of(why))); });
    };
    if (!services_.writer.store_position(request_.session, std::move(whole), refused))
      return socket_->close(close_code::try_again_later, std::string(text_of(NoAnswer::too_much_waits)));
    socket_->read();
  }

  void drained() override { send_next(); }
  void stop() override {
    if (subscription_ != nullptr) say_goodbye(close_code::going_away);
  }
  void ended() override {
    ended_ = true;
    if (subscription_ == nullptr) return;
    note_left_out();
    services_.feed.unsubscribe(subscription_);
  }

 private:
  /// Also of a partition that was added meanwhile.
  [[nodiscard]] bool reads(const Positions::key_type& partition) const {
    return session_position_.contains(partition) ||
           (subscription_ != nullptr && subscription_->position().contains(partition));
  }

  /// From where its session is, if it is to begin there.
  void go_on(const std::variant<std::string, NoAnswer>& told) {
    if (const auto* why = std::get_if<NoAnswer>(&told))
      return socket_->close(close_code::try_again_later, std::string(text_of(*why)));
    // As many as a session may have: its bytes are bounded.
    auto stored = parse_positions(std::get<std::string>(told), most_position_bytes);
    if (!stored && request_.from_session) {
      log(LogLevel::error, "gateway: the position of {} is none; it may begin elsewhere",
          json_string(request_.session));
      return socket_->close(close_code::failed,
                            "the stored position of the session is none; begin elsewhere");
    }
    session_position_ = std::move(stored).value_or(Positions());
    if (request_.from_session) request_.read.positions = session_position_;
    subscribe();
  }

  void subscribe() {
    if (ended_) return;
    const std::weak_ptr<Socket> weak = socket_->shared_from_this();
    subscription_ = std::make_shared<Subscription>(std::move(request_.read), Outbox::Limits{}, [this, weak] {
      if (const auto alive = weak.lock()) alive->post([this] { send_next(); });
    });
    services_.feed.subscribe(subscription_);
  }

  void send_next() {
    if (given_up_) return;
    if (subscription_->too_slow()) return give_up();
    if (socket_->waiting() > 0) return;  // goes on when that is sent
    Subscription::Turn turn = subscription_->take();
    note_left_out();
    if (turn.begins) {
      for (const auto& [partition, offset] : *turn.begins) session_position_[partition] = offset;
      socket_->send(fmt::format(R"({{"hello":{{"position":"{}"}}}})", to_string(*turn.begins)));
    } else if (turn.frame) {
      socket_->send(std::move(*turn.frame));
    }
  }

  void note_left_out() {
    const std::uint64_t left_out = subscription_->left_out();
    services_.requests.conflated += left_out - std::exchange(left_out_, left_out);
  }

  void give_up() {
    given_up_ = true;
    ++services_.requests.too_slow;
    say_goodbye(close_code::try_again_later);
  }

  /// With where the reader goes on: as the reason, or as a message where it is too long for one.
  void say_goodbye(std::uint16_t code) {
    std::string position = to_string(subscription_->position());
    if (position.size() > longest_reason) {
      socket_->send(fmt::format(R"({{"position":"{}"}})", position));
      position.clear();
    }
    socket_->close(code, std::move(position));
  }

  Services& services_;
  ReaderRequest request_;
  Socket* socket_ = nullptr;
  std::shared_ptr<Subscription> subscription_;
  Positions session_position_;
  std::uint64_t left_out_ = 0;  ///< of those that are counted
  bool given_up_ = false;
  bool ended_ = false;
};

}  // namespace

ReaderRequest reader_request(const Config& config, const std::vector<std::string>& topics,
                             const Target& target, const Grant& grant, std::optional<Refusal>& refusal) {
  // A topic that stands twice is read once.
  const std::set<std::string> names(topics.begin(), topics.end());
  ReaderRequest request{.read = {.topics = {names.begin(), names.end()}, .key_patterns = grant.keys}};
  const auto refuse = [&](unsigned status, std::string error) {
    if (!refusal) refusal = Refusal{status, std::move(error)};
  };
  if (topics.empty() || topics.size() > most_topics) refuse(404, "wanted the names of 1 to 100 topics");
  for (const std::string& topic : names) {
    if (!config.topics.contains(topic))
      refuse(404, fmt::format("there is no topic {} here", json_string(topic)));
    else if (!may_read(grant, topic))
      refuse(403, fmt::format("the token does not allow to read {}", topic));
  }
  for (const auto& [name, value] : target.query) {
    if (name == "key") {
      std::vector<std::string> keys = split(value);
      if (keys.empty()) refuse(400, "key: wanted keys with commas between them, found none");
      for (std::string& key : keys) {
        if (!may_use_key(grant, key))
          refuse(403, fmt::format("the token does not allow the key {}", json_string(key)));
        request.read.keys.insert(std::move(key));
      }
      if (request.read.keys.size() > most_keys)
        refuse(400, fmt::format("key: wanted at most {} keys; read the others in another socket", most_keys));
    } else if (name == "from") {
      if (value == "earliest") {
        request.read.from = ReadRequest::From::earliest;
      } else if (value == "session") {
        request.from_session = true;
        request.read.from = ReadRequest::From::positions;
      } else if (value != "latest") {
        const auto positions = parse_positions(value);
        if (!positions || positions->empty())
          refuse(400, "from: wanted latest, earliest, session or TOPIC:PARTITION:OFFSET,...");
        else
          request.read.positions = *positions;
        request.read.from = ReadRequest::From::positions;
      }
    } else if (name == "session") {
      if (!is_session_name(value)) refuse(400, "session: wanted 1 to 64 of A-Z a-z 0-9 . _ -");
      request.session = session_key('r', grant.subject, value);
    } else if (name == "conflate") {
      if (value != "true" && value != "false") refuse(400, "conflate: wanted true or false");
      request.read.conflate = value == "true";
    }
  }
  for (const auto& [partition, offset] : request.read.positions) {
    if (std::ranges::find(topics, partition.first) == topics.end())
      refuse(400, fmt::format("from: wanted positions of the topics that are read, {}, found {}:{}:{}",
                              fmt::join(topics, ", "), partition.first, partition.second, offset));
  }
  if (request.from_session && request.session.empty()) refuse(400, "from=session wants session=");
  return request;
}

std::unique_ptr<SocketUser> reading_user(Services& services, ReaderRequest request) {
  return std::make_unique<Reading>(services, std::move(request));
}

}  // namespace tiderace::gateway
