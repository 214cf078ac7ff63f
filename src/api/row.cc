#include <tiderace/row.h>
#include <tiderace/state.h>

#include "api/row_json.h"
#include "base/error.h"
#include "columnar/function.h"

namespace tiderace {

Row::Row() = default;
Row::Row(std::initializer_list<Field> fields) {
  for (const Field& field : fields) (*this)[field.first] = field.second;
}
Row::~Row() = default;
Row::Row(const Row& other) = default;
Row::Row(Row&& other) noexcept = default;
Row& Row::operator=(const Row& other) = default;
Row& Row::operator=(Row&& other) noexcept = default;

std::size_t Row::find(std::string_view name) const noexcept {
  std::size_t i = 0;
  while (i < fields_.size() && fields_[i].first != name) ++i;
  return i;
}

Value& Row::operator[](std::string_view name) {
  const std::size_t i = find(name);
  return i < fields_.size() ? fields_[i].second : fields_.emplace_back(std::string(name), Value()).second;
}

const Value& Row::operator[](std::string_view name) const {
  const std::size_t i = find(name);
  if (i == fields_.size())
    throw_error(ErrorKind::plan, "the row has no field \"{}\"; ask contains() first", name);
  return fields_[i].second;
}

bool Row::contains(std::string_view name) const noexcept {
  return find(name) < fields_.size();
}

void Row::erase(std::string_view name) {
  const std::size_t i = find(name);
  if (i < fields_.size()) fields_.erase(fields_.begin() + static_cast<std::ptrdiff_t>(i));
}

std::size_t Row::size() const noexcept {
  return fields_.size();
}
std::vector<Row::Field>::const_iterator Row::begin() const noexcept {
  return fields_.begin();
}
std::vector<Row::Field>::const_iterator Row::end() const noexcept {
  return fields_.end();
}

const Value& Value::operator[](std::string_view name) const {
  const Row* row = std::get_if<Row>(&value_);
  if (row == nullptr) refuse("an object");
  return (*row)[name];
}

std::string Value::to_string() const {
  std::string out;
  append_json(out, *this, NotFinite::as_null);
  return out;
}

void Value::refuse(const char* wanted) const {
  constexpr std::size_t shown = 100;
  std::string text = to_string();
  if (text.size() > shown) text = text.substr(0, shown) + "...";
  throw_error(ErrorKind::plan, "wanted {}, found {}", wanted, text);
}

Value State::get(std::string_view name, Value otherwise) const {
  const std::optional<std::string_view> json = state_->get(name);
  return json ? parse_value(*json) : std::move(otherwise);
}

void State::set(std::string_view name, const Value& value) {
  std::string json;
  append_json(json, value, NotFinite::as_word);
  state_->set(name, json);
}

void State::erase(std::string_view name) {
  state_->erase(name);
}
bool State::exists(std::string_view name) const {
  return state_->get(name).has_value();
}

}  // namespace tiderace
