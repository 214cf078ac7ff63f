#include "runtime/observation/unseen_fields.h"

#include <fmt/format.h>

#include <mutex>
#include <set>

#include "base/logging.h"
#include "columnar/describe.h"

namespace tiderace {
namespace {

constexpr std::uint64_t enough_rows = 1000;

/// Whether nobody has said so before: a program may run an application again and again.
bool is_news(const std::string& text) {
  static std::mutex mutex;
  static std::set<std::string> said;
  const std::lock_guard lock(mutex);
  return said.insert(text).second;
}

}  // namespace

UnseenFields::UnseenFields(const ResolvedStage& stage) : topic_(stage.topic ? stage.topic->name : "") {
  if (stage.reads.empty()) return;
  for (const JsonField& read : stage.reads.front().fields) {
    if (read.declared) continue;
    auto field = std::make_unique<Field>();
    field->name = fmt::format("{}", fmt::join(read.path, "."));
    field->slot = read.slot;
    fields_.push_back(std::move(field));
  }
}

void UnseenFields::note(const Batch& batch) {
  if (over_ || batch.size() == 0) return;
  bool all_seen = true;
  for (const auto& field : fields_) {
    if (field->seen) continue;
    if (batch.columns[field->slot].mask() != 0)
      field->seen = true;
    else
      all_seen = false;
  }
  const std::uint64_t rows = rows_ += batch.size();
  if (all_seen)
    over_ = true;
  else if (rows >= enough_rows)
    tell();
}

void UnseenFields::end() {
  if (rows_ > 0) tell();
}

void UnseenFields::tell() {
  if (over_.exchange(true)) return;
  std::vector<std::string> unseen;
  for (const auto& field : fields_) {
    if (!field->seen) unseen.push_back(quoted(field->name));
  }
  const std::string names = fmt::format("{}", fmt::join(unseen, ", "));
  if (unseen.empty() || !is_news(topic_ + ": " + names)) return;
  log(LogLevel::warning,
      "{}: none of the first {} rows of this run has a value in {}, which this application reads as null; "
      "mend the name if it is misspelt, declare it in schema= if it is not",
      topic_, rows_.load(), names);
}

}  // namespace tiderace
