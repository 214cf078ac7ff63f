#include <tiderace/dataframe.h>
#include <tiderace/table.h>

#include <span>

#include "api/frame_access.h"
#include "api/table_internal.h"

namespace tiderace {
namespace {

/// The engine's side of a C++ function over tables.
class CallTable final : public BatchFunction {
 public:
  explicit CallTable(std::function<Table(const Table&)> function) : function_(std::move(function)) {}

  std::optional<CallFailure> call(std::span<const NamedColumn> columns,
                                  std::vector<NamedColumn>& results) override {
    try {
      const std::size_t rows = columns.empty() ? 0 : columns[0].column.size();
      const Table table = TableAccess::make(std::vector<NamedColumn>(columns.begin(), columns.end()), rows);
      results = TableAccess::columns(function_(table));
      return std::nullopt;
    } catch (const std::exception& error) {
      return CallFailure{error.what()};
    } catch (...) {
      return CallFailure{"the function threw something that is no std::exception"};
    }
  }

 private:
  std::function<Table(const Table&)> function_;
};

}  // namespace

StreamingDataFrame StreamingDataFrame::map_batches(std::function<Table(const Table&)> function,
                                                   const std::string& function_name) const {
  return FrameAccess::make(
      FrameAccess::of(*this).map_batches(std::make_shared<CallTable>(std::move(function)), function_name));
}

}  // namespace tiderace
