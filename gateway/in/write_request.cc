#include "gateway/in/write_request.h"

#include <fmt/format.h>
#include <tiderace/error.h>

#include <charconv>
#include <map>

#include "base/utf8.h"
#include "gateway/in/sequences.h"
#include "gateway/tokens.h"

namespace tiderace::gateway {
namespace {

constexpr std::string_view header_prefix = "header.";
constexpr std::string_view header_field_prefix = "header_field.";
constexpr std::size_t most_readers = 64;
constexpr std::size_t most_times_message = 8;  // what a message may grow to
constexpr std::size_t most_header_fields = 16;
constexpr std::size_t header_bytes = 72;
constexpr std::size_t row_bytes = 128;  // about what a record takes beside its own bytes

/// Readers learn the shape of rows, so they are kept, one a thread for each pair of fields.
JsonRows& rows_reader(const JsonRowsOptions& fields) {
  thread_local std::map<JsonRowsOptions, JsonRows> readers;
  if (readers.size() > most_readers) readers.clear();
  const auto found = readers.find(fields);
  return found != readers.end() ? found->second : readers.emplace(fields, JsonRows(fields)).first->second;
}

/// The key of all that the bearer of `grant` writes, if there is only one.
std::optional<std::string> only_key(const Grant& grant) {
  if (!grant.keys || grant.keys->size() != 1 || grant.keys->front().ends_with('*')) return std::nullopt;
  return grant.keys->front();
}

}  // namespace

Message WriteRequest::message_of(std::string_view text) const {
  Message message{.topic = topic, .session = session, .headers = headers};
  std::size_t each = row_bytes;
  for (const auto& [name, value] : headers) each += name.size() + (value ? value->size() : 0);
  try {
    for (JsonRow& row : rows_reader(fields).read(text, most_bytes)) {
      if (fields.key && !may_use_key(grant, *row.key)) {
        message.refusal = fmt::format("row {}: the token does not allow the key {}", message.rows.size() + 1,
                                      json_string(*row.key));
        break;
      }
      const std::optional<std::string>& row_key = fields.key ? row.key : key;
      message.bytes += each + row.value.size() + (row_key ? row_key->size() : 0);
      for (const auto& [name, value] : row.headers)
        message.bytes += header_bytes + name.size() + value->size();
      if (message.bytes > most_bytes) {
        message.refusal = fmt::format(
            "its rows come to more than {} bytes, with the key and the headers of each; send fewer a message",
            most_bytes);
        break;
      }
      message.rows.push_back({std::string(row.value), row_key, row.timestamp, std::move(row.headers)});
    }
  } catch (const Error& error) {
    message.refusal = error.what();
  }
  if (!message.refusal.empty()) {
    message.rows.clear();
    message.bytes = message.refusal.size();
  }
  return message;
}

WriteRequest write_request(const Config& config, const std::string& topic, const Target& target,
                           const Grant& grant, std::optional<Refusal>& refusal) {
  WriteRequest request{
      .topic = topic, .most_bytes = most_times_message * config.limits.message_bytes, .grant = grant};
  const auto refuse = [&](unsigned status, std::string error) {
    if (!refusal) refusal = Refusal{status, std::move(error)};
  };
  if (!config.topics.contains(topic))
    refuse(404, fmt::format("there is no topic {} here", json_string(topic)));
  else if (!may_write(grant, topic))
    refuse(403, fmt::format("the token does not allow to write to {}", topic));
  for (const auto& [name, value] : target.query) {
    if (name == "key") {
      request.key = value;
    } else if (name == "key_field") {
      request.fields.key = value;
    } else if (name == "timestamp_field") {
      request.fields.timestamp = value;
    } else if (name == "session") {
      if (!is_session_name(value)) refuse(400, "session: wanted 1 to 64 of A-Z a-z 0-9 . _ -");
      request.session = session_key('w', grant.subject, value);
    } else if (name == "sequence") {
      const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), request.sequence);
      if (error != std::errc() || end != value.data() + value.size() || request.sequence == 0)
        refuse(400, "sequence: wanted a whole number from 1 on");
    } else if (name.starts_with(header_prefix)) {
      request.headers.emplace_back(name.substr(header_prefix.size()), value);
    } else if (name.starts_with(header_field_prefix)) {
      request.fields.headers[name.substr(header_field_prefix.size())] = value;
      if (request.fields.headers.size() > most_header_fields)
        refuse(400, fmt::format("header_field: wanted at most {} of them", most_header_fields));
    }
  }
  if (request.sequence > 0 && request.session.empty()) refuse(400, "sequence wants session=");
  // What the token says of its bearer, the request cannot say otherwise.
  const auto is_said = [&](const auto& header) { return grant.headers.contains(header.first); };
  std::erase_if(request.headers, is_said);
  std::erase_if(request.fields.headers, is_said);
  for (const auto& [name, value] : grant.headers) request.headers.emplace_back(name, value);
  if (!request.key && !request.fields.key) request.key = only_key(grant);
  if (request.key && request.fields.key) refuse(400, "wanted one of key and key_field, found both");
  // Of key_field each row is looked at.
  if (!request.fields.key &&
      !may_use_key(grant, request.key ? std::optional<std::string_view>(*request.key) : std::nullopt))
    refuse(403, request.key ? fmt::format("the token does not allow the key {}", json_string(*request.key))
                            : "the token allows certain keys only: wanted key= or key_field=");
  return request;
}

std::string answer_of(std::uint64_t number, const Outcome& outcome) {
  switch (outcome.kind) {
    case Outcome::Kind::stored: {
      std::string ranges;
      for (const auto& [partition, first, last] : outcome.offsets)
        fmt::format_to(std::back_inserter(ranges), "{}[{},{},{}]", ranges.empty() ? "" : ",", partition,
                       first, last);
      return fmt::format(R"({{"ack":{},"offsets":[{}]}})", number, ranges);
    }
    case Outcome::Kind::duplicate:
      return fmt::format(R"({{"ack":{},"duplicate":true}})", number);
    case Outcome::Kind::refused:
      return fmt::format(R"({{"refused":{},"error":{}}})", number, json_string(outcome.error));
    case Outcome::Kind::missing:
      return fmt::format(R"({{"error":"wanted message {} first","sequence":{}}})", outcome.sequence + 1,
                         outcome.sequence);
    case Outcome::Kind::no_room:
      return R"({"error":"there are too many sessions of this subject"})";
    case Outcome::Kind::ended:
      break;
  }
  return R"({"error":"the gateway ends; send it again"})";
}

std::string json_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : to_valid_utf8(text)) {
    if (c == '"' || c == '\\')
      (out += '\\') += c;
    else if (static_cast<unsigned char>(c) < 0x20)
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned>(c));
    else
      out += c;
  }
  return out += '"';
}

}  // namespace tiderace::gateway
