#include "arguments.h"

#include <fmt/format.h>

#include <cmath>
#include <memory>
#include <span>

#include "base/error.h"
#include "bindings.h"
#include "exceptions.h"
#include "functions.h"
#include "held.h"
#include "plan/offset.h"
#include "python_to_json.h"

namespace tiderace::python {
namespace {

/// Nothing for a str with half a surrogate pair.
std::optional<std::string> utf8_of(nb::handle text) {
  Py_ssize_t size = 0;
  const char* bytes = PyUnicode_AsUTF8AndSize(text.ptr(), &size);
  if (bytes != nullptr) return std::string(bytes, static_cast<std::size_t>(size));
  PyErr_Clear();
  return std::nullopt;
}

std::string shown(nb::handle value) {
  return utf8_of(nb::repr(value)).value_or("a value that cannot be shown");
}

/// One of `names`, by its place; a mistake names them all.
std::size_t one_of(ErrorKind kind, const char* option, const std::string& found,
                   std::span<const char* const> names) {
  std::string all;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (found == names[i]) return i;
    all += fmt::format("{}\"{}\"", i == 0 ? "" : (i + 1 == names.size() ? " or " : ", "), names[i]);
  }
  throw_error(kind, "{}: wanted {}, found \"{}\"", option, all, found);
}

constexpr const char* policies[] = {"stop", "skip", "dead-letter"};

ErrorPolicy policy(nb::handle value, const char* whose) {
  if (!nb::isinstance<nb::str>(value)) {
    throw_error(ErrorKind::config, "{}: wanted \"stop\", \"skip\" or \"dead-letter\", found {}", whose,
                shown(value));
  }
  return static_cast<ErrorPolicy>(one_of(ErrorKind::config, whose, text_of(value), policies));
}

/// Nanoseconds of a timedelta, exactly.
std::optional<std::chrono::nanoseconds> of_timedelta(nb::handle value) {
  const nb::object type = nb::module_::import_("datetime").attr("timedelta");
  if (!nb::isinstance(value, type)) return std::nullopt;
  const auto part = [&](const char* name) { return nb::cast<std::int64_t>(value.attr(name)); };
  std::int64_t ns =
      part("microseconds") * 1000 + nb::cast<std::int64_t>(nb::getattr(value, "nanoseconds", nb::int_(0)));
  if (__builtin_add_overflow(ns, part("seconds") * 1'000'000'000, &ns) || std::abs(part("days")) > 100'000 ||
      __builtin_add_overflow(ns, part("days") * 86'400'000'000'000, &ns)) {
    throw_error(ErrorKind::config, "{}: wanted at most 100,000 days", shown(value));
  }
  return std::chrono::nanoseconds(ns);
}

bool is_integer(nb::handle value) {
  return !PyBool_Check(value.ptr()) && PyIndex_Check(value.ptr()) != 0;
}

}  // namespace

std::chrono::nanoseconds duration(nb::handle value, const char* option, ErrorKind kind) {
  if (const auto time = of_timedelta(value)) return *time;
  if (nb::isinstance<nb::str>(value)) {
    try {
      return std::chrono::nanoseconds(parse_offset(nb::cast<std::string>(value)));
    } catch (const Error& error) {
      throw_error(kind, "{}: {}", option, error.what());
    }
  }
  if (PyFloat_Check(value.ptr()) || is_integer(value)) {
    const double seconds = PyFloat_AsDouble(value.ptr());
    if (PyErr_Occurred() != nullptr)
      PyErr_Clear();
    else if (std::isfinite(seconds) && std::abs(seconds) < 9e9)
      return std::chrono::nanoseconds(std::llround(seconds * 1e9));
  }
  throw_error(kind, "{}: wanted seconds as a number, a timedelta, or a text like \"500ms\", found {}", option,
              shown(value));
}

std::optional<std::chrono::nanoseconds> optional_duration(nb::handle value, const char* option) {
  if (value.is_none()) return std::nullopt;
  return duration(value, option);
}

OnError on_error(nb::handle value) {
  if (nb::isinstance<nb::str>(value) || PyCallable_Check(value.ptr()) == 0) return policy(value, "on_error");
  auto held = std::make_shared<Held>(nb::borrow(value));
  return [held](const BadRow& row) {
    const nb::gil_scoped_acquire gil;
    return policy(nb::borrow(held->get())(row), "what on_error returned");
  };
}

AutoOffsetReset auto_offset_reset(const char* option, const std::string& text) {
  constexpr const char* names[] = {"earliest", "latest"};
  return static_cast<AutoOffsetReset>(one_of(ErrorKind::config, option, text, names));
}

OnLostOffset on_lost_offset(const std::string& text) {
  constexpr const char* names[] = {"stop", "earliest", "latest"};
  return static_cast<OnLostOffset>(one_of(ErrorKind::config, "on_lost_offset", text, names));
}

ProcessingGuarantee processing_guarantee(const std::string& text) {
  constexpr const char* names[] = {"at-least-once", "exactly-once"};
  return static_cast<ProcessingGuarantee>(one_of(ErrorKind::config, "processing_guarantee", text, names));
}

Durability durability(const std::string& text) {
  constexpr const char* names[] = {"normal", "full"};
  return static_cast<Durability>(one_of(ErrorKind::config, "durability", text, names));
}

TimestampUnit timestamp_unit(const std::string& text) {
  constexpr const char* names[] = {"s", "ms", "us", "ns", "iso8601"};
  return static_cast<TimestampUnit>(one_of(ErrorKind::plan, "timestamp_unit", text, names));
}

Aggregate aggregate(const std::string& text) {
  constexpr const char* names[] = {"mean", "sum", "min", "max", "count", "std", "var"};
  return static_cast<Aggregate>(one_of(ErrorKind::plan, "aggregate", text, names));
}

UnaryOperator unary_operator(const std::string& text) {
  constexpr const char* names[] = {"neg",    "invert",  "abs",   "sqrt",  "exp", "log",
                                   "isnull", "notnull", "lower", "upper", "len"};
  return static_cast<UnaryOperator>(one_of(ErrorKind::plan, "operator", text, names));
}

BinaryOperator binary_operator(const std::string& text) {
  constexpr const char* names[] = {"+",  "-", "*",  "/",  "//", "%", "**", "<",
                                   "<=", ">", ">=", "==", "!=", "&", "|"};
  return static_cast<BinaryOperator>(one_of(ErrorKind::plan, "operator", text, names));
}

MatchKind match_kind(const std::string& text) {
  constexpr const char* names[] = {"regex", "literal", "startswith", "endswith"};
  return static_cast<MatchKind>(one_of(ErrorKind::plan, "match", text, names));
}

plan::Window window(nb::handle value) {
  if (is_integer(value)) {
    const nb::object rows = nb::steal(PyNumber_Index(value.ptr()));
    int overflow = 0;
    const std::int64_t number = PyLong_AsLongLongAndOverflow(rows.ptr(), &overflow);
    if (overflow == 0) return plan::Window::of_rows(number);
    throw_error(ErrorKind::plan, "rolling: wanted a number of rows up to 1,000,000,000, found {}",
                shown(value));
  }
  if (nb::isinstance<nb::str>(value)) return plan::Window::of_text(nb::cast<std::string>(value));
  if (const auto time = of_timedelta(value)) return plan::Window::of_nanoseconds(time->count());
  throw_error(ErrorKind::plan,
              "rolling: wanted a number of rows (5), a length of time (\"10s\") or a timedelta, found {}",
              shown(value));
}

plan::RollingOptions rolling_options(nb::handle grace, std::optional<std::int64_t> min_periods,
                                     nb::handle on_late, const std::string& name) {
  plan::RollingOptions options;
  options.grace_ns = grace.is_none() ? 0 : duration(grace, "grace", ErrorKind::plan).count();
  options.min_periods = min_periods;
  options.name = name;
  if (on_late.is_none()) return options;
  if (nb::isinstance<TopicHandle>(on_late)) {
    options.on_late = nb::cast<TopicHandle&>(on_late).topic;
  } else if (nb::isinstance<nb::str>(on_late) && nb::cast<std::string>(on_late) == "drop") {
    options.on_late = DropLate{};
  } else if (PyCallable_Check(on_late.ptr()) != 0) {
    options.on_late = row_function(nb::borrow(on_late), RowCall::result);
  } else {
    throw_error(ErrorKind::plan, "on_late: wanted \"drop\", a topic, or a function of the row, found {}",
                shown(on_late));
  }
  return options;
}

plan::Series series_of(nb::handle value) {
  if (nb::isinstance<plan::Series>(value)) return nb::cast<plan::Series>(value);
  return {scalar_of(value)};
}

std::vector<Scalar> scalars_of(nb::handle values) {
  if (nb::isinstance<nb::str>(values) || !nb::hasattr(values, "__iter__"))
    throw_error(ErrorKind::plan, "isin: wanted a list of constants, found {}", shown(values));
  std::vector<Scalar> scalars;
  for (const nb::handle value : nb::borrow(values)) scalars.push_back(scalar_of(value));
  return scalars;
}

std::string bytes_of(nb::handle value, const char* what) {
  if (nb::isinstance<nb::str>(value)) {
    if (const auto text = utf8_of(value)) return *text;
    throw_error(ErrorKind::config,
                "{}: the str has half a surrogate pair, which UTF-8 has no form for; found {}", what,
                shown(value));
  }
  char* bytes = nullptr;
  Py_ssize_t size = 0;
  if (PyBytes_Check(value.ptr()) && PyBytes_AsStringAndSize(value.ptr(), &bytes, &size) == 0)
    return {bytes, static_cast<std::size_t>(size)};
  throw_error(ErrorKind::config, "{}: wanted str or bytes, found {}", what, shown(value.type()));
}

HeaderList headers_of(nb::handle value) {
  HeaderList headers;
  if (value.is_none()) return headers;
  const nb::object pairs =
      nb::isinstance<nb::dict>(value) ? nb::object(value.attr("items")()) : nb::borrow(value);
  for (const nb::handle pair : pairs) {
    if (!PySequence_Check(pair.ptr()) || nb::isinstance<nb::str>(pair) || nb::len(pair) != 2) {
      throw_error(ErrorKind::config, "headers: wanted a dict or pairs of a name and a value, found {}",
                  shown(pair));
    }
    const nb::object content = nb::borrow(pair)[1];
    std::optional<std::string> bytes;
    if (!content.is_none()) bytes = bytes_of(content, "the value of a header");
    headers.emplace_back(bytes_of(nb::object(nb::borrow(pair)[0]), "the name of a header"), std::move(bytes));
  }
  return headers;
}

}  // namespace tiderace::python
