#include "runtime/observation/unseen_fields.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/logging.h"
#include "columnar/describe.h"

namespace tiderace {
namespace {

constexpr std::uint64_t enough_rows = 1000;

}  // namespace

UnseenFields::UnseenFields(const ResolvedStage& stage) : topic_(stage.topic ? stage.topic->name : "") {
  if (stage.reads.empty()) return;
  for (const JsonField& read : stage.reads.front().fields) {
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
  if (unseen.empty()) return;
  log(LogLevel::warning,
      "{}: none of the first {} rows of this run has a value in {}, which this application reads as null; if "
      "the "
      "name is misspelt, mend it",
      topic_, rows_.load(), fmt::join(unseen, ", "));
}

}  // namespace tiderace
