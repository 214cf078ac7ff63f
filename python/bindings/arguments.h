#pragma once

#include <nanobind/nanobind.h>
#include <tiderace/options.h>
#include <tiderace/reader.h>

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "plan/frame.h"

namespace tiderace::python {

namespace nb = nanobind;

/// A length of time: seconds as a number, a timedelta, or a text like `"500ms"`. Throws Error{config} that
/// names `option` for anything else.
[[nodiscard]] std::chrono::nanoseconds duration(nb::handle value, const char* option,
                                                ErrorKind kind = ErrorKind::config);
/// The same, or nothing for None.
[[nodiscard]] std::optional<std::chrono::nanoseconds> optional_duration(nb::handle value, const char* option);

/// `"stop"`, `"skip"`, `"dead-letter"`, or a function of a bad row that returns one of them. Throws
/// Error{config} for anything else.
[[nodiscard]] OnError on_error(nb::handle value);

[[nodiscard]] AutoOffsetReset auto_offset_reset(const char* option, const std::string& text);
[[nodiscard]] OnLostOffset on_lost_offset(const std::string& text);
[[nodiscard]] ProcessingGuarantee processing_guarantee(const std::string& text);
[[nodiscard]] Durability durability(const std::string& text);
[[nodiscard]] TimestampUnit timestamp_unit(const std::string& text);
[[nodiscard]] Aggregate aggregate(const std::string& text);
[[nodiscard]] UnaryOperator unary_operator(const std::string& text);
[[nodiscard]] BinaryOperator binary_operator(const std::string& text);
[[nodiscard]] MatchKind match_kind(const std::string& text);

/// What `rolling` was given: a number of rows, or a length of time. Throws Error{plan} for anything else.
[[nodiscard]] plan::Window window(nb::handle value);
[[nodiscard]] plan::RollingOptions rolling_options(nb::handle grace, std::optional<std::int64_t> min_periods,
                                                   nb::handle on_late, const std::string& name);

/// A series as it is, anything else as a constant. Throws Error{plan}.
[[nodiscard]] plan::Series series_of(nb::handle value);
[[nodiscard]] std::vector<Scalar> scalars_of(nb::handle values);

/// str as UTF-8, bytes as they are. Throws Error{plan} that names `what` for anything else.
[[nodiscard]] std::string bytes_of(nb::handle value, const char* what);

using HeaderList = std::vector<std::pair<std::string, std::optional<std::string>>>;
/// A dict, or a list of pairs, of names and values that are str, bytes or None.
[[nodiscard]] HeaderList headers_of(nb::handle value);

}  // namespace tiderace::python
