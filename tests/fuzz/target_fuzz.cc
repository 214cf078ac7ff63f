#include <tiderace/reader.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "gateway/in/sequences.h"
#include "gateway/target.h"

/// Any target is taken or is none; what is taken has no control characters; positions and sequences come back
/// as they were.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tiderace::gateway;
  using tiderace::TopicRecord;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto is_clean = [](std::string_view part) {
    for (const char c : part) {
      if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return false;
    }
    return true;
  };
  if (const auto target = parse_target(text)) {
    if (!target->path.starts_with('/') || !is_clean(target->path)) std::abort();
    for (const auto& [name, value] : target->query) {
      if (!is_clean(name) || !is_clean(value)) std::abort();
    }
  }
  if (const auto positions = parse_positions(text)) {
    if (parse_positions(to_string(*positions)) != positions) std::abort();
  }
  // What stands in the topic of sequences comes back as it was, or is left alone.
  TopicRecord record;
  const std::string session = "w/subject/session";
  record.key = session;
  record.value = text;
  Sequences sequences;
  sequences.apply(record);
  const Sequences::Progress progress = sequences.progress(session);
  const std::string value = Sequences::value_of(progress);
  record.value = value;
  sequences.apply(record);
  if (sequences.progress(session) != progress) std::abort();
  return 0;
}
