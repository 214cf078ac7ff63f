#include "plan/series.h"

#include <utility>

#include "arguments.h"
#include "bindings.h"
#include "exceptions.h"
#include "functions.h"

namespace tiderace::python {
namespace {

using plan::RollingSeries;
using plan::Series;

std::optional<Series> bound(nb::handle value) {
  if (value.is_none()) return std::nullopt;
  return series_of(value);
}

void bind_functions_of_two(nb::module_& module) {
  module.def(
      "binary",
      [](const std::string& op, nb::handle left, nb::handle right) {
        return series_of(left).binary(binary_operator(op), series_of(right));
      },
      nb::arg("op"), nb::arg("left").none(), nb::arg("right").none(),
      nb::sig("def binary(op: str, left: object, right: object) -> Series"));
  module.def(
      "where",
      [](nb::handle condition, nb::handle then, nb::handle otherwise) {
        return Series::where(series_of(condition), series_of(then), series_of(otherwise));
      },
      nb::arg("condition").none(), nb::arg("then").none(), nb::arg("otherwise").none(),
      nb::sig("def where(condition: object, then: object, otherwise: object) -> Series"));
}

}  // namespace

void bind_series(nb::module_& module) {
  nb::class_<RollingSeries>(module, "RollingSeries")
      .def(
          "aggregate",
          [](const RollingSeries& rolling, const std::string& name, std::int64_t ddof) {
            return rolling.aggregate(aggregate(name), ddof);
          },
          nb::arg("name"), nb::arg("ddof") = 1);
  nb::class_<Series>(module, "Series")
      .def("field", &Series::field)
      .def("unary", [](const Series& self, const std::string& op) { return self.unary(unary_operator(op)); })
      .def(
          "fillna", [](const Series& self, nb::handle value) { return self.fillna(series_of(value)); },
          nb::arg("value").none(), nb::sig("def fillna(self, value: object) -> Series"))
      .def(
          "isin", [](const Series& self, nb::handle values) { return self.isin(scalars_of(values)); },
          nb::sig("def isin(self, values: object) -> Series"))
      .def(
          "between",
          [](const Series& self, nb::handle low, nb::handle high) {
            return self.between(series_of(low), series_of(high));
          },
          nb::arg("low").none(), nb::arg("high").none(),
          nb::sig("def between(self, low: object, high: object) -> Series"))
      .def(
          "clip",
          [](const Series& self, nb::handle lower, nb::handle upper) {
            return self.clip(bound(lower), bound(upper));
          },
          nb::arg("lower").none(), nb::arg("upper").none(),
          nb::sig("def clip(self, lower: object, upper: object) -> Series"))
      .def("round", &Series::round)
      .def("astype", &Series::astype)
      .def("match", [](const Series& self, const std::string& kind,
                       std::string pattern) { return self.match(match_kind(kind), std::move(pattern)); })
      .def(
          "rolling",
          [](const Series& self, nb::handle size, nb::handle grace, std::optional<std::int64_t> min_periods,
             nb::handle on_late, const std::string& name) {
            return self.rolling(window(size), rolling_options(grace, min_periods, on_late, name));
          },
          nb::arg("window"), nb::arg("grace").none(), nb::arg("min_periods").none(),
          nb::arg("on_late").none(), nb::arg("name"),
          nb::sig(
              "def rolling(self, window: object, grace: object, min_periods: int | None, on_late: object, "
              "name: str) -> RollingSeries"))
      .def("diff", &Series::diff, nb::arg("periods"), nb::arg("name"))
      .def("shift", &Series::shift, nb::arg("periods"), nb::arg("name"))
      .def(
          "apply",
          [](const Series& self, nb::object function) {
            const std::string name = name_of_function(function);
            return self.apply(value_function(std::move(function)), name);
          },
          nb::sig("def apply(self, function: object) -> Series"))
      .def("__repr__", &Series::to_text);
  bind_functions_of_two(module);
}

}  // namespace tiderace::python
