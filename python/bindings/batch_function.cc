#include <fmt/format.h>

#include <utility>

#include "api/table_internal.h"
#include "arrow_capsule.h"
#include "base/error.h"
#include "exceptions.h"
#include "functions.h"
#include "held.h"

namespace tiderace::python {
namespace {

class PythonBatchFunction final : public BatchFunction {
 public:
  PythonBatchFunction(nb::object function, nb::object adapter)
      : function_(std::move(function)), adapter_(std::move(adapter)) {}

  std::optional<CallFailure> call(std::span<const NamedColumn> columns,
                                  std::vector<NamedColumn>& results) override {
    const std::size_t rows = columns.empty() ? 0 : columns[0].column.size();
    const nb::gil_scoped_acquire gil;
    try {
      const Table table = TableAccess::make(std::vector<NamedColumn>(columns.begin(), columns.end()), rows);
      results = TableAccess::columns(from_capsule(nb::borrow(adapter_.get())(table)));
      return std::nullopt;
    } catch (nb::python_error& error) {
      return CallFailure{describe_exception(error, function_.get())};
    } catch (const Error& error) {
      return CallFailure{error.what()};
    }
  }

 private:
  Held function_;
  Held adapter_;
};

}  // namespace

std::shared_ptr<BatchFunction> batch_function(nb::object function, nb::object adapter) {
  return std::make_shared<PythonBatchFunction>(std::move(function), std::move(adapter));
}

}  // namespace tiderace::python
