#include "operators/model/version_headers.h"

#include <algorithm>

#include "columnar/records.h"

namespace tiderace {
namespace {

constexpr std::string_view prefix = "tiderace.";

void append_entry(std::string& out, std::string_view name, std::string_view value) {
  append_varint(out, name.size());
  out += name;
  append_varint(out, value.size() + 1);
  out += value;
}

}  // namespace

VersionHeaders::VersionHeaders(std::span<const std::size_t> numbers, std::span<ModelUse> models) {
  for (const std::size_t number : numbers) models_.push_back(&models[number]);
  present_.resize(models_.size());
}

void VersionHeaders::begin_batch() {
  joined_.clear();
  last_packed_ = {};
  const auto is_present = [](const ModelUse* use, const LoadedModelPtr& made_of) {
    return use->current == made_of;
  };
  if (std::equal(models_.begin(), models_.end(), present_.begin(), is_present)) return;
  entries_.clear();
  for (std::size_t i = 0; i < models_.size(); ++i) {
    present_[i] = models_[i]->current;
    append_entry(entries_, models_[i]->header, present_[i]->version);
  }
  alone_.clear();
  append_varint(alone_, models_.size());
  alone_ += entries_;
}

std::string_view VersionHeaders::with(std::string_view packed) {
  if (models_.empty()) return packed;
  if (packed.empty()) return alone_;
  if (joined_.empty() || packed != last_packed_) {  // rows that came together often have the same ones
    joined_.push_back(joined(packed));
    last_packed_ = packed;
  }
  return joined_.back();
}

std::string VersionHeaders::joined(std::string_view packed) const {
  std::string out;
  if (packed.find(prefix) == std::string_view::npos) {
    std::string_view rest = packed;
    append_varint(out, take_varint(rest).value_or(0) + models_.size());
    return out.append(rest).append(entries_);
  }
  std::vector<Header> headers = unpack_headers(packed);
  std::erase_if(headers, [this](const Header& header) {
    return std::any_of(models_.begin(), models_.end(),
                       [&](const ModelUse* use) { return use->header == header.first; });
  });
  for (const ModelUse* use : models_) headers.emplace_back(use->header, use->current->version);
  pack_headers(headers, out);
  return out;
}

}  // namespace tiderace
