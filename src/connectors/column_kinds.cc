#include "connectors/column_kinds.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "columnar/describe.h"

namespace tiderace {
namespace {

// Without booleans, which are a kind of their own to a table.
constexpr auto numeric_mask = static_cast<KindMask>(mask_of(Kind::int64) | mask_of(Kind::float64));

Kind family(Kind kind) noexcept {
  return kind == Kind::float64 ? Kind::int64 : kind;
}

bool is_one_family(KindMask mask) noexcept {
  return (mask & (mask - 1)) == 0 || (mask & ~numeric_mask) == 0;
}

bool is_text_of_some_kind(Kind kind) noexcept {
  return kind == Kind::string || kind == Kind::nested;
}

bool has_rounded(const Column& column) noexcept {
  if ((column.mask() & mask_of(Kind::int64)) == 0) return false;
  for (std::size_t i = 0; i < column.size(); ++i)
    if (column.kind(i) == Kind::int64 && is_rounded(column.int64(i))) return true;
  return false;
}

void refuse_values(const Column& nameless, RowErrors& errors) {
  for (std::size_t i = 0; i < nameless.size(); ++i) {
    if (nameless.is_null(i)) continue;
    errors.add(i, BadRowKind::type,
               fmt::format("the field \"\" has {}, and no column here is without a name; rename it",
                           describe(nameless, i)));
  }
}

}  // namespace

std::string folded_name(std::string name) {
  std::transform(name.begin(), name.end(), name.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return name;
}

bool is_rounded(std::int64_t value) noexcept {
  constexpr std::int64_t exact = std::int64_t{1} << 53;
  if (value >= -exact && value <= exact) return false;
  const auto as_float = static_cast<double>(value);
  return as_float >= 0x1p63 || static_cast<std::int64_t>(as_float) != value;
}

void ColumnKinds::tell_number(Known& known, const std::string& kind, OnTheirWay rows) {
  const bool has_floats = kind == "float64";
  const bool keeps_fractions = rows == OnTheirWay::some && known.fractions;
  // An int64 does not say how large; in a column of floats nothing is that is none.
  const bool keeps_large = known.large && (rows == OnTheirWay::some || !has_floats);
  known = {.family = Kind::int64,
           .fractions = has_floats || keeps_fractions,
           .large = kind == "integer" || keeps_large};
}

void ColumnKinds::tell(const std::map<std::string, std::string>& kinds, OnTheirWay rows) {
  for (const auto& [name, kind] : kinds) {
    Known& known = known_[name];
    if (kind == "int64" || kind == "float64" || kind == "integer")
      tell_number(known, kind, rows);
    else if (kind == "bool" || kind == "bytes")
      known = {.family = kind == "bool" ? Kind::boolean : Kind::bytes};
    else if (kind == "string" && is_text_of_some_kind(known.family))
      continue;
    else if (kind == "string")
      known = {.family = Kind::string, .any_text = true};
    else
      throw_error(
          ErrorKind::config,
          "a sink's kinds: column {}: wanted int64, integer, float64, string, bool or bytes, found {}",
          quoted(name), quoted(kind));
  }
}

bool ColumnKinds::all_fit(const std::vector<NamedColumn>& columns) const {
  return std::all_of(columns.begin(), columns.end(), [&](const NamedColumn& named) {
    const KindMask mask = named.column.mask();
    if (mask == 0) return true;
    if (!is_one_family(mask)) return false;
    const auto found = known_.find(named.name);
    const bool is_known = found != known_.end();
    const bool is_number = (mask & numeric_mask) != 0;
    if (is_known && is_number != (found->second.family == Kind::int64)) return false;
    if (!is_number) {
      if (!is_known || mask == mask_of(found->second.family)) return true;
      return found->second.any_text && mask == mask_of(Kind::nested);
    }
    const bool fractions = in(Kind::float64, mask) || (is_known && found->second.fractions);
    return !fractions || !((is_known && found->second.large) || has_rounded(named.column));
  });
}

void ColumnKinds::learn(const NamedColumn& named) {
  const KindMask mask = named.column.mask();
  if (mask == 0) return;
  Known& known = known_[named.name];
  for (std::size_t i = 0; i < named.column.size() && (known.family == Kind::null || known.any_text); ++i) {
    if (named.column.is_null(i)) continue;
    known.family = family(named.column.kind(i));
    known.any_text = false;
  }
  known.fractions = known.fractions || in(Kind::float64, mask);
  known.large = known.large || has_rounded(named.column);
}

void ColumnKinds::learn(const NamedColumn& named, std::size_t i) {
  if (named.column.is_null(i)) return;
  Known& known = known_[named.name];
  known.family = family(named.column.kind(i));
  known.any_text = false;
  known.fractions = known.fractions || named.column.kind(i) == Kind::float64;
  known.large = known.large || (named.column.kind(i) == Kind::int64 && is_rounded(named.column.int64(i)));
}

void ColumnKinds::check(const NamedColumn& named, std::size_t i, RowErrors& errors) const {
  if (named.column.is_null(i)) return;
  const auto found = known_.find(named.name);
  if (found == known_.end()) return;
  const Known& known = found->second;
  const Kind kind = named.column.kind(i);
  if (known.any_text && is_text_of_some_kind(kind)) return;
  if (family(kind) != known.family) {
    errors.add(
        i, BadRowKind::type,
        fmt::format("column {}: wanted {}, as the rows before it have, found {}; convert it with astype",
                    quoted(named.name), known.family == Kind::int64 ? "a number" : to_string(known.family),
                    describe(named.column, i)));
  } else if (kind == Kind::int64 && known.fractions && is_rounded(named.column.int64(i))) {
    errors.add(i, BadRowKind::range,
               fmt::format("column {}: wanted a number that a float64 has, as the rows before it have, found "
                           "{}; convert it with astype, or give it another name",
                           quoted(named.name), describe(named.column, i)));
  } else if (kind == Kind::float64 && known.large) {
    errors.add(i, BadRowKind::range,
               fmt::format("column {}: wanted an integer, since rows before it have integers that no float64 "
                           "is, found {}; convert it with astype, or give it another name",
                           quoted(named.name), describe(named.column, i)));
  }
}

void ColumnKinds::judge(const std::vector<NamedColumn>& columns, std::size_t size, RowErrors& errors) {
  if (errors.empty() && all_fit(columns)) {
    for (const NamedColumn& named : columns) learn(named);
    return;
  }
  const std::vector<bool> bad = errors.rows(size);
  for (std::size_t i = 0; i < size; ++i) {
    if (!bad.empty() && bad[i]) continue;
    RowErrors found;
    for (const NamedColumn& named : columns) check(named, i, found);
    if (found.empty()) {
      for (const NamedColumn& named : columns) learn(named, i);
    } else {
      for (RowErrors::Entry& entry : found.take()) errors.add(i, entry.kind, std::move(entry.message));
    }
  }
}

std::vector<NamedColumn> folded(std::vector<NamedColumn> columns, RowErrors& errors) {
  std::map<std::string, std::size_t> places;
  std::vector<NamedColumn> kept;
  for (NamedColumn& named : columns) {
    if (named.name.empty()) {
      refuse_values(named.column, errors);
      continue;
    }
    const auto [place, is_new] = places.emplace(folded_name(named.name), kept.size());
    if (is_new) {
      kept.push_back(std::move(named));
      continue;
    }
    NamedColumn& first = kept[place->second];
    ColumnBuilder both(named.column.size());
    for (std::size_t i = 0; i < named.column.size(); ++i) {
      both.copy(i, first.column.is_null(i) ? named.column : first.column, i);
      if (first.column.is_null(i) || named.column.is_null(i)) continue;
      errors.add(i, BadRowKind::type,
                 fmt::format("the fields {} and {} are one column here, where capitals make no difference; "
                             "rename one",
                             quoted(first.name), quoted(named.name)));
    }
    first.column = Column(std::move(both));
  }
  return kept;
}

}  // namespace tiderace
